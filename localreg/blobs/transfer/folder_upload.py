"""Uploading into folders: written beside, synced, and linked or renamed to its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.staging.hashing import file_digest
from localreg.blobs.staging.staging import StagedBlob, check_room, source_size, stage_file
from localreg.blobs.transfer.transferred import Uploaded
from localreg.errors import StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.folder_sync import sync_folder
from localreg.values.ids import new_id
from localreg.values.urls import local_path, local_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from localreg.progress import Progress

_NO_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EXDEV}
)


def upload(
    source: Path, destination: str, name: str, *, sync: bool, progress: Progress | None = None
) -> Uploaded:
    """Copy a file to a destination.

    Args:
        source: a plain file.
        destination: URL of the folder; made when it is not there.
        name: what the object is called; when other bytes have that name, its digest goes into it.
        sync: whether it shall be on disk before this returns.
        progress: told of the bytes.

    Raises:
        SourceNotFoundError: there is no such file.
        InvalidValueError: it is no plain file.
        StorageError: the destination refused something, or is full; nothing is there then.
    """
    folder = _folder(destination)
    with disk_errors("uploading weights", folder):
        size = source_size(source)
        _make_folder(folder, sync)
        check_room(folder, size)
        aside = folder / f".{new_id()}.part"
        try:
            staged = stage_file(source, aside, "copy", sync=sync, progress=progress)
            target, made = _settle(staged, folder, name)
            if sync:
                sync_folder(folder)
        finally:
            aside.unlink(missing_ok=True)
    return Uploaded(local_url(target), staged.digest, staged.size, made)


def expected_url(
    destination: str, name: str, digest: str, size: int, taken: AbstractSet[str]
) -> str:
    """Return the URL that bytes will have at a destination, as it looks now.

    Args:
        taken: URLs that other bytes are on their way to.
    """
    folder = _folder(destination)
    plain = folder / name
    with disk_errors("uploading weights", folder):
        free = not os.path.lexists(plain) or _holds(plain, digest, size)
    return local_url(
        plain if free and local_url(plain) not in taken else folder / _own(name, digest)
    )


def is_there(url: str, size: int | None) -> bool:
    """Return whether an object is there, as large as it should be."""
    place = local_path(url)
    return place is not None and size_of(place) == size


def is_whole(url: str, digest: str, size: int) -> bool:
    """Return whether an object is what was uploaded, by hashing it; also when it is gone.

    Raises:
        StorageError: it cannot be read.
    """
    place = local_path(url)
    assert place is not None
    with disk_errors("looking for what was uploaded", place):
        return not os.path.lexists(place) or _holds(place, digest, size)


def delete(url: str) -> None:
    """Delete an object; one that is gone already is fine.

    Raises:
        StorageError: it cannot be deleted.
    """
    place = local_path(url)
    assert place is not None
    with disk_errors("deleting weights", place):
        place.unlink(missing_ok=True)


def _settle(
    staged: StagedBlob, folder: Path, name: str, link: Callable[[Path, Path], None] = os.link
) -> tuple[Path, bool]:
    """Give an object its name; return its place, and whether it was not there before.

    Args:
        link: makes a hard link, which unlike a rename replaces nothing.
    """
    for target in (folder / name, folder / _own(name, staged.digest)):
        try:
            link(staged.path, target)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not os.path.lexists(target):
                staged.path.rename(target)
                return target, True
        else:
            return target, True
        if _holds(target, staged.digest, staged.size):
            return target, False
    raise StorageError(
        f"{target} is there, and is not what was uploaded before under this name; move it away",
        path=str(target),
    )


def _holds(place: Path, digest: str, size: int) -> bool:
    return size_of(place) == size and file_digest(place) == digest


def _own(name: str, digest: str) -> str:
    """Return a name that no other bytes have.

    >>> _own("net.tar.gz", "0123456789abcdef")
    'net.0123456789ab.tar.gz'
    """
    stem, dot, ending = name.partition(".") if not name.startswith(".") else (name, "", "")
    return f"{stem}.{digest[:12]}{dot}{ending}"


def _folder(destination: str) -> Path:
    folder = local_path(destination)
    assert folder is not None  # who checks a destination knows what kinds there are
    return folder


def _make_folder(folder: Path, sync: bool) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        if sync:
            sync_folder(each.parent)
