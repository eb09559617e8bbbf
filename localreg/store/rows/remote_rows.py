"""The remotes of a registry: how far their events came here, and what they lack.

An event is at the remote that gives the order if it has a place in that order, and at a mirror if
it is in the table `mirrored`. Both are set in the transaction that moves the cursor of the remote,
so what the tables say is always what a table of the remote held at the version `cursor`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from localreg.store.rows import event_rows
from localreg.store.rows.checked_values import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    TIME,
    WHOLE,
    Columns,
    object_of,
    or_null,
)
from localreg.values.frozen import Frozen
from localreg.values.records import LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection


class RemoteRow(Frozen):
    """A remote, as a registry knows it.

    Attributes:
        pk: its key; another one after it was reset.
        name: how people call it.
        url: where it is, without secrets.
        table_id: the id of its table; None until it was seen first.
        mirror: False if it gives events their order.
        cursor: the version of its table up to which all rows are here; -1 for none.
        last, last_place: id and place of the last row up to there; None without any row.
        commit_id: the id of the commit at the cursor; None if it is not known.
        seen: what that commit looked like; None if it was not seen.
        sent: the key up to which all events are there.
        pushed: the key after which the changes of the last push come that were made here.
    """

    pk: int
    name: str
    url: str
    table_id: str | None
    mirror: bool
    cursor: int
    last: str | None
    last_place: int | None
    commit_id: str | None
    seen: str | None
    sent: int
    pushed: int | None


class Waiting(Frozen):
    """An event that a remote lacks, or that was sent to it last.

    Attributes:
        pk: its key.
        own: True if it was made in this registry.
        outcome: as of `Event`.
        origin_name: the name of the registry that made it.
        payload: its payload as it is stored, which is canonical JSON.
        event: the event, without its place.
        place: its place; None if it has none.
    """

    pk: int
    own: bool
    outcome: str | None
    origin_name: str
    payload: str
    event: LoggedEvent
    place: int | None


_MANY = 10_000  # events
_REMOTES = Columns(
    "remote", pk=WHOLE, name=TEXT, url=TEXT, table_id=or_null(ID), mirror=FLAG, cursor=WHOLE,
    last=or_null(ID), last_place=or_null(COUNT), commit_id=or_null(TEXT), seen=or_null(TEXT),
    sent=COUNT, pushed=or_null(COUNT),
)  # fmt: skip
_SELECT = (
    "SELECT pk, name, url, table_id, mirror, cursor, last, last_place, commit_id, seen, sent, "
    "pushed FROM remote"
)
_WAITING = Columns(
    "event", pk=COUNT, own=FLAG, outcome=or_null(TEXT), event_id=ID, origin=ID, origin_name=TEXT,
    seq=COUNT, lamport=COUNT, stamp=COUNT, at=TIME, actor=TEXT, kind=TEXT, v=COUNT, subject=ID,
    field=or_null(TEXT), payload=TEXT, position=or_null(COUNT),
)  # fmt: skip
_EVENTS = (
    "SELECT e.pk, e.arrived IS NULL, e.outcome, e.event_id, o.id, o.name, e.seq, e.lamport, "
    "e.stamp, e.at, a.name, e.kind, e.v, e.subject, e.field, e.payload, e.position FROM event e "
    "JOIN origin o ON o.pk = e.origin JOIN actor a ON a.pk = e.actor"
)
_ORDER = "ORDER BY e.position IS NULL, e.position, e.lamport, e.event_id"
_WAITS = {
    False: "e.pk > :sent AND e.position IS NULL",
    True: "e.pk > :sent AND NOT EXISTS "
    "(SELECT 1 FROM mirrored m WHERE m.remote = :pk AND m.event = e.pk)",
}


def remotes(connection: Connection) -> list[RemoteRow]:
    """Return all remotes, the one that gives the order first."""
    rows = _REMOTES.all(connection, f"{_SELECT} ORDER BY mirror, name")
    return [_remote(row) for row in rows]


def by_name(connection: Connection, name: str) -> RemoteRow | None:
    """Return the remote with a name, or None."""
    row = _REMOTES.one(connection, f"{_SELECT} WHERE name = ?", (name,))
    return None if row is None else _remote(row)


def by_key(connection: Connection, pk: int) -> RemoteRow | None:
    """Return the remote with a key, or None: it was removed, or reset."""
    row = _REMOTES.one(connection, f"{_SELECT} WHERE pk = ?", (pk,))
    return None if row is None else _remote(row)


def _remote(row: Sequence[Any]) -> RemoteRow:
    pk, name, url, table_id, mirror, *rest = row
    return RemoteRow(pk, name, url, table_id, bool(mirror), *rest)


def insert(
    connection: Connection, name: str, url: str, table_id: str | None, *, mirror: bool
) -> RemoteRow:
    """Add a remote of which nothing is here."""
    cursor = connection.execute(
        "INSERT INTO remote (name, url, table_id, mirror, cursor, sent) VALUES (?, ?, ?, ?, -1, 0)",
        (name, url, table_id, mirror),
    )
    pk = int(cursor.lastrowid or 0)
    return RemoteRow(pk, name, url, table_id, mirror, -1, None, None, None, None, 0, None)


def delete(connection: Connection, pk: int) -> None:
    """Forget a remote, with all that is known of what is there."""
    connection.execute("DELETE FROM mirrored WHERE remote = ?", (pk,))
    connection.execute("DELETE FROM remote_gap WHERE remote = ?", (pk,))
    connection.execute("DELETE FROM remote_report WHERE remote = ?", (pk,))
    connection.execute("DELETE FROM remote_deletion WHERE remote = ?", (pk,))
    connection.execute("DELETE FROM remote WHERE pk = ?", (pk,))


def set_table(connection: Connection, pk: int, table_id: str, *, mirror: bool) -> None:
    """Set the id of a remote's table, and whether it is a mirror."""
    connection.execute(
        "UPDATE remote SET table_id = ?, mirror = ? WHERE pk = ?", (table_id, mirror, pk)
    )


