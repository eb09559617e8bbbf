"""Who wrote each register last; see `store/events/registers.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

Connection = sqlite3.Connection


def writers(connection: Connection, subject: str, register: str, first: str | None) -> list[str]:
    """Return ids of the events whose value a register has; the last one is the newest.

    Args:
        subject: id of the model, task or alias.
        register: as `registers.register_of` names it.
        first: the event that wrote it when nothing else did; None if nothing did.
    """
    row = connection.execute(
        "SELECT events FROM writer WHERE subject = ? AND register = ?", (subject, register)
    ).fetchone()
    if row is not None:
        return str(row[0]).split()
    return [] if first is None else [first]


def set_writers(connection: Connection, subject: str, register: str, events: Sequence[str]) -> None:
    """Set the events whose value a register has."""
    connection.execute(
        "INSERT OR REPLACE INTO writer VALUES (?, ?, ?)", (subject, register, " ".join(events))
    )
