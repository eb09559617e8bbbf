"""The tables of MLflow: `mlflow.db`, as versions 1, 2 and 3 write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from localreg.errors import SourceError
from localreg.store.foreign.opening import is_sqlite, tables
from localreg.values.checks import shown
from localreg.values.mlflow_records import (
    DatasetUse,
    Experiment,
    LoggedModel,
    Registered,
    Run,
    RunHead,
    Version,
    source_facts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    Series = tuple[str, Numbers, Numbers, Numbers]  # name, steps, values, milliseconds
    Row = tuple[Any, ...]

_NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "runs": {
        "run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage",
        "artifact_uri",
    },
    "metrics": {"run_uuid", "key", "value", "timestamp"},
    "params": {"run_uuid", "key", "value"},
    "tags": {"run_uuid", "key", "value"},
}  # fmt: skip
_INFINITY = 1.7976931348623157e308  # what MLflow writes for infinity
_ROWS = 50_000
_NUMBERS, _WHOLE = frozenset({int, float}), frozenset({int})
_STATES = {0: "UNSPECIFIED", 1: "PENDING", 2: "READY", 3: "FAILED"}  # of logged models
# What does not come, by its table.
_LEFT = {
    "trace_info": "traces",
    "evaluation_datasets": "evaluation data sets",
    "assessments": "assessments of traces",
    "scorers": "scorers",
    "endpoints": "endpoints of the gateway",
    "webhooks": "webhooks",
    "issues": "issues",
    "label_schemas": "label schemas",
    "review_queues": "review queues",
    "mcp_servers": "MCP servers",
}


def is_mlflow(path: Path) -> bool:
    """Return True if a path is an SQLite file with the tables of MLflow; it raises nothing."""
    if not is_sqlite(path):
        return False
    try:
        # Immutable: SQLite writes nothing beside it.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?, ?, ?)",
                ("experiments", "runs", "metrics", "params"),
            ).fetchone()
    except (sqlite3.Error, ValueError, OSError):
        return False
    return bool(found == (4,))


class MLflowTables:
    """Reads an open database of MLflow."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        """Look at the tables.

        Args:
            connection: from `opened_foreign`.
            place: the file, for messages.

        Raises:
            SourceError: they are not those of MLflow.
        """
        self._connection = connection
        self._place = place
        self._tables = tables(connection)
        for name, columns in _NEEDED.items():
            lacking = sorted(columns - self._tables.get(name, frozenset()))
            if lacking:
                raise self._damaged(f"has no column {lacking[0]} in a table {name}, as MLflow has")

    # --- experiments and runs

    def experiments(self) -> Iterator[Experiment]:
        """Yield the experiments."""
        rows = self._select("experiments", "experiment_id", "name", "lifecycle_stage")
        for number, name, stage in rows:
            experiment = self._whole(number)
            yield Experiment(
                id=str(experiment),
                name=self._text(name),
                active=stage != "deleted",
                tags=self._pairs("experiment_tags", "experiment_id", experiment),
            )

    def runs(self) -> Iterator[RunHead]:
        """Yield what orders the runs."""
        parents = {
            self._text(run): self._text(parent)
            for run, parent in self._select(
                "tags", "run_uuid", "value", where=("key", "mlflow.parentRunId")
            )
        }
        rows = self._select("runs", "run_uuid", "experiment_id", "lifecycle_stage", "start_time")
        for run, experiment, stage, start in rows:
            name = self._text(run)
            yield RunHead(
                name, str(self._whole(experiment)), stage != "deleted", parents.get(name, ""),
                self._whole(start or 0),
            )  # fmt: skip

    def run(self, run_id: str) -> Run:
        """Return a run with all but its metrics."""
        columns = ("run_uuid", "experiment_id", "name", "status", "start_time", "end_time",
                   "lifecycle_stage", "artifact_uri", "user_id", "source_name", "source_type",
                   "source_version", "entry_point_name")  # fmt: skip
        rows = self._select("runs", *columns, where=("run_uuid", run_id))
        if len(rows) != 1:  # its id came from a scan of the table: an index may be damaged
            raise self._damaged(f"has {len(rows):,} rows of the run {shown(run_id)}, and not one")
        _, experiment, name, status, start, end, stage, artifacts, user, *facts = rows[0]
        return Run(
            id=run_id,
            experiment=str(self._whole(experiment)),
            name=self._text(name),
            status=self._text(status),
            active=stage != "deleted",
            user=self._text(user),
            start=self._whole(start or 0),
            end=None if end is None else self._whole(end),
            artifacts=self._text(artifacts),
            tags=self._pairs("tags", "run_uuid", run_id),
            facts=source_facts(*map(self._text, facts)),
            params=self._pairs("params", "run_uuid", run_id),
            datasets=tuple(self._datasets(run_id)),
            inputs=tuple(model for model, _ in self._links(run_id, "RUN_INPUT", "MODEL_INPUT")),
            outputs=tuple(self._links(run_id, "RUN_OUTPUT", "MODEL_OUTPUT")),
        )

    def metric_names(self, run_id: str) -> list[str]:
        """Return the names of the metrics of a run."""
        table = "latest_metrics" if "latest_metrics" in self._tables else "metrics"
        text = f"SELECT DISTINCT key FROM {table} WHERE run_uuid = ? ORDER BY key"
        return [self._text(name) for (name,) in self._rows(text, (run_id,))]

    def series(self, run_id: str) -> Iterator[Series]:
        """Yield the metrics of a run, each with all its points."""
        step, is_nan = (
            each if each in self._tables["metrics"] else "0" for each in ("step", "is_nan")
        )
        cursor = self._connection.execute(
            f"SELECT key, {step}, value, timestamp, {is_nan} FROM metrics"
            " WHERE run_uuid = ? ORDER BY key, 2",
            (run_id,),
        )
        last = ""
        parts: list[tuple[Numbers, Numbers, Numbers]] = []
        while rows := cursor.fetchmany(_ROWS):
            for found, points in groupby(rows, itemgetter(0)):
                name = self._text(found)
                if parts and name != last:
                    yield last, *_joined(parts)
                    parts = []
                last = name
                parts.append(self._points(name, list(points)))
        if parts:
            yield last, *_joined(parts)

    def _points(self, name: str, rows: list[Row]) -> tuple[Numbers, Numbers, Numbers]:
        import numpy as np

        _, steps, values, times, nans = zip(*rows, strict=True)
        if None in values:
            values = tuple(np.nan if each is None else each for each in values)
        if not (
            _NUMBERS.issuperset(map(type, values))
            and _WHOLE.issuperset(map(type, steps))
            and _WHOLE.issuperset(map(type, times))
            and _WHOLE.issuperset(map(type, nans))
        ):
            raise self._damaged(f"has points of the metric {shown(name)} that are no numbers")
        found = np.asarray(values, "f8")
        found[np.asarray(nans, "i8") != 0] = np.nan
        found[found == _INFINITY] = np.inf
        found[found == -_INFINITY] = -np.inf
        return np.asarray(steps, "i8"), found, np.asarray(times, "i8")

    def _datasets(self, run_id: str) -> Iterator[DatasetUse]:
        if not {"datasets", "inputs", "input_tags"} <= self._tables.keys():
            return
        text = """
            SELECT input_uuid, name, digest, dataset_source_type, dataset_source, dataset_schema,
                   dataset_profile
              FROM inputs JOIN datasets ON dataset_uuid = source_id
             WHERE source_type = 'DATASET' AND destination_type = 'RUN' AND destination_id = ?
             ORDER BY name, digest, input_uuid
        """
        for use, name, digest, kind, source, schema, profile in self._rows(text, (run_id,)):
            tags = self._select("input_tags", "name", "value", where=("input_uuid", use))
            yield DatasetUse(
                name=self._text(name),
                digest=self._text(digest),
                source_type=self._text(kind),
                source=self._text(source),
                schema=self._text(schema) or None,
                profile=self._text(profile) or None,
                tags={self._text(key): self._text(value) for key, value in tags},
            )

    def _links(self, run_id: str, source: str, target: str) -> Iterator[tuple[str, int]]:
        """Yield the logged models that a run used or made, with their steps."""
        if "step" not in self._tables.get("inputs", ()):
            return
        text = """
            SELECT destination_id, step FROM inputs
             WHERE source_type = ? AND source_id = ? AND destination_type = ?
             ORDER BY step, destination_id
        """
        for model, step in self._rows(text, (source, run_id, target)):
            yield self._text(model), self._whole(step)

    # --- models

    def logged_models(self) -> Iterator[LoggedModel]:
        """Yield the logged models of MLflow 3, the oldest first."""
        if "logged_models" not in self._tables:
            return
        columns = (
            "model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms",
            "last_updated_timestamp_ms", "status", "model_type", "source_run_id", "lifecycle_stage",
        )  # fmt: skip
        order = ("creation_timestamp_ms", "model_id")
        for row in self._select("logged_models", *columns, order=order):
            model, experiment, name, place, created, updated, status, kind, run, stage = row
            model_id = self._text(model)
            yield LoggedModel(
                id=model_id,
                experiment=str(self._whole(experiment)),
                name=self._text(name),
                location=self._text(place),
                created=self._whole(created),
                updated=self._whole(updated),
                status=_STATES.get(self._whole(status), ""),
                kind=self._text(kind),
                run=self._text(run),
                active=stage != "deleted",
                tags=self._pairs("logged_model_tags", "model_id", model_id, "tag_"),
                params=self._pairs("logged_model_params", "model_id", model_id, "param_"),
                metrics=self._metrics_of_model(model_id),
            )

    def _metrics_of_model(self, model_id: str) -> dict[str, float]:
        rows = self._select(
            "logged_model_metrics", "metric_name", "metric_value", "dataset_name",
            where=("model_id", model_id), order=("metric_step", "metric_timestamp_ms"),
        )  # fmt: skip
        found = {}
        for name, value, dataset in rows:
            if value is not None and type(value) not in _NUMBERS:
                raise self._damaged(f"has a metric {shown(name)} that is no number")
            key = f"{self._text(name)}@{self._text(dataset)}" if dataset else self._text(name)
            found[key] = float("nan") if value is None else float(value)
        return found

    def registered(self) -> Iterator[Registered]:
        """Yield the registered models, by their names."""
        if not {"registered_models", "model_versions"} <= self._tables.keys():
            return
        rows = self._select(
            "registered_models", "name", "creation_time", "description", order=("name",)
        )
        for name, created, description in rows:
            model = self._text(name)
            aliases = self._select(
                "registered_model_aliases", "alias", "version", where=("name", model)
            )
            yield Registered(
                name=model,
                created=self._whole(created or 0),
                description=self._text(description),
                tags=self._pairs("registered_model_tags", "name", model),
                aliases={self._text(alias): self._whole(number) for alias, number in aliases},
                versions=tuple(self._versions(model)),
            )

    def _versions(self, name: str) -> Iterator[Version]:
        tags: dict[int, dict[str, str]] = {}
        for number, key, value in self._select(
            "model_version_tags", "version", "key", "value", where=("name", name)
        ):
            tags.setdefault(self._whole(number), {})[self._text(key)] = self._text(value)
        columns = ("version", "creation_time", "last_updated_time", "description", "user_id",
                   "current_stage", "source", "storage_location", "run_id", "run_link",
                   "status")  # fmt: skip
        rows = self._select("model_versions", *columns, where=("name", name), order=("version",))
        for number, created, updated, *texts in rows:
            # A deleted version stays as a row of this stage.
            description, user, stage, source, location, run, link, status = map(self._text, texts)
            if stage == "Deleted_Internal":
                continue
            yield Version(
                number=self._whole(number),
                created=self._whole(created or 0),
                updated=self._whole(updated or 0),
                description=description,
                user=user,
                stage=stage,
                source=source,
                location=location,
                run=run,
                run_link=link,
                status=status,
                tags=tags.get(number, {}),
            )

    # --- the rest

    def left(self) -> dict[str, int]:
        """Return how many things of kinds that do not come are there."""
        counted = {}
        for table, what in _LEFT.items():
            if table in self._tables:
                ((count,),) = self._rows(f"SELECT count(*) FROM {table}", ())
                counted[what] = count
        if "workspace" in self._tables.get("registered_models", ()):
            text = "SELECT count(*) FROM registered_models WHERE workspace <> 'default'"
            ((counted["registered models of other workspaces"],),) = self._rows(text, ())
        return counted

    # --- rows and values

    def _rows(self, text: str, values: Sequence[object]) -> list[Row]:
        return self._connection.execute(text, values).fetchall()

    def _select(
        self, table: str, *columns: str, where: tuple[str, object] | None = None,
        order: Sequence[str] = (),
    ) -> list[Row]:  # fmt: skip
        """Return rows of a table, none if it is not there; what older files lack is NULL.

        Of several workspaces only the default one is read.
        """
        held = self._tables.get(table)
        if held is None:
            return []
        text = f"SELECT {', '.join(each if each in held else 'NULL' for each in columns)}"
        text += f" FROM {table}"
        conditions = [] if where is None else [f"{where[0]} = ?"]
        if "workspace" in held:
            conditions.append("workspace = 'default'")
        if conditions:
            text += f" WHERE {' AND '.join(conditions)}"
        if order:
            text += f" ORDER BY {', '.join(order)}"
        return self._rows(text, () if where is None else (where[1],))

    def _pairs(self, table: str, column: str, owner: object, prefix: str = "") -> Mapping[str, str]:
        rows = self._select(table, f"{prefix}key", f"{prefix}value", where=(column, owner))
        return {self._text(key): self._text(value) for key, value in rows}

    def _text(self, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._damaged(f"holds {shown(value)} where a text should be")
        return value

    def _whole(self, value: object) -> int:
        if type(value) is not int:
            raise self._damaged(f"holds {shown(value)} where a whole number should be")
        return value

    def _damaged(self, problem: str) -> SourceError:
        return SourceError(
            f"{self._place} {problem}. Nothing was imported", file=self._place, line=None
        )


def _joined(parts: Sequence[tuple[Numbers, Numbers, Numbers]]) -> tuple[Numbers, Numbers, Numbers]:
    import numpy as np

    steps, values, times = zip(*parts, strict=True)
    return np.concatenate(steps), np.concatenate(values), np.concatenate(times)
