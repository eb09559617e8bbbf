"""Tasks: rows to records, and the columns that change without an event."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from localreg.values.frozen import Frozen
from localreg.values.records import ArtifactRecord, Json, Project, TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

_SELECT = (
    "SELECT t.id, t.name, p.id, p.name, t.type, t.status, t.reason, t.published, t.comment, "
    "t.parent, t.run, t.created, t.ended, t.updated, t.stamp "
    "FROM task t JOIN project p ON p.pk = t.project"
)


def task(connection: Connection, task_id: str) -> TaskRecord | None:
    """Return a task by its id, or None."""
    row = connection.execute(f"{_SELECT} WHERE t.id = ?", (task_id,)).fetchone()
    return None if row is None else _task_record(row)


def present(connection: Connection, task_ids: Sequence[str]) -> set[str]:
    """Return those of some ids that are tasks of this registry."""
    rows = connection.execute(
        "SELECT id FROM task WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(task_ids),)
    )
    return {task_id for (task_id,) in rows}


def _task_record(row: Sequence[Any]) -> TaskRecord:
    (id_, name, project_id, project_name, type_, status, reason, published, comment, parent, run,
     created, ended, updated, stamp) = row  # fmt: skip
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
        run=json.loads(run),
        created=created,
        ended=ended,
        updated=updated,
        stamp=stamp,
    )


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
    return row[0], json.loads(row[1])


def models(connection: Connection, task_id: str, role: str) -> dict[str, str]:
    """Return ids of a task's models by their names on it, in the order they were set.

    Args:
        role: "input" or "output".
    """
    rows = connection.execute(
        "SELECT x.name, x.model FROM task t JOIN task_model x ON x.task = t.pk "
        "WHERE t.id = ? AND x.role = ? ORDER BY x.stamp, x.name",
        (task_id, role),
    )
    return dict(rows.fetchall())


class Use(Frozen):
    """A task that has a model as input, and the stamp of when it got it."""

    task: str
    stamp: int


def last_user(connection: Connection, model_id: str) -> Use | None:
    """Return the last use of a model as an input, or None."""
    row = connection.execute(
        "SELECT t.id, x.stamp FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? AND x.role = 'input' ORDER BY x.stamp DESC LIMIT 1",
        (model_id,),
    ).fetchone()
    return None if row is None else Use(*row)


def uses(connection: Connection, model_id: str) -> list[tuple[str, str, str, str]]:
    """Return every use of a model by a task: task id, task name, role, name of the model on it."""
    rows = connection.execute(
        "SELECT t.id, t.name, x.role, x.name FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? ORDER BY x.stamp",
        (model_id,),
    )
    return list(rows)


def parameters(connection: Connection, task_id: str) -> list[tuple[str, str, str, str]]:
    """Return a task's parameters: section, name, value and type of each, sorted."""
    rows = connection.execute(
        "SELECT x.section, x.name, x.value, x.type FROM task t JOIN parameter x ON x.task = t.pk "
        "WHERE t.id = ? ORDER BY x.section, x.name",
        (task_id,),
    )
    return list(rows)


def configurations(connection: Connection, task_id: str) -> dict[str, str]:
    """Return a task's configurations, as texts by name, without the model configuration."""
    rows = connection.execute(
        "SELECT x.name, x.text FROM task t JOIN configuration x ON x.task = t.pk "
        "WHERE t.id = ? ORDER BY x.name",
        (task_id,),
    )
    return dict(rows.fetchall())


def artifacts(connection: Connection, task_id: str) -> dict[str, ArtifactRecord]:
    """Return a task's artifacts, by name."""
    rows = connection.execute(
        "SELECT x.name, b.digest, b.size, x.filename, x.kind, x.details, x.at FROM task t "
        "JOIN artifact x ON x.task = t.pk JOIN blob b ON b.pk = x.blob "
        "WHERE t.id = ? ORDER BY x.name",
        (task_id,),
    )
    return {
        name: ArtifactRecord(name, digest, size, filename, kind, json.loads(details), at)
        for name, digest, size, filename, kind, details, at in rows
    }


def last_iteration(connection: Connection, task_id: str) -> int:
    """Return the largest iteration of a scalar or plot of a task, 0 without any."""
    scalars, plots = connection.execute(
        "SELECT (SELECT max((SELECT max(iteration) FROM scalar WHERE series = s.pk)) "
        "FROM series s WHERE s.task = t.pk), (SELECT max(iteration) FROM plot WHERE task = t.pk) "
        "FROM task t WHERE t.id = ?",
        (task_id,),
    ).fetchone() or (0, 0)
    return max(scalars or 0, plots or 0)


def touch(connection: Connection, task_id: str, stamp: int, at: int) -> None:
    """Set stamp and time of a task's last change."""
    connection.execute("UPDATE task SET stamp = ?, updated = ? WHERE id = ?", (stamp, at, task_id))


def place(connection: Connection, task_id: str) -> Json:
    """Return what only this machine can use of a task; {} when nothing is recorded."""
    row = connection.execute("SELECT place FROM task_place WHERE task = ?", (task_id,)).fetchone()
    return {} if row is None else dict(json.loads(row[0]))


def set_place(connection: Connection, task_id: str, new: Json) -> None:
    """Set what only this machine can use of a task."""
    connection.execute(
        "INSERT OR REPLACE INTO task_place VALUES (?, ?)",
        (task_id, json.dumps(new)),  # as ASCII: arguments may not be valid text
    )
