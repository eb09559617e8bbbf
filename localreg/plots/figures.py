"""Plotly figures of drawings, as plain dicts: one function for each kind, in `_KINDS`.

Every reported text is escaped, because Plotly reads some HTML in texts.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

from localreg.plots.arrays import typed
from localreg.plots.drawings import Drawing
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.plots.arrays import Array
    from localreg.values.records import Json

    Figure = Json  # Plotly's {"data": [traces], "layout": {…}}

ANNOTATED = 20  # up to so many rows and columns, the numbers of a matrix are shown in its cells
TICKS = 25  # labels on an axis of a thinned matrix


def overlaid(drawings: Sequence[tuple[str, Drawing]], title: str) -> Figure:
    """Return one figure of several drawings; where their layouts differ, the last one counts.

    Args:
        drawings: the series and the drawing of each.
        title: the title that they were reported with.
    """
    traces: list[Any] = []
    layout: dict[str, Any] = {}
    for series, drawing in drawings:
        figure = _KINDS[drawing.kind](drawing, series)
        traces += figure["data"]
        _merge(layout, figure["layout"])
    options = drawings[-1][1].options
    if "title" not in layout:
        layout["title"] = {"text": title_text(title, options.get("comment"))}
    _merge(layout, options.get("extra_layout") or {})
    return {"data": traces, "layout": layout}


def escaped(text: str | None) -> str | None:
    """Return a text escaped so that Plotly shows it literally."""
    return None if text is None else html.escape(text, quote=False)


def title_text(title: str, comment: str | None) -> str | None:
    """Return the title of a figure, with a comment below it in small letters."""
    shown = escaped(title)
    if not comment:
        return shown
    lines = "<br>".join(str(escaped(line)) for line in comment.splitlines())
    return f"{shown}<br><sup>{lines}</sup>"


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value


def _axis(title: str | None, **more: object) -> dict[str, Any]:
    return ({"title": {"text": escaped(title)}} if title else {}) | more


def _bars(drawing: Drawing, series: str) -> Figure:
    values, options = drawing.parts["values"], drawing.options
    several = len(values) > 1
    names = options["labels"] or [
        f"{series} {number}" if several else series for number in range(1, len(values) + 1)
    ]
    positions = _positions(options["xlabels"], values.shape[1])
    traces = [
        {"type": "bar", "name": escaped(name), **positions.trace("x"), "y": typed(row)}
        | (options["data_args"] or {})
        for name, row in zip(names, values, strict=True)
    ]
    layout = {
        "barmode": options["mode"],
        "bargap": 0.08,
        "xaxis": _axis(options["xaxis"], **positions.axis),
        "yaxis": _axis(options["yaxis"]),
        "showlegend": several or bool(options["labels"]),
    }
    return {"data": traces, "layout": layout}


class _Positions(Frozen):
    """Positions of the columns or rows of a plot on an axis, and options of that axis."""

    values: Any
    axis: dict[str, Any]

    def trace(self, name: str) -> dict[str, Any]:
        """Return the option of a trace with these positions; none where there are none."""
        return {} if self.values is None else {name: self.values}


def _positions(labels: list[str] | None, count: int) -> _Positions:
    """Return labels as positions, or numbers with labels as ticks if two labels are the same."""
    if labels is None:
        return _Positions(None if count == 0 else list(range(count)), {})
    texts = [str(escaped(label)) for label in labels]
    if len(set(texts)) == len(texts):
        return _Positions(texts, {"type": "category"})
    step = -(-count // (4 * TICKS))
    places = list(range(0, count, step))
    ticks = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [texts[place] for place in places],
    }
    return _Positions(list(range(count)), ticks)


def _table(drawing: Drawing, series: str) -> Figure:
    header, rows = drawing.parts["header"], drawing.parts["rows"]
    columns = [[_cell(row[place]) for row in rows] for place in range(len(header))]
    trace = {
        "type": "table",
        "header": {"values": [f"<b>{escaped(name)}</b>" for name in header], "align": "left"},
        "cells": {"values": columns, "align": "left"},
    }
    _merge(trace, {**(drawing.options.get("extra_data") or {}), "type": "table"})
    return {"data": [trace], "layout": {}}


def _cell(value: Any) -> Any:  # noqa: ANN401  (a JSON value)
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    return escaped(value) if isinstance(value, str) else value


def _lines(drawing: Drawing, series: str) -> Figure:
    options = drawing.options
    traces = [
        {"type": "scatter", "name": escaped(name), "mode": options["mode"]}
        | _points(drawing, f" {number}", "xy")
        for number, name in enumerate(options["names"])
    ]
    layout: dict[str, Any] = {
        "xaxis": _axis(options["xaxis"]),
        "yaxis": _axis(options["yaxis"]),
        "showlegend": len(traces) > 1,
    }
    if options["reverse_xaxis"]:
        layout["xaxis"]["autorange"] = "reversed"
    return {"data": traces, "layout": layout}


def _scatter2d(drawing: Drawing, series: str) -> Figure:
    options = drawing.options
    trace = {"type": "scatter", "name": escaped(series), "mode": options["mode"]}
    layout = {
        "xaxis": _axis(options["xaxis"]),
        "yaxis": _axis(options["yaxis"]),
        "showlegend": True,
    }
    return {"data": [trace | _points(drawing, "", "xy")], "layout": layout}


def _points(drawing: Drawing, suffix: str, axes: str) -> dict[str, Any]:
    """Return the points of a plot and their labels, as a part of a trace."""
    points = drawing.parts[f"points{suffix}"]
    found: dict[str, Any] = {name: typed(points[:, place]) for place, name in enumerate(axes)}
    labels = drawing.parts.get(f"labels{suffix}")
    if labels is not None:
        found["text"] = [escaped(text) for text in labels]
    return found


def _scatter3d(drawing: Drawing, series: str) -> Figure:
    options, traces = drawing.options, []
    for number in range(options["groups"]):
        name = f"{series} {number + 1}" if options["groups"] > 1 else series
        trace = {"type": "scatter3d", "name": escaped(name), "mode": options["mode"]}
        trace |= _points(drawing, f" {number}", "xyz")
        trace |= {"marker": {"size": 4, "opacity": 0.8}}
        if options["fill"]:
            trace["surfaceaxis"] = 2
        traces.append(trace)
    return {"data": traces, "layout": {"scene": _scene(options), "showlegend": len(traces) > 1}}


def _scene(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _axis(options[name]) for name in ("xaxis", "yaxis", "zaxis")}


def _matrix(drawing: Drawing, series: str) -> Figure:
    options = drawing.options
    cells, across, down = _grid(drawing)
    trace = {
        "type": "heatmap",
        "name": escaped(series),
        **across.trace("x"),
        **down.trace("y"),
        "z": typed(cells),
        "colorscale": "Viridis",
    }
    if max(cells.shape) <= ANNOTATED:
        trace["texttemplate"] = "%{z:.4~g}"
    layout = {
        "xaxis": _axis(options["xaxis"], **across.axis),
        "yaxis": _axis(options["yaxis"], **down.axis),
    }
    if options["yaxis_reversed"]:
        layout["yaxis"]["autorange"] = "reversed"
    return {"data": [trace], "layout": layout}


def _surface(drawing: Drawing, series: str) -> Figure:
    options = drawing.options
    cells, across, down = _grid(drawing)
    trace = {
        "type": "surface",
        "name": escaped(series),
        **across.trace("x"),
        **down.trace("y"),
        "z": typed(cells),
        "colorscale": "Viridis",
        "showscale": False,
    }
    scene = _scene(options)
    scene["xaxis"] |= across.axis
    scene["yaxis"] |= down.axis
    scene["camera"] = {"eye": dict(zip("xyz", options["camera"], strict=True))}
    return {"data": [trace], "layout": {"scene": scene}}


def _grid(drawing: Drawing) -> tuple[Array, _Positions, _Positions]:
    """Return the cells of a matrix, and the positions of their columns and rows."""
    options, cells = drawing.options, drawing.parts["matrix"]
    rows, down, columns, across = options.get("blocks") or (cells.shape[0], 1, cells.shape[1], 1)
    sides = [
        _positions(labels, count) if step == 1 else _blocks(labels, count, step)
        for labels, count, step in (
            (options["xlabels"], columns, across),
            (options["ylabels"], rows, down),
        )
    ]
    return cells, sides[0], sides[1]


def _blocks(labels: list[str] | None, count: int, step: int) -> _Positions:
    """Return the centers of the blocks of a thinned matrix, with some of the labels."""
    centers = [(start + min(start + step, count) - 1) / 2 for start in range(0, count, step)]
    if labels is None:
        return _Positions(centers, {})
    places = list(range(0, count, -(-count // TICKS)))
    ticks = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [escaped(labels[place]) for place in places],
    }
    return _Positions(centers, ticks)


def _plotly(drawing: Drawing, series: str) -> Figure:
    traces = [dict(trace) for trace in drawing.parts["traces"]]
    layout = dict(drawing.parts["layout"][0])
    layout.pop("template", None)  # pages set the colours
    return {"data": traces, "layout": layout}


def scalar_figure(
    title: str, lines: Sequence[tuple[str, Sequence[int], Sequence[float | None]]]
) -> Figure:
    """Return the chart of all scalar series of one title.

    Args:
        lines: name, iterations and values of each series; None is a gap.
    """
    traces = [
        {
            "type": "scatter",
            "mode": "lines" if len(iterations) > 1 else "markers",
            "name": escaped(name),
            "x": list(iterations),
            "y": [
                value if value is not None and abs(value) < math.inf else None for value in values
            ],
        }
        for name, iterations, values in lines
    ]
    layout = {
        "title": {"text": escaped(title)},
        "xaxis": _axis("iteration"),
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


_KINDS: dict[str, Callable[[Drawing, str], Figure]] = {
    "histogram": _bars,
    "vector": _bars,
    "table": _table,
    "line": _lines,
    "scatter2d": _scatter2d,
    "scatter3d": _scatter3d,
    "matrix": _matrix,
    "surface": _surface,
    "plotly": _plotly,
}
KINDS = frozenset(_KINDS)
