"""Write events that came from other registries, and look at what they change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

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


def insert(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert events; the columns are those of `INSERT`."""
    connection.executemany(INSERT, rows)


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


def subjects_after(connection: Connection, key: int) -> list[str]:
    """Return the subjects of the events after a key, aliases last: they name models."""
    rows = connection.execute(
        "SELECT subject FROM event WHERE pk > ? GROUP BY subject "
        "ORDER BY max(kind = 'alias.set'), min(pk)",
        (key,),
    )
    return [str(subject) for (subject,) in rows]


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
    return None if row is None else _reference(*row)


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


def shared_claims(connection: Connection, model_id: str) -> list[Number]:
    """Return the version numbers that a model claims, and another one too."""
    return connection.execute(
        "SELECT c.project, c.name, c.number FROM claim c WHERE c.model = ? AND c.released = 0 "
        "AND EXISTS (SELECT 1 FROM claim o WHERE o.project = c.project AND o.name = c.name "
        "AND o.number = c.number AND o.model <> c.model AND o.released = 0)",
        (model_id,),
    ).fetchall()


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
    row = connection.execute("SELECT name FROM project WHERE pk = ?", (project,)).fetchone()
    return _reference(row[0], name, version)


def _reference(project: str, name: str, version: int) -> str:
    return reference(Project("", project) if project else None, name, version)
