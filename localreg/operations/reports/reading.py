"""Reads reports back as values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise

from localreg.errors import InvalidValueError, ModelNotFoundError, TaskNotFoundError
from localreg.registry import OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Connection
from localreg.values.checks import shown
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAN = float("nan")


def owner_key(connection: Connection, owner: Owner) -> int:
    """Return the database key of a model or task that owns reports."""
    found = report_rows.owner_pk(connection, owner)
    if found is None:
        kind = ModelNotFoundError if owner.kind == "model" else TaskNotFoundError
        raise kind(
            f"there is no {owner.kind} {owner.id} in the registry, so it has no reports",
            reference=owner.id,
        )
    return found


@contextmanager
def reading(registry: OpenRegistry, owner: Owner) -> Iterator[Connection]:
    """Yield a connection that sees every report to an owner up to now."""
    registry.store.flush()
    with registry.store.read() as connection:
        owner_key(connection, owner)
        yield connection


def scalars(
    registry: OpenRegistry, owner: Owner, *, most: object = 0, axis: object = "iter"
) -> dict[str, dict[str, dict[str, list[Any]]]]:
    """Return the points of the scalars, ``{title: {series: {"x": …, "y": values}}}``.

    Args:
        most: of each series at most so many points, the means of groups; 0 for all.
        axis: what "x" is: "iter", "timestamp" or "iso_time".
    """
    if not isinstance(axis, str) or axis not in ("iter", "timestamp", "iso_time"):
        raise InvalidValueError(
            f"x_axis must be iter, timestamp or iso_time, not {shown(axis)}", argument="x_axis"
        )
    limit = 0 if most is None else most
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise InvalidValueError(
            f"max_samples must be a whole number from 0, not {shown(most)}", argument="max_samples"
        )
    found: dict[str, dict[str, dict[str, list[Any]]]] = {}
    with reading(registry, owner) as connection:
        for row in report_rows.series(connection, owner):
            points = [
                (iteration if axis == "iter" else row.epoch + ms, NAN if value is None else value)
                for iteration, value, ms in report_rows.points(connection, row.pk)
            ]
            shown_points = _means(points, limit) if limit else points
            x: list[Any] = [place for place, _ in shown_points]
            if axis == "iso_time":
                x = [_iso_time(each) for each in x]
            found.setdefault(row.title, {})[row.name] = {"x": x, "y": [y for _, y in shown_points]}
    return found


def _means(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """Return at most so many points: the means of groups of the same size.

    >>> _means([(0, 1.0), (1, 3.0), (2, 5.0), (3, NAN)], 2)
    [(0, 2.0), (2, 5.0)]
    """
    if len(points) <= most:
        return points
    ends = [len(points) * number // most for number in range(most + 1)]
    groups = [points[start:end] for start, end in pairwise(ends)]
    return [
        (sum(place for place, _ in group) // len(group), _mean([value for _, value in group]))
        for group in groups
    ]


def _mean(values: list[float]) -> float:
    known = [each for each in values if each == each]
    return sum(known) / len(known) if known else NAN


def _iso_time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def last_scalars(registry: OpenRegistry, owner: Owner) -> dict[str, dict[str, dict[str, float]]]:
    """Return ``{title: {series: {"last": …, "min": …, "max": …}}}``, NaN for missing values."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    with reading(registry, owner) as connection:
        for row in report_rows.series(connection, owner):
            values = {"last": row.last, "min": row.low, "max": row.high}
            found.setdefault(row.title, {})[row.name] = {
                name: NAN if value is None else value for name, value in values.items()
            }
    return found


def singles(registry: OpenRegistry, owner: Owner) -> dict[str, float]:
    """Return the single values, by name."""
    with reading(registry, owner) as connection:
        return {
            name: NAN if value is None else value
            for name, value in report_rows.singles(connection, owner)
        }
