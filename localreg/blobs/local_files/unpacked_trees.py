"""Unpacked archives: ``trees/<digest>/``, made once for each content, shared and read-only.

A tree is made under a temporary name in the same folder and renamed, so it is complete or missing.
It can be made again from its archive, so it is a cache and nothing more.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from localreg.blobs.archives.unpacking import limits_from_environment, remove_tree, unpack
from localreg.errors import ArchiveError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import FileStatus, status_of
from localreg.filesystem.syncing import sync_tree
from localreg.values.layout import TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.folders import Folders


def tree(blobs: Folders, digest: str) -> Path | None:
    """Return the folder that an archive was unpacked to before, or None."""
    folder = blobs.folder_path(TREES) / digest
    with disk_errors("looking for weights", folder):
        return folder if _is_tree(folder) else None


def _is_tree(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _folder(blobs: Folders) -> Path:
    """Return the folder for unpacked archives: elsewhere if the registry cannot be written to."""
    if blobs.cache_name is None:
        return blobs.make_folder(TREES)
    from localreg.blobs.local_files.readonly_registry import place_elsewhere

    return place_elsewhere(blobs.cache_name, TREES)


def unpacked(
    blobs: Folders,
    digest: str,
    archive: Path,
    filename: str,
    hashed: FileStatus | None = None,
) -> Path:
    """Return the folder with the contents of an archive; it is unpacked if it was not before.

    Args:
        digest: sha256 of the archive.
        archive: its path.
        filename: its original name, whose suffix names the format.
        hashed: the status that it had before it was hashed, if it is a file of the user.

    Raises:
        ArchiveError: it is broken, unsafe or beyond the limits, or has changed since it was
            hashed; nothing was made.
    """
    known = tree(blobs, digest)
    if known is not None:
        return known
    from localreg.filesystem.temporary_owners import unfinished

    limits = limits_from_environment()
    with disk_errors("unpacking weights", archive):
        folder = _folder(blobs)
        if _is_tree(folder / digest):  # elsewhere
            return folder / digest
        temporary = unfinished(folder / digest)
        before = hashed or status_of(archive.stat())
        unpack(archive, filename, temporary, limits, blobs.group)
        place = folder / digest
        try:
            after = status_of(archive.stat())
            # A blob gets another change time with each new name.
            if not before.same_content(after) or (hashed is not None and after != hashed):
                raise ArchiveError(
                    f"{archive} changed while it was unpacked; try again when it is finished",
                    path=str(archive),
                    member=None,
                )
            if blobs.durable:
                sync_tree(temporary)
            try:
                temporary.rename(place)
            except OSError:
                if not _is_tree(place):  # another process was faster
                    raise
            blobs.sync(folder)
        finally:
            remove_tree(temporary)
    return place


def tree_size(folder: Path) -> int:
    """Return the number of bytes in the files below a folder; links are not followed."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # deleted meanwhile
                size += (Path(place) / name).lstat().st_size
    return size
