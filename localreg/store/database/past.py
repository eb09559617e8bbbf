"""Make a database as it was at some time: the events that were known then, folded.

Most models and tasks did not change since: their rows are copied. The events of the others, without
those that came later, are judged and folded again. What has no events is copied, too: facts about
bytes as they are now, and what had been reported until then. Reported values that were replaced or
deleted since are not known any more.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from localreg.store.database.opening import APPLICATION_ID, FORMAT_VERSION
from localreg.store.database.same_file import OpenedConnection
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated
from localreg.store.events.refolding import fold_unit, units
from localreg.store.rows import report_rows
from localreg.store.rows.folded_rows import FoldedRows
from localreg.store.rows.known_schema import known_objects
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection

_WHOLE = (
    "actor", "origin", "project", "tag", "blob", "tree_file", "unpacked", "url", "private_url",
    "task_place", "trusted_key", "gate_passed",
)  # fmt: skip
# The tables of models and tasks, by the column that names the owner: its key, or its id.
_BY_KEY = {
    "model": ("weights", "metadata", "model_tag", "design", "signature"),
    "task": ("task_tag", "task_design", "task_model", "parameter", "configuration", "artifact"),
}
_BY_ID = {"tombstone": "id", "claim": "model", "addition": "subject", "writer": "subject"}
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
        source: the other one as it was opened, in a transaction that has read nothing: its database
            is read by the connection that makes the new one, so that SQLite copies the rows itself.
        path: the new database; delete it after an error.
        cut: what counts.
    """
    assert isinstance(source, OpenedConnection)
    with translated(path):
        path.touch(mode=0o600, exist_ok=False)
        opened = sqlite3.connect(path, isolation_level=None, uri=True, timeout=BUSY_SECONDS)
        with closing(opened) as target:
            target.execute("PRAGMA journal_mode = OFF")  # it is thrown away after an error
            target.execute("PRAGMA synchronous = OFF")
            target.execute("PRAGMA trusted_schema = OFF")
            target.execute("ATTACH ? AS present", (source.uri,))
            target.execute("BEGIN")
            _make_schema(target, indexes=False)
            _note_changed(target, cut)
            _copy(target, cut)
            _make_schema(target, indexes=True)  # at once, which is faster than row by row
            target.execute("COMMIT")
            target.execute("DETACH present")
            target.execute("PRAGMA foreign_keys = ON")  # a removal deletes what belongs to a model
            target.execute("BEGIN")
            _fold_changed(target)
            _drop_unused(target)
            _count_points(target)
            report_rows.touch_reported(target)
            target.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            target.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            target.execute("COMMIT")


def _make_schema(target: Connection, *, indexes: bool) -> None:
    for each in known_objects():
        if (each.kind == "index") is indexes:
            target.execute(each.sql)


def _note_changed(target: Connection, cut: Cut) -> None:
    """Note the subjects that may have been different then: all others are as they are now."""
    target.execute("CREATE TEMP TABLE changed (id TEXT PRIMARY KEY) WITHOUT ROWID")
    add = "INSERT OR IGNORE INTO changed"
    target.execute(f"{add} SELECT subject FROM present.event WHERE NOT {cut.counts}", cut.values)
    for which in ("old", "new"):  # that counts as a change of the models
        target.execute(
            f"{add} SELECT json_extract(payload, '$.{which}') AS model FROM present.event "
            f"WHERE NOT {cut.counts} AND kind = 'alias.set' AND model IS NOT NULL",
            cut.values,
        )
    target.execute(f"{add} SELECT subject FROM present.event WHERE positioned > ?", (cut.at,))
    for owner in ("model", "task"):
        target.execute(
            f"{add} SELECT o.id FROM present.reported r JOIN present.{owner} o ON o.pk = r.{owner} "
            "WHERE r.at > ?",
            (cut.at,),
        )
    # Removed here only, which no event says: then they were there. Projects are few.
    target.execute(f"{add} SELECT model FROM present.forgotten")
    target.execute(f"{add} SELECT id FROM present.project_id")


