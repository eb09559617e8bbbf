"""Unpacked archives: ``trees/<digest>/``, made once for each content, shared and read-only.

A tree is made under a temporary name in the same folder and renamed, so it is complete or missing.
It can be made again from its archive, so it is a cache and nothing more.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
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


def tree_size(folder: Path) -> int:
    """Return the number of bytes in the files below a folder; links are not followed."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # deleted meanwhile
                size += (Path(place) / name).lstat().st_size
    return size
