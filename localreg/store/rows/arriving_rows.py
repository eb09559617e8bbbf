"""Write events that came from other registries, and look at what they change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from localreg.values.frozen import Frozen
from localreg.values.records import Project, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection
Number = tuple[int, str, int]  # key of a project, name and number of a version

INSERT = (
    "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, subject, "
    "field, payload, arrived, remote, position, positioned) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class UnitState(Frozen):
    """What differences are computed of: a model, task or alias before and after.

    Attributes:
        ref: the reference of the model, also of a removed one; None if there is none.
        removed: True if it is removed.
        contested: True if it was published twice, with different content.
        claims: the version numbers that it claims and did not release.
    """

    ref: str | None
    removed: bool
    contested: bool
    claims: frozenset[Number]


class Made(Frozen):
    """A model or task that is new.

    Attributes:
        id: its id.
        ref: the reference of the model, also of a removed one; None for a task.
    """

    id: str
    ref: str | None


class EventPlace(Frozen):
    """What the order of an event depends on; `order` as that of `LoggedEvent`."""

    subject: str
    pk: int
    kind: str
    position: int | None
    lamport: int
    event_id: str

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """What events are sorted by before they are folded."""
        return self.position is None, self.position or 0, self.lamport, self.event_id


def last_key(connection: Connection) -> int:
    """Return the key of the last event; 0 without any."""
    return int(connection.execute("SELECT coalesce(max(pk), 0) FROM event").fetchone()[0])


def known_events(connection: Connection, event_ids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """Return those of some events that are here, by id: key, remote, position, and the content."""
    rows = connection.execute(
        "SELECT e.event_id, e.pk, e.remote, e.position, o.id, e.seq, e.lamport, e.stamp, e.at, "
        "a.name, e.kind, e.v, e.subject, e.field, e.payload FROM event e "
        "JOIN origin o ON o.pk = e.origin JOIN actor a ON a.pk = e.actor "
        "WHERE e.event_id IN (SELECT value FROM json_each(?))",
        (json.dumps([*event_ids]),),
    )
    return {row[0]: row[1:] for row in rows}


def insert(connection: Connection, rows: Sequence[tuple[object, ...]]) -> int:
    """Insert events, whose columns are those of `INSERT`; return the key of the last one."""
    connection.executemany(INSERT, rows)
    return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])


def actor_keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the keys of actors; new ones are inserted."""
    wanted = sorted(set(names))
    connection.executemany(
        "INSERT OR IGNORE INTO actor (name) VALUES (?)", [(name,) for name in wanted]
    )
    rows = connection.execute(
        "SELECT name, pk FROM actor WHERE name IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted),),
    )
    return dict(rows)


