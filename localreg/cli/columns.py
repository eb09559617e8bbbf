"""The columns that lists of models and tasks are asked for: ``--columns`` and ``--sort``.

A list has fixed columns, such as ``tags``. Others show values: ``metric:val/accuracy`` the last
value of a series or a single value, ``min:`` and ``max:`` its least and greatest, ``param:Args/lr``
a parameter and ``meta:stage`` an entry of the metadata. In their names ``*`` is any text.
``metrics`` stands for all metrics, ``params`` for the parameters that differ in the list.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain

import click

from localreg.cli.cells import cell_width, cut_middle, filled, one_line, steady, terminal_width
from localreg.cli.tables import Column
from localreg.operations.finding.upstream import Found
from localreg.operations.finding.values import Metric, Values
from localreg.registry import OpenRegistry
from localreg.values.frozen import Frozen
from localreg.values.metrics import MONITORED
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Row = TypeVar("Row")

KINDS = ("metric", "min", "max", "param", "meta")
_ORDERS = {"metric": "metrics", "param": "parameters", "meta": "metadata"}
_PLAIN_ORDERS = ("updated", "created", "name")
_SPECIAL = frozenset("*?[")

COLUMNS_HELP = (
    "Only these columns, separated by commas: {}, metric:TITLE/SERIES, min:TITLE/SERIES, "
    "max:TITLE/SERIES, param:NAME{}; * in a NAME is any text. `metrics` is all metrics, `params` "
    "all parameters that differ. +NAME adds a column to the usual ones."
)
SORT_HELP = (
    "updated, created, name, metric:TITLE/SERIES with the best first, param:NAME{}. Rows without "
    "that value are left out. -KEY puts the greatest first, +KEY the least."
)


_BESIDE = 60  # cells of a line beside the name of a metric
_SHOWN = 20  # metrics, and parameters, of one model
_NO_VALUES = Values({}, {}, {})


class Wanted(Frozen):
    """A column that is wanted: the name of a fixed one, or a kind of value and a name."""

    kind: str
    name: str
    extra: bool = False


def check_sort(sort: str, kinds: Sequence[str]) -> tuple[str, Wanted | None]:
    """Return ``--sort`` as `order_by` of queries spells it, and the column of its value.

    Args:
        sort: what was given.
        kinds: those that it may name: metric, param, meta.
    """
    sign = sort[:1] if sort[:1] in ("-", "+") else ""
    key = sort[len(sign) :]
    kind, colon, name = key.partition(":")
    if colon and kind in kinds and name:
        return f"{sign}{_ORDERS[kind]}.{name}", Wanted(kind, name)
    kind, dot, name = key.partition(".")
    spelled = next((short for short in kinds if _ORDERS[short] == kind), None)
    if dot and spelled and name:
        return sort, Wanted(spelled, name)
    if key not in _PLAIN_ORDERS:
        more = {"metric": "metric:TITLE/SERIES", "param": "param:NAME", "meta": "meta:KEY"}
        every = [*_PLAIN_ORDERS, *(more[each] for each in kinds)]
        raise click.UsageError(
            f"--sort must be {', '.join(every[:-1])} or {every[-1]}, with or without + or - in "
            f"front, not {sort!r}"
        )
    return sort, None


def check_columns(given: Iterable[str], fixed: Iterable[str], kinds: Sequence[str]) -> list[Wanted]:
    """Return the columns that ``--columns`` names.

    Args:
        given: texts of names, separated by commas.
        fixed: the names of the fixed columns.
        kinds: the kinds of values that there are.
    """
    known = [*fixed, "metrics", "params"]
    wanted = []
    for text in (part.strip() for each in given for part in each.split(",")):
        name = text.removeprefix("+")
        if not name:
            continue
        kind, colon, rest = name.partition(":")
        if colon and kind in kinds and rest:
            wanted.append(Wanted(kind, rest, extra=name != text))
        elif name.lower() in known:
            wanted.append(Wanted("fixed", name.lower(), extra=name != text))
        else:
            close = get_close_matches(name.lower(), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(
                f"--columns: there is no column {name!r}; there are {', '.join(known)} and "
                f"{', '.join(f'{each}:NAME' for each in kinds)}.{hint}"
            )
    return wanted


def table(
    fixed: Mapping[str, Column],
    usual: Sequence[str],
    wanted: Sequence[Wanted],
    sorted_by: Wanted | None,
    parts: Callable[[], Iterator[Sequence[Row]]],
    cells: Callable[[Sequence[Row]], Mapping[str, Callable[[Row], object]]],
    values: Callable[[Sequence[Row]], Sequence[Values]],
) -> tuple[list[Column], Iterator[list[object]]]:
    """Return the columns to show, and the cells of each row, which are read while they are taken.

    Args:
        fixed: the columns of the list by the names that ``--columns`` takes.
        usual: the names of those that are shown unless others are wanted.
        wanted: what `check_columns` returned.
        sorted_by: the value that orders the rows; it is shown after the first column.
        parts: reads what is listed, some rows at a time.
        cells: returns what makes the cells of some rows in the fixed columns.
        values: reads the values of some rows.
    """
    added = [each for each in wanted if each.extra]
    chosen = [each for each in wanted if not each.extra]
    if chosen and not {usual[0], "id"}.intersection(each.name for each in chosen):
        # Values alone do not say of what they are.
        chosen = [Wanted("fixed", usual[0]), *chosen, Wanted("fixed", "id")]
    shown = chosen + added if chosen else [Wanted("fixed", usual[0]), *added]
    shown += [] if chosen else [Wanted("fixed", name) for name in usual[1:]]
    if sorted_by is not None and _key(sorted_by) not in map(_key, shown):
        shown.insert(1, sorted_by)
    shown = list({_key(each): each for each in _expanded(shown, parts, values)}.values())
    made = (_cells(shown, part, cells, values) for part in parts())
    first: list[list[object]] = next(made, [[] for _ in shown])
    columns: list[Column] = []
    for place, each in enumerate(shown):
        if each.kind == "fixed":
            column = fixed[each.name]
            rank = place if chosen else column.rank * 100
            rank = 0 if each.name == "id" else rank
            columns.append(Column(column.title, column.kind, rank))
            continue
        is_order = sorted_by is not None and _key(each) == _key(sorted_by)
        columns.append(
            Column(_title(each, shown), _kind(first[place]), 0 if is_order or not place else place)
        )
    return columns, (list(row) for part in chain((first,), made) for row in zip(*part, strict=True))


def _cells(
    shown: Sequence[Wanted],
    part: Sequence[Row],
    cells: Callable[[Sequence[Row]], Mapping[str, Callable[[Row], object]]],
    values: Callable[[Sequence[Row]], Sequence[Values]],
) -> list[list[object]]:
    """Return the cells of some rows, by column."""
    fixed = cells(part)
    every = values(part) if any(each.kind != "fixed" for each in shown) else ()
    return [
        list(map(fixed[each.name], part))
        if each.kind == "fixed"
        else [_value(one, each) for one in every]
        for each in shown
    ]


def only_with(sorted_by: Wanted, things: str, values: Iterable[Values]) -> str:
    """Return the remark that only what has a value is listed, with names that are similar.

    Args:
        sorted_by: the value that nothing has.
        things: what is listed, such as "models".
        values: those of some of them.
    """
    kind, name = sorted_by.kind, sorted_by.name
    what = {"metric": "metric", "param": "parameter", "meta": "metadata"}[kind]
    known = dict.fromkeys(each for one in values for each in _all_of(one, kind))
    if name in known:
        not_nan = ", and not as NaN," if kind == "metric" else ""
        return f"Only {things} that have the {what} {name!r}{not_nan} are listed."
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" Similar ones are {', '.join(map(repr, close))}." if close else ""
    return f"Only {things} that have the {what} {name!r} are listed.{hint}"


def values_of(
    found: Sequence[Found],
    read: Callable[[OpenRegistry, Iterable[str]], dict[str, Values]],
) -> list[Values]:
    """Return the values of models or tasks of several registries, in their order."""
    known: dict[OpenRegistry, dict[str, Values]] = {}
    for registry in dict.fromkeys(each.registry for each in found):
        known[registry] = read(registry, [each.id for each in found if each.registry == registry])
    return [known[each.registry].get(each.id, _NO_VALUES) for each in found]


def values_json(values: Values, *, metrics_only: bool = False) -> Json:
    """Return metrics and parameters as JSON values."""
    parameters = {} if metrics_only else {"parameters": dict(sorted(values.parameters.items()))}
    return {
        "metrics": {
            name: {"last": each.last, "min": each.low, "max": each.high, "points": each.points}
            for name, each in sorted(values.metrics.items())
        },
        **parameters,
    }


def metrics_text(values: Values, more: str) -> str:
    """Return a line for each metric: the last value, and of a series the least and greatest.

    Args:
        values: those of a model or task. What the machine did is left out.
        more: the command that shows all metrics.
    """
    shown = {name: each for name, each in values.metrics.items() if not _is_monitored(name)}
    room = max(terminal_width() - _BESIDE, 12) if sys.stdout.isatty() else sys.maxsize
    rows = [
        (cut_middle(steady(one_line(name)), room), short_number(each.last), *_extremes(each))
        for name, each in sorted(shown.items())
    ]
    lines = _aligned(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        lines.append(f"and {len(rows) - _SHOWN:,} more: {more}")
    return "\n".join(lines)


def parameters_text(values: Values, more: str) -> str:
    """Return a line for each parameter of a task; see `metrics_text`."""
    rows = sorted(values.parameters.items())
    lines = [one_line(f"{name} = {value}") for name, value in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"and {len(rows) - _SHOWN:,} more: {more}")
    return "\n".join(lines)


def _extremes(metric: Metric) -> tuple[str, str]:
    if metric.single or metric.points < 2:
        return "", ""
    if metric.low is None or metric.high is None:  # no point is finite
        return "", ""
    return f"min {short_number(metric.low)}", f"max {short_number(metric.high)}"


def short_number(value: float | None) -> str:
    """Return a number with six digits; None is NaN, as in `Metric.last`."""
    return "nan" if value is None else f"{value:.6g}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines whose cells are below each other."""
    widths = [max(map(cell_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(filled(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _expanded(
    shown: Sequence[Wanted],
    parts: Callable[[], Iterator[Sequence[Row]]],
    values: Callable[[Sequence[Row]], Sequence[Values]],
) -> Iterator[Wanted]:
    """Yield the columns, those instead of each with a pattern that it stands for."""
    patterns = {each: _pattern(each) for each in shown}
    if not any(patterns.values()):
        yield from shown
        return
    names = _Names()
    for part in parts():
        for one in values(part):
            names.add(one)
    for each, pattern in patterns.items():
        if pattern is None:
            yield each
            continue
        kind, text = pattern
        found = [name for name in names.of(kind) if fnmatchcase(name, text)]
        if kind in ("metric", "min", "max"):
            found = [name for name in found if not _is_monitored(name) or text[0] == ":"]
        elif each.name == "params":
            found = [name for name in found if names.differs(name)]
        yield from (Wanted(kind, name) for name in sorted(found))


def _pattern(each: Wanted) -> tuple[str, str] | None:
    """Return the kind and the pattern of the values that a column stands for, if it has one."""
    if each.kind == "fixed":
        return {"metrics": ("metric", "*"), "params": ("param", "*")}.get(each.name)
    return (each.kind, each.name) if _SPECIAL.intersection(each.name) else None


class _Names:
    """The names of the values of many rows, and which parameters differ."""

    def __init__(self) -> None:
        self._rows = 0
        self._metrics: dict[str, None] = {}
        self._metadata: dict[str, None] = {}
        self._parameters: dict[str, str] = {}  # with the first value
        self._having: Counter[str] = Counter()  # a parameter
        self._different: set[str] = set()

    def add(self, values: Values) -> None:
        """Note what a row has."""
        self._rows += 1
        self._metrics.update(dict.fromkeys(values.metrics))
        self._metadata.update(dict.fromkeys(values.metadata))
        self._having.update(values.parameters.keys())
        for name, value in values.parameters.items():
            if self._parameters.setdefault(name, value) != value:
                self._different.add(name)

    def of(self, kind: str) -> Iterable[str]:
        """Return the names of a kind of values."""
        if kind == "param":
            return self._parameters
        return self._metadata if kind == "meta" else self._metrics

    def differs(self, name: str) -> bool:
        """Return True if a parameter is not the same in all rows, or if there is only one row."""
        return self._rows == 1 or name in self._different or self._having[name] < self._rows


def _key(each: Wanted) -> tuple[str, str]:
    return each.kind, each.name


def _is_monitored(name: str) -> bool:
    return name.startswith(tuple(f"{title}/" for title in MONITORED))


def _all_of(values: Values, kind: str) -> Mapping[str, object]:
    if kind == "param":
        return values.parameters
    return values.metadata if kind == "meta" else values.metrics


def _value(values: Values, wanted: Wanted) -> object:
    if wanted.kind == "meta":
        value = values.metadata.get(wanted.name)
        return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)
    if wanted.kind == "param":
        return parameter(values.parameters, wanted.name)
    metric = values.metrics.get(wanted.name)
    return None if metric is None else _number(metric, wanted.kind)


def parameter(parameters: Mapping[str, str], name: str) -> str | None:
    """Return a parameter by ``Section/name``, or by its name alone if one section has it."""
    if name in parameters:
        return parameters[name]
    found = [value for key, value in parameters.items() if key.partition("/")[2] == name]
    return found[0] if len(found) == 1 else None


def _number(metric: Metric, kind: str) -> object:
    value = {"min": metric.low, "max": metric.high}.get(kind, metric.last)
    return "nan" if value is None and kind == "metric" else value


def _kind(cells: Sequence[object]) -> str:
    """Return the kind of a column of values: numbers are at the right."""
    return "metric" if all(map(_is_number, cells)) else "value"


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        try:
            float(cell)
        except ValueError:
            return False
    return not isinstance(cell, bool)


def _title(each: Wanted, shown: Sequence[Wanted]) -> str:
    if each.kind in ("min", "max"):
        return f"{each.kind} {each.name}"
    if each.kind == "param":
        short = each.name.partition("/")[2] or each.name
        same = [other for other in shown if (other.name.partition("/")[2] or other.name) == short]
        return short if len(same) == 1 else each.name
    return each.name
