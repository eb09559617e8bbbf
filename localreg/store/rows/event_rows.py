"""Read the event log."""

from __future__ import annotations

import sqlite3

from localreg import log
from localreg.errors import DamagedRowError
from localreg.store.rows.checked_values import (
    COUNT,
    TEXT,
    TIME,
    Columns,
    object_of,
    or_null,
    taken_apart,
)
from localreg.values.records import Event, StateChange

_SELECT = (
    "SELECT e.seq, e.grp, a.name, e.kind, e.v, e.subject, e.field, e.payload, "
    "e.stamp, e.at "
    "FROM event e JOIN actor a ON a.pk = e.actor"
)

_CHANGE = {
    "kind": TEXT, "v": COUNT, "subject": TEXT, "field": or_null(TEXT), "payload": TEXT,
    "stamp": COUNT, "at": TIME,
}  # fmt: skip
_CHANGES = Columns("event", **_CHANGE)
_EVENTS = Columns("event", seq=COUNT, grp=COUNT, actor=TEXT, **_CHANGE)


def events(
    connection: sqlite3.Connection, subject: str | None = None, limit: int | None = None
) -> list[Event]:
    """Return events, newest first; damaged ones are logged.

    Args:
        subject: only those on the model, task or project with this id.
        limit: the most to return; None for all.
    """
    where, parameters = ("WHERE e.subject = ?", [subject]) if subject else ("", [])
    rows = _EVENTS.sound(
        connection,
        f"{_SELECT} {where} ORDER BY e.pk DESC LIMIT ?",
        [*parameters, -1 if limit is None else limit],
    )
    found = []
    for seq, grp, actor, kind, v, about, field, payload, *when in rows:
        try:
            what = object_of(payload, "event", seq, "payload")
        except DamagedRowError as error:
            log.warning("%s", error)
        else:
            found.append(Event(seq, grp, actor, StateChange(kind, v, about, field, what, *when)))
    return found


def newest_time(connection: sqlite3.Connection) -> int | None:
    """Return the latest time of any event in microseconds, or None when there are no events."""
    row = connection.execute("SELECT max(at) FROM event").fetchone()
    return row[0] if type(row[0]) is int else None


def has_event(connection: sqlite3.Connection, event_id: str) -> bool:
    """Return True if an event is in the log."""
    found = connection.execute("SELECT 1 FROM event WHERE event_id = ?", (event_id,)).fetchone()
    return found is not None


def package_before(connection: sqlite3.Connection, model_id: str, revision: int) -> bool:
    """Return True if a model was a package when another revision replaced this one."""
    rows = connection.execute(
        "SELECT payload FROM event WHERE subject = ? AND v = 1 "
        "AND kind IN ('model.weights_added', 'model.weights_chosen') ORDER BY pk DESC",
        (model_id,),
    )
    with taken_apart("event", model_id, "payload"):
        olds = (object_of(payload, "event", model_id, "payload")["old"] for (payload,) in rows)
        found = (bool(old["package"]) for old in olds if old and old["revision"] == revision)
        return next(found, False)


def last_on(connection: sqlite3.Connection, subject: str, kind: str) -> StateChange | None:
    """Return the last event of a kind on a subject, or None; only of a known version."""
    row = _CHANGES.one(
        connection,
        "SELECT kind, v, subject, field, payload, stamp, at FROM event "
        "WHERE subject = ? AND kind = ? AND v = 1 ORDER BY pk DESC LIMIT 1",
        (subject, kind),
        key=subject,
    )
    if row is None:
        return None
    kind, v, about, field, payload, stamp, at = row
    what = object_of(payload, "event", subject, "payload")
    return StateChange(kind, v, about, field, what, stamp, at)
