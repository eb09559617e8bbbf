"""Read projects."""

from __future__ import annotations

import sqlite3

from localreg.values.records import Project


def by_name(connection: sqlite3.Connection, name: str) -> Project | None:
    """Return the project with this name, or None."""
    row = connection.execute(
        "SELECT id, name FROM project WHERE name = ? AND pk > 0", (name,)
    ).fetchone()
    return None if row is None else Project(*row)


def by_id(connection: sqlite3.Connection, project_id: str) -> Project | None:
    """Return the project with this id, or None."""
    row = connection.execute(
        "SELECT id, name FROM project WHERE id = ? AND pk > 0", (project_id,)
    ).fetchone()
    return None if row is None else Project(*row)
