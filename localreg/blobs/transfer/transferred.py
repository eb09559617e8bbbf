"""The result of a download or an upload, over http, to a cloud or into a folder."""

from __future__ import annotations

from pathlib import Path

from localreg.errors import DigestMismatchError
from localreg.values.frozen import Frozen
from localreg.values.urls import public_url


class Downloaded(Frozen):
    """The result of a download.

    Attributes:
        digest: sha256 of the bytes, as read back from the file.
        size: number of bytes.
        etag, modified: the server's ETag and Last-Modified, as it wrote them.
        filename: the name that the server gives, safe on every file system.
    """

    digest: str
    size: int
    etag: str | None
    modified: str | None
    filename: str | None


class UploadMark(Frozen):
    """The mark by which an upload of ours is known among other files, also after a crash.

    Attributes:
        id: 32 hex digits; in the name of the unfinished file, and in the object's metadata.
        owner: the mark of the process, as in `localreg.filesystem.temporary_owners`.
        modified: the mtime that the file gets, nanoseconds; None for an object.
    """

    id: str
    owner: str
    modified: int | None


class Uploaded(Frozen):
    """The result of an upload: an object at a destination.

    Attributes:
        url: where it is.
        digest: sha256 of its bytes.
        size: number of bytes.
        made: True if this upload created it; False if the same bytes were there before.
        etag: the server's ETag for it; None for a file.
    """

    url: str
    digest: str
    size: int
    made: bool
    etag: str | None = None


def check_wanted(url: str, digest: str, wanted: str | None) -> None:
    """Check the digest of what was downloaded; `wanted` None accepts any.

    Raises:
        DigestMismatchError: it is another one.
    """
    if wanted is not None and digest != wanted:
        raise DigestMismatchError(
            f"{public_url(url)} serves sha256 {digest}, and {wanted} was expected; nothing was "
            "kept",
            wanted=wanted,
            found=digest,
        )


def check_sent(source: Path, digest: str, wanted: str | None) -> None:
    """Check the digest of a file that is sent; `wanted` None accepts any.

    Raises:
        DigestMismatchError: it is another one.
    """
    if wanted is not None and digest != wanted:
        raise DigestMismatchError(
            f"{source} has sha256 {digest}, and {wanted} was expected; nothing was sent",
            wanted=wanted,
            found=digest,
        )
