"""A new folder that the user named: it is there when all of it is on disk, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.archives.unpacking import remove_tree
from localreg.blobs.staging.staging import check_room
from localreg.errors import PathExistsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.syncing import sync_folder, sync_tree
from localreg.filesystem.temporary_owners import unfinished


def check_new_folder(folder: Path) -> None:
    """Raise PathExistsError unless nothing is at a path, or an empty folder."""
    if os.path.lexists(folder) and (
        folder.is_symlink() or not folder.is_dir() or any(folder.iterdir())
    ):
        raise PathExistsError(
            f"{folder} exists already; choose a new folder, or an empty one", path=str(folder)
        )


@contextmanager
def new_folder(folder: Path, size: int, what: str) -> Iterator[Path]:
    """Yield a temporary folder, which becomes the new folder at the end of the block.

    Args:
        folder: a new path, or that of an empty folder.
        size: about how many bytes come.
        what: what is written, for errors, such as "the bundle".

    Raises:
        PathExistsError: something is there.
    """
    check_new_folder(folder)
    temporary = unfinished(folder)
    with disk_errors(f"writing {what}", folder):
        check_room(folder.parent, size)
        temporary.mkdir()
        try:
            yield temporary
            sync_tree(temporary)
            if folder.exists():  # it is empty, and not every system replaces a folder
                folder.rmdir()
            temporary.rename(folder)
        except BaseException:
            remove_tree(temporary)
            raise
        sync_folder(folder.parent)
