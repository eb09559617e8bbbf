"""Print the scalars of a model or task."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime

import click

from localreg.cli.columns import short_number
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    Column,
    opened,
    print_csv,
    print_json,
    print_table,
    remark,
)
from localreg.cli.owners import model_or_task
from localreg.operations.reports.series import Series, all_series, points_of
from localreg.registry import OpenRegistry
from localreg.values.records import Json

COLUMNS = ("title", "series", "iteration", "time", "value")


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
            print_json({owner.kind: owner.id, **_json(registry, found)})
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


def _json(registry: OpenRegistry, found: tuple[Series, ...]) -> Json:
    """Return all points; a value that JSON does not have is null."""
    scalars = []
    for each in found:
        if each.single:
            continue
        points = points_of(registry, each)
        scalars.append(
            {
                "title": each.title,
                "series": each.name,
                "reported_to": each.owner.kind,
                "last": _finite(each.last),
                "min": each.low,
                "max": each.high,
                "iterations": [iteration for iteration, _, _ in points],
                "times": [_time(at) for _, _, at in points],
                "values": [_finite(value) for _, value, _ in points],
            }
        )
    singles = [
        {"name": each.name, "reported_to": each.owner.kind, "value": _finite(each.last)}
        for each in found
        if each.single
    ]
    return {"scalars": scalars, "single_values": singles}


def _print_csv(registry: OpenRegistry, found: tuple[Series, ...]) -> None:
    """Print a head and a line for each point; a single value has no iteration and no time."""
    print_csv([COLUMNS])
    for each in found:
        if each.single:
            print_csv([("", each.name, "", "", _exact(each.last))])
            continue
        print_csv(
            (each.title, each.name, iteration, _time(at), _exact(value))
            for iteration, value, at in points_of(registry, each)
        )


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


def _time(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
