"""Collects what the overview of a registry shows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from localreg.errors import MissingPackageError
from localreg.operations.datasets import looking
from localreg.operations.finding.upstream import Found as FoundModel
from localreg.operations.finding.values import shown_metadata, shown_value
from localreg.operations.reports.page_links import Site
from localreg.operations.trust.shown import signers, trusts_any
from localreg.pages.page_values import IndexColumn, IndexPage, IndexTable
from localreg.registry import Chain
from localreg.store.rows import (
    claim_rows,
    dataset_rows,
    overview_rows,
    signature_rows,
    tree_rows,
    value_rows,
)
from localreg.values.dataset_names import is_data_project, shown_project
from localreg.values.metrics import better
from localreg.values.records import shown_aliases
from localreg.values.secrets import masked_text
from localreg.values.units import is_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.model_rows import Connection

    # By name: the positions of the rows that have a value, and the values.
    Found = dict[str, tuple[list[int], list[object]]]
    Measured = dict[str, tuple[list[int], list[object], list[object], list[object]]]

# The overview lists at most so many models, tasks, and columns of each kind.
MODELS = 200_000
TASKS = 200_000
COLUMNS = 2_000
SIGNED = 500  # models whose signatures are checked
CELL = 300  # characters of a parameter or an entry of metadata
COMMENT = 1_000  # characters of a comment: the search finds no others
_COMPARED = re.compile(r'<meta name="localreg-compared" content="([0-9a-f ]*)">')


def index_values(chain: Chain, site: Site) -> IndexPage:
    """Return what the overview of the first registry shows: what was updated last."""
    registry = chain.first
    registry.store.flush()
    with registry.store.read() as connection:
        tasks, task_places = _tasks(connection, site)
        models, places = _models(connection, site, tasks["id"])
        contested, ambiguous = _mark_conflicts(connection, models, places)
        unseen = _mark_signed(chain, models)
        return IndexPage(
            name=registry.root.name,
            models=IndexTable(
                rows=models,
                columns=(
                    *_metrics(connection, "model", places),
                    *_columns("metadata", _metadata(connection, places)),
                ),
            ),
            tasks=IndexTable(
                rows=tasks,
                columns=(
                    *_metrics(connection, "task", task_places),
                    *_columns("parameters", _parameters(connection, task_places)),
                ),
            ),
            datasets=IndexTable(rows=_datasets(connection, site)),
            projects=tuple(_projects(connection)),
            comparisons=tuple(_comparisons(site.folder / "compare")),
            notes=(
                *_conflicts_note(contested, ambiguous),
                *_signed_note(unseen),
                *_note(*overview_rows.counts(connection)),
            ),
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


def _datasets(connection: Connection, site: Site) -> dict[str, Sequence[object]]:
    rows = dataset_rows.find(connection)[:MODELS]
    files = tree_rows.counts(connection, {each.tree for each in rows if each.tree})
    ranked = sorted(rows, key=looking.order)
    order = {each.id: number for number, each in enumerate(ranked)}
    paged = _pages(site, "model")
    return {
        "id": [each.id for each in rows],
        "ref": [each.ref for each in rows],
        "project": [each.shown_project for each in rows],
        "name": [each.name for each in rows],
        "order": [order[each.id] for each in rows],
        "tags": [tuple(each.tags) for each in rows],
        "files": [files.get(each.tree or "") for each in rows],
        "size": [each.size for each in rows],
        "states": [(each.status, *(["archived"] if each.archived else [])) for each in rows],
        "updated": [each.updated // 1_000_000 for each in rows],
        "paged": [int(each.id in paged) for each in rows],
    }


def _mark_conflicts(
    connection: Connection, models: dict[str, Sequence[object]], places: Mapping[int, int]
) -> tuple[int, int]:
    """Add what registries do not agree about to the states; return how many models have which."""
    counts = []
    states = models["states"] = list(models["states"])
    for state, keys in (
        ("contested", overview_rows.contested(connection)),
        ("ambiguous", claim_rows.ambiguous(connection)),
    ):
        counts.append(len(keys))
        for key in keys & places.keys():
            before = states[places[key]]
            assert isinstance(before, tuple)
            states[places[key]] = (*before, state)
    return counts[0], counts[1]


def _mark_signed(chain: Chain, models: dict[str, Sequence[object]]) -> int:
    """Add to the states which models a trusted key signed; return how many were not looked at.

    A check takes about a millisecond, so the signatures of the newest ones are checked.
    """
    if not trusts_any(chain):
        return 0
    with chain.first.store.read() as connection:
        signed = signature_rows.signed_models(connection)
    states = models["states"] = list(models["states"])
    having = [place for place, each in enumerate(models["id"]) if each in signed]
    looked_at = {str(models["id"][place]): place for place in having[:SIGNED]}
    try:
        for found, names in signers(chain, (FoundModel(chain.first, id_) for id_ in looked_at)):
            before = states[looked_at[found.id]]
            assert isinstance(before, tuple)
            if names:
                states[looked_at[found.id]] = (*before, "signed")
    except MissingPackageError:  # the page of each model says so
        return 0
    return len(having[SIGNED:])


def _signed_note(unseen: int) -> Iterable[str]:
    if unseen:
        yield (
            f"Signatures of the {SIGNED:,} signed models that were updated last were checked; "
            f"{unseen:,} more have some."
        )


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


def _pages(site: Site, kind: str) -> set[str]:
    """Return the ids of the models or tasks that have a page, or get one now."""
    start = f"{kind}s/"
    found = {name[len(start) : -5] for name in site.planned if name.startswith(start)}
    try:
        with os.scandir(site.folder / start) as entries:
            found.update(each.name[:-5] for each in entries if each.name.endswith(".html"))
    except FileNotFoundError:
        pass  # no page of this kind was written yet
    return found


def _models(
    connection: Connection, site: Site, tasks: Sequence[object]
) -> tuple[dict[str, Sequence[object]], dict[int, int]]:
    """Return the columns of the models, and the position of each model by its database key."""
    rows = overview_rows.newest_models(connection, MODELS)
    places = _places(rows)
    if not rows:
        rows = [(None,) * 14]
    keys, ids, projects, names, versions, frameworks, *states, updated, sizes, created, made_by, \
        comments = zip(*rows, strict=True)  # fmt: skip
    count = 0 if keys == (None,) else len(keys)
    paged = _pages(site, "model")
    task_places = {id_: place for place, id_ in enumerate(tasks)}
    flags = {
        each: tuple(name for name, is_set in zip(_STATES, each, strict=True) if is_set)
        for each in set(zip(*states, strict=True))
    }
    columns: dict[str, Sequence[object]] = {
        "id": ids,
        "project": [each or None for each in projects],
        "name": names,
        "version": versions,
        "framework": frameworks,
        "states": [flags[each] for each in zip(*states, strict=True)],
        "created": _seconds(created),
        "updated": _seconds(updated),
        "size": sizes,
        "comment": _comments(comments),
        "task": [task_places.get(each) for each in made_by],
        "paged": [int(each in paged) for each in ids],
        "tags": _names_by_place(overview_rows.tags(connection), places, len(keys)),
        "aliases": _names_by_place(_aliases(connection), places, len(keys)),
    }
    return {name: column[:count] for name, column in columns.items()}, places


_STATES = ("published", "archived", "package")


def _tasks(
    connection: Connection, site: Site
) -> tuple[dict[str, Sequence[object]], dict[int, int]]:
    """Return the columns of the tasks, and the position of each task by its database key."""
    rows = overview_rows.newest_tasks(connection, TASKS)
    places = _places(rows)
    if not rows:
        rows = [(None,) * 12]
    keys, ids, projects, names, statuses, published, archived, updated, types, created, ended, \
        comments = zip(*rows, strict=True)  # fmt: skip
    count = 0 if keys == (None,) else len(keys)
    paged = _pages(site, "task")
    columns: dict[str, Sequence[object]] = {
        "id": ids,
        "project": [each or None for each in projects],
        "name": names,
        "type": types,
        "status": [
            "published" if is_published else status
            for status, is_published in zip(statuses, published, strict=True)
        ],
        "archived": archived,
        "created": _seconds(created),
        "ended": _seconds(ended),
        "updated": _seconds(updated),
        "comment": _comments(comments),
        "paged": [int(each in paged) for each in ids],
        "tags": _names_by_place(overview_rows.task_tags(connection), places, len(keys)),
    }
    return {name: column[:count] for name, column in columns.items()}, places


def _places(rows: Sequence[tuple[object, ...]]) -> dict[int, int]:
    # In a damaged database two rows can have one key; then the last position counts.
    return {row[0]: place for place, row in enumerate(rows)}  # type: ignore[misc]  # checked


def _seconds(times: Iterable[object]) -> list[float | None]:
    """Return times in microseconds as seconds, to the millisecond; None for one not known."""
    checked = (None if each is None else int(each) for each in times)  # type: ignore[call-overload]  # by the table
    return [
        each // 1000 / 1000 if each is not None and is_known(each) else None for each in checked
    ]


def _comments(texts: Iterable[object]) -> list[str | None]:
    return [masked_text(str(each))[:COMMENT] if each else None for each in texts]


def _aliases(connection: Connection) -> Iterable[tuple[int, str]]:
    for key, alias, is_held in overview_rows.aliases(connection):
        yield key, shown_aliases([alias], [alias] if is_held else [])[0]


def _names_by_place(
    found: Iterable[tuple[int, str]], places: Mapping[int, int], count: int
) -> list[object]:
    """Return the tuple of names of each row."""
    names: list[tuple[str, ...]] = [()] * count
    for key, name in found:
        place = places.get(key)
        if place is not None:
            names[place] += (name,)
    return list(names)


def _metrics(connection: Connection, kind: str, places: Mapping[int, int]) -> Iterable[IndexColumn]:
    """Yield the metrics of models or tasks themselves, the most common first."""
    found: dict[str, dict[int, tuple[object, object, object]]] = {}
    for key, name, last, low, high, _, _ in value_rows.metrics(connection, kind, None):
        place = places.get(key)
        if place is not None:
            rows = found.get(name)
            if rows is None:
                rows = found[name] = {}
            if place not in rows:  # the first row of a name counts
                rows[place] = (last, low, high)
    for name in _commonest(found):
        rows = found[name]
        last_values, low_values, high_values = zip(*rows.values(), strict=True)
        yield IndexColumn(
            kind="metrics",
            key=name,
            at=list(rows),
            values=last_values,
            low=low_values,
            high=high_values,
            different=len(set(last_values)),
            better=better(name),
        )


def _commonest(found: Mapping[str, Sequence[object] | Mapping[int, object]]) -> list[str]:
    return sorted(found, key=lambda name: (-len(found[name]), name))[:COLUMNS]


def _parameters(connection: Connection, places: Mapping[int, int]) -> dict[str, dict[int, object]]:
    found: dict[str, dict[int, object]] = {}
    for key, name, text, _ in value_rows.parameters(connection, None):
        place = places.get(key)
        if place is not None:
            rows = found.get(name)
            if rows is None:
                rows = found[name] = {}
            rows[place] = shown_value(name, text)[:CELL]
    return found


def _metadata(connection: Connection, places: Mapping[int, int]) -> dict[str, dict[int, object]]:
    found: dict[str, dict[int, object]] = {}
    for key, name, text, type_name in value_rows.metadata(connection, None):
        place = places.get(key)
        if place is not None:
            rows = found.get(name)
            if rows is None:
                rows = found[name] = {}
            rows[place] = _cell(shown_metadata(name, text, type_name), text)
    return found


def _cell(value: object, text: str) -> object:
    """Return a number as it is, and anything else as text."""
    if type(value) is float or (type(value) is int and abs(value) < 2**53):
        return value
    if isinstance(value, str):
        return value[:CELL]
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)[:CELL]
    return text[:CELL]


def _columns(kind: str, found: Mapping[str, Mapping[int, object]]) -> Iterable[IndexColumn]:
    """Yield columns of one kind, the most common first."""
    for name in _commonest(found):
        values = list(found[name].values())
        yield IndexColumn(
            kind=kind,
            key=name,
            at=list(found[name]),
            values=values,
            different=len(set(values)),
            better=better(name) if kind == "metadata" else 0,
        )


def _comparisons(folder: Path) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield the names of the pages that compare, with the ids of what they compare."""
    if not folder.is_dir():
        return
    for page in sorted(folder.glob("*.html")):
        if page.is_file():
            with open(page, encoding="utf-8", errors="replace") as file:
                found = _COMPARED.search(file.read(4_000))
            if found:
                yield page.name, tuple(found[1].split())
