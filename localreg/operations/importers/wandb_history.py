"""What a run of Weights & Biases reported: the steps, the console, the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers import wandb_facts
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.metric_names import Place, place_of
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    parsed_json,
    read_json,
)
from localreg.operations.importers.wandb_log import WandbLog
from localreg.plots import drawings
from localreg.plots.histogram_bars import bars_figure
from localreg.plots.tables import CELLS_LIMIT, table_cells
from localreg.values.metrics import GPU, MACHINE
from localreg.values.printed import visible
from localreg.values.protobuf_wire import Message, WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

_INFO = 20
_LARGEST_STEP = 2**53
_GIGA, _MEGA = 1024**3, 1024
_LONGEST = 1_000_000  # characters of a line of the console
_PLOT_LIMIT = 64_000_000  # bytes of the file of a table or figure
_OWN = ("_step", "_timestamp", "_runtime", wandb_facts.INTERNAL)
NOT_NUMBERS = "values of steps that are no numbers, such as texts and lists"
# Measurements that our own monitor has, too: its name, and what they are divided by.
_MEASURED = {"cpu": ("cpu_usage", 1.0), "proc.memory.rssMB": ("memory_used_gb", float(_MEGA))}
_MEASURED_OF_GPU = {
    "gpu": ("utilization", 1.0),
    "temp": ("temperature", 1.0),
    "powerWatts": ("power_draw", 1.0),
    "memoryAllocated": ("mem_usage", 1.0),
    "memoryAllocatedBytes": ("mem_used_gb", float(_GIGA)),
}


def place_of_metric(name: str) -> Place:
    """Return title and series of a metric; no two metrics have the same.

    >>> place_of_metric("train/loss"), place_of_metric("loss"), place_of_metric("loss/loss")
    (('train', 'loss'), ('loss', 'loss'), ('loss/loss', 'loss/loss'))
    """
    title, series = place_of(name)
    return (title, series) if title != series else (name, name)


def place_of_measurement(name: str) -> tuple[str, str, float]:
    """Return title and series of what W&B measured of the machine, and its divisor.

    >>> place_of_measurement("gpu.0.temp"), place_of_measurement("disk./.usageGB")
    ((':monitor:gpu', 'gpu_0_temperature', 1.0), (':monitor:machine', 'disk./.usageGB', 1.0))
    """
    start, _, rest = name.partition(".")
    number, _, measured = rest.partition(".")
    if start == "gpu" and number.isdecimal():
        if measured in _MEASURED_OF_GPU:
            series, divisor = _MEASURED_OF_GPU[measured]
            return GPU, f"gpu_{number}_{series}", divisor
        return GPU, name, 1.0
    return MACHINE, *_MEASURED.get(name, (name, 1.0))


class RunReports:
    """Reports of one run, given to a spool.

    Args:
        spool: takes them.
        place: the folder of the run, for errors.
        files: the files of the run; None if they are not there.
        started: when the run began, microseconds.
        left: counts what does not come.
    """

    def __init__(
        self,
        spool: ReportSpool,
        place: Path,
        files: SourceFolder | None,
        started: int,
        left: Counter[str],
    ) -> None:
        self._spool = spool
        self._place = place
        self._files = files
        self._started = started
        self._left = left
        self._at = started
        self._steps = 0
        self._names: set[str] = set()
        self._lines = dict.fromkeys((0, 1), "")  # what is printed, by stream
        self.shown: set[str] = set()  # files that were reported

    def read_log(self, log: WandbLog) -> None:
        """Report what a log says.

        Raises:
            SourceError: it is damaged.
        """
        self._place = log.path
        try:
            for record in log.records():
                self._note_record(record)
        except WireError as error:
            raise damaged(log.path, f"has a record that {error}") from error

    def _note_record(self, record: Message) -> None:
        if record.has(wandb_facts.HISTORY):
            self._note_step(record.message(wandb_facts.HISTORY))
        elif record.has(wandb_facts.OUTPUT_RAW):
            self._note_printed(record.message(wandb_facts.OUTPUT_RAW))
        elif record.has(wandb_facts.OUTPUT):
            self._note_printed(record.message(wandb_facts.OUTPUT))
        elif record.has(wandb_facts.STATS):
            self._note_measured(record.message(wandb_facts.STATS))

    def note_summary(self, summary: Mapping[str, object], at: int) -> None:
        """Report the values of the summary that no step has."""
        for path, value in wandb_facts.leaves(summary, self._place):
            name = ".".join(path)
            if path[0] in _OWN or name in self._names or not name.strip():
                continue
            number = _number(value)
            if number is not None:
                self._spool.add_single(name, number, at)
            elif path[0] not in self._names and value is not None:
                self._left["values of summaries that are no numbers"] += 1

    def note_lines(self, text: str) -> None:
        """Report what was printed, of which no times are known."""
        for line in text.splitlines():
            self._spool.add_line(self._started, _INFO, visible(line))

    def finish(self) -> None:
        """Report the lines that have no end."""
        for kind, rest in self._lines.items():
            if rest:
                self._add_line(rest)
                self._lines[kind] = ""

    # --- steps

    def _note_step(self, history: Message) -> None:
        numbers: list[tuple[str, float]] = []
        others: Json = {}
        step: int | None = history.message(2).number(1) if history.has(2) else None
        for item in history.messages(1):
            path = wandb_facts.path_of(item)
            text = item.data(wandb_facts.VALUE_JSON)
            if len(path) != 1 or (not text[:1].isdigit() and text[:1] not in (b"-", b"N", b"I")):
                if path:
                    value = parsed_json(text or b"null", self._place)
                    wandb_facts.put(others, path, value, self._place)
                continue
            number = self._parsed(text)
            if path[0] == "_timestamp":
                self._at = wandb_facts.seconds_of(number) or self._at
            elif path[0] == "_step" and step is None and abs(number) <= _LARGEST_STEP:
                step = int(number)
            numbers.append((path[0], number))
        step = self._steps if step is None else step
        self._steps = step + 1
        if abs(step) > _LARGEST_STEP:
            self._left["steps beyond 2^53"] += 1
            return
        ms = self._at // 1_000
        for name, number in numbers:
            if name not in _OWN:
                self._add_point(name, step, number, ms)
        for names, value in wandb_facts.leaves(others, self._place):
            self._note_value(names, step, value, ms)

    def _parsed(self, text: bytes) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise damaged(self._place, f"has the value {text[:40]!r}") from error

    def _add_point(self, name: str, step: int, number: float, ms: int) -> None:
        self._names.add(name)
        if name.strip():
            self._spool.add_point(*place_of_metric(name), step, number, ms)
        else:
            self._left["metrics without a name"] += 1

    def _note_value(self, path: tuple[str, ...], step: int, value: object, ms: int) -> None:
        if path[0] in _OWN:
            return
        name = ".".join(path)
        number = _number(value)
        if number is not None:
            self._add_point(name, step, number, ms)
            return
        self._names.add(path[0])
        if isinstance(value, dict) and "_type" in value and name.strip():
            self._note_media(name, step, value)
        elif value is not None and value != {}:
            self._left[NOT_NUMBERS] += 1

    # --- media

    def _note_media(self, name: str, step: int, value: Json) -> None:
        title, series = place_of_metric(name)
        kind = value["_type"]
        if kind == "histogram":
            self._note_histogram(title, series, step, value)
            return
        paths = [each for each in _paths(value) if isinstance(each, str)]
        if not paths:
            self._left[f"values of the type {str(kind)[:50]!r}"] += 1
        for number, path in enumerate(paths):
            own = series if len(paths) == 1 else f"{series}/{number}"
            self._note_file(title, own, step, path, str(kind))

    def _note_file(self, title: str, series: str, step: int, path: str, kind: str) -> None:
        found = None if self._files is None else self._files.file(path)
        if found is None:
            self._left["pictures, sounds and other media whose files are not there"] += 1
            return
        self.shown.add(path)
        drawing = None
        if kind == "table-file":
            drawing = _table(found)
        elif kind == "plotly-file":
            drawing = _figure(found)
        if drawing is not None:
            self._spool.add_plot(title, series, step, drawing, self._at)
        else:
            name = path.rpartition("/")[2]
            self._spool.add_media(title, series, step, FoundFile(name, found), name, self._at)

    def _note_histogram(self, title: str, series: str, step: int, value: Json) -> None:
        heights, edges = _numbers(value.get("values")), _numbers(value.get("bins"))
        packed = value.get("packedBins")
        if not edges and isinstance(packed, dict):
            low, width = _number(packed.get("min")), _number(packed.get("size"))
            if low is not None and width is not None:
                edges = [low + width * number for number in range(len(heights) + 1)]
        if not heights or len(edges) != len(heights) + 1:
            self._left["histograms without numbers"] += 1
            return
        figure = bars_figure(series, heights, edges)
        self._spool.add_plot(title, series, step, drawings.plotly(figure), self._at)

    # --- the console, the machine

    def _note_printed(self, output: Message) -> None:
        self._at = wandb_facts.microseconds(output.message(2)) or self._at
        kind = output.number(1) & 1
        *whole, rest = (self._lines[kind] + output.text(3)).split("\n")
        for line in whole:
            self._add_line(line)
        if len(rest) > _LONGEST:
            self._add_line(rest)
            rest = ""
        self._lines[kind] = rest

    def _add_line(self, line: str) -> None:
        self._spool.add_line(self._at, _INFO, visible(line))

    def _note_measured(self, stats: Message) -> None:
        at = wandb_facts.microseconds(stats.message(2))
        if at is None:
            self._left["measurements of the machine without a time"] += 1
            return
        seconds = max(0, at - self._started) // 1_000_000
        for item in stats.messages(3):
            title, series, divisor = place_of_measurement(item.text(1))
            number = _number(parsed_json(item.data(wandb_facts.VALUE_JSON), self._place))
            if number is None or not series.strip():
                self._left["measurements of the machine that are no numbers"] += 1
            else:
                self._spool.add_point(title, series, seconds, number / divisor, at // 1_000)


def _number(value: object) -> float | None:
    """Return a value as a number; None if it is none."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _numbers(found: object) -> list[float]:
    """Return a list of numbers; an empty one for anything else."""
    numbers = [_number(each) for each in found] if isinstance(found, list) else []
    return [] if None in numbers else [each for each in numbers if each is not None]


