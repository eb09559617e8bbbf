"""Output models: recorded when a task begins to make them; their weights follow later."""

from __future__ import annotations

from localreg.operations.finding.references import (
    find_model,
    require_draft,
    require_model,
    require_task,
)
from localreg.operations.models.designs import adopt_design, set_model_design
from localreg.operations.models.edits import move_within, replace_tags, set_columns
from localreg.operations.models.recording import Description, create, in_project_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows, task_rows
from localreg.values.checks import check_name, check_text
from localreg.values.frozen import replace
from localreg.values.records import TaskRecord


def make_output(registry: OpenRegistry, task_id: str, description: Description) -> str:
    """Record a new model as an output of a task; return the model's id.

    Args:
        description: without a name or labels, the model gets those of the task.
    """
    with registry.store.write() as change:
        task = require_task(change.connection, task_id)
        entry = free_entry(change, task_id, description.name or task.name)
        return new_output(change, task, description, entry)


def new_output(change: Change, task: TaskRecord, description: Description, entry: str) -> str:
    """Record a new model as an output of a task, within a transaction; return the model's id.

    Args:
        entry: the name of the model on the task.
    """
    described = replace(
        in_project_of(task, description),
        name=description.name or task.name,
        labels=description.labels or task_rows.design(change.connection, task.id)[1],
        comment=_lines(f"Created by task id: {task.id}", description.comment),
    )
    parent = task_rows.models(change.connection, task.id, "input").get(entry)
    made = create(change, described, None, None, maker=task, parent=parent)
    enter(change, task.id, made, entry)
    adopt_design(change, task.id, model_rows.design(change.connection, made))
    return made


def overwrite(chain: Chain, task_id: str, model_id: object, description: Description) -> str:
    """Make an existing model an output of a task, with a new description; return its id.

    Args:
        description: its values replace those of the model, but its comment is appended.

    Raises:
        PublishedError: the model is published.
        ReadOnlyRegistryError: the model is in an upstream registry.
    """
    wanted = check_text("base_model_id", model_id, nul=False, empty=False).strip()
    if chain.others:
        find_model(chain, wanted).registry.store.check_writable()
    with chain.first.store.write() as change:
        connection = change.connection
        task, row = require_task(connection, task_id), require_draft(connection, wanted)
        if description.name and description.name != row.name:
            move_within(change, row, row.project, description.name)
        line = _lines(f"Overwritten by task id: {task.id}", description.comment)
        repeated = row.comment is not None and line in row.comment
        set_columns(
            change,
            row,
            framework=description.framework or row.framework,
            comment=row.comment if repeated else _lines(row.comment, line),
            task=task_id,
        )
        if description.tags:
            replace_tags(change, wanted, set(description.tags))
        config, labels = model_rows.design(connection, wanted)
        labels = task_rows.design(connection, task_id)[1] or labels
        new = (description.config or config, description.labels or labels)
        set_model_design(change, wanted, new)
        enter(change, task_id, wanted, _entry_of_model(change, wanted, row.name))
        adopt_design(change, task_id, new)
    return wanted


def connect_output(registry: OpenRegistry, task_id: str, model_id: str, name: object) -> str | None:
    """Make a model an output of a task, which gets its configuration and labels.

    Args:
        name: the model's name on the task; if None, the name that it has there, else that of its
            weights' file without the ending, else its own.

    Returns:
        `name`, checked.
    """
    given = None if name is None else check_name("name", name)
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        row = require_model(change.connection, model_id)
        outputs = task_rows.models(change.connection, task_id, "output")
        present = next((entry for entry, model in outputs.items() if model == model_id), None)
        enter(
            change,
            task_id,
            model_id,
            given or present or _entry_of_model(change, model_id, row.name),
        )
        adopt_design(change, task_id, model_rows.design(change.connection, model_id))
    return given


def enter(change: Change, task_id: str, model_id: str, entry: str) -> None:
    """Make a model the output of a task under one name, within a transaction.

    Another model loses the name, and this one its other names on the task.
    """
    outputs = task_rows.models(change.connection, task_id, "output")
    for name, model in outputs.items():
        if model == model_id and name != entry:
            payload = {"role": "output", "old": model_id, "new": None}
            change.record("task.model", task_id, payload, field=name)
    old = outputs.get(entry)
    if old != model_id:
        payload = {"role": "output", "old": old, "new": model_id}
        change.record("task.model", task_id, payload, field=entry)


def free_entry(change: Change, task_id: str, name: str, role: str = "output") -> str:
    """Return `name`, or the first of "name 2", "name 3", … that no model of the task has.

    Args:
        role: "input" or "output"; the other models do not count.
    """
    taken = task_rows.models(change.connection, task_id, role)
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return next(entry for entry in (name, *numbered) if entry not in taken)


def entry_of(filename: str) -> str:
    """Return the name of weights on a task: that of their file without its ending.

    >>> entry_of("net.tar.gz"), entry_of(".hidden")
    ('net.tar', '.hidden')
    """
    return filename.rpartition(".")[0] or filename


def _entry_of_model(change: Change, model_id: str, name: str) -> str:
    weights = model_rows.current_weights(change.connection, model_id)
    return entry_of(weights.filename) if weights and weights.filename else name


def _lines(*lines: str | None) -> str:
    return "\n".join(line for line in lines if line)
