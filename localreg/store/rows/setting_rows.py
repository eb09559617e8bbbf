"""The settings of a registry: its id, its journal mode, the group that shares it."""

from __future__ import annotations

import sqlite3


def settings(connection: sqlite3.Connection) -> dict[str, str]:
    """Return all settings, by name."""
    return dict(connection.execute("SELECT name, value FROM setting").fetchall())


def set_shared(connection: sqlite3.Connection, group: str) -> None:
    """Record the name of the group that shares the registry; in a write transaction."""
    connection.execute("INSERT OR REPLACE INTO setting VALUES ('shared', ?)", (group,))
