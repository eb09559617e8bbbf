"""Sign models, attach signatures that were made elsewhere, and check them."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

from localreg.blobs.signing import signing
from localreg.blobs.signing.packages import check_installed
from localreg.errors import ConflictError, NoWeightsError, PathExistsError, SignatureError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import read_plain, replacing_plain
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found
from localreg.operations.trust.keys import SigningKey, check_no_key
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.signatures import (
    LIMIT,
    Signed,
    check_size,
    file_of,
    files_of_weights,
    signatures_of,
)
from localreg.operations.weights.sources import Source
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows, signature_rows
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.signatures import (
    LARGEST,
    SINGLE,
    Bundle,
    SignedFile,
    Trusted,
    enveloped,
    parse_bundle,
    problems,
    statement,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.model_rows import Connection
    from localreg.values.records import WeightsRecord

FILENAME = "model.sig"  # as model-signing calls it


class SignatureFile(Frozen):
    """A signature of a model.

    Attributes:
        digest: sha256 of the signature file.
        data: the file.
        signer: the id of the key, or of the signer's certificate, that it names.
        new: False if the model had it already.
        files: the names of the files that are signed.
    """

    digest: str
    data: bytes
    signer: str
    new: bool
    files: tuple[str, ...]

    def __repr__(self) -> str:
        """Leave the file out: notebooks print what a call returns."""
        return (
            f"SignatureFile(digest={self.digest!r}, signer={self.signer!r}, new={self.new}, "
            f"files={len(self.files):,})"
        )


def sign(chain: Chain, found: Found, key: SigningKey) -> SignatureFile:
    """Sign the weights of a model that are served now.

    Their sha256 are known, so that nothing is hashed, and the weights need not be here. Weights
    that this key signed already are not signed again.

    Raises:
        SignatureError: the files are not known, or the certificate cannot be used.
        ConflictError: the model got other weights meanwhile.
        ReadOnlyRegistryError: the model is in an upstream registry.
    """
    found.registry.store.check_writable()
    weights, name, ref = _served(found)
    files = files_of_weights(chain, found, weights)
    known = _signed_before(chain, found, weights, key, files, ref)
    if known is not None:
        return known
    listed = files if weights.tree else [SignedFile(SINGLE, each.digest) for each in files]
    data = signing.sign(statement(name, listed), key.key, chain=key.chain, now=now())
    return _kept(found, weights, data, parse_bundle(data))


def attach(chain: Chain, found: Found, signature: object) -> SignatureFile:
    """Keep a signature of a model that was made elsewhere.

    It must be of exactly the files of the weights that are served now. Who made it is not checked:
    that is done when it matters, with the keys that are trusted then.

    Args:
        signature: path of the file.

    Raises:
        SignatureError: it is no signature that can be checked, or is of other files.
        ConflictError: the model got other weights meanwhile.
    """
    check_no_key("signature", signature)
    place = absolute("signature", check_path("signature", signature))
    with disk_errors("reading a signature", place):
        return attach_bytes(chain, found, read_plain(place, "signature", LARGEST))


def attach_bytes(chain: Chain, found: Found, data: bytes) -> SignatureFile:
    """Keep a signature as `attach` does, by the content of its file."""
    found.registry.store.check_writable()
    bundle = parse_bundle(data)
    weights, _, ref = _served(found)
    files = files_of_weights(chain, found, weights)
    check_size(len(data), files)
    reasons = problems(bundle, files, package=weights.tree, ref=ref)
    if reasons:
        reason = "; ".join(reasons)
        raise SignatureError(f"this is no signature of {ref}: {reason}", reason=reason)
    return _kept(found, weights, data, bundle)


def verify(chain: Chain, found: Found, trusted: OpenRegistry | Sequence[Trusted]) -> list[Signed]:
    """Check the signatures of the weights of a model that are served now.

    Args:
        trusted: a registry whose keys count, or what counts instead.

    Returns:
        All of them, those first that name what is trusted.

    Raises:
        SignatureError: none counts; `reason` says why not.
        MissingPackageError: cryptography is not installed.
    """
    check_installed()
    weights, _, ref = _served(found)
    signed = list(signatures_of(chain, found, weights, trusted=trusted))
    if any(each.valid for each in signed):
        return signed
    if not signed:
        reason = "it is not signed"
    else:
        reasons = dict.fromkeys(f"{each.signer or 'unnamed'}: {each.reason}" for each in signed)
        shown = [*reasons][:3]
        more = len(reasons) - len(shown)
        reason = "; ".join(shown) + (f"; and {more:,} more" if more else "")
    raise SignatureError(f"no signature of {ref} counts: {reason}", reason=reason)


def signature_file(chain: Chain, found: Found, trusted: OpenRegistry | Sequence[Trusted]) -> bytes:
    """Return a signature file of the weights of a model that are served now.

    It is one that counts, if there is one; else the first that was made in the model's registry,
    or came to it.

    Raises:
        SignatureError: there is none, or it cannot be read.
    """
    weights, _, ref = _served(found)
    signed = list(signatures_of(chain, found, weights, trusted=trusted))
    chosen = next((each for each in signed if each.valid), None)
    if chosen is None:
        if not signed:
            raise SignatureError(
                f"{ref} is not signed; `localreg sign {found.id[:8]} --key FILE` signs it",
                reason="it is not signed",
            )
        chosen = signed[0]
    return file_of(chain, found, weights, chosen.digest, chosen.size)


def write_signature(found: Found, path: object, data: bytes, *, replace: bool = False) -> Path:
    """Write a signature file for other programs, and return its path.

    Args:
        path: the file, or a folder.
        data: what `signature_file` returned.
        replace: replace a plain file.

    Raises:
        PathExistsError: something is there.
        InvalidValueError: it cannot be written there.
        StorageError: the disk is full, or another disk error.
    """
    place = place_of(path, replace=replace)
    with (
        found.registry.blobs.writing_outside(place.parent),
        disk_errors("writing a signature", place),
        replacing_plain(place, "output") as temporary,
    ):
        temporary.write_bytes(data)
    return place


def place_of(path: object, *, replace: bool) -> Path:
    """Return where `write_signature` writes.

    Raises:
        PathExistsError: something is there.
    """
    place = absolute("output", check_path("output", path))
    if place.is_dir():
        place /= FILENAME
    if os.path.lexists(place) and not replace:
        raise PathExistsError(f"{place} exists already; -f replaces it", path=str(place))
    return place


def _served(found: Found) -> tuple[WeightsRecord, str, str]:
    """Return the weights that are served, the name of the model, and its reference."""
    with found.registry.store.read() as connection:
        row = require_model(connection, found.id)
        weights = model_rows.current_weights(connection, found.id)
    if weights is None:
        raise NoWeightsError(
            f"{row.ref} has no weights, so that nothing of it can be signed", model=found.id
        )
    if weights.digest is None:
        remedy = (
            "import it with a copy (`localreg add FILE`)"
            if weights.url is not None and weights.url.startswith("file://")
            else f"`localreg path {row.ref}` fetches them"
        )
        raise SignatureError(
            f"the weights of {row.ref} were never read, so that their sha256 is not known; "
            f"{remedy}",
            reason="its weights were never read",
        )
    return weights, row.name, row.ref


def _signed_before(
    chain: Chain,
    found: Found,
    weights: WeightsRecord,
    key: SigningKey,
    files: Sequence[SignedFile],
    ref: str,
) -> SignatureFile | None:
    """Return the signature of a key that the weights have already."""
    assert weights.digest is not None
    with found.registry.store.read() as connection:
        rows = signature_rows.of_weights(
            connection, found.id, weights.digest, first=[key.signer], limit=100
        )
    for row in rows:
        if row.signer != key.signer:
            return None
        try:
            data = file_of(chain, found, weights, row.file, row.size)
            bundle = parse_bundle(data)
        except SignatureError:  # it does not count, wherever it comes from
            continue
        # With other certificates it is another signature: those of an authority may have lacked.
        if (
            bundle.certificates == tuple(each.der for each in key.chain)
            and not problems(bundle, files, package=weights.tree, ref=ref)
            and key.key.public.verifies(bundle.signature, enveloped(bundle.statement))
        ):
            return _file(data, bundle, new=False)
    return None


def _kept(found: Found, weights: WeightsRecord, data: bytes, bundle: Bundle) -> SignatureFile:
    """Keep a signature file, and record it."""
    assert weights.digest is not None
    registry = found.registry
    with registry.store.read() as connection:
        if _is_known(connection, found.id, weights.digest, bundle.digest):
            return _file(data, bundle, new=False)
    source = Source(path=None, stream=io.BytesIO(data), filename=FILENAME)
    # Not through a chain: an upstream registry may forget it.
    with taken_in(Chain(registry), source) as (change, held):
        row = require_model(change.connection, found.id)
        now_served = model_rows.current_weights(change.connection, found.id)
        if now_served is None or now_served.digest != weights.digest:
            raise ConflictError(
                f"{row.ref} got other weights while they were signed; look at them, and sign again"
            )
        new = not _is_known(change.connection, found.id, weights.digest, held.digest)
        if new:
            payload = {
                "digest": weights.digest,
                "signature": held.digest,
                "size": held.size,
                "signer": bundle.signer,
            }
            change.record("model.signed", found.id, payload)
    return _file(data, bundle, new=new)


def _is_known(connection: Connection, model_id: str, digest: str, file: str) -> bool:
    """Return True if a signature file is recorded, and not hidden by many others."""
    return signature_rows.has_file(connection, model_id, digest, file, among=LIMIT)


def _file(data: bytes, bundle: Bundle, *, new: bool) -> SignatureFile:
    names = tuple(each.name for each in bundle.files)
    return SignatureFile(bundle.digest, data, bundle.signer, new, names)
