"""What changed in a registry since its index for `search` was brought up to date.

Each text that can be searched changes by an event on its model, task or alias; or, as a local fact,
by a model that is removed from this registry only.
"""

from __future__ import annotations

import json
import sqlite3

Connection = sqlite3.Connection


def last_event(connection: Connection) -> tuple[int, str]:
    """Return key and id of the event that came last; (0, "") if there is none."""
    row = connection.execute("SELECT pk, event_id FROM event ORDER BY pk DESC LIMIT 1").fetchone()
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def has_event(connection: Connection, pk: int, event_id: str) -> bool:
    """Return True if an event has this key and this id: it has not in an older copy."""
    row = connection.execute(
        "SELECT 1 FROM event WHERE pk = ? AND event_id = ?", (pk, event_id)
    ).fetchone()
    return row is not None


def forgotten(connection: Connection) -> frozenset[str]:
    """Return the models that were removed from this registry only."""
    return frozenset(str(id_) for (id_,) in connection.execute("SELECT model FROM forgotten"))


def changed(connection: Connection, after: int, last: int) -> tuple[set[str], set[str], set[str]]:
    """Return what the events between two keys are about.

    Returns:
        the models and tasks; the aliases; and the models that these aliases point to now.
    """
    subjects: set[str] = set()
    aliases: set[str] = set()
    for subject, kind in connection.execute(
        "SELECT DISTINCT subject, kind FROM event WHERE pk > ? AND pk <= ?", (after, last)
    ):
        (aliases if kind == "alias.set" else subjects).add(str(subject))
    named = connection.execute(
        "SELECT DISTINCT field, payload FROM event WHERE pk > ? AND pk <= ? AND kind = 'alias.set'",
        (after, last),
    ).fetchall()
    return subjects, aliases, {each for pair in named for each in _target(connection, *pair)}


def _target(connection: Connection, alias: object, payload: str) -> list[str]:
    try:
        line = json.loads(payload)
        place = (line["project"], line["name"], alias)
    except (TypeError, ValueError, KeyError):  # damaged; `verify` says so
        return []
    if not all(isinstance(each, str) for each in place):
        return []
    rows = connection.execute(
        "SELECT a.model FROM project p JOIN alias a ON a.project = p.pk "
        "WHERE p.name = ? AND a.name = ? AND a.alias = ?",
        place,
    )
    return [str(model) for (model,) in rows]
