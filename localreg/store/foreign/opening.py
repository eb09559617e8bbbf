"""Open an SQLite file of another program for reading, without changing anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from stat import S_ISLNK

from localreg.errors import SourceError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import FileStatus, open_found, status_of

_MAGIC = b"SQLite format 3\0"
_LONGEST_VALUE = 500_000_000  # bytes
_JOURNAL = "-journal"  # what is left of a change that was not finished
_LOGS = ("-wal", _JOURNAL)
_TRIES = 5
_WAL = 2  # what the file says of itself in bytes 18 and 19


def is_sqlite(path: Path) -> bool:
    """Return True if a path is a file that begins as SQLite's do; it raises nothing."""
    try:
        with open_found(path) as reader:  # which never waits for a pipe
            return reader.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


@contextmanager
def opened_foreign(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a file; errors of SQLite in the block become SourceError.

    A copy, so that programs that write to the file do not wait until the import ends. A file with
    a log beside it is copied with it, byte by byte, since SQLite would write there; any other one
    by SQLite, which locks it against writers meanwhile.

    Args:
        path: an SQLite file, that other programs may write to meanwhile.
        folder: a temporary folder; the copy in it is deleted at the end.

    Raises:
        StorageFullError: there is no space for the copy.
        SourceError: it is damaged, or no SQLite file, or others write to it all the time.
    """
    if not is_sqlite(path):
        raise SourceError(f"{path} is no SQLite file", file=str(path), line=None)
    with disk_errors("reading what is imported", path):
        real = Path(os.path.realpath(path))  # the logs are beside it
        copies = _new_folder(folder)
        copy = copies / "foreign.db"
        has_log = _has_log(real)
        if has_log:
            _copy_files(real, copy)
    try:
        with sqlite_errors(path):
            if not has_log:
                _copy_pages(real, copy)
            with closing(sqlite3.connect(copy)) as connection:
                connection.isolation_level = None
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA query_only = ON")
                connection.execute("PRAGMA cell_size_check = ON")
                connection.execute("PRAGMA mmap_size = 0")
                connection.execute("BEGIN")  # one state of it, from the first read on
                yield connection
    finally:
        shutil.rmtree(copies)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Translate errors of SQLite: for what is read of an open file outside of its block.

    Raises:
        StorageFullError: there is no space for the copy.
        SourceError: the file is damaged.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its message may quote damaged bytes
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFullError(f"the disk is full: no space for a copy of {path}") from error
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


def _new_folder(folder: Path) -> Path:
    for number in count():
        place = folder / f"sqlite-{number}"
        with suppress(FileExistsError):  # it is that of another file
            place.mkdir()
            return place
    raise AssertionError


def _has_log(path: Path) -> bool:
    with open_found(path) as reader:
        head = reader.read(20)
    return head[18:20] == bytes([_WAL, _WAL]) or os.path.lexists(f"{path}{_JOURNAL}")


def _copy_pages(path: Path, copy: Path) -> None:
    """Copy a database by SQLite, in one step."""
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target)


def _copy_files(path: Path, copy: Path) -> None:
    """Copy a file and its logs, all as they are at one time."""
    places = [path, *(path.with_name(path.name + each) for each in _LOGS)]
    for _ in range(_TRIES):
        before = [_status_of(each) for each in places]
        for place, status, end in zip(places, before, ("", *_LOGS), strict=True):
            target = copy.with_name(copy.name + end)
            if status is None:
                target.unlink(missing_ok=True)
                continue
            with open_found(place) as reader, open(target, "wb") as writer:
                shutil.copyfileobj(reader, writer, 1 << 20)
        if before == [_status_of(each) for each in places]:
            return
    raise SourceError(
        f"{path} is written to all the time: stop what does it, and import again",
        file=str(path),
        line=None,
    )


def _status_of(path: Path) -> FileStatus | None:
    """Return by what a file counts as unchanged; None if there is none.

    Raises:
        SourceError: it is a link, which may lead anywhere.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if S_ISLNK(found.st_mode):
        raise SourceError(
            f"{path} is a link, and no log of SQLite. Nothing was imported",
            file=str(path),
            line=None,
        )
    return status_of(found)
