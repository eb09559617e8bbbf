"""A blob's file: its size, and the errors for a damaged one, or a folder above it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from localreg.errors import CorruptBlobError, NotARegistryError
from localreg.filesystem.disk_errors import disk_errors


def size_of(path: Path) -> int | None:
    """Return the size of a regular file in bytes; None if there is none, or a symbolic link."""
    status = regular_file(path)
    return None if status is None else status.st_size


def regular_file(path: Path) -> os.stat_result | None:
    """Return the status of a regular file; None if there is none, or a symbolic link."""
    with disk_errors("looking for weights", path):
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return status if stat.S_ISREG(status.st_mode) else None


def damaged(digest: str, path: Path, found: str) -> CorruptBlobError:
    """Return the error for a damaged blob; `found` says what is wrong, after its path."""
    return CorruptBlobError(
        f"the weights {digest[:12]}… are damaged: {path} {found}; run `localreg repair` to fetch "
        "them again if their source still exists, or add the same file again",
        digest=digest,
        path=str(path),
    )


def not_a_folder(path: Path) -> NotARegistryError:
    """Return the error for a link, or a file, in the place of a folder of a registry."""
    return NotARegistryError(
        f"{path} must be a directory; links inside a registry are not followed", path=str(path)
    )
