"""Make a database as it was at some time: the events that were known then, folded.

Most models and tasks did not change since, so the database is copied whole, page by page, with its
indexes. In the copy, what came later is deleted, and the events of the models and tasks that
changed are judged and folded again. So it costs a copy, and little for each change since. What has
no events stays: facts about bytes as they are now, and what had been reported until then. Reported
values that were replaced or deleted since are not known any more. Tables of users stay as they are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from localreg.store.database.backup import PAGES_AT_ONCE
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated
from localreg.store.events.refolding import fold_unit, units
from localreg.store.rows import report_rows
from localreg.store.rows.folded_rows import FoldedRows
from localreg.store.rows.known_schema import known_objects
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection

# What is not of the past: what this registry does now, and what it knows of other places.
_OF_NOW = (
    "forgotten", "known_file", "open_dataset_file", "open_dataset", "upload", "refolded",
    "mirrored", "remote_gap", "remote_report", "remote_deletion", "remote",
)  # fmt: skip
# The tables of models and tasks, by the column that names the owner: its key, or its id.
_BY_KEY = {
    "model": ("weights", "metadata", "model_tag", "design", "signature"),
    "task": ("task_tag", "task_design", "task_model", "parameter", "configuration", "artifact"),
}
_BY_ID = {
    "project_id": "id", "tombstone": "id", "claim": "model", "addition": "subject",
    "writer": "subject",
}  # fmt: skip
_MUCH = 10  # one of so many events is later: then much changed
_REPORTED = ("single", "plot", "message", "reported")
_JOURNAL_BYTES = 18  # where the header of an SQLite database says which journal it has


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
        source: the other one, in a transaction.
        path: the new database; delete it after an error.
        cut: what counts.
    """
    with translated(path):
        _copy(source, path)
        opened = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        with closing(opened) as target:
            target.execute("PRAGMA journal_mode = OFF")  # it is thrown away after an error
            target.execute("PRAGMA synchronous = OFF")
            target.execute("PRAGMA trusted_schema = OFF")
            target.execute("BEGIN")
            _note_changed(target, cut)
            with _indexes_made_later(target):
                _delete_later(target, cut)
            target.execute("COMMIT")
            target.execute("PRAGMA foreign_keys = ON")  # a removal deletes what belongs to a model
            target.execute("BEGIN")
            _fold_changed(target)
            _drop_unused(target)
            report_rows.touch_reported(target)
            target.execute("COMMIT")


def _copy(source: Connection, path: Path) -> None:
    """Copy a database, with what its log has, to a file that needs no log."""
    path.touch(mode=0o600, exist_ok=False)
    source.execute("SELECT 1 FROM setting").fetchone()  # all pages are those of this moment
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=PAGES_AT_ONCE, sleep=0)
    # The copy of a database with a log says that it has one: SQLite would make it, beside the copy.
    with open(path, "r+b") as file:
        file.seek(_JOURNAL_BYTES)
        file.write(b"\x01\x01")


def _note_changed(target: Connection, cut: Cut) -> None:
    """Note later events, and subjects that may have been different: all others are as they are now.

    No index has the time at which an event came here. So all events are read, once.
    """
    target.execute("CREATE TEMP TABLE later (event INTEGER PRIMARY KEY, counts INTEGER NOT NULL)")
    target.execute(
        f"INSERT INTO later SELECT pk, {cut.counts} FROM event "
        f"WHERE NOT {cut.counts} OR positioned > :at",
        cut.values,
    )
    target.execute("CREATE TEMP TABLE changed (id TEXT PRIMARY KEY) WITHOUT ROWID")
    add = "INSERT OR IGNORE INTO changed"
    target.execute(f"{add} SELECT e.subject FROM later l JOIN event e ON e.pk = l.event")
    for which in ("old", "new"):  # that counts as a change of the models
        target.execute(
            f"{add} SELECT json_extract(e.payload, '$.{which}') AS model "
            "FROM later l JOIN event e ON e.pk = l.event "
            "WHERE l.counts = 0 AND e.kind = 'alias.set' AND model IS NOT NULL"
        )
    for owner in ("model", "task"):
        target.execute(
            f"{add} SELECT o.id FROM reported r JOIN {owner} o ON o.pk = r.{owner} WHERE r.at > ?",
            (cut.at,),
        )
    # Removed here only, which no event says: then they were there. Projects are few.
    target.execute(f"{add} SELECT model FROM forgotten")
    target.execute(f"{add} SELECT id FROM project_id")


@contextmanager
def _indexes_made_later(target: Connection) -> Iterator[None]:
    """If much changed, drop the indexes and make them at once at the end: row by row is slower."""
    much, last = target.execute(
        f"SELECT (SELECT count(*) FROM later) * {_MUCH}, (SELECT max(pk) FROM event)"
    ).fetchone()
    indexes = (
        [each for each in known_objects() if each.kind == "index"] if much > (last or 0) else []
    )
    for each in indexes:
        target.execute(f"DROP INDEX {each.name}")
    yield
    for each in indexes:
        target.execute(each.sql)


