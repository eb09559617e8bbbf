"""The settings of a registry: its id, its journal mode, the group that shares it."""

from __future__ import annotations

import sqlite3

from localreg.errors import DamagedRowError
from localreg.store.rows.checked_values import damaged_row, is_id

JOURNAL_MODES = ("wal", "truncate")


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
