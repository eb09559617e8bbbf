"""Reading a database that cannot be written to, whoever else writes to it meanwhile.

- Whether it can be written to is looked at when the registry is opened, and stays so until it is
  opened again.
- With SQLite's log and its index beside it (``-wal``, ``-shm``), a reader without any right to
  write sees what the writers commit, as every reader does.
- Without them nobody has the database open, and nothing can be made beside it: it is read as a
  file that does not change ("immutable"). Such a connection takes no locks, and no writer waits
  for it. So it is given up as soon as the file, or a log beside it, is not what it was; and what
  was read while that changed counts for nothing.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path

from localreg.errors import ReadOnlyRegistryError, StorageError
from localreg.store import opening

_FINEST_NS = 20_000_000  # two changes within that time may leave the same time of writing
_State = tuple[int, ...]


def refusal(path: Path) -> str | None:
    """Return why a database cannot be written to, as the end of a sentence; None when it can.

    Args:
        path: an existing database.
    """
    for place in (path.parent, path):
        if not _may_write(place):
            return _why(place)
    return None


def _may_write(place: Path) -> bool:
    # With the rights that count when a file is opened, where these can be asked about.
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _why(place: Path) -> str:
    if hasattr(os, "statvfs"):
        with suppress(OSError):
            if os.statvfs(place).f_flag & os.ST_RDONLY:
                return f"{place} lies on a read-only file system"
    status = place.stat()
    mode = stat.S_IMODE(status.st_mode)
    return (
        f"you may not write to {place} (mode {mode:04o}, user {status.st_uid}, group "
        f"{status.st_gid})"
    )


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
    for tries_left in reversed(range(opening.LOOKS)):
        try:
            return opening.probed(opening.open_uri(path, "mode=ro"))
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            log = opening.waiting_log(path)
            if log is None:
                # In WAL mode SQLite must make a shared-memory file beside the database.
                if _may_write(path.parent) or not os.path.lexists(path):
                    raise
                return _connect_unlocked(path)
            if tries_left == 0:
                raise _left_behind(log) from error
        time.sleep(opening.LOOK_SECONDS)  # its writer may be about to open or to close it
    raise AssertionError


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