def _paths(value: Json) -> list[object]:
    """Return the paths of the files of a value: one file, several, or values that have one."""
    if "path" in value:
        return [value["path"]]
    if isinstance(value.get("filenames"), list):
        return list(value["filenames"])
    return [
        each["path"]
        for inner in value.values()
        if isinstance(inner, list)
        for each in inner
        if isinstance(each, dict) and "path" in each
    ]


def _table(path: Path) -> drawings.Drawing | None:
    """Return a table of columns and data; None if it is large, or holds more than texts."""
    if path.stat().st_size > _PLOT_LIMIT:
        return None
    found = read_json(path, _PLOT_LIMIT)
    columns, rows = (found.get("columns"), found.get("data")) if isinstance(found, dict) else (0, 0)
    if not isinstance(columns, list) or not isinstance(rows, list):
        return None
    if len(columns) * len(rows) > CELLS_LIMIT:
        return None
    try:
        return drawings.table(table_cells([columns, *rows]), extra_layout=None)
    except InvalidValueError:  # it is kept as a file
        return None


def _figure(path: Path) -> drawings.Drawing | None:
    """Return a figure of Plotly; None if it is large, or none."""
    if path.stat().st_size > _PLOT_LIMIT:
        return None
    try:
        return drawings.plotly(read_json(path, _PLOT_LIMIT))
    except InvalidValueError:  # it is kept as a file
        return None