def _copy(target: Connection, cut: Cut) -> None:
    """Copy what counts, except what belongs to that which changed."""
    _insert(target, "setting", "WHERE name <> 'journal'")
    # Nothing is written to it later, and so SQLite makes no files beside it.
    target.execute("INSERT INTO setting VALUES ('journal', 'truncate')")
    # Models and tasks that changed, too: so they keep their keys, by which reports name them.
    for table in (*_WHOLE, "model", "task"):
        _insert(target, table)
    place = ", ".join(f"iif(positioned <= :at, {each}, NULL)" for each in _PLACE)
    target.execute(
        f"INSERT INTO event ({_EVENT}, {', '.join(_PLACE)}) "
        f"SELECT {_EVENT}, {place} FROM present.event WHERE {cut.counts} ORDER BY pk",
        cut.values,
    )
    for table in ("arrival", *_REPORTED):
        _insert(target, table, "WHERE at <= ?", cut.at)
    for table, column in _BY_ID.items():
        _insert(target, table, f"WHERE {column} NOT IN (SELECT id FROM changed)")
    for owner, tables in _BY_KEY.items():
        keys = f"SELECT pk FROM present.{owner} WHERE id IN (SELECT id FROM changed)"
        for table in tables:
            _insert(target, table, f"WHERE {owner} NOT IN ({keys})")
    _copy_aliases(target)
    _insert(target, "series")
    target.execute(
        "INSERT INTO scalar SELECT p.* FROM present.series s JOIN present.scalar p "
        "ON p.series = s.pk WHERE s.epoch + p.ms <= ?",
        (cut.at // 1_000,),
    )


def _insert(target: Connection, table: str, which: str = "", *values: object) -> None:
    """Copy the rows of a table; `which` is the end of a query, with its values."""
    target.execute(f"INSERT INTO main.{table} SELECT * FROM present.{table} {which}", values)


def _copy_aliases(target: Connection) -> None:
    lines: set[tuple[str, str, str]] = set()
    settings = target.execute(
        "SELECT field, payload FROM present.event WHERE kind IN ('alias.set', 'alias.protected') "
        "AND subject IN (SELECT id FROM changed) GROUP BY subject"
    )
    for alias, payload in settings:
        found = json.loads(payload)
        lines.add((found["project"] or "", found["name"], alias))
    for table in ("alias", "gate"):
        rows = target.execute(
            f"SELECT p.name, a.* FROM present.{table} a JOIN present.project p ON p.pk = a.project"
        ).fetchall()
        for project, *row in rows:
            if (project, row[1], row[2]) not in lines:
                marks = ", ".join("?" * len(row))
                target.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    target.execute(
        "INSERT INTO alias_event SELECT n.* FROM present.alias_event n "
        "JOIN present.event e ON e.event_id = n.event "
        "WHERE e.subject NOT IN (SELECT id FROM changed)"
    )


def _fold_changed(target: Connection) -> None:
    """Fold what changed, from the events that count; delete what was made later, with reports."""
    for owner in ("model", "task"):
        target.execute(
            f"DELETE FROM {owner} WHERE id IN (SELECT id FROM changed) "
            f"AND NOT EXISTS (SELECT 1 FROM event WHERE event_id = {owner}.id)"
        )
    subjects = [
        subject
        for (subject,) in target.execute(
            "SELECT subject FROM event WHERE subject IN (SELECT id FROM changed) GROUP BY subject "
            "ORDER BY max(kind = 'project.created') DESC, min(pk)"  # each may name a project
        )
    ]
    rows = FoldedRows(target)
    for subject, logged in units(target, subjects):
        fold_unit(rows, subject, logged)
    rows.write()


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


def _count_points(target: Connection) -> None:
    """Count the points of the series that had others then, and delete those without any."""
    target.execute("DELETE FROM series WHERE pk NOT IN (SELECT series FROM scalar)")
    for (series,) in target.execute("SELECT pk FROM series").fetchall():
        report_rows.count_points(target, series)
