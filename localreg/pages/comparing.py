"""Prepares a comparison of models: rows with differences and best values, and joint charts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from localreg.pages.markup import number_text
from localreg.pages.page_values import Chart, Compared, Plot
from localreg.values.frozen import Frozen

Name = TypeVar("Name")
DIFF_LINES = 5_000  # difflib takes minutes for longer texts


class Cell(Frozen):
    """One value of a row, its full text, and whether it is the best of the row."""

    text: str
    full: str
    best: bool


class Row(Frozen):
    """One fact about all compared models."""

    name: str
    cells: tuple[Cell, ...]
    differs: bool


class Joint(Frozen):
    """A title and series, and the plot that each compared model has for them (or None)."""

    title: str
    series: str
    parts: tuple[Plot | None, ...]


def text_rows(columns: Sequence[Mapping[str, str]], directions: Mapping[str, int]) -> list[Row]:
    """Return a row for each name in any of the columns, in the order in which they occur."""
    rows = []
    for name in _in_order(columns):
        texts = [column.get(name, "") for column in columns]
        best = _best([_number(text) for text in texts], directions.get(name, 0))
        cells = tuple(Cell(text, text, i in best) for i, text in enumerate(texts))
        rows.append(Row(name, cells, len(set(texts)) > 1))
    return rows


def single_rows(models: Sequence[Compared], directions: Mapping[str, int]) -> list[Row]:
    """Return a row for each single value of any of the models."""
    columns = [dict(model.reported.singles) for model in models]
    rows = []
    for name in _in_order(columns):
        values = [column.get(name) for column in columns]
        best = _best(values, directions.get(name, 0))
        cells = tuple(
            Cell(number_text(value), "" if value is None else repr(value), i in best)
            for i, value in enumerate(values)
        )
        rows.append(Row(name, cells, len(set(values)) > 1))
    return rows


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


def joint_charts(models: Sequence[Compared]) -> dict[str, list[tuple[int, Chart]]]:
    """Return the charts by title, each with the position of its model."""
    found: dict[str, list[tuple[int, Chart]]] = {}
    for position, model in enumerate(models):
        for chart in model.reported.charts:
            found.setdefault(chart.title, []).append((position, chart))
    return found


def joint_plots(models: Sequence[Compared]) -> list[Joint]:
    """Return the plots of all models by title and series."""
    columns = [{(plot.title, plot.series): plot for plot in m.reported.plots} for m in models]
    return [
        Joint(title, series, tuple(column.get((title, series)) for column in columns))
        for title, series in _in_order(columns)
    ]


def _in_order(columns: Iterable[Iterable[Name]]) -> list[Name]:
    return list(dict.fromkeys(name for column in columns for name in column))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _best(values: Sequence[float | None], direction: int) -> set[int]:
    """Return the positions of the best values; none if all values are equal or missing."""
    known = {i: value for i, value in enumerate(values) if value is not None and value == value}
    if not direction or len(set(known.values())) < 2:
        return set()
    best = max(known.values(), key=lambda value: value * direction)
    return {i for i, value in known.items() if value == best}
