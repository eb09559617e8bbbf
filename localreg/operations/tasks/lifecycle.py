"""The life of a task: created, in progress, ended; and its name, comment, project and tags."""

from __future__ import annotations

from localreg import log
from localreg.errors import InvalidValueError, ReadOnlyRegistryError, StorageFullError
from localreg.filesystem.temporary_owners import owner_mark
from localreg.operations.finding.references import (
    check_project_name,
    ensure_project,
    require_task,
)
from localreg.operations.tasks import asked
from localreg.operations.tasks.git_state import FACTS
from localreg.operations.tasks.run_facts import Run, is_gone
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import addition_rows, project_rows, task_rows
from localreg.values.checks import check_comment, check_name, check_text, shown
from localreg.values.frozen import replace
from localreg.values.ids import new_id
from localreg.values.records import TASK_TYPES, Json, TaskRecord, project_payload
from localreg.values.tags import check_tags

ARCHIVED = "archived"  # the system tag of archived tasks
_PUBLISH = "publish_on_completion"  # in the place of a task
DIED = "its process died without reporting an end"


def check_task_type(given: object) -> str:
    """Return a checked type of a task, such as "training"."""
    if not isinstance(given, str) or given not in TASK_TYPES:
        raise InvalidValueError(
            f"task_type must be one of {', '.join(sorted(TASK_TYPES))}; not {shown(given)}",
            argument="task_type",
        )
    return str(given)


def create_task(
    registry: OpenRegistry,
    *,
    project: object = None,
    name: object = None,
    task_type: object = None,
    tags: object = None,
    comment: object = None,
    parent: str | None = None,
    status: str = "created",
    run: Run | None = None,
) -> str:
    """Record a task and return its id.

    Args:
        project: the name of a project, which is made when it does not exist.
        name: "Untitled task" when None.
        task_type: one of ClearML's types; "training" when None.
        status: "created", or "in_progress" for a task that runs now.
        run: how it runs.
    """
    new = check_new(
        project=project, name=name, task_type=task_type, tags=tags, comment=comment,
        parent=parent, status=status, run=run,
    )  # fmt: skip
    task_id = new_id()
    with registry.store.write() as change:
        add(change, task_id, new, run)
    return task_id


def check_new(
    *,
    project: object,
    name: object,
    task_type: object,
    tags: object,
    comment: object = None,
    parent: str | None = None,
    status: str,
    run: Run | None,
) -> Json:
    """Return what is recorded of a new task; its "project" is a name. See `create_task`."""
    return {
        "name": "Untitled task" if name is None else check_name("task_name", name),
        "type": "training" if task_type is None else check_task_type(task_type),
        "status": status,
        "comment": check_comment(comment),
        "parent": parent,
        "tags": list(check_tags("tags", tags)),
        "run": {} if run is None else run.facts,
        "project": check_project_name(project, "project_name"),
    }


def add(change: Change, task_id: str, new: Json, run: Run | None) -> None:
    """Record a new task within a transaction.

    Args:
        new: from `check_new`.
        run: how it runs.
    """
    project = project_payload(ensure_project(change, new["project"]))
    change.record("task.created", task_id, new | {"project": project})
    if run is not None:
        task_rows.set_place(change.connection, task_id, run.place)


def start_task(registry: OpenRegistry, task_id: str, run: Run, *, again: bool = False) -> None:
    """Record that this process runs an existing task.

    Args:
        again: True if its script is run again, with the values of the task.
    """
    with registry.store.write() as change:
        start(change, task_id, run, again=again)


def start(change: Change, task_id: str, run: Run, *, again: bool = False) -> None:
    """Record within a transaction that this process runs an existing task; see `start_task`."""
    found = require_task(change.connection, task_id)
    _set_state(change, found, "in_progress", None, None)
    # A run outside of a repository must not keep the commit of the last one.
    stale = FACTS if run.facts else ()
    facts = {name: found.run[name] for name in found.run if name not in stale} | run.facts
    if facts != found.run:
        change.record("task.run", task_id, {"old": dict(found.run), "new": facts})
    place = task_rows.place(change.connection, task_id)
    if not again or found.status != "in_progress":  # else `localreg task run` has begun it
        place = asked.begun(place, again=again)
    task_rows.set_place(change.connection, task_id, place | run.place)


