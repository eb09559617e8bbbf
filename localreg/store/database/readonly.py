"""Read a database without writing, while other processes may write to it.

- If the database can be written to is checked when the registry is opened, and not again.
- If SQLite's log and index (``-wal``, ``-shm``) exist, a reader without the right to write sees
  what writers commit, like every reader. But it cannot repair the index, which looks broken to it
  for a moment of some commits. Then it reads again.
- A user who may write to the database makes these files for reading, and deletes them at the end.
  A user who may write to the folder but not to the database must not make them: they would belong
  to the reader, and the owner could not write any more.
- If these files do not exist, no process has the database open, and nothing may be made beside it.
  Then it is opened as a file that does not change (SQLite's "immutable"). Such a connection takes
  no locks, and writers do not wait for it. So it is replaced as soon as the file or its log has
  changed, and what was read during a change is an error.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing

from localreg.errors import StorageError
from localreg.filesystem.access_rights import may_write, why_not_written
from localreg.store.database import opening
from localreg.store.database.same_file import OpenedConnection
from localreg.store.database.schema_check import check_schema
from localreg.store.database.sqlite_errors import BROKEN_INDEX, log_of_killed
from localreg.store.rows import setting_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import _Parameters

_FINEST_NS = 20_000_000  # two changes within this time may have the same mtime
_State = tuple[int, ...]


def why_readonly(path: str | os.PathLike[str]) -> str | None:
    """Return why a database cannot be written to, as the end of a sentence; None if it can.

    Args:
        path: an existing database.
    """
    for place in (os.path.dirname(path), path):
        if not may_write(place):
            return why_not_written(place)
    return None


class WaitingConnection(OpenedConnection):
    """A connection that may not write to the index of the log, and waits until that is whole."""

    def execute(self, sql: str, parameters: _Parameters = (), /) -> sqlite3.Cursor:
        """Execute a statement, as `sqlite3.Connection` does.

        Only a statement that begins a transaction looks at the index as a whole, so one that was
        refused has done nothing yet.
        """
        for _ in range(opening.LOOKS - 1):
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in BROKEN_INDEX:
                    raise
            time.sleep(opening.LOOK_SECONDS)
        return super().execute(sql, parameters)


class UnlockedConnection(OpenedConnection):
    """A connection that takes no locks; `seen` is the state of the file when it was opened."""

    seen: _State


def is_outdated(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> bool:
    """Return True if a connection without locks was opened before the file changed."""
    return isinstance(connection, UnlockedConnection) and connection.seen != _state(path)


class one_state:  # noqa: N801  (used like a function; a generator costs more on every read)
    """A block that raises if the database changed while it ran.

    Args:
        connection: what the block reads with; only a connection without locks is checked.
        path: its database.

    Raises:
        StorageError: the file changed during the block.
    """

    __slots__ = ("_connection", "_path")

    def __init__(self, connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A change that is half written may also look like damage.
        if kind is None or issubclass(kind, sqlite3.Error):
            _check_unchanged(self._connection, self._path)


def _check_unchanged(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    if is_outdated(connection, path):
        raise StorageError(
            f"another process changed {path} while it was read, and it cannot be locked here; try "
            "again",
            path=str(path),
        )


def _state(path: str | os.PathLike[str]) -> _State:
    """Return numbers that differ after a change of the database; -1 for a missing file."""
    found: list[int] = []
    for file in (path, f"{os.fspath(path)}-wal"):
        try:
            status = os.stat(file)
        except FileNotFoundError:
            found.append(-1)
        else:
            found += (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return tuple(found)


def connect_readonly(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """Return a connection that cannot write; it also works on a read-only mount.

    Raises:
        ReadOnlyRegistryError: a killed process left a log, which must be applied by a writer.
    """
    if may_write(os.path.dirname(path)) and may_write(path) and opening.waiting_log(path) is None:
        return _connect_and_clean_up(path)
    for tries_left in reversed(range(opening.LOOKS)):
        refused: sqlite3.OperationalError | None = None
        try:
            if not _log_would_block_owner(path):
                return opening.probed(opening.open_uri(path, "mode=ro", WaitingConnection))
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            # In WAL mode SQLite must make a shared-memory file beside the database.
            unclear = may_write(os.path.dirname(path)) or not os.path.lexists(path)
            if unclear and opening.waiting_log(path) is None:
                raise
            refused = error
        log = opening.waiting_log(path)
        if log is None:
            return connect_unlocked(path)
        if tries_left == 0:
            raise log_of_killed(path, log) from refused
        time.sleep(opening.LOOK_SECONDS)  # a writer may be opening or closing it
    raise AssertionError


def _connect_and_clean_up(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """Return a connection that only reads, for a user who may write.

    SQLite makes its log and index for reading too, and only a connection that may write deletes
    them at the end. So this one is opened for writing, with writing turned off.
    """
    connection = opening.probed(opening.open_uri(path, "mode=rw"))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _log_would_block_owner(path: str | os.PathLike[str]) -> bool:
    """Return True if SQLite would make a log that keeps the owner from writing.

    In WAL mode, if this user may write to the folder but not to the database, the log would belong
    to this user, and would not be deleted at the end.
    """
    if may_write(path) or not may_write(os.path.dirname(path)) or not os.path.lexists(path):
        return False
    if any(os.path.lexists(f"{os.fspath(path)}{each}") for each in ("-shm", "-journal")):
        return False
    with closing(connect_unlocked(path)) as connection:
        check_schema(connection, path)
        return setting_rows.settings(connection).get("journal") == "wal"


def connect_unlocked(path: str | os.PathLike[str]) -> UnlockedConnection:
    """Return a connection that takes no locks; no log may wait beside the database."""
    for tries_left in reversed(range(opening.LOOKS)):
        connection = _open_unlocked(path)
        try:
            opening.probed(connection)
        except sqlite3.DatabaseError:
            # A change that is half written looks like damage.
            if tries_left == 0 or not is_outdated(connection, path):
                raise
            time.sleep(opening.LOOK_SECONDS)
        else:
            return connection
    raise AssertionError


def _open_unlocked(path: str | os.PathLike[str]) -> UnlockedConnection:
    seen = _state(path)
    if abs(time.time_ns() - os.stat(path).st_mtime_ns) < _FINEST_NS:
        time.sleep(_FINEST_NS / 1e9)
        seen = _state(path)
    connection = opening.open_uri(path, "mode=ro&immutable=1", UnlockedConnection)
    assert isinstance(connection, UnlockedConnection)
    connection.seen = seen
    return connection
