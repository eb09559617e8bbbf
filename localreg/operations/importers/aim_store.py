"""A repository of Aim: its runs become tasks of a project that is called as the experiment.

`aim_repository` reads it, by Aim's own package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.aim_repository import (
    FOLDER,
    AimBars,
    AimFile,
    AimRun,
    AimSeries,
    opened_repository,
)
from localreg.operations.importers.foreign_values import parameters_of
from localreg.operations.importers.found import FoundModel, FoundTask, Given
from localreg.operations.importers.metric_names import place_of
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import damaged, parsed_json
from localreg.plots import drawings
from localreg.plots.histogram_bars import bars_figure
from localreg.values.checks import shown
from localreg.values.printed import visible

_INFO = 20
_MOST = 2**53
_LATEST = 253_402_300_799  # the end of the year 9999
_DEFAULT = "default"  # the experiment of a run that was given none


def is_one(path: Path) -> bool:
    """Return True if a path is a repository of Aim, or a folder with one."""
    place = _repository_in(path)
    return place is not None


def _repository_in(path: Path) -> Path | None:
    """Return what holds the folder .aim; None if there is none."""
    for each in (path, path.parent) if path.name == FOLDER else (path,):
        if (each / FOLDER / "meta").is_dir() and (each / FOLDER / "seqs").is_dir():
            return each
    return None


@contextmanager
def opened(given: Given) -> Iterator[AimStore]:
    """Open a repository.

    Raises:
        InvalidValueError: it is none.
        MissingPackageError: aim is not installed.
        SourceError: it is damaged.
    """
    place = None if given.path is None else _repository_in(given.path)
    if place is None:
        raise InvalidValueError(
            f"{given.source} is no repository of Aim: a folder that holds {FOLDER}",
            argument="source",
        )
    with opened_repository(place, given.folder) as runs:
        yield AimStore(str(place), runs)


class AimStore:
    """An open repository."""

    kind = "aim"

    def __init__(self, place: str, runs: Iterable[AimRun]) -> None:
        """Take the runs, the older first."""
        self.place = place
        self.left: Counter[str] = Counter()
        self._runs = runs

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the runs.

        Raises:
            SourceError: one is damaged.
        """
        for run in self._runs:
            yield self._task(run)

    def models(self) -> Iterator[FoundModel]:
        """Yield nothing: Aim has no models."""
        return iter(())

    def _task(self, run: AimRun) -> FoundTask:
        if run.artifacts:
            self.left["artifacts, whose files Aim keeps elsewhere"] += run.artifacts
        created = _microseconds(run.created, self.place)
        return FoundTask(
            key=run.hash,
            name=run.name or f"Run: {run.hash}",
            first_name=f"Run: {run.hash}",  # a run can be renamed
            project=None if run.experiment in (None, _DEFAULT) else run.experiment,
            status="in_progress" if run.ended is None else "completed",
            comment=run.description or None,
            tags=(*run.tags, "archived") if run.archived else tuple(run.tags),
            parameters=parameters_of(run.params, self.place),
            created=created,
            ended=None if run.ended is None else _microseconds(run.ended, self.place),
            report=lambda spool: _Reports(spool, self.place, self.left).add(run),
        )


def _microseconds(seconds: float, place: str) -> int:
    if not 0 <= seconds <= _LATEST:
        raise damaged(place, f"has the time {shown(seconds)}")
    return round(seconds * 1_000_000)


class _Reports:
    """Gives what a run tracked to a spool."""

    def __init__(self, spool: ReportSpool, place: str, left: Counter[str]) -> None:
        self._spool = spool
        self._place = place
        self._left = left
        self._owners: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, run: AimRun) -> None:
        """Add all series, and the epochs of the one that has most."""
        best: AimSeries | None = None
        for series in run.series():
            if not series.steps:
                continue
            if min(series.steps) < -_MOST or max(series.steps) > _MOST:
                raise damaged(self._place, f"has a step beyond 2^53 in {shown(series.name)}")
            if series.kind != "metric":
                self._add_objects(series)
                continue
            self._spool.add_points(
                *self._place_of(series), series.steps, series.values, self._ms(series)
            )
            if _epochs(series) > (0 if best is None else _epochs(best)):
                best = series
        if best is not None and ("epoch", "epoch") not in self._owners:
            for step, epoch, ms in zip(best.steps, best.epochs, self._ms(best), strict=True):
                if epoch is not None:
                    self._spool.add_point("epoch", "epoch", step, epoch, ms)

    def _ms(self, series: AimSeries) -> list[int]:
        return [_microseconds(each, self._place) // 1_000 for each in series.times]

    def _place_of(self, series: AimSeries) -> tuple[str, str]:
        """Return title and series; no two have the same."""
        context = series.context
        if not series.name.strip():
            raise damaged(self._place, "has a series without a name")
        listed = ", ".join(f"{key}={context[key]}" for key in sorted(context))
        if not context:
            place = place_of(series.name)
        else:
            place = (series.name, str(context["subset"]) if {*context} == {"subset"} else listed)
        own = (series.name, listed)
        if self._owners.setdefault(place, own) != own:
            place = (series.name, f"{series.name}, {listed}")
        return place

    def _add_objects(self, series: AimSeries) -> None:
        if series.kind in ("logs", "log_records"):
            for values, time in zip(series.values, series.times, strict=True):
                for text in values:
                    self._spool.add_line(_microseconds(time, self._place), _INFO, visible(text))
            return
        title, name = self._place_of(series)
        for step, values, time in zip(series.steps, series.values, series.times, strict=True):
            at = _microseconds(time, self._place)
            for number, value in enumerate(values):
                own = name if len(values) == 1 else f"{name}/{number}"
                self._add_object(title, own, step, value, at)

    def _add_object(self, title: str, series: str, step: int, value: object, at: int) -> None:
        if isinstance(value, str):
            text = value.encode(errors="replace")
            self._spool.add_media(title, series, step, text, "text.txt", at)
        elif isinstance(value, AimBars) and value.heights and value.low < value.high:
            width = (value.high - value.low) / len(value.heights)
            edges = [value.low + width * each for each in range(len(value.heights) + 1)]
            figure = bars_figure(series, value.heights, edges)
            self._spool.add_plot(title, series, step, drawings.plotly(figure), at)
        elif isinstance(value, AimFile) and value.ending == "json":
            drawing = self._figure(value.data)
            if drawing is not None:
                self._spool.add_plot(title, series, step, drawing, at)
        elif isinstance(value, AimFile):
            name = f"media.{value.ending}"
            self._spool.add_media(title, series, step, value.data, name, at)
        else:
            self._left["distributions without bars"] += 1

    def _figure(self, data: bytes) -> drawings.Drawing | None:
        try:
            return drawings.plotly(parsed_json(data, self._place))
        except InvalidValueError:
            self._left["figures that are none of Plotly"] += 1
            return None


def _epochs(series: AimSeries) -> int:
    """Return the number of points that have an epoch."""
    return sum(each is not None for each in series.epochs)
