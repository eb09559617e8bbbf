"""Plotly figures of what was reported, as plain dicts.

Every text that comes from outside is escaped: Plotly reads a little HTML in texts.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

from localreg.frozen import Frozen
from localreg.reports.arrays import typed
from localreg.reports.drawings import Drawing
from localreg.reports.thinning import thinned_cloud, thinned_line, thinned_matrix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.reports.arrays import Array
    from localreg.reports.page_values import Figure

TABLE_ROWS = 1_000
ANNOTATED = 20  # rows and columns of a matrix whose numbers are written into it
TICKS = 25


class Drawn(Frozen):
    """A figure, and what it leaves out, for people; None when it shows all."""

    figure: Figure
    note: str | None


def figure_of(drawing: Drawing, title: str, series: str, *, full: bool = False) -> Drawn:
    """Return the figure of a plot.

    Args:
        title, series: what it was reported under.
        full: draw every point, however many there are.
    """
    return overlaid([(series, drawing)], title, full=full)


def overlaid(drawings: Sequence[tuple[str, Drawing]], title: str, *, full: bool = False) -> Drawn:
    """Return one figure of several plots, each with its series; the last one's layout counts."""
    traces: list[Any] = []
    notes: list[str] = []
    layout: dict[str, Any] = {}
    for series, drawing in drawings:
        drawn = _KINDS[drawing.kind](drawing, series, full)
        traces += drawn.figure["data"]
        _merge(layout, drawn.figure["layout"])
        if drawn.note:
            notes.append(drawn.note)
    options = drawings[-1][1].options
    if "title" not in layout:
        layout["title"] = {"text": title_text(title, options.get("comment"))}
    _merge(layout, options.get("extra_layout") or {})
    return Drawn({"data": traces, "layout": layout}, "; ".join(dict.fromkeys(notes)) or None)


def escaped(text: str | None) -> str | None:
    """Return a text that Plotly shows as it is."""
    return None if text is None else html.escape(text, quote=False)


def title_text(title: str, comment: str | None) -> str | None:
    """Return what stands above a figure: the title, and a comment below it in small letters."""
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


def _bars(drawing: Drawing, series: str, full: bool) -> Drawn:
    values, told = drawing.parts["values"], drawing.options
    several = len(values) > 1
    names = told["labels"] or [
        f"{series} {number}" if several else series for number in range(1, len(values) + 1)
    ]
    positions = _positions(told["xlabels"], values.shape[1])
    traces = [
        {"type": "bar", "name": escaped(name), **positions.trace("x"), "y": typed(row)}
        | (told["data_args"] or {})
        for name, row in zip(names, values, strict=True)
    ]
    layout = {
        "barmode": told["mode"],
        "bargap": 0.08,
        "xaxis": _axis(told["xaxis"], **positions.axis),
        "yaxis": _axis(told["yaxis"]),
        "showlegend": several or bool(told["labels"]),
    }
    return Drawn({"data": traces, "layout": layout}, None)


class _Positions(Frozen):
    """Where the columns or rows of something stand on an axis."""

    values: Any
    axis: dict[str, Any]

    def trace(self, name: str) -> dict[str, Any]:
        return {} if self.values is None else {name: self.values}


def _positions(labels: list[str] | None, count: int) -> _Positions:
    """Return positions by label; by number where two labels are the same."""
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


def _table(drawing: Drawing, series: str, full: bool) -> Drawn:
    header, rows = drawing.parts["header"], drawing.parts["rows"]
    shown = rows if full else rows[:TABLE_ROWS]
    columns = [[_cell(row[place]) for row in shown] for place in range(len(header))]
    trace = {
        "type": "table",
        "header": {"values": [f"<b>{escaped(name)}</b>" for name in header], "align": "left"},
        "cells": {"values": columns, "align": "left"},
    }
    note = None
    if len(shown) < len(rows):
        note = f"the first {len(shown):,} of {len(rows):,} rows are shown"
    return Drawn({"data": [trace], "layout": {}}, note)


def _cell(value: Any) -> Any:  # noqa: ANN401  (a cell of JSON)
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    return escaped(value) if isinstance(value, str) else value


def _lines(drawing: Drawing, series: str, full: bool) -> Drawn:
    told, traces, notes = drawing.options, [], []
    for number, name in enumerate(told["names"]):
        points = drawing.parts[f"points {number}"]
        labels = drawing.parts.get(f"labels {number}")
        trace, note = _points(points, labels, told["mode"], full)
        traces.append({"type": "scatter", "name": escaped(name)} | trace)
        notes += [note] if note else []
    layout: dict[str, Any] = {
        "xaxis": _axis(told["xaxis"]),
        "yaxis": _axis(told["yaxis"]),
        "showlegend": len(traces) > 1,
    }
    if told["reverse_xaxis"]:
        layout["xaxis"]["autorange"] = "reversed"
    return Drawn({"data": traces, "layout": layout}, "; ".join(dict.fromkeys(notes)) or None)


def _scatter2d(drawing: Drawing, series: str, full: bool) -> Drawn:
    told = drawing.options
    trace, note = _points(
        drawing.parts["points"],
        drawing.parts.get("labels"),
        told["mode"],
        full,
    )
    layout = {"xaxis": _axis(told["xaxis"]), "yaxis": _axis(told["yaxis"]), "showlegend": True}
    return Drawn(
        {"data": [{"type": "scatter", "name": escaped(series)} | trace], "layout": layout}, note
    )


