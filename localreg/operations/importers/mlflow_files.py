"""MLflow's file store: a folder for each experiment, in it one for each run, a file for a value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_found, open_plain
from localreg.operations.importers.mlflow_yaml import read_mapping
from localreg.operations.importers.source_files import SourceFolder, damaged, read_bytes, read_text
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

_META = "meta.yaml"
_TRASH, _REGISTRY = ".trash", "models"
_NO_RUNS = frozenset({"tags", "datasets", "traces", "models", "evaluations", "assessments"})
_STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_SOURCES = {1: "NOTEBOOK", 2: "JOB", 3: "PROJECT"}
_MODEL_STATES = {0: "UNSPECIFIED", 1: "PENDING", 2: "READY", 3: "FAILED"}
_VALUE_LIMIT = 16_000_000  # bytes of a parameter or tag
_PIECE = 1 << 22
_MOST_POINTS = 20_000_000  # of one metric
_VERSION = re.compile(r"version-([1-9][0-9]{0,17})")
_FEW = 1_000  # names that are looked at before it is known what a folder is


def is_file_store(path: Path) -> bool:
    """Return True if a folder has experiments or registered models of MLflow; raises nothing."""
    try:
        names = sorted(each.name for each, _ in zip(path.iterdir(), range(_FEW), strict=False))
    except OSError:
        return False
    for name in names:
        if _begins(path / name / _META, b"artifact_location:"):
            return True
    return _TRASH in names and _REGISTRY in names


def _begins(path: Path, word: bytes) -> bool:
    try:
        with open_found(path) as reader:
            return word in reader.read(10_000)
    except (OSError, ValueError):
        return False


class MLflowFiles:
    """Reads a file store.

    Attributes:
        skipped: what is no run, model or experiment, counted by the reason.
    """

    def __init__(self, folder: SourceFolder) -> None:
        self.skipped: Counter[str] = Counter()
        self._folder = folder
        self._experiments: dict[str, SourceFolder] = {}
        self._runs: dict[str, tuple[str, SourceFolder]] = {}

    # --- experiments and runs

    def experiments(self) -> Iterator[Experiment]:
        """Yield the experiments."""
        for place in (self._folder, self._folder.folder(_TRASH)):
            for folder in place.folders():
                name = folder.path.name
                if place is self._folder and name in (_TRASH, _REGISTRY):
                    continue
                meta = self._meta(folder)
                if meta is None:
                    self.skipped[f"folders without {_META}"] += 1
                    continue
                self._experiments[name] = folder
                yield Experiment(
                    id=name,
                    name=_text(meta, "name", folder),
                    # MLflow 1 moves a deleted one and leaves its stage.
                    active=place is self._folder and meta.get("lifecycle_stage") != "deleted",
                    tags=_values(folder.folder("tags")),
                )

    def runs(self) -> Iterator[RunHead]:
        """Yield what orders the runs."""
        for experiment, place in self._experiments.items():
            for folder in place.folders():
                run = folder.path.name
                if run in _NO_RUNS:
                    continue
                meta = self._meta(folder)
                if meta is None:
                    self.skipped[f"folders without {_META}"] += 1
                    continue
                if run in self._runs:
                    raise damaged(folder.path, "is a run that is in another experiment, too")
                self._runs[run] = experiment, folder
                parent = folder.file("tags/mlflow.parentRunId")
                yield RunHead(
                    run, experiment, meta.get("lifecycle_stage") != "deleted",
                    "" if parent is None else read_text(parent, _VALUE_LIMIT).strip(),
                    _whole(meta, "start_time", folder),
                )  # fmt: skip

    def run(self, run_id: str) -> Run:
        """Return a run with all but its metrics."""
        experiment, folder = self._runs[run_id]
        meta = self._meta(folder) or {}
        said = _text(meta, "run_id", folder) or _text(meta, "run_uuid", folder)
        if said != run_id:
            raise damaged(folder.path, f"has the {_META} of another run: {shown(said)}")
        status = meta.get("status", 1)
        return Run(
            id=run_id,
            experiment=experiment,
            name=_text(meta, "run_name", folder) or _text(meta, "name", folder),
            status=_STATES.get(status, "") if type(status) is int else str(status)[:20],
            active=meta.get("lifecycle_stage") != "deleted",
            user=_text(meta, "user_id", folder),
            start=_whole(meta, "start_time", folder),
            end=None if meta.get("end_time") is None else _whole(meta, "end_time", folder),
            artifacts=_text(meta, "artifact_uri", folder),
            tags=_values(folder.folder("tags")),
            facts=_facts(meta, folder),
            params=_values(folder.folder("params")),
            datasets=tuple(self._datasets(experiment, folder)),
            inputs=tuple(self._links(folder, "inputs", "MODEL")),
            outputs=tuple(
                (model, _whole(found, "step", folder))
                for model, found in self._links(folder, "outputs", "MODEL_OUTPUT").items()
            ),
        )

    def metric_names(self, run_id: str) -> list[str]:
        """Return the names of the metrics of a run."""
        _, folder = self._runs[run_id]
        return [name for name, _ in folder.folder("metrics").files_below()]

    def series(self, run_id: str) -> Iterator[Series]:
        """Yield the metrics of a run, each with all its points."""
        _, folder = self._runs[run_id]
        for name, path in folder.folder("metrics").files_below():
            found = self._points(path)
            if len(found):
                yield name, found[:, 2].astype("i8"), found[:, 1], found[:, 0].astype("i8")

    def _points(self, path: Path) -> Numbers:
        """Return time, value and step of each line."""
        import numpy as np

        parts: list[Numbers] = []
        with disk_errors("reading what is imported", path), open_plain(path, "source") as reader:
            count, rest = 0, b""
            while piece := reader.read(_PIECE):
                whole, newline, rest = (rest + piece).rpartition(b"\n")
                if len(rest) > _PIECE:
                    raise damaged(path, "has a line that is too long", count + 1)
                parts.append(_numbers(whole + newline, path, count))
                count += len(parts[-1])
                if count > _MOST_POINTS:
                    raise damaged(path, f"has more than {_MOST_POINTS:,} points")
        if rest:  # what is left of 12 may be 1
            self.skipped["points whose line is cut off"] += 1
        return np.concatenate(parts) if parts else np.empty((0, 3))

    def _datasets(self, experiment: str, folder: SourceFolder) -> Iterator[DatasetUse]:
        place = self._experiments[experiment].folder("datasets")
        uses = []
        for name, found in self._links(folder, "inputs", "DATASET").items():
            there = place.folder(name)
            meta = self._meta(there)
            if meta is None:
                self.skipped["data sets of which only the id is known"] += 1
                continue
            tags = found.get("tags")
            uses.append(DatasetUse(
                name=_text(meta, "name", there),
                digest=_text(meta, "digest", there),
                source_type=_text(meta, "source_type", there),
                source=_text(meta, "source", there),
                schema=_text(meta, "schema", there) or None,
                profile=_text(meta, "profile", there) or None,
                tags={
                    key: _text(tags, key, folder) for key in tags if isinstance(key, str)
                } if isinstance(tags, dict) else {},
            ))  # fmt: skip
        yield from sorted(uses, key=lambda each: (each.name, each.digest))

    def _links(self, folder: SourceFolder, name: str, kind: str) -> dict[str, dict[str, object]]:
        """Return what a run has as inputs or outputs of a kind, by id."""
        column = "source" if name == "inputs" else "destination"
        links = {}
        for each in folder.folder(name).folders():
            meta = self._meta(each)
            if meta is not None and meta.get(f"{column}_type") == kind:
                links[_text(meta, f"{column}_id", each)] = meta
        return links

    # --- models

    def logged_models(self) -> Iterator[LoggedModel]:
        """Yield the logged models of MLflow 3, the oldest first."""
        heads = []
        for experiment, place in self._experiments.items():
            for folder in place.folder(_REGISTRY).folders():
                meta = self._meta(folder)
                if meta is None:
                    self.skipped[f"folders without {_META}"] += 1
                    continue
                created = _whole(meta, "creation_timestamp", folder)
                heads.append((created, folder.path.name, experiment, folder))
        for created, name, experiment, folder in sorted(heads, key=lambda each: each[:2]):
            meta = self._meta(folder) or {}
            status = meta.get("status")
            yield LoggedModel(
                id=name,
                experiment=experiment,
                name=_text(meta, "name", folder),
                location=_text(meta, "artifact_location", folder),
                created=created,
                updated=_whole(meta, "last_updated_timestamp", folder),
                status=_MODEL_STATES.get(status, "") if type(status) is int else str(status)[:30],
                kind=_text(meta, "model_type", folder),
                run=_text(meta, "source_run_id", folder),
                active=meta.get("lifecycle_stage") != "deleted",
                tags=_values(folder.folder("tags")),
                params=_values(folder.folder("params")),
                metrics=_newest(folder.folder("metrics")),
            )

    def registered(self) -> Iterator[Registered]:
        """Yield the registered models, by their names."""
        for folder in self._folder.folder(_REGISTRY).folders():
            meta = self._meta(folder)
            if meta is None:
                self.skipped[f"folders without {_META}"] += 1
                continue
            aliases = _values(folder.folder("aliases"))
            yield Registered(
                name=_text(meta, "name", folder) or folder.path.name,
                created=_whole(meta, "creation_timestamp", folder),
                description=_text(meta, "description", folder),
                tags=_values(folder.folder("tags")),
                aliases={
                    alias: int(number) for alias, number in aliases.items()
                    if number.isascii() and number.isdigit() and len(number) < 19
                },
                versions=tuple(sorted(self._versions(folder), key=lambda each: each.number)),
            )  # fmt: skip

    def _versions(self, model: SourceFolder) -> Iterator[Version]:
        for folder in model.folders():
            match = _VERSION.fullmatch(folder.path.name)
            if match is None:
                continue
            meta = self._meta(folder)
            if meta is None:
                self.skipped[f"folders without {_META}"] += 1
                continue
            if meta.get("current_stage") == "Deleted_Internal":
                continue
            texts = {
                key: _text(meta, there, folder)
                for key, there in (
                    ("description", "description"), ("user", "user_id"),
                    ("stage", "current_stage"), ("source", "source"), ("run", "run_id"),
                    ("location", "storage_location"), ("run_link", "run_link"),
                    ("model", "model_id"),
                )
            }  # fmt: skip
            status = meta.get("status")
            yield Version(
                number=int(match[1]),
                created=_whole(meta, "creation_timestamp", folder),
                updated=_whole(meta, "last_updated_timestamp", folder),
                status=status if isinstance(status, str) else "",
                tags=_values(folder.folder("tags")),
                **texts,
            )

    # --- the rest

    def left(self) -> dict[str, int]:
        """Return how many things of kinds that do not come are there."""
        traces = [
            len([each for each in place.folder("traces").folders() if each.file("trace_info.yaml")])
            for place in self._experiments.values()
        ]
        return {"traces": sum(traces)}

    @staticmethod
    def _meta(folder: SourceFolder) -> dict[str, object] | None:
        path = folder.file(_META)
        return None if path is None else read_mapping(path)


def _numbers(text: bytes, path: Path, before: int) -> Numbers:
    """Return time, value and step of each of some lines.

    Args:
        before: how many lines are before them, for messages.
    """
    import numpy as np

    marks = np.frombuffer(text, "u1")
    marks = marks[(marks == 32) | (marks == 10)]
    try:
        if len(marks) % 3 == 0 and (marks.reshape(-1, 3) == (32, 32, 10)).all():
            found = np.array(list(map(float, text.split())))
            if len(found) == len(marks) and _are_whole(found[0::3]) and _are_whole(found[2::3]):
                return found.reshape(-1, 3)
    except ValueError:
        pass  # the lines are looked at one by one
    rows = [_line(line, path, before + at) for at, line in enumerate(text.splitlines(), 1)]
    return np.array(rows).reshape(-1, 3)


def _are_whole(numbers: Numbers) -> bool:
    return bool((abs(numbers) < 2**53).all() and (numbers == numbers.astype("i8")).all())


def _line(line: bytes, path: Path, number: int) -> tuple[float, float, float]:
    """Return time, value and step of a line; old versions write no step, newer ones a data set."""
    fields = line.split()
    try:
        if len(fields) not in (2, 3, 5) or max(map(len, fields)) > 400:
            raise ValueError("another number of fields")
        time, step = int(fields[0]), int(fields[2]) if len(fields) > 2 else 0
        value = float(fields[1])
        if max(abs(time), abs(step)) > 2**53:
            raise ValueError("too large")
    except ValueError as error:
        raise damaged(path, "is no point of a metric: a time, a value, a step", number) from error
    return time, value, step


def _newest(folder: SourceFolder) -> dict[str, float]:
    """Return the newest value of each metric of a logged model."""
    found: dict[str, float] = {}
    for name, path in folder.files_below():
        newest: dict[str, tuple[int, int, float]] = {}
        for number, line in enumerate(read_bytes(path, _VALUE_LIMIT).splitlines(), 1):
            fields = line.split()
            try:
                point = int(fields[2]), int(fields[0]), float(fields[1])
                dataset = fields[4].decode() if len(fields) > 4 else ""
            except (ValueError, IndexError) as error:
                raise damaged(path, "is no point of a metric", number) from error
            if dataset not in newest or point >= newest[dataset]:
                newest[dataset] = point
        for dataset, (_, _, value) in newest.items():
            found[f"{name}@{dataset}" if dataset else name] = value
    return found


def _facts(meta: dict[str, object], folder: SourceFolder) -> dict[str, str]:
    kind = meta.get("source_type")
    return source_facts(
        _text(meta, "source_name", folder),
        _SOURCES.get(kind, "") if type(kind) is int else "",
        _text(meta, "source_version", folder),
        _text(meta, "entry_point_name", folder),
    )


def _values(folder: SourceFolder) -> dict[str, str]:
    """Return what is in the files of a folder, by their names; newlines at the end are kept."""
    return {name: read_text(path, _VALUE_LIMIT) for name, path in folder.files_below()}


def _text(meta: dict[Any, object], key: str, folder: SourceFolder) -> str:
    value = meta.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise damaged(folder.path / _META, f"has no text as {key}: {shown(type(value).__name__)}")
    return str(value)


def _whole(meta: dict[str, object], key: str, folder: SourceFolder) -> int:
    value = meta.get(key)
    if value is None:
        return 0
    if type(value) is not int or abs(value) >= 2**63:
        raise damaged(folder.path / _META, f"has no whole number as {key}: {shown(value)}")
    return value
