"""The keys and certificates that a registry trusts. They are no events: they never travel."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import DIGEST, TEXT, TIME, Columns
from localreg.values.signatures import Trusted

Connection = sqlite3.Connection

_KEYS = Columns("trusted_key", id=DIGEST, kind=TEXT, name=TEXT, pem=TEXT, added=TIME)


def keys(connection: Connection) -> list[Trusted]:
    """Return what the registry trusts, by name."""
    rows = _KEYS.all(connection, "SELECT id, kind, name, pem, added FROM trusted_key ORDER BY name")
    return [Trusted(*row) for row in rows]


def add(connection: Connection, key: Trusted) -> None:
    """Add a key or certificate; in a write transaction."""
    connection.execute(
        "INSERT INTO trusted_key VALUES (?, ?, ?, ?, ?)",
        (key.id, key.kind, key.name, key.pem, key.added),
    )


def remove(connection: Connection, key_id: str) -> None:
    """Remove a key or certificate; in a write transaction."""
    connection.execute("DELETE FROM trusted_key WHERE id = ?", (key_id,))
