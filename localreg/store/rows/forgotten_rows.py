"""The models that are removed from this registry only. It is a local fact: no event says so."""

from __future__ import annotations

import sqlite3

Connection = sqlite3.Connection


def is_forgotten(connection: Connection, model_id: str) -> bool:
    """Return True if a model is removed from this registry only."""
    found = connection.execute("SELECT 1 FROM forgotten WHERE model = ?", (model_id,)).fetchone()
    return found is not None


def forget(connection: Connection, model_id: str) -> None:
    """Record that a model is removed from this registry only."""
    connection.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (model_id,))


def remember(connection: Connection, model_id: str) -> bool:
    """Undo `forget`; return True if the model was forgotten."""
    cursor = connection.execute("DELETE FROM forgotten WHERE model = ?", (model_id,))
    return cursor.rowcount > 0


def every(connection: Connection) -> set[str]:
    """Return the models that are removed from this registry only."""
    return {str(model) for (model,) in connection.execute("SELECT model FROM forgotten")}
