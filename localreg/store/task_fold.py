"""Applying the events of tasks to the state tables; see fold.py."""

from __future__ import annotations

import json
import sqlite3

from localreg.records import StateChange
from localreg.store.keys import tag_pk

Connection = sqlite3.Connection

TASK_COLUMNS = frozenset({"name", "comment", "status", "reason", "published", "ended"})


def created(connection: Connection, event: StateChange) -> None:
    """Insert a task."""
    told = event.payload
    project = told["project"]
    cursor = connection.execute(
        "INSERT INTO task (id, project, name, type, status, published, comment, parent, run, "
        "created, updated) "
        "VALUES (?, (SELECT pk FROM project WHERE id = ?), ?, ?, ?, 0, ?, ?, '{}', ?, ?)",
        (event.subject, project["id"] if project else "", told["name"], told["type"],
         told["status"], told["comment"], told["parent"], event.at, event.at),
    )  # fmt: skip
    for tag in told["tags"]:
        key = tag_pk(connection, tag, False)
        connection.execute("INSERT INTO task_tag VALUES (?, ?)", (cursor.lastrowid, key))


def changed(connection: Connection, event: StateChange) -> None:
    """Set one column of a task."""
    if event.field in TASK_COLUMNS:
        connection.execute(
            f"UPDATE task SET {event.field} = ?, updated = ? WHERE id = ?",
            (event.payload["new"], event.at, event.subject),
        )


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
    _touch(connection, event.subject, event.at)


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
            (event.payload["role"], event.field, event.payload["new"], event.at, event.subject),
        )
    _touch(connection, event.subject, event.at)


def _touch(connection: Connection, task_id: str, at: int) -> None:
    connection.execute("UPDATE task SET updated = ? WHERE id = ?", (at, task_id))
