"""Handing out blobs as files under their original name, read-only, below ``files/``.

They are hard links where the file system has them, else copies, known by their blob's time of
writing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files.copying import copy_file, is_copy, replacing, set_same_time
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import REFUSED_NAME, make_readonly_at, portable_name
from localreg.values.layout import FILES
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.blobstore import BlobStore

UNNAMED = "weights"


def local_file(store: BlobStore, digest: str, size: int | None, filename: str | None) -> Path:
    """Return a read-only file with these bytes under their original name.

    Args:
        digest: sha256 of the bytes.
        size: how many they are.
        filename: the original name.

    Raises:
        CorruptBlobError: the bytes are missing, or are not as many as they were.
        StorageError: the link cannot be made.
    """
    name = _own_name(filename)
    if is_local_file(store, digest, size, name):
        return Path(f"{store.root}/files/{digest}/{name}")
    blob = store.blob(digest)
    link = store.folder_path(FILES, digest) / name
    with disk_errors("handing out weights", link):
        if size_of(blob) != size:
            raise damaged(digest, blob, _wrong_size(size_of(blob), size))
        if store.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import copy_elsewhere

            return copy_elsewhere(blob, store.cache_name, digest, name)
        store.make_folder(FILES, digest)
        try:
            return _make(store, digest, link)
        except OSError as error:
            portable = portable_name(name)
            if error.errno not in REFUSED_NAME or portable == name:
                raise
        if not is_local_file(store, digest, size, portable):
            _make(store, digest, link.with_name(portable))
        return link.with_name(portable)


def existing_local_file(
    store: BlobStore, digest: str, size: int | None, filename: str | None
) -> Path | None:
    """Return the file that was handed out under a name before, if it still is whole."""
    name = _own_name(filename)
    linked = is_local_file(store, digest, size, name)
    return Path(f"{store.root}/files/{digest}/{name}") if linked else None


def copy_from(
    store: BlobStore, blob: Path, digest: str, size: int | None, filename: str | None
) -> Path:
    """Return a read-only file, below ``files/``, with the bytes of another registry's blob.

    It is a clone where the file system can, else a copy: a hard link would change the other's
    file, if only the number of its links.

    Args:
        blob: that of the other registry, whole.
        digest, size, filename: as for `local_file`.

    Raises:
        StorageError: the file cannot be made.
    """
    copy = store.folder_path(FILES, digest) / _own_name(filename)
    with disk_errors("handing out weights", copy):
        if is_copy(copy, blob):
            return copy
        if store.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import copy_elsewhere

            return copy_elsewhere(blob, store.cache_name, digest, copy.name)
        folder = store.make_folder(FILES, digest)
        with replacing(copy) as aside:
            copy_file(blob, aside, store.group, sync=store.durable)
        store.sync(folder)
    return copy


def size_of_copies(store: BlobStore, digest: str) -> int:
    """Return how many bytes the files have that were handed out and are no links."""
    folder = store.folder_path(FILES, digest)
    if not folder.is_dir():
        return 0
    found = (path.lstat() for path in folder.iterdir())
    return sum(each.st_size for each in found if each.st_nlink == 1)


def check_local_file(store: BlobStore, digest: str, path: Path) -> None:
    """Hash a blob, and what was handed out of it; a copy that changed is made again.

    Raises:
        CorruptBlobError: the blob's bytes are not those it is named after.
        StorageError: something cannot be read, or the copy cannot be written.
    """
    from localreg.blobs.staging.hashing import file_digest

    store.check_digest(digest)
    with disk_errors("handing out weights", path):
        is_link = os.path.samestat(path.lstat(), store.blob(digest).lstat())
        if is_link or file_digest(path) == digest:
            return
        if store.cache_name is None:
            _make(store, digest, path)
        else:
            with replacing(path) as aside:
                copy_file(store.blob(digest), aside, None, sync=False)


def delete_local_files(store: BlobStore, digest: str) -> None:
    """Delete every file that was handed out of a blob."""
    links = store.folder_path(FILES, digest)
    if links.is_dir():
        for link in links.iterdir():
            link.unlink()
        links.rmdir()


def is_local_file(store: BlobStore, digest: str, size: int | None, name: str) -> bool:
    """Return whether a file was handed out before, and still is the whole blob.

    On text, which is quicker than paths: most calls end here.
    """
    root, head = str(store.root), digest[:2]
    folders = (
        f"{root}/blobs", f"{root}/blobs/sha256", f"{root}/blobs/sha256/{head}",
        f"{root}/files", f"{root}/files/{digest}",
    )  # fmt: skip
    try:
        for folder in folders:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                return False
        first = os.lstat(f"{folders[4]}/{name}")
        second = os.lstat(f"{folders[2]}/{digest[2:]}")
    except OSError:
        return False
    if not stat.S_ISREG(first.st_mode) or not first.st_size == second.st_size == size:
        return False
    # Where hard links do not exist it is a copy, and has the blob's own time of writing.
    return os.path.samestat(first, second) or first.st_mtime_ns == second.st_mtime_ns


def _make(store: BlobStore, digest: str, link: Path) -> Path:
    blob = store.blob(digest)
    with replacing(link) as aside:
        if not _link(blob, aside) and not _is_whole(store, digest, link):
            copy_file(blob, aside, store.group, sync=store.durable)
    store.sync(link.parent)
    return link


def _is_whole(store: BlobStore, digest: str, link: Path) -> bool:
    """Return whether a copy is whole that came here with another time of writing.

    A registry that was copied is like that. Reading is cheaper than writing it again.
    """
    blob = store.blob(digest)
    if size_of(link) != size_of(blob):
        return False
    from localreg.blobs.staging.hashing import file_digest

    if file_digest(link) != digest:
        return False
    try:
        make_readonly_at(link, store.group)
        set_same_time(blob, link)
    except PermissionError:  # somebody else's file: it gives way to one of our own
        return False
    return True


def _own_name(filename: str | None) -> str:
    """Return the name of a file to hand out, never one that leads to another folder.

    It is checked when it is recorded; the record may be of a database that somebody else wrote.
    """
    if filename and "/" not in filename and "\\" not in filename and filename.strip("."):
        return filename
    return safe_filename(filename or "") or UNNAMED


def _link(blob: Path, target: Path) -> bool:
    try:
        os.link(blob, target, follow_symlinks=False)
    except OSError:  # no hard links here, too many of this file, or it is another user's
        return False
    return True


def _wrong_size(found: int | None, wanted: int | None) -> str:
    return "is gone" if found is None else f"holds {found:,} bytes of {wanted or 0:,}"
