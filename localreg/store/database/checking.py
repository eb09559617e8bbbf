"""Checking a database for damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

MOST = 20  # problems of one kind that are named


def damage(connection: sqlite3.Connection, *, full: bool) -> Iterator[str]:
    """Yield one sentence for each problem that SQLite finds.

    Args:
        connection: a fresh one, since others read pages from their memory.
        full: compare the indexes with their tables too, which takes longer.
    """
    check = "integrity_check" if full else "quick_check"
    for (text,) in connection.execute(f"PRAGMA {check}({MOST})").fetchall():
        if text != "ok":
            yield f"the database is damaged: {text}"
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(MOST):
        yield f"a row of {table} refers to a missing row of {parent}"
