"""Notice that the path of an open database leads to another file, or to none.

A registry can be deleted, or another one renamed over it, while it is open. The operating system
keeps a deleted file until its last user closes it, so SQLite would go on: every write would
succeed, and be gone. So the device and inode at the path are compared with those at opening.

While a file is open it keeps its inode number. Closed, it may get another one on FAT, exFAT and
FUSE. So when no connection is open, as after a fork, another number alone proves nothing: then the
database at the path must have the id of the registry, and the last event that was written here.
"""

from __future__ import annotations

import errno
import os
import sqlite3

from localreg.errors import RegistryReplacedError, StorageError
from localreg.filesystem.access_rights import barrier

FileId = tuple[int, ...]  # inode and device
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class OpenedConnection(sqlite3.Connection):
    """A connection that knows which file it opened, and by which URI of SQLite."""

    file: FileId | None = None
    uri = ""


def file_at(path: str) -> FileId | None:
    """Return which file is at a path, None if there is none.

    Raises:
        StorageError: this user may not look.
    """
    try:
        return os.stat(path)[1:3]
    except OSError as error:
        if error.errno in _GONE:
            return None
        reason = barrier(path) or error.strerror or str(error)
        raise StorageError(f"{path} cannot be read: {reason}", path=path) from error


def replaced(path: str | os.PathLike[str]) -> RegistryReplacedError:
    """Return the error for a database that is not the one that was opened."""
    folder = os.path.dirname(path)
    return RegistryReplacedError(
        f"the registry in {folder} was removed or replaced while it was open; open it again",
        path=folder,
    )
