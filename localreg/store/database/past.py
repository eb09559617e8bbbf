"""Make a database as it was at some time: the events that were known then, folded.

Most models and tasks did not change since: their rows are copied. The events of the others, without
those that came later, are judged and folded again. What has no events is copied, too: facts about
bytes as they are now, and what had been reported until then. Reported values that were replaced or
deleted since are not known any more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from localreg.store.database.opening import APPLICATION_ID, FORMAT_VERSION
from localreg.store.database.sqlite_errors import translated
from localreg.store.events.refolding import fold_unit, units
from localreg.store.rows import event_rows, report_rows
from localreg.store.rows.folded_rows import FoldedRows
from localreg.store.rows.known_schema import known_objects
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection
Row = tuple["Any", ...]

_WHOLE = (
    "actor", "origin", "project", "tag", "blob", "tree_file", "unpacked", "url", "private_url",
    "task_place", "trusted_key", "gate_passed",
)  # fmt: skip
# The tables of models and tasks, by the column that names the owner: its key, or its id.
_BY_KEY = {
    "model": ("weights", "metadata", "model_tag", "design", "signature"),
    "task": ("task_tag", "task_design", "task_model", "parameter", "configuration", "artifact"),
}
_BY_ID = {
    "model": "id", "task": "id", "tombstone": "id", "claim": "model", "addition": "subject",
    "writer": "subject",
}  # fmt: skip
_REPORTED = ("single", "plot", "message", "reported")
_EVENT = (
    "pk, event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, subject, field, payload, "
    "arrived, outcome"
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

    @property
    def counts(self) -> str:
        """The condition, in SQL, for the events that count; its parameters are `values`."""
        return "coalesce(arrived, at) <= :at" if self.event is None else "pk <= :event"

    @property
    def values(self) -> dict[str, int | None]:
        """The parameters of `counts`."""
        return {"at": self.at, "event": self.event}


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
            target.execute("BEGIN")
            _make_schema(target, indexes=False)
            _copy_settings(source, target)
            for table in _WHOLE:
                _insert(target, table, source.execute(f"SELECT * FROM {table}"))
            changed = _changed_since(source, cut)
            _copy_events(source, target, cut)
            _copy_state(source, target, changed)
            _make_schema(target, indexes=True)  # at once, which is faster than row by row
            target.execute("COMMIT")
            target.execute("PRAGMA foreign_keys = ON")  # a removal deletes what belongs to a model
            target.execute("BEGIN")
            subjects = [each for each in event_rows.subjects(target) if each in changed]
            rows = FoldedRows(target)
            for subject, logged in units(target, subjects):
                fold_unit(rows, subject, logged)
            rows.write()
            _drop_unused(target)
            _copy_reports(source, target, cut.at)
            target.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            target.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            target.execute("COMMIT")


def _make_schema(target: Connection, *, indexes: bool) -> None:
    for each in known_objects():
        if (each.kind == "index") is indexes:
            target.execute(each.sql)


def _insert(target: Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    count = len(target.execute(f"PRAGMA table_info({table})").fetchall())
    marks = ", ".join("?" * count)
    target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _copy_settings(source: Connection, target: Connection) -> None:
    _insert(target, "setting", source.execute("SELECT * FROM setting WHERE name <> 'journal'"))
    # Nothing is written to it later, and so SQLite makes no files beside it.
    target.execute("INSERT INTO setting VALUES ('journal', 'truncate')")


def _changed_since(source: Connection, cut: Cut) -> set[str]:
    """Return the subjects that may have been different then: all others are as they are now."""
    later = source.execute(
        f"SELECT subject, iif(kind = 'alias.set', payload, NULL) FROM event WHERE NOT {cut.counts}",
        cut.values,
    )
    changed: set[str] = set()
    for subject, payload in later:
        changed.add(subject)
        if payload is not None:  # that counts as a change of the models
            found = json.loads(payload)
            changed |= {found.get("old"), found.get("new")} - {None}
    changed.update(_column(source, "SELECT subject FROM event WHERE positioned > ?", cut.at))
    for owner in ("model", "task"):
        changed.update(
            _column(
                source,
                f"SELECT o.id FROM reported r JOIN {owner} o ON o.pk = r.{owner} WHERE r.at > ?",
                cut.at,
            )
        )
    # Removed here only, which no event says: then they were there. Projects are few.
    changed.update(_column(source, "SELECT model FROM forgotten"))
    changed.update(_column(source, "SELECT id FROM project_id"))
    return changed


def _column(source: Connection, sql: str, *values: object) -> Iterator[str]:
    for (value,) in source.execute(sql, values):
        yield value


def _copy_events(source: Connection, target: Connection, cut: Cut) -> None:
    place = ", ".join(f"iif(positioned <= :at, {each}, NULL)" for each in _PLACE)
    marks = ", ".join("?" * (len(_EVENT.split()) + len(_PLACE)))
    target.executemany(
        f"INSERT INTO event ({_EVENT}, {', '.join(_PLACE)}) VALUES ({marks})",
        source.execute(
            f"SELECT {_EVENT}, {place} FROM event WHERE {cut.counts} ORDER BY pk", cut.values
        ),
    )
    _insert(target, "arrival", source.execute("SELECT * FROM arrival WHERE at <= ?", (cut.at,)))


def _copy_state(source: Connection, target: Connection, changed: set[str]) -> None:
    """Copy the rows of what did not change."""
    for table, column in _BY_ID.items():
        _insert(target, table, _others(source, f"SELECT * FROM {table}", column, changed))
    for owner, tables in _BY_KEY.items():
        keys = {pk for pk, each in source.execute(f"SELECT pk, id FROM {owner}") if each in changed}
        for table in tables:
            _insert(target, table, _others(source, f"SELECT * FROM {table}", owner, keys))
    _copy_aliases(source, target, changed)


def _copy_aliases(source: Connection, target: Connection, changed: set[str]) -> None:
    lines: set[tuple[str, str, str]] = set()
    settings = source.execute(
        "SELECT subject, field, payload FROM event "
        "WHERE kind IN ('alias.set', 'alias.protected') GROUP BY subject"
    )
    for subject, alias, payload in settings:
        if subject in changed:
            found = json.loads(payload)
            lines.add((found["project"] or "", found["name"], alias))
    for table in ("alias", "gate"):
        rows = source.execute(
            f"SELECT p.name, a.* FROM {table} a JOIN project p ON p.pk = a.project"
        ).fetchall()
        _insert(
            target,
            table,
            (row for project, *row in rows if (project, row[1], row[2]) not in lines),
        )
    named = source.execute(
        "SELECT e.subject, n.* FROM alias_event n JOIN event e ON e.event_id = n.event"
    )
    _insert(target, "alias_event", (row for subject, *row in named if subject not in changed))


def _others(
    source: Connection, sql: str, column: str, without: set[str] | set[int]
) -> Iterator[Row]:
    """Yield the rows of a query, without those with some values of a column."""
    rows = source.execute(sql)
    place = [each[0] for each in rows.description].index(column)
    for row in rows:
        if row[place] not in without:
            yield row


def _drop_unused(target: Connection) -> None:
    """Delete the names of tags and projects that were made later, and checks of later gates."""
    target.execute("DELETE FROM gate_passed WHERE gate NOT IN (SELECT event FROM gate)")
    target.execute(
        "DELETE FROM tag WHERE pk NOT IN (SELECT tag FROM model_tag UNION SELECT tag FROM task_tag "
        "UNION SELECT tag FROM addition)"
    )
    target.execute(
        "DELETE FROM project WHERE pk > 0 AND pk NOT IN (SELECT project FROM project_id "
        "UNION SELECT project FROM model UNION SELECT project FROM task UNION "
        "SELECT project FROM alias UNION SELECT project FROM gate UNION SELECT project FROM claim "
        "UNION SELECT project FROM tombstone)"
    )


def _copy_reports(source: Connection, target: Connection, at: int) -> None:
    """Copy what had been reported; some owners have other keys there."""
    keys = {}
    for owner in ("model", "task"):
        there = dict(target.execute(f"SELECT id, pk FROM {owner}").fetchall())
        here = source.execute(f"SELECT pk, id FROM {owner}")
        keys[owner] = {pk: there[each] for pk, each in here if each in there}
    for table in _REPORTED:
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


def _with_owners(rows: sqlite3.Cursor, keys: dict[str, dict[int, int]]) -> Iterator[Row]:
    """Yield rows with the keys of their owners in another database, without those of no owner."""
    names = [each[0] for each in rows.description]
    model, task = names.index("model"), names.index("task")
    for row in rows:
        owner = [*row]
        owner[model] = keys["model"].get(row[model])
        owner[task] = keys["task"].get(row[task])
        if owner[model] is not None or owner[task] is not None:
            yield tuple(owner)
