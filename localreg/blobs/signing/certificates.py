"""Certificates: read them, and find the way from a signer's to one that is trusted.

`openssl` and model-signing check a chain at the time when the signer's certificate began to be
valid. Here it must be valid now: nobody can show when a signature was made, so that a key that was
stolen after its certificate ended could sign for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from localreg.blobs.signing.keys import PublicKey, public_key
from localreg.blobs.signing.packages import check_installed
from localreg.errors import SignatureError
from localreg.values.frozen import Frozen
from localreg.values.units import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from cryptography import x509
    from cryptography.x509 import Certificate as Parsed

    Extension = TypeVar("Extension", bound="x509.ExtensionType")

LARGEST = 1024 * 1024  # bytes of a file with certificates
_LONGEST = 8  # certificates on the way from a signer to what is trusted
_TRIES = 200  # issuers that are tried: many of one name could take for ever
_WEAK = frozenset({"md5", "sha1", "sha224"})
_RSA = 2048  # bits, at least


class Certificate(Frozen):
    """A certificate.

    Attributes:
        id: the sha256 of its DER bytes.
        name: whom it is of.
        issuer: who issued it.
        begins, ends: when it is valid, microseconds.
        der: its DER bytes.
        parsed: the certificate of cryptography.
    """

    id: str
    name: str
    issuer: str
    begins: int
    ends: int
    der: bytes
    parsed: Parsed

    @property
    def pem(self) -> str:
        """Its PEM text."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.parsed.public_bytes(Encoding.PEM).decode("ascii")


def load_certificates(data: bytes) -> list[Certificate]:
    """Return the certificates of a PEM file, in their order.

    Raises:
        SignatureError: there is none, or one of them is damaged.
        MissingPackageError: cryptography is not installed.
    """
    check_installed()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if len(data) > LARGEST:
        raise _no(f"the file has {len(data):,} bytes, and at most {LARGEST:,} are possible")
    if b"BEGIN CERTIFICATE-----" not in data:
        raise _no("the file is no PEM file with certificates")
    with _parsing("the file"):
        found = x509.load_pem_x509_certificates(data)
        encoded = [each.public_bytes(Encoding.DER) for each in found]
    return [load_certificate(each) for each in encoded]


def load_certificate(der: bytes) -> Certificate:
    """Return a certificate of its DER bytes.

    Raises:
        SignatureError: it is damaged.
    """
    from cryptography import x509

    # Its parts are parsed when they are first read: here, so that no error comes later.
    with _parsing("a certificate"):
        parsed = x509.load_der_x509_certificate(der)
        name, issuer = (_shown(each.rfc4514_string()) for each in (parsed.subject, parsed.issuer))
        times = (parsed.not_valid_before_utc, parsed.not_valid_after_utc)
        begins, ends = (int(each.timestamp()) * 1_000_000 for each in times)
        list(parsed.extensions)
    return Certificate(hashlib.sha256(der).hexdigest(), name, issuer, begins, ends, der, parsed)


@contextmanager
def _parsing(what: str) -> Iterator[None]:
    """Raise a SignatureError for each error by which cryptography refuses a certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.utils import CryptographyDeprecationWarning

    try:
        yield
    except (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        CryptographyDeprecationWarning,  # an error for programs that want it so
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        raise _no(f"{what} is damaged") from None


def _shown(name: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in name)[:200] or "no name"


def check_authority(certificate: Certificate) -> None:
    """Raise SignatureError if a certificate is not one of an authority."""
    reason = _not_an_authority(certificate, 0)
    if reason is not None:
        raise _no(reason)


def check_dates(certificate: Certificate, now: int) -> None:
    """Raise SignatureError if a certificate is not valid now.

    Args:
        now: the time, microseconds.
    """
    reason = _not_now(certificate, now)
    if reason is not None:
        raise _no(reason)


def key_of(certificate: Certificate) -> PublicKey:
    """Return the key of a signer's certificate.

    Raises:
        SignatureError: it is of a kind that cannot be used, or not for signatures.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        found = certificate.parsed.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _no(f"the key of the certificate of {certificate.name} is damaged") from None
    key = public_key(found)
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and usage.digital_signature:
        return key
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CODE_SIGNING in extended:
        return key
    raise _no(
        f"the certificate of {certificate.name} is not for signatures: it names neither "
        "digitalSignature (keyUsage) nor codeSigning (extendedKeyUsage)"
    )


