"""Check a database file, and open connections to it.

A file of another program, a damaged one or one of a newer localreg is refused before anything is
written to it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from localreg.errors import (
    DamagedRegistryError,
    NewerFormatError,
    NotARegistryError,
    SQLiteTooOldError,
)
from localreg.filesystem.syncing import full_sync
from localreg.store.database.same_file import OpenedConnection
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated

APPLICATION_ID = 0x6C72_6567  # "lreg"
FORMAT_VERSION = 1
HEADER_BYTES = 100  # of an SQLite database
SQLITE_FLOOR = (3, 35, 0)
LOOKS = 10  # tries before a database counts as damaged: a commit may be under way
LOOK_SECONDS = 0.01


def sqlite_version() -> str:
    """Return the version of the SQLite that this Python uses."""
    return sqlite3.sqlite_version


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raise if SQLite is too old for the schema and the queries.

    Raises:
        SQLiteTooOldError: it is older than 3.35.
    """
    if version < SQLITE_FLOOR:
        found = ".".join(map(str, version))
        wanted = ".".join(map(str, SQLITE_FLOOR))
        raise SQLiteTooOldError(
            f"localreg needs SQLite {wanted} or newer, and this Python has {found}; use a Python "
            "with a newer SQLite",
            path="",
        )


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise if `path` is not a database that this version can open; write nothing.

    Raises:
        NotARegistryError: it is not a file, or the database of another program.
        DamagedRegistryError: it is empty, truncated or not a database.
        NewerFormatError: a newer localreg wrote it.
    """
    place = os.fspath(path)
    status = os.lstat(place)
    for each, found in [(place, status), *_beside(place, "-wal", "-shm", "-journal")]:
        if not stat.S_ISREG(found.st_mode):
            raise NotARegistryError(
                f"{each} must be a regular file; links are not followed", path=each
            )
    if status.st_size < HEADER_BYTES:
        raise DamagedRegistryError(
            f"{path} is empty or truncated ({status.st_size} bytes), so its content is lost; "
            "restore it from a backup, or delete it to start with an empty registry",
            path=str(path),
        )
    with translated(path):
        for tries_left in reversed(range(LOOKS)):
            try:
                # Pages may be missing while a checkpoint or a commit runs, or after it was
                # killed. SQLite completes them from its log.
                killed = tries_left < LOOKS - 1 and waiting_log(path) is not None
                _check_untouched(path, header_only=killed)
                return
            except sqlite3.DatabaseError:
                # The commit may have begun or ended in between. Real damage does not go away.
                if tries_left == 0:
                    raise
                time.sleep(LOOK_SECONDS)


def _check_untouched(path: str | os.PathLike[str], *, header_only: bool = False) -> None:
    # SQLite reads the header: closing our own file descriptor would drop the locks that other
    # connections of this process hold. "immutable" keeps it from writing anything.
    with closing(sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True)) as connection:
        if header_only:
            connection.execute("PRAGMA writable_schema = ON")  # do not check the file size
        check_header(connection, path)


def waiting_log(path: str | os.PathLike[str]) -> str | None:
    """Return the log beside a database that is not empty, or None."""
    return next((log for log, found in _beside(path, "-wal", "-journal") if found.st_size), None)


def _beside(path: str | os.PathLike[str], *endings: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield SQLite's own files beside a database that exist, with their status."""
    for ending in endings:
        file = f"{os.fspath(path)}{ending}"
        with suppress(FileNotFoundError):  # the last process to close deletes them
            yield file, os.lstat(file)


def check_header(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> int:
    """Return the format version of an open database.

    Raises:
        NotARegistryError: it is of another program.
        NewerFormatError: it is of a newer localreg.
    """
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        advice = "choose another directory"
        tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('setting', 'model', 'weights')"
        if application == 0 and connection.execute(tables).fetchone()[0] == 3:
            advice = (
                f"if it was restored from a dump, which lacks two numbers, set them: `sqlite3 "
                f"{os.path.basename(path)} 'PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {FORMAT_VERSION}'`"
            )
        raise NotARegistryError(
            f"{path} is a database of another program (application id {application:#x}, wanted "
            f"{APPLICATION_ID:#x}); {advice}",
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


def connect(path: str | os.PathLike[str], *, durability: str) -> sqlite3.Connection:
    """Return a connection for reading and writing.

    Args:
        path: an existing database.
        durability: "full", or "fast" to let the operating system decide when it writes.
    """
    for tries_left in reversed(range(LOOKS)):
        try:
            return _connect(path, durability)
        except sqlite3.OperationalError as error:
            # SQLite sets the mode of a new log a moment after it made it. Until then the other
            # members of the group are refused.
            if tries_left == 0 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
                raise
            if not os.path.exists(path):
                raise
        time.sleep(LOOK_SECONDS)
    raise AssertionError


def _connect(path: str | os.PathLike[str], durability: str) -> sqlite3.Connection:
    # mode=rw: a missing file is an error; SQLite must not make an empty one.
    connection = open_uri(path, "mode=rw")
    with closed_on_error(connection):
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            connection.execute("PRAGMA journal_mode = TRUNCATE")
        if durability == "full" and full_sync() is not None:
            # macOS: what fsync did is only in the cache of the disk.
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
        # A rollback journal needs EXTRA, which syncs the directory too.
        full = "FULL" if mode == "wal" else "EXTRA"
        connection.execute(f"PRAGMA synchronous = {full if durability == 'full' else 'OFF'}")
    return connection


def probed(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection after its first read: only that really opens the file."""
    with closed_on_error(connection):
        connection.execute("PRAGMA user_version").fetchone()
    return connection


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection if the block raises."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def open_uri(
    path: str | os.PathLike[str],
    options: str,
    factory: type[OpenedConnection] = OpenedConnection,
) -> OpenedConnection:
    """Return a connection with the settings that all connections have.

    Args:
        path: the database.
        options: the query of SQLite's URI, such as ``mode=ro``.
        factory: the class of the connection.
    """
    uri = _uri(path, options)
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        # One thread uses it; another may close it, with the registry.
        check_same_thread=False,
        cached_statements=256,
        factory=factory,
    )
    connection.uri = uri
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE fires the guards of events
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _uri(path: str | os.PathLike[str], options: str, separator: str = os.sep) -> str:
    r"""Return SQLite's URI of a database.

    >>> _uri("C:/a#b/registry.db", "mode=ro")
    'file:C:/a%23b/registry.db?mode=ro'
    >>> _uri(r"\\server\share\registry.db", "mode=ro", separator="\\")
    'file:////server/share/registry.db?mode=ro'
    """
    text = os.fspath(path).replace(separator, "/")
    # Escape the characters that have a meaning in a URI; SQLite decodes them.
    quoted = text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    host = "//" if quoted.startswith("//") else ""  # else the server would count as the host
    return f"file:{host}{quoted}?{options}"
