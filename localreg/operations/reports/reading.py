"""Reads reports back as values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, islice, pairwise

from localreg.errors import InvalidValueError, ModelNotFoundError, TaskNotFoundError
from localreg.registry import OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Connection, SeriesRow
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
            x, y = _points(connection, row, limit, epoch=None if axis == "iter" else row.epoch)
            shown_at = [_iso_time(each) for each in x] if axis == "iso_time" else x
            found.setdefault(row.title, {})[row.name] = {"x": shown_at, "y": y}
    return found


def _points(
    connection: Connection, row: SeriesRow, most: int, *, epoch: int | None
) -> tuple[list[int], list[float]]:
    """Return places and values of the points of a series, or of the means of groups of them.

    Args:
        most: of groups, all of the same size; 0 for all points.
        epoch: what the times of points are added to; None for iterations.
    """
    if most and row.points > most:
        stream = report_rows.point_stream(connection, row.pk)
        points = chain.from_iterable(stream)
        pairs = ((step if epoch is None else epoch + ms, value) for step, value, ms in points)
        means = [*_means(pairs, row.points, most)]
        return [at for at, _ in means], [value for _, value in means]
    places, values = report_rows.columns(connection, row.pk, "iteration" if epoch is None else "ms")
    if epoch:
        places = [epoch + ms for ms in places]
    return places, values


def _means(
    points: Iterator[tuple[int, float | None]], count: int, most: int
) -> Iterator[tuple[int, float]]:
    """Yield the means of so many groups of points, which are all of the same size.

    >>> [*_means(iter([(0, 1.0), (1, 3.0), (2, 5.0), (3, None)]), 4, 2)]
    [(0, 2.0), (2, 5.0)]
    """
    ends = [count * number // most for number in range(most + 1)]
    for start, end in pairwise(ends):
        group = [*islice(points, end - start)]
        if group:
            known = [value for _, value in group if value is not None]
            mean = sum(known) / len(known) if known else NAN
            yield sum(place for place, _ in group) // len(group), mean


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
