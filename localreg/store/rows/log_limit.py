"""Keeps the log of a task or model within a limit: the middle of a longer one is cut.

The first and the last lines stay, and one line between them says what was cut.
"""

from __future__ import annotations

import re
import sqlite3

CUT = 25  # the level of the line that says what was cut: between those of logging
HEAD, TAIL = 4, 2  # a fourth and a half of the limit stay
_SAID = re.compile(r"([\d,]+) lines \(([\d,]+) characters\) are cut here")


def size(connection: sqlite3.Connection, kind: str, pk: int) -> int:
    """Return the number of characters in a log."""
    sql = f"SELECT coalesce(sum(length(text)), 0) FROM message WHERE {kind} = ?"
    return int(connection.execute(sql, (pk,)).fetchone()[0])


def cut(connection: sqlite3.Connection, kind: str, pk: int, limit: int) -> int:
    """Cut the middle of a log, and return the number of characters that it has now.

    Args:
        limit: characters; a fourth of them stays at the beginning, a half at the end.
    """
    head = _end_of_head(connection, kind, pk, limit // HEAD)
    tail = _start_of_tail(connection, kind, pk, limit // TAIL)
    lines = characters = 0
    first: tuple[int, int] | None = None  # stamp and time
    for stamp, at, level, text in connection.execute(
        f"SELECT stamp, at, level, text FROM message WHERE {kind} = ? AND stamp > ? AND stamp < ? "
        "ORDER BY stamp",
        (pk, head, tail),
    ):
        first = first or (stamp, at)
        before = _SAID.match(text) if level == CUT else None
        lines += int(before[1].replace(",", "")) if before else 1
        characters += int(before[2].replace(",", "")) if before else len(text)
    if first is None:
        return size(connection, kind, pk)
    connection.execute(
        f"DELETE FROM message WHERE {kind} = ? AND stamp > ? AND stamp < ?", (pk, head, tail)
    )
    said = (
        f"{lines:,} lines ({characters:,} characters) are cut here: the log of a task keeps "
        f"{limit:,} characters (LOCALREG_LOG_LIMIT)"
    )
    connection.execute(
        f"INSERT INTO message ({kind}, stamp, at, level, text) VALUES (?, ?, ?, ?, ?)",
        (pk, *first, CUT, said),
    )
    return size(connection, kind, pk)


def _end_of_head(connection: sqlite3.Connection, kind: str, pk: int, most: int) -> int:
    """Return the stamp of the last line that stays at the beginning."""
    total, last = 0, 0
    for stamp, level, length in connection.execute(
        f"SELECT stamp, level, length(text) FROM message WHERE {kind} = ? ORDER BY stamp", (pk,)
    ):
        total += length
        if total > most or level == CUT:
            break
        last = stamp
    return last


def _start_of_tail(connection: sqlite3.Connection, kind: str, pk: int, most: int) -> int:
    """Return the stamp of the first line that stays at the end."""
    total, first = 0, 2**63 - 1
    for stamp, length in connection.execute(
        f"SELECT stamp, length(text) FROM message WHERE {kind} = ? ORDER BY stamp DESC", (pk,)
    ):
        total += length
        if total > most:
            break
        first = stamp
    return first
