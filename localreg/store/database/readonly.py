"""Reading a database that cannot be written to, whoever else writes to it meanwhile.

- Whether it can be written to is looked at when the registry is opened, and stays so until it is
  opened again.
- With SQLite's log and its index beside it (``-wal``, ``-shm``), a reader without any right to
  write sees what the writers commit, as every reader does.
- Who may write makes them to read, and takes them away again. Who may write to the folder and not
  to the database must not: they would be the reader's own files, and keep the owner from writing.
- Without them nobody has the database open, and nothing is to be made beside it: it is read as a
  file that does not change ("immutable"). Such a connection takes no locks, and no writer waits
  for it. So it is given up as soon as the file, or a log beside it, is not what it was; and what
  was read while that changed counts for nothing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from localreg.errors import ReadOnlyRegistryError, StorageError
from localreg.filesystem.access_rights import may_write, why_not_written
from localreg.store.database import opening
from localreg.store.rows import setting_rows

_FINEST_NS = 20_000_000  # two changes within that time may leave the same time of writing
_State = tuple[int, ...]


def refusal(path: Path) -> str | None:
    """Return why a database cannot be written to, as the end of a sentence; None when it can.

    Args:
        path: an existing database.
    """
    for place in (path.parent, path):
        if not may_write(place):
            return why_not_written(place)
    return None


class UnlockedConnection(sqlite3.Connection):
    """A connection that takes no locks; `seen` is what the file was when it was opened."""

    seen: _State


def is_outdated(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether a connection that takes no locks reads a file that changed since."""
    return isinstance(connection, UnlockedConnection) and connection.seen != _state(path)


class one_state:  # noqa: N801  (used like a function; a generator costs more on every read)
    """Check that all that is read within a block is of one state, as SQLite's locks do elsewhere.

    Args:
        connection: what is read by; one that takes locks is not checked.
        path: its database.

    Raises:
        StorageError: the file changed meanwhile, and nothing kept its writer waiting.
    """

    __slots__ = ("_connection", "_path")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Half of a change may also look like damage.
        if kind is None or issubclass(kind, sqlite3.Error):
            _check_unchanged(self._connection, self._path)


def _check_unchanged(connection: sqlite3.Connection, path: Path) -> None:
    if is_outdated(connection, path):
        raise StorageError(
            f"{path} was changed by another process in the middle of being read, without any right "
            "to lock it; try again",
            path=str(path),
        )


def _state(path: Path) -> _State:
    """Return what changes when a database does; -1 where a file is not there."""
    found: list[int] = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = file.stat()
        except FileNotFoundError:
            found.append(-1)
        else:
            found += (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return tuple(found)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write; it also works on a read-only mount.

    Raises:
        ReadOnlyRegistryError: what a killed process left in a log has to be dealt with first.
    """
    # What a killed process left is only told of: dealing with it would be writing.
    if may_write(path.parent) and may_write(path) and opening.waiting_log(path) is None:
        return _connect_and_leave_nothing(path)
    for tries_left in reversed(range(opening.LOOKS)):
        refused: sqlite3.OperationalError | None = None
        try:
            if not _log_would_be_ours(path):
                return opening.probed(opening.open_uri(path, "mode=ro"))
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            # In WAL mode SQLite must make a shared-memory file beside the database.
            unclear = may_write(path.parent) or not os.path.lexists(path)
            if unclear and opening.waiting_log(path) is None:
                raise
            refused = error
        log = opening.waiting_log(path)
        if log is None:
            return _connect_unlocked(path)
        if tries_left == 0:
            raise _left_behind(log) from refused
        time.sleep(opening.LOOK_SECONDS)  # its writer may be about to open or to close it
    raise AssertionError


def _connect_and_leave_nothing(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads, where this user may write.

    SQLite makes its log and its index also to read, and lets the last one who may write take them
    away again: of a connection that may not they would stay for good.
    """
    connection = opening.probed(opening.open_uri(path, "mode=rw"))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _log_would_be_ours(path: Path) -> bool:
    """Return whether SQLite would make a log, only to read, that keeps the owner from writing.

    In WAL mode, where the folder can be written to and the database cannot, it would be a file of
    the reader's own; and only who may write to the database ever takes it away again.
    """
    if may_write(path) or not may_write(path.parent) or not os.path.lexists(path):
        return False
    if any(os.path.lexists(path.with_name(path.name + each)) for each in ("-shm", "-journal")):
        return False
    with closing(_connect_unlocked(path)) as connection:
        return setting_rows.settings(connection).get("journal") == "wal"


def _connect_unlocked(path: Path) -> sqlite3.Connection:
    seen = _state(path)
    if abs(time.time_ns() - path.stat().st_mtime_ns) < _FINEST_NS:
        time.sleep(_FINEST_NS / 1e9)
        seen = _state(path)
    connection = opening.open_uri(path, "mode=ro&immutable=1", UnlockedConnection)
    assert isinstance(connection, UnlockedConnection)
    connection.seen = seen
    return opening.probed(connection)


def _left_behind(log: Path) -> ReadOnlyRegistryError:
    return ReadOnlyRegistryError(
        f"{log} holds what a killed process left, and it cannot be dealt with while only reading; "
        "open the registry once where it can be written to, and without readonly (`localreg env` "
        "is enough)",
        path=str(log),
    )
