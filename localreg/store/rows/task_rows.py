"""Tasks: rows to records, and the columns that change without an event."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    ID,
    ID_OR_EMPTY,
    NAME,
    TEXT,
    TIME,
    Columns,
    damaged_row,
    labels_of,
    object_of,
    or_null,
    texts,
)
from localreg.values.frozen import Frozen
from localreg.values.metrics import MONITORED
from localreg.values.records import ArtifactRecord, Json, Project, TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

COLUMNS = (
    "t.id, t.name, p.id, p.name, t.type, t.status, t.reason, t.published, t.progress, "
    "t.comment, t.parent, t.run, t.created, t.ended, t.updated, t.stamp"
)
TASK = {
    "id": ID, "name": TEXT, "project_id": ID_OR_EMPTY, "project": TEXT, "type": TEXT,
    "status": TEXT, "reason": or_null(TEXT), "published": FLAG, "progress": or_null(COUNT),
    "comment": or_null(TEXT), "parent": or_null(TEXT), "run": TEXT, "created": TIME,
    "ended": or_null(TIME), "updated": TIME, "stamp": COUNT,
}  # fmt: skip
_SELECT = f"SELECT {COLUMNS} FROM task t JOIN project p ON p.pk = t.project"
_TASKS = Columns("task", **TASK)
_DESIGN = Columns("task_design", config=TEXT, labels=TEXT)
_MODELS = Columns("task_model", name=TEXT, model=ID)
_LAST_USE = Columns("task_model", task=ID, stamp=COUNT)
_USES = Columns("task_model", task=ID, task_name=TEXT, role=TEXT, name=TEXT)
_PARAMETERS = Columns("parameter", section=TEXT, name=TEXT, value=TEXT, type=TEXT)
_CONFIGURATIONS = Columns("configuration", name=TEXT, text=TEXT)
_ARTIFACTS = Columns(
    "artifact", name=TEXT, digest=DIGEST, size=COUNT, total=or_null(COUNT), filename=NAME,
    kind=TEXT, details=TEXT, at=TIME,
)  # fmt: skip


def task(connection: Connection, task_id: str) -> TaskRecord | None:
    """Return a task by its id, or None."""
    row = _TASKS.one(connection, f"{_SELECT} WHERE t.id = ?", (task_id,))
    return None if row is None else task_record(row)


def present(connection: Connection, task_ids: Sequence[str]) -> set[str]:
    """Return those of some ids that are tasks of this registry."""
    rows = connection.execute(
        "SELECT id FROM task WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(task_ids),)
    )
    return {task_id for (task_id,) in rows}


def task_record(row: Sequence[Any]) -> TaskRecord:
    """Return the task that was read with `COLUMNS`."""
    (id_, name, project_id, project_name, type_, status, reason, published, progress, comment,
     parent, run, created, ended, updated, stamp) = row  # fmt: skip
    return TaskRecord(
        id=id_,
        name=name,
        project=Project(project_id, project_name) if project_id else None,
        type=type_,
        status=status,
        reason=reason,
        published=bool(published),
        progress=progress,
        comment=comment,
        parent=parent,
        run=object_of(run, "task", id_, "run"),
        created=created,
        ended=ended,
        updated=updated,
        stamp=stamp,
    )


def tags(connection: Connection, task_id: str, *, system: bool = False) -> list[str]:
    """Return a task's tags, or its system tags, sorted."""
    sql = (
        "SELECT g.name FROM task t JOIN task_tag x ON x.task = t.pk JOIN tag g ON g.pk = x.tag "
        "WHERE t.id = ? AND g.system = ?"
    )
    return sorted(texts(connection, "tag", "name", sql, (task_id, system)))


def design(connection: Connection, task_id: str) -> tuple[str, dict[str, int]]:
    """Return the model configuration text and the label enumeration of a task."""
    sql = "SELECT config, labels FROM task_design JOIN task ON pk = task WHERE id = ?"
    row = _DESIGN.one(connection, sql, (task_id,), key=task_id)
    return ("", {}) if row is None else (row[0], labels_of(row[1], "task_design", task_id))


def models(connection: Connection, task_id: str, role: str) -> dict[str, str]:
    """Return ids of a task's models by their names on it, in the order they were set.

    Args:
        role: "input" or "output".
    """
    sql = (
        "SELECT x.name, x.model FROM task t JOIN task_model x ON x.task = t.pk "
        "WHERE t.id = ? AND x.role = ? ORDER BY x.stamp, x.name"
    )
    return dict(_MODELS.all(connection, sql, (task_id, role), key=task_id))


