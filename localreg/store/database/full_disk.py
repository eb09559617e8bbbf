"""Read a database on a full disk.

In WAL mode SQLite makes two files beside the database (``-wal``, ``-shm``) even to read it, and
fills the second one at once. A full disk has no room for that.

- If no log waits, the database is opened without locks, like one on a read-only mount.
- If a killed process left a log, SQLite reads it with an index of its own in memory, as long as the
  second file exists, if only empty, and is opened for reading only. All connections of a process
  share that file, so such a connection is closed after each use: a writer needs it for writing.

This is tried before SQLite makes its files, because it maps the second one into memory. If the
blocks of the disk are smaller than a page of memory (ext4 below 512 MB), the file may look whole
and have holes, and writing to one ends the process (SIGBUS).

A write needs both files. What deletes gives up a reserve first, see reserve.py.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from localreg.store.database import opening
from localreg.store.database.connections import PassingConnection
from localreg.store.database.readonly import connect_unlocked
from localreg.store.database.schema_check import check_schema
from localreg.store.database.sqlite_errors import log_of_killed
from localreg.store.rows import setting_rows


def connect_on_full_disk(path: Path) -> sqlite3.Connection | None:
    """Return a connection that needs no space, for reading; None if SQLite needs no help.

    Raises:
        ReadOnlyRegistryError: a killed process left a log, and this user may not read it.
    """
    log = opening.waiting_log(path)
    if log is None:
        return _connect_unlocked(path)
    return _connect_to_log(path, log) if log.endswith("-wal") else None


def _connect_unlocked(path: Path) -> sqlite3.Connection | None:
    connection = connect_unlocked(path)
    with opening.closed_on_error(connection):
        check_schema(connection, path)
        if setting_rows.settings(connection).get("journal") == "wal":
            return connection
    connection.close()
    return None


def _connect_to_log(path: Path, log: str) -> sqlite3.Connection:
    index = path.with_name(f"{path.name}-shm")
    mode = stat.S_IMODE(path.stat().st_mode)
    with suppress(OSError):
        os.close(os.open(index, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        index.chmod(mode)  # despite the umask: who may write to the database needs it
    try:
        uri = "mode=ro&readonly_shm=1"
        return opening.probed(opening.open_uri(path, uri, PassingConnection))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
            raise
        raise log_of_killed(path, log) from error
