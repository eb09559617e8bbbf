"""Reports as charts and figures: for pages, thinned, and for notebooks and images."""

from __future__ import annotations

import json
import math
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from localreg import log
from localreg.errors import StorageError, WeightsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of
from localreg.operations.reports.reading import reading
from localreg.pages.page_values import Chart, Line, Picture, Plot, Reported, Step
from localreg.plots import figures
from localreg.plots.drawings import Drawing
from localreg.plots.thinning import POINTS
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, report_rows, task_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.store.rows.report_rows import Connection, PlotRow, SeriesRow
from localreg.values.frozen import Frozen, replace
from localreg.values.metrics import MONITORED
from localreg.values.records import Owner
from localreg.values.secrets import masked_text
from localreg.values.urls import is_remote, without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.plots.figures import Figure

    Item = TypeVar("Item")

    # Takes digest, size and file name of a blob, returns the URL that a page uses for it.
    BlobUrl = Callable[[str, int | None, str], str]


TEXT_LIMIT = 4_000  # bytes of a text that a page shows


class FigureRows(Frozen):
    """The stored rows that one figure shows: of one title and iteration."""

    title: str
    series: str
    iteration: int
    rows: tuple[PlotRow, ...]


def reported_values(
    registry: OpenRegistry,
    owner: Owner,
    blob_url: BlobUrl,
    *,
    points: int = POINTS,
    steps: int | None = None,
    plots: bool = True,
) -> Reported:
    """Return all reports to an owner, thinned for drawing.

    Args:
        plots: False to leave plots out.
        points: of a line, at most.
        steps: iterations of a plot, at most; None for all.
    """
    with reading(registry, owner) as connection:
        return Reported(
            charts=tuple(_charts(connection, owner, points)),
            singles=tuple(
                (name, _finite(value)) for name, value in report_rows.singles(connection, owner)
            ),
            plots=tuple(_plots(registry, connection, owner, blob_url, steps)) if plots else (),
        )


def model_reports(
    registry: OpenRegistry, model_id: str, maker: str | None, blob_url: BlobUrl
) -> Reported:
    """Return all reports to a model, and the scalars and values that it lacks of its task.

    What the machine did meanwhile, and the plots of the task, stay on the task's page.

    Args:
        maker: id of the task that made the model, if the registry has it.
    """
    own = reported_values(registry, Owner("model", model_id), blob_url)
    if maker is None:
        return own
    inherited = reported_values(registry, Owner("task", maker), blob_url, plots=False)
    charts = tuple(chart for chart in inherited.charts if chart.title not in MONITORED)
    return with_inherited(own, replace(inherited, charts=charts))


def with_inherited(own: Reported, inherited: Reported) -> Reported:
    """Return reports of a model with those series and plots of its task that it lacks."""
    charts: dict[str, Chart] = {}
    for chart in (*own.charts, *inherited.charts):
        known = charts.get(chart.title)
        if known is not None:
            names = {line.name for line in known.lines}
            new = tuple(line for line in chart.lines if line.name not in names)
            chart = replace(known, lines=(*known.lines, *new))
        charts[chart.title] = chart
    plots: dict[tuple[str, str], Plot] = {}
    for plot in (*own.plots, *inherited.plots):
        plots.setdefault((plot.title, plot.series), plot)
    singles = dict(inherited.singles) | dict(own.singles)
    found = replace(
        own,
        charts=tuple(charts.values()),
        plots=tuple(plots.values()),
        singles=tuple(sorted(singles.items())),
    )
    return replace(found, inherited=found != own)


def _charts(connection: Connection, owner: Owner, most: int) -> Iterator[Chart]:
    rows = report_rows.series(connection, owner)
    rows = sorted(rows, key=lambda row: row.title in MONITORED)  # last: few look for them
    for title, members in groupby(rows, key=lambda row: row.title):
        yield Chart(title, tuple(_line(connection, row, most) for row in members))