def task(registry: OpenRegistry, task_id: str) -> TaskRecord:
    """Return a task."""
    with registry.store.read() as connection:
        return require_task(connection, task_id)


def tags(registry: OpenRegistry, task_id: str) -> list[str]:
    """Return a task's tags, sorted."""
    with registry.store.read() as connection:
        return task_rows.tags(connection, task_id)


def place(registry: OpenRegistry, task_id: str) -> Json:
    """Return what only this machine can use of a task: paths, arguments, the process."""
    with registry.store.read() as connection:
        return task_rows.place(connection, task_id)


def last_iteration(registry: OpenRegistry, task_id: str) -> int:
    """Return the largest iteration with a scalar or plot of a task, 0 without any."""
    with registry.store.read() as connection:
        return task_rows.last_iteration(connection, task_id)


def running(registry: OpenRegistry, task_id: str) -> TaskRecord | None:
    """Return a task that has not ended; None for one that has, or that does not exist."""
    with registry.store.read() as connection:
        record = task_rows.task(connection, task_id)
    return None if record is None or record.ended is not None else record


def set_task(registry: OpenRegistry, task_id: str, column: str, new: object) -> None:
    """Set one column of a task: comment, name, parent, progress, published or type."""
    with registry.store.write() as change:
        old = getattr(require_task(change.connection, task_id), column)
        if old != new:
            change.record("task.changed", task_id, {"old": old, "new": new}, field=column)


def set_comment(registry: OpenRegistry, task_id: str, comment: object) -> None:
    """Set or, with None or "", clear a task's comment."""
    set_task(registry, task_id, "comment", check_comment(comment))


def end_task(
    registry: OpenRegistry,
    task_id: str,
    status: str,
    reason: object = None,
    *,
    again: bool = False,
    concluded: bool = False,
) -> None:
    """Record how a task ended, and when, unless it has ended before.

    A run that ends well, and did not use what it was asked to, is "failed" (see `asked`).

    Args:
        status: "completed", "failed", "stopped" or "aborted".
        reason: why, for people to read.
        again: record it even if the task has ended before.
        concluded: True if no process reported the end: a reader concluded it. An end that the task
            itself reported elsewhere goes before it.
    """
    why = None if reason is None else check_text("status_message", reason) or None
    with registry.store.write() as change:
        found = require_task(change.connection, task_id)
        if found.ended is not None and not again:
            return
        if status == "completed" and found.ended is None:
            left = asked.unused(task_rows.place(change.connection, task_id))
            if left:
                status, why = "failed", asked.reason(left)
                log.warning("task %s failed: %s", task_id, why)
        _set_state(change, found, status, why, found.ended or change.at, concluded=concluded)
        wanted = task_rows.place(change.connection, task_id).get(_PUBLISH)
        if status == "completed" and wanted and not found.published:
            change.record("task.changed", task_id, {"old": False, "new": True}, field="published")


def set_publish_on_completion(registry: OpenRegistry, task_id: str, enable: bool) -> None:
    """Have `end_task` publish a task that is completed, or not."""
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        place = task_rows.place(change.connection, task_id)
        task_rows.set_place(change.connection, task_id, place | {_PUBLISH: enable})


def put_end(change: Change, task_id: str, status: str, reason: str | None) -> None:
    """Record within a transaction how a task ended, and when, unless it has ended before."""
    found = require_task(change.connection, task_id)
    _set_state(change, found, status, reason, found.ended or change.at)


def _set_state(
    change: Change,
    task: TaskRecord,
    status: str,
    reason: str | None,
    ended: int | None,
    *,
    concluded: bool = False,
) -> None:
    """Set status, reason and end of a task, within a transaction; the same state makes no event."""
    old = {"status": task.status, "reason": task.reason, "ended": task.ended}
    new = {"status": status, "reason": reason, "ended": ended}
    if old != new:
        payload: Json = {"old": old, "new": new}
        if concluded:
            payload["concluded"] = True
        change.record("task.state", task.id, payload)


