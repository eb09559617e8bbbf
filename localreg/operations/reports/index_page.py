"""Collects what the overview of a registry shows."""

from __future__ import annotations

import math
from collections.abc import Iterable

from localreg.operations.datasets import looking
from localreg.operations.reports.page_links import Site
from localreg.pages.page_values import IndexPage
from localreg.registry import OpenRegistry
from localreg.store.rows import claim_rows, dataset_rows, overview_rows, tree_rows
from localreg.store.rows.model_rows import Connection
from localreg.values.dataset_names import is_data_project, shown_project
from localreg.values.records import Project, reference

# The overview lists at most so many models, tasks and metrics.
MODELS = 200_000
TASKS = 50_000
METRICS = 200


def index_values(registry: OpenRegistry, site: Site) -> IndexPage:
    """Return what the overview shows: the models and tasks that were updated last."""
    registry.store.flush()
    with registry.store.read() as connection:
        models, positions = _models(connection, site)
        contested, ambiguous = _mark_conflicts(connection, models, positions)
        tasks = _tasks(connection, site)
        return IndexPage(
            name=registry.root.name,
            models=models,
            metrics=_metrics(connection, positions),
            tasks=tasks,
            datasets=_datasets(connection, site),
            projects=tuple(_projects(connection)),
            note=" ".join(
                [
                    *_conflicts_note(contested, ambiguous),
                    *_note(*overview_rows.counts(connection)),
                ]
            )
            or None,
        )


def _projects(connection: Connection) -> Iterable[tuple[str, int, int, float, int]]:
    """Yield the projects; the data sets of one are in a project of their own."""
    found: dict[str, tuple[int, int, int, int]] = {}
    for name, models, tasks, updated in overview_rows.projects(connection):
        shown, datasets = name, 0
        if is_data_project(name):
            shown, models, datasets = shown_project(name), 0, models
            if not datasets:
                continue
        before = found.get(shown, (0, 0, 0, 0))
        found[shown] = (
            before[0] + models, before[1] + tasks, max(before[2], updated), before[3] + datasets
        )  # fmt: skip
    for name, (models, tasks, updated, datasets) in sorted(found.items()):
        yield name, models, tasks, updated / 1_000_000, datasets


def _datasets(connection: Connection, site: Site) -> dict[str, list[object]]:
    rows = dataset_rows.find(connection)[:MODELS]
    files = tree_rows.counts(connection, {each.tree for each in rows if each.tree})
    ranked = sorted(rows, key=looking.order)
    order = {each.id: number for number, each in enumerate(ranked)}
    return {
        "id": [each.id for each in rows],
        "ref": [each.ref for each in rows],
        "project": [each.shown_project for each in rows],
        "name": [each.name for each in rows],
        "order": [order[each.id] for each in rows],
        "tags": [list(each.tags) for each in rows],
        "files": [files.get(each.tree or "") for each in rows],
        "size": [each.size for each in rows],
        "states": [[each.status, *(["archived"] if each.archived else [])] for each in rows],
        "updated": [each.updated / 1_000_000 for each in rows],
        "href": [site.page("model", each.id) for each in rows],
    }


def _mark_conflicts(
    connection: Connection, models: dict[str, list[object]], positions: dict[int, int]
) -> tuple[int, int]:
    """Add what registries do not agree about to the states; return how many models have which."""
    counts = []
    for state, keys in (
        ("contested", overview_rows.contested(connection)),
        ("ambiguous", claim_rows.ambiguous(connection)),
    ):
        counts.append(len(keys))
        for key in keys & positions.keys():
            states = models["states"][positions[key]]
            assert isinstance(states, list)
            states.append(state)
    return counts[0], counts[1]


def _conflicts_note(contested: int, ambiguous: int) -> Iterable[str]:
    """Yield what to say about models that registries do not agree about.

    >>> [*_conflicts_note(1, 0)]
    ['1 model is contested: its page says what to do.']
    >>> [*_conflicts_note(0, 2)]
    ['2 models are ambiguous: their pages say what to do.']
    """
    for count, what in ((contested, "contested"), (ambiguous, "ambiguous")):
        if count == 1:
            yield f"1 model is {what}: its page says what to do."
        elif count:
            yield f"{count:,} models are {what}: their pages say what to do."


def _note(models: int, tasks: int) -> Iterable[str]:
    if models <= MODELS and tasks <= TASKS:
        return
    yield (
        f"This page lists the {MODELS:,} models and {TASKS:,} tasks that were updated last, of "
        f"{models:,} models and {tasks:,} tasks."
    )


def _models(connection: Connection, site: Site) -> tuple[dict[str, list[object]], dict[int, int]]:
    """Return the columns of the models, and the position of each model by its database key."""
    rows = overview_rows.newest_models(connection, MODELS)
    positions = {int(str(row[0])): position for position, row in enumerate(rows)}
    columns: dict[str, list[object]] = {
        name: []
        for name in "id ref project name version framework states updated size href".split()
    }
    for _, id_, project, name, version, framework, *states, updated, size in rows:
        in_project = Project("", str(project)) if project else None
        columns["id"].append(id_)
        columns["ref"].append(reference(in_project, str(name), int(str(version))))
        columns["project"].append(project)
        columns["name"].append(name)
        columns["version"].append(version)
        columns["framework"].append(framework or "")
        flags = zip(("published", "archived", "package"), states, strict=True)
        columns["states"].append([state for state, is_set in flags if is_set])
        columns["updated"].append(int(str(updated)) / 1_000_000)
        columns["size"].append(size)
        columns["href"].append(site.page("model", str(id_)))
    columns["tags"] = _names_by_position(overview_rows.tags(connection), positions)
    columns["aliases"] = _names_by_position(overview_rows.aliases(connection), positions)
    return columns, positions


def _names_by_position(found: Iterable[tuple[int, str]], positions: dict[int, int]) -> list[object]:
    """Return the list of names at each position."""
    # In a damaged database two rows can have one key, so the last position counts.
    names: list[list[str]] = [[] for _ in range(max(positions.values(), default=-1) + 1)]
    for key, name in found:
        if key in positions:
            names[positions[key]].append(name)
    return list(names)


def _metrics(connection: Connection, positions: dict[int, int]) -> dict[str, dict[int, float]]:
    """Return the last values by metric and position, for the metrics that most models have."""
    found: dict[str, dict[int, float]] = {}
    for name, key, value in overview_rows.last_values(connection):
        if key in positions and math.isfinite(value):
            found.setdefault(name, {})[positions[key]] = value
    common = sorted(found, key=lambda name: (-len(found[name]), name))[:METRICS]
    return {name: found[name] for name in sorted(common)}


def _tasks(connection: Connection, site: Site) -> dict[str, list[object]]:
    rows = overview_rows.newest_tasks(connection, TASKS)
    positions = {int(str(row[0])): position for position, row in enumerate(rows)}
    columns: dict[str, list[object]] = {
        name: [] for name in "id project name status archived updated href".split()
    }
    for _, id_, project, name, status, published, archived, updated in rows:
        columns["id"].append(id_)
        columns["project"].append(project)
        columns["name"].append(name)
        columns["status"].append("published" if published else status)
        columns["archived"].append(bool(archived))
        columns["updated"].append(int(str(updated)) / 1_000_000)
        columns["href"].append(site.page("task", str(id_)))
    columns["tags"] = _names_by_position(overview_rows.task_tags(connection), positions)
    return columns
