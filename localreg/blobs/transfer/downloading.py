"""Download what a URL serves: the one entry point for http, https and object stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from localreg.blobs.transfer.pace import Pace, pace_from_environment
from localreg.blobs.transfer.partial import Part
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.urls import is_cloud

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.transfer.http.request import Access
    from localreg.blobs.transfer.transferred import Downloaded


def download(
    url: str,
    path: Path,
    *,
    wanted: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    pace: Pace | None = None,
    durable: bool = True,
    access: Access | None = None,
    most: int | None = None,
) -> Downloaded:
    """Download what a URL serves to a file, whole and verified.

    A part that an earlier call downloaded is continued if the server still has the same bytes. No
    other process may use the file meanwhile.

    Args:
        url: http, https, or an object in an object store; a fragment is not sent.
        path: the file; its folder exists.
        wanted: the sha256 that the bytes must have.
        progress: called with the number of bytes done and, if the server gives it, the total.
        pace: how slow the server may be; by default as the environment says.
        durable: sync the bytes to disk.
        access: credentials of a server of http, if they are not in the URL.
        most: the most bytes that a server of http may send; None for no limit.

    Raises:
        DownloadError: the server does not give it. The part stays for the next call if it can be
            continued, and is deleted otherwise.
        DigestMismatchError: the bytes are not those wanted; they are deleted.
    """
    pace = pace or pace_from_environment()
    key = hashlib.sha256(url.encode()).hexdigest()
    with disk_errors("downloading weights", path), Part(path, key, durable=durable) as part:
        try:
            if is_cloud(url):
                from localreg.blobs.transfer.cloud.download import download_to

                return download_to(part, url, pace, wanted, progress)
            from localreg.blobs.transfer.http.download import download_to as over_http

            return over_http(part, url, pace, wanted, progress, access, most)
        except BaseException:
            if not part.can_be_continued():
                part.discard()
            raise
