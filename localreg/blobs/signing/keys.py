"""Keys: read them from files, sign with the private ones, check with the public ones.

Elliptic curves are signed with the hash that OpenSSF Model Signing takes for each of them. Ed25519
has no place in that format yet: such signatures are read here only.
"""

from __future__ import annotations

import hashlib

from localreg.blobs.signing.packages import check_installed
from localreg.errors import SignatureError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

LARGEST = 64 * 1024  # bytes of a file with a key
KINDS = "ECDSA with P-256, P-384 or P-521, or Ed25519"
_HASHES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
_NEW = "`openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes a key"


class PublicKey(Frozen):
    """A public key.

    Attributes:
        id: the sha256 of its PEM text, by which signatures name it.
        pem: its PEM text.
        key: the key of cryptography.
    """

    id: str
    pem: str
    key: EllipticCurvePublicKey | Ed25519PublicKey

    @property
    def interoperable(self) -> bool:
        """True if model-signing accepts its signatures, too."""
        return hasattr(self.key, "curve")

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return True if a signature of some bytes is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey

        try:
            if isinstance(self.key, EllipticCurvePublicKey):
                self.key.verify(signature, data, ECDSA(_hash(self.key.curve.name)))
            else:
                self.key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class PrivateKey(Frozen):
    """A private key.

    Attributes:
        public: its public key.
        key: the key of cryptography. It is in no text of this object.
    """

    public: PublicKey
    key: EllipticCurvePrivateKey | Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"PrivateKey(public={self.public.id!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a private key is not pickled")

    def signature(self, data: bytes) -> bytes:
        """Return the signature of some bytes."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey

        if isinstance(self.key, EllipticCurvePrivateKey):
            return self.key.sign(data, ECDSA(_hash(self.key.curve.name)))
        return self.key.sign(data)


def is_encrypted(data: bytes) -> bool:
    """Return True if a file with a private key has a password."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in data or b"Proc-Type: 4,ENCRYPTED" in data


def load_private(data: bytes, password: bytes | None) -> PrivateKey:
    """Return the private key of a PEM file.

    Args:
        data: the file.
        password: of the key; it is not used for a key without one.

    Raises:
        SignatureError: it is no such key, or the password is missing or wrong.
        MissingPackageError: cryptography is not installed.
    """
    check_installed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    _check_size(data)
    if b"PRIVATE KEY-----" not in data:
        what = "a certificate" if _is_certificate(data) else "a public key"
        known = _is_certificate(data) or b"PUBLIC KEY-----" in data
        raise _no(f"it is {what if known else 'no PEM file with a private key'}; {_NEW}")
    encrypted = is_encrypted(data)
    if encrypted and not password:
        raise _no("it has a password, which was not given; set LOCALREG_KEY_PASSWORD")
    try:
        key = load_pem_private_key(data, password if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # their texts may quote the file
        raise _no(
            "its password is wrong, or the file is damaged"
            if encrypted
            else f"the file is damaged, or of a kind that is not known: {KINDS} are"
        ) from None
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise _no(f"its kind cannot be used: only {KINDS}; {_NEW}")
    return PrivateKey(public_key(key.public_key()), key)


def load_public(data: bytes) -> PublicKey:
    """Return the public key of a PEM file.

    Raises:
        SignatureError: it is no such key.
        MissingPackageError: cryptography is not installed.
    """
    check_installed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    _check_size(data)
    if b"PRIVATE KEY-----" in data:
        raise _no(
            "it is a private key, which is never kept; give its public key: "
            "`openssl pkey -in key.pem -pubout -out key.pub` writes it"
        )
    if _is_certificate(data):
        raise _no("it is a certificate, not a key")
    check_one_kind(data, 1)
    try:
        found = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no("it is no PEM file with a public key, or it is damaged") from None
    return public_key(found)


def check_one_kind(data: bytes, count: int) -> None:
    """Raise SignatureError if a PEM file holds more than what is read of it.

    Args:
        count: how many keys or certificates are read.
    """
    if data.count(b"-----BEGIN ") > count:
        raise _no("the file holds several; give one key a file, and certificates in another")


def public_key(key: object) -> PublicKey:
    """Return a public key of cryptography as ours.

    Raises:
        SignatureError: it is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey):
        raise _no(f"its kind cannot be used: only {KINDS}")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name not in _HASHES:
        raise _no(f"its curve {key.curve.name} cannot be used: only {KINDS}")
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(hashlib.sha256(pem).hexdigest(), pem.decode("ascii"), key)


def _is_certificate(data: bytes) -> bool:
    return b"BEGIN CERTIFICATE-----" in data


def _check_size(data: bytes) -> None:
    if len(data) > LARGEST:
        raise _no(f"the file has {len(data):,} bytes, and a key at most {LARGEST:,}")


def _hash(curve: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    found: HashAlgorithm = getattr(hashes, _HASHES[curve])()
    return found


def _no(reason: str) -> SignatureError:
    return SignatureError(f"the key cannot be used: {reason}", reason=reason)
