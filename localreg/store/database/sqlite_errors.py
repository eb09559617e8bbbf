"""Translate errors of sqlite3 into localreg's own. No other module does."""

from __future__ import annotations

import os
import sqlite3

from localreg.errors import (
    ClosedRegistryError,
    DamagedRegistryError,
    DamagedRowError,
    LockTimeoutError,
    ReadOnlyRegistryError,
    RegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.access_rights import may_write, why_not_written
from localreg.filesystem.disk_errors import ADVICE, is_full
from localreg.store.database.same_file import replaced
from localreg.store.rows.checked_values import is_undecodable

BUSY_SECONDS = 30.0

_Outcome = tuple[type[RegistryError], str]
_LOCKED: _Outcome = (
    LockTimeoutError,
    f"another process kept {{path}} locked for more than {BUSY_SECONDS:.0f} s; look for a process "
    "that hangs during a write. On a network file system, check that its locks work",
)
_DAMAGED: _Outcome = (
    DamagedRegistryError,
    "{path} is damaged ({reason}); restore it from a backup, or try `sqlite3 FILE .recover`",
)
_REFUSED: _Outcome = (StorageError, "{path} could not be read or written: {reason}")
_FULL: _Outcome = (
    StorageFullError,
    f"the disk is full: no space left for {{path}}, so nothing was changed; {ADVICE}",
)
_BY_CODE: dict[int, _Outcome] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FORMAT: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: (
        ReadOnlyRegistryError,
        "{path} cannot be written to ({reason}): {refused}",
    ),
    sqlite3.SQLITE_IOERR: _REFUSED,
    sqlite3.SQLITE_CANTOPEN: _REFUSED,
    sqlite3.SQLITE_PERM: _REFUSED,
    sqlite3.SQLITE_AUTH: _REFUSED,
    sqlite3.SQLITE_INTERRUPT: (
        DamagedRegistryError,
        "the check of {path} was stopped, because it took too long: tables or indexes in it that "
        "are not localreg's make it slow; delete those that you do not know",
    ),
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_NOMEM: (StorageError, "no memory left while reading or writing {path}"),
}
# To one who may not write to it, the index of a log looks broken while others write, or for ever.
BROKEN_INDEX = frozenset({
    sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_CANTLOCK,
})  # fmt: skip
_UNEXPECTED: _Outcome = (
    RegistryError,
    "{path}: the database refused the change ({reason}); this is a bug of localreg, please report "
    "it",
)


class translated:  # noqa: N801  (used like a function; a generator costs more on every read)
    """A block in which errors of sqlite3 become localreg's own.

    Raises:
        RegistryError: or a subclass that fits SQLite's result code.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, sqlite3.Error):
            raise as_registry_error(error, self._path) from error
        if isinstance(error, UnicodeDecodeError):
            # The sqlite3 module could not read SQLite's own message.
            raise DamagedRegistryError(
                f"{self._path} is damaged, and its schema is not text; restore it from a backup",
                path=str(self._path),
            ) from error
        if isinstance(error, DamagedRowError) and not error.path:
            # The functions that check rows do not know it.
            error.path = str(self._path)
            error.args = (f"{self._path}: {error}",)


def as_registry_error(error: sqlite3.Error, path: str | os.PathLike[str]) -> RegistryError:
    """Return the error of localreg for an error of sqlite3."""
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return ClosedRegistryError(
            f"the registry {os.path.dirname(path)} was closed; open it again with Registry(path)",
            path=str(path),
        )
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED:
        return replaced(path)
    if getattr(error, "sqlite_errorcode", 0) in BROKEN_INDEX:
        return log_of_killed(path, f"{os.fspath(path)}-wal")
    # The low byte is the primary code. Errors of the sqlite3 module itself have no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind, text = _DAMAGED if is_undecodable(error) else _BY_CODE.get(code, _UNEXPECTED)
    # SQLite calls a disk full only when it writes pages, and never knows of a quota.
    if is_for_lack_of_space(error, path):
        kind, text = _FULL
    return kind(text.format(path=path, reason=error, refused=_why_refused(path)), path=str(path))


def is_for_lack_of_space(error: sqlite3.Error, path: str | os.PathLike[str]) -> bool:
    """Return True if SQLite failed because the disk of a database is full."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or (
        code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and is_full(os.path.dirname(path))
    )


def full(path: str | os.PathLike[str]) -> StorageFullError:
    """Return the error for a database whose disk is full."""
    return StorageFullError(_FULL[1].format(path=path), path=str(path))


def log_of_killed(path: str | os.PathLike[str], log: str) -> ReadOnlyRegistryError:
    """Return the error for a log that this user may not apply."""
    return ReadOnlyRegistryError(
        f"a killed process left {log}, and only a process that may write can apply it; open the "
        "registry once where it can be written to (`localreg env` is enough)",
        path=str(path),
    )


def _why_refused(path: str | os.PathLike[str]) -> str:
    """Return why a database cannot be written to.

    The reason may be a log of SQLite beside it that another user made without rights for others.
    """
    beside = (f"{path}{ending}" for ending in ("-wal", "-shm", "-journal"))
    for place in (os.path.dirname(path), path, *beside):
        if os.path.lexists(place) and not may_write(place):
            return why_not_written(place)
    return "the directory or its file system is read-only"
