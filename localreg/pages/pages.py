"""Renders the values of page_values.py as HTML pages.

The Content-Security-Policy of a page allows our own script files; that of a standalone page lists
the hashes of the scripts it contains.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from localreg.pages import comparing
from localreg.pages.assets import asset_names, asset_path
from localreg.pages.chart_groups import chart_groups
from localreg.pages.index_data import IndexData
from localreg.pages.lineage_drawing import lineage_svg
from localreg.pages.markup import (
    bits,
    clean,
    directed,
    highlighted,
    in_script,
    isolated,
    number_text,
    safe_href,
    script_json,
    visible,
)
from localreg.pages.page_values import (
    Chart,
    ComparePage,
    Line,
    ModelPage,
    Picture,
    Plot,
    Reported,
    Step,
    TaskPage,
)
from localreg.pages.patches import patch_files
from localreg.pages.sketches import COLOURS, SketchLine, figure_sketch, sketch
from localreg.values.frozen import Frozen, replace
from localreg.values.metrics import MONITORED
from localreg.values.units import duration_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jinja2 import Environment
    from markupsafe import Markup

_PAGE_SCRIPTS = ("theme.js", "page.js")
_RUNS = ("run_axes.js", "parallel.js", "scatter.js")
_LISTING = (
    "index_data.js", "index_search.js", "virtual_table.js", "filter_menu.js", "column_menu.js",
    "index_columns.js", *_RUNS, "index_charts.js", "index.js",
)  # fmt: skip
_DRAWING = ("drawing.js", "series.js", "cards.js", "charts.js", "plots.js")
_PLOT_HEIGHT = 400
RUNS = 50  # colours of compared runs
_DASHES = ("none", "5 3", "2 2", "5 2 2 2", "9 3", "9 3 2 3")


class PagePlace(Frozen, kw_only=True):
    """Where a page is, whether it is standalone, and when it was written.

    Attributes:
        root: relative path from the page to the folder that contains ``assets``: "" or "../".
        standalone: True to put scripts, styles and data into the page itself.
        home: link to the overview, or None.
        generated: time at which the page was written, as text in UTC.
    """

    root: str = ""
    standalone: bool = False
    home: str | None = None
    generated: str = ""


class _Script(Frozen):
    """A script of a page: its URL, or its text."""

    source: str | None
    text: str | None


def model_page(values: ModelPage, place: PagePlace) -> str:
    """Return the page of one model."""
    return _rendered(
        "model_page.html",
        place,
        _has_figures(values.reported),
        *_DRAWING,
        "console.js",
        page=values,
    )


def task_page(values: TaskPage, place: PagePlace) -> str:
    """Return the page of one task."""
    scripts = (
        *_DRAWING,
        "console.js",
        *(("renewal.js",) if values.renewed and not place.standalone else ()),
    )
    return _rendered("task_page.html", place, _has_figures(values.reported), *scripts, page=values)


def compare_page(values: ComparePage, place: PagePlace) -> str:
    """Return the page that shows two or more runs side by side."""
    runs, directions = values.runs, values.directions
    many = len(runs) > comparing.OVERLAID
    charts = []
    for heading, parts in comparing.joint_charts(runs).items():
        data: dict[str, object] = {"title": heading, "lines": [], "legend": not many}
        for position, chart in parts:
            origin = _origin(runs[position].reported)
            name = runs[position].link.text
            data["lines"] += [  # type: ignore[operator]  # the list above
                _line(
                    line,
                    origin,
                    name=f"{position + 1} · {name if many else line.name}",
                    colour=position,
                    dash=0 if many else i,
                )
                | {"run": position}
                for i, line in enumerate(chart.lines)
            ]
        card = _card(data, _notes(c for _, c in parts))
        # The name of a chart of many runs has the series; the lines are named after the runs.
        charts.append(replace(card, about=card.about | {"names": []}) if many else card)
    metrics = comparing.metric_rows(runs, directions)
    columns = comparing.columns_of(runs, directions)
    names = comparing.shortest_names([run.link.text for run in runs])
    data = {
        "columns": [{"key": c.key, "name": c.name, "group": c.group} for c in columns],
        "runs": [
            {
                "name": f"{i + 1} · {name}",
                "href": safe_href(run.link.href),
                "dash": dash_of(i),
                "values": comparing.values_of(run),
            }
            for i, (run, name) in enumerate(zip(runs, names, strict=True))
        ],
        "axes": comparing.first_axes(runs, directions),
    }
    machine = [row for row in metrics if comparing.is_monitored(row.name)]
    return _rendered(
        "compare_page.html",
        place,
        any(_has_figures(run.reported) for run in runs),
        *_DRAWING,
        *_RUNS,
        "compare.js",
        page=values,
        names=names,
        data=data,
        groups={
            "values": [
                ("Metrics", metrics[: len(metrics) - len(machine)]),
                (
                    "Metadata",
                    comparing.text_rows([r.metadata for r in runs], directions, "metadata "),
                ),
                ("Machine", machine),
            ],
            "parameters": [("", comparing.parameter_rows(runs))],
            "config": [("", comparing.text_rows([run.config for run in runs], {}))],
            "facts": [("", comparing.text_rows([run.facts for run in runs], {}))],
        },
        diffs=comparing.text_diffs(runs),
        charts=charts,
        joints=comparing.joint_plots(runs),
    )


def index_page(data: IndexData, place: PagePlace) -> Iterator[str]:
    """Yield the parts of the page that lists the models, projects and tasks of a registry.

    Args:
        data: its files must lie in the folder ``columns`` beside the page.
    """
    yield from _parts("index_page.html", place, False, *_LISTING, page=data)


def _rendered(
    template: str, place: PagePlace, figures: bool, *scripts: str, **values: object
) -> str:
    return "".join(_parts(template, place, figures, *scripts, **values))


def _parts(
    template: str, place: PagePlace, figures: bool, *scripts: str, **values: object
) -> Iterator[str]:
    """Return the parts of a page as they are made: it may be long."""
    loaded = [_script(name, place) for name in (*_PAGE_SCRIPTS, *scripts)]
    plotly = _script("plotly", place) if figures else None  # drawing.js starts it, later
    texts = [each.text for each in (*loaded, plotly) if each is not None and each.text is not None]
    return (
        _templates()
        .get_template(template)
        .generate(
            place=place,
            scripts=loaded,
            plotly=plotly,
            policy=_policy(texts),
            style=asset_path("page.css").read_text("utf-8") if place.standalone else None,
            style_source=f"{place.root}assets/{asset_names()['page.css']}",
            figures=figures,
            **values,
        )
    )


def _script(name: str, place: PagePlace) -> _Script:
    if not place.standalone:
        return _Script(f"{place.root}assets/{asset_names()[name]}", None)
    text = asset_path(name).read_text("utf-8")
    if "</script" in text.lower() or "<!--" in text:  # either would end the element early, or never
        raise ValueError(
            f"{asset_path(name)} contains </script or <!--, so it cannot be put into a page"
        )
    return _Script(None, text)


def _policy(scripts: Iterable[str]) -> str:
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    )
    return (
        # 'unsafe-eval', because the WebGL traces of Plotly compile code.
        f"default-src 'none'; script-src 'self' 'unsafe-eval'{hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data:; "
        "font-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _templates() -> Environment:
    """Return the Jinja2 environment of the templates; they are compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=PackageLoader("localreg.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    environment.filters |= {
        "json": script_json,
        "in_script": in_script,
        "href": lambda href: _as_it_is(safe_href(href)),
        "as_it_is": _as_it_is,
        "isolated": isolated,
        "directed": lambda text: Markup(escape(directed(text))),
        "visible": visible,
        "number": number_text,
        "bits": bits,
        "highlighted": highlighted,
        "prose": _prose,
        "svg": lineage_svg,
        "duration": lambda seconds: duration_text(round(seconds)),
        "trusted": Markup,  # only for our own scripts and styles
    }
    environment.globals |= {
        "chart_cards": chart_cards,
        "chart_groups": chart_groups,
        "chart_sketch": chart_sketch,
        "plot_sketch": plot_sketch,
        "is_timed": _is_timed,
        "patch_files": patch_files,
        "plot_data": plot_data,
        "step_data": step_data,
        "plot_groups": plot_groups,
        "plot_height": plot_height,
        "pictures_of": pictures_of,
        "MONITORED": MONITORED,
        "dash_of": dash_of,
    }
    return environment


