"""What imports and merges brought, and what was different afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from localreg.store.rows.checked_values import COUNT, TEXT, TIME, Columns, damaged_row
from localreg.values.frozen import Frozen


class ArrivalRow(Frozen):
    """What came at one time from one place, as `record` wrote it."""

    at: int
    source: str
    events: int
    differences: tuple[str, ...]


_ARRIVALS = Columns("arrival", pk=COUNT, at=TIME, source=TEXT, events=COUNT, differences=TEXT)


def record(
    connection: sqlite3.Connection, at: int, source: str, events: int, differences: Sequence[str]
) -> None:
    """Record an arrival; in the transaction that takes it in.

    Args:
        at: when, microseconds.
        source: where it came from.
        events: how many came.
        differences: what is different now, as text.
    """
    connection.execute(
        "INSERT INTO arrival (at, source, events, differences) VALUES (?, ?, ?, ?)",
        (at, source, events, json.dumps(list(differences), ensure_ascii=False)),
    )


def arrivals(connection: sqlite3.Connection, limit: int | None = None) -> list[ArrivalRow]:
    """Return what came, newest first.

    Args:
        connection: of the registry.
        limit: the most to return; None for all.
    """
    rows = _ARRIVALS.sound(
        connection,
        "SELECT pk, at, source, events, differences FROM arrival ORDER BY pk DESC LIMIT ?",
        [-1 if limit is None else limit],
    )
    return [
        ArrivalRow(at, source, events, _lines(pk, differences))
        for pk, at, source, events, differences in rows
    ]


def _lines(pk: int, text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise damaged_row("arrival", pk, "differences", "must be a list of texts")
    return tuple(found)
