"""Certificates: read them, and find out if a signer's one descends from one that is trusted.

The package cryptography decides that (`cryptography.x509.verification`): names, signatures, dates,
authorities, how many may follow each other, critical extensions, and which algorithms are strong
enough. What is here besides says what a signer's certificate is for, as OpenSSF Model Signing has
it, and words the reason.

Where model-signing, which uses OpenSSL, decides otherwise:

- It checks a chain at the time when the signer's certificate began to be valid. Here it must be
  valid now: a signature does not prove when it was made, so that a key that was stolen after its
  certificate ended could sign for ever.
- It takes the authorities of the operating system if none are given. Here only what is named.
- It wants a root. Here an authority below it may be trusted alone.
- It accepts authorities with other keys, such as Ed25519 and RSA of less than 2,048 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

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
_NO_AUTHORITY = "is not one of an authority (CA)"
_NO_ISSUER = "is not for issuing others (keyCertSign)"


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
        KeyError,  # of text of an unknown kind, until cryptography 46
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
    reason = _not_an_authority(certificate)
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
        trusted: certificates of authorities that are trusted. One that names another of them as
            its issuer counts only together with that one: its dates count, too.
        now: the time, microseconds.

    Raises:
        SignatureError: it descends from none of them, or something on the way is not valid.
    """
    from cryptography import x509
    from cryptography.x509 import verification

    anchors = [each for each in trusted if not _has_issuer(each, trusted)]
    if not anchors:
        raise _no(_reason(chain, trusted, now, ""))
    permitted = verification.ExtensionPolicy.permit_all()
    agnostic = verification.Criticality.AGNOSTIC
    # What basicConstraints must say, cryptography knows.
    authorities = permitted.require_present(x509.BasicConstraints, agnostic, None).may_be_present(
        x509.KeyUsage, agnostic, _check_issues
    )
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([each.parsed for each in anchors]))
        .time(datetime.fromtimestamp(now // 1_000_000, UTC))
        .max_chain_depth(_LONGEST)
        .extension_policies(ca_policy=authorities, ee_policy=permitted)
        .build_client_verifier()
    )
    between = {each.id: each.parsed for each in (*chain[1:], *trusted)}
    with _parsing("a certificate"):
        try:
            found = verifier.verify(chain[0].parsed, [*between.values()])
        except verification.VerificationError as error:
            reason = _reason(chain, trusted, now, str(error))
        else:
            return next(each for each in anchors if each.parsed == found.chain[-1])
    raise _no(reason)


def _has_issuer(certificate: Certificate, others: Sequence[Certificate]) -> bool:
    """Return True if another one of some certificates has the name of a certificate's issuer."""
    issuer = certificate.parsed.issuer
    return certificate.parsed.subject != issuer and any(
        each.parsed.subject == issuer for each in others
    )


def _check_issues(_: object, __: object, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(_NO_ISSUER)


def _reason(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: int, error: str
) -> str:
    """Return why a signer's certificate is refused.

    Args:
        error: what cryptography says; it names no certificate, and no dates.
    """
    way = _named_on_the_way(chain[0], (*chain[1:], *trusted))
    for place, each in enumerate(way):
        found = _not_now(each, now) or (_not_an_authority(each) if place else None)
        if found is not None:
            return found
    if not {each.id for each in way} & {each.id for each in trusted}:
        return (
            f"the certificate of {chain[0].name}, issued by {chain[0].issuer}, does not descend "
            "from one that is trusted"
        )
    if "signature does not match" in error:
        return (
            f"the certificate of {chain[0].name} does not descend from one that is trusted: an "
            "authority of the same name has another key"
        )
    text = error.partition(" (encountered")[0].partition(" AlgorithmIdentifier")[0]
    for prefix in ("validation failed: ", "candidates exhausted: ", "fatal error: "):
        text = text.removeprefix(prefix)
    return f"the certificate of {chain[0].name} is not valid: {text.rstrip(':')}"


def _named_on_the_way(first: Certificate, others: Sequence[Certificate]) -> list[Certificate]:
    """Return a certificate, and those which by their names may have issued it, one by one."""
    way = [first]
    for last in way:
        way += [
            each
            for each in {one.id: one for one in others}.values()
            if each.parsed.subject == last.parsed.issuer and all(each.id != one.id for one in way)
        ]
    return way


def _not_now(certificate: Certificate, now: int) -> str | None:
    if certificate.begins <= now <= certificate.ends:
        return None
    found = "expired" if now > certificate.ends else "is not yet valid"
    return (
        f"the certificate of {certificate.name} {found}: it is valid from "
        f"{moment(certificate.begins)} to {moment(certificate.ends)} UTC, and now it is "
        f"{moment(now)}"
    )


def _not_an_authority(certificate: Certificate) -> str | None:
    """Return why a certificate cannot issue others; None if it can."""
    from cryptography import x509

    limits = _extension(certificate, x509.BasicConstraints)
    if limits is None or not limits.ca:
        return f"the certificate of {certificate.name} {_NO_AUTHORITY}"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return f"the certificate of {certificate.name} {_NO_ISSUER}"
    return None


def _extension(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    from cryptography import x509

    try:
        return certificate.parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _no(reason: str) -> SignatureError:
    return SignatureError(f"the certificate cannot be used: {reason}", reason=reason)
