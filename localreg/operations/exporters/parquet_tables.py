"""Models and tasks as tables in Parquet, for polars, pandas and DuckDB.

`guide/migrating.md` documents the columns. Times are UTC. A metric is a row for each point; the
points of one task after another go to files of some hundred thousand rows, which become one file
without being in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from localreg.errors import MissingPackageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.export import ExportedModel
from localreg.operations.exporters.contents import Contents
from localreg.operations.exporters.written import POINT, SECRETS, Plan
from localreg.operations.finding.upstream import Found
from localreg.store.rows import report_rows, task_rows
from localreg.values.records import Owner
from localreg.values.secrets import HIDDEN, masked, masked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    Row = tuple[object, ...]

_TEXT, _TEXTS, _NUMBER, _WHOLE, _FLAG, _TIME = "text", "texts", "number", "whole", "flag", "time"
# The columns of each table, and what is in them.
RUNS = {
    "id": _TEXT, "project": _TEXT, "name": _TEXT, "type": _TEXT, "status": _TEXT, "reason": _TEXT,
    "published": _FLAG, "created": _TIME, "ended": _TIME, "parent": _TEXT, "tags": _TEXTS,
    "comment": _TEXT, "user": _TEXT, "script": _TEXT, "repository": _TEXT, "branch": _TEXT,
    "commit": _TEXT,
}  # fmt: skip
PARAMS = {"task": _TEXT, "section": _TEXT, "name": _TEXT, "value": _TEXT, "type": _TEXT}
METRICS = {
    "id": _TEXT, "owner": _TEXT, "title": _TEXT, "series": _TEXT, "step": _WHOLE, "time": _TIME,
    "value": _NUMBER,
}  # fmt: skip
MODELS = {
    "id": _TEXT, "ref": _TEXT, "project": _TEXT, "name": _TEXT, "version": _WHOLE,
    "framework": _TEXT, "comment": _TEXT, "tags": _TEXTS, "aliases": _TEXTS, "published": _FLAG,
    "archived": _FLAG, "digest": _TEXT, "size": _WHOLE, "filename": _TEXT, "package": _FLAG,
    "task": _TEXT, "parent": _TEXT, "created": _TIME, "updated": _TIME,
}  # fmt: skip
METADATA = {"model": _TEXT, "key": _TEXT, "value": _TEXT, "type": _TEXT}
TABLES = {
    "runs": RUNS, "params": PARAMS, "metrics": METRICS, "models": MODELS, "metadata": METADATA,
}  # fmt: skip
_PIECE = 250_000  # rows of a file on the way
_GROUP = 100_000  # rows of a row group


def planned(contents: Contents) -> Plan:
    """Return what the tables will hold.

    Raises:
        MissingPackageError: polars is not installed.
    """
    _polars()
    models, points = [], 0
    for found in contents.models:
        record = contents.record(found)
        models.append(ExportedModel(found.id, record.ref, record.current_weights.bytes or 0))
        points += contents.points("model", found)
    points += sum(contents.points("task", each) for each in contents.tasks)
    return Plan(contents=contents, models=tuple(models), tasks=len(contents.tasks), points=points)


def write(plan: Plan, folder: Path, place: Path, wrote: Callable[[int], None]) -> None:
    """Write the tables; see `formats.Exporter`."""
    polars = _polars()
    contents = plan.contents
    rows: Mapping[str, Iterator[Row]] = {
        "runs": _runs(contents),
        "params": _params(contents),
        "models": _models(contents),
        "metadata": _metadata(contents),
    }
    for name, found in rows.items():
        _write_table(polars, folder, name, _frames(polars, TABLES[name], found))
    _write_table(polars, folder, "metrics", _metrics(polars, contents, wrote))


def _polars() -> ModuleType:
    try:
        import polars
    except ImportError as error:
        raise MissingPackageError(
            "tables in Parquet are written with polars; install it: "
            "pip install 'localreg[parquet]'",
            package="polars",
        ) from error
    return polars


def _schema(polars: ModuleType, columns: Mapping[str, str]) -> dict[str, Any]:
    kinds = {
        _TEXT: polars.String,
        _TEXTS: polars.List(polars.String),
        _NUMBER: polars.Float64,
        _WHOLE: polars.Int64,
        _FLAG: polars.Boolean,
        _TIME: polars.Datetime("us", "UTC"),
    }
    return {name: kinds[kind] for name, kind in columns.items()}


def _write_table(polars: ModuleType, folder: Path, name: str, frames: Iterator[Any]) -> None:
    """Write one table from frames of rows, of which only one is in memory."""
    place, pieces = folder / f"{name}.parquet", folder / f".{name}"
    with disk_errors("writing tables", place):
        pieces.mkdir()
        paths = []
        for number, frame in enumerate(frames):
            paths.append(pieces / f"{number:06}.parquet")
            frame.write_parquet(paths[-1], row_group_size=_GROUP)
        if len(paths) == 1:
            paths[0].rename(place)
        else:
            polars.scan_parquet(paths, low_memory=True).sink_parquet(
                place, row_group_size=_GROUP, maintain_order=True
            )
        for path in paths[1:] if len(paths) == 1 else paths:
            path.unlink()
        pieces.rmdir()


def _frames(polars: ModuleType, columns: Mapping[str, str], rows: Iterator[Row]) -> Iterator[Any]:
    """Yield frames of rows; at least one, which may be empty."""
    schema = _schema(polars, columns)
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == _PIECE:
            yield polars.DataFrame(held, schema=schema, orient="row")
            held = []
    yield polars.DataFrame(held, schema=schema, orient="row")


# --- rows


def _runs(contents: Contents) -> Iterator[Row]:
    for found in contents.tasks:
        connection = contents.connections[found.registry]
        task = task_rows.task(connection, found.id)
        assert task is not None  # in the same transaction
        run = {key: each for key, each in task.run.items() if isinstance(each, str)}
        yield (
            task.id, task.project and task.project.name, task.name, task.type, task.status,
            _shown(task.reason), task.published, task.created, task.ended, task.parent,
            task_rows.tags(connection, task.id), _shown(task.comment), run.get("user"),
            run.get("script"), _shown(run.get("repository")), run.get("branch"),
            run.get("commit"),
        )  # fmt: skip


def _params(contents: Contents) -> Iterator[Row]:
    for found in contents.tasks:
        rows = task_rows.parameters(contents.connections[found.registry], found.id)
        for section, name, value, kind in rows:
            shown = masked(f"{section}/{name}", value)
            contents.changed[SECRETS] += HIDDEN in shown and HIDDEN not in value
            yield found.id, section, name, shown, kind


def _models(contents: Contents) -> Iterator[Row]:
    for found in contents.models:
        record = contents.record(found)
        weights = record.current_weights
        held = set(record.held)
        yield (
            record.id, record.ref, record.project and record.project.name, record.name,
            record.version, record.framework, _shown(record.comment), list(record.tags),
            [each for each in record.aliases if each not in held], record.published,
            record.archived, weights.digest, weights.bytes, weights.filename, record.package,
            record.task, record.parent, record.created, record.updated,
        )  # fmt: skip


def _metadata(contents: Contents) -> Iterator[Row]:
    for found in contents.models:
        for key, entry in sorted(contents.record(found).metadata.items()):
            shown = masked(key, entry.value)
            contents.changed[SECRETS] += HIDDEN in shown and HIDDEN not in entry.value
            yield found.id, key, shown, entry.type


def _shown(text: str | None) -> str | None:
    return None if text is None else masked_text(text)


def _metrics(polars: ModuleType, contents: Contents, wrote: Callable[[int], None]) -> Iterator[Any]:
    """Yield frames with the points, by id, title, series and step."""
    owners = [("task", each) for each in contents.tasks]
    owners += [("model", each) for each in contents.models]
    owners.sort(key=lambda each: each[1].id)
    schema = _schema(polars, METRICS)
    held: list[Any] = []
    count = 0
    for kind, found in owners:
        for frame in _of_owner(polars, contents, kind, found, schema):
            held.append(frame)
            count += len(frame)
            wrote(len(frame) * POINT)
            if count >= _PIECE:
                yield polars.concat(held)
                held, count = [], 0
    yield polars.concat(held) if held else polars.DataFrame(schema=schema)


def _of_owner(
    polars: ModuleType, contents: Contents, kind: str, found: Found, schema: Mapping[str, Any]
) -> Iterator[Any]:
    connection, owner = contents.connections[found.registry], Owner(kind, found.id)
    singles = [
        (found.id, kind, name, None, None, at, _number(value))
        for name, value, at in report_rows.timed_singles(connection, owner)
    ]
    if singles:
        yield polars.DataFrame(singles, schema=schema, orient="row")
    for series in report_rows.series(connection, owner):
        for points in report_rows.point_stream(connection, series.pk):
            steps, values, ms = zip(*points, strict=True)
            names = (found.id, kind, series.title, series.name)
            times = [(each + series.epoch) * 1_000 for each in ms]
            yield _frame(polars, schema, names, (steps, values, times))


def _frame(
    polars: ModuleType, schema: Mapping[str, Any], names: tuple[str, ...], points: Sequence[Any]
) -> Any:  # noqa: ANN401  (a frame of polars)
    steps, values, times = points
    numbers = [_number(each) for each in values]
    count = len(steps)
    columns = [
        *(polars.Series(values=[each], dtype=polars.String).extend_constant(each, count - 1)
          for each in names),
        polars.Series(values=steps, dtype=polars.Int64),
        polars.Series(values=times, dtype=polars.Datetime("us")).dt.replace_time_zone("UTC"),
        polars.Series(values=numbers, dtype=polars.Float64),
    ]  # fmt: skip
    return polars.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