def _line(connection: Connection, row: SeriesRow, most: int) -> Line:
    drawn = _drawn(connection, row, most)
    return Line(
        name=row.name,
        iterations=[iteration for iteration, _, _ in drawn],
        values=[_finite(value) for _, value, _ in drawn],
        seconds=[(row.epoch + ms) / 1000 for _, _, ms in drawn],
        points=max(row.points, len(drawn)),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _drawn(
    connection: Connection, row: SeriesRow, most: int
) -> list[tuple[int, float | None, int]]:
    """Return the points of a series that a chart shows: all, or those that keep its shape."""
    if row.points <= most:
        return report_rows.points(connection, row.pk)
    return report_rows.thinned(connection, row, most)


def _plots(
    registry: OpenRegistry,
    connection: Connection,
    owner: Owner,
    blob_url: BlobUrl,
    most: int | None,
) -> Iterator[Plot]:
    for (title, series, _), groups in groupby(figure_rows(connection, owner), key=_plot_of):
        chosen = evenly(list(groups), most)
        steps = tuple(_step(registry, connection, group, blob_url) for group in chosen)
        yield Plot(title, series, steps)


def evenly(items: Sequence[Item], most: int | None) -> list[Item]:
    """Return at most so many items, evenly chosen; the last is always among them.

    >>> evenly([10, 20, 30, 40, 50], 3), evenly([10, 20], 1), evenly([10, 20], None)
    ([10, 30, 50], [20], [10, 20])
    """
    count = len(items)
    if most is None or count <= most:
        return list(items)
    places = {count - 1 - round(i * (count - 1) / max(most - 1, 1)) for i in range(most)}
    return [items[place] for place in sorted(places)]


def _plot_of(group: FigureRows) -> tuple[str, str, bool]:
    """Return what all iterations of one plot have in common."""
    return group.title, group.series, group.rows[0].kind == "scatter2d"


def figure_rows(connection: Connection, owner: Owner) -> list[FigureRows]:
    """Return the plots of an owner, sorted by title, series and iteration.

    All series of `report_scatter2d` with one title and iteration make one figure. Kinds of plots
    that only a newer localreg knows are left out.
    """
    known = figures.KINDS | {"media"}
    rows = [row for row in report_rows.plots(connection, owner) if row.kind in known]
    scattered: dict[str, set[str]] = {}
    for row in rows:
        if row.kind == "scatter2d":
            scattered.setdefault(row.title, set()).add(row.series)
    found: dict[tuple[str, str, bool, int], list[PlotRow]] = {}
    for row in rows:
        is_scatter = row.kind == "scatter2d"
        is_shared = is_scatter and len(scattered[row.title]) > 1
        key = (row.title, "" if is_shared else row.series, is_scatter, row.iteration)
        found.setdefault(key, []).append(row)
    return [
        FigureRows(title, series, iteration, tuple(members))
        for (title, series, _, iteration), members in sorted(found.items())
    ]


def _step(
    registry: OpenRegistry, connection: Connection, group: FigureRows, blob_url: BlobUrl
) -> Step:
    first = group.rows[0]
    with taken_apart("plot", first.title, "spec"):
        if first.kind == "media":
            shown = _picture(first, blob_url)
            return Step(
                iteration=group.iteration, shown=shown, note=_short_text(registry, first, shown)
            )
        return _figure_step(connection, group)


def _short_text(registry: OpenRegistry, row: PlotRow, shown: Picture) -> str | None:
    """Return a text that was reported as a file, if the page can show all of it below its name."""
    is_text = shown.source and shown.filename.endswith((".txt", ".md"))
    if not is_text or row.size is None or row.size > TEXT_LIMIT or not row.digest:
        return None
    try:
        with disk_errors("reading a reported file", registry.root):
            data = content_of(registry.blobs.blob(row.digest), row.size)
        return None if data is None else masked_text(data.decode())
    except (StorageError, UnicodeDecodeError):  # the link is there
        return None


def _figure_step(connection: Connection, group: FigureRows) -> Step:
    drawings = _drawings(connection, group, full=False)
    figure = figures.overlaid(drawings, group.title)
    notes = [drawing.options.get("note") for _, drawing in drawings]
    comment = drawings[-1][1].options.get("comment")
    if figure["layout"].get("title") == {"text": figures.title_text(group.title, comment)}:
        del figure["layout"]["title"]  # the page shows it above the figure
        notes.insert(0, comment)
    note = "\n".join(dict.fromkeys(note for note in notes if note))
    return Step(iteration=group.iteration, shown=figure, note=note or None)


def _picture(row: PlotRow, blob_url: BlobUrl) -> Picture:
    options = json.loads(row.spec)["options"]
    filename = str(options.get("filename") or "file")
    if is_remote(url := options.get("url")):  # a page asks no other machine for a picture
        return Picture(without_secrets(str(url)), "file", f"{filename} (elsewhere)")
    kind = (mimetypes.guess_type(filename)[0] or "file").partition("/")[0]
    shown = kind if kind in ("image", "audio", "video") else "file"
    try:
        source = blob_url(row.digest or "", row.size, filename)
    except (WeightsError, StorageError) as error:  # the page can still show everything else
        log.warning("the page cannot show the file reported as %r: %s", row.title, error)
        return Picture("", "file", f"{filename} (damaged or missing)")
    return Picture(source, shown, filename)


def _drawings(
    connection: Connection, group: FigureRows, *, full: bool
) -> list[tuple[str, Drawing]]:
    return [(row.series, drawing_of(connection, row, full=full)) for row in group.rows]


def drawing_of(connection: Connection, row: PlotRow, *, full: bool = True) -> Drawing:
    """Return a plot as it was reported, or without `full` the thinned one if it has one."""
    from localreg.plots.arrays import unpack

    whole = json.loads(row.spec)
    thinned = None if full else whole.get("shown")
    spec = thinned or whole
    data = report_rows.plot_data(connection, row.pk, shown=thinned is not None)
    return Drawing(row.kind, spec["options"], unpack(spec["parts"], data))


def figure_json(figure: Figure) -> str:
    """Return a figure as JSON; Plotly's own encoder knows its arrays."""
    from plotly.io.json import to_json_plotly

    return str(to_json_plotly(figure))


class NamedFigure(Frozen):
    """A figure, and the title, series and iteration that it shows."""

    title: str
    series: str
    iteration: int | None
    figure: Figure


def named_figures(
    registry: OpenRegistry,
    owner: Owner,
    *,
    full: bool = False,
    every: bool = False,
    inherited: bool = False,
) -> list[NamedFigure]:
    """Return reports as Plotly figures: the charts of scalars, then the plots. Media are left out.

    Args:
        full: draw every point, however many there are.
        every: return all iterations of each plot, not only the last.
        inherited: of a model, also return the series and plots that it lacks and the task that
            made it has.
    """
    with reading(registry, owner) as connection:
        owners = [owner, *(_maker(connection, owner) if inherited else ())]
        lines: dict[tuple[str, str], SeriesRow] = {}
        plots: dict[tuple[str, str, bool], list[FigureRows]] = {}
        for each in owners:
            for row in report_rows.series(connection, each):
                lines.setdefault((row.title, row.name), row)
            groups = [g for g in figure_rows(connection, each) if g.rows[0].kind != "media"]
            for plot, iterations in groupby(groups, key=_plot_of):
                plots.setdefault(plot, list(iterations))
        series = [row for _, row in sorted(lines.items())]
        found = [
            _scalar_chart(connection, title, list(members), full=full)
            for title, members in groupby(series, key=lambda row: row.title)
        ]
        for _, steps in sorted(plots.items()):
            for group in steps if every else steps[-1:]:
                with taken_apart("plot", group.title, "spec"):
                    figure = figures.overlaid(_drawings(connection, group, full=full), group.title)
                found.append(NamedFigure(group.title, group.series, group.iteration, figure))
    return found


def _maker(connection: Connection, owner: Owner) -> list[Owner]:
    """Return the task that made a model, if it is in the registry."""
    row = model_rows.model_row(connection, owner.id) if owner.kind == "model" else None
    if row is None or row.task is None or not task_rows.present(connection, [row.task]):
        return []
    return [Owner("task", row.task)]


def _scalar_chart(
    connection: Connection, title: str, rows: Sequence[SeriesRow], *, full: bool
) -> NamedFigure:
    lines = []
    for row in rows:
        drawn = _drawn(connection, row, row.points if full else POINTS)
        lines.append((row.name, [p[0] for p in drawn], [p[1] for p in drawn]))
    return NamedFigure(title, "", None, figures.scalar_figure(title, lines))
