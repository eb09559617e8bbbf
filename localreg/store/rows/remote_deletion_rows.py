"""What is deleted from a remote: the notes of `remote gc`, of this registry and of others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from localreg.store.rows.checked_values import (
    ID,
    TEXT,
    WHOLE,
    Columns,
    damaged_row,
    is_digest,
    object_of,
)
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class Deletion(Frozen):
    """A deletion that began: its key, the id of the note, and what it deletes."""

    pk: int
    begin: str
    digests: frozenset[str]


_DELETIONS = Columns("remote_deletion", pk=WHOLE, begin=ID, digests=TEXT)
_SELECT = "SELECT pk, begin, digests FROM remote_deletion WHERE remote = ?"


def record_begin(connection: Connection, remote: int, begin: str, digests: Iterable[str]) -> None:
    """Record that somebody began to delete some bytes; in a write transaction.

    Args:
        begin: the id of the note.
    """
    connection.execute(
        "INSERT OR IGNORE INTO remote_deletion (remote, begin, digests, ended) VALUES (?, ?, ?, 0)",
        (remote, begin, json.dumps({"digests": sorted(digests)})),
    )


def record_end(connection: Connection, remote: int, begin: str) -> None:
    """Record that a deletion has ended; in a write transaction."""
    connection.execute(
        "UPDATE remote_deletion SET ended = 1 WHERE remote = ? AND begin = ?", (remote, begin)
    )


def running(connection: Connection, remote: int) -> list[Deletion]:
    """Return the deletions that have not ended."""
    return _deletions(connection, f"{_SELECT} AND ended = 0 ORDER BY pk", (remote,))


def after(connection: Connection, remote: int, pk: int) -> list[Deletion]:
    """Return the deletions that were recorded after one, whether they have ended or not."""
    return _deletions(connection, f"{_SELECT} AND pk > ? ORDER BY pk", (remote, pk))


def _deletions(connection: Connection, sql: str, values: tuple[int, ...]) -> list[Deletion]:
    return [
        Deletion(pk, begin, _digests(pk, text))
        for pk, begin, text in _DELETIONS.all(connection, sql, values)
    ]


def _digests(pk: int, text: str) -> frozenset[str]:
    found = object_of(text, "remote_deletion", pk, "digests").get("digests")
    if type(found) is not list or not all(map(is_digest, found)):
        raise damaged_row("remote_deletion", pk, "digests", "must be a list of digests")
    return frozenset(found)