def set_positions(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Set the place of events in a remote's order: remote, position, since when, key."""
    connection.executemany(
        "UPDATE event SET remote = ?, position = ?, positioned = ? WHERE pk = ?", rows
    )


def made_after(connection: Connection, key: int) -> Iterator[Made]:
    """Yield the models and tasks whose creation has a later key, in the order of these.

    A model that came to nothing is none of them.
    """
    rows = connection.execute(
        "SELECT e.subject, e.kind, p.name, coalesce(m.name, t.name), "
        "coalesce(m.version, t.version) FROM event e LEFT JOIN model m ON m.id = e.subject "
        "LEFT JOIN tombstone t ON t.id = e.subject "
        "LEFT JOIN project p ON p.pk = coalesce(m.project, t.project) "
        "WHERE e.pk > ? AND e.kind IN ('model.created', 'task.created') AND e.v = 1 ORDER BY e.pk",
        (key,),
    )
    for subject, kind, project, name, version in rows:
        if kind == "task.created":
            yield Made(subject, None)
        elif name is not None:
            yield Made(subject, reference_of(project, name, version))


def subjects_until(connection: Connection, subjects: Sequence[str], key: int) -> set[str]:
    """Return those of some subjects that have events up to a key."""
    rows = connection.execute(
        "SELECT k.value FROM json_each(?) k WHERE EXISTS "
        "(SELECT 1 FROM event WHERE subject = k.value AND pk <= ?)",
        (json.dumps(subjects), key),
    )
    return {str(subject) for (subject,) in rows}


def places(connection: Connection, subjects: Sequence[str]) -> Iterator[EventPlace]:
    """Yield what the order of the events of some subjects depends on."""
    rows = connection.execute(
        "SELECT e.subject, e.pk, e.kind, e.position, e.lamport, e.event_id FROM json_each(?) k "
        "CROSS JOIN event e ON e.subject = k.value",
        (json.dumps(subjects),),
    )
    return (EventPlace(*row) for row in rows.fetchall())


def state_of(connection: Connection, subject: str) -> UnitState:
    """Return the state of a unit."""
    contested = connection.execute(
        "SELECT 1 FROM model WHERE id = ? AND contested = 1", (subject,)
    ).fetchone()
    claims = connection.execute(
        "SELECT project, name, number FROM claim WHERE model = ? AND released = 0", (subject,)
    )
    removed = connection.execute("SELECT 1 FROM tombstone WHERE id = ?", (subject,)).fetchone()
    return UnitState(
        ref_of(connection, subject), removed is not None, contested is not None, frozenset(claims)
    )


def ref_of(connection: Connection, model_id: str) -> str | None:
    """Return the reference of a model, also of a removed one; None if there is none."""
    row = connection.execute(
        "SELECT p.name, m.name, m.version FROM model m "
        "JOIN project p ON p.pk = m.project WHERE m.id = :id "
        "UNION ALL SELECT p.name, t.name, t.version FROM tombstone t "
        "JOIN project p ON p.pk = t.project WHERE t.id = :id",
        {"id": model_id},
    ).fetchone()
    return None if row is None else reference_of(*row)


def aliases_of(connection: Connection, model_id: str) -> list[tuple[str, str, str]]:
    """Return the aliases that a model has, as (project, name, alias)."""
    return connection.execute(
        "SELECT p.name, a.name, a.alias FROM model m JOIN alias a ON a.model = m.id "
        "AND a.project = m.project AND a.name = m.name JOIN project p ON p.pk = a.project "
        "WHERE m.id = ? ORDER BY 1, 2, 3",
        (model_id,),
    ).fetchall()


def alias_of(connection: Connection, project: str, name: str, alias: str) -> str | None:
    """Return the id of the model that an alias was set to, or None."""
    row = connection.execute(
        "SELECT a.model FROM alias a JOIN project p ON p.pk = a.project "
        "WHERE p.name = ? AND a.name = ? AND a.alias = ?",
        (project, name, alias),
    ).fetchone()
    return None if row is None else str(row[0])


def gate_of(connection: Connection, project: str, name: str, alias: str) -> str | None:
    """Return the id of the event that made the gate of an alias, or None."""
    row = connection.execute(
        "SELECT g.event FROM gate g JOIN project p ON p.pk = g.project "
        "WHERE p.name = ? AND g.name = ? AND g.alias = ?",
        (project, name, alias),
    ).fetchone()
    return None if row is None else str(row[0])


def shared_claims_of(connection: Connection, model_ids: Sequence[str]) -> list[tuple[Number, str]]:
    """Return the version numbers that some models claim, and others too, with the models."""
    rows = connection.execute(
        f"SELECT c.project, c.name, c.number, c.model FROM json_each(?) k {_SHARED}",
        (json.dumps(model_ids),),
    )
    return [((project, name, number), model_id) for project, name, number, model_id in rows]


_SHARED = (
    "CROSS JOIN claim c ON c.model = k.value WHERE c.released = 0 "
    "AND EXISTS (SELECT 1 FROM claim o WHERE o.project = c.project AND o.name = c.name "
    "AND o.number = c.number AND o.model <> c.model AND o.released = 0)"
)


def shares_a_number(connection: Connection, model_id: str) -> bool:
    """Return True if another model claims a version number that a model claims."""
    return bool(shared_claims_of(connection, [model_id]))


def claimants(connection: Connection, number: Number) -> list[tuple[str, str, int | None]]:
    """Return the models that claim a number, in the order of their claims.

    Returns:
        Of each: id, the name of the registry that made it ("": unknown), when (None: unknown).
    """
    return connection.execute(
        "SELECT c.model, coalesce(o.name, ''), e.at FROM claim c "
        "LEFT JOIN event e ON e.event_id = c.model LEFT JOIN origin o ON o.pk = e.origin "
        "LEFT JOIN event k ON k.event_id = c.event "
        "WHERE c.project = ? AND c.name = ? AND c.number = ? AND c.released = 0 "
        "ORDER BY k.position IS NULL, k.position, k.lamport, k.event_id",
        number,
    ).fetchall()


def number_text(connection: Connection, number: Number) -> str:
    """Return the reference of a version number."""
    project, name, version = number
    return reference_of(project_name(connection, project), name, version)


def project_name(connection: Connection, key: int) -> str:
    """Return the name of a project by its key; "" for no project."""
    row = connection.execute("SELECT name FROM project WHERE pk = ?", (key,)).fetchone()
    return str(row[0])


def reference_of(project: str, name: str, version: int) -> str:
    """Return the reference of a model; the project is "" for none."""
    return reference(Project("", project) if project else None, name, version)
