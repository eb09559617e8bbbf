"""Tasks as JSON values, and their status as people read it."""

from __future__ import annotations

from localreg.cli.output import iso
from localreg.operations.tasks import git_state
from localreg.operations.tasks.details import task_details
from localreg.registry import OpenRegistry
from localreg.values.records import Json, TaskRecord
from localreg.values.secrets import masked, masked_arguments, masked_text


def task_status(task: TaskRecord) -> str:
    """Return the status of a task; a published one keeps another that it ended with."""
    return "published" if task.published else task.status


def task_json(registry: OpenRegistry, task_id: str, *, show_secrets: bool = False) -> Json:
    """Return everything about a task as JSON values.

    Args:
        registry: the registry that has it.
        task_id: its id.
        show_secrets: passwords, keys and tokens as they are.
    """
    found = task_details(registry, task_id)
    task, place = found.record, found.place
    arguments = [str(each) for each in place.get("arguments", [])]

    def text(value: str | None) -> str | None:
        return value if show_secrets or value is None else masked_text(value)

    return {
        "id": task.id,
        "name": task.name,
        "project": task.project.name if task.project else None,
        "type": task.type,
        "status": task_status(task),
        "reason": text(task.reason),
        "comment": text(task.comment),
        "parent": task.parent,
        "tags": found.tags,
        "system_tags": found.system_tags,
        "progress": task.progress,
        "configurations": found.configurations,
        "artifacts": found.artifacts,
        "parameters": {
            path: value if show_secrets else masked(path, value)
            for path, value in found.parameters.items()
        },
        "inputs": found.inputs,
        "outputs": found.outputs,
        "script": place.get("script") or task.run.get("script"),
        "module": place.get("module"),
        "arguments": arguments if show_secrets else masked_arguments(arguments),
        "folder": place.get("folder"),
        "commit": None,
        **{name: task.run[name] for name in git_state.FACTS if name in task.run},
        "python": task.run.get("python"),
        "created": iso(task.created),
        "ended": iso(task.ended) if task.ended else None,
        "updated": iso(task.updated),
    }


def whole(task: Json) -> Json:
    """Return a task with null for what git did not say."""
    return task | {name: task.get(name) for name in git_state.FACTS}
