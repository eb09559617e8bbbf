"""Apply the events of tasks to the state tables; see fold.py."""

from __future__ import annotations

import json
import sqlite3

from localreg.store.rows import task_rows
from localreg.store.rows.keys import blob_pk, tag_pk
from localreg.values.records import StateChange, WeightsRecord

Connection = sqlite3.Connection

TASK_COLUMNS = frozenset(
    {"name", "comment", "status", "reason", "published", "ended", "parent", "type"}
)


def created(connection: Connection, event: StateChange) -> None:
    """Insert a task."""
    task = event.payload
    project = task["project"]
    cursor = connection.execute(
        "INSERT INTO task (id, project, name, type, status, published, comment, parent, run, "
        "created, updated, stamp) "
        "VALUES (?, (SELECT pk FROM project WHERE id = ?), ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        (event.subject, project["id"] if project else "", task["name"], task["type"],
         task["status"], task["comment"], task["parent"],
         json.dumps(task.get("run") or {}, ensure_ascii=False, sort_keys=True),
         event.at, event.at, event.stamp),
    )  # fmt: skip
    for tag in task["tags"]:
        key = tag_pk(connection, tag, False)
        connection.execute("INSERT INTO task_tag VALUES (?, ?)", (cursor.lastrowid, key))


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
    project = event.payload["new"]
    connection.execute(
        "UPDATE task SET project = (SELECT pk FROM project WHERE id = ?) WHERE id = ?",
        (project["id"] if project else "", event.subject),
    )
    _touch(connection, event)


def tagged(connection: Connection, event: StateChange) -> None:
    """Add or drop a tag."""
    tag = tag_pk(connection, str(event.field), False)
    if event.payload["new"]:
        sql = "INSERT OR IGNORE INTO task_tag SELECT pk, :tag FROM task WHERE id = :id"
    else:
        sql = (
            "DELETE FROM task_tag WHERE tag = :tag AND task = (SELECT pk FROM task WHERE id = :id)"
        )
    connection.execute(sql, {"tag": tag, "id": event.subject})
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
