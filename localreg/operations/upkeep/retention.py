"""Retention: which versions of models go, and why each goes or stays.

`decide` only looks; `remove` does it. A removal is an ordinary one: it has an event, and `restore`
takes it back until `gc` has deleted the bytes, after the grace period.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from localreg.errors import InvalidValueError, LocalregError
from localreg.operations.finding import queries
from localreg.operations.models.removal import remove_if
from localreg.operations.tasks.run_facts import is_gone
from localreg.registry import OpenRegistry
from localreg.store.rows import retention_rows, setting_rows, task_rows
from localreg.store.rows.model_query import ModelQuery
from localreg.store.rows.retention_rows import Version
from localreg.store.rows.value_sources import Order
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Project, reference
from localreg.values.registry_settings import KEEP_BEST, KEEP_LAST, MAX_SIZE
from localreg.values.retention import (
    Best,
    Rules,
    check_keep_best,
    check_keep_last,
    check_max_size,
)
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.events.change import Change
    from localreg.values.records import ModelRecord


class Verdict(Frozen):
    """A version of a model that goes or stays.

    Attributes:
        id: its id.
        ref: ``project/name:version``.
        size: bytes that it has here, shared ones too.
        goes: True if it was removed, or would be.
        why: the reason, as text.
    """

    id: str
    ref: str
    size: int
    goes: bool
    why: str


def check_rules(
    registry: OpenRegistry,
    *,
    keep_last: object = None,
    keep_best: object = None,
    max_size: object = None,
    settings: bool = True,
) -> Rules:
    """Return the rules of a collection.

    Args:
        keep_last, keep_best, max_size: see `values.retention`; None for the registry's setting.
        settings: False to leave the registry's settings out.
    """
    chosen: Mapping[str, str] = {}
    if settings:
        with registry.store.read() as connection:
            chosen = setting_rows.some(connection, (KEEP_LAST, KEEP_BEST, MAX_SIZE))
    last = chosen.get(KEEP_LAST) if keep_last is None else keep_last
    best = chosen.get(KEEP_BEST) if keep_best is None else keep_best
    size = chosen.get(MAX_SIZE) if max_size is None else max_size
    return Rules(
        None if last is None else check_keep_last(last),
        () if best is None else check_keep_best(best),
        None if size is None else check_max_size(size),
    )


def decide(registry: OpenRegistry, rules: Rules) -> list[Verdict]:
    """Return which models go by some rules, and which stay; [] without rules.

    Raises:
        InvalidValueError: no model has a metric of the rules, so it may be a typing error.
        DamagedRowError: what needs a model cannot be read.
    """
    if rules.are_none:
        return []
    ranks = [_ranks(registry, each) for each in rules.keep_best]
    with registry.store.read() as connection:
        versions = retention_rows.versions(connection)
        needed = _needed(connection, versions)
        sizes = _Sizes(versions, retention_rows.blobs(connection))
    chosen: dict[str, str] = {}
    for _, line in groupby(versions, lambda each: (each.project, each.name)):
        chosen.update(_chosen(list(line), rules, ranks))
    stays = chosen | needed
    goes = _goers(versions, stays, rules, sizes)
    needing = {each.parent: each for each in versions if each.parent and each.id not in goes}
    return [
        Verdict(
            id=each.id,
            ref=_ref(each),
            size=sizes.of(each),
            goes=each.id in goes,
            why=goes.get(each.id)
            or stays.get(each.id)
            or _why_left(rules, needing.get(each.id), sizes.of(each)),
        )
        for each in versions
    ]


def _ref(version: Version) -> str:
    project = Project("", version.project) if version.project else None
    return reference(project, version.name, version.version)


def _ranks(registry: OpenRegistry, best: Best) -> dict[str, int]:
    """Return the place of each model with a metric, from the best on; infinities are the worst."""
    order = Order("metric", best.greatest, best.metric)
    found = queries.rank_models(registry, ModelQuery(archived=True, order=order))
    if not found:
        raise InvalidValueError(
            f"keep_best: no model has the metric {best.metric!r}, so nothing is removed; "
            "`localreg show` lists the metrics of a model",
            argument="keep_best",
        )
    ends = (math.inf, -math.inf)  # of what diverged, or was divided by 0
    found.sort(key=lambda each: each.value in ends)
    return {each.id: place for place, each in enumerate(found)}


def _needed(connection: retention_rows.Connection, versions: Iterable[Version]) -> dict[str, str]:
    """Return the models that never go, whatever the rules, and why."""
    found: dict[str, str] = {}
    for use in retention_rows.uses(connection):
        task = f"task {use.name!r} ({use.task[:8]})"
        if not use.made:
            found[use.model] = f"an input of {task}"
        elif use.published:
            found.setdefault(use.model, f"made by the published {task}")
        elif use.runs and not is_gone(task_rows.place(connection, use.task)):
            found.setdefault(use.model, f"{task} made it and still runs")
    for model, alias in retention_rows.aliases(connection).items():
        found[model] = f"the alias @{alias} points to it"
    return found | {each.id: "published" for each in versions if each.published}


def _chosen(
    line: Sequence[Version], rules: Rules, ranks: Sequence[Mapping[str, int]]
) -> dict[str, str]:
    """Return the versions of one model that the rules keep, and why.

    Args:
        line: the newest first.
    """
    found: dict[str, str] = {}
    unranked = []
    for best, places in zip(rules.keep_best, ranks, strict=True):
        having = sorted((each.id for each in line if each.id in places), key=places.__getitem__)
        found |= dict.fromkeys(having[: best.count], best.text)
        if not having:
            unranked.append(best.metric)
    if rules.keep_last is not None:
        last = f"the last {rules.keep_last}"
        found |= {each.id: last for each in line[: rules.keep_last]}
    elif unranked and len(unranked) == len(rules.keep_best):
        why = f"no version of it has {' or '.join(unranked)}"
        return {each.id: why for each in line}
    return {id_: f"one of {why}" for id_, why in found.items()}


def _goers(
    versions: Sequence[Version], stays: Mapping[str, str], rules: Rules, sizes: _Sizes
) -> dict[str, str]:
    """Return the models that go, and why."""
    kept = [f"the last {rules.keep_last}"] if rules.keep_last is not None else []
    why = f"not one of {', nor of '.join([*kept, *(each.text for each in rules.keep_best)])}"
    children = Counter(each.parent for each in versions if each.parent)
    goes: dict[str, str] = {}
    left = sorted((each for each in versions if each.id not in stays), key=lambda each: each.birth)
    while True:
        rest = []
        for each in left:
            total = sizes.of_project(each.project)
            if rules.max_size is not None and (total <= rules.max_size or not sizes.of(each)):
                continue
            if children[each.id]:  # the parent of a model that stays, or goes later
                rest.append(each)
                continue
            goes[each.id] = why
            if rules.max_size is not None:
                place = f"project {each.project}" if each.project else "what has no project"
                goes[each.id] = f"the oldest; {place} has {size_text(total)}"
            sizes.remove(each)
            if each.parent is not None:
                children[each.parent] -= 1
        if len(rest) == len(left) or not rest:
            return goes
        left = rest


def _why_left(rules: Rules, child: Version | None, size: int) -> str:
    """Return why a model stays that no rule keeps.

    Args:
        child: a model that stays, and of which it is the parent.
        size: its bytes here.
    """
    if child is not None:
        return f"the parent of {_ref(child)}"
    assert rules.max_size is not None
    if not size:
        return "it has no bytes here"
    return f"its project has at most {size_text(rules.max_size)}"


class _Sizes:
    """The bytes of models and projects; what several models of a project share counts once."""

    def __init__(self, versions: Iterable[Version], blobs: Iterable[tuple[int, int, int]]) -> None:
        projects = {each.pk: each.project for each in versions}
        self._blobs: dict[int, list[tuple[int, int]]] = {}
        self._users: Counter[tuple[str, int]] = Counter()
        self._projects: Counter[str] = Counter()
        for model, blob, size in blobs:
            project = projects.get(model)
            if project is None:
                continue
            self._blobs.setdefault(model, []).append((blob, size))
            if not self._users[project, blob]:
                self._projects[project] += size
            self._users[project, blob] += 1

    def of(self, version: Version) -> int:
        return sum(size for _, size in self._blobs.get(version.pk, ()))

    def of_project(self, project: str) -> int:
        return self._projects[project]

    def remove(self, version: Version) -> None:
        for blob, size in self._blobs.get(version.pk, ()):
            self._users[version.project, blob] -= 1
            if not self._users[version.project, blob]:
                self._projects[version.project] -= size


def remove(registry: OpenRegistry, verdicts: Iterable[Verdict], failed: list[str]) -> list[Verdict]:
    """Remove the models that go; return what became of all, and add to `failed`.

    What was published, or got an alias or a use since it was decided, stays.
    """
    found = []
    for each in verdicts:
        why = None
        if each.goes:
            try:
                why = remove_if(registry, each.id, _why_needed)
            except LocalregError as error:
                why = str(error)
                failed.append(f"{each.ref}: {error}")
        found.append(each if why is None else replace(each, goes=False, why=why))
    return found


def _why_needed(_: Change, record: ModelRecord) -> str | None:
    if record.published:
        return "published"
    return f"the alias @{record.aliases[0]} points to it" if record.aliases else None