def _points(
    points: Array, labels: list[str] | None, mode: str, full: bool
) -> tuple[dict[str, Any], str | None]:
    """Return the part of a trace that holds its points, and what was left out."""
    if full:
        chosen = None
    elif "lines" in mode:
        chosen = thinned_line(points[:, 0], points[:, 1])
    else:
        chosen = thinned_cloud(points)
    trace = {"mode": mode} | _chosen(points, labels, chosen, "xy")
    return trace, _left_out(points, chosen)


def _chosen(
    points: Array, labels: list[str] | None, chosen: Array | None, axes: str
) -> dict[str, Any]:
    drawn = points if chosen is None else points[chosen]
    told: dict[str, Any] = {name: typed(drawn[:, place]) for place, name in enumerate(axes)}
    if labels is not None:
        texts = labels if chosen is None else [labels[place] for place in chosen]
        told["text"] = [escaped(text) for text in texts]
    return told


def _left_out(points: Array, chosen: Array | None) -> str | None:
    if chosen is None:
        return None
    return f"{len(chosen):,} of {len(points):,} points are drawn"


def _scatter3d(drawing: Drawing, series: str, full: bool) -> Drawn:
    told, traces, notes = drawing.options, [], []
    for number in range(told["groups"]):
        points = drawing.parts[f"points {number}"]
        chosen = None if full else thinned_cloud(points)
        name = f"{series} {number + 1}" if told["groups"] > 1 else series
        trace = {"type": "scatter3d", "name": escaped(name), "mode": told["mode"]}
        trace |= _chosen(points, drawing.parts.get(f"labels {number}"), chosen, "xyz")
        trace |= {"marker": {"size": 4, "opacity": 0.8}}
        if told["fill"]:
            trace["surfaceaxis"] = 2
        traces.append(trace)
        note = _left_out(points, chosen)
        notes += [note] if note else []
    layout = {"scene": _scene(told), "showlegend": len(traces) > 1}
    return Drawn({"data": traces, "layout": layout}, "; ".join(dict.fromkeys(notes)) or None)


def _scene(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _axis(told[name]) for name in ("xaxis", "yaxis", "zaxis")}


def _matrix(drawing: Drawing, series: str, full: bool) -> Drawn:
    told = drawing.options
    cells, across, down, note = _grid(drawing, full)
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
        "xaxis": _axis(told["xaxis"], **across.axis),
        "yaxis": _axis(told["yaxis"], **down.axis),
    }
    if told["yaxis_reversed"]:
        layout["yaxis"]["autorange"] = "reversed"
    return Drawn({"data": [trace], "layout": layout}, note)


def _surface(drawing: Drawing, series: str, full: bool) -> Drawn:
    told = drawing.options
    cells, across, down, note = _grid(drawing, full)
    trace = {
        "type": "surface",
        "name": escaped(series),
        **across.trace("x"),
        **down.trace("y"),
        "z": typed(cells),
        "colorscale": "Viridis",
        "showscale": False,
    }
    scene = _scene(told)
    scene["xaxis"] |= across.axis
    scene["yaxis"] |= down.axis
    scene["camera"] = {"eye": dict(zip("xyz", told["camera"], strict=True))}
    return Drawn({"data": [trace], "layout": {"scene": scene}}, note)


def _grid(drawing: Drawing, full: bool) -> tuple[Array, _Positions, _Positions, str | None]:
    """Return the cells to draw, where their columns and rows stand, and what was left out."""
    told, matrix = drawing.options, drawing.parts["matrix"]
    rows, columns = matrix.shape
    cells, down, across = (matrix, 1, 1) if full else thinned_matrix(matrix)
    sides = [
        _positions(labels, count) if step == 1 else _blocks(labels, count, step)
        for labels, count, step in (
            (told["xlabels"], columns, across),
            (told["ylabels"], rows, down),
        )
    ]
    note = None
    if down > 1 or across > 1:
        note = f"each cell is the average of {down} × {across} of {rows:,} × {columns:,}"
    return cells, sides[0], sides[1], note


def _blocks(labels: list[str] | None, count: int, step: int) -> _Positions:
    """Return the middles of blocks, with some of the labels there are."""
    middles = [(start + min(start + step, count) - 1) / 2 for start in range(0, count, step)]
    if labels is None:
        return _Positions(middles, {})
    places = list(range(0, count, -(-count // TICKS)))
    ticks = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [escaped(labels[place]) for place in places],
    }
    return _Positions(middles, ticks)


def _plotly(drawing: Drawing, series: str, full: bool) -> Drawn:
    traces = [dict(trace) for trace in drawing.parts["traces"]]
    layout = dict(drawing.parts["layout"][0])
    layout.pop("template", None)  # pages have their own colours
    return Drawn({"data": traces, "layout": layout}, None)


def scalar_figure(
    title: str, lines: Sequence[tuple[str, Sequence[int], Sequence[float | None]]]
) -> Figure:
    """Return the chart of the scalar series of one title.

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


_KINDS: dict[str, Callable[[Drawing, str, bool], Drawn]] = {
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
