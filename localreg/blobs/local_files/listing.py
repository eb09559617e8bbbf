"""The local files of many blobs, listed fast."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import not_a_folder
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.layout import FILES, owner_of_unfinished
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.folders import Folders

Listed = tuple[str, os.stat_result]


def digests_with_local_files(store: Folders) -> list[str]:
    """Return the digests of all blobs that have local files, sorted."""
    folder = store.folder_path(FILES)
    with disk_errors("looking for local copies", folder):
        try:
            return sorted(filter(is_sha256, os.listdir(folder)))
        except (FileNotFoundError, NotADirectoryError):  # none yet
            return []


def lister(store: Folders) -> Callable[[str], list[Listed]]:
    """Return a function of a digest that returns the names and statuses of its local files.

    It uses text, and checks the folder above once: there may be hundreds of thousands of them.
    The function raises NotARegistryError if a folder is a symbolic link.
    """
    above = f"{store.folder_path(FILES)}{os.sep}"

    def listed(digest: str) -> list[Listed]:
        folder = above + digest
        found: list[Listed] = []
        try:
            mode = os.lstat(folder).st_mode
            if stat.S_ISLNK(mode):
                raise not_a_folder(Path(folder))
            with os.scandir(folder) as entries:
                for each in entries:
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        found.append((each.name, each.stat(follow_symlinks=False)))
        except (FileNotFoundError, NotADirectoryError):  # none, or deleted meanwhile
            pass
        except OSError:
            with disk_errors("looking for local copies", Path(folder)):
                raise
        return found

    return listed


def size_of_copies(files: Iterable[Listed]) -> int:
    """Return the number of bytes in local files of a blob that are copies, not links.

    Files that are not finished, or were left by a dead process, do not count.
    """
    return sum(
        status.st_size
        for name, status in files
        if status.st_nlink == 1 and owner_of_unfinished(name) is None
    )
