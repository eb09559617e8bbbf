"""Events as they travel to other registries, and what belongs to them; read as streams.

A model may have 100,000 events, and a registry millions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from localreg.store.rows import model_rows
from localreg.store.rows.checked_values import (
    COUNT,
    ID,
    TEXT,
    TIME,
    Columns,
    object_of,
    or_null,
)
from localreg.values.records import Json, LoggedEvent

Connection = sqlite3.Connection

_EVENTS = Columns(
    "event", event_id=ID, origin=ID, seq=COUNT, lamport=COUNT, stamp=COUNT, at=TIME, actor=TEXT,
    kind=TEXT, v=COUNT, subject=ID, field=or_null(TEXT), payload=TEXT, remote=or_null(TEXT),
    position=or_null(COUNT),
)  # fmt: skip
_SELECT = (
    "SELECT e.event_id, o.id, e.seq, e.lamport, e.stamp, e.at, a.name, e.kind, e.v, e.subject, "
    "e.field, e.payload, e.remote, e.position FROM event e JOIN origin o ON o.pk = e.origin "
    "JOIN actor a ON a.pk = e.actor"
)
_IDS = Columns("event", id=ID)


def of_unit(connection: Connection, subject: str, after: int = 0) -> Iterator[LoggedEvent]:
    """Yield the events of a unit, in the order in which they are folded.

    Args:
        subject: the id of a model, task, project or alias.
        after: only events with a greater key than this.
    """
    sql = (
        f"{_SELECT} WHERE e.subject = ? AND e.pk > ? "
        "ORDER BY e.position IS NULL, e.position, e.lamport, e.event_id"
    )
    yield from _events(connection, sql, (subject, after))


def placed_since(
    connection: Connection, subject: str, until: int, since: int
) -> Iterator[LoggedEvent]:
    """Yield the events of a unit that got their places in the order of a remote since some time.

    Args:
        until: only events with a key up to this.
        since: the time, microseconds.
    """
    sql = (
        f"{_SELECT} WHERE e.subject = ? AND e.pk <= ? AND e.position IS NOT NULL "
        "AND e.positioned >= ? ORDER BY e.position"
    )
    yield from _events(connection, sql, (subject, until, since))


def came_at(connection: Connection, key: int) -> int:
    """Return when an event came to this registry, or was made in it.

    If the clock went back since, it is the time of a later event.
    """
    row = connection.execute(
        "SELECT min(coalesce(arrived, at)) FROM event WHERE pk >= ?", (key,)
    ).fetchone()
    return int(row[0] or 0)


def all_events(connection: Connection, after: int = 0) -> Iterator[LoggedEvent]:
    """Yield all events, in the order in which they came here.

    Args:
        after: only events with a greater key than this.
    """
    yield from _events(connection, f"{_SELECT} WHERE e.pk > ? ORDER BY e.pk", (after,))


def beyond(connection: Connection, numbers: Mapping[str, int]) -> Iterator[LoggedEvent]:
    """Yield the events with a greater number than one of their origin, as they came here.

    Args:
        numbers: by origin; all events of an origin without one.
    """
    sql = (
        f"{_SELECT} LEFT JOIN json_each(?) k ON k.key = o.id "
        "WHERE e.seq > coalesce(k.value, -1) ORDER BY e.pk"
    )
    yield from _events(connection, sql, (json.dumps(dict(numbers)),))


def _events(
    connection: Connection, sql: str, parameters: tuple[object, ...]
) -> Iterator[LoggedEvent]:
    for row in _EVENTS.stream(connection, sql, parameters):
        (event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field, payload, remote,
         position) = row  # fmt: skip
        yield LoggedEvent(
            event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
            object_of(payload, "event", event_id, "payload"), remote, position,
        )  # fmt: skip


def subjects(connection: Connection, after: int = 0) -> Iterator[str]:
    """Yield the ids of all units with events, in the order of their first one.

    Args:
        after: only units with an event of a greater key than this.
    """
    rows = _IDS.stream(
        connection,
        "SELECT subject FROM event WHERE pk > ? GROUP BY subject ORDER BY min(pk)",
        (after,),
    )
    return (subject for (subject,) in rows)


def keys_of(connection: Connection, digits: str, limit: int = 2) -> list[tuple[int, str]]:
    """Return the keys and ids of the events whose ids begin with these digits."""
    rows = connection.execute(
        "SELECT pk, event_id FROM event WHERE event_id >= ? AND event_id < ? LIMIT ?",
        (digits, f"{digits}g", limit),  # "g" follows the hex digits
    )
    return [(key, str(event_id)) for key, event_id in rows]


def ids_of(connection: Connection, subject: str, until: int | None = None) -> list[str]:
    """Return the ids of the events of a unit, sorted.

    Args:
        until: only events with a key up to this; None for all.
    """
    rows = _IDS.all(
        connection,
        "SELECT event_id FROM event WHERE subject = :subject AND (:until IS NULL OR pk <= :until) "
        "ORDER BY event_id",
        {"subject": subject, "until": until},
    )
    return [event_id for (event_id,) in rows]


def known(connection: Connection, event_ids: Iterable[str]) -> set[str]:
    """Return those of these events that are in the log."""
    rows = connection.execute(
        "SELECT event_id FROM event WHERE event_id IN (SELECT value FROM json_each(?))",
        (json.dumps([*event_ids]),),
    )
    return {event_id for (event_id,) in rows}


def knows_all(connection: Connection, event_ids: Iterable[str]) -> bool:
    """Return True if all of these events, which differ, are in the log."""
    listed = list(event_ids)
    (count,) = connection.execute(
        "SELECT count(*) FROM event WHERE event_id IN (SELECT value FROM json_each(?))",
        (json.dumps(listed),),
    ).fetchone()
    return bool(count == len(listed))


def origins(connection: Connection) -> dict[str, str]:
    """Return the names of all origins by their ids."""
    columns = Columns("origin", id=ID, name=TEXT)
    return dict(columns.all(connection, "SELECT id, name FROM origin ORDER BY id"))


def project_units(connection: Connection, project: str) -> list[str]:
    """Return all ids of the project with a name."""
    rows = _IDS.all(
        connection,
        "SELECT i.id FROM project p JOIN project_id i ON i.project = p.pk WHERE p.name = ? "
        "ORDER BY i.id",
        (project,),
    )
    return [found for (found,) in rows]


def makers(connection: Connection, model_id: str) -> list[str]:
    """Return ids of the tasks that made a model: that it names, or whose output it is."""
    rows = _IDS.all(
        connection,
        "SELECT t.id FROM model m JOIN task t ON t.id = m.task WHERE m.id = :model "
        "UNION SELECT t.id FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = :model AND x.role = 'output' ORDER BY 1",
        {"model": model_id},
    )
    return [task_id for (task_id,) in rows]


def aliases(connection: Connection, model_id: str) -> dict[str, Json]:
    """Return what the receiver of a model must know to set its aliases, by alias.

    Returns:
        ``before``: the id of the model that the alias pointed to before, or None; ``events``: the
        ids of all events of the alias.
    """
    found: dict[str, Json] = {}
    for alias in model_rows.aliases(connection, model_id):
        rows = connection.execute(
            "SELECT x.event_id, x.payload, x.outcome FROM alias_event a "
            "JOIN event e ON e.event_id = a.event JOIN event x ON x.subject = e.subject "
            "WHERE a.model = ? AND e.field = ? GROUP BY x.pk "
            "ORDER BY x.position IS NULL, x.position, x.lamport, x.event_id",
            (model_id, alias),
        ).fetchall()
        before = None
        for event_id, payload, outcome in rows:
            moved = object_of(payload, "event", event_id, "payload")
            if outcome is None and moved.get("new") == model_id:
                before = moved.get("old")
        found[alias] = {
            "before": before if type(before) is str else None,
            "events": sorted(str(event_id) for event_id, _, _ in rows),
        }
    return found


def has_unit(connection: Connection, subject: str) -> bool:
    """Return True if there are events on a model, task, project or alias."""
    row = connection.execute("SELECT 1 FROM event WHERE subject = ? LIMIT 1", (subject,)).fetchone()
    return row is not None


def own_origin(connection: Connection) -> str:
    """Return the id of the origin that new events carry."""
    row = Columns("setting", value=ID).one(
        connection, "SELECT value FROM setting WHERE name = 'origin'"
    )
    return "" if row is None else str(row[0])
