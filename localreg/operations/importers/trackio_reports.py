"""What a run of Trackio logged: metrics, tables, media, alerts, and measurements of the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from localreg.errors import InvalidValueError
from localreg.operations.importers.foreign_values import microseconds_of
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.metric_names import place_of
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import SourceFolder, damaged, parsed_json
from localreg.plots import drawings
from localreg.plots.histogram_bars import bars_figure
from localreg.plots.tables import CELLS_LIMIT, table_cells
from localreg.values.checks import shown
from localreg.values.metrics import GPU, MACHINE
from localreg.values.printed import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.foreign.trackio_tables import Row
    from localreg.values.records import Json

_MOST = 2**53  # of a step
_DEEPEST = 20
_INFINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}
_LEVELS = {"info": 20, "warn": 30, "error": 40}
_MEDIA = ("image", "audio", "video", "html", "object3d")
NO_NUMBER = "values that are no numbers"


def values_of(found: object, place: str) -> Json:
    """Return the values of a row: JSON of a database, or the values of a Parquet file.

    Raises:
        SourceError: they are no object of JSON.
    """
    if isinstance(found, bytes | str):
        found = parsed_json(found, place)
    if not isinstance(found, dict):
        raise damaged(place, f"has no JSON object where values should be, but {shown(found)}")
    return found


class RunReports:
    """Gives what a run logged to a spool."""

    def __init__(
        self, spool: ReportSpool, place: str, folder: SourceFolder, left: Counter[str]
    ) -> None:
        """Begin.

        Args:
            spool: takes the reports.
            place: the database, for errors.
            folder: what `media` is in.
            left: counts what does not come.
        """
        self._spool = spool
        self._place = place
        self._folder = folder
        self._left = left
        self._owners: dict[tuple[str, str], str] = {}

    def add_logged(self, row: Row) -> None:
        """Add what was logged at a step.

        Raises:
            SourceError: the row is damaged.
        """
        step = row.get("step")
        if not isinstance(step, int) or abs(step) > _MOST:
            raise damaged(self._place, f"has the step {shown(step)}")
        at = microseconds_of(row.get("timestamp"), self._place)
        for name, value in values_of(row.get("metrics"), self._place).items():
            self._add(name, step, value, at, 0)

    def add_measured(self, number: int, row: Row) -> None:
        """Add what was measured of the machine; `number` counts the measurements of the run.

        Raises:
            SourceError: the row is damaged.
        """
        at = microseconds_of(row.get("timestamp"), self._place)
        for name, value in values_of(row.get("metrics"), self._place).items():
            found = _number(value)
            if found is None or not name.strip():
                self._left["measurements of the machine that are no numbers"] += 1
            else:
                title = GPU if name.startswith(("gpu", "apple_gpu")) else MACHINE
                self._spool.add_point(title, name, number, found, at // 1_000)

    def add_alert(self, row: Row) -> None:
        """Add an alert as a line of the console.

        Raises:
            SourceError: the row is damaged.
        """
        at = microseconds_of(row.get("timestamp"), self._place)
        texts = [each for each in (row.get("title"), row.get("text")) if isinstance(each, str)]
        level = _LEVELS.get(str(row.get("level")), 30)
        self._spool.add_line(at, level, visible(": ".join(texts)))

    def _add(self, name: str, step: int, value: object, at: int, depth: int) -> None:
        if value is None:
            return
        if not name.strip():
            self._left["metrics without a name"] += 1
            return
        number = _number(value)
        if number is not None:
            self._spool.add_point(*self._place_of(name), step, number, at // 1_000)
        elif isinstance(value, dict) and isinstance(value.get("_type"), str):
            self._add_typed(name, step, value, at)
        elif isinstance(value, dict) and depth < _DEEPEST:
            for inner, each in value.items():
                self._add(f"{name}/{inner}", step, each, at, depth + 1)
        else:
            self._left[NO_NUMBER] += 1

    def _place_of(self, name: str) -> tuple[str, str]:
        """Return title and series of a metric; no two have the same."""
        place = place_of(name)
        return place if self._owners.setdefault(place, name) == name else (name, name)

    def _add_typed(self, name: str, step: int, value: Json, at: int) -> None:
        kind = value["_type"].removeprefix("trackio.")
        title, series = self._place_of(name)
        if kind in _MEDIA:
            self._add_file(title, series, step, value, at)
        elif kind == "markdown" and isinstance(value.get("_value"), str):
            text = value["_value"].encode(errors="replace")
            self._spool.add_media(title, series, step, text, "text.md", at)
        elif kind == "histogram" and (figure := _histogram(series, value)) is not None:
            self._spool.add_plot(title, series, step, drawings.plotly(figure), at)
        elif kind == "table" and (table := _table(value.get("_value"))) is not None:
            self._spool.add_plot(title, series, step, table, at)
            for number, each in enumerate(_pictures(value)):
                self._add_file(title, f"{series}/{number}", step, each, at)
        else:
            self._left[f"values of the type {kind[:50]!r}"] += 1

    def _add_file(self, title: str, series: str, step: int, value: Json, at: int) -> None:
        path = value.get("file_path")
        if not isinstance(path, str):
            raise damaged(self._place, f"has no path of a file, but {shown(path)}")
        # A path that was written on Windows has backslashes.
        found = self._folder.file("media/" + path.replace("\\", "/"))
        if found is None:
            self._left["pictures, sounds and other media whose files are not there"] += 1
            return
        self._spool.add_media(title, series, step, FoundFile(found.name, found), found.name, at)


def _number(value: object) -> float | None:
    """Return a value as a number; None if it is none."""
    if isinstance(value, str):
        return _INFINITE.get(value)
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _numbers(found: object) -> list[float]:
    """Return a list of finite numbers; an empty one for anything else."""
    numbers = [_number(each) for each in found] if isinstance(found, list) else []
    finite = [each for each in numbers if each is not None and abs(each) < 1e300]
    return finite if len(finite) == len(numbers) else []


def _histogram(series: str, value: Json) -> Json | None:
    heights, edges = _numbers(value.get("values")), _numbers(value.get("bins"))
    if not heights or len(edges) != len(heights) + 1:
        return None
    return bars_figure(series, heights, edges)


def _table(rows: object) -> drawings.Drawing | None:
    """Return a table of a list of rows by the names of their columns; None if it is none."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    header = [*dict.fromkeys(key for row in rows for key in row)]
    if not header or len(header) * len(rows) > CELLS_LIMIT:
        return None
    cells = [[_cell(row.get(key)) for key in header] for row in rows]
    try:
        return drawings.table(table_cells([header, *cells]), extra_layout=None)
    except InvalidValueError:
        return None


def _cell(value: object) -> object:
    """Return what is shown in a cell: of a picture its caption."""
    if isinstance(value, dict):
        return str(value.get("caption") or value.get("file_path") or "")
    return value if isinstance(value, str | int | float | None) else str(value)[:1_000]


def _pictures(table: Json) -> Iterator[Json]:
    """Yield the pictures in the cells of a table."""
    for row in table["_value"]:
        for cell in row.values():
            for each in cell if isinstance(cell, list) else [cell]:
                if isinstance(each, dict) and "file_path" in each:
                    yield each
