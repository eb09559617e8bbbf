"""Upload into folders: write a temporary file there, sync it, then link or rename it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.staging.hashing import file_digest
from localreg.blobs.staging.staging import StagedBlob, check_room, source_size, stage_file
from localreg.blobs.transfer.transferred import Uploaded, UploadMark
from localreg.errors import StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import check_kept, discard
from localreg.filesystem.portable_files import remove_file
from localreg.filesystem.syncing import sync_folder
from localreg.values.layout import unfinished_name
from localreg.values.urls import local_path, local_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from localreg.progress import Progress

_NO_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EXDEV}
)


def upload(
    source: Path,
    destination: str,
    name: str,
    mark: UploadMark,
    *,
    sync: bool,
    progress: Progress | None = None,
) -> Uploaded:
    """Copy a file to a destination.

    Args:
        source: a regular file.
        destination: URL of the folder; made if it does not exist.
        name: the object's name; if other bytes have it, the digest is put into the name.
        mark: by which it is known from files of others.
        sync: sync the file to disk before this returns.
        progress: called with the number of bytes done, and the total.

    Raises:
        SourceNotFoundError: the file does not exist.
        InvalidValueError: it is not a regular file.
    """
    folder = _folder(destination)
    with disk_errors("uploading weights", folder):
        for part in (folder, *folder.parents[:-1]):
            check_kept(part, "upload destination")
        check_kept(folder / name, "name of the weights")
        size = source_size(source)
        _make_folder(folder, sync)
        check_room(folder, size)
        temporary = folder / _unfinished_name(name, mark)
        try:
            staged = stage_file(source, temporary, "copy", sync=sync, progress=progress)
            _set_time(temporary, mark)
            target, made = give_name(staged, folder, name)
            if sync:
                sync_folder(folder)
        finally:
            discard(temporary)
    return Uploaded(local_url(target), staged.digest, staged.size, made)


def _unfinished_name(name: str, mark: UploadMark) -> str:
    return unfinished_name(name[:50], mark.owner, mark.id)


def _set_time(path: Path, mark: UploadMark) -> None:
    assert mark.modified is not None
    # Some network file systems refuse it: then gc cannot know a file that a crash leaves from
    # a file of somebody else.
    with suppress(PermissionError):
        os.utime(path, ns=(mark.modified, mark.modified))


def left_of(url: str, mark: UploadMark) -> list[Path]:
    """Return what an upload left: the unfinished file, and the file that it gave a name.

    A file that was there before, or was changed since, is not in it.

    Args:
        url: what the upload was planned as; it may have got a longer name.

    Raises:
        StorageError: the folder cannot be read, or is missing.
    """
    place = local_path(url)
    assert place is not None
    # Names are compared, and not made into paths: the mark may come from somebody else's database.
    unfinished = _unfinished_name(place.name, mark)
    stem, _, _ = place.name.partition(".")
    with disk_errors("looking for an upload", place.parent):
        there = sorted(place.parent.iterdir())
        named = [
            each
            for each in there
            if each.name.startswith(stem)
            and (each == place or each.name == _unique(place.name, _digits(stem, each.name)))
            and _is_made(each, mark)
        ]
    return [each for each in there if each.name == unfinished] + named


def _digits(stem: str, name: str) -> str:
    """Return what is in a name after its stem: the digits that `_unique` put there."""
    return name[len(stem) + 1 : len(stem) + 13]


def _is_made(path: Path, mark: UploadMark) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_mtime_ns == mark.modified


def expected_url(
    destination: str, name: str, digest: Callable[[], str], size: int, taken: AbstractSet[str]
) -> str:
    """Return the URL that bytes will get; as `localreg.blobs.transfer.uploading.expected_url`."""
    folder = _folder(destination)
    plain = folder / name
    with disk_errors("uploading weights", folder):
        free = not os.path.lexists(plain) or (
            size_of(plain) == size and _holds(plain, digest(), size)
        )
    return local_url(
        plain if free and local_url(plain) not in taken else folder / _unique(name, digest())
    )


def is_there(url: str, size: int | None) -> bool:
    """Return True if an object exists and has the right size."""
    place = local_path(url)
    return place is not None and size_of(place) == size


def is_whole(url: str, digest: str, size: int) -> bool:
    """Return True if an object has the bytes that were uploaded, or does not exist any more."""
    place = local_path(url)
    assert place is not None
    with disk_errors("reading uploaded weights", place):
        return not os.path.lexists(place) or _holds(place, digest, size)


def delete(url: str) -> None:
    """Delete an object, if it exists."""
    place = local_path(url)
    assert place is not None
    with disk_errors("deleting weights", place):
        remove_file(place, missing_ok=True)


def give_name(
    staged: StagedBlob, folder: Path, name: str, link: Callable[[Path, Path], None] = os.link
) -> tuple[Path, bool]:
    """Give a temporary file its name; return its path, and True if that did not exist before.

    Args:
        staged: the temporary file.
        folder, name: where it goes.
        link: makes a hard link. Unlike a rename, a link never replaces a file.
    """
    for target in (folder / name, folder / _unique(name, staged.digest)):
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
        f"{target} exists with other bytes than were uploaded under this name; move it away",
        path=str(target),
    )


def _holds(place: Path, digest: str, size: int) -> bool:
    return size_of(place) == size and file_digest(place) == digest


def _unique(name: str, digest: str) -> str:
    """Return the name with the start of the digest in it, so that no other bytes have it.

    >>> _unique("net.tar.gz", "0123456789abcdef")
    'net.0123456789ab.tar.gz'
    """
    stem, dot, ending = name.partition(".") if not name.startswith(".") else (name, "", "")
    return f"{stem}.{digest[:12]}{dot}{ending}"


def _folder(destination: str) -> Path:
    folder = local_path(destination)
    assert folder is not None  # `check_destination` accepts only clouds and folders
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
