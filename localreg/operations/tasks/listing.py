"""Listing, copying and removing tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from localreg import log
from localreg.errors import InvalidValueError, ModelInUseError, NotFoundError
from localreg.operations.finding.references import ensure_project, require_task
from localreg.operations.finding.upstream import Found, asked, hidden
from localreg.operations.models.removal import remove_model
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, model_rows, task_rows
from localreg.values.checks import check_comment, check_name, check_text
from localreg.values.ids import new_id
from localreg.values.records import TaskRecord, project_payload
from localreg.values.tags import check_tags

EXCLUDED = "-"


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


def clone_task(
    registry: OpenRegistry,
    source: str,
    *,
    name: object = None,
    comment: object = None,
    parent: str | None = None,
    project: str | None = None,
) -> str:
    """Record a copy of a task that has not run yet, and return its id.

    It has the parameters, configurations, labels, tags and input models of the first, and runs the
    same script; not what that reported or made.

    Args:
        name: "Clone of …" when None.
        comment: that of the first when None.
        parent: id of a task; that which is copied when None.
        project: a project's name; that of the first when None.

    Raises:
        TaskNotFoundError: the task is gone.
        InvalidValueError: an argument cannot be used.
    """
    given_name = None if name is None else check_name("name", name).strip()
    given_comment = None if comment is None else check_comment(comment)
    task_id = new_id()
    with registry.store.write() as change:
        found = require_task(change.connection, source)
        if parent is not None:
            require_task(change.connection, parent)
        into = ensure_project(change, project) if project is not None else found.project
        payload = {
            "name": given_name or f"Clone of {found.name}"[:1_024],
            "type": found.type,
            "status": "created",
            "comment": found.comment if comment is None else given_comment,
            "parent": parent or source,
            "tags": task_rows.tags(change.connection, source),
            "run": dict(found.run),
            "project": project_payload(into),
        }
        change.record("task.created", task_id, payload)
        _copy_settings(change, source, task_id)
    return task_id


def _copy_settings(change: Change, source: str, target: str) -> None:
    connection = change.connection
    config, labels = task_rows.design(connection, source)
    if config or labels:
        design = {"old": {"config": "", "labels": {}}, "new": {"config": config, "labels": labels}}
        change.record("task.design", target, design)
    for section, name, value, type_ in task_rows.parameters(connection, source):
        payload = {"section": section, "old": None, "new": [value, type_]}
        change.record("task.parameter", target, payload, field=name)
    for name, text in task_rows.configurations(connection, source).items():
        change.record("task.configuration", target, {"old": None, "new": [text]}, field=name)
    for name, model in task_rows.models(connection, source, "input").items():
        payload = {"role": "input", "old": None, "new": model}
        change.record("task.model", target, payload, field=name)
    place = task_rows.place(connection, source)
    task_rows.set_place(connection, target, {key: place[key] for key in place if key != "process"})


def delete_task(
    registry: OpenRegistry, task_id: str, *, models: bool = True, spare_used: bool = True
) -> bool:
    """Remove a task, its artifacts and reports; return whether all that was asked for is gone.

    Args:
        models: also remove the models it made.
        spare_used: but not those that other tasks take.

    Raises:
        TaskNotFoundError: it is gone.
    """
    whole = True
    with registry.store.read() as connection:
        require_task(connection, task_id)
        made = model_rows.made_by(connection, task_id) if models else []
    for model_id in made:
        try:
            whole &= remove_model(registry, model_id, delete_weights=True, force=not spare_used)
        except ModelInUseError as error:
            log.info("model %s stays: %s", model_id, error)
        except NotFoundError:  # another process removed it meanwhile
            continue
    with registry.store.write() as change:
        found = require_task(change.connection, task_id)
        digests = [each.digest for each in task_rows.artifacts(change.connection, task_id).values()]
        payload = {"name": found.name, "project": project_payload(found.project)}
        change.record("task.removed", task_id, payload)
        blob_rows.mark_unreferred(change.connection, digests)
    return whole
