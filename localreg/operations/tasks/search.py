"""Find tasks by id, name or filters, in a registry and its upstream registries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress

from localreg.errors import AmbiguousReferenceError, InvalidValueError, TaskNotFoundError
from localreg.operations.finding.queries import (
    KINDS,
    check_comparisons,
    check_limit,
    check_order,
    check_patterns,
)
from localreg.operations.finding.references import (
    PREFIX_MINIMUM,
    check_project_name,
    require_task,
)
from localreg.operations.finding.summaries import task_summaries
from localreg.operations.finding.upstream import Found, ask, hidden
from localreg.operations.finding.values import Values, task_values
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.fields import TaskFields
from localreg.operations.tasks.task_filter import TaskFilter, check_task_filter
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows, task_query, task_rows
from localreg.store.rows.task_query import FoundTask, TaskQuery
from localreg.store.rows.value_sources import NEWEST, in_order
from localreg.values.checks import check_text, is_empty, kept_name
from localreg.values.clearml_task import OFFLINE
from localreg.values.frozen import Frozen, replace
from localreg.values.summaries import TaskSummary
from localreg.values.tags import parse_tag_filter

ORDERS = {name: kind for name, kind in KINDS.items() if kind != "metadata"}


def find_task(
    registry: OpenRegistry, task_id: object, project: object = None, name: object = None
) -> str:
    """Return the id of the task with an id, or else of the last changed task with a name."""
    if not (task_id is None or is_empty(task_id)):
        text = check_text("task_id", task_id, nul=False).strip().removeprefix(OFFLINE)
        with registry.store.read() as connection:
            return require_task(connection, text, registry.root).id
    if name is None:
        raise InvalidValueError("give a task_id or a task_name", argument="task_name")
    wanted, within = (
        kept_name(check_text("task_name", name)),
        check_project_name(project, "project_name"),
    )
    projects = None if within is None else (within,)
    with registry.store.read() as connection:
        found = task_query.find(connection, TaskQuery(projects=projects, name=wanted, limit=1))
    if not found:
        place = f" in project {within!r}" if within else ""
        raise TaskNotFoundError(
            f"there is no task {wanted!r}{place} in {registry.root}", reference=wanted
        )
    return found[0].id


def look_up_task(
    chain: Chain, task_id: object, project: object = None, name: object = None
) -> Found:
    """Return the task that `find_task` finds in the first of the registries that has it."""
    return _in_first(chain, lambda each: find_task(each, task_id, project, name))


def look_up_reference(chain: Chain, reference: object) -> Found:
    """Return the task that `resolve_task` finds in the first of the registries that has it."""
    return _in_first(chain, lambda each: resolve_task(each, reference))


def _in_first(chain: Chain, find: Callable[[OpenRegistry], str]) -> Found:
    def look(each: OpenRegistry) -> str | TaskNotFoundError:
        try:
            return find(each)
        except TaskNotFoundError as error:
            return error

    missing: list[TaskNotFoundError] = []
    for each, found in ask(chain, look):
        if isinstance(found, str):
            return Found(each, found)
        missing.append(found)
    raise missing[0]


def named_tasks(chain: Chain, reference: str) -> list[Found]:
    """Return the tasks with a name, or with ``project/name``, the last changed first."""
    text = kept_name(check_text("task", reference, limit=4_096, nul=False, empty=False))
    places = [place for place, char in enumerate(text) if char == "/"]
    splits = [(text[:at].strip(), text[at + 1 :].strip()) for at in places]
    queries = [TaskQuery(projects=(project,), name=name) for project, name in splits]
    queries.append(TaskQuery(name=text))

    def look(registry: OpenRegistry) -> list[FoundTask]:
        with registry.store.read() as connection:
            return [each for query in queries for each in task_query.find(connection, query)]

    found = {task.id: (task.stamp, each) for each, tasks in ask(chain, look) for task in tasks}
    newest = sorted(found.items(), key=lambda item: item[1][0], reverse=True)
    return [Found(registry, task_id) for task_id, (_, registry) in newest]


def resolve_task(registry: OpenRegistry, reference: object) -> str:
    """Return the id of a task, given in full or by its first 6 or more digits.

    Raises:
        AmbiguousReferenceError: several ids begin with these digits.
    """
    text = check_text("task", reference, limit=4_096, nul=False, empty=False).strip()
    with registry.store.read() as connection:
        if task_rows.task(connection, text) is not None:
            return text
        prefix = len(text) >= PREFIX_MINIMUM and set(text) <= set("0123456789abcdef")
        hits = model_rows.with_prefix(connection, "task", text) if prefix else []
    if not hits:
        raise TaskNotFoundError(
            f"there is no task {text!r:.60} in {registry.root}; give an id, or its first "
            f"{PREFIX_MINIMUM} or more digits (`localreg task ls` lists them)",
            reference=text,
        )
    if len(hits) > 1:
        raise AmbiguousReferenceError(
            f"{text!r} begins several task ids; give one of them: {', '.join(hits[:10])}",
            reference=text,
            hits=tuple(hits),
        )
    return hits[0]


class Search(Frozen):
    """A checked search.

    Attributes:
        query: what the database looks for.
        pattern: which names must match.
        filter: a `task_filter`. An order that it has is the order.
        limit: at most so many, the first ones.
    """

    query: TaskQuery
    pattern: re.Pattern[str] | None = None
    filter: TaskFilter = TaskFilter()
    limit: int | None = None

    @property
    def limited_query(self) -> TaskQuery:
        """The query, with the limit if nothing else has to be looked at before."""
        all_in_query = self.pattern is None and self.filter == TaskFilter()
        return replace(self.query, limit=self.limit) if all_in_query else self.query


def check_search(
    *,
    ids: object = None,
    project: object = None,
    name: object = None,
    pattern: object = None,
    patterns: object = (),
    tags: object = None,
    status: object = None,
    metrics: object = None,
    parameters: object = None,
    task_filter: object = None,
    archived: bool = True,
    limit: object = None,
    order: object = None,
) -> Search:
    """Return the search that some filters state; None is no filter.

    Args:
        ids: an id or a list of ids.
        project: the exact name of a project, or a list of names.
        name: the exact name of the task.
        pattern: a regular expression, searched for anywhere in the name.
        patterns: which the name must match, see `store.rows.name_patterns`.
        tags: see `localreg.values.tags`.
        status: a status or a list of statuses.
        metrics, parameters: dicts of names to what the values must be, as in `queries.check_query`.
        task_filter: see `task_filter.check_task_filter`.
        archived: False leaves archived tasks out.
        limit: the most tasks, 1 or more; None for all.
        order: as for models, see `queries.check_order`, without metadata.

    Raises:
        TagFilterError: the tags are malformed.
    """
    more = check_task_filter(task_filter)
    if more.tags:
        parse_tag_filter(tags)  # an error names those that are malformed
        tags = [*(tags if isinstance(tags, list | tuple) else ()), *more.tags]
    wanted_ids = None if ids is None else _texts("task_ids", ids)
    if more.ids is not None:
        both = set(more.ids if wanted_ids is None else wanted_ids).intersection(more.ids)
        wanted_ids = tuple(both)
    query = TaskQuery(
        ids=wanted_ids,
        projects=None if project is None else _texts("project_name", project),
        name=None if name is None else kept_name(check_text("task_name", name)),
        patterns=check_patterns(patterns),
        statuses=more.statuses if status is None else _texts("status", status),
        tags=parse_tag_filter(tags),
        archived=archived,
        metrics=check_comparisons("metrics", metrics),
        parameters=check_comparisons("parameters", parameters),
        order=NEWEST if order is None else check_order(order, ORDERS),
    )
    most = check_limit("limit", limit)
    if pattern is None:
        return Search(query, None, more, most)
    text = check_text("task_name", pattern, limit=1_024)
    try:
        return Search(query, re.compile(text), more, most)
    except re.error as error:
        raise InvalidValueError(
            f"task_name {text[:60]!r} is not a regular expression: {error}", argument="task_name"
        ) from error


def _texts(argument: str, value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise InvalidValueError(
            f"{argument} must be a str or a list of str, not {type(value).__name__}",
            argument=argument,
        )
    return tuple(kept_name(check_text(argument, each)) for each in given)


def find_tasks(registry: OpenRegistry, search: Search) -> list[FoundTask]:
    """Return the matching tasks of one registry, in order."""
    query = search.query
    if query.order.is_of_values or query.metrics:
        registry.store.flush()  # count what this process has just reported
    unsettled = {"in_progress", "aborted"}.intersection(query.statuses or ())
    died = abort_dead_tasks(registry) if unsettled else frozenset()
    query = query if died else search.limited_query
    with registry.store.read() as connection:
        found = task_query.find(connection, query)
        if died:
            running = task_query.find(connection, replace(query, statuses=("in_progress",)))
            # In a registry that cannot be written to they are still recorded as "in_progress".
            unrecorded = [each for each in running if each.id in died]
            found = [each for each in found if each not in unrecorded]
            if "aborted" in unsettled:
                descending = query.order.descending
                found = in_order([*found, *unrecorded], lambda each: each, descending=descending)
    return [each for each in found if not search.pattern or search.pattern.search(each.name)]


def abort_dead_tasks(registry: OpenRegistry) -> frozenset[str]:
    """Record the tasks whose processes died as "aborted"; return their ids.

    In a registry that cannot be written to nothing is recorded.
    """
    with registry.store.read() as connection:
        running = task_query.find(connection, TaskQuery(statuses=("in_progress",)))
    died = set()
    for each in running:
        with suppress(TaskNotFoundError):  # removed by another process meanwhile
            if lifecycle.settled(registry, each.id).status == "aborted":
                died.add(each.id)
    return frozenset(died)


def summaries(chain: Chain, found: list[Found]) -> list[TaskSummary]:
    """Return what lists show of tasks; those whose processes died are aborted."""
    died = {
        each for registry in {one.registry for one in found} for each in abort_dead_tasks(registry)
    }
    return task_summaries(chain, found, died)


def search_tasks(chain: Chain, search: Search) -> list[Found]:
    """Return the matching tasks of a registry and its upstream registries, in order."""
    # Some that a registry finds are hidden by others.
    asked = replace(search, limit=None) if chain.others else search

    def look(registry: OpenRegistry) -> list[FoundTask]:
        tasks = find_tasks(registry, asked)
        gone = hidden(chain, registry, [each.id for each in tasks], task_rows.present)
        return [each for each in tasks if each.id not in gone]

    found = [(task, registry) for registry, tasks in ask(chain, look) for task in tasks]
    descending = search.query.order.descending
    found = in_order(found, lambda pair: pair[0], descending=descending)
    if search.filter == TaskFilter():
        return [Found(registry, task.id) for task, registry in found[: search.limit]]
    values = _values_by_registry(found) if search.filter.reads_values else {}
    wanted = [
        (TaskFields(registry, task.id, values.get((registry, task.id))), Found(registry, task.id))
        for task, registry in found
    ]
    kept = search.filter.sorted([pair for pair in wanted if search.filter.holds(pair[0])])
    return kept[: search.limit]


def _values_by_registry(
    found: list[tuple[FoundTask, OpenRegistry]],
) -> dict[tuple[OpenRegistry, str], Values]:
    ids: dict[OpenRegistry, list[str]] = {}
    for task, registry in found:
        ids.setdefault(registry, []).append(task.id)
    return {
        (registry, task_id): each
        for registry, some in ids.items()
        for task_id, each in task_values(registry, some).items()
    }
