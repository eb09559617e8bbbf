"""Write a new database that MLflow opens, in the schema of its release 3.17.

`mlflow_schema.sql` is the schema. MLflow compares nothing but the version in it: a release that has
another one asks for ``mlflow db upgrade``.

The file is written into a folder that nothing reads until it is complete. So it needs no journal.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from localreg.values.frozen import Frozen

VERSION = "dc11669786a5"  # of the schema, as MLflow's migrations call it
_SCHEMA = Path(__file__).with_name("mlflow_schema.sql")
_INDEXES = "\n-- Indexes.\n"
_LARGEST = 1.7976931348623157e308  # for infinity, which MLflow's tables do not hold
_CACHE = -65_536  # kilobytes


class MlflowRun(Frozen, kw_only=True):
    """A run as MLflow keeps it.

    Attributes:
        id: 32 hex digits.
        experiment: the number of its experiment.
        status: "SCHEDULED", "RUNNING", "FINISHED", "FAILED" or "KILLED".
        start, end: milliseconds since 1970.
        artifacts: the URI of the folder of its artifacts.
        params, tags: texts by name.
    """

    id: str
    experiment: int
    name: str
    user: str
    script: str
    commit: str
    status: str
    start: int
    end: int | None
    artifacts: str
    params: Mapping[str, str]
    tags: Mapping[str, str]


class MlflowVersion(Frozen, kw_only=True):
    """A version of a registered model as MLflow keeps it.

    Attributes:
        model: the name of the registered model.
        created, updated: milliseconds since 1970.
        stage: "None" or "Archived".
        source: the URI of the folder of its files.
        run: the id of a run, or None.
    """

    model: str
    number: int
    created: int
    updated: int
    description: str | None
    stage: str
    source: str
    run: str | None
    tags: Mapping[str, str]


class MlflowDatabase:
    """A new database; it is complete after `finish`.

    Args:
        path: a new file, in a folder that is thrown away after an error.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        tables, _, self._indexes = _SCHEMA.read_text(encoding="utf-8").partition(_INDEXES)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(f"PRAGMA cache_size = {_CACHE}")
        self._connection.execute("BEGIN")
        self._run(tables)
        self._connection.execute("INSERT INTO alembic_version VALUES (?)", (VERSION,))
        self._connection.execute("INSERT INTO workspaces (name) VALUES ('default')")

    def finish(self) -> None:
        """Make the indexes, and commit."""
        self._run(self._indexes)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _run(self, statements: str) -> None:
        """Run statements within the transaction; `executescript` would end it."""
        held = ""
        for line in statements.splitlines(keepends=True):
            held += line
            if sqlite3.complete_statement(held):
                self._connection.execute(held)
                held = ""

    def add_experiment(
        self, number: int, name: str, artifacts: str, created: int, tags: Mapping[str, str]
    ) -> None:
        """Add an experiment.

        Args:
            number: its id; 0 for the one that MLflow calls "Default".
            artifacts: the URI of the folder for its runs.
            created: milliseconds since 1970.
        """
        self._connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
            "creation_time, last_update_time) VALUES (?, ?, ?, 'active', ?, ?)",
            (number, name, artifacts, created, created),
        )
        self._connection.executemany(
            "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)",
            ((key, value, number) for key, value in tags.items()),
        )

    def add_run(self, run: MlflowRun) -> None:
        """Add a run with its parameters and tags."""
        execute, many = self._connection.execute, self._connection.executemany
        execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, "
            "user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, "
            "experiment_id) VALUES (?, ?, 'LOCAL', ?, '', ?, ?, ?, ?, ?, 'active', ?, ?)",
            (run.id, run.name, run.script, run.user, run.status, run.start, run.end, run.commit,
             run.artifacts, run.experiment),
        )  # fmt: skip
        many(
            "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
            ((key, value, run.id) for key, value in run.params.items()),
        )
        many(
            "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
            ((key, value, run.id) for key, value in run.tags.items()),
        )

    def add_points(
        self, run: str, key: str, points: Sequence[tuple[int, float | None, int]]
    ) -> None:
        """Add points of one metric of a run, after those that were added before.

        Args:
            points: step, value and milliseconds since 1970, by ascending step; None is NaN.
        """
        self._connection.executemany(
            "INSERT INTO metrics (key, run_uuid, step, timestamp, value, is_nan) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            ((key, run, step, ms, _number(value), _is_nan(value)) for step, value, ms in points),
        )
        for step, value, ms in points[-1:]:
            self._connection.execute(
                "INSERT OR REPLACE INTO latest_metrics (key, run_uuid, step, timestamp, value, "
                "is_nan) VALUES (?, ?, ?, ?, ?, ?)",
                (key, run, step, ms, _number(value), _is_nan(value)),
            )

    def add_model(self, name: str, created: int, updated: int, tags: Mapping[str, str]) -> None:
        """Add a registered model; times are milliseconds since 1970."""
        self._connection.execute(
            "INSERT INTO registered_models (name, creation_time, last_updated_time) "
            "VALUES (?, ?, ?)",
            (name, created, updated),
        )
        self._connection.executemany(
            "INSERT INTO registered_model_tags (key, value, name) VALUES (?, ?, ?)",
            ((key, value, name) for key, value in tags.items()),
        )

    def add_version(self, version: MlflowVersion) -> None:
        """Add a version of a registered model that was added before."""
        self._connection.execute(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, "
            "description, current_stage, source, run_id, status, storage_location) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'READY', ?)",
            (version.model, version.number, version.created, version.updated, version.description,
             version.stage, version.source, version.run, version.source),
        )  # fmt: skip
        self._connection.executemany(
            "INSERT INTO model_version_tags (key, value, name, version) VALUES (?, ?, ?, ?)",
            ((key, value, version.model, version.number) for key, value in version.tags.items()),
        )

    def add_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias of a registered model at a version."""
        self._connection.execute(
            "INSERT INTO registered_model_aliases (alias, version, name) VALUES (?, ?, ?)",
            (alias, number, model),
        )


def _number(value: float | None) -> float:
    """Return a number as MLflow keeps it."""
    if value is None or math.isnan(value):
        return 0.0
    return math.copysign(_LARGEST, value) if math.isinf(value) else value


def _is_nan(value: float | None) -> bool:
    return value is None or math.isnan(value)
