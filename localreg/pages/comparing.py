"""Prepares a comparison of runs: rows with differences and best values, joint charts and plots.

A run is a model or a task. Everything here is a function of the values of the page.
"""

from __future__ import annotations

import base64
import difflib
import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from localreg.pages.markup import number_text
from localreg.pages.page_values import Chart, Compared, Figure, Picture, Plot
from localreg.values.frozen import Frozen, replace
from localreg.values.metrics import MONITORED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Name = TypeVar("Name")
DIFF_LINES = 5_000  # difflib takes minutes for longer texts
KEYS = 1_000  # of a configuration; a longer one is a text
DEPTH = 30  # of a configuration
OVERLAID = 4  # runs whose series of one title share a chart; of more runs each has its own
AXES = (5, 3)  # parameters and metrics that the parallel axes show first
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONG = re.compile(r"[+-]?\d+\.\d+([eE][+-]?\d+)?")  # with 6 digits, if it has more
_COLOURED = {"heatmap": "z", "contour": "z", "surface": "c"}  # what a trace calls its limits
_TYPES = {"f4": "f", "f8": "d", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I"}


class Cell(Frozen):
    """One value of a row.

    Attributes:
        text: what is shown.
        full: all of it.
        best: True for the best of the row.
        more: further values, such as ("min", …) and ("max", …).
    """

    text: str
    full: str
    best: bool = False
    more: tuple[tuple[str, Cell], ...] = ()


class Row(Frozen):
    """One value of all compared runs.

    Attributes:
        key: of the value in `run_data`, or "".
    """

    name: str
    cells: tuple[Cell, ...]
    differs: bool
    key: str = ""


class Joint(Frozen):
    """A title and series, and the plot that each compared run has for them (or None)."""

    title: str
    series: str
    parts: tuple[Plot | None, ...]


class Column(Frozen):
    """A value of runs that can be an axis: its key and name, and its group in menus."""

    key: str
    name: str
    group: str


def text_rows(
    columns: Sequence[Mapping[str, str]], directions: Mapping[str, int], prefix: str = ""
) -> list[Row]:
    """Return a row for each name with a text in any column, in the order in which they occur.

    Args:
        columns: the texts of each run by name.
        directions: see `ComparePage`.
        prefix: makes the key of a row of its name; without it rows have no keys.
    """
    rows = []
    for name in _in_order(columns):
        texts = [column.get(name, "") for column in columns]
        if not any(texts):
            continue
        best = _best([_number(text) for text in texts], directions.get(name, 0))
        cells = tuple(
            Cell(short, text, i in best)
            for i, (short, text) in enumerate(zip(_short(texts), texts, strict=True))
        )
        key = f"{prefix}{name}" if prefix else ""
        rows.append(Row(name, cells, _differ(texts), key))
    return rows


def _short(texts: Sequence[str]) -> list[str]:
    """Return texts with digests cut, and numbers with six digits if none looks like another then.

    >>> _short(["0.0018196429686726777", "1.5"]), _short(["0.12345671", "0.12345672"])
    (['0.00181964', '1.5'], ['0.12345671', '0.12345672'])
    """
    found = [
        f"{text[:16]}…"
        if _DIGEST.fullmatch(text)
        else f"{float(text):.6g}"
        if len(text) > 9 and _LONG.fullmatch(text)
        else text
        for text in texts
    ]
    return found if len(set(found)) == len(set(texts)) else list(texts)


def parameter_rows(runs: Sequence[Compared]) -> list[Row]:
    """Return a row for each parameter of any of the runs, those that differ first."""
    rows = text_rows([dict(sorted(run.parameters.items())) for run in runs], {}, "parameter ")
    return sorted(rows, key=lambda row: not row.differs)


def metric_rows(runs: Sequence[Compared], directions: Mapping[str, int]) -> list[Row]:
    """Return a row for each metric of any of the runs: the last value, with the least and greatest.

    Those with a direction come first, and what the machine did comes last.
    """
    rows = []
    for name in _metric_names(runs, directions):
        found = [run.metrics.get(name) for run in runs]
        direction = directions.get(name, 0)
        last = _number_cells([each.last if each else None for each in found], direction)
        low = _number_cells([each.low if each else None for each in found], min(direction, 0))
        high = _number_cells([each.high if each else None for each in found], max(direction, 0))
        cells = tuple(
            cell
            if each is None or each.single
            else replace(cell, more=(("min", low[i]), ("max", high[i])))
            for i, (cell, each) in enumerate(zip(last, found, strict=True))
        )
        differs = len({(each.last, each.low, each.high) if each else None for each in found}) > 1
        rows.append(Row(name, cells, differs, f"metric {name}"))
    return rows


def _metric_names(runs: Sequence[Compared], directions: Mapping[str, int]) -> list[str]:
    names = sorted(_in_order([run.metrics for run in runs]))
    return sorted(names, key=lambda name: (is_monitored(name), not directions.get(name)))


def is_monitored(name: str) -> bool:
    """Return True for a metric of the machine, such as its memory."""
    return name.startswith(tuple(f"{title}/" for title in MONITORED))


def _number_cells(values: Sequence[float | None], direction: int) -> list[Cell]:
    best = _best(values, direction)
    return [
        Cell(number_text(value), "" if value is None else repr(value), i in best)
        for i, value in enumerate(values)
    ]


def config_diff(old: str, new: str) -> list[tuple[str, str]] | None:
    """Return changed lines and the lines around them as (kind, line); None for too long texts.

    The kinds are "same", "removed", "added" and "position".
    """
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > DIFF_LINES:
        return None
    kinds = {"+": "added", "-": "removed", "@": "position"}
    lines = list(difflib.unified_diff(before, after, n=3, lineterm=""))
    # The first two lines are names of files.
    return [(kinds.get(line[0], "same"), line) for line in lines[2:]]


def flat_config(config: object) -> dict[str, str] | None:
    """Return the keys and values of a configuration as texts; None if it has too many.

    >>> flat_config({"optimizer": {"lr": 0.1, "betas": [0.9, 0.99]}, "layers": [{"size": 3}]})
    {'optimizer.lr': '0.1', 'optimizer.betas': '[0.9, 0.99]', 'layers.0.size': '3'}
    """
    found: dict[str, str] = {}
    for key, text in _leaves(config, "", DEPTH):
        found[key] = text
        if len(found) > KEYS:
            return None
    return found


def _leaves(value: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    nested = isinstance(value, list) and any(isinstance(each, (Mapping, list)) for each in value)
    if not depth:
        yield key, "…"
    elif isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{key}.{name}" if key else str(name), depth - 1)
    elif isinstance(value, list) and nested:
        for place, each in enumerate(value):
            yield from _leaves(each, f"{key}.{place}" if key else str(place), depth - 1)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, default=str)


def text_diffs(
    runs: Sequence[Compared],
) -> list[tuple[str, int, list[tuple[str, str]] | None]]:
    """Return the differences of texts from those of the first run that has them.

    Each is the name of a configuration, the position of a run, and what `config_diff` returns.
    """
    found = []
    for name in _in_order([run.texts for run in runs]):
        texts = [(i, run.texts[name]) for i, run in enumerate(runs) if name in run.texts]
        found += [(name, i, config_diff(texts[0][1], text)) for i, text in texts[1:]]
    return [each for each in found if each[2] != []]


def joint_charts(runs: Sequence[Compared]) -> dict[str, list[tuple[int, Chart]]]:
    """Return charts of several runs by their headings, each with the position of its run.

    The series of one title share a chart, unless there are many runs.
    """
    found: dict[str, list[tuple[int, Chart]]] = {}
    for position, run in enumerate(runs):
        for chart in run.reported.charts:
            if len(runs) <= OVERLAID:
                found.setdefault(chart.title, []).append((position, chart))
                continue
            for line in chart.lines:
                heading = chart.title if line.name == chart.title else f"{chart.title}/{line.name}"
                found.setdefault(heading, []).append((position, Chart(chart.title, (line,))))
    return found


def joint_plots(runs: Sequence[Compared]) -> list[Joint]:
    """Return the plots of all runs by title and series, with one scale of colours for each."""
    columns = [{(plot.title, plot.series): plot for plot in run.reported.plots} for run in runs]
    return [
        Joint(title, series, one_scale([column.get((title, series)) for column in columns]))
        for title, series in _in_order(columns)
    ]


def one_scale(plots: Sequence[Plot | None]) -> tuple[Plot | None, ...]:
    """Return plots whose heatmaps and surfaces have the same colours for the same values."""
    figures = [
        step.shown
        for plot in plots
        if plot is not None
        for step in plot.steps
        if not isinstance(step.shown, Picture)
    ]
    traces = [trace for figure in figures for trace in _coloured(figure)]
    if len(traces) < 2:
        return tuple(plots)
    least, most = math.inf, -math.inf
    for trace in traces:
        for value in _numbers(trace.get("z")):
            least, most = min(least, value), max(most, value)
    if least > most:
        return tuple(plots)
    return tuple(plot and _scaled(plot, least, most) for plot in plots)


def _coloured(figure: Figure) -> list[dict[str, Any]]:
    """Return the traces of a figure whose scale of colours is not set."""
    traces = figure.get("data")
    return [
        trace
        for trace in (traces if isinstance(traces, list) else ())
        if isinstance(trace, dict)
        and trace.get("type") in _COLOURED
        and not {"zmin", "zmax", "zmid", "cmin", "cmax", "cmid", "coloraxis"} & set(trace)
    ]


def _scaled(plot: Plot, least: float, most: float) -> Plot:
    steps = []
    for step in plot.steps:
        if isinstance(step.shown, Picture):
            steps.append(step)
            continue
        coloured = [id(trace) for trace in _coloured(step.shown)]
        data = [
            trace | _limits(trace["type"], least, most) if id(trace) in coloured else trace
            for trace in step.shown.get("data", ())
        ]
        steps.append(replace(step, shown=step.shown | {"data": data}))
    return replace(plot, steps=tuple(steps))


def _limits(kind: str, least: float, most: float) -> dict[str, float]:
    name = _COLOURED[kind]
    return {f"{name}min": least, f"{name}max": most}


def _numbers(z: object) -> Iterator[float]:
    """Yield the finite numbers of a matrix: nested lists, or bytes in base64 as Plotly has them."""
    if isinstance(z, dict):
        code = _TYPES.get(str(z.get("dtype")))
        if code is None:
            return
        z = array(code, base64.b64decode(str(z.get("bdata"))))
    if isinstance(z, (list, array)):
        for each in z:
            if isinstance(each, list):
                yield from _numbers(each)
            elif isinstance(each, (int, float)) and math.isfinite(each):
                yield float(each)


def columns_of(runs: Sequence[Compared], directions: Mapping[str, int]) -> list[Column]:
    """Return the values of runs that can be axes: parameters that differ first, then metrics."""
    rows = parameter_rows(runs)
    short = Counter(row.name.rpartition("/")[2] for row in rows)
    found = []
    for row in rows:
        end = row.name.rpartition("/")[2]
        found.append(Column(row.key, end if short[end] == 1 else row.name, "Parameters"))
    for name in _metric_names(runs, directions):
        group = "Machine" if is_monitored(name) else "Metrics"
        found.append(Column(f"metric {name}", name, group))
        if any(name in run.metrics and not run.metrics[name].single for run in runs):
            found.append(Column(f"least {name}", f"{name} (min)", group))
            found.append(Column(f"most {name}", f"{name} (max)", group))
    metadata = _in_order([run.metadata for run in runs])
    return found + [Column(f"metadata {name}", name, "Metadata") for name in metadata]


def values_of(run: Compared) -> dict[str, float | str]:
    """Return what a run has for the keys of `columns_of`."""
    found: dict[str, float | str] = {f"parameter {k}": v for k, v in run.parameters.items()}
    for name, metric in run.metrics.items():
        for kind, value in (
            ("metric", metric.last),
            ("least", None if metric.single else metric.low),
            ("most", None if metric.single else metric.high),
        ):
            if value is not None and math.isfinite(value):
                found[f"{kind} {name}"] = value
    return found | {f"metadata {key}": text for key, text in run.metadata.items()}


def first_axes(runs: Sequence[Compared], directions: Mapping[str, int]) -> list[str]:
    """Return the keys of the columns to show first: parameters that differ, and metrics.

    Metrics that have a direction come before others.
    """
    parameters = [row.key for row in parameter_rows(runs) if row.differs]
    names = [
        name for name in sorted(_in_order([r.metrics for r in runs])) if not is_monitored(name)
    ]
    metrics = sorted(names, key=lambda name: not directions.get(name))
    return parameters[: AXES[0]] + [f"metric {name}" for name in metrics[: AXES[1]]]


def shortest_names(names: Sequence[str]) -> list[str]:
    """Return names without the folders that all of them are in.

    >>> shortest_names(["vision/net:1", "vision/net:2"]), shortest_names(["a/x", "b/x"])
    (['net:1', 'net:2'], ['a/x', 'b/x'])
    """
    parts = [name.split("/") for name in names]
    while all(len(each) > 1 for each in parts) and len({each[0] for each in parts}) == 1:
        parts = [each[1:] for each in parts]
    return ["/".join(each) for each in parts]


def _in_order(columns: Iterable[Iterable[Name]]) -> list[Name]:
    return list(dict.fromkeys(name for column in columns for name in column))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _differ(texts: Sequence[str]) -> bool:
    """Return True if texts differ; 0.1 and 1e-1 are the same number."""
    numbers = [_number(text) for text in texts]
    known = zip(texts, numbers, strict=True)
    return len({t if n is None or not math.isfinite(n) else n for t, n in known}) > 1


def _best(values: Sequence[float | None], direction: int) -> set[int]:
    """Return the positions of the best values; none if all values are equal or missing."""
    known = {i: value for i, value in enumerate(values) if value is not None and value == value}
    if not direction or len(set(known.values())) < 2:
        return set()
    best = max(known.values(), key=lambda value: value * direction)
    return {i for i, value in known.items() if value == best}
