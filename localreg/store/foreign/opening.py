"""Open an SQLite file of another program for reading, without changing anything."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localreg.errors import SourceError
from localreg.filesystem.disk_errors import disk_errors

_MAGIC = b"SQLite format 3\0"
_LONGEST_VALUE = 500_000_000  # bytes
_WAL = 2  # what the file says of itself in bytes 18 and 19


def is_sqlite(path: Path) -> bool:
    """Return True if a path is a file that begins as SQLite's do."""
    try:
        with open(path, "rb", buffering=0) as reader:
            return reader.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


@contextmanager
def opened_foreign(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a file; errors of SQLite in the block become SourceError.

    A file with a write-ahead log is read as a copy, since SQLite would write beside it.

    Args:
        path: an SQLite file, that other programs may write to meanwhile.
        folder: a temporary folder.

    Raises:
        SourceError: it is damaged, or no SQLite file.
    """
    if not is_sqlite(path):
        raise SourceError(f"{path} is no SQLite file", file=str(path), line=None)
    with disk_errors("reading what is imported", path):
        place = _copied(path, folder) if _has_log(path) else path
    mode = "ro" if place is path else "rw"
    try:
        with closing(sqlite3.connect(f"{place.as_uri()}?mode={mode}", uri=True)) as connection:
            connection.isolation_level = None
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA mmap_size = 0")
            connection.execute("BEGIN")  # one state of it, from the first read on
            yield connection
    except sqlite3.Error as error:
        raise SourceError(
            f"{path} cannot be read as SQLite: {error}. Nothing was imported",
            file=str(path),
            line=None,
        ) from error


def tables(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """Return the names of the tables, each with those of its columns; views are left out."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    columns = "SELECT name FROM pragma_table_info(?)"
    return {
        str(name): frozenset(str(row[0]) for row in connection.execute(columns, (name,)))
        for (name,) in names
    }


def _has_log(path: Path) -> bool:
    with open(path, "rb", buffering=0) as reader:
        head = reader.read(20)
    return head[18:20] == bytes([_WAL, _WAL])


def _copied(path: Path, folder: Path) -> Path:
    copy = folder / "foreign.db"
    shutil.copyfile(path, copy)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        shutil.copyfile(log, folder / "foreign.db-wal")
    return copy
