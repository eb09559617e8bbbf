"""A blob's file: how large it is, and the error when it is not what it was."""

from __future__ import annotations

import stat
from pathlib import Path

from localreg.errors import CorruptBlobError
from localreg.filesystem.disk_errors import disk_errors


def size_of(path: Path) -> int | None:
    """Return the size of a regular file, or None when there is none; links do not count.

    Raises:
        StorageError: it cannot be looked at, as in a folder that this user may not enter.
    """
    with disk_errors("looking for weights", path):
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def damaged(digest: str, path: Path, found: str) -> CorruptBlobError:
    """Return the error of a blob that is not what it was; `found` says what it is instead."""
    return CorruptBlobError(
        f"the weights {digest[:12]}… are damaged: {path} {found}; `localreg repair` fetches them "
        "again where their source is left, and adding the same file again mends them",
        digest=digest,
        path=str(path),
    )
