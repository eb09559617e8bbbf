"""Signatures of models, as text: what is signed, the file that carries it, and what it is of.

The format is that of OpenSSF Model Signing (OMS) 1.0: a Sigstore bundle in JSON. Its envelope
(DSSE) holds a statement (in-toto) that lists the files of a model with their sha256, and one
signature of that statement. Here nothing is verified by cryptography: `localreg.blobs.signing`
does that. What is read may have been written by anybody, so that its size and all its values are
checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from localreg.errors import SignatureError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
LARGEST = 16 * 1024 * 1024  # bytes of a signature file: enough for 80,000 files
SINGLE = "."  # what the format calls the file of a model that is one file
_OLD_PREDICATE_TYPE = "https://model_signing/Digests/v0.1"
_ENTRY = 640  # bytes of a file in the list, without its name
_REST = 512 * 1024  # bytes of all the rest: certificates, and what was left out
_CERTIFICATES = 16  # the most in a chain
_CERTIFICATE = 64 * 1024  # bytes of one
_SIGNATURE = 4 * 1024  # bytes
_LONGEST = 4_096  # characters of a name
_NAMED = 5  # files that a problem names
_DIGEST = re.compile("[0-9a-f]{64}").fullmatch


class SignedFile(Frozen):
    """A file that a signature lists: its path in the model with slashes, and its sha256."""

    name: str
    digest: str


class Trusted(Frozen):
    """A key or a certificate that signatures are checked with.

    Attributes:
        id: of a key the sha256 of its PEM text; of a certificate that of its DER bytes.
        kind: "key", or "certificate" for that of an authority.
        name: what people call it.
        pem: the public key or the certificate.
        added: when the registry began to trust it, microseconds; 0 if it is only given for a check.
    """

    id: str
    kind: str
    name: str
    pem: str
    added: int = 0

    @property
    def text(self) -> str:
        """What people read: its name and the first digits of its id."""
        return f"{self.name} ({self.kind} {self.id[:12]}…)"


class Bundle(Frozen):
    """What a signature file says. Nothing of it is verified yet.

    Attributes:
        digest: sha256 of the file.
        name: what the signer called the model.
        files: what is signed.
        ignored: paths that the signer left out.
        statement: the bytes that were signed, without what the envelope adds.
        signature: the signature.
        key: the sha256 of the PEM text of the key, if it is named.
        certificates: the DER bytes of the certificates, first that of the signer.
    """

    digest: str
    name: str
    files: tuple[SignedFile, ...]
    ignored: tuple[str, ...]
    statement: bytes
    signature: bytes
    key: str | None
    certificates: tuple[bytes, ...]

    @property
    def signer(self) -> str:
        """The id of the key, or of the signer's certificate; "" if it names neither."""
        if self.certificates:
            return hashlib.sha256(self.certificates[0]).hexdigest()
        return self.key or ""


def statement(name: str, files: Sequence[SignedFile]) -> bytes:
    """Return the bytes that are signed.

    Args:
        name: of the model, for people.
        files: all of its files. A single file has the name ".".
    """
    ordered = sorted(files, key=lambda each: each.name.split("/"))
    return _text(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": _together(ordered)}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                },
                "resources": [
                    {"name": each.name, "algorithm": "sha256", "digest": each.digest}
                    for each in ordered
                ],
            },
        }
    )


