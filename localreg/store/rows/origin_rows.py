"""The registries that events were made in."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import damaged_row
from localreg.values.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.errors import DamagedRowError

Connection = sqlite3.Connection
OWN_ID = "(SELECT value FROM setting WHERE name = 'origin')"


def own(connection: Connection) -> int:
    """Return the key of the origin that new events carry."""
    row = connection.execute(f"SELECT pk FROM origin WHERE id = {OWN_ID}").fetchone()
    if row is None:
        raise no_own()
    return int(row[0])


def no_own() -> DamagedRowError:
    """Return the error for a registry whose own origin is not there."""
    return damaged_row("setting", "origin", "value", "must be the id of an origin")


def key(connection: Connection, origin: str, name: str) -> int:
    """Return the key of an origin; insert it if it is new."""
    row = connection.execute("SELECT pk FROM origin WHERE id = ?", (origin,)).fetchone()
    if row is None:
        cursor = connection.execute("INSERT INTO origin (id, name) VALUES (?, ?)", (origin, name))
        return int(cursor.lastrowid or 0)
    return int(row[0])


def mint(connection: Connection, name: str) -> int:
    """Give a registry a new origin, in a write transaction; return its key.

    Args:
        name: for people: the short name of the machine, or what they chose.
    """
    origin = new_id()
    found = key(connection, origin, name)
    connection.execute("INSERT OR REPLACE INTO setting VALUES ('origin', ?)", (origin,))
    return found


def name_of(connection: Connection, pk: int) -> str:
    """Return the name of an origin by its key."""
    row = connection.execute("SELECT name FROM origin WHERE pk = ?", (pk,)).fetchone()
    if row is None or not isinstance(row[0], str):
        raise damaged_row("origin", pk, "name", "must be text")
    return row[0]


def rename(connection: Connection, pk: int, name: str) -> None:
    """Give an origin another name, in a write transaction."""
    connection.execute("UPDATE origin SET name = ? WHERE pk = ?", (name, pk))


def name_of_id(connection: Connection, origin: str) -> str:
    """Return the name of an origin by its id; its first digits if it is unknown."""
    row = connection.execute("SELECT name FROM origin WHERE id = ?", (origin,)).fetchone()
    return origin[:8] if row is None else str(row[0])


def own_id_and_name(connection: Connection) -> tuple[str, str]:
    """Return id and name of the origin that new events carry."""
    row = connection.execute("SELECT id, name FROM origin WHERE pk = ?", (own(connection),))
    origin, name = row.fetchone()
    return str(origin), str(name)
