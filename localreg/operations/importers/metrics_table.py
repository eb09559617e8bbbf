"""Metrics in a table: CSV, JSON lines, a JSON array or Parquet.

A row is a step, and a column a metric; or a row is one value, in the columns "metric" (or "name",
"key", "tag") and "value". The table becomes a task; with a column "run", each run one.

It is read once, and what is in it waits in temporary files: when a run began and ended must be
known before its points are recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers import table_columns
from localreg.operations.importers.found import FoundModel, FoundTask, Given
from localreg.operations.importers.metric_names import places_of
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import damaged
from localreg.operations.importers.table_columns import Clock, roles_of
from localreg.operations.importers.table_rows import ENDINGS, Piece, pieces_of
from localreg.values.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers.table_columns import Cells, Numbers, Roles

_MOST_RUNS, _MOST_SERIES = 10_000, 100_000
_POINT = 24  # bytes


def is_one(path: Path) -> bool:
    """Return True if a path is a table by its ending; JSON if it begins as one."""
    ending = path.suffix.lower()
    if ending not in ENDINGS or not path.is_file():
        return False
    if ending != ".json" or path.name == "trainer_state.json":
        return True
    start = b""
    with suppress(OSError), open(path, "rb", buffering=0) as reader:  # then it is none
        start = reader.read(4_096)
    return b"".join(start.split())[:2] == b"[{"


@contextmanager
def opened(given: Given) -> Iterator[MetricsTable]:
    """Open a table.

    Raises:
        InvalidValueError: the ending is unknown.
    """
    path = given.path
    if path is None or path.suffix.lower() not in ENDINGS:
        raise InvalidValueError(
            f"{given.source} is no table of metrics: its name must end in "
            f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}",
            argument="source",
        )
    yield MetricsTable(path, given.task or path.stem, given.folder)


class MetricsTable:
    """A table of metrics."""

    kind = "metrics"

    def __init__(self, path: Path, task: str, folder: Path) -> None:
        self.place = str(path)
        self.left: Counter[str] = Counter()
        self._path = path
        self._task = task
        self._folder = folder
        self._clock = Clock()
        self._runs: dict[str, _Run] = {}
        self._series = 0

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the task, or one for each run.

        Raises:
            SourceError: the table is damaged.
        """
        roles: Roles | None = None
        for piece in pieces_of(self._path):
            if roles is None:
                roles = self._roles(piece)
            self._take(piece, roles)
        if roles is None:
            raise damaged(self._path, "has no rows")
        if not any(run.has_points for run in self._runs.values()):
            raise damaged(self._path, "has no numbers but steps and times; 0.5 is one, 0,5 is none")
        for name, run in self._runs.items():
            yield self._found(name, run)

    def models(self) -> Iterator[FoundModel]:
        """Yield nothing."""
        return iter(())

    def _roles(self, piece: Piece) -> Roles:
        roles = roles_of(piece.columns)
        if roles.time is not None:
            self._clock.look(piece.columns[roles.time][1])
        # fastai writes how long each epoch took.
        return replace(roles, time=None) if self._clock.is_none else roles

    def _found(self, name: str, run: _Run) -> FoundTask:
        task = f"{self._task}/{name}" if name else self._task
        # When it was created must follow from the key, and not change as the table grows.
        created = (run.first or 0) * 1_000
        return FoundTask(
            key=f"{task}\n{created}",
            name=task,
            created=created,
            ended=None if run.first is None else run.last * 1_000,
            report=run.report,
        )

    def _take(self, piece: Piece, roles: Roles) -> None:
        """Keep the points of some rows."""
        if "" in piece.columns:
            self.left["columns without a name"] = 1
        steps = None if roles.step is None else table_columns.steps(piece, roles.step)
        times = None if roles.time is None else self._clock.times(piece, roles.time)
        if steps is not None and not steps.has.all():
            self.left["rows without a step"] += int((~steps.has).sum())
        names, which = table_columns.runs(piece, roles.run)
        runs = [self._run(each) for each in names]
        places = self._places(runs, which, times)
        # Of points without a time the later row counts.
        ms = places if times is None else times.values
        for metric, column in table_columns.metrics(piece, roles).items():
            rows, values = table_columns.numbers(column, self.left)
            if steps is not None:
                kept = steps.has[rows]
                rows, values = rows[kept], values[kept]
            for run, part in _parts(runs, which[rows]):
                at = rows[part]
                if steps is not None:
                    its_steps = steps.values[at]
                else:
                    its_steps = run.following(metric, len(at)) if roles.is_long else places[at]
                self._count(run, metric)
                run.add(metric, its_steps, values[part], ms[at])

    def _run(self, name: str) -> _Run:
        if name not in self._runs:
            if len(self._runs) >= _MOST_RUNS:
                raise damaged(self._path, f"has more than {_MOST_RUNS:,} runs")
            self._runs[name] = _Run(self._folder / f"run-{len(self._runs)}")
        return self._runs[name]

    def _count(self, run: _Run, metric: str) -> None:
        self._series += run.is_new(metric)
        if self._series > _MOST_SERIES:
            raise damaged(self._path, f"has more than {_MOST_SERIES:,} metrics")

    @staticmethod
    def _places(runs: list[_Run], which: Numbers, times: Cells | None) -> Numbers:
        """Return the number of each row in its run, from 0; note the times of the runs."""
        import numpy as np

        places = np.zeros(len(which), "i8")
        for run, part in _parts(runs, which):
            count = len(places[part])
            places[part] = np.arange(run.rows, run.rows + count)
            run.rows += count
            if times is not None:
                run.note(times.values[part][times.has[part]])
        return places


