"""Check who made a signature."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.blobs.signing.certificates import (
    check_authority,
    key_of,
    load_certificate,
    load_certificates,
    trusted_path,
)
from localreg.blobs.signing.keys import check_one_kind, load_public
from localreg.blobs.signing.packages import check_installed
from localreg.errors import SignatureError
from localreg.values.frozen import replace
from localreg.values.signatures import Bundle, Trusted, enveloped

_CHANGED = "it was made by another key, or changed since"


def check(bundle: Bundle, trusted: Sequence[Trusted], now: int) -> Trusted:
    """Return who made a signature: one of some trusted keys, or a trusted authority.

    With a certificate the name is that of the signer, and that of the authority.

    Args:
        bundle: the signature.
        trusted: what is trusted.
        now: the time, microseconds.

    Raises:
        SignatureError: none of them; `reason` says why.
        MissingPackageError: cryptography is not installed.
    """
    check_installed()
    if bundle.certificates:
        return _by_certificate(bundle, trusted, now)
    return _by_key(bundle, trusted)


def trusted_of(data: bytes, name: str | None) -> list[Trusted]:
    """Return the key, or the certificates of authorities, that a file holds.

    Args:
        data: a PEM file.
        name: what people call it; by default the name in a certificate, or the first digits of a
            key. With several certificates each has a number after the first.

    Raises:
        SignatureError: it is no such file.
        MissingPackageError: cryptography is not installed.
    """
    if b"BEGIN CERTIFICATE-----" not in data:
        key = load_public(data)
        return [Trusted(key.id, "key", name or key.id[:12], key.pem)]
    found = load_certificates(data)
    check_one_kind(data, len(found))
    for each in found:
        check_authority(each)
    return [
        Trusted(
            each.id,
            "certificate",
            (f"{name}-{place}" if place > 1 else name) if name else each.name,
            each.pem,
        )
        for place, each in enumerate({each.id: each for each in found}.values(), 1)
    ]


def is_for_others(trusted: Trusted) -> bool:
    """Return True if model-signing accepts signatures of this key, too."""
    return trusted.kind != "key" or load_public(trusted.pem.encode()).interoperable


def _by_key(bundle: Bundle, trusted: Sequence[Trusted]) -> Trusted:
    keys = [each for each in trusted if each.kind == "key"]
    named = [each for each in keys if bundle.key in (None, each.id)]
    if not named:
        raise _no("its key is neither given nor trusted")
    for each in named:
        key = load_public(each.pem.encode())
        if key.verifies(bundle.signature, enveloped(bundle.statement)):
            return each
    raise _no(_CHANGED)


def _by_certificate(bundle: Bundle, trusted: Sequence[Trusted], now: int) -> Trusted:
    chain = [load_certificate(each) for each in bundle.certificates]
    anchors = {each.id: each for each in trusted if each.kind == "certificate"}
    parsed = [found for each in anchors.values() for found in load_certificates(each.pem.encode())]
    anchor = anchors[trusted_path(chain, parsed, now).id]
    if not key_of(chain[0]).verifies(bundle.signature, enveloped(bundle.statement)):
        raise _no(_CHANGED)
    return replace(anchor, name=f"{chain[0].name} by {anchor.name}")


def _no(reason: str) -> SignatureError:
    return SignatureError(f"the signature does not count: {reason}", reason=reason)
