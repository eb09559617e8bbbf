"""A repository of Aim, read by Aim's own package from a copy of it.

Aim has no way to open one without writing: it locks files, upgrades old databases, and only sees
runs that are in its index, which `aim up` makes. So a copy is opened, and indexed again.
What is read becomes plain values; nothing of Aim leaves this module.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import MissingPackageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.importers.source_files import SourceFolder, damaged
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = ".aim"
_LINES = ("logs", "log_records")
_LEFT_OUT = ("meta/index/", "locks/", "artifacts/")  # the index is made again


class AimSeries(Frozen, kw_only=True):
    """What was tracked by one name in one context.

    Attributes:
        kind: "metric", "texts", "images", "distributions", "figures", "audios", or another.
        name: as it was tracked.
        context: as it was tracked.
        steps: whole numbers.
        values: numbers of a metric; else lists of texts, `AimFile` or `AimBars`.
        epochs: numbers or None.
        times: seconds since 1970.
    """

    kind: str
    name: str
    context: Mapping[str, object]
    steps: list[int]
    values: list[Any]
    epochs: list[float | None]
    times: list[float]


class AimFile(Frozen):
    """A picture, sound or figure: its bytes, and the ending of its name."""

    data: bytes
    ending: str


class AimBars(Frozen):
    """A distribution: the heights of bars of one width, and where they begin and end."""

    heights: list[float]
    low: float
    high: float


class AimRun(Frozen, kw_only=True):
    """A run.

    Attributes:
        hash: its id.
        name, experiment, description: texts, or None.
        tags: names.
        archived: True if it is put away.
        created, ended: seconds since 1970; None if it has not ended.
        params: what was set, also nested.
        artifacts: number of files that Aim knows of.
        series: reads what was tracked.
    """

    hash: str
    name: str | None
    experiment: str | None
    description: str | None
    tags: list[str]
    archived: bool
    created: float
    ended: float | None
    params: Mapping[str, object]
    artifacts: int
    series: Callable[[], Iterator[AimSeries]]


@contextmanager
def opened_repository(path: Path, folder: Path) -> Iterator[Iterator[AimRun]]:
    """Copy a repository, and yield its runs, the older first.

    Args:
        path: what holds the folder `.aim`.
        folder: an empty one, for the copy.

    Raises:
        MissingPackageError: aim is not installed.
        SourceError: the repository is damaged.
    """
    try:
        import aim
        from aim.sdk.index_manager import RepoIndexManager
    except ImportError as error:
        raise MissingPackageError(
            "a repository of Aim is read by Aim itself: pip install aim", package="aim"
        ) from error
    _copy(SourceFolder(path / FOLDER), folder / FOLDER)
    with _errors(path):
        repository = aim.Repo(str(folder))
        index = RepoIndexManager.get_index_manager(repository)
    try:
        yield _runs(path, aim, repository, index)
    finally:
        repository.close()


def _copy(source: SourceFolder, target: Path) -> None:
    for name, path in source.files_below():
        if not name.startswith(_LEFT_OUT):
            place = target / name
            with disk_errors("copying the repository of Aim", place):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Translate what Aim raises for a damaged repository."""
    from aimrocks.errors import RocksIOError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (
        RocksIOError, SQLAlchemyError, LookupError, ValueError, TypeError, AttributeError,
        RuntimeError, OSError, AssertionError, ArithmeticError,
    ) as error:  # fmt: skip
        found = f"{type(error).__name__}: {str(error)[:200]}"
        raise damaged(path, f"cannot be read by Aim ({found})") from error


def _runs(path: Path, aim: Any, repository: Any, index: Any) -> Iterator[AimRun]:  # noqa: ANN401  (no types)
    with _errors(path):
        hashes = sorted(repository.list_all_runs())
        for each in hashes:
            index.index(each)
        found = [aim.Run(each, repo=repository, read_only=True) for each in hashes]
        runs = [_run(path, run) for run in found]
    yield from sorted(runs, key=lambda run: (run.created, run.hash))


def _run(path: Path, run: Any) -> AimRun:  # noqa: ANN401  (no types)
    def series() -> Iterator[AimSeries]:
        with _errors(path):
            yield from _series(run)

    return AimRun(
        hash=run.hash, name=run.name, experiment=run.experiment, description=run.description,
        tags=list(run.tags), archived=bool(run.archived), created=float(run.creation_time),
        ended=None if run.end_time is None else float(run.end_time), params=_plain(run[...]),
        artifacts=len(run.artifacts), series=series,
    )  # fmt: skip


def _series(run: Any) -> Iterator[AimSeries]:  # noqa: ANN401  (no types)
    from aim.sdk.sequence import Sequence

    for name, context, _ in run.iter_metrics_info():
        steps, columns = run.get_metric(name, context).data.numpy()
        values, epochs, times = (each.tolist() for each in columns)
        yield AimSeries(
            kind="metric", name=name, context=context.to_dict(), steps=steps.tolist(),
            values=values, times=times,
            epochs=[None if each != each else each for each in epochs],
        )  # fmt: skip
    for kind, of_kind in sorted(Sequence.registry.items()):
        if kind in _MADE and kind not in _LINES:
            for name, context, _ in run.iter_sequence_info_by_type(of_kind.allowed_dtypes()):
                found = run._get_sequence(kind, name, context)  # what Aim's own methods call
                yield _objects_of(kind, name, context.to_dict(), found)
    for kind, found in (("logs", run.get_terminal_logs()), ("log_records", run.get_log_records())):
        if found is not None:
            yield _objects_of(kind, kind, {}, found)


def _objects_of(
    kind: str,
    name: str,
    context: Mapping[str, object],
    found: Any,  # noqa: ANN401  (no types)
) -> AimSeries:
    rows = list(found.data.items())
    return AimSeries(
        kind=kind, name=name, context=context,
        steps=[step for step, _ in rows],
        values=[_objects(kind, value) for _, (value, _, _) in rows],
        epochs=[epoch for _, (_, epoch, _) in rows],
        times=[time for _, (_, _, time) in rows],
    )  # fmt: skip


def _objects(kind: str, value: Any) -> list[Any]:  # noqa: ANN401  (no types)
    return [_MADE[kind](each) for each in (value if isinstance(value, list) else [value])]


def _bytes(value: Any) -> bytes:  # noqa: ANN401  (no types)
    data = value.storage["data"].load()
    return data.encode() if isinstance(data, str) else bytes(data)


def _file(value: Any) -> AimFile:  # noqa: ANN401  (no types)
    return AimFile(_bytes(value), str(value.storage["format"]).lower())


def _bars(value: Any) -> AimBars:  # noqa: ANN401  (no types)
    low, high = value.range
    return AimBars([float(each) for each in value.weights], float(low), float(high))


# How the objects of each kind become plain values.
_MADE: dict[str, Callable[[Any], Any]] = {
    "texts": lambda value: _bytes(value).decode(errors="replace"),
    "images": _file,
    "audios": _file,
    "distributions": _bars,
    "figures": lambda value: AimFile(_bytes(value), "json"),
    "logs": lambda value: str(value.data),
    "log_records": lambda value: str(value.message),
}


def _plain(value: Any) -> Any:  # noqa: ANN401  (no types)
    """Return dicts and lists of Aim as plain ones; what else it keeps, as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)[:1_000]
