"""Integer keys of projects, tags and blobs; missing ones are made."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import LARGEST, damaged_row
from localreg.values.records import WeightsRecord

Connection = sqlite3.Connection


def project_pk(connection: Connection, project_id: str) -> int:
    """Return the key of a project; the id "" means no project."""
    if project_id == "":
        return 0
    row = connection.execute("SELECT pk FROM project WHERE id = ?", (project_id,)).fetchone()
    return int(row[0])


def in_64_bits(number: int) -> int:
    """Return a number of up to 64 bits as SQLite can keep it; two stay as different as they were.

    >>> in_64_bits(5), in_64_bits(2**64 - 1)
    (5, -1)
    """
    return (number + 2**63) % 2**64 - 2**63


def next_version(connection: Connection, project: int, name: str) -> int:
    """Return the next version number of a project and name, and count it as used."""
    row = connection.execute(
        "INSERT INTO version_counter VALUES (?, ?, 1) "
        "ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last",
        (project, name),
    ).fetchall()
    last = row[0][0]
    if type(last) is not int or last > LARGEST:
        raise damaged_row("version_counter", name, "last", f"must be a count, not {last!r:.40}")
    return last


def tag_pk(connection: Connection, name: str, system: bool) -> int:
    """Return the key of a tag; insert it if it is new."""
    select = "SELECT pk FROM tag WHERE name = ? AND system = ?"
    row = connection.execute(select, (name, system)).fetchone()
    if row is None:
        cursor = connection.execute("INSERT INTO tag (name, system) VALUES (?, ?)", (name, system))
        return int(cursor.lastrowid or 0)
    return int(row[0])


def blob_pk(connection: Connection, weights: WeightsRecord) -> int | None:
    """Return the key of the blob of some weights; insert it if it is new. None without a digest."""
    if weights.digest is None:
        return None
    select = "SELECT pk FROM blob WHERE digest = ?"
    row = connection.execute(select, (weights.digest,)).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO blob (digest, size, total, added) VALUES (?, ?, ?, ?)",
            (weights.digest, weights.size, weights.total, weights.at),
        )
        row = connection.execute(select, (weights.digest,)).fetchone()
    return int(row[0])
