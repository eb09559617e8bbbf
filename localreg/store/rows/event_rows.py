"""Read the event log."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from sys import intern

from localreg import log
from localreg.errors import DamagedRowError
from localreg.store.rows.checked_values import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    TIME,
    Columns,
    object_of,
    or_null,
)
from localreg.values.frozen import Frozen
from localreg.values.records import Event, LoggedEvent, StateChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

_AT_ONCE = 200  # units in memory
_COLUMNS = (
    "SELECT e.pk, e.event_id, o.name, a.name, e.arrived, e.outcome, e.kind, e.v, e.subject, "
    "e.field, e.payload, e.stamp, e.at"
)
_NAMES = "JOIN actor a ON a.pk = e.actor JOIN origin o ON o.pk = e.origin"
_SELECT = f"{_COLUMNS} FROM event e {_NAMES}"
_NEWEST = "ORDER BY e.stamp DESC, e.lamport DESC, e.event_id DESC"

_CHANGE = {
    "kind": TEXT, "v": COUNT, "subject": TEXT, "field": or_null(TEXT), "payload": TEXT,
    "stamp": COUNT, "at": TIME,
}  # fmt: skip
_CHANGES = Columns("event", **_CHANGE, event_id=ID)
_EVENTS = Columns(
    "event", pk=COUNT, event_id=ID, origin=TEXT, actor=TEXT, arrived=or_null(TIME),
    outcome=or_null(TEXT), **_CHANGE,
)  # fmt: skip
_LOGGED = Columns(
    "event", pk=COUNT, outcome=or_null(TEXT), own=FLAG, event_id=ID, origin=ID, seq=COUNT,
    lamport=COUNT, stamp=COUNT, at=TIME, actor=TEXT, kind=TEXT, v=COUNT, subject=ID,
    field=or_null(TEXT), payload=TEXT, remote=or_null(ID), position=or_null(COUNT),
)  # fmt: skip


def events(
    connection: sqlite3.Connection, subject: str | None = None, limit: int | None = None
) -> list[Event]:
    """Return events, newest first; damaged ones are logged. The arguments are of `newest_keys`."""
    return by_keys(connection, newest_keys(connection, subject, limit))


def newest_keys(
    connection: Connection, subject: str | None = None, limit: int | None = None
) -> array[int]:
    """Return the keys of events, newest first: in the same order in every registry that has them.

    Args:
        subject: only those on the model, task, project or alias with this id; of a model also the
            alias events that name it.
        limit: the most to return; None for all.
    """
    # Each part has an index that begins with its subject, so that a few are found among many.
    found = f"SELECT e.pk FROM event e {_NEWEST} LIMIT :limit"
    if subject is not None:
        found = (
            "SELECT e.pk FROM event e WHERE e.pk IN ("
            "SELECT * FROM (SELECT e.pk FROM event e "
            f"WHERE e.subject = :subject {_NEWEST} LIMIT :limit) "
            "UNION ALL SELECT * FROM (SELECT e.pk FROM alias_event n JOIN event e "
            f"ON e.event_id = n.event WHERE n.model = :subject {_NEWEST} LIMIT :limit)) "
            f"{_NEWEST} LIMIT :limit"
        )
    most = -1 if limit is None else limit
    rows = connection.execute(found, {"subject": subject, "limit": most})
    return array("q", (pk for (pk,) in rows))  # there may be millions


def count(connection: Connection, subject: str) -> int:
    """Return the number of keys that `newest_keys` returns of a subject."""
    (found,) = connection.execute(
        "SELECT (SELECT count(*) FROM event WHERE subject = :subject) "
        "+ (SELECT count(*) FROM alias_event WHERE model = :subject)",
        {"subject": subject},
    ).fetchone()
    return int(found)


def by_keys(connection: Connection, keys: Iterable[int]) -> list[Event]:
    """Return the events with some keys, in their order; damaged ones are logged."""
    rows = _EVENTS.sound(
        connection,
        f"{_COLUMNS} FROM json_each(?) k CROSS JOIN event e ON e.pk = k.value {_NAMES} "
        "ORDER BY k.key",
        [json.dumps([*keys])],
    )
    return _events(rows)


def _events(rows: Iterable[Sequence[Any]]) -> list[Event]:
    """Return the sound events among rows; texts that many of them have are kept once."""
    found = []
    for pk, event_id, origin, actor, arrived, outcome, *change in rows:
        kind, v, about, field, payload, stamp, at = change
        try:
            what = object_of(payload, "event", pk, "payload")
        except DamagedRowError as error:
            log.warning("%s", error)
        else:
            kind, about, field = intern(kind), intern(about), field and intern(field)
            changed = StateChange(kind, v, about, field, what, stamp, at, event_id)
            by = intern(origin), intern(actor)
            found.append(Event(pk, event_id, *by, arrived, outcome, changed))
    return found


def losing(connection: Connection, limit: int | None = None) -> list[Event]:
    """Return the events that are not in effect, or only kept, newest first; `limit` as above."""
    rows = _EVENTS.sound(
        connection,
        f"{_SELECT} WHERE e.outcome IN ('lost', 'kept') ORDER BY e.pk DESC LIMIT ?",
        [-1 if limit is None else limit],
    )
    return _events(rows)


def alias_subjects(connection: Connection, alias: str) -> list[str]:
    """Return the subjects of the events on all aliases of a name, of any model."""
    rows = connection.execute(
        "SELECT DISTINCT subject FROM event WHERE kind = 'alias.set' AND field = ?", (alias,)
    )
    return sorted(str(subject) for (subject,) in rows)


def by_id(connection: Connection, event_id: str) -> Event | None:
    """Return the event with an id, or None."""
    rows = _EVENTS.sound(connection, f"{_SELECT} WHERE e.event_id = ?", [event_id])
    return next(iter(_events(rows)), None)


def by_digits(connection: Connection, digits: str, limit: int = 5) -> list[Event]:
    """Return the events whose ids begin with some hex digits, at most `limit`."""
    if not digits or digits.strip("0123456789abcdef"):
        return []
    rows = _EVENTS.sound(
        connection,
        f"{_SELECT} WHERE e.event_id >= ? AND e.event_id < ? ORDER BY e.event_id LIMIT ?",
        [digits, f"{digits}g", limit],
    )
    return _events(rows)


def since(connection: Connection, subjects: Iterable[str], pk: int) -> list[Event]:
    """Return the events on some models or tasks that came after another one, oldest first."""
    found: list[Event] = []
    for subject in subjects:
        rows = _EVENTS.sound(
            connection,
            f"{_SELECT} WHERE e.subject = ? AND e.pk > ? ORDER BY e.pk",
            [subject, pk],
        )
        found += _events(rows)
    return sorted(found, key=lambda each: each.seq)


def newest_key(connection: Connection) -> int:
    """Return the key of the event that came last; 0 when there are no events."""
    return int(connection.execute("SELECT ifnull(max(pk), 0) FROM event").fetchone()[0])


def newest_here(connection: Connection) -> Event | None:
    """Return the last event that was made in this registry, or None."""
    rows = _EVENTS.sound(
        connection, f"{_SELECT} WHERE e.arrived IS NULL ORDER BY e.pk DESC LIMIT 1", []
    )
    return next(iter(_events(rows)), None)


def of_call(connection: Connection, pk: int) -> list[Event]:
    """Return the events of the transaction in which an event was made, in their order."""
    rows = _EVENTS.sound(
        connection,
        f"{_SELECT} WHERE e.pk >= (SELECT grp FROM event WHERE pk = :pk) "
        "AND e.grp = (SELECT grp FROM event WHERE pk = :pk) AND e.pk < :pk + 1000 "
        "ORDER BY e.pk",
        {"pk": pk},
    )
    return _events(rows)


class Logged(Frozen):
    """An event of the log, with its key and its outcome; `own` if it was made in this registry."""

    pk: int
    outcome: str | None
    own: bool
    event: LoggedEvent


def of_units(
    connection: sqlite3.Connection, subjects: Sequence[str]
) -> Iterator[tuple[str, list[Logged]]]:
    """Yield each of some models, tasks, projects and aliases with all its events.

    The subjects come in their order, without those that have no events; the events in the order of
    their arrival. Only the events of some subjects are in memory at a time.
    """
    for start in range(0, len(subjects), _AT_ONCE):
        some = subjects[start : start + _AT_ONCE]
        found: dict[str, list[Logged]] = {}
        # Texts that many events have, once each: a third of the memory of a long history.
        texts: dict[Any, Any] = {}
        marks = ", ".join("?" * len(some))
        for row in _LOGGED.stream(
            connection,
            "SELECT e.pk, e.outcome, e.arrived IS NULL, e.event_id, o.id, e.seq, e.lamport, "
            "e.stamp, e.at, a.name, e.kind, e.v, e.subject, e.field, e.payload, e.remote, "
            "e.position FROM event e JOIN actor a ON a.pk = e.actor JOIN origin o "
            f"ON o.pk = e.origin WHERE e.subject IN ({marks}) ORDER BY e.pk",
            tuple(some),
        ):
            logged = _logged(row, texts)
            found.setdefault(logged.event.subject, []).append(logged)
        for subject in some:
            if subject in found:
                yield subject, found[subject]


def _logged(row: Sequence[Any], texts: dict[Any, Any]) -> Logged:
    (pk, outcome, own, event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
     payload, remote, position) = row  # fmt: skip
    what = object_of(payload, "event", pk, "payload")
    origin, actor, kind, subject, field, remote = [
        texts.setdefault(text, text) for text in (origin, actor, kind, subject, field, remote)
    ]
    event = LoggedEvent(
        event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field, what, remote,
        position,
    )  # fmt: skip
    return Logged(pk, outcome, bool(own), event)


def subjects(connection: sqlite3.Connection) -> list[str]:
    """Return the ids of all models, tasks, projects and aliases with events, oldest first.

    Projects come first, since each event on a model or task may name one.
    """
    rows = connection.execute(
        "SELECT subject FROM event GROUP BY subject "
        "ORDER BY max(kind = 'project.created') DESC, min(pk)"
    )
    return [str(subject) for (subject,) in rows]


def set_outcomes(
    connection: sqlite3.Connection, outcomes: Iterable[tuple[str | None, int]]
) -> None:
    """Set the outcome of events: pairs of the outcome and the key of the event."""
    connection.executemany("UPDATE event SET outcome = ? WHERE pk = ?", outcomes)


def alias_changes(connection: sqlite3.Connection, model_id: str) -> list[tuple[int, int]]:
    """Return (stamp, time) of the alias events in effect that name a model.

    That of a model which an alias leaves is 1 less than that of the other one.
    """
    return connection.execute(
        "SELECT x.stamp - (json_extract(x.payload, '$.new') IS NOT n.model), x.at "
        "FROM alias_event n JOIN event x ON x.event_id = n.event "
        "WHERE n.model = ? AND x.outcome IS NOT 'lost'",
        (model_id,),
    ).fetchall()


def newest_time(connection: sqlite3.Connection, after: int) -> int | None:
    """Return the latest time of any event that is later than another one, or None; microseconds."""
    # A stamp is not less than the time, and has an index.
    row = connection.execute(
        "SELECT max(at) FROM event WHERE stamp > ? AND at > ?", (after, after)
    ).fetchone()
    return row[0] if type(row[0]) is int else None


def has_event(connection: sqlite3.Connection, event_id: str) -> bool:
    """Return True if an event is in the log."""
    found = connection.execute("SELECT 1 FROM event WHERE event_id = ?", (event_id,)).fetchone()
    return found is not None


def newest_id(connection: sqlite3.Connection) -> str | None:
    """Return the id of the event that came last, or None when there are no events."""
    row = connection.execute("SELECT event_id FROM event ORDER BY pk DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def lately_lost(connection: sqlite3.Connection, since: int) -> set[str]:
    """Return the models and tasks that were removed, or lost bytes that they had.

    Args:
        since: only by events that were made, came here or got a place later, microseconds.
    """
    rows = connection.execute(
        "SELECT DISTINCT subject FROM event "
        "WHERE max(coalesce(arrived, at), coalesce(positioned, 0)) > ? AND kind IN "
        "('model.removed', 'model.weights', 'model.weights_dropped', 'weights.fetched', "
        "'task.removed', 'task.artifact')",
        (since,),
    )
    return {str(subject) for (subject,) in rows}


def have_lost(connection: sqlite3.Connection, subject: str) -> bool:
    """Return True if some event on a subject is not in effect, or only kept."""
    found = connection.execute(
        "SELECT 1 FROM event WHERE subject = ? AND outcome IN ('lost', 'kept') LIMIT 1", (subject,)
    ).fetchone()
    return found is not None


def last_of_kind(connection: Connection, subject: str, kind: str) -> Event | None:
    """Return the last event of a kind on a subject, with who made it, or None."""
    rows = _EVENTS.sound(
        connection,
        f"{_SELECT} WHERE e.subject = ? AND e.kind = ? AND e.v = 1 {_NEWEST} LIMIT 1",
        [subject, kind],
    )
    return next(iter(_events(rows)), None)


def last_on(connection: sqlite3.Connection, subject: str, kind: str) -> StateChange | None:
    """Return the last event of a kind on a subject, or None; only of a known version."""
    row = _CHANGES.one(
        connection,
        "SELECT kind, v, subject, field, payload, stamp, at, event_id FROM event e "
        f"WHERE subject = ? AND kind = ? AND v = 1 {_NEWEST} LIMIT 1",
        (subject, kind),
        key=subject,
    )
    if row is None:
        return None
    kind, v, about, field, payload, stamp, at, event_id = row
    what = object_of(payload, "event", subject, "payload")
    return StateChange(kind, v, about, field, what, stamp, at, event_id)