def settled(registry: OpenRegistry, task_id: str) -> TaskRecord:
    """Return a task; record it as "aborted" first if its process died without reporting an end."""
    with registry.store.read() as connection:
        found = require_task(connection, task_id)
        place = task_rows.place(connection, task_id) if found.status == "in_progress" else {}
    if not place or not is_gone(place):
        return found
    try:
        end_task(registry, task_id, "aborted", DIED, concluded=True)
    except (ReadOnlyRegistryError, StorageFullError):
        return replace(found, status="aborted", reason=DIED)
    return task(registry, task_id)


def runs_here(registry: OpenRegistry, task_id: str) -> bool:
    """Return True if a task is in progress in this very process.

    A forked child has the current task of its parent, and must not end it.
    """
    with registry.store.read() as connection:
        found = task_rows.task(connection, task_id)
        place = task_rows.place(connection, task_id)
    return found is not None and found.ended is None and place.get("process") == owner_mark()


def ran_here(registry: OpenRegistry, task_id: str) -> bool:
    """Return True if a task runs in this very process, or ran here last."""
    return place(registry, task_id).get("process") == owner_mark()


def output_uri(registry: OpenRegistry, task_id: str) -> str | None:
    """Return where a task uploads the weights it makes; None if they stay in the registry."""
    with registry.store.read() as connection:
        found = task_rows.place(connection, task_id).get("output_uri")
    return None if found is None else str(found)


def set_output_uri(registry: OpenRegistry, task_id: str, uri: str | None) -> None:
    """Set where a task uploads the weights it makes."""
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        place = task_rows.place(change.connection, task_id)
        task_rows.set_place(change.connection, task_id, place | {"output_uri": uri})


def project_name(registry: OpenRegistry, project: object) -> str | None:
    """Return the name of a project, given by id or name."""
    text = check_project_name(project)
    with registry.store.read() as connection:
        found = None if text is None else project_rows.by_id(connection, text)
    return text if found is None else found.name


def move_task(registry: OpenRegistry, task_id: str, project: object) -> None:
    """Move a task to a project, made if it does not exist; None and "" mean no project."""
    name = check_project_name(project, "project")
    with registry.store.write() as change:
        old = require_task(change.connection, task_id).project
        if (old.name if old else None) != name:
            new = ensure_project(change, name)
            payload = {"old": project_payload(old), "new": project_payload(new)}
            change.record("task.moved", task_id, payload)


def edit_tags(
    registry: OpenRegistry,
    task_id: str,
    *,
    add: object = (),
    drop: object = (),
    only: bool = False,
) -> None:
    """Add tags to a task and remove others.

    Args:
        only: remove all tags that are not added.
    """
    added, dropped = set(check_tags("tags", add)), set(check_tags("tags", drop))
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        put_tags(change, task_id, added, dropped, only=only)


def put_tags(
    change: Change,
    task_id: str,
    added: set[str],
    dropped: set[str],
    *,
    only: bool,
    system: bool = False,
) -> None:
    """Add tags to a task and remove others, within a transaction; see `edit_tags`.

    Args:
        system: True for system tags.
    """
    there = set(task_rows.tags(change.connection, task_id, system=system))
    gone = (there if only else there & dropped) - added
    for tag, new in [*((tag, True) for tag in sorted(added - there)),
                     *((tag, False) for tag in sorted(gone))]:  # fmt: skip
        payload: Json = {"old": not new, "new": new, "system": system}
        if not new:
            payload["adds"] = addition_rows.additions(
                change.connection, "task", task_id, tag, system=system
            )
        change.record("task.tag", task_id, payload, field=tag)


def system_tags(registry: OpenRegistry, task_id: str) -> list[str]:
    """Return a task's system tags, sorted."""
    with registry.store.read() as connection:
        require_task(connection, task_id)
        return task_rows.tags(connection, task_id, system=True)


def edit_system_tags(
    registry: OpenRegistry,
    task_id: str,
    *,
    add: object = (),
    drop: object = (),
    only: bool = False,
) -> None:
    """Add system tags to a task and remove others; see `edit_tags`."""
    added, dropped = (set(check_tags("system_tags", each)) for each in (add, drop))
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        put_tags(change, task_id, added, dropped, only=only, system=True)
