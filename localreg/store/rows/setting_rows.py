"""The settings of a registry: its id, its journal mode, who shares it, what users set."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from localreg.errors import DamagedRowError
from localreg.store.rows.checked_values import damaged_row, is_id

JOURNAL_MODES = ("wal", "truncate")
TRUST_MODE = "trust.mode"  # one of those of users, which each local copy asks for


def settings(connection: sqlite3.Connection) -> dict[str, str]:
    """Return all settings, by name.

    Raises:
        DamagedRowError: the id or the journal mode is missing, or cannot be one.
    """
    found = dict(connection.execute("SELECT name, value FROM setting").fetchall())
    if not is_id(found.get("registry_id")):
        raise _damaged("registry_id", found, "32 hex digits")
    if found.get("journal") not in JOURNAL_MODES:
        raise _damaged("journal", found, " or ".join(JOURNAL_MODES))
    if not isinstance(found.get("shared", ""), str):
        raise _damaged("shared", found, "the name of a group")
    return found


def _damaged(name: str, found: dict[str, str], wanted: str) -> DamagedRowError:
    if name not in found:
        return damaged_row("setting", name, "value", "is missing")
    return damaged_row("setting", name, "value", f"must be {wanted}, not {found[name]!r:.60}")


def set_shared(connection: sqlite3.Connection, group: str) -> None:
    """Record the name of the group that shares the registry; in a write transaction."""
    connection.execute("INSERT OR REPLACE INTO setting VALUES ('shared', ?)", (group,))


def some(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, str]:
    """Return those of some settings that are there."""
    found = {}
    for name in names:
        row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        if row is not None:
            if not isinstance(row[0], str):
                raise damaged_row("setting", name, "value", f"must be text, not {row[0]!r:.60}")
            found[name] = row[0]
    return found


def put(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Set a setting; in a write transaction."""
    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Delete a setting; in a write transaction."""
    connection.execute("DELETE FROM setting WHERE name = ?", (name,))
