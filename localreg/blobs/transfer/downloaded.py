"""What a download came to, whichever way it took."""

from __future__ import annotations

from localreg.errors import DigestMismatchError
from localreg.values.frozen import Frozen
from localreg.values.urls import public_url


class Downloaded(Frozen):
    """What a download came to.

    Attributes:
        digest: sha256 of the bytes, as read back from the file.
        size: how many they are.
        etag, modified: the server's validators, as it wrote them.
        filename: the name that the server tells, safe on every file system.
    """

    digest: str
    size: int
    etag: str | None
    modified: str | None
    filename: str | None


def check_wanted(url: str, digest: str, wanted: str | None) -> None:
    """Check that what came is what was wanted; None is anything.

    Raises:
        DigestMismatchError: it is not.
    """
    if wanted is not None and digest != wanted:
        raise DigestMismatchError(
            f"{public_url(url)} serves sha256 {digest}, and {wanted} was expected; nothing was "
            "kept",
            wanted=wanted,
            found=digest,
        )
