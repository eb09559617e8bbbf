"""Apply the events of tasks to the state tables; see fold.py."""

from __future__ import annotations

import json
import sqlite3

from localreg.store.rows import addition_rows, task_rows
from localreg.store.rows.keys import blob_pk, project_pk, tag_pk
from localreg.values.records import StateChange, WeightsRecord

Connection = sqlite3.Connection

TASK_COLUMNS = frozenset({"name", "comment", "published", "parent", "type", "progress"})


def created(connection: Connection, event: StateChange) -> None:
    """Insert a task; if it has a row, that one keeps its key."""
    task = event.payload
    columns = (
        "project, name, type, status, reason, published, progress, comment, parent, run, created, "
        "ended, updated, stamp"
    )
    values = (
        project_pk(connection, task["project"], event.at), task["name"], task["type"],
        task["status"], None, False, None, task["comment"], task["parent"],
        json.dumps(task.get("run") or {}, ensure_ascii=False, sort_keys=True),
        event.at, None, event.at, event.stamp,
    )  # fmt: skip
    marks = ", ".join("?" * len(values))
    row = connection.execute("SELECT pk FROM task WHERE id = ?", (event.subject,)).fetchone()
    if row is None:
        cursor = connection.execute(
            f"INSERT INTO task (id, {columns}) VALUES (?, {marks})", (event.subject, *values)
        )
        pk = int(cursor.lastrowid or 0)
    else:
        pk = int(row[0])
        connection.execute(f"UPDATE task SET ({columns}) = ({marks}) WHERE pk = ?", (*values, pk))
    for tag in task["tags"]:
        key = tag_pk(connection, tag, False)
        connection.execute("INSERT INTO task_tag VALUES (?, ?, 1)", (pk, key))


def ended(connection: Connection, event: StateChange) -> None:
    """Set status, reason and end of a task."""
    new = event.payload["new"]
    connection.execute(
        "UPDATE task SET status = ?, reason = ?, ended = ? WHERE id = ?",
        (new["status"], new["reason"], new["ended"], event.subject),
    )
    _touch(connection, event)


def changed(connection: Connection, event: StateChange) -> None:
    """Set one column of a task."""
    if event.field in TASK_COLUMNS:
        connection.execute(
            f"UPDATE task SET {event.field} = ? WHERE id = ?", (event.payload["new"], event.subject)
        )
        _touch(connection, event)


def design(connection: Connection, event: StateChange) -> None:
    """Set the model configuration and the label enumeration of a task."""
    new = event.payload["new"]
    connection.execute(
        "INSERT OR REPLACE INTO task_design SELECT pk, ?, ? FROM task WHERE id = ?",
        (
            new["config"],
            json.dumps(new["labels"], ensure_ascii=False, sort_keys=True),
            event.subject,
        ),
    )
    _touch(connection, event)


def model(connection: Connection, event: StateChange) -> None:
    """Set or drop the model that a task has under a name."""
    if event.payload["new"] is None:
        connection.execute(
            "DELETE FROM task_model WHERE role = ? AND name = ? "
            "AND task = (SELECT pk FROM task WHERE id = ?)",
            (event.payload["role"], event.field, event.subject),
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO task_model SELECT pk, ?, ?, ?, ? FROM task WHERE id = ?",
            (event.payload["role"], event.field, event.payload["new"], event.stamp, event.subject),
        )
    _touch(connection, event)


def moved(connection: Connection, event: StateChange) -> None:
    """Move a task to another project, or to none."""
    connection.execute(
        "UPDATE task SET project = ? WHERE id = ?",
        (project_pk(connection, event.payload["new"], event.at), event.subject),
    )
    _touch(connection, event)


def tagged(connection: Connection, event: StateChange) -> None:
    """Add a tag, or drop its additions that the event saw."""
    tag = tag_pk(connection, str(event.field), bool(event.payload["system"]))
    if event.payload["new"]:
        addition_rows.add(connection, "task", event.subject, tag, event.event_id)
    else:
        addition_rows.drop(connection, "task", event.subject, tag, event.payload["adds"])
    _touch(connection, event)


def run(connection: Connection, event: StateChange) -> None:
    """Set the facts of how a task runs."""
    text = json.dumps(event.payload["new"], ensure_ascii=False, sort_keys=True)
    connection.execute("UPDATE task SET run = ? WHERE id = ?", (text, event.subject))
    _touch(connection, event)


def parameter(connection: Connection, event: StateChange) -> None:
    """Set or drop a parameter; the field is its name, the payload has its section."""
    _set_row(
        connection, event, "parameter", ("section", "name"), (event.payload["section"], event.field)
    )


def configuration(connection: Connection, event: StateChange) -> None:
    """Set or drop a configuration."""
    _set_row(connection, event, "configuration", ("name",), (event.field,))


def _set_row(
    connection: Connection,
    event: StateChange,
    table: str,
    names: tuple[str, ...],
    key: tuple[object, ...],
) -> None:
    """Replace the row of a key by the new values of an event, or delete it if there are none."""
    where = " AND ".join(f"{name} = ?" for name in names)
    connection.execute(
        f"DELETE FROM {table} WHERE task = (SELECT pk FROM task WHERE id = ?) AND {where}",
        (event.subject, *key),
    )
    new = event.payload["new"]
    if new is not None:
        marks = ", ".join("?" for _ in (*key, *new))
        connection.execute(
            f"INSERT INTO {table} SELECT pk, {marks} FROM task WHERE id = ?",
            (*key, *new, event.subject),
        )
    _touch(connection, event)


def artifact(connection: Connection, event: StateChange) -> None:
    """Set or drop an artifact."""
    connection.execute(
        "DELETE FROM artifact WHERE name = ? AND task = (SELECT pk FROM task WHERE id = ?)",
        (event.field, event.subject),
    )
    new = event.payload["new"]
    if new is not None:
        held = WeightsRecord(
            digest=new["digest"], size=new["size"], total=new["total"], at=event.at
        )
        details = json.dumps(new["details"], ensure_ascii=False, sort_keys=True)
        connection.execute(
            "INSERT INTO artifact SELECT pk, ?, ?, ?, ?, ?, ? FROM task WHERE id = ?",
            (event.field, blob_pk(connection, held), new["filename"], new["kind"], details,
             event.at, event.subject),
        )  # fmt: skip
    _touch(connection, event)


def removed(connection: Connection, event: StateChange) -> None:
    """Delete a task, with all rows that refer to it."""
    connection.execute("DELETE FROM task WHERE id = ?", (event.subject,))


def _touch(connection: Connection, event: StateChange) -> None:
    task_rows.touch(connection, event.subject, event.stamp, event.at)
