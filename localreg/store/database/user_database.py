"""The database for users, as `Registry.db`: their own connection, through sqlite-utils."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

from localreg.store.database.connections import PassingConnection
from localreg.store.database.sqlite_errors import full, translated
from localreg.store.database.store import Store


def explore(store: Store) -> Database:
    """Return a `sqlite_utils.Database` with its own connection, one for each thread.

    It is closed with the store and before a fork; call this again then.

    Raises:
        StorageFullError: the disk is full, and a killed process left a log: then a connection that
            stays open would keep others from writing.
    """
    with translated(store.path):
        while True:
            with store.user_connections.mine() as connection:
                if isinstance(connection, PassingConnection):  # users keep theirs open
                    raise full(store.path)
                if _is_open(connection):
                    return Database(connection)
            store.user_connections.release()  # its user closed it; the next one is new


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True
