"""Where errors of sqlite3 become localreg's own, and nowhere else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import (
    ClosedRegistryError,
    DamagedRegistryError,
    LockTimeoutError,
    ReadOnlyRegistryError,
    RegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.access_rights import may_write, why_not_written

BUSY_SECONDS = 30.0

_Outcome = tuple[type[RegistryError], str]
_LOCKED: _Outcome = (
    LockTimeoutError,
    f"another process kept {{path}} locked for more than {BUSY_SECONDS:.0f} s; "
    "look for one that hangs in the middle of a write, or on a network file system whether its "
    "locks work",
)
_DAMAGED: _Outcome = (
    DamagedRegistryError,
    "{path} is damaged ({reason}); restore it from a backup, or look at it with "
    "`sqlite3 FILE .recover`",
)
_REFUSED: _Outcome = (StorageError, "{path} could not be read or written: {reason}")
_BY_CODE: dict[int, _Outcome] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FORMAT: _DAMAGED,
    sqlite3.SQLITE_FULL: (
        StorageFullError,
        "no space left for {path}; the change was not made, free some space and try again",
    ),
    sqlite3.SQLITE_READONLY: (
        ReadOnlyRegistryError,
        "{path} cannot be written to ({reason}): {refused}",
    ),
    sqlite3.SQLITE_IOERR: _REFUSED,
    sqlite3.SQLITE_CANTOPEN: _REFUSED,
    sqlite3.SQLITE_PERM: _REFUSED,
    sqlite3.SQLITE_AUTH: _REFUSED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_NOMEM: (StorageError, "no memory left while reading or writing {path}"),
}
_UNEXPECTED: _Outcome = (
    RegistryError,
    "{path}: the database refused the change ({reason}); this is a defect of localreg, "
    "please report it",
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise sqlite3's errors as localreg's.

    Raises:
        RegistryError: or one of its subclasses, by SQLite's result code.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise as_registry_error(error, path) from error


def as_registry_error(error: sqlite3.Error, path: Path) -> RegistryError:
    """Return what an error of sqlite3 means to a user."""
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return ClosedRegistryError(
            f"the registry {path.parent} was closed; open it again with Registry(path)",
            path=str(path),
        )
    # The low byte is the primary code; sqlite3 raises some errors of its own without any.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind, text = _BY_CODE.get(code, _UNEXPECTED)
    return kind(text.format(path=path, reason=error, refused=_why_refused(path)), path=str(path))


def _why_refused(path: Path) -> str:
    """Return why a database cannot be written to, as it lies there.

    Beside it may be a log of SQLite's that somebody made who kept it to themselves.
    """
    beside = (path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))
    for place in (path.parent, path, *beside):
        if os.path.lexists(place) and not may_write(place):
            return why_not_written(place)
    return "the directory or its file system is read-only"
