"""Sign a statement about the files of a model."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.blobs.signing.certificates import Certificate, check_dates, key_of
from localreg.blobs.signing.keys import PrivateKey
from localreg.errors import SignatureError
from localreg.values.signatures import bundle_file, enveloped


def sign(
    statement: bytes, key: PrivateKey, *, chain: Sequence[Certificate] = (), now: int
) -> bytes:
    """Return the file of a signature.

    Args:
        statement: what is signed.
        key: the private key.
        chain: certificates, first that of the key; none if the key itself is trusted.
        now: the time, microseconds.

    Raises:
        SignatureError: the first certificate is not of this key, or it cannot be used now.
    """
    if chain:
        if key_of(chain[0]).id != key.public.id:
            raise SignatureError(
                f"the certificate of {chain[0].name} is not of this key; give that of the key "
                "first, then those of its authorities",
                reason="the certificate is of another key",
            )
        for each in chain:
            check_dates(each, now)
    return bundle_file(
        statement,
        key.signature(enveloped(statement)),
        key=key.public.id,
        certificates=[each.der for each in chain],
    )
