"""Upload weights to a destination outside the registry: the one entry point for all destinations.

An object appears under its name whole or not at all, and never replaces other bytes. So all
revisions of a model stay readable, even if they share a file name. In a folder (``file://``) a
second object of a name gets the start of its digest into its name, and the same bytes are stored
once. In an object store (``s3://``, ``gs://``, ``az://``) each upload gets a folder of its own,
because asking a server what is there and relying on the answer would be a race.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localreg.blobs.transfer import folder_upload
from localreg.blobs.transfer.transferred import Uploaded, UploadMark
from localreg.filesystem.temporary_owners import owner_mark
from localreg.values.ids import new_id, now
from localreg.values.urls import below, is_cloud, local_path, local_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from localreg.progress import Progress


def planned_url(destination: str, name: str) -> str:
    """Return the URL to upload an object to.

    Args:
        destination: URL of the folder, which need not exist.
        name: the object's name.
    """
    if is_cloud(destination):
        return below(destination, new_id()[:12], name)
    return below(destination, name)


def expected_url(
    destination: str, name: str, digest: Callable[[], str], size: int, taken: AbstractSet[str]
) -> str:
    """Return the URL that bytes will get at a destination, as far as can be known now.

    Args:
        destination, name: as for `planned_url`.
        digest: returns the sha256 of the bytes; it is asked if the name is taken.
        size: the number of bytes.
        taken: URLs of other uploads in progress.
    """
    if is_cloud(destination):
        return planned_url(destination, name)
    return folder_upload.expected_url(destination, name, digest, size, taken)


def new_mark(url: str) -> UploadMark:
    """Return the mark of a new upload by this process."""
    # Microseconds: some network file systems keep no nanoseconds.
    modified = None if is_cloud(url) else now() * 1_000
    return UploadMark(new_id(), owner_mark(), modified)


def upload(
    source: Path,
    url: str,
    mark: UploadMark | None = None,
    *,
    sync: bool,
    progress: Progress | None = None,
) -> Uploaded:
    """Upload a file to a planned URL, or under a similar name if other bytes are there.

    Nothing is left at the destination after an error.

    Args:
        source: a regular file.
        url: a result of `planned_url` or `expected_url`.
        mark: by which the upload is known from other files and objects; None for a new one.
        sync: sync the file to disk before this returns; a server decides for itself.
        progress: called with the number of bytes done, and the total.

    Raises:
        SourceNotFoundError: the file does not exist.
        InvalidValueError: it is not a regular file, or changed during the upload.
        UploadError: the server did not accept it.
    """
    mark = mark or new_mark(url)
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        return cloud_upload.upload(source, url, upload_id=mark.id, progress=progress)
    target = local_path(url)
    assert target is not None  # `check_destination` accepts only clouds and folders
    folder = local_url(target.parent)
    return folder_upload.upload(source, folder, target.name, mark, sync=sync, progress=progress)


def left_of(url: str, mark: UploadMark, etag: str | None = None) -> list[str]:
    """Return the URLs of what an upload left that nothing records: deleting them loses nothing.

    What was there before, or was changed since, is not in it.

    Args:
        url: what the upload was planned as.
        mark: as it was given to `upload`; or the mtime of a file that is to be deleted.
        etag: of an object that is to be deleted; None for an upload.

    Raises:
        StorageError, UploadError: the destination cannot be reached.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        return cloud_upload.left_of(url, mark, etag)
    return [local_url(path) for path in folder_upload.left_of(url, mark)]


def is_there(url: str, size: int | None) -> bool:
    """Return True if an object exists and has the right size.

    Raises:
        UploadError: the server does not answer the question.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        found = cloud_upload.seen(url)
        return found is not None and found.size == size
    return folder_upload.is_there(url, size)


def is_whole(url: str, digest: str, size: int, etag: str | None) -> bool:
    """Return True if an object is what was uploaded, or does not exist any more.

    A file is hashed. In an object store, size and ETag are compared.

    Raises:
        UploadError: the server does not answer the question.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        found = cloud_upload.seen(url)
        return found is None or (found.size == size and etag in (None, found.etag))
    return folder_upload.is_whole(url, digest, size)


def delete(url: str) -> None:
    """Delete an object, if it exists.

    Raises:
        UploadError: the server did not delete it.
    """
    if is_cloud(url):
        from localreg.blobs.transfer.cloud import upload as cloud_upload

        cloud_upload.delete(url)
    else:
        folder_upload.delete(url)