def trusted_path(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: int
) -> Certificate:
    """Return the trusted certificate from which a signer's one descends.

    Args:
        chain: of the signature, first that of the signer.
        trusted: certificates of authorities that are trusted. What issued them is checked too, if
            it is among them.
        now: the time, microseconds.

    Raises:
        SignatureError: it descends from none of them, or something on the way is not valid.
    """
    anchors = {each.id: each for each in trusted}
    search = _Search(anchors, {each.id: each for each in (*chain[1:], *trusted)}, now)
    found = search.from_here((chain[0],))
    if found is None:
        raise _no(search.reason or _foreign(chain))
    return found


def _foreign(chain: Sequence[Certificate]) -> str:
    return (
        f"the certificate of {chain[0].name}, issued by {chain[0].issuer}, does not descend from "
        "one that is trusted"
    )


class _Search:
    """The search of a way from a signer's certificate to a trusted one."""

    def __init__(
        self, anchors: dict[str, Certificate], known: dict[str, Certificate], now: int
    ) -> None:
        self.reason: str | None = None  # why a way that led to a trusted certificate is not valid
        self._anchors = anchors
        self._known = known
        self._now = now
        self._tries = _TRIES

    def from_here(self, path: tuple[Certificate, ...]) -> Certificate | None:
        """Return where a valid way ends that begins like this; None without one."""
        last = path[-1]
        issuers = [] if len(path) >= _LONGEST else list(self._issuers(path))
        if last.id in self._anchors and not any(each.id in self._anchors for each in issuers):
            reason = self._wrong_on(path)
            if reason is None:
                return last
            self.reason = self.reason or reason
            return None
        for each in issuers:
            found = self.from_here((*path, each))
            if found is not None:
                return found
        return None

    def _issuers(self, path: tuple[Certificate, ...]) -> Iterator[Certificate]:
        last = path[-1]
        for each in self._known.values():
            if each.parsed.subject != last.parsed.issuer or any(each.id == one.id for one in path):
                continue
            self._tries -= 1
            if self._tries < 0:
                return
            if _issued(last, each):
                yield each

    def _wrong_on(self, path: tuple[Certificate, ...]) -> str | None:
        for place, each in enumerate(path):
            reason = _not_now(each, self._now) or _not_understood(each)
            # The one that is trusted counts whatever signed it.
            if reason is None and place < len(path) - 1:
                reason = _weak(each)
            if reason is None and place:
                reason = _not_an_authority(each, place - 1)
            if reason is not None:
                return reason
        return None


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    """Return True if the signature of a certificate is by the key of another one."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.parsed.verify_directly_issued_by(issuer.parsed)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _not_now(certificate: Certificate, now: int) -> str | None:
    if certificate.begins <= now <= certificate.ends:
        return None
    found = "expired" if now > certificate.ends else "is not yet valid"
    return (
        f"the certificate of {certificate.name} {found}: it is valid from "
        f"{moment(certificate.begins)} to {moment(certificate.ends)} UTC, and now it is "
        f"{moment(now)}"
    )


def _not_understood(certificate: Certificate) -> str | None:
    from cryptography import x509

    known = (x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid)
    for each in certificate.parsed.extensions:
        if each.critical and each.oid not in known:
            return (
                f"the certificate of {certificate.name} has the critical extension "
                f"{each.oid.dotted_string}, which is not understood"
            )
    return None


def _weak(certificate: Certificate) -> str | None:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = certificate.parsed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return f"the certificate of {certificate.name} is signed in a way that is not known"
    if algorithm is not None and algorithm.name in _WEAK:
        return f"the certificate of {certificate.name} is signed with {algorithm.name}: too weak"
    return None


def _not_an_authority(certificate: Certificate, between: int) -> str | None:
    """Return why a certificate cannot issue others; None if it can.

    Args:
        between: number of authorities between it and the signer.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    limits = _extension(certificate, x509.BasicConstraints)
    if limits is None or not limits.ca:
        return f"the certificate of {certificate.name} is not one of an authority (CA)"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return f"the certificate of {certificate.name} is not for issuing others (keyCertSign)"
    if limits.path_length is not None and between > limits.path_length:
        return (
            f"{certificate.name} allows {limits.path_length} authorities below it, and there are "
            f"{between}"
        )
    try:
        key = certificate.parsed.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return f"the key of the certificate of {certificate.name} is damaged, or not known"
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA:
        return f"the key of {certificate.name} has {key.key_size} bits: too weak"
    return None


def _extension(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    from cryptography import x509

    try:
        return certificate.parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _no(reason: str) -> SignatureError:
    return SignatureError(f"the certificate cannot be used: {reason}", reason=reason)
