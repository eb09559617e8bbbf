"""Make a database as it was at some time: the events that were known then, folded.

What has no events is copied: facts about bytes as they are now, and what had been reported until
then. Reported values that were replaced or deleted since are not known any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from localreg.store.database.opening import APPLICATION_ID, FORMAT_VERSION
from localreg.store.database.sqlite_errors import translated
from localreg.store.events.refolding import refold
from localreg.store.rows import report_rows
from localreg.store.rows.known_schema import schema_text
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

_WHOLE = ("actor", "origin", "blob", "tree_file", "unpacked", "url", "private_url", "task_place")
_OF_OWNERS = ("single", "plot", "message", "reported")
_EVENT = (
    "pk, event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, subject, field, payload, "
    "arrived"
)
_PLACE = ("remote", "position", "positioned")


class Cut(Frozen):
    """Where a history is cut.

    Attributes:
        at: microseconds; what was known later does not count.
        event: the key of the last event that counts; None to go by the time alone. Of an event that
            was made here, that is the time that its clock said.
    """

    at: int
    event: int | None = None


def make_past(source: Connection, path: Path, cut: Cut) -> None:
    """Make a database with the state of another one at some time.

    Args:
        source: in a read transaction.
        path: the new database; delete it after an error.
        cut: what counts.
    """
    with translated(path):
        path.touch(mode=0o600, exist_ok=False)
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF")  # it is thrown away after an error
            target.execute("PRAGMA synchronous = OFF")
            target.executescript(f"BEGIN;\n{schema_text()}")
            _copy_settings(source, target)
            for table in _WHOLE:
                _insert(target, table, source.execute(f"SELECT * FROM {table}"))
            _copy_events(source, target, cut)
            refold(target)
            _copy_reports(source, target, cut.at)
            target.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            target.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            target.execute("COMMIT")


def _insert(target: Connection, table: str, rows: Iterator[Sequence[Any]]) -> None:
    count = len(target.execute(f"PRAGMA table_info({table})").fetchall())
    marks = ", ".join("?" * count)
    target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _copy_settings(source: Connection, target: Connection) -> None:
    _insert(target, "setting", source.execute("SELECT * FROM setting WHERE name <> 'journal'"))
    # Nothing is written to it later, and so SQLite makes no files beside it.
    target.execute("INSERT INTO setting VALUES ('journal', 'truncate')")


def _copy_events(source: Connection, target: Connection, cut: Cut) -> None:
    counts = "coalesce(arrived, at) <= :at" if cut.event is None else "pk <= :event"
    place = ", ".join(f"iif(positioned <= :at, {each}, NULL)" for each in _PLACE)
    marks = ", ".join("?" * (len(_EVENT.split()) + len(_PLACE)))
    target.executemany(
        f"INSERT INTO event ({_EVENT}, {', '.join(_PLACE)}) VALUES ({marks})",
        source.execute(
            f"SELECT {_EVENT}, {place} FROM event WHERE {counts} ORDER BY pk",
            {"at": cut.at, "event": cut.event},
        ),
    )
    _insert(
        target,
        "arrival",
        source.execute("SELECT * FROM arrival WHERE at <= ?", (cut.at,)),
    )


def _copy_reports(source: Connection, target: Connection, at: int) -> None:
    """Copy what had been reported; the owners have other keys there."""
    keys = {}
    for owner in ("model", "task"):
        there = dict(target.execute(f"SELECT id, pk FROM {owner}").fetchall())
        here = source.execute(f"SELECT pk, id FROM {owner}")
        keys[owner] = {pk: there[each] for pk, each in here if each in there}
    for table in _OF_OWNERS:
        rows = source.execute(f"SELECT * FROM {table} WHERE at <= ?", (at,))
        _insert(target, table, _with_owners(rows, keys))
    _insert(target, "series", _with_owners(source.execute("SELECT * FROM series"), keys))
    known = {pk for (pk,) in target.execute("SELECT pk FROM series")}
    points = source.execute(
        "SELECT p.* FROM scalar p JOIN series s ON s.pk = p.series WHERE s.epoch + p.ms <= ?",
        (at // 1_000,),
    )
    _insert(target, "scalar", (row for row in points if row[0] in known))
    target.execute("DELETE FROM series WHERE pk NOT IN (SELECT series FROM scalar)")
    for (series,) in target.execute("SELECT pk FROM series").fetchall():
        report_rows.count_points(target, series)
    report_rows.touch_reported(target)


def _with_owners(
    rows: sqlite3.Cursor, keys: dict[str, dict[int, int]]
) -> Iterator[tuple[Any, ...]]:
    """Yield rows with the keys of their owners in another database, without those of no owner."""
    names = [each[0] for each in rows.description]
    model, task = names.index("model"), names.index("task")
    for row in rows:
        owner = [*row]
        owner[model] = keys["model"].get(row[model])
        owner[task] = keys["task"].get(row[task])
        if owner[model] is not None or owner[task] is not None:
            yield tuple(owner)
