"""Checking a database for damage."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from localreg.errors import DamagedRowError
from localreg.store.rows import column_rules
from localreg.store.rows.known_schema import known_objects

MOST = 20  # problems of one kind that are named
# What the check of a database may take if it holds tables that are not ours: SQLite evaluates
# their conditions too, and a stranger can make these slow.
SECONDS, SECONDS_PER_MEGABYTE = 10.0, 1.0
_STEPS = 100_000  # of SQLite between two looks at the clock


def damage(connection: sqlite3.Connection, *, full: bool) -> Iterator[str]:
    """Yield one sentence for each problem that SQLite finds.

    Args:
        connection: a fresh one, since others read pages from their memory.
        full: compare the indexes with their tables too, which takes longer.
    """
    check = "integrity_check" if full else "quick_check"
    with _in_time(connection):
        for (text,) in connection.execute(f"PRAGMA {check}({MOST})").fetchall():
            if text != "ok":
                yield f"the database is damaged: {text}"
    for table in [each.name for each in known_objects() if each.kind == "table"]:
        missing = connection.execute(f"PRAGMA foreign_key_check({table})").fetchmany(MOST)
        for _, _, parent, _ in missing:
            yield f"a row of {table} refers to a missing row of {parent}"


def strange_values(connection: sqlite3.Connection, *, of_blobs: bool) -> list[DamagedRowError]:
    """Return the first values that their columns cannot hold.

    Args:
        connection: a fresh one.
        of_blobs: look only at the tables that say which blobs are needed.
    """
    tables = column_rules.OF_BLOBS if of_blobs else tuple(column_rules.RULES)
    return list(islice(column_rules.damaged_rows(connection, tables), MOST))


@contextmanager
def _in_time(connection: sqlite3.Connection) -> Iterator[None]:
    """Stop a statement in the block that takes too long, if tables that are not ours are there."""
    ours = {each.name for each in known_objects()}
    names = connection.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL")
    if all(name in ours or str(name).startswith("sqlite_") for (name,) in names.fetchall()):
        yield
        return
    pages, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size")
    )
    deadline = time.monotonic() + SECONDS + SECONDS_PER_MEGABYTE * pages * size / 1e6
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
