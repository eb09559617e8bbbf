"""What was reported, as charts and figures."""

from __future__ import annotations

import json
import math
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from localreg import log
from localreg.errors import CorruptBlobError, StorageError
from localreg.operations.reports.reading import reading
from localreg.pages.page_values import Chart, Line, Picture, Plot, Reported, Step
from localreg.plots import figures
from localreg.plots.drawings import Drawing
from localreg.plots.thinning import POINTS
from localreg.registry import OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Connection, PlotRow, SeriesRow
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.pages.page_values import Figure

    # The digest, size and file name of a blob, to the URL that a page has for it.
    Placed = Callable[[str, int | None, str], str]


class Sheet(Frozen):
    """What is drawn as one plot: the rows of one title and iteration that share a figure."""

    title: str
    series: str
    iteration: int
    rows: tuple[PlotRow, ...]


def page_values(registry: OpenRegistry, owner: Owner, placed: Placed) -> Reported:
    """Return everything that was reported to an owner, thinned for drawing.

    Raises:
        ModelNotFoundError, TaskNotFoundError: the owner is gone.
    """
    with reading(registry, owner) as connection:
        return Reported(
            charts=tuple(_charts(connection, owner)),
            singles=tuple(
                (name, value if value is not None and math.isfinite(value) else None)
                for name, value in report_rows.singles(connection, owner)
            ),
            plots=tuple(_plots(connection, owner, placed)),
        )


def _charts(connection: Connection, owner: Owner) -> Iterator[Chart]:
    rows = report_rows.series(connection, owner)
    for title, members in groupby(rows, key=lambda row: row.title):
        yield Chart(title, tuple(_line(connection, row) for row in members))


def _line(connection: Connection, row: SeriesRow) -> Line:
    points = report_rows.points(connection, row.pk)
    drawn = points if len(points) <= POINTS else _thinned(points)
    return Line(
        name=row.name,
        iterations=[iteration for iteration, _, _ in drawn],
        values=[
            value if value is not None and math.isfinite(value) else None for _, value, _ in drawn
        ],
        seconds=[(row.epoch + ms) / 1000 for _, _, ms in drawn],
        points=len(points),
    )


def _thinned(
    points: Sequence[tuple[int, float | None, int]],
) -> list[tuple[int, float | None, int]]:
    import numpy as np

    from localreg.plots.thinning import thinned_line

    x = np.fromiter((point[0] for point in points), np.float64, len(points))
    y = np.fromiter(
        (math.nan if point[1] is None else point[1] for point in points), np.float64, len(points)
    )
    chosen = thinned_line(x, y)
    return list(points) if chosen is None else [points[place] for place in chosen.tolist()]


def _plots(connection: Connection, owner: Owner, placed: Placed) -> Iterator[Plot]:
    for (title, series, _), sheets in groupby(sheets_of(connection, owner), key=_plot_of):
        steps = tuple(_step(connection, sheet, placed) for sheet in sheets)
        yield Plot(title, series, steps)


def _plot_of(sheet: Sheet) -> tuple[str, str, bool]:
    """Return what the iterations of one plot have in common."""
    return sheet.title, sheet.series, sheet.rows[0].kind == "scatter2d"


def sheets_of(connection: Connection, owner: Owner) -> list[Sheet]:
    """Return the plots of an owner, by title, series and iteration.

    Points in the plane that were reported under one title and iteration are one chart. Kinds that
    a newer localreg reported are left out.
    """
    known = figures.KINDS | {"media"}
    together: dict[tuple[str, str, int, bool], list[PlotRow]] = {}
    rows = [row for row in report_rows.plots(connection, owner) if row.kind in known]
    shared = _shared_titles(rows)
    for row in rows:
        series = shared.get(row.title, row.series) if row.kind == "scatter2d" else row.series
        key = (row.title, series, row.iteration, row.kind == "scatter2d")
        together.setdefault(key, []).append(row)
    return [Sheet(*key[:3], tuple(together[key])) for key in sorted(together, key=_place_of)]


def _place_of(key: tuple[str, str, int, bool]) -> tuple[str, str, bool, int]:
    """Return what sorts plots: the iterations of each next to one another."""
    title, series, iteration, points = key
    return title, series, points, iteration


