"""Write very many rows into empty tables: their indexes are made afterwards, which is faster.

All is done in the caller's transaction, and the indexes are made by the words of schema.sql: no
other process sees the tables without them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from localreg.store.rows.known_schema import SchemaObject, known_objects

Connection = sqlite3.Connection

_CACHE = 40_000  # KiB of pages: most of those that many events change again and again
_SORTED = 10_000  # KiB while indexes are made


def has_rows(connection: Connection, table: str) -> bool:
    """Return True if a table has rows."""
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None


def drop_indexes(connection: Connection, tables: Iterable[str]) -> list[SchemaObject]:
    """Drop the indexes of those of some tables that have no rows; return them for `make_indexes`.

    Indexes that belong to a UNIQUE or PRIMARY KEY stay.
    """
    dropped = []
    for table in tables:
        if not has_rows(connection, table):
            indexes = [e for e in known_objects() if e.kind == "index" and e.table == table]
            for index in indexes:
                connection.execute(f"DROP INDEX {index.name}")
            dropped += indexes
    return dropped


def make_indexes(connection: Connection, dropped: list[SchemaObject]) -> None:
    """Make the indexes that `drop_indexes` dropped; the list is empty then."""
    # SQLite sorts their rows in as much memory as it may have for pages, and has the pages, too.
    with _cache(connection, _SORTED):
        while dropped:
            connection.execute(dropped.pop(0).sql)


@contextmanager
def large_cache(connection: Connection) -> Iterator[None]:
    """Let a connection hold many pages in memory during the block."""
    with _cache(connection, _CACHE):
        yield


@contextmanager
def _cache(connection: Connection, size: int) -> Iterator[None]:
    (before,) = connection.execute("PRAGMA cache_size").fetchone()
    connection.execute(f"PRAGMA cache_size = -{size}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA cache_size = {int(before)}")
