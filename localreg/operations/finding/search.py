"""Full-text search of models, data sets and tasks, also of upstream registries."""

from __future__ import annotations

import os
from hashlib import sha256

from localreg import log
from localreg.blobs.local_files.readonly_registry import place_elsewhere
from localreg.errors import DamagedRowError, InvalidValueError, StorageError
from localreg.operations.finding.queries import check_limit
from localreg.operations.finding.upstream import GROWTH, ask, hidden
from localreg.registry import Chain, OpenRegistry
from localreg.store.database import search_file
from localreg.store.rows import model_query, model_rows, search_index, task_query, task_rows
from localreg.store.rows.model_query import ModelQuery
from localreg.store.rows.search_index import KINDS as KINDS
from localreg.store.rows.search_index import Question
from localreg.store.rows.task_query import TaskQuery
from localreg.values import dataset_names
from localreg.values.checks import check_flag, check_text, is_empty, kept_name
from localreg.values.frozen import Frozen, replace
from localreg.values.layout import SEARCH
from localreg.values.tags import ANY_TAGS, parse_tag_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from localreg.store.rows.search_index import Match
    from localreg.values.tags import TagCondition


class Hit(Frozen):
    """A model, data set or task that has the words that were searched for.

    Attributes:
        kind: "model", "dataset" or "task".
        id: its id.
        ref: what commands take: ``project/name:version`` of a model, ``project/name`` of a data
            set, the id of a task.
        project, name: its own; "" for no project.
        updated: when it last changed, in microseconds since 1970, UTC.
        fields: where the words are, the best place first: name, project, tags, aliases, comment,
            metadata, configuration, parameters.
        snippet: the line around the first match in the best of these, in parts: those with an odd
            place match.
        registry: the directory of its registry.
    """

    kind: str
    id: str
    ref: str
    project: str
    name: str
    updated: int
    fields: tuple[str, ...]
    snippet: tuple[str, ...]
    registry: str

    @property
    def text(self) -> str:
        """The snippet as one text."""
        return "".join(self.snippet)


class _Search(Frozen):
    """A checked question, and the tags that it filters by; None for any."""

    question: Question
    tags: TagCondition | None


def search(
    chain: Chain,
    words: object,
    *,
    project: object = None,
    name: object = None,
    tags: object = None,
    kinds: Sequence[str] = KINDS,
    archived: object = False,
    limit: object = None,
) -> list[Hit]:
    """Return the models, data sets and tasks that have all of some words, the best first.

    Upper and lower case, and accents, are the same. The last part of each word may go on: "resn"
    finds "resnet50". A word with blanks or signs in it is a phrase. What matters most is the name,
    then tags and aliases, project, comment, metadata, and last configuration and parameters.
    Secrets are not searched, and neither is what a field has after its first 100,000 characters.

    Args:
        words: a text, whose words are split at blanks, or a list of words and phrases.
        project, name: exact; None for any.
        tags: as for queries.
        kinds: those that are wanted of "model", "dataset" and "task".
        archived: archived ones too.
        limit: the most hits, 1 or more; None for all.

    Raises:
        TagFilterError: the tags are malformed.
        SQLiteTooOldError: this Python's SQLite has no full-text search.
    """
    most = check_limit("limit", limit)
    condition = parse_tag_filter(tags)
    asked = _Search(
        Question(
            match=search_index.match_of(_words(words)),
            kinds=tuple(kinds),
            project=_exact("project", project),
            name=_exact("name", name),
            archived=check_flag("archived", archived),
            limit=most,
        ),
        None if condition == ANY_TAGS else condition,
    )
    found = [
        (match, registry)
        for registry, some in ask(chain, lambda each: _matches(chain, each, asked))
        for match in some
    ]
    if chain.others:
        found.sort(key=lambda pair: (-pair[0].score, -pair[0].stamp))
    hits = [hit for match, registry in found if (hit := _hit(registry, match)) is not None]
    return hits[:most]


def _words(given: object) -> list[str]:
    if isinstance(given, str):
        return check_text("words", given, nul=False).split()
    if isinstance(given, bytes) or not isinstance(given, (list, tuple)):
        raise InvalidValueError(
            f"words must be a text or a list of texts, not {type(given).__name__}", argument="words"
        )
    return [check_text("words", each, nul=False) for each in given]


def _exact(argument: str, name: object) -> str | None:
    if name is None or is_empty(name):
        return None
    return kept_name(check_text(argument, name))


def _matches(chain: Chain, registry: OpenRegistry, asked: _Search) -> list[Match]:
    """Return the matches of one registry that no earlier registry has."""
    question = asked.question
    if asked.tags is not None:
        question = replace(question, ids=_tagged(registry, asked.tags))
    limit = question.limit
    while True:
        found = search_file.ask(registry.store, _places(registry), replace(question, limit=limit))
        tasks = [each.id for each in found if each.kind == "task"]
        unseen = hidden(chain, registry, [each.id for each in found if each.kind != "task"])
        unseen |= hidden(chain, registry, tasks, task_rows.present)
        seen = [each for each in found if each.id not in unseen]
        if limit is None or len(found) < limit or len(seen) >= (question.limit or 0):
            return seen[: question.limit]
        limit *= GROWTH


def _places(registry: OpenRegistry) -> Iterator[Path]:
    """Yield where the index of a registry may be, the best place first."""
    if not registry.store.readonly:
        yield registry.root / SEARCH
    try:
        copy = sha256(os.fsencode(registry.root)).hexdigest()[:12]  # it may be one of several
        yield place_elsewhere(registry.store.registry_id, copy) / SEARCH
    except StorageError as error:
        log.info("no place for an index of %s: %s", registry.root, error)


def _tagged(registry: OpenRegistry, tags: TagCondition) -> tuple[str, ...]:
    models = ModelQuery(tags=tags, archived=True, datasets=True)
    with registry.store.read() as connection:
        found = model_query.find(connection, models)
        return (*found, *(each.id for each in task_query.find(connection, TaskQuery(tags=tags))))


def _hit(registry: OpenRegistry, match: Match) -> Hit | None:
    """Return what is shown of a match; None if it was removed meanwhile, or is damaged."""
    try:
        with registry.store.read() as connection:
            if match.kind == "task":
                task = task_rows.task(connection, match.id)
                if task is None:
                    return None
                ref, named, place, updated = task.id, task.name, task.project, task.updated
            else:
                model = model_rows.model_row(connection, match.id)
                if model is None:
                    return None
                ref, named, place, updated = model.ref, model.name, model.project, model.updated
    except DamagedRowError as error:  # the others can be listed
        log.warning("a %s is left out: %s", match.kind, error)
        return None
    project = place.name if place else ""
    if match.kind == "dataset":
        project = dataset_names.shown_project(project)
        ref = f"{project}/{named}" if project else named
    return Hit(
        match.kind, match.id, ref, project, named, updated, match.fields, match.snippet,
        str(registry.root),
    )  # fmt: skip
