"""Copy a database while others write to it, by SQLite's online backup.

The source connection is in a read transaction, so the copy is the state that it sees. A copy that
is made is complete or absent. One that is brought up to date is written in one transaction: if that
is killed, SQLite gives its readers the old state.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localreg.filesystem.group_modes import share
from localreg.filesystem.syncing import sync_file, sync_folder
from localreg.filesystem.temporary_owners import unfinished
from localreg.store.database import opening
from localreg.store.database.sqlite_errors import translated

PAGES_AT_ONCE = 20_000  # then Ctrl-C is noticed


def make_copy(connection: sqlite3.Connection, path: Path, group: int | None, *, sync: bool) -> None:
    """Copy a database to a path where there is none yet.

    Args:
        connection: in a read transaction.
        path: the new database.
        group: the number of the group that shares it.
        sync: sync it to disk.
    """
    temporary = unfinished(path)
    try:
        with translated(path):
            with open(temporary, "xb") as file:
                share(file.fileno(), group)
            with closing(sqlite3.connect(temporary, isolation_level=None)) as target:
                target.execute("PRAGMA synchronous = OFF")  # it is synced once
                connection.backup(target, pages=PAGES_AT_ONCE, sleep=0)
        if sync:
            sync_file(temporary)
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def update_copy(
    connection: sqlite3.Connection,
    path: Path,
    *,
    sync: bool,
    pages: int = PAGES_AT_ONCE,
    report: Callable[[int, int, int], object] | None = None,
) -> None:
    """Make an earlier copy equal to a database, in one transaction.

    Args:
        connection, path, sync: as for `make_copy`.
        pages: how many pages are copied between two calls of `report`.
        report: called with SQLite's status, the number of pages left, and that of all.

    Raises:
        LockTimeoutError: another process wrote to the copy all the time.
    """
    with (
        translated(path),
        closing(opening.connect(path, durability="full" if sync else "fast")) as target,
    ):
        connection.backup(target, pages=pages, progress=report, sleep=0)


@contextmanager
def changing(path: Path, *, sync: bool) -> Iterator[sqlite3.Connection]:
    """A write transaction on a copy."""
    with (
        translated(path),
        closing(opening.connect(path, durability="full" if sync else "fast")) as target,
    ):
        target.execute("BEGIN IMMEDIATE")
        yield target
        target.execute("COMMIT")
