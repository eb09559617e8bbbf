"""Collects what the overview of a registry shows."""

from __future__ import annotations

import json
import os
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
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
from localreg.values.columns import Numbers, Shared
from localreg.values.dataset_names import is_data_project, shown_project
from localreg.values.metrics import better
from localreg.values.records import shown_aliases
from localreg.values.secrets import masked_text
from localreg.values.units import is_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.store.rows.model_rows import Connection

    _T = TypeVar("_T")
    _Value = tuple[str, int, object]  # name, position, value

# The overview lists at most so many models, tasks, and columns of each kind.
MODELS = 200_000
TASKS = 200_000
COLUMNS = 2_000
SIGNED = 500  # models whose signatures are checked
CELL = 300  # characters of a parameter or an entry of metadata
_AT_ONCE = 1_000  # rows that are read before they become columns
COMMENT = 1_000  # characters of a comment: the search finds no others
_COMPARED = re.compile(r'<meta name="localreg-compared" content="([0-9a-f ]*)">')


def index_values(chain: Chain, site: Site) -> IndexPage:
    """Return what the overview of the first registry shows: what was updated last."""
    registry = chain.first
    registry.store.flush()
    with registry.store.read() as connection:
        tasks, task_keys = _tasks(connection, site)
        models, keys = _models(connection, site, tasks["id"])
        contested, ambiguous = _mark_conflicts(connection, models, keys)
        unseen = _mark_signed(chain, models)
        return IndexPage(
            name=registry.root.name,
            models=IndexTable(
                rows=models,
                columns=(
                    *_metrics(connection, "model", keys),
                    *_columns("metadata", (_metadata(connection, e) for e in _places(keys))),
                ),
            ),
            tasks=IndexTable(
                rows=tasks,
                columns=(
                    *_metrics(connection, "task", task_keys),
                    *_columns(
                        "parameters", (_parameters(connection, e) for e in _places(task_keys))
                    ),
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
    connection: Connection, models: dict[str, Sequence[object]], keys: array[int]
) -> tuple[int, int]:
    """Add what registries do not agree about to the states; return how many models have which."""
    contested, ambiguous = overview_rows.contested(connection), claim_rows.ambiguous(connection)
    states = models["states"] = list(models["states"])
    for places in _places(keys) if contested or ambiguous else ():
        for state, marked in (("contested", contested), ("ambiguous", ambiguous)):
            for key in marked & places.keys():
                before = states[places[key]]
                assert isinstance(before, tuple)
                states[places[key]] = (*before, state)
    return len(contested), len(ambiguous)


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
    for models, what in ((contested, "contested"), (ambiguous, "ambiguous")):
        if models == 1:
            yield f"1 model is {what}: its page says what to do."
        elif models:
            yield f"{models:,} models are {what}: their pages say what to do."


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
) -> tuple[dict[str, Sequence[object]], array[int]]:
    """Return the columns of the models, and their database keys."""
    keys = array("q")
    columns = {name: Shared() for name in _OF_MODELS}
    created, updated = Numbers(), Numbers()
    paged = _pages(site, "model")
    task_places = {id_: place for place, id_ in enumerate(tasks)}
    for rows in _parts(overview_rows.newest_models(connection, MODELS)):
        some, ids, projects, names, versions, frameworks, *states, changed, sizes, born, made_by, \
            comments = zip(*rows, strict=True)  # fmt: skip
        keys.extend(some)
        flags = {
            each: tuple(name for name, is_set in zip(_STATES, each, strict=True) if is_set)
            for each in set(zip(*states, strict=True))
        }
        updated.extend(_seconds(changed))
        created.extend(_seconds(born))
        for name, values in {
            "id": ids,
            "project": [each or None for each in projects],
            "name": names,
            "version": versions,
            "framework": frameworks,
            "states": [flags[each] for each in zip(*states, strict=True)],
            "size": sizes,
            "comment": _comments(comments),
            "task": [task_places.get(each) for each in made_by],
            "paged": [int(each in paged) for each in ids],
            "tags": _names(overview_rows.tags(connection, some), some),
            "aliases": _names(_aliases(connection, some), some),
        }.items():
            columns[name].extend(values)
    found: dict[str, Sequence[object]] = {name: each.values for name, each in columns.items()}
    return {**found, "created": created, "updated": updated}, keys


_OF_MODELS = (
    "id", "project", "name", "version", "framework", "states", "size", "comment", "task", "paged",
    "tags", "aliases",
)  # fmt: skip
_STATES = ("published", "archived", "package")


def _tasks(connection: Connection, site: Site) -> tuple[dict[str, Sequence[object]], array[int]]:
    """Return the columns of the tasks, and their database keys."""
    keys = array("q")
    columns = {name: Shared() for name in _OF_TASKS}
    times = {name: Numbers() for name in ("created", "ended", "updated")}
    paged = _pages(site, "task")
    for rows in _parts(overview_rows.newest_tasks(connection, TASKS)):
        some, ids, projects, names, statuses, published, archived, updated, types, created, ended, \
            comments = zip(*rows, strict=True)  # fmt: skip
        keys.extend(some)
        for name, moments in (("created", created), ("ended", ended), ("updated", updated)):
            times[name].extend(_seconds(moments))
        for name, values in {
            "id": ids,
            "project": [each or None for each in projects],
            "name": names,
            "type": types,
            "status": [
                "published" if is_published else status
                for status, is_published in zip(statuses, published, strict=True)
            ],
            "archived": archived,
            "comment": _comments(comments),
            "paged": [int(each in paged) for each in ids],
            "tags": _names(overview_rows.task_tags(connection, some), some),
        }.items():
            columns[name].extend(values)
    return {**{name: each.values for name, each in columns.items()}, **times}, keys


_OF_TASKS = ("id", "project", "name", "type", "status", "archived", "comment", "paged", "tags")


def _parts(rows: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield rows, some at a time: all of them would take more memory than their columns."""
    each = iter(rows)
    while part := list(islice(each, _AT_ONCE)):
        yield part


def _seconds(times: Iterable[object]) -> list[float | None]:
    """Return times in microseconds as seconds, to the millisecond; None for one not known."""
    checked = (None if each is None else int(each) for each in times)  # type: ignore[call-overload]  # by the table
    return [
        each // 1000 / 1000 if each is not None and is_known(each) else None for each in checked
    ]


def _comments(texts: Iterable[object]) -> list[str | None]:
    return [masked_text(str(each))[:COMMENT] if each else None for each in texts]


def _aliases(connection: Connection, models: Iterable[int]) -> Iterable[tuple[int, str]]:
    for key, alias, is_held in overview_rows.aliases(connection, models):
        yield key, shown_aliases([alias], [alias] if is_held else [])[0]


def _names(found: Iterable[tuple[int, str]], keys: Iterable[int]) -> list[tuple[str, ...]]:
    """Return the names of each of some rows, in the order of their keys."""
    names: dict[int, tuple[str, ...]] = {}
    for key, name in found:
        names[key] = (*names.get(key, ()), name)
    return [names.get(key, ()) for key in keys]


def _places(keys: array[int]) -> Iterator[dict[int, int]]:
    """Yield the positions of rows by their keys, some at a time; what is not listed is not read."""
    for start in range(0, len(keys), _AT_ONCE):
        # In a damaged database two rows can have one key; then the last one counts.
        yield dict(zip(keys[start : start + _AT_ONCE], count(start), strict=False))


def _metrics(connection: Connection, kind: str, keys: array[int]) -> Iterable[IndexColumn]:
    """Yield the metrics of models or tasks themselves, the most common first."""
    found: dict[str, tuple[array[int], tuple[Numbers, Numbers, Numbers]]] = {}
    for places in _places(keys):
        for name, rows in _metrics_of(connection, kind, places).items():
            if name not in found:
                found[name] = (array("i"), (Numbers(), Numbers(), Numbers()))
            at, columns = found[name]
            at.extend(rows)
            for column, values in zip(columns, zip(*rows.values(), strict=True), strict=True):
                column.extend(values)
    for name in _commonest({name: len(at) for name, (at, _) in found.items()}):
        at, (last, low, high) = found[name]
        yield IndexColumn(
            kind="metrics",
            key=name,
            at=at,
            values=last,
            low=low,
            high=high,
            different=len(set(last)),
            better=better(name),
        )


def _metrics_of(
    connection: Connection, kind: str, places: Mapping[int, int]
) -> Mapping[str, dict[int, tuple[float | None, float | None, float | None]]]:
    """Return the last, least and greatest value by name and position."""
    found: defaultdict[str, dict[int, tuple[float | None, float | None, float | None]]]
    found = defaultdict(dict)
    for key, name, last, low, high, _, _ in value_rows.metrics(connection, kind, places):
        found[name].setdefault(places[key], (last, low, high))  # the first row of a name counts
    return found


def _commonest(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:COLUMNS]


def _parameters(connection: Connection, places: Mapping[int, int]) -> Iterator[_Value]:
    """Yield name, position and value of the parameters of some tasks."""
    for key, name, text, _ in value_rows.parameters(connection, places):
        yield name, places[key], shown_value(name, text)[:CELL]


def _metadata(connection: Connection, places: Mapping[int, int]) -> Iterator[_Value]:
    """Yield name, position and value of the metadata of some models."""
    for key, name, text, type_name in value_rows.metadata(connection, places):
        yield name, places[key], _cell(shown_metadata(name, text, type_name), text)


def _cell(value: object, text: str) -> object:
    """Return a number as it is, and anything else as text."""
    if type(value) is float or (type(value) is int and abs(value) < 2**53):
        return value
    if isinstance(value, str):
        return value[:CELL]
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)[:CELL]
    return text[:CELL]


def _columns(kind: str, parts: Iterable[Iterable[_Value]]) -> Iterable[IndexColumn]:
    """Yield columns of one kind, the most common first.

    Args:
        parts: the values of some rows, of the rows that follow, and so on.
    """
    found: defaultdict[str, tuple[array[int], Shared]] = defaultdict(lambda: (array("i"), Shared()))
    for part in parts:
        by_name: defaultdict[str, dict[int, object]] = defaultdict(dict)
        for name, place, value in part:
            by_name[name][place] = value
        for name, rows in by_name.items():
            at, values = found[name]
            at.extend(rows)
            values.extend(rows.values())
    for name in _commonest({name: len(at) for name, (at, _) in found.items()}):
        at, shared = found[name]
        yield IndexColumn(
            kind=kind,
            key=name,
            at=at,
            values=shared.values,
            different=len(set(shared.values)),
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
