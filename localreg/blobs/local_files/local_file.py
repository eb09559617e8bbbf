"""Local files of blobs: read-only, under their original name, below ``files/``.

They are hard links where the file system has them. Elsewhere they are copies that have the mtime
of their blob; by that and the size they are known to be whole.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files.copying import copy_file, is_copy, replacing, set_same_time
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import (
    NOT_EMPTY,
    REFUSED_NAME,
    UNPORTABLE,
    kept_name,
    make_readonly_at,
    portable_name,
    remove_file,
)
from localreg.values.layout import FILES
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.folders import Folders

UNNAMED = "weights"
_UNPORTABLE = re.compile(UNPORTABLE)


def local_file(store: Folders, digest: str, size: int | None, filename: str | None) -> Path:
    """Return the local file of a blob under a name; it is made if it does not exist.

    Args:
        digest: sha256 of the blob.
        size: the recorded number of bytes.
        filename: the original name.

    Raises:
        CorruptBlobError: the blob is missing, or has another size.
    """
    name = _own_name(filename)
    whole = _whole_file(str(store.root), digest, size, name)
    if whole is not None:
        return Path(whole)
    blob = store.blob(digest)
    link = store.folder_path(FILES, digest) / name
    with disk_errors("making a local copy", link):
        if size_of(blob) != size:
            raise damaged(digest, blob, wrong_size(size_of(blob), size))
        if store.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import copy_elsewhere

            return copy_elsewhere(blob, store.cache_name, digest, name)
        store.make_folder(FILES, digest)
        portable = portable_name(name)
        try:
            return _make(store, digest, link)
        except OSError as error:
            if error.errno not in REFUSED_NAME or portable == name:
                raise
        if not is_local_file(store, digest, size, portable):
            _make(store, digest, link.with_name(portable))
        return link.with_name(portable)


def existing_local_file(
    store: Folders, digest: str, size: int | None, filename: str | None
) -> str | None:
    """Return the local file of a blob under a name if it exists and is whole, or None."""
    return file_in(str(store.root), digest, size, filename)


def file_in(root: str, digest: str, size: int | None, filename: str | None) -> str | None:
    """Return what `existing_local_file` does, from the directory of a registry as text."""
    return _whole_file(root, digest, size, _own_name(filename))


def may_have(root: str, digest: str) -> bool:
    """Return False if a registry's directory has surely no blob with a digest."""
    return os.path.lexists(f"{root}/blobs/sha256/{digest[:2]}/{digest[2:]}")


def copy_from(
    store: Folders, blob: Path, digest: str, size: int | None, filename: str | None
) -> Path:
    """Return a local file with the bytes of a blob of another registry.

    It is a clone or a copy. A hard link would change the file in the other registry, if only its
    number of links.

    Args:
        blob: the path of the blob; it must be whole.
        digest, filename: as for `local_file`.
    """
    copy = store.folder_path(FILES, digest) / _own_name(filename)
    with disk_errors("making a local copy", copy):
        if is_copy(copy, blob):
            return copy
        if store.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import copy_elsewhere

            return copy_elsewhere(blob, store.cache_name, digest, copy.name)
        folder = store.make_folder(FILES, digest)
        with replacing(copy) as temporary:
            copy_file(blob, temporary, store.group, sync=store.durable)
        store.sync(folder)
    return copy


def check_local_file(store: Folders, digest: str, path: Path) -> None:
    """Hash a local file of a sound blob; a copy that changed is made again."""
    from localreg.blobs.staging.hashing import file_digest

    with disk_errors("making a local copy", path):
        is_link = os.path.samestat(path.lstat(), store.blob(digest).lstat())
        if is_link or file_digest(path) == digest:
            return
        if store.cache_name is None:
            _make(store, digest, path)
        else:
            with replacing(path) as temporary:
                copy_file(store.blob(digest), temporary, None, sync=False)


def delete_local_files(store: Folders, digest: str) -> None:
    """Delete all local files of a blob."""
    links = store.folder_path(FILES, digest)
    if links.is_dir():
        try:
            for link in links.iterdir():
                remove_file(link, missing_ok=True)
            links.rmdir()
        except FileNotFoundError:  # deleted meanwhile
            pass
        except OSError as error:  # another process makes one now; gc deletes it later
            if error.errno not in NOT_EMPTY:
                raise


def is_local_file(store: Folders, digest: str, size: int | None, name: str) -> bool:
    """Return True if a local file exists and is the whole blob."""
    return _whole_file(str(store.root), digest, size, name) is not None


def _whole_file(root: str, digest: str, size: int | None, name: str) -> str | None:
    """Return the path of a local file if it exists and is the whole blob, or None.

    It uses text, which is faster than `Path`: most calls for a local copy end here.
    """
    head = digest[:2]
    folders = (
        f"{root}/blobs", f"{root}/blobs/sha256", f"{root}/blobs/sha256/{head}",
        f"{root}/files", f"{root}/files/{digest}",
    )  # fmt: skip
    try:
        for folder in folders:  # links are not followed, not even to the same files
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                return None
        path = f"{folders[4]}/{name}"
        first = os.lstat(path)
        second = os.lstat(f"{folders[2]}/{digest[2:]}")
    except OSError:
        return None
    if not stat.S_ISREG(first.st_mode) or not first.st_size == second.st_size == size:
        return None
    # Where hard links do not exist it is a copy with the mtime of the blob.
    same = os.path.samestat(first, second) or first.st_mtime_ns == second.st_mtime_ns
    return path if same else None


def _make(store: Folders, digest: str, link: Path) -> Path:
    blob = store.blob(digest)
    with replacing(link) as temporary:
        if not _link(blob, temporary) and not _is_whole(store, digest, link):
            copy_file(blob, temporary, store.group, sync=store.durable)
    store.sync(link.parent)
    return link


def _is_whole(store: Folders, digest: str, link: Path) -> bool:
    """Return True if a copy with another mtime is whole, by hashing it; then correct its mtime.

    A copied registry has such files. Reading one is cheaper than writing it again.
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
    except PermissionError:  # another user's file; it is replaced
        return False
    return True


def _own_name(filename: str | None) -> str:
    """Return a safe name for a local file, never one that leads to another folder.

    It is one that this system keeps. Names are checked when they are recorded, but other programs
    may have written the database.
    """
    if filename and "/" not in filename and "\\" not in filename and filename not in (".", ".."):
        name = filename
    else:
        name = safe_filename(filename or "") or UNNAMED
    # The pattern first: most calls for a local copy end here, and need no function of another file.
    return kept_name(name) if _UNPORTABLE.search(name) else name


def _link(blob: Path, target: Path) -> bool:
    try:
        os.link(blob, target)  # it is a plain file; follow_symlinks is not possible everywhere
    except OSError:  # no hard links here, too many of this file, or another user's file
        return False
    return True


def wrong_size(found: int | None, wanted: int | None) -> str:
    """Return what is wrong with the size of a blob, after its path; None if it is missing."""
    return "is missing" if found is None else f"holds {found:,} bytes of {wanted or 0:,}"
