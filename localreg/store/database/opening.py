"""Opening a database file: what it must be, and how a connection to it is set up.

What is not ours, damaged or newer is refused before anything is written, and is left byte for
byte as it was.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from localreg.errors import (
    DamagedRegistryError,
    NewerFormatError,
    NotARegistryError,
    SQLiteTooOldError,
)
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated

APPLICATION_ID = 0x6C72_6567  # "lreg"
FORMAT_VERSION = 1
HEADER_BYTES = 100  # of an SQLite database
SQLITE_FLOOR = (3, 35, 0)
LOOKS = 10  # at a database that seems damaged, and may be in the middle of a commit
LOOK_SECONDS = 0.01


def sqlite_version() -> str:
    """Return the version of the SQLite that this Python uses."""
    return sqlite3.sqlite_version


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Check that SQLite knows what the schema and the queries use.

    Raises:
        SQLiteTooOldError: it is older than 3.35.
    """
    if version < SQLITE_FLOOR:
        found = ".".join(map(str, version))
        wanted = ".".join(map(str, SQLITE_FLOOR))
        raise SQLiteTooOldError(
            f"localreg needs SQLite {wanted} or newer; this Python has {found}. Use a Python "
            "built with a newer SQLite",
            path="",
        )


def check_file(path: Path) -> None:
    """Check, without writing, that `path` is a database this version can open.

    Raises:
        NotARegistryError: it is no file, or another program's database.
        DamagedRegistryError: it is empty, cut off or no database at all.
        NewerFormatError: a newer localreg wrote it.
    """
    status = path.lstat()
    for each, found in [(path, status), *_beside(path, "-wal", "-shm", "-journal")]:
        if not stat.S_ISREG(found.st_mode):
            raise NotARegistryError(
                f"{each} must be a regular file; links and others are not followed", path=str(each)
            )
    if status.st_size < HEADER_BYTES:
        raise DamagedRegistryError(
            f"{path} is empty or cut off ({status.st_size} bytes), so what it held is lost; "
            "restore it from a backup, or remove it to start anew",
            path=str(path),
        )
    with translated(path):
        for tries_left in reversed(range(LOOKS)):
            try:
                # Pages may be missing because a checkpoint or a commit is under way, or was
                # killed: SQLite completes them from its log.
                killed = tries_left < LOOKS - 1 and waiting_log(path) is not None
                _check_untouched(path, header_only=killed)
                return
            except sqlite3.DatabaseError:
                # It may have begun or ended since the look at the log. Damage stays.
                if tries_left == 0:
                    raise
                time.sleep(LOOK_SECONDS)


def _check_untouched(path: Path, *, header_only: bool = False) -> None:
    # SQLite reads the header itself: closing a file descriptor of our own would drop the locks
    # that its connections elsewhere in this process hold. "immutable" makes it touch nothing.
    with closing(sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True)) as connection:
        if header_only:
            connection.execute("PRAGMA writable_schema = ON")  # no comparison with the file's size
        check_header(connection, path)


def waiting_log(path: Path) -> Path | None:
    """Return the log beside a database that holds changes, or what undoes them; None without."""
    return next((log for log, found in _beside(path, "-wal", "-journal") if found.st_size), None)


def _beside(path: Path, *endings: str) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield SQLite's own files beside a database, as far as there are any."""
    for ending in endings:
        file = path.with_name(path.name + ending)
        with suppress(FileNotFoundError):  # the last process to close deletes them
            yield file, file.lstat()


def check_header(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format version of an open database.

    Raises:
        NotARegistryError: another program's.
        NewerFormatError: a newer localreg's.
    """
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise NotARegistryError(
            f"{path} is a database of another program (application id {application:#x}, wanted "
            f"{APPLICATION_ID:#x}); choose another directory",
            path=str(path),
        )
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} has format {version}, and this localreg reads up to {FORMAT_VERSION}; "
            "upgrade localreg",
            path=str(path),
        )
    return version


def connect(path: Path, *, durability: str) -> sqlite3.Connection:
    """Return a connection for reading and writing.

    Args:
        path: an existing database.
        durability: "full", or "fast" to leave writing out to the operating system.
    """
    for tries_left in reversed(range(LOOKS)):
        try:
            return _connect(path, durability)
        except sqlite3.OperationalError as error:
            # A log has the mode of its database a moment after it is there: until then other
            # members of a group that shares it are refused.
            if tries_left == 0 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
                raise
            if not path.exists():
                raise
        time.sleep(LOOK_SECONDS)
    raise AssertionError


def _connect(path: Path, durability: str) -> sqlite3.Connection:
    # mode=rw: a file that disappeared is an error, and not made again, empty.
    connection = open_uri(path, "mode=rw")
    with _closed_on_error(connection):
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            connection.execute("PRAGMA journal_mode = TRUNCATE")
        # A rollback journal needs EXTRA to also sync the directory it is removed from.
        full = "FULL" if mode == "wal" else "EXTRA"
        connection.execute(f"PRAGMA synchronous = {full if durability == 'full' else 'OFF'}")
    return connection


def probed(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection after its first read, which is where opening really happens."""
    with _closed_on_error(connection):
        connection.execute("PRAGMA user_version").fetchone()
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def open_uri(
    path: Path, options: str, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Return a connection, set up as all are.

    Args:
        options: of SQLite's URI.
        factory: what it is one of.
    """
    connection = sqlite3.connect(
        _uri(path, options),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        # Closed by whichever thread closes the registry; used by one thread only.
        check_same_thread=False,
        cached_statements=256,
        factory=factory,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE deletes: events guard against it
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _uri(path: Path, options: str) -> str:
    # The characters that mean something in the URI of a file; SQLite decodes them again.
    quoted = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?{options}"
