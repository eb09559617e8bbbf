"""Finding tasks: by id, by name, by filters; in a registry and in those upstream of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from localreg.errors import AmbiguousReferenceError, InvalidValueError, TaskNotFoundError
from localreg.operations.finding.references import (
    PREFIX_MINIMUM,
    check_project_name,
    require_task,
)
from localreg.operations.finding.upstream import Found, asked, hidden
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.values.checks import check_text
from localreg.values.records import TaskRecord
from localreg.values.tags import check_tags

EXCLUDED = "-"


def find_task(
    registry: OpenRegistry, task_id: object, project: object = None, name: object = None
) -> str:
    """Return the id of a task, by id or as the newest of a name.

    Raises:
        TaskNotFoundError: there is none.
        InvalidValueError: neither an id nor a name was given.
    """
    if task_id:
        text = check_text("task_id", task_id, nul=False).strip()
        with registry.store.read() as connection:
            return require_task(connection, text).id
    if name is None:
        raise InvalidValueError("give a task_id, or a task_name", argument="task_name")
    wanted, within = check_text("task_name", name), check_project_name(project, "project_name")
    with registry.store.read() as connection:
        found = task_rows.newest_named(connection, within, wanted)
    if found is None:
        place = f" in project {within!r}" if within else ""
        raise TaskNotFoundError(f"there is no task {wanted!r}{place}", reference=wanted)
    return found


def look_up_task(
    registry: OpenRegistry, task_id: object, project: object = None, name: object = None
) -> Found:
    """Return the task that `find_task` finds, in a registry or the first upstream that has it.

    Raises:
        TaskNotFoundError: none has it.
        InvalidValueError: neither an id nor a name was given.
    """

    def look(each: OpenRegistry) -> str | None:
        try:
            return find_task(each, task_id, project, name)
        except TaskNotFoundError:
            if not registry.upstream:
                raise
            return None

    for each, found in asked(registry, look):
        if found is not None:
            return Found(each, found)
    return Found(registry, find_task(registry, task_id, project, name))  # which raises


def look_up_reference(registry: OpenRegistry, reference: object) -> Found:
    """Return the task that `resolve_task` finds, in a registry or the first upstream that has it.

    Raises:
        TaskNotFoundError: none has it.
        AmbiguousReferenceError: one has several.
    """

    def look(each: OpenRegistry) -> str | None:
        try:
            return resolve_task(each, reference)
        except TaskNotFoundError:
            if not registry.upstream:
                raise
            return None

    for each, task_id in asked(registry, look):
        if task_id is not None:
            return Found(each, task_id)
    return Found(registry, resolve_task(registry, reference))  # which raises


def resolve_task(registry: OpenRegistry, reference: object) -> str:
    """Return the id of a task, given whole or by its first 6 or more digits.

    Raises:
        TaskNotFoundError: there is none.
        AmbiguousReferenceError: there are several.
    """
    text = check_text("task", reference, limit=4_096, nul=False, empty=False).strip()
    with registry.store.read() as connection:
        if task_rows.task(connection, text) is not None:
            return text
        prefix = len(text) >= PREFIX_MINIMUM and set(text) <= set("0123456789abcdef")
        hits = model_rows.with_prefix(connection, "task", text) if prefix else []
    if not hits:
        raise TaskNotFoundError(
            f"there is no task {text!r:.60}; give its id, or the first {PREFIX_MINIMUM} or more "
            "digits of it (`localreg task ls`)",
            reference=text,
        )
    if len(hits) > 1:
        raise AmbiguousReferenceError(
            f"{text!r} begins the ids of several tasks: {', '.join(hits[:10])}",
            reference=text,
            hits=tuple(hits),
        )
    return hits[0]


def find_tasks(
    registry: OpenRegistry,
    *,
    ids: object = None,
    project: object = None,
    name: object = None,
    tags: object = None,
    status: object = None,
) -> list[str]:
    """Return ids of the tasks that match everything, the one that changed last first.

    Args:
        ids: only these.
        project: exact name of a project, or a list of them.
        name: a regular expression, found anywhere in the name.
        tags: any of these, and none of those that a ``-`` precedes.
        status: only tasks in one of these states.

    Raises:
        InvalidValueError: a filter cannot be used.
    """
    wanted_ids = None if ids is None else set(_texts("task_ids", ids))
    projects = None if project is None else set(_texts("project_name", project))
    states = None if status is None else set(_texts("status", status))
    pattern = None if name is None else _pattern(name)
    included, excluded = _tag_filter(tags)
    with registry.store.read() as connection:
        return [
            each.id
            for each in task_rows.tasks(connection)
            if (wanted_ids is None or each.id in wanted_ids)
            and (projects is None or (each.project and each.project.name in projects))
            and (pattern is None or pattern.search(each.name))
            and (states is None or each.status in states)
            and _has_tags(connection, each.id, included, excluded)
        ]


def search_tasks(registry: OpenRegistry, **filters: object) -> list[Found]:
    """Return the tasks that match everything, also those upstream, as `find_tasks`."""
    if not registry.upstream:
        return [Found(registry, task_id) for task_id in find_tasks(registry, **filters)]

    def look(one: OpenRegistry) -> list[TaskRecord]:
        ids = find_tasks(one, **filters)
        gone = hidden(registry, one, ids, task_rows.present)
        with one.store.read() as connection:
            rows = (task_rows.task(connection, each) for each in ids if each not in gone)
            return [row for row in rows if row is not None]

    found = [
        (task.updated, Found(home, task.id))
        for home, tasks in asked(registry, look)
        for task in tasks
    ]
    return [task for _, task in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _has_tags(
    connection: task_rows.Connection, task_id: str, included: set[str], excluded: set[str]
) -> bool:
    if not included and not excluded:
        return True
    there = set(task_rows.tags(connection, task_id))
    return (not included or bool(there & included)) and not there & excluded


def _texts(argument: str, value: object) -> list[str]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise InvalidValueError(
            f"{argument} must be a str or a list of them, not {type(value).__name__}",
            argument=argument,
        )
    return [check_text(argument, each) for each in given]


def _pattern(name: object) -> re.Pattern[str]:
    text = check_text("task_name", name, limit=1_024)
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidValueError(
            f"task_name {text[:60]!r} is no regular expression: {error}", argument="task_name"
        ) from error


def _tag_filter(tags: object) -> tuple[set[str], set[str]]:
    given = _texts("tags", tags) if tags is not None else []
    included = check_tags("tags", [tag for tag in given if not tag.startswith(EXCLUDED)])
    excluded = check_tags("tags", [tag[1:] for tag in given if tag.startswith(EXCLUDED)])
    return set(included), set(excluded)