class Use(Frozen):
    """A task that has a model as input, and the stamp of when it got it."""

    task: str
    stamp: int


def last_user(connection: Connection, model_id: str) -> Use | None:
    """Return the last use of a model as an input, or None."""
    row = _LAST_USE.one(
        connection,
        "SELECT t.id, x.stamp FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? AND x.role = 'input' ORDER BY x.stamp DESC LIMIT 1",
        (model_id,),
    )
    return None if row is None else Use(*row)


def uses(connection: Connection, model_id: str) -> list[tuple[str, str, str, str]]:
    """Return every use of a model by a task: task id, task name, role, name of the model on it."""
    return _USES.sound(
        connection,
        "SELECT t.id, t.name, x.role, x.name FROM task_model x JOIN task t ON t.pk = x.task "
        "WHERE x.model = ? ORDER BY x.stamp",
        (model_id,),
    )


def parameters(connection: Connection, task_id: str) -> list[tuple[str, str, str, str]]:
    """Return a task's parameters: section, name, value and type of each, sorted."""
    return _PARAMETERS.all(
        connection,
        "SELECT x.section, x.name, x.value, x.type FROM task t JOIN parameter x ON x.task = t.pk "
        "WHERE t.id = ? ORDER BY x.section, x.name",
        (task_id,),
        key=task_id,
    )


def configurations(connection: Connection, task_id: str) -> dict[str, str]:
    """Return a task's configurations, as texts by name, without the model configuration."""
    sql = (
        "SELECT x.name, x.text FROM task t JOIN configuration x ON x.task = t.pk "
        "WHERE t.id = ? ORDER BY x.name"
    )
    return dict(_CONFIGURATIONS.all(connection, sql, (task_id,), key=task_id))


def artifacts(connection: Connection, task_id: str) -> dict[str, ArtifactRecord]:
    """Return a task's artifacts, by name."""
    rows = _ARTIFACTS.all(
        connection,
        "SELECT x.name, b.digest, b.size, CASE x.kind WHEN 'package' THEN b.total END, x.filename, "
        "x.kind, x.details, x.at FROM task t "
        "JOIN artifact x ON x.task = t.pk JOIN blob b ON b.pk = x.blob "
        "WHERE t.id = ? ORDER BY x.name",
        (task_id,),
        key=task_id,
    )
    return {
        name: ArtifactRecord(
            name, digest, size, total, filename, kind,
            object_of(details, "artifact", f"{name} of {task_id}", "details"), at,
        )
        for name, digest, size, total, filename, kind, details, at in rows
    }  # fmt: skip


def last_iteration(connection: Connection, task_id: str) -> int:
    """Return the largest iteration of a scalar or plot of a task, 0 without any.

    What the machine did (`MONITORED`) may have seconds as iterations, and does not count.
    """
    scalars, plots = connection.execute(
        "SELECT (SELECT max((SELECT max(iteration) FROM scalar WHERE series = s.pk)) "
        "FROM series s WHERE s.task = t.pk AND s.title NOT IN (?, ?)), "
        "(SELECT max(iteration) FROM plot WHERE task = t.pk) FROM task t WHERE t.id = ?",
        (*MONITORED, task_id),
    ).fetchone() or (0, 0)
    for found in (scalars, plots):
        if found is not None and type(found) is not int:
            raise damaged_row("scalar", task_id, "iteration", "must be a whole number")
    return max(scalars or 0, plots or 0)


def touch(connection: Connection, task_id: str, stamp: int, at: int) -> None:
    """Set stamp and time of a task's last change."""
    connection.execute("UPDATE task SET stamp = ?, updated = ? WHERE id = ?", (stamp, at, task_id))


def place(connection: Connection, task_id: str) -> Json:
    """Return what only this machine can use of a task; {} when nothing is recorded."""
    row = connection.execute("SELECT place FROM task_place WHERE task = ?", (task_id,)).fetchone()
    return {} if row is None else object_of(row[0], "task_place", task_id, "place")


def set_place(connection: Connection, task_id: str, new: Json) -> None:
    """Set what only this machine can use of a task."""
    connection.execute(
        "INSERT OR REPLACE INTO task_place VALUES (?, ?)",
        (task_id, json.dumps(new)),  # as ASCII: arguments may not be valid text
    )


def ids(connection: Connection) -> list[str]:
    """Return the ids of all tasks, sorted."""
    rows = Columns("task", id=ID).all(connection, "SELECT id FROM task ORDER BY id")
    return [task_id for (task_id,) in rows]
