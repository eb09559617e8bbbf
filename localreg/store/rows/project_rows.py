"""Read projects."""

from __future__ import annotations

import sqlite3

from localreg.store.rows import keys
from localreg.store.rows.checked_values import ID, TEXT, TIME, Columns, damaged_row, is_id
from localreg.values.frozen import Frozen
from localreg.values.records import Project

_FACTS = Columns("project", id=ID, name=TEXT, created=TIME, updated=TIME)
_PROJECTS = Columns("project", id=ID, name=TEXT)


class ProjectFacts(Frozen):
    """A project, when it was made, and when a model or task in it changed last; microseconds."""

    id: str
    name: str
    created: int
    updated: int


def every(connection: sqlite3.Connection) -> list[ProjectFacts]:
    """Return all projects."""
    rows = _FACTS.sound(
        connection,
        "SELECT p.id, p.name, p.created, max(p.created, "
        "coalesce((SELECT max(updated) FROM model WHERE project = p.pk), 0), "
        "coalesce((SELECT max(updated) FROM task WHERE project = p.pk), 0)) "
        "FROM project p WHERE p.pk > 0 ORDER BY p.name",
    )
    return [ProjectFacts(*row) for row in rows]


def by_name(connection: sqlite3.Connection, name: str) -> Project | None:
    """Return the project with this name, or None."""
    sql = "SELECT id, name FROM project WHERE name = ? AND pk > 0"
    row = _PROJECTS.one(connection, sql, (name,))
    return None if row is None else Project(*row)


def next_in(connection: sqlite3.Connection, name: str, model: str) -> tuple[str, int] | None:
    """Return the id of a project, and the next number of its models of a name.

    Args:
        name: of the project; "" for none, whose id is "".
        model: the name of the models.

    Returns:
        None if there is no such project.
    """
    row = connection.execute(
        "SELECT p.id, (SELECT max(number) FROM claim WHERE project = p.pk AND name = ?) "
        "FROM project p WHERE p.name = ?",
        (model, name),
    ).fetchone()
    if row is None:
        return None
    project_id, last = row
    if project_id and not is_id(project_id):
        raise damaged_row("project", name, "id", f"must be 32 hex digits, not {project_id!r:.60}")
    return project_id, keys.after(last, model)


def by_id(connection: sqlite3.Connection, project_id: str) -> Project | None:
    """Return the project that has this id, perhaps among others, or None."""
    sql = "SELECT p.id, p.name FROM project_id x JOIN project p ON p.pk = x.project WHERE x.id = ?"
    row = _PROJECTS.one(connection, sql, (project_id,))
    return None if row is None else Project(*row)


def settle(connection: sqlite3.Connection, project_id: str) -> None:
    """Set id and time of a project to those of the first of the events that created its name.

    Args:
        project_id: one of its ids.
    """
    row = connection.execute(
        "SELECT y.project, e.subject, e.at FROM project_id y CROSS JOIN event e "
        "ON e.event_id = y.id AND e.kind = 'project.created' "
        "WHERE y.project > 0 AND y.project = (SELECT project FROM project_id WHERE id = ?) "
        "ORDER BY e.position IS NULL, e.position, e.lamport, e.event_id LIMIT 1",
        (project_id,),
    ).fetchone()
    if row is not None:
        pk, first, created = row
        connection.execute(
            "UPDATE OR IGNORE project SET id = ?, created = ? WHERE pk = ?", (first, created, pk)
        )
