"""The tables of a database of Trackio.

One file is one project. Versions before 0.24 knew a run by its name only; later ones have a
`run_id` in each table of runs. Tables and columns that a version does not have are left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from localreg.filesystem.plain_files import open_found
from localreg.store.foreign.opening import is_sqlite, tables

Row = Mapping[str, object]

# Columns of the tables that are read, and what puts the rows into the order of an index.
_TABLES = {
    "metrics": (("timestamp", "step", "metrics"), "step, rowid"),
    "system_metrics": (("timestamp", "metrics"), "timestamp, rowid"),
    "configs": (("config", "created_at"), "rowid"),
    "alerts": (("timestamp", "title", "text", "level", "step"), "timestamp, rowid"),
    "traces": (("id",), "rowid"),
    "artifacts": (("id", "name", "type", "description"), "rowid"),
    "artifact_versions": (
        ("id", "artifact_id", "version", "manifest", "metadata", "producer_run_id",
         "producer_run_name", "created_at"),
        "artifact_id, version",
    ),
    "artifact_aliases": (("alias", "artifact_version_id"), "alias"),
    "run_artifact_links": (
        ("run_id", "run_name", "artifact_version_id", "direction", "run_project"), "rowid",
    ),
    "external_run_artifact_links": (("id",), "rowid"),
}  # fmt: skip
_TIMES = {"metrics": "timestamp", "system_metrics": "timestamp", "configs": "created_at"}


def is_trackio(path: Path) -> bool:
    """Return True if a path is an SQLite file with the tables of Trackio; it raises nothing."""
    if not is_sqlite(path):
        return False
    try:
        # Immutable: SQLite writes nothing beside it.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = tables(connection)
    except (sqlite3.Error, ValueError, OSError):
        return _is_in_log(path)
    return _has_runs(found) or _is_in_log(path)


def _has_runs(found: Mapping[str, frozenset[str]]) -> bool:
    wanted = {"timestamp", "run_name", "step", "metrics"}
    return wanted <= found.get("metrics", frozenset()) and "configs" in found


def _is_in_log(path: Path) -> bool:
    """Return True if the tables are still in the write-ahead log."""
    log = path.with_name(f"{path.name}-wal")
    try:
        with open_found(log) as reader:
            start = reader.read(1_000_000)
    except (OSError, ValueError):
        return False
    return b"CREATE TABLE system_metrics" in start and b"run_name TEXT" in start


class TrackioTables:
    """Reads an open database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look at the tables of a connection that `opened_foreign` made."""
        self._connection = connection
        self._known = tables(connection)

    def is_whole(self) -> bool:
        """Return True if it has the tables of Trackio."""
        return _has_runs(self._known)

    def runs(self) -> Iterator[tuple[object, object, object, object]]:
        """Yield key, name, and first and last time of the runs; a run may come several times."""
        for table, time in _TIMES.items():
            key = self._key(table)
            if key is not None and time in self._known[table]:
                yield from self._connection.execute(
                    f"SELECT {key}, max(run_name), min({time}), max({time}) FROM {table} "
                    f"GROUP BY {key}"
                )

    def rows(self, table: str, run: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, or those of one run, by the names of the columns."""
        key = self._key(table)
        if run is not None and key is None:
            return
        wanted, order = _TABLES[table]
        known = self._known.get(table, frozenset())
        columns = [each for each in wanted if each in known]
        if not columns:
            return
        where = "" if run is None else f"WHERE {key} = ?"
        statement = f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY {order}"
        for found in self._connection.execute(statement, () if run is None else (run,)):
            yield dict(zip(columns, found, strict=True))

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        if table not in self._known:
            return 0
        found = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(found[0])

    def _key(self, table: str) -> str | None:
        known = self._known.get(table, frozenset())
        return next((each for each in ("run_id", "run_name") if each in known), None)
