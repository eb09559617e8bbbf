"""Take the write lock, with a fair chance for each process."""

from __future__ import annotations

import sqlite3
import time

from localreg.store.database.sqlite_errors import BUSY_SECONDS

SHORTEST, LONGEST = 0.000_2, 0.001_5  # seconds between two tries


def begin_write(connection: sqlite3.Connection) -> bool:
    """Begin a write transaction; wait for the lock at most `BUSY_SECONDS`.

    Returns:
        False if the lock was free, True after waiting for it.

    SQLite's own waiting sleeps longer with every try, up to 100 ms, so the process that waited
    longest gets the lock last: with eight writers single calls took seconds. Here all processes
    retry at the same pace.

    Raises:
        sqlite3.OperationalError: other processes held the lock all the time.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        deadline = time.monotonic() + BUSY_SECONDS
        waited = False
        while not _try(connection, deadline):
            import random  # mostly the lock is free

            waited = True
            time.sleep(random.uniform(SHORTEST, LONGEST))
        return waited
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def _try(connection: sqlite3.Connection, deadline: float) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        if not busy or time.monotonic() > deadline:
            raise
        return False
    return True
