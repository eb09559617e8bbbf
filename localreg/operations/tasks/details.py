"""Everything that is recorded of one task."""

from __future__ import annotations

from localreg.operations.tasks import lifecycle
from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.frozen import Frozen
from localreg.values.records import Json, TaskRecord


class TaskDetails(Frozen):
    """A task with all that belongs to it.

    Attributes:
        place: how it runs on this machine: script, module, arguments, folder.
        parameters: by ``section/name``.
        inputs, outputs: ids of its models, by the name that they have on the task.
        configurations, artifacts: their names.
    """

    record: TaskRecord
    place: Json
    tags: list[str]
    system_tags: list[str]
    parameters: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]
    configurations: list[str]
    artifacts: list[str]


def task_details(registry: OpenRegistry, task_id: str) -> TaskDetails:
    """Return a task with all that belongs to it; "aborted" if its process died."""
    record = lifecycle.settled(registry, task_id)
    with registry.store.read() as connection:
        values = task_rows.parameters(connection, task_id)
        return TaskDetails(
            record=record,
            place=task_rows.place(connection, task_id),
            tags=task_rows.tags(connection, task_id),
            system_tags=task_rows.tags(connection, task_id, system=True),
            parameters={f"{section}/{name}": value for section, name, value, _ in values},
            inputs=task_rows.models(connection, task_id, "input"),
            outputs=task_rows.models(connection, task_id, "output"),
            configurations=list(task_rows.configurations(connection, task_id)),
            artifacts=list(task_rows.artifacts(connection, task_id)),
        )