class _Run:
    """What a table has of one run; its points are in a temporary file.

    Attributes:
        first, last: times in milliseconds: that of its first row with one, and the latest.
        rows: how many it has.
    """

    def __init__(self, path: Path) -> None:
        self.first: int | None = None
        self.last = 0
        self.rows = 0
        self._path = path
        self._size = 0
        self._series: dict[str, _Series] = {}

    @property
    def has_points(self) -> bool:
        """Return True if it has a value of any metric."""
        return self._size > 0

    def note(self, ms: Numbers) -> None:
        """Note the times of rows that follow."""
        if len(ms):
            latest = int(ms.max())
            self.last = latest if self.first is None else max(self.last, latest)
            self.first = int(ms[0]) if self.first is None else self.first

    def is_new(self, metric: str) -> bool:
        """Return True if a metric has no points yet."""
        return metric not in self._series

    def following(self, metric: str, count: int) -> Numbers:
        """Return the next steps of a metric that has none."""
        import numpy as np

        known = self._series.get(metric)
        start = 0 if known is None else known.count
        return np.arange(start, start + count)

    def add(self, metric: str, steps: Numbers, values: Numbers, ms: Numbers) -> None:
        """Keep points of a metric."""
        if not len(steps):
            return
        with open(self._path, "ab", buffering=0) as writer:
            for each in (steps, values, ms):
                writer.write(each.tobytes())
        series = self._series.setdefault(metric, _Series())
        series.rises = series.rises and int(steps[0]) > series.last and _rise(steps)
        series.last = int(steps[-1])
        series.count += len(steps)
        series.parts.append((self._size, len(steps)))
        self._size += _POINT * len(steps)

    def report(self, spool: ReportSpool) -> None:
        """Give all points to a spool: a series that does not rise at once, so that it is sorted."""
        for metric, (title, name) in places_of(self._series).items():
            series = self._series[metric]
            groups = [[part] for part in series.parts] if series.rises else [series.parts]
            for parts in groups:
                spool.add_points(title, name, *self._points(parts))

    def _points(self, parts: list[tuple[int, int]]) -> tuple[Numbers, Numbers, Numbers]:
        """Return steps, values and times."""
        import numpy as np

        def column(place: int, kind: str) -> Numbers:
            return np.concatenate([
                np.fromfile(self._path, kind, count, offset=offset + place * 8 * count)
                for offset, count in parts
            ])  # fmt: skip

        return column(0, "i8"), column(1, "f8"), column(2, "i8")


class _Series:
    """Where the points of one metric are.

    Attributes:
        parts: offset in the file and number of points.
        count: number of all points.
        last: step of the last point.
        rises: True if each step is larger than the one before.
    """

    __slots__ = ("count", "last", "parts", "rises")

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []
        self.count = 0
        self.last = -(2**63)
        self.rises = True


def _rise(steps: Numbers) -> bool:
    return bool((steps[1:] > steps[:-1]).all())


def _parts(runs: list[_Run], which: Numbers) -> Iterator[tuple[_Run, Numbers | slice]]:
    """Yield the places at which each run has something, in the order of the rows."""
    import numpy as np

    if len(runs) == 1:
        yield runs[0], slice(None)
        return
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(runs) + 1))
    for run, start, end in zip(runs, ends[:-1], ends[1:], strict=True):
        if start < end:
            yield run, order[start:end]