def _shared_titles(rows: Sequence[PlotRow]) -> dict[str, str]:
    """Return the series that stands for all of them in titles with several series of points."""
    series: dict[str, set[str]] = {}
    for row in rows:
        if row.kind == "scatter2d":
            series.setdefault(row.title, set()).add(row.series)
    return {title: "" for title, names in series.items() if len(names) > 1}


def _step(connection: Connection, sheet: Sheet, placed: Placed) -> Step:
    first = sheet.rows[0]
    if first.kind == "media":
        return Step(iteration=sheet.iteration, shown=_picture(first, placed))
    drawings = _drawings(connection, sheet, full=False)
    figure = figures.overlaid(drawings, sheet.title)
    notes = [drawing.options.get("note") for _, drawing in drawings]
    comment = drawings[-1][1].options.get("comment")
    if figure["layout"].get("title") == {"text": figures.title_text(sheet.title, comment)}:
        del figure["layout"]["title"]  # the page has it above the figure
        notes.insert(0, comment)
    told = "\n".join(dict.fromkeys(note for note in notes if note))
    return Step(iteration=sheet.iteration, shown=figure, note=told or None)


def _picture(row: PlotRow, placed: Placed) -> Picture:
    filename = str(json.loads(row.spec)["options"].get("filename") or "file")
    kind = (mimetypes.guess_type(filename)[0] or "file").partition("/")[0]
    shown = kind if kind in ("image", "audio", "video") else "file"
    try:
        source = placed(row.digest or "", row.size, filename)
    except (CorruptBlobError, StorageError) as error:  # the rest of the page can be shown
        log.warning("a page lacks what was reported as %r: %s", row.title, error)
        return Picture("", "file", f"{filename} (damaged or gone)")
    return Picture(source, shown, filename)


def _drawings(connection: Connection, sheet: Sheet, *, full: bool) -> list[tuple[str, Drawing]]:
    return [(row.series, drawing_of(connection, row, full=full)) for row in sheet.rows]


def drawing_of(connection: Connection, row: PlotRow, *, full: bool = True) -> Drawing:
    """Return a plot as it was reported, or the part of it that is drawn."""
    from localreg.plots.arrays import unpack

    told = json.loads(row.spec)
    part = None if full else told.get("shown")
    told = part or told
    data = report_rows.plot_data(connection, row.pk, shown=part is not None)
    return Drawing(row.kind, told["options"], unpack(told["parts"], data))


class Named(Frozen):
    """A figure, and what it shows."""

    title: str
    series: str
    iteration: int | None
    figure: Figure


def named_figures(
    registry: OpenRegistry, owner: Owner, *, full: bool = False, every: bool = False
) -> list[Named]:
    """Return everything that was reported as Plotly figures: the charts of scalars, then the plots.

    Args:
        full: draw every point, however many there are.
        every: the plots of all iterations, not of the last alone. Pictures are left out.

    Raises:
        ModelNotFoundError, TaskNotFoundError: the owner is gone.
    """
    with reading(registry, owner) as connection:
        found = [
            _scalar_chart(connection, *chart, full=full) for chart in _by_title(connection, owner)
        ]
        sheets = [s for s in sheets_of(connection, owner) if s.rows[0].kind != "media"]
        for _, some in groupby(sheets, key=_plot_of):
            steps = list(some)
            for sheet in steps if every else steps[-1:]:
                figure = figures.overlaid(_drawings(connection, sheet, full=full), sheet.title)
                found.append(Named(sheet.title, sheet.series, sheet.iteration, figure))
    return found


def _by_title(connection: Connection, owner: Owner) -> list[tuple[str, list[SeriesRow]]]:
    rows = report_rows.series(connection, owner)
    return [(title, list(some)) for title, some in groupby(rows, key=lambda row: row.title)]


def _scalar_chart(
    connection: Connection, title: str, rows: Sequence[SeriesRow], *, full: bool
) -> Named:
    lines = []
    for row in rows:
        points = report_rows.points(connection, row.pk)
        drawn = points if full or len(points) <= POINTS else _thinned(points)
        lines.append((row.name, [p[0] for p in drawn], [p[1] for p in drawn]))
    return Named(title, "", None, figures.scalar_figure(title, lines))
