"""Summaries of many models or tasks of a chain: all that lists show, in a few statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from localreg.operations.finding.upstream import Found, ask
from localreg.operations.finding.values import metadata_reader, read_models, read_tasks
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import bulk_rows, overview_rows
from localreg.values.secrets import masked_text
from localreg.values.summaries import ModelSummary, TaskSummary
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.store.rows.value_rows import Connection

    Summary = TypeVar("Summary")


def model_summaries(chain: Chain, found: Iterable[Found]) -> list[ModelSummary]:
    """Return what lists show of models, in their order.

    Models that were removed since, damaged ones, and those of an upstream registry that cannot be
    read any more are missing.
    """
    return _each(chain, found, _models)


def task_summaries(
    chain: Chain, found: Iterable[Found], died: Iterable[str] = ()
) -> list[TaskSummary]:
    """Return what lists show of tasks, in their order; see `model_summaries`.

    Args:
        died: ids of tasks whose processes died, and that are not recorded as aborted.
    """
    aborted = frozenset(died)
    return _each(chain, found, lambda connection, ids: _tasks(connection, ids, aborted))


def counts(registry: OpenRegistry) -> tuple[int, int, int]:
    """Return the numbers of models, without data sets, of tasks, and of projects."""
    with registry.store.read() as connection:
        models, tasks = overview_rows.counts(connection)
        return models, tasks, len(overview_rows.projects(connection))


def _each(
    chain: Chain,
    found: Iterable[Found],
    read: Callable[[Connection, list[str]], dict[str, Summary]],
) -> list[Summary]:
    wanted = list(found)

    def of_registry(registry: OpenRegistry) -> dict[str, Summary]:
        registry.store.flush()  # count what this process has just reported
        ids = [each.id for each in wanted if each.registry == registry]
        with registry.store.read() as connection:
            return read(connection, ids) if ids else {}

    asked = {each.registry for each in wanted}
    others = tuple(each for each in chain.others if each in asked)
    answers = dict(ask(Chain(chain.first, others), of_registry))
    summaries = (answers.get(each.registry, {}).get(each.id) for each in wanted)
    return [each for each in summaries if each is not None]


def _models(connection: Connection, ids: list[str]) -> dict[str, ModelSummary]:
    rows = bulk_rows.models(connection, ids)
    keys = [pk for pk, _ in rows]
    values = read_models(connection, [row.id for _, row in rows], metadata_reader)
    tags = _names(
        (pk, name) for pk, name, system in bulk_rows.tags(connection, "model", keys) if not system
    )
    pointing = list(bulk_rows.aliases(connection, keys))
    aliases = _names((pk, alias) for pk, alias, _ in pointing)
    held = _names((pk, alias) for pk, alias, is_held in pointing if is_held)
    weights = dict(bulk_rows.current_weights(connection, keys))
    nothing = bulk_rows.Current(None, None, None)
    found = {}
    for pk, row in rows:
        current, each = weights.get(pk, nothing), values[row.id]
        found[row.id] = ModelSummary(
            id=row.id,
            ref=row.ref,
            project=row.project.name if row.project else None,
            name=row.name,
            version=row.version,
            tags=tags.get(pk, ()),
            aliases=aliases.get(pk, ()),
            framework=row.framework,
            published=row.published,
            archived=row.archived,
            package=row.package,
            comment=None if row.comment is None else masked_text(row.comment),
            task=row.task,
            parent=row.parent,
            url=None if current.url is None else public_url(current.url),
            digest=current.digest,
            size=current.size,
            created=_time(row.created),
            updated=_time(row.updated),
            metrics=each.metrics,
            parameters=each.parameters,
            metadata=each.metadata,
            held=held.get(pk, ()),
        )
    return found


def _tasks(connection: Connection, ids: list[str], died: frozenset[str]) -> dict[str, TaskSummary]:
    rows = bulk_rows.tasks(connection, ids)
    keys = [pk for pk, _ in rows]
    values = read_tasks(connection, [row.id for _, row in rows], metadata_reader)
    all_tags = list(bulk_rows.tags(connection, "task", keys))
    tags = _names((pk, name) for pk, name, system in all_tags if not system)
    archived = {pk for pk, name, system in all_tags if system and name == "archived"}
    found = {}
    for pk, row in rows:
        status = "aborted" if row.id in died else row.status
        found[row.id] = TaskSummary(
            id=row.id,
            project=row.project.name if row.project else None,
            name=row.name,
            type=row.type,
            status="published" if row.published else status,
            tags=tags.get(pk, ()),
            archived=pk in archived,
            comment=None if row.comment is None else masked_text(row.comment),
            parent=row.parent,
            created=_time(row.created),
            ended=None if row.ended is None else _time(row.ended),
            updated=_time(row.updated),
            metrics=values[row.id].metrics,
            parameters=values[row.id].parameters,
        )
    return found


def _names(pairs: Iterable[tuple[int, str]]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