def advance(
    connection: Connection,
    pk: int,
    cursor: int,
    commit_id: str | None,
    seen: str | None,
    last: tuple[str, int] | None = None,
) -> None:
    """Record how far the rows of a remote are here.

    Args:
        cursor: the version up to which all are.
        commit_id: the id of that commit; None if it is not known.
        seen: what it looked like; None if it was not seen.
        last: id and place of the last row; None if that did not change.
    """
    connection.execute(
        "UPDATE remote SET cursor = ?, commit_id = ?, seen = ? WHERE pk = ?",
        (cursor, commit_id, seen, pk),
    )
    if last is not None:
        connection.execute("UPDATE remote SET last = ?, last_place = ? WHERE pk = ?", (*last, pk))


def settle_sent(connection: Connection, remote: RemoteRow) -> None:
    """Record up to which key all events are at a remote, so that the next look for others is quick.

    Args:
        remote: as it was before; the events that came there since are marked already.
    """
    newest = event_rows.newest_key(connection)
    if newest - remote.sent > _MANY and not remote.mirror and have_places(connection):
        connection.execute("UPDATE remote SET sent = ? WHERE pk = ?", (newest, remote.pk))
        return
    connection.execute(
        "UPDATE remote SET sent = coalesce("
        f"(SELECT min(e.pk) - 1 FROM event e WHERE {_WAITS[remote.mirror]}), :newest) "
        "WHERE pk = :pk",
        {"pk": remote.pk, "sent": remote.sent, "newest": newest},
    )


def have_places(connection: Connection) -> bool:
    """Return True if all events have a place; quick, since only indexes are read."""
    placed, all_of_them = connection.execute(
        "SELECT (SELECT count(*) FROM event WHERE position IS NOT NULL), "
        "(SELECT count(*) FROM event)"
    ).fetchone()
    return bool(placed == all_of_them)


def count_waiting(connection: Connection, remote: RemoteRow) -> int:
    """Return how many events a remote lacks."""
    row = connection.execute(
        f"SELECT count(*) FROM event e WHERE {_WAITS[remote.mirror]}",
        {"pk": remote.pk, "sent": remote.sent},
    ).fetchone()
    return int(row[0])


