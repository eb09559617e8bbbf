"""Print the scalars of a model or task."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

import click

from localreg.cli.columns import short_number
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    Column,
    json_text,
    opened,
    print_csv,
    print_table,
    remark,
)
from localreg.cli.owners import model_or_task
from localreg.cli.streams import stdout_is_utf8
from localreg.operations.reports.series import Series, all_series, points_of
from localreg.registry import OpenRegistry
from localreg.values.records import Owner

COLUMNS = ("title", "series", "iteration", "time", "value")
_AT_ONCE = 10_000  # entries of a list
_BETWEEN = ",\n" + " " * 8  # two entries of a list of points, as `json_text` would write them


@click.command("scalars")
@click.argument("reference", metavar="REF")
@click.argument("names", nargs=-1, metavar="[TITLE[/SERIES]]...")
@AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print every point as a line of CSV.")
@HEADER
@IN_REGISTRY
def scalars_command(
    reference: str, names: tuple[str, ...], as_json: bool, as_csv: bool, directory: str | None
) -> None:
    """Print the scalars of REF, a model or a task.

    Without an option it prints a table: of each series the last, least and greatest value and the
    number of points. --json and --csv print all points. Names choose titles, series and single
    values; each may be a pattern such as 'val*'. What a model did not report itself is what the
    task that made it reported.
    """
    if as_json and as_csv:
        raise click.UsageError("Give --json or --csv, not both.")
    with opened(directory) as chain:
        registry, owner = model_or_task(chain, reference)
        found = all_series(registry, owner, names)
        if as_json:
            _print_json(registry, owner, found)
        elif as_csv:
            _print_csv(registry, found)
        else:
            print_table(
                (
                    Column("METRIC", "name"),
                    Column("LAST", "metric"),
                    Column("MIN", "metric", 2),
                    Column("MAX", "metric", 1),
                    Column("POINTS", "number", 3),
                ),
                ((each.key, *_numbers(each), str(each.points)) for each in found),
            )
    if not found:
        remark("Nothing was reported.")


def _print_json(registry: OpenRegistry, owner: Owner, found: tuple[Series, ...]) -> None:
    """Print all points, while they are read; a value that JSON does not have is null."""
    mark = uuid4().hex  # stands for the entries of a list
    scalars = [
        {
            "title": each.title,
            "series": each.name,
            "reported_to": each.owner.kind,
            "last": _finite(each.last),
            "min": each.low,
            "max": each.high,
            "iterations": [mark],
            "times": [mark],
            "values": [mark],
        }
        for each in found
        if not each.single
    ]
    singles = [
        {"name": each.name, "reported_to": each.owner.kind, "value": _finite(each.last)}
        for each in found
        if each.single
    ]
    whole = {owner.kind: owner.id, "scalars": scalars, "single_values": singles}
    text = json_text(whole, indent=2, ascii_only=not stdout_is_utf8())
    before, *parts = text.split(f'"{mark}"')
    sys.stdout.write(before)
    after = iter(parts)
    for each in found:
        if each.single:
            continue
        steps, times, values = points_of(registry, each)
        for texts in (map(str, steps), _quoted(_times(each.epoch, times)), map(_number, values)):
            _write_entries(texts)
            sys.stdout.write(next(after))
    sys.stdout.write("\n")


def _quoted(texts: Iterable[str]) -> Iterator[str]:
    return (f'"{text}"' for text in texts)


def _write_entries(texts: Iterator[str]) -> None:
    """Write the entries of a list, some at a time."""
    between = ""
    while some := _BETWEEN.join(islice(texts, _AT_ONCE)):
        sys.stdout.write(between + some)
        between = _BETWEEN


def _print_csv(registry: OpenRegistry, found: tuple[Series, ...]) -> None:
    """Print a head and a line for each point; a single value has no iteration and no time."""
    print_csv([COLUMNS])
    for each in found:
        if each.single:
            print_csv([("", each.name, "", "", _exact(each.last))])
            continue
        steps, times, values = points_of(registry, each)
        rows = (
            (each.title, each.name, iteration, at, _exact(value))
            for iteration, at, value in zip(steps, _times(each.epoch, times), values, strict=True)
        )
        while some := [*islice(rows, _AT_ONCE)]:
            print_csv(some)


def _numbers(each: Series) -> tuple[str, str, str]:
    """Return last, least and greatest value: as `show` on a terminal, with all digits elsewhere."""
    number = short_number if sys.stdout.isatty() else _exact
    low, high = ("" if value is None else number(value) for value in (each.low, each.high))
    return number(each.last), low, high


def _exact(value: float | None) -> str:
    """Return a number that reads back as the same one."""
    return "nan" if value is None else repr(float(value))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float) -> str:
    """Return a number as JSON has it."""
    return repr(value) if math.isfinite(value) else "null"


def _times(epoch: int, milliseconds: Iterable[int]) -> Iterator[str]:
    """Yield times as texts; most points are in the second of the one before."""
    last, second_text = None, ""
    for each in milliseconds:
        second, rest = divmod(epoch + each, 1000)
        if second != last:
            last, second_text = second, datetime.fromtimestamp(second, UTC).isoformat()[:19]
        yield f"{second_text}.{rest:03}Z"
