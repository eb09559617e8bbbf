"""The scalars and single values of a model or task, point by point, for scripts and tables.

What a model did not report itself, the task that made it did: a training script reports to its
task, and people ask for the loss of the model.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from localreg.errors import NotFoundError
from localreg.operations.reports.reading import reading
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, report_rows, task_rows
from localreg.store.rows.report_rows import Connection
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

# Iterations, milliseconds since `Series.epoch`, and values.
Points = tuple["array[int]", "array[int]", "array[float]"]


class Series(Frozen, kw_only=True):
    """A scalar series, or a single value, which has no title and no iterations.

    Attributes:
        title, name: of the series; of a single value only `name`, and the title is "".
        owner: the model or task that it was reported to.
        last: the value at the greatest iteration; None for NaN.
        low, high: the least and greatest finite value; None if there is none.
        points: how many points it has.
        pk: its key in the database; None for a single value.
        epoch: the start of the times of its points, in milliseconds since 1970.
    """

    title: str
    name: str
    owner: Owner
    last: float | None
    low: float | None
    high: float | None
    points: int = 1
    pk: int | None = None
    epoch: int = 0

    @property
    def single(self) -> bool:
        """True for a single value."""
        return self.pk is None

    @property
    def key(self) -> str:
        """The name by which it is asked for: ``title/name``, or the name of a single value."""
        return self.name if self.single else f"{self.title}/{self.name}"


def all_series(
    registry: OpenRegistry, owner: Owner, wanted: Sequence[str] = ()
) -> tuple[Series, ...]:
    """Return the scalar series and single values of a model or task, by title and name.

    Args:
        wanted: only these: ``TITLE``, ``TITLE/SERIES`` or the name of a single value; each may be
            a glob such as ``val*``. All if empty.

    Raises:
        NotFoundError: nothing that was reported has one of these names.
    """
    found: dict[tuple[bool, str, str], Series] = {}
    with reading(registry, owner) as connection:
        for each in _reporters(connection, owner):
            for one in _reported(connection, each):
                found.setdefault((one.single, one.title, one.name), one)
    everything = tuple(found[place] for place in sorted(found))
    for name in wanted:
        if not any(_matches(each, name) for each in everything):
            raise NotFoundError(_unknown(name, everything), reference=name)
    if not wanted:
        return everything
    return tuple(each for each in everything if any(_matches(each, name) for name in wanted))


def points_of(registry: OpenRegistry, series: Series) -> Points:
    """Return the points of a series by iteration, all of one moment; a single value has none.

    They are in little memory, and no transaction is open while the caller has them: it may print
    to a pipe, and wait there.
    """
    if series.pk is None:
        return array("q"), array("q"), array("d")
    with registry.store.read() as connection:
        return report_rows.packed_points(connection, series.pk)


def _reporters(connection: Connection, owner: Owner) -> Iterator[Owner]:
    """Yield who reported for an owner: itself, and the task that made the model."""
    yield owner
    if owner.kind == "model":
        row = model_rows.model_row(connection, owner.id)
        if row and row.task and task_rows.present(connection, [row.task]):
            yield Owner("task", row.task)


def _reported(connection: Connection, owner: Owner) -> Iterator[Series]:
    for row in report_rows.series(connection, owner):
        yield Series(
            title=row.title,
            name=row.name,
            owner=owner,
            last=row.last,
            low=row.low,
            high=row.high,
            points=row.points,
            pk=row.pk,
            epoch=row.epoch,
        )
    for name, value in report_rows.singles(connection, owner):
        yield Series(title="", name=name, owner=owner, last=value, low=value, high=value)


def _matches(series: Series, name: str) -> bool:
    names = {series.key} if series.single else {series.key, series.title}
    return any(each == name or fnmatchcase(each, name) for each in names)


def _unknown(name: str, series: Sequence[Series]) -> str:
    keys = [each.key for each in series]
    titles = [each.title for each in series if not each.single]
    close = get_close_matches(name, list(dict.fromkeys([*titles, *keys])), n=3)
    text = f"nothing with the name {shown(name)} was reported"
    if close:
        return f"{text}; did you mean {' or '.join(map(shown, close))}?"
    return f"{text}; there is {', '.join(map(shown, keys[:10]))}" if keys else text