def waiting_keys(connection: Connection, remote: RemoteRow) -> Iterator[int]:
    """Yield the keys of the events that a remote lacks, in the order in which they are folded."""
    rows = connection.execute(
        f"SELECT e.pk FROM event e WHERE {_WAITS[remote.mirror]} {_ORDER}",
        {"pk": remote.pk, "sent": remote.sent},
    )
    return (int(pk) for (pk,) in rows)


def waiting_among(
    connection: Connection, remote: RemoteRow, keys: Iterable[int]
) -> Iterator[Waiting]:
    """Yield those of the events with some keys that a remote lacks, in the order of the fold."""
    sql = (
        f"{_EVENTS} JOIN json_each(:keys) j ON j.value = e.pk "
        f"WHERE {_WAITS[remote.mirror]} {_ORDER}"
    )
    values = {"pk": remote.pk, "sent": remote.sent, "keys": json.dumps([*keys])}
    yield from _found_waiting(connection, sql, values)


def waiting(connection: Connection, remote: RemoteRow, until: int) -> Iterator[Waiting]:
    """Yield the events that a remote lacks, in the order in which they are folded.

    Args:
        until: only those with a key up to this.
    """
    sql = f"{_EVENTS} WHERE {_WAITS[remote.mirror]} AND e.pk <= :until {_ORDER}"
    values = {"pk": remote.pk, "sent": remote.sent, "until": until}
    yield from _found_waiting(connection, sql, values)


def lost_in_push(connection: Connection, remote: RemoteRow) -> Iterator[Waiting]:
    """Yield the changes of the last push to a remote that are not in effect, in their order."""
    sql = (
        f"{_EVENTS} WHERE e.outcome IN ('lost', 'kept') AND e.pk > :pushed AND e.arrived IS NULL "
        "AND e.position IS NOT NULL ORDER BY e.position"
    )
    if remote.pushed is not None and not remote.mirror:
        yield from _found_waiting(connection, sql, {"pushed": remote.pushed})


def set_pushed(connection: Connection, pk: int, key: int | None) -> None:
    """Record after which key the changes come that were made here and pushed last."""
    connection.execute("UPDATE remote SET pushed = ? WHERE pk = ?", (key, pk))


def _found_waiting(
    connection: Connection, sql: str, values: Mapping[str, object]
) -> Iterator[Waiting]:
    for row in _WAITING.stream(connection, sql, values):
        (pk, own, outcome, event_id, origin, origin_name, seq, lamport, stamp, at, actor, kind, v,
         subject, field, payload, position) = row  # fmt: skip
        event = LoggedEvent(
            event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
            object_of(payload, "event", event_id, "payload"),
        )  # fmt: skip
        yield Waiting(pk, bool(own), outcome, origin_name, payload, event, position)


def set_places(
    connection: Connection, table_id: str, at: int, places: Iterable[tuple[int, int]]
) -> None:
    """Set the places of events in the order of a remote: pairs of place and key.

    Args:
        at: since when they are known, microseconds.
    """
    connection.executemany(
        "UPDATE event SET remote = ?, position = ?, positioned = ? WHERE pk = ? "
        "AND position IS NULL",
        ((table_id, place, at, pk) for place, pk in places),
    )


def clear_places(connection: Connection) -> list[str]:
    """Take their places from all events; return their subjects, aliases last."""
    rows = connection.execute(
        "SELECT subject FROM event WHERE position IS NOT NULL GROUP BY subject "
        "ORDER BY max(kind IN ('alias.set', 'alias.protected')), min(pk)"
    ).fetchall()
    connection.execute(
        "UPDATE event SET remote = NULL, position = NULL, positioned = NULL "
        "WHERE position IS NOT NULL"
    )
    return [str(subject) for (subject,) in rows]


