"""What changed in a registry since its index for `search` was brought up to date.

Each text that can be searched changes by an event on its model, task or alias; by a new order of
the events that are here; or, as a local fact, by a model that is removed from this registry only.
"""

from __future__ import annotations

import json
import sqlite3

Connection = sqlite3.Connection

_CHANGES = (
    "SELECT DISTINCT e.subject, e.kind, e.field, iif(e.kind = 'alias.set', e.payload, '') "
    "FROM event e"
)
# The gate of an alias is not searched.
_SEARCHED = "e.kind <> 'alias.protected'"


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


def last_refolded(connection: Connection) -> int:
    """Return the key of what was folded again last without a new event; 0 if nothing was."""
    row = connection.execute("SELECT coalesce(max(pk), 0) FROM refolded").fetchone()
    return int(row[0])


def changed(
    connection: Connection, after: int, last: int, refolded: int
) -> tuple[set[str], set[str], set[str]]:
    """Return what the events between two keys are about, and what was folded again.

    Args:
        after, last: keys of events.
        refolded: the key of what was folded again last when the index was brought up to date.

    Returns:
        the models and tasks; the aliases; and the models that these aliases point to now.
    """
    subjects: set[str] = set()
    aliases: dict[str, set[tuple[object, str]]] = {}
    for subject, kind, field, payload in connection.execute(
        f"{_CHANGES} WHERE e.pk > ? AND e.pk <= ? AND {_SEARCHED} UNION "
        f"{_CHANGES} WHERE e.subject IN (SELECT subject FROM refolded WHERE pk > ?) "
        f"AND {_SEARCHED}",
        (after, last, refolded),
    ):
        if kind == "alias.set":
            aliases.setdefault(str(subject), set()).add((field, payload))
        else:
            subjects.add(str(subject))
    named = {pair for pairs in aliases.values() for pair in pairs}
    return subjects, {*aliases}, {each for pair in named for each in _target(connection, *pair)}


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