def _delete_later(target: Connection, cut: Cut) -> None:
    """Delete what came later, and what belongs to that which changed.

    Models and tasks that changed stay: so they keep their keys, by which reports name them.
    """
    # Nothing is written to it later, and so SQLite makes no files beside it.
    target.execute("INSERT OR REPLACE INTO setting VALUES ('journal', 'truncate')")
    for table in _OF_NOW:
        target.execute(f"DELETE FROM {table}")
    _delete_aliases(target)
    for table, column in _BY_ID.items():
        target.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM changed)")
    for owner, tables in _BY_KEY.items():
        keys = f"SELECT pk FROM {owner} WHERE id IN (SELECT id FROM changed)"
        for table in tables:
            target.execute(f"DELETE FROM {table} WHERE {owner} IN ({keys})")
    _delete_events(target)
    _delete_owners(target)
    for table in (*_REPORTED, "arrival"):
        target.execute(f"DELETE FROM {table} WHERE at > ?", (cut.at,))
    _delete_points(target, cut.at // 1_000)


def _delete_aliases(target: Connection) -> None:
    lines: set[tuple[str, str, str]] = set()
    settings = target.execute(
        "SELECT field, payload FROM event WHERE kind IN ('alias.set', 'alias.protected') "
        "AND subject IN (SELECT id FROM changed) GROUP BY subject"
    )
    for alias, payload in settings:
        found = json.loads(payload)
        lines.add((found["project"] or "", found["name"], alias))
    for table in ("alias", "gate"):
        target.executemany(
            f"DELETE FROM {table} WHERE project = (SELECT pk FROM project WHERE name = ?) "
            "AND name = ? AND alias = ?",
            lines,
        )
    for which in ("old", "new"):
        target.execute(
            "DELETE FROM alias_event WHERE (model, event) IN ("
            f"SELECT json_extract(payload, '$.{which}'), event_id FROM event "
            "WHERE kind = 'alias.set' AND subject IN (SELECT id FROM changed))"
        )


def _delete_events(target: Connection) -> None:
    """Delete the later events, and the later places of the others."""
    guards = [each for each in known_objects() if each.kind == "trigger"]
    for guard in guards:
        target.execute(f"DROP TRIGGER {guard.name}")
    target.execute(
        "UPDATE event SET (remote, position, positioned) = (NULL, NULL, NULL) "
        "WHERE pk IN (SELECT event FROM later WHERE counts)"
    )
    target.execute("DELETE FROM event WHERE pk IN (SELECT event FROM later WHERE NOT counts)")
    for guard in guards:
        target.execute(guard.sql)


def _delete_owners(target: Connection) -> None:
    """Delete the models and tasks that were made later, with their reports.

    What else they had is deleted. Without foreign keys SQLite does not look for it once more.
    """
    for owner in ("model", "task"):
        gone = (
            f"(SELECT o.pk FROM changed CROSS JOIN {owner} o USING (id) "
            "WHERE NOT EXISTS (SELECT 1 FROM event WHERE event_id = o.id))"
        )
        series = f"SELECT pk FROM series WHERE {owner} IN {gone}"
        target.execute(f"DELETE FROM scalar WHERE series IN ({series})")
        for table in ("series", *_REPORTED):
            target.execute(f"DELETE FROM {table} WHERE {owner} IN {gone}")
        target.execute(f"DELETE FROM {owner} WHERE pk IN {gone}")


def _delete_points(target: Connection, ms: int) -> None:
    """Delete the points that came later, and the series that have no others."""
    target.execute(
        "CREATE TEMP TABLE shortened AS SELECT pk, ? - epoch AS ms FROM series s WHERE EXISTS "
        "(SELECT 1 FROM scalar p WHERE p.series = s.pk AND p.ms > ? - s.epoch)",
        (ms, ms),
    )
    for series, last in target.execute("SELECT pk, ms FROM shortened"):
        target.execute("DELETE FROM scalar WHERE series = ? AND ms > ?", (series, last))
        report_rows.count_points(target, series)
        target.execute("DELETE FROM series WHERE pk = ? AND points = 0", (series,))


def _fold_changed(target: Connection) -> None:
    """Fold what changed, from the events that count."""
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
    added = "AND pk NOT IN (SELECT tag FROM addition)"  # which has no index of them
    _drop_unnamed(target, "tag", ("model_tag", "task_tag"), added)
    users = ("project_id", "model", "task", "alias", "gate", "claim", "tombstone")
    _drop_unnamed(target, "project", users, "AND pk > 0")


def _drop_unnamed(target: Connection, table: str, users: Sequence[str], which: str) -> None:
    """Delete the rows that other tables do not name; these have an index of the column."""
    unnamed = " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {user} WHERE {table} = main.{table}.pk)" for user in users
    )
    target.execute(f"DELETE FROM {table} WHERE {unnamed} {which}")
