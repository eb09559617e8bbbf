"""The events that added tags; a tag is there while one is left that no drop saw."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from localreg.store.rows.keys import tag_pk

Connection = sqlite3.Connection
_TABLES = {"model": "model_tag", "task": "task_tag"}


def additions(
    connection: Connection, owner: str, subject: str, tag: str, *, system: bool
) -> list[str]:
    """Return ids of the events that added a tag which is there, sorted.

    Args:
        owner: "model" or "task".
        subject: its id.
        tag: the tag.
        system: True for a system tag.
    """
    key = tag_pk(connection, tag, system)
    table = _TABLES[owner]
    rows = connection.execute(
        f"SELECT o.id FROM {owner} o JOIN {table} x ON x.{owner} = o.pk "
        "WHERE o.id = :id AND x.tag = :tag AND x.born = 1 "
        "UNION SELECT event FROM addition WHERE subject = :id AND tag = :tag",
        {"id": subject, "tag": key},
    )
    return sorted(str(event) for (event,) in rows)


def add(connection: Connection, owner: str, subject: str, tag: int, event: str) -> None:
    """Add a tag by an event that came after the creation."""
    connection.execute(
        f"INSERT OR IGNORE INTO addition SELECT id, ?, ? FROM {owner} WHERE id = ?",
        (tag, event, subject),
    )
    stamp = ", stamp" if owner == "model" else ""
    connection.execute(
        f"INSERT OR IGNORE INTO {_TABLES[owner]} ({owner}, tag, born{stamp}) "
        f"SELECT pk, ?, 0{stamp} FROM {owner} WHERE id = ?",
        (tag, subject),
    )


def drop(connection: Connection, owner: str, subject: str, tag: int, seen: Sequence[str]) -> None:
    """Drop the additions of a tag that a drop saw; the tag goes with the last one."""
    connection.executemany(
        "DELETE FROM addition WHERE subject = ? AND tag = ? AND event = ?",
        [(subject, tag, event) for event in seen],
    )
    key = f"(SELECT pk FROM {owner} WHERE id = ?)"
    if subject in seen:
        connection.execute(
            f"UPDATE {_TABLES[owner]} SET born = 0 WHERE tag = ? AND {owner} = {key}",
            (tag, subject),
        )
    connection.execute(
        f"DELETE FROM {_TABLES[owner]} WHERE tag = ? AND born = 0 AND {owner} = {key} "
        "AND NOT EXISTS (SELECT 1 FROM addition WHERE subject = ? AND tag = ?)",
        (tag, subject, subject, tag),
    )