def mark_mirrored(connection: Connection, pk: int, event_ids: Iterable[str]) -> None:
    """Record that a mirror has these events, which are here."""
    connection.execute(
        "INSERT OR IGNORE INTO mirrored SELECT ?, pk FROM event "
        "WHERE event_id IN (SELECT value FROM json_each(?))",
        (pk, json.dumps([*event_ids])),
    )


def mark_keys_mirrored(connection: Connection, pk: int, keys: Iterable[int]) -> None:
    """Record that a mirror has the events with these keys."""
    connection.executemany("INSERT OR IGNORE INTO mirrored VALUES (?, ?)", ((pk, k) for k in keys))


def overtaken(connection: Connection, remote: RemoteRow, keys: Sequence[int]) -> list[str]:
    """Return the subjects whose events have another order now that some of them got a place.

    They have an event without a place that stood before one of these.

    Args:
        remote: that gave the places, as it was before.
        keys: those of the events that got their places, which were the last ones of the order.
    """
    rows = connection.execute(
        "SELECT p.subject FROM (SELECT e.subject AS subject, max(e.lamport) AS lamport "
        "FROM json_each(?) k JOIN event e ON e.pk = k.value GROUP BY e.subject) p "
        "WHERE EXISTS (SELECT 1 FROM event o WHERE o.subject = p.subject AND o.pk > ? "
        "AND o.position IS NULL AND o.lamport <= p.lamport)",
        (json.dumps([*keys]), remote.sent),
    ).fetchall()
    return [str(subject) for (subject,) in rows]


def note_refolded(connection: Connection, subjects: Iterable[str]) -> None:
    """Note subjects that were folded again without a new event."""
    connection.executemany(
        "INSERT OR REPLACE INTO refolded (subject) VALUES (?)", ((each,) for each in subjects)
    )


def ordering_table(connection: Connection) -> str | None:
    """Return the id of the table that orders the events of this registry, or None."""
    row = connection.execute(
        "SELECT table_id FROM remote WHERE mirror = 0 AND table_id IS NOT NULL UNION ALL "
        "SELECT * FROM (SELECT remote FROM event WHERE position IS NOT NULL LIMIT 1) LIMIT 1"
    ).fetchone()
    return None if row is None else str(row[0])


def last_place(connection: Connection) -> int:
    """Return the place of the last row that was seen of the remote that gives the order, or -1.

    All events up to there are here, and have their places.
    """
    row = connection.execute("SELECT last_place FROM remote WHERE mirror = 0").fetchone()
    return -1 if row is None or row[0] is None else int(row[0])


def places(connection: Connection, after: int, until: int) -> Iterator[tuple[int, str]]:
    """Yield place and id of the events with a place after one and up to another, in their order."""
    rows = connection.execute(
        "SELECT position, event_id FROM event WHERE position > ? AND position <= ? "
        "ORDER BY position",
        (after, until),
    )
    for position, event_id in rows:
        yield int(position), str(event_id)


def ids_at(connection: Connection, after: int) -> list[tuple[str, int]]:
    """Return id and place of the events with a place after one."""
    rows = connection.execute("SELECT event_id, position FROM event WHERE position > ?", (after,))
    return [(str(event_id), int(position)) for event_id, position in rows]


def place_of(connection: Connection, event_id: str) -> int | None:
    """Return the place of an event; None if it has none, or is not here."""
    row = connection.execute(
        "SELECT position FROM event WHERE event_id = ?", (event_id,)
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def mirrored(connection: Connection, pk: int, event_ids: Iterable[str]) -> set[str]:
    """Return those of some events that a mirror has."""
    rows = connection.execute(
        "SELECT e.event_id FROM json_each(?) j JOIN event e ON e.event_id = j.value "
        "JOIN mirrored m ON m.remote = ? AND m.event = e.pk",
        (json.dumps([*event_ids]), pk),
    )
    return {str(event_id) for (event_id,) in rows}


def count_mirrored(connection: Connection, pk: int) -> int:
    """Return how many events a mirror has."""
    row = connection.execute("SELECT count(*) FROM mirrored WHERE remote = ?", (pk,)).fetchone()
    return int(row[0])
