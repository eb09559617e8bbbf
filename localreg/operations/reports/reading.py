"""Reads reports back as values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from localreg.errors import ModelNotFoundError, TaskNotFoundError
from localreg.registry import OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Connection
from localreg.values.records import Owner

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
    registry: OpenRegistry, owner: Owner
) -> dict[str, dict[str, dict[str, list[int] | list[float]]]]:
    """Return every point of the scalars, ``{title: {series: {"x": iterations, "y": values}}}``."""
    found: dict[str, dict[str, dict[str, list[int] | list[float]]]] = {}
    with reading(registry, owner) as connection:
        for row in report_rows.series(connection, owner):
            points = report_rows.points(connection, row.pk)
            found.setdefault(row.title, {})[row.name] = {
                "x": [iteration for iteration, _, _ in points],
                "y": [NAN if value is None else value for _, value, _ in points],
            }
    return found


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
