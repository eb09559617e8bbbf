"""Read a database on a full disk.

In WAL mode SQLite makes two files beside the database (``-wal``, ``-shm``) even to read it, and
fills the second one at once. A full disk has no room for that.

- If no log waits, the database is opened without locks, like one on a read-only mount.
- If a killed process left a log, SQLite can keep the index of the log in memory. It then locks out
  all others, so such a connection is closed after each use. The log is applied and deleted, unless
  the database has to grow for that.

This is tried before SQLite makes its files, because it maps the second one into memory. If the
blocks of the disk are smaller than a page of memory (ext4 below 512 MB), the file may look whole
and have holes, and writing to one ends the process (SIGBUS).

A write needs both files. What deletes gives up a reserve first, see reserve.py.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from localreg.filesystem.access_rights import may_write
from localreg.store.database import opening
from localreg.store.database.connections import PassingConnection
from localreg.store.database.readonly import connect_unlocked, log_of_killed
from localreg.store.database.schema_check import check_schema
from localreg.store.database.sqlite_errors import is_for_lack_of_space
from localreg.store.rows import setting_rows


def connect_on_full_disk(path: Path) -> sqlite3.Connection | None:
    """Return a connection that needs no space, for reading; None if SQLite needs no help.

    Raises:
        ReadOnlyRegistryError: a killed process left a log, and this user may not apply it.
    """
    for _ in range(opening.LOOKS):
        log = opening.waiting_log(path)
        if log is None:
            return _connect_unlocked(path)
        if not log.name.endswith("-wal"):
            return None
        if not may_write(path):
            raise log_of_killed(log)
        try:
            connection = _connect_alone(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return None  # another process has it open, with the files
        if connection is not None:
            return connection
    return None


def _connect_unlocked(path: Path) -> sqlite3.Connection | None:
    connection = connect_unlocked(path)
    with opening.closed_on_error(connection):
        check_schema(connection, path)
        if setting_rows.settings(connection).get("journal") == "wal":
            return connection
    connection.close()
    return None


def _connect_alone(path: Path) -> PassingConnection | None:
    """Apply the log, and return None; return a connection that reads it if it cannot be applied."""
    connection = opening.open_uri(path, "mode=rw", PassingConnection)
    assert isinstance(connection, PassingConnection)
    with opening.closed_on_error(connection):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # no file for the index
        connection.execute("PRAGMA user_version").fetchone()
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if not is_for_lack_of_space(error, path):
                raise
            return connection
    connection.close()
    return None