def _prose(text: str, kind: str, top: int) -> Markup:
    """Return Markdown as HTML; a comment keeps its line breaks."""
    from localreg.pages.markdown import prose

    return prose(visible(text), line_breaks=kind == "comment", prefix=f"in-{kind}-", top=top)


def dash_of(run: int) -> str:
    """Return the dashes of the line of a compared run, as SVG has them; as charts.js draws it."""
    return _DASHES[run // 8 % len(_DASHES)]


def _shown(value: object) -> object:
    """Return what a template writes: texts with control characters made visible, markup as it is.

    Sources and texts to copy go through `_as_it_is`.
    """
    if isinstance(value, str):
        return clean(value) if hasattr(value, "__html__") else visible(value)
    return value


def _as_it_is(text: str | None) -> Markup | None:
    """Return a text for an attribute that people do not read, such as a link."""
    from markupsafe import escape

    return None if text is None else escape(clean(text))


class ChartCard(Frozen, kw_only=True):
    """A chart as templates show it.

    Attributes:
        title: the title of its scalars.
        about: its names, for charts.js before it reads `data`, which is long.
        data: what charts.js draws.
        notes: a text for each line that was thinned.
        monitored: True if it shows what the machine did.
    """

    title: str
    about: dict[str, object]
    data: Mapping[str, Any]
    notes: Sequence[str]
    monitored: bool


def chart_cards(reported: Reported) -> list[ChartCard]:
    """Return the charts of a model or task; relative times count from its first scalar."""
    origin = _origin(reported)
    return [
        _card(
            {
                "title": chart.title,
                "lines": [_line(line, origin, colour=i) for i, line in enumerate(chart.lines)],
            },
            _notes([chart]),
        )
        for chart in reported.charts
    ]


def _card(data: Mapping[str, Any], notes: Sequence[str]) -> ChartCard:
    title, names = data["title"], [line["name"] for line in data["lines"]]
    return ChartCard(
        title=title,
        about={"title": title, "names": names, "thinned": bool(notes)},
        data=data,
        notes=notes,
        monitored=title in MONITORED,
    )


def chart_sketch(card: ChartCard) -> Markup:
    """Return the sketch of a chart, as charts.js draws it at first."""
    return sketch(
        [SketchLine(line["x"], line["y"], *_look(line)) for line in card.data["lines"] if line["x"]]
    )


def _look(line: Mapping[str, Any]) -> tuple[int, str]:
    """Return the colour and the dashes of a line; compared runs have a colour each."""
    dash = _DASHES[(line["dash"] + line["colour"] // COLOURS) % len(_DASHES)]
    return line.get("run", line["colour"] % COLOURS) % RUNS, dash


def plot_sketch(plot: Plot) -> Markup | str:
    """Return the sketch of the last iteration of a plot, if it has lines only."""
    shown = plot.steps[-1].shown if plot.steps else None
    return figure_sketch(shown) if isinstance(shown, dict) else ""


def _is_timed(cards: Iterable[ChartCard]) -> bool:
    """Return True if the points of a chart differ in time, so that a time axis shows them."""
    return any(
        len(line["t"]) > 1 and line["t"][0] != line["t"][-1]
        for card in cards
        for line in card.data["lines"]
    )


def _line(
    line: Line, origin: float, *, name: str | None = None, colour: int = 0, dash: int = 0
) -> dict[str, object]:
    return {
        "name": line.name if name is None else name,
        "x": list(line.iterations),
        "y": [_short(value) for value in line.values],
        "t": [round(second - origin, 3) for second in line.seconds],
        "origin": origin,
        "points": line.points,
        "colour": colour,
        "dash": dash,
    }


def _short(value: float | None) -> float | None:
    """Return a number with as many digits as a chart can show, or None where there is a gap."""
    return None if value is None or value - value != 0 else float(f"{value:.7g}")


def _finite(value: float | None) -> float | None:
    """Return a number, or None for NaN and infinities, which JSON does not have."""
    return value if value is None or value - value == 0 else None


def _origin(reported: Reported) -> float:
    """Return the time of the first scalar."""
    times = (line.seconds[0] for chart in reported.charts for line in chart.lines if line.seconds)
    return min(times, default=0.0)


def _notes(charts: Iterable[Chart]) -> list[str]:
    """Return a note for each line that was thinned."""
    return [
        f"{line.name}: {line.points:,} points, {len(line.values):,} drawn"
        for chart in charts
        for line in chart.lines
        if line.points > len(line.values)
    ]


def plot_groups(plots: Sequence[tuple[int, Plot]]) -> list[tuple[str, list[tuple[int, Plot]]]]:
    """Return plots by title, each with its position among all plots."""
    groups: dict[str, list[tuple[int, Plot]]] = {}
    for position, plot in plots:
        groups.setdefault(plot.title, []).append((position, plot))
    return list(groups.items())


def plot_data(plot: Plot) -> dict[str, object]:
    """Return the names and iterations of a plot; each step has another element."""
    return {
        "title": plot.title,
        "series": plot.series,
        "iterations": [step.iteration for step in plot.steps],
        "notes": [step.note for step in plot.steps],
        "drawn": any(not isinstance(step.shown, Picture) for step in plot.steps),
    }


def pictures_of(plots: Sequence[Plot], wanted: bool) -> list[tuple[int, Plot]]:
    """Return the plots that are images at all iterations, or the others, with their positions."""
    return [
        (place, plot)
        for place, plot in enumerate(plots)
        if wanted == all(_is_image(step.shown) for step in plot.steps)
    ]


def _is_image(shown: object) -> bool:
    return isinstance(shown, Picture) and shown.kind == "image"


def step_data(step: Step) -> dict[str, object]:
    """Return the figure or picture of a step as charts.js expects it."""
    shown = step.shown
    if isinstance(shown, Picture):
        source = safe_href(shown.source, data=True)
        return {"kind": shown.kind, "source": source, "filename": shown.filename}
    return {"kind": "figure", "figure": shown}


def plot_height(plot: Plot) -> int:
    """Return the height of the tallest figure of a plot, in pixels; 0 for pictures."""
    heights = [_height(step.shown) for step in plot.steps if not isinstance(step.shown, Picture)]
    return int(max(120, min(1_200, max(heights)))) if heights else 0


def _height(figure: Mapping[str, Any]) -> float:
    layout = figure.get("layout")
    height = layout.get("height") if isinstance(layout, Mapping) else None
    return height if isinstance(height, (int, float)) and height == height else _PLOT_HEIGHT


def _has_figures(reported: Reported) -> bool:
    return bool(reported.charts) or any(
        not isinstance(step.shown, Picture) for plot in reported.plots for step in plot.steps
    )
