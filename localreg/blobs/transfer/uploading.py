"""Bringing weights to a destination outside the registry: the one seam for every kind of place.

An object appears under its name whole, or not at all, and never takes the place of other bytes, so
that the revisions of a model that share a file name all stay readable. In a folder (``file://``)
the second one gets the start of its digest into its name, and the same bytes are there once. In an
object store (``s3://``, ``gs://``, ``az://``) each upload has a folder of its own: to ask a server
what is there, and then to rely on the answer, would be a race.
"""

from __future__ import annotations

from pathlib import Path

from localreg.blobs.transfer import folder_upload
from localreg.blobs.transfer.transferred import Uploaded
from localreg.values.ids import new_id
from localreg.values.urls import below, is_cloud, local_path, local_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from localreg.progress import Progress


def planned_url(destination: str, name: str) -> str:
    """Return the URL that an upload asks for.

    Args:
        destination: URL of the folder, which need not be there.
        name: what the object is called.
    """
    if is_cloud(destination):
        return below(destination, new_id()[:12], name)
    return below(destination, name)


def expected_url(
    destination: str, name: str, digest: str, size: int, taken: AbstractSet[str]
) -> str:
    """Return the URL that bytes will have at a destination, as it looks now.

    Args:
        taken: URLs that other bytes are on their way to.
    """
    if is_cloud(destination):
        return planned_url(destination, name)
    return folder_upload.expected_url(destination, name, digest, size, taken)


def upload(source: Path, url: str, *, sync: bool, progress: Progress | None = None) -> Uploaded:
    """Bring a file to a URL that was planned, or beside it where other bytes are.

    Args:
        source: a plain file.
        url: what `planned_url` or `expected_url` returned.
        sync: whether it shall be on disk before this returns; servers decide for themselves.
        progress: told of the bytes.

    Raises:
        SourceNotFoundError: there is no such file.
        InvalidValueError: it is no plain file, or changes meanwhile.
        StorageError: the destination refused something, or is full; nothing is there then.
        UploadError: the server did not take it; nothing is there then.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        return cloud_upload.upload(source, url, progress=progress)
    target = local_path(url)
    assert target is not None  # who checks a destination knows what kinds there are
    folder = local_url(target.parent)
    return folder_upload.upload(source, folder, target.name, sync=sync, progress=progress)


def is_there(url: str, size: int | None) -> bool:
    """Return whether an object is there, as large as it should be.

    Raises:
        UploadError: the server does not tell.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        found = cloud_upload.seen(url)
        return found is not None and found.size == size
    return folder_upload.is_there(url, size)


def is_whole(url: str, digest: str, size: int, etag: str | None) -> bool:
    """Return whether an object is what was uploaded; also when it is gone.

    A file is hashed. A server is asked, and an object that it calls by another ETag is another one.

    Raises:
        StorageError: it cannot be read.
        UploadError: the server does not tell.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        found = cloud_upload.seen(url)
        return found is None or (found.size == size and etag in (None, found.etag))
    return folder_upload.is_whole(url, digest, size)


def delete(url: str) -> None:
    """Delete an object; one that is gone already is fine.

    Raises:
        StorageError: it cannot be deleted.
        UploadError: the server does not do it.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        cloud_upload.delete(url)
    else:
        folder_upload.delete(url)
