"""What lists say about models and tasks, with their metrics, parameters and metadata."""

from __future__ import annotations

from localreg.values.frozen import Frozen, values
from localreg.values.records import shown_aliases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Metric(Frozen):
    """A scalar series in short, or a single value.

    Attributes:
        last: the value at the greatest iteration; None for NaN.
        low, high: the least and greatest finite value; None if there is none.
        points: how many points the series has.
        single: True for a single value: `last`, `low` and `high` are the same.
    """

    last: float | None
    low: float | None
    high: float | None
    points: int
    single: bool


class ModelSummary(Frozen, kw_only=True):
    """A model as lists show it.

    Attributes:
        id, ref, project, name, version, comment, framework: as `Model` has them; `project` is the
            project's name, None without one.
        tags, aliases: sorted.
        held: those of the aliases that lead to no model, since their gates were not passed.
        published, archived, package: its states.
        task: id of the task that made it, or None.
        parent: id of the model that it was made of, or None.
        url, digest, size: of the current weights, None if unknown; `size` is in bytes.
        created, updated: with the time zone UTC.
        metrics: by ``title/series``, or by the name of a single value: its own, and for each name
            that it lacks that of its task.
        parameters: of its task, by ``Section/name``, in their types; secrets are hidden.
        metadata: its own, in their types; secrets are hidden.
    """

    id: str
    ref: str
    project: str | None
    name: str
    version: int
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    framework: str | None
    published: bool
    archived: bool
    package: bool
    comment: str | None
    task: str | None
    parent: str | None
    url: str | None
    digest: str | None
    size: int | None
    created: datetime
    updated: datetime
    metrics: Mapping[str, Metric]
    parameters: Mapping[str, object]
    metadata: Mapping[str, object]
    held: tuple[str, ...] = ()

    @property
    def shown_aliases(self) -> tuple[str, ...]:
        """The aliases for people: it says of each if it is held."""
        return shown_aliases(self.aliases, self.held)


class TaskSummary(Frozen, kw_only=True):
    """A task as lists show it.

    Attributes:
        id, project, name, type, status, comment, parent: as `Task` has them; `project` is the
            project's name, None without one.
        tags: sorted.
        archived: True if it is archived.
        created, ended, updated: with the time zone UTC; `ended` is None while it runs.
        metrics: by ``title/series``, or by the name of a single value.
        parameters: by ``Section/name``, in their types; secrets are hidden.
    """

    id: str
    project: str | None
    name: str
    type: str
    status: str
    tags: tuple[str, ...]
    archived: bool
    comment: str | None
    parent: str | None
    created: datetime
    ended: datetime | None
    updated: datetime
    metrics: Mapping[str, Metric]
    parameters: Mapping[str, object]


_NESTED = ("metrics", "parameters", "metadata")


def flat(summary: ModelSummary | TaskSummary) -> dict[str, object]:
    """Return a summary as one dict: its values by the names that `order_by` takes.

    >>> metric = Metric(0.5, 0.1, 0.9, 3, False)
    >>> task = TaskSummary(
    ...     id="a", project=None, name="b", type="training", status="completed", tags=("c", "d"),
    ...     archived=False, comment=None, parent=None, created=None, ended=None, updated=None,
    ...     metrics={"loss/train": metric}, parameters={"Args/lr": 0.1})
    >>> flat(task)["metrics.loss/train"], flat(task)["parameters.Args/lr"], flat(task)["tags"]
    (0.5, 0.1, ['c', 'd'])
    """
    found = values(summary)
    nested = {name: found.pop(name) for name in _NESTED if name in found}
    for name, value in found.items():
        if isinstance(value, tuple):
            found[name] = list(value)
    for group, some in nested.items():
        for name, value in some.items():  # type: ignore[attr-defined]  # a mapping
            found[f"{group}.{name}"] = value.last if isinstance(value, Metric) else value
    return found


def columns(summaries: Sequence[ModelSummary | TaskSummary]) -> dict[str, list[object]]:
    """Return summaries as columns; a value that one lacks is None.

    The columns of values come after the others: metrics, parameters and metadata, each sorted.
    """
    rows = [flat(each) for each in summaries]
    names = {name: None for row in rows for name in row}
    fixed = [name for name in names if name.partition(".")[0] not in _NESTED]
    rest = sorted(
        names.keys() - set(fixed), key=lambda name: (_NESTED.index(name.partition(".")[0]), name)
    )
    return {name: [row.get(name) for row in rows] for name in (*fixed, *rest)}
