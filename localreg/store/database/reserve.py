"""A file that only takes up space, so that a full disk can be made empty again.

Deleting weights needs some pages of the log of the database first. On a full disk `gc` and `rm`
delete this file before they begin, and make it again when they are done. No other write does, or
the reserve would be gone when it is needed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from localreg.filesystem.group_modes import share

RESERVE_BYTES = 262_144  # SQLite's index of its log is 32 KiB; removing a model changes 30 pages


def make(database: Path, group: int | None) -> bool:
    """Make the reserve of a database; return False if the disk has less room.

    It gets what room there is. It is no error if it cannot be made.

    Args:
        database: the file that it is made beside.
        group: the number of the group that shares the registry.
    """
    left = RESERVE_BYTES
    with suppress(OSError), open(path_of(database), "xb", buffering=0) as file:  # follows no link
        share(file.fileno(), group)
        while left:  # no sparse file, and nothing that a file system could compress
            left -= file.write(os.urandom(left))
    return left == 0


def is_whole(database: Path) -> bool:
    """Return True if there is a complete reserve of a database."""
    with suppress(OSError):
        return path_of(database).lstat().st_size >= RESERVE_BYTES
    return False


def give_up(database: Path) -> None:
    """Delete the reserve of a database, if there is one."""
    with suppress(OSError):
        path_of(database).unlink()


def path_of(database: Path) -> Path:
    """Return the path of the reserve of a database."""
    return database.with_name(f"{database.name}-reserve")
