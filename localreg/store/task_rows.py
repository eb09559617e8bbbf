"""Reading tasks: rows to records."""

from __future__ import annotations

import sqlite3

from localreg.records import Project, TaskRecord

Connection = sqlite3.Connection

_SELECT = (
    "SELECT t.id, t.name, p.id, p.name, t.type, t.status, t.reason, t.published, t.comment, "
    "t.parent, t.created, t.ended, t.updated FROM task t JOIN project p ON p.pk = t.project"
)


def task(connection: Connection, task_id: str) -> TaskRecord | None:
    """Return a task, or None when there is none with this id."""
    row = connection.execute(f"{_SELECT} WHERE t.id = ?", (task_id,)).fetchone()
    if row is None:
        return None
    (id_, name, project_id, project_name, type_, status, reason, published, comment, parent,
     created, ended, updated) = row  # fmt: skip
    return TaskRecord(
        id=id_,
        name=name,
        project=Project(project_id, project_name) if project_id else None,
        type=type_,
        status=status,
        reason=reason,
        published=bool(published),
        comment=comment,
        parent=parent,
        created=created,
        ended=ended,
        updated=updated,
    )


def newest_named(connection: Connection, project: str | None, name: str) -> str | None:
    """Return the id of the task of this name that changed last, or None.

    Args:
        project: the project's name; None looks in all of them.
    """
    row = connection.execute(
        "SELECT t.id FROM task t JOIN project p ON p.pk = t.project "
        "WHERE t.name = ? AND (? IS NULL OR p.name = ?) ORDER BY t.updated DESC LIMIT 1",
        (name, project, project),
    ).fetchone()
    return None if row is None else str(row[0])


def tags(connection: Connection, task_id: str) -> list[str]:
    """Return a task's tags, sorted."""
    rows = connection.execute(
        "SELECT g.name FROM task t JOIN task_tag x ON x.task = t.pk JOIN tag g ON g.pk = x.tag "
        "WHERE t.id = ?",
        (task_id,),
    )
    return sorted(name for (name,) in rows)


def design(connection: Connection, task_id: str) -> tuple[str, dict[str, int]]:
    """Return the model configuration text and the label enumeration of a task."""
    row = connection.execute(
        "SELECT config, labels FROM task_design JOIN task ON pk = task WHERE id = ?", (task_id,)
    ).fetchone()
    if row is None:
        return "", {}
    import json

    return row[0], json.loads(row[1])


def models(connection: Connection, task_id: str, role: str) -> dict[str, str]:
    """Return ids of a task's models by their names on it, in the order they were set.

    Args:
        role: "input" or "output".
    """
    rows = connection.execute(
        "SELECT x.name, x.model FROM task t JOIN task_model x ON x.task = t.pk "
        "WHERE t.id = ? AND x.role = ? ORDER BY x.at, x.name",
        (task_id, role),
    )
    return dict(rows.fetchall())


def last_user(connection: Connection, model_id: str) -> str | None:
    """Return the id of the task that took a model as input last, or None."""
    row = connection.execute(
        "SELECT t.id FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? AND x.role = 'input' ORDER BY x.at DESC LIMIT 1",
        (model_id,),
    ).fetchone()
    return None if row is None else str(row[0])


def uses(connection: Connection, model_id: str) -> list[tuple[str, str, str, str]]:
    """Return every entry of a model on a task: task id, task name, role, entry name."""
    rows = connection.execute(
        "SELECT t.id, t.name, x.role, x.name FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? ORDER BY x.at",
        (model_id,),
    )
    return list(rows)


def parameters(connection: Connection, task_id: str) -> list[tuple[str, str, str]]:
    """Return a task's parameters: section, name and value of each, in this order."""
    rows = connection.execute(
        "SELECT x.section, x.name, x.value FROM task t JOIN parameter x ON x.task = t.pk "
        "WHERE t.id = ? ORDER BY x.section, x.name",
        (task_id,),
    )
    return list(rows)
