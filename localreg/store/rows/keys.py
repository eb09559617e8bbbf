"""Integer keys of projects, tags and blobs; missing ones are made."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import LARGEST, damaged_row
from localreg.values.ids import alias_id
from localreg.values.records import Json

Connection = sqlite3.Connection


def project_pk(connection: Connection, project: Json | None, at: int) -> int:
    """Return the key of a project as events name it; insert it if it is new. None: no project.

    Args:
        project: its `id` and `name`; the name counts.
        at: when it was made, if it is new, microseconds.
    """
    if project is None:
        return 0
    pk, shown = project_named(connection, project["name"], at)
    if shown != project["id"]:
        if shown == _unknown_id(project["name"]):
            # Ignored: only a forged event gives an id to two names.
            sql = "UPDATE OR IGNORE project SET id = ? WHERE pk = ?"
            connection.execute(sql, (project["id"], pk))
        connection.execute("INSERT OR IGNORE INTO project_id VALUES (?, ?)", (project["id"], pk))
    return pk


def project_named(connection: Connection, name: str, at: int) -> tuple[int, str]:
    """Return key and id of the project of a name ("": no project); insert it if it is new.

    A new one has an id made of its name, until an event comes that has its id.
    """
    found = connection.execute("SELECT pk, id FROM project WHERE name = ?", (name,)).fetchone()
    if found is None:
        cursor = connection.execute(
            "INSERT INTO project (id, name, created) VALUES (?, ?, ?)",
            (_unknown_id(name), name, at),
        )
        return int(cursor.lastrowid or 0), _unknown_id(name)
    return int(found[0]), str(found[1])


def _unknown_id(project: str) -> str:
    return alias_id(project, "", "")


def in_64_bits(number: int) -> int:
    """Return a number of up to 64 bits as SQLite can keep it; two stay as different as they were.

    >>> in_64_bits(5), in_64_bits(2**64 - 1)
    (5, -1)
    """
    return (number + 2**63) % 2**64 - 2**63


def next_key(connection: Connection, table: str) -> int:
    """Return a key that no row of a table ever had; its keys are AUTOINCREMENT."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 1 if row is None else int(row[0]) + 1


def next_number(connection: Connection, project: str, name: str) -> int:
    """Return the next version number of the models of a project and name.

    Args:
        project: name of the project; "" for none.
        name: name of the models.
    """
    row = connection.execute(
        "SELECT max(number) FROM claim "
        "WHERE project = (SELECT pk FROM project WHERE name = ?) AND name = ?",
        (project, name),
    ).fetchone()
    return after(row[0], name)


def after(last: object, name: str) -> int:
    """Return the number after the last one of the models of a name; None is the last of none."""
    last = last or 0
    if type(last) is not int or last >= LARGEST:
        raise damaged_row("claim", name, "number", f"must be a count, not {last!r:.40}")
    return last + 1


def claim(
    connection: Connection, project: int, name: str, number: int, model_id: str, event_id: str
) -> None:
    """Record that a model claims a version number by an event; its first claim counts."""
    connection.execute(
        "INSERT INTO claim VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT DO UPDATE "
        "SET released = 0, event = excluded.event WHERE released = 1",
        (project, name, number, model_id, event_id),
    )


def release(connection: Connection, project: int, name: str, number: int, model_id: str) -> None:
    """Record that a model gave a version number up."""
    connection.execute(
        "UPDATE claim SET released = 1 WHERE project = ? AND name = ? AND number = ? AND model = ?",
        (project, name, number, model_id),
    )


def tag_pk(connection: Connection, name: str, system: bool) -> int:
    """Return the key of a tag; insert it if it is new."""
    found = tag_named(connection, name, system=system)
    if found is None:
        cursor = connection.execute("INSERT INTO tag (name, system) VALUES (?, ?)", (name, system))
        return int(cursor.lastrowid or 0)
    return found


def tag_named(connection: Connection, name: str, *, system: bool) -> int | None:
    """Return the key of a tag, None if there is none of this name."""
    row = connection.execute(
        "SELECT pk FROM tag WHERE name = ? AND system = ?", (name, system)
    ).fetchone()
    return None if row is None else int(row[0])


def blob_pk(
    connection: Connection, digest: str | None, size: int | None, total: int | None, at: int
) -> int | None:
    """Return the key of a blob; insert it if it is new. None without a digest."""
    if digest is None:
        return None
    select = "SELECT pk FROM blob WHERE digest = ?"
    row = connection.execute(select, (digest,)).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO blob (digest, size, total, added) VALUES (?, ?, ?, ?)",
            (digest, size, total, at),
        )
        row = connection.execute(select, (digest,)).fetchone()
    return int(row[0])