def enveloped(statement: bytes) -> bytes:
    """Return what the signature of an envelope (DSSE) is over."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), statement)


def bundle_file(
    statement: bytes, signature: bytes, *, key: str, certificates: Sequence[bytes] = ()
) -> bytes:
    """Return the file of a signature.

    Args:
        statement: what was signed.
        signature: of `enveloped(statement)`.
        key: the id of the key.
        certificates: their DER bytes, first that of the key; then the file does not name the key.

    Raises:
        SignatureError: it would be larger than what is read again.
    """
    material: Json = {"publicKey": {"hint": key}}
    if certificates:
        chain = [{"rawBytes": _base64(each)} for each in certificates]
        material = {"x509CertificateChain": {"certificates": chain}}
    data = _text(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": material | {"tlogEntries": []},
            "dsseEnvelope": {
                "payload": _base64(statement),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _base64(signature), "keyid": ""}],
            },
        }
    )
    if len(data) > LARGEST:
        raise SignatureError(
            f"the model has too many files to be signed: the signature would have {len(data):,} "
            f"bytes, and at most {LARGEST:,} are possible; pack small files into archives",
            reason="too many files",
        )
    return data


def parse_bundle(data: bytes) -> Bundle:
    """Return what a signature file says.

    Raises:
        SignatureError: it is not one that can be checked here; `reason` says why.
    """
    if len(data) > LARGEST:
        raise _no(f"it has {len(data):,} bytes, and at most {LARGEST:,} are possible")
    try:
        return _bundle(data)
    except _WrongError as wrong:
        raise _no(str(wrong)) from None


def problems(bundle: Bundle, files: Sequence[SignedFile], *, package: bool, ref: str) -> list[str]:
    """Return what differs between the files that a signature lists and those of a model.

    Args:
        bundle: the signature.
        files: all files of the model.
        package: False if the model is a single file: signatures name it "." or by its name.
        ref: what the model is called.

    Returns:
        Nothing if the signature is of exactly these files. A file of the package that is the
        signature itself may be missing in it.
    """
    wanted = {each.name: each.digest for each in files}
    listed = {each.name: each.digest for each in bundle.files}
    if not package and listed.keys() == {SINGLE}:
        wanted = {SINGLE: files[0].digest}
    changed = [name for name in listed if wanted.get(name, listed[name]) != listed[name]]
    absent = [name for name in listed if name not in wanted]
    unsigned = [
        name for name, digest in wanted.items() if name not in listed and digest != bundle.digest
    ]
    left_out = [name for name in unsigned if _is_ignored(name, bundle.ignored)]
    found = []
    if changed:
        of = "" if changed == [SINGLE] else f" of {_names(changed)}"
        found.append(f"other bytes were signed{of}")
    if absent:
        found.append(f"{ref} does not have {_names(absent)}, which it lists")
    if left_out:
        found.append(f"left out by ignore_paths, so not signed: {_names(left_out)}")
    rest = [name for name in unsigned if name not in {*left_out}]
    if rest:
        found.append(f"not signed: {_names(rest)}")
    return found


def largest(files: Sequence[SignedFile]) -> int:
    """Return the number of bytes that a signature of some files has at most.

    Whoever may add signatures must not make everybody read more than that.
    """
    listed = sum(_ENTRY + 8 * len(each.name.encode()) for each in files)
    return min(LARGEST, _REST + listed)


class _WrongError(Exception):
    """A part of a signature file is not as it should be; the text says which and why."""


def _no(reason: str) -> SignatureError:
    return SignatureError(f"this is not a signature that can be checked: {reason}", reason=reason)


def _bundle(data: bytes) -> Bundle:
    top = _object(_parsed(data, "it"), "it")
    kind = top.get("mediaType")
    if kind != MEDIA_TYPE:
        raise _WrongError(f"it is no Sigstore bundle of version 0.3 (mediaType is {_shown(kind)})")
    material = _object(top.get("verificationMaterial"), "verificationMaterial")
    if "certificate" in material:
        raise _WrongError(
            "it was signed without a key (Sigstore keyless), which only a transparency log in the "
            "network can show; sign with a key or a certificate"
        )
    key, certificates = _signer(material)
    if "dsseEnvelope" not in top:
        raise _WrongError("it has no dsseEnvelope, so it is not of a model")
    envelope = _object(top["dsseEnvelope"], "dsseEnvelope")
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise _WrongError(
            f"payloadType is {_shown(envelope.get('payloadType'))}, not {PAYLOAD_TYPE}"
        )
    signed = _bytes(envelope.get("payload"), "payload", LARGEST)
    signatures = _list(envelope.get("signatures"), "signatures")
    if len(signatures) != 1:
        raise _WrongError(f"it has {len(signatures)} signatures, not one")
    signature = _bytes(_object(signatures[0], "signatures").get("sig"), "sig", _SIGNATURE)
    name, files, ignored = _stated(signed)
    digest = hashlib.sha256(data).hexdigest()
    return Bundle(digest, name, files, ignored, signed, signature, key, certificates)


def _signer(material: Json) -> tuple[str | None, tuple[bytes, ...]]:
    """Return the key that a signature names, and its certificates."""
    if "x509CertificateChain" in material:
        chain = _object(material["x509CertificateChain"], "x509CertificateChain")
        found = _list(chain.get("certificates"), "certificates")
        if not 0 < len(found) <= _CERTIFICATES:
            raise _WrongError(
                f"it has {len(found):,} certificates, and 1 to {_CERTIFICATES} are possible"
            )
        return None, tuple(
            _bytes(_object(each, "certificates").get("rawBytes"), "rawBytes", _CERTIFICATE)
            for each in found
        )
    if "publicKey" not in material:
        raise _WrongError("it names neither a key nor certificates")
    hint = _object(material["publicKey"], "publicKey").get("hint")
    if not hint:  # as older programs write it
        return None, ()
    if type(hint) is not str or not _DIGEST(hint):
        raise _WrongError("it names its key by something else than the sha256 of the key")
    return hint, ()


def _stated(signed: bytes) -> tuple[str, tuple[SignedFile, ...], tuple[str, ...]]:
    """Return what a statement says: the name of the model, its files, and what was left out."""
    top = _object(_parsed(signed, "the statement"), "the statement")
    if top.get("_type") != STATEMENT_TYPE:
        raise _WrongError(
            f"the statement is no in-toto statement (_type is {_shown(top.get('_type'))})"
        )
    kind = top.get("predicateType")
    if kind == _OLD_PREDICATE_TYPE:
        raise _WrongError(
            "it was made by model-signing before 1.0 (Digests/v0.1); sign again with a newer one"
        )
    if kind != PREDICATE_TYPE:
        raise _WrongError(f"it is no signature of a model (predicateType is {_shown(kind)})")
    subjects = _list(top.get("subject"), "subject")
    if len(subjects) != 1:
        raise _WrongError(f"the statement has {len(subjects)} subjects, not one")
    subject = _object(subjects[0], "subject")
    name = _name(subject.get("name", ""), "subject")
    root = _object(subject.get("digest"), "digest").get("sha256")
    predicate = _object(top.get("predicate"), "predicate")
    ignored = _how(_object(predicate.get("serialization"), "serialization"))
    files = tuple(_file(each) for each in _list(predicate.get("resources"), "resources"))
    if len({each.name for each in files}) != len(files):
        raise _WrongError("the statement lists a file twice")
    if root != _together(files):
        raise _WrongError(
            "the statement contradicts itself: the digest of the whole is another one"
        )
    return name, files, ignored


def _how(serialization: Json) -> tuple[str, ...]:
    """Check how the files were hashed, and return what was left out."""
    method, algorithm = serialization.get("method"), serialization.get("hash_type")
    if method != "files":
        raise _WrongError(
            f"its method is {_shown(method)}; only whole files are checked: sign again without "
            "shards"
        )
    if algorithm != "sha256":
        raise _WrongError(
            f"its digests are {_shown(algorithm)}, not sha256; sign again with sha256"
        )
    ignored = serialization.get("ignore_paths", [])
    return tuple(_name(each, "ignore_paths") for each in _list(ignored, "ignore_paths"))


def _file(value: object) -> SignedFile:
    resource = _object(value, "resources")
    name = _name(resource.get("name"), "resources")
    algorithm, digest = resource.get("algorithm"), resource.get("digest")
    if algorithm != "sha256":
        raise _WrongError(f"the digest of {_shown(name)} is {_shown(algorithm)}, not sha256")
    if type(digest) is not str or not _DIGEST(digest):
        raise _WrongError(f"the digest of {_shown(name)} is no sha256")
    return SignedFile(name, digest)


def _parsed(data: bytes, what: str) -> object:
    # Each file takes more than 100 bytes, with three commas. Values that are much denser would
    # need many times the memory of their text.
    size = len(data)
    if data.count(b"{") + data.count(b"[") > 64 + size // 64 or data.count(b",") > 64 + size // 16:
        raise _WrongError(f"{what} has more values than a list of files")
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise _WrongError(f"{what} is not text") from None
    except RecursionError:
        raise _WrongError(f"{what} is nested too deeply") from None
    except ValueError:
        raise _WrongError(f"{what} is no JSON: it is cut off, or something else") from None


def _once(pairs: list[tuple[str, object]]) -> Json:
    # Of a name that is there twice other programs may take the other value.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _WrongError("a name stands twice in it")
    return found


def _no_number(text: str) -> object:
    raise _WrongError(f"{text} is no number")


def _object(value: object, what: str) -> Json:
    if type(value) is not dict:
        raise _WrongError(f"{what} must be an object of JSON")
    return value


def _list(value: object, what: str) -> list[object]:
    if type(value) is not list:
        raise _WrongError(f"{what} must be a list")
    return value


def _bytes(value: object, what: str, most: int) -> bytes:
    if type(value) is not str or not value:
        raise _WrongError(f"{what} must be text in base64")
    try:
        found = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise _WrongError(f"{what} must be text in base64") from None
    if not 0 < len(found) <= most:
        raise _WrongError(f"{what} has {len(found):,} bytes, and 1 to {most:,} are possible")
    return found


def _name(value: object, what: str) -> str:
    if type(value) is not str or len(value) > _LONGEST:
        raise _WrongError(f"a name in {what} must be text of at most {_LONGEST:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _WrongError(f"a name in {what} is no text of Unicode") from None
    return value


def _shown(value: object) -> str:
    text = value if type(value) is str else type(value).__name__
    short = text if len(text) <= 80 else f"{text[:80]}…"
    return repr(short) if type(value) is str else "missing" if value is None else short


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(_shown(each)[1:-1] for each in sorted(names)[:_NAMED])
    more = len(names) - _NAMED
    return f"{listed} and {more:,} more" if more > 0 else listed


def _is_ignored(name: str, ignored: Iterable[str]) -> bool:
    return any(name == each or name.startswith(f"{each.rstrip('/')}/") for each in ignored)


def _together(files: Iterable[SignedFile]) -> str:
    digest = hashlib.sha256()
    for each in files:
        digest.update(bytes.fromhex(each.digest))
    return digest.hexdigest()


def _text(values: Json) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
