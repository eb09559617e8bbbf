"""Models that tasks make: recorded with the task at once, weights follow."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import (
    find_model,
    require_draft,
    require_model,
    require_task,
)
from localreg.operations.models.recording import Description, create
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows, task_rows
from localreg.values.checks import check_name, check_text
from localreg.values.config_text import config_to_text
from localreg.values.frozen import replace
from localreg.values.labels import check_labels
from localreg.values.records import Json, TaskRecord


def make_output(registry: OpenRegistry, task_id: str, told: Description) -> str:
    """Record a model that a task makes, as an output of it; return the model's id.

    Args:
        told: what is told of it; the name is the task's, and the labels are, where none are told.

    Raises:
        TaskNotFoundError: the task is gone.
    """
    with registry.store.write() as change:
        task = require_task(change.connection, task_id)
        labels = told.labels or task_rows.design(change.connection, task_id)[1]
        told = replace(
            told,
            name=told.name or task.name,
            labels=labels,
            comment=_told_by(f"Created by task id: {task_id}", told.comment),
        )
        entry = _free_entry(change, task_id, told.name or "")
        made = create(
            change,
            told,
            None,
            None,
            project=task.project.name if task.project else None,
            maker=task,
            parent=task_rows.models(change.connection, task_id, "input").get(entry),
        )
        enter(change, task_id, made, entry)
        adopt_design(change, task_id, made)
    return made


def _told_by(line: str, comment: str | None) -> str:
    return f"{line}\n{comment}" if comment else line


def _free_entry(change: Change, task_id: str, name: str) -> str:
    """Return a name under which the task has no output yet: one without weights replaces none."""
    taken = task_rows.models(change.connection, task_id, "output")
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return next(each for each in (name, *numbered) if each not in taken)


def take_over(chain: Chain, task_id: str, model_id: object, told: Description) -> str:
    """Make a model that exists an output of a task, which goes on with it; return its id.

    Args:
        told: replaces what the model has, where something is told; a comment is added to its own.

    Raises:
        TaskNotFoundError, ModelNotFoundError: either is gone.
        PublishedError: the model is published.
        ReadOnlyRegistryError: it is one of an upstream registry.
    """
    wanted = check_text("base_model_id", model_id, nul=False, empty=False).strip()
    if chain.others:
        find_model(chain, wanted).registry.store.check_writable()
    with chain.first.store.write() as change:
        connection = change.connection
        task, row = require_task(connection, task_id), require_draft(connection, wanted)
        _take_name(change, row, told)
        new: dict[str, object] = {
            "framework": told.framework or row.framework,
            "comment": _overwritten(row.comment, task, told.comment),
            "task": task_id,
        }
        set_columns(change, row, new)
        if told.tags:
            _take_tags(change, wanted, told.tags)
        config, labels = model_rows.config(connection, wanted), told.labels
        labels = labels or task_rows.design(connection, task_id)[1]
        labels = labels or model_rows.labels(connection, wanted)
        _design_model(change, wanted, told.config or config, labels)
        enter(change, task_id, wanted, _own_entry(change, wanted, row.name))
        adopt_design(change, task_id, wanted)
    return wanted


def _take_name(change: Change, row: model_rows.ModelRow, told: Description) -> None:
    if told.name and told.name != row.name:
        from localreg.operations.models.edits import move_within

        move_within(change, row, row.project, told.name)


def _take_tags(change: Change, model_id: str, tags: tuple[str, ...]) -> None:
    from localreg.operations.models.edits import change_tags

    old, new = set(model_rows.tags(change.connection, model_id, system=False)), set(tags)
    change_tags(change, model_id, added=new - old, dropped=old - new)


def _overwritten(before: str | None, task: TaskRecord, comment: str | None) -> str:
    line = _told_by(f"Overwritten by task id: {task.id}", comment)
    if before and line in before:
        return before  # the same task again
    return f"{before}\n{line}" if before else line


def _own_entry(change: Change, model_id: str, name: str) -> str:
    weights = model_rows.current_weights(change.connection, model_id)
    return entry_of(weights.filename) if weights and weights.filename else name


def entry_of(filename: str) -> str:
    """Return the name that weights get on a task: the file's, without its ending.

    >>> entry_of("net.tar.gz"), entry_of(".hidden")
    ('net.tar', '.hidden')
    """
    return filename.rpartition(".")[0] or filename


def set_columns(change: Change, row: model_rows.ModelRow, new: dict[str, object]) -> None:
    """Set columns of a model; what is the same as before makes no event."""
    for column, value in new.items():
        old = getattr(row, column)
        if old != value:
            change.record("model.changed", row.id, {"old": old, "new": value}, field=column)


def enter(change: Change, task_id: str, model_id: str, entry: str) -> str | None:
    """Make a model the output of a task under a name, and under no other.

    Returns:
        The id of another model that had the name before, or None.
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
    return old if old != model_id else None


def connect_output(registry: OpenRegistry, task_id: str, model_id: str, name: object) -> str | None:
    """Make a model an output of a task, which takes over its configuration and labels.

    Args:
        name: the entry's name; when None the name it has there, or that of its weights' file
            without the ending, or the model's own.

    Returns:
        The entry's name when it was told, else None.

    Raises:
        TaskNotFoundError, ModelNotFoundError: either is gone.
        InvalidValueError: it is no name.
    """
    told = None if name is None else check_name("name", name)
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        row = require_model(change.connection, model_id)
        outputs = task_rows.models(change.connection, task_id, "output")
        there = next((each for each, model in outputs.items() if model == model_id), None)
        entry = told or there or _own_entry(change, model_id, row.name)
        enter(change, task_id, model_id, entry)
        adopt_design(change, task_id, model_id)
    return told


def adopt_design(change: Change, task_id: str, model_id: str) -> None:
    """Give a task a model's configuration and labels, each unless it has its own."""
    connection = change.connection
    config, labels = task_rows.design(connection, task_id)
    _design_task(
        change,
        task_id,
        config or model_rows.config(connection, model_id),
        labels or model_rows.labels(connection, model_id),
    )


def set_config(
    registry: OpenRegistry, model_id: str, task_id: str, text: object, config: object
) -> bool:
    """Set a model's configuration, and its task's when that has none; return whether one is told.

    Raises:
        InvalidValueError: it cannot be kept, or both are told.
        PublishedError: the model is published.
        ModelNotFoundError: the model is gone.
    """
    new = config_to_text(text, config)
    with registry.store.write() as change:
        connection = change.connection
        require_draft(connection, model_id)
        if text is None and config is None:
            return False
        _design_model(change, model_id, new, model_rows.labels(connection, model_id))
        if task_rows.task(connection, task_id) is not None:
            old, labels = task_rows.design(connection, task_id)
            _design_task(change, task_id, old or new, labels)
    return True


def set_labels(registry: OpenRegistry, model_id: str, task_id: str, labels: object) -> None:
    """Set a model's label enumeration, and its task's.

    Raises:
        InvalidValueError: it is no dict of str to int.
        PublishedError: the model is published.
        ModelNotFoundError: the model is gone.
    """
    if labels is None:  # which means "none" elsewhere
        raise InvalidValueError(
            "label_enumeration must be a dict of str to int, not NoneType",
            argument="label_enumeration",
        )
    new = check_labels(labels)
    with registry.store.write() as change:
        connection = change.connection
        require_draft(connection, model_id)
        _design_model(change, model_id, model_rows.config(connection, model_id), new)
        if task_rows.task(connection, task_id) is not None:
            _design_task(change, task_id, task_rows.design(connection, task_id)[0], new)


def _design_model(change: Change, model_id: str, config: str, labels: dict[str, int]) -> None:
    connection = change.connection
    old = (model_rows.config(connection, model_id), model_rows.labels(connection, model_id))
    _record_design(change, "model.design", model_id, old, (config, labels))


def _design_task(change: Change, task_id: str, config: str, labels: dict[str, int]) -> None:
    old = task_rows.design(change.connection, task_id)
    _record_design(change, "task.design", task_id, old, (config, labels))


def _record_design(
    change: Change,
    kind: str,
    subject: str,
    old: tuple[str, dict[str, int]],
    new: tuple[str, dict[str, int]],
) -> None:
    if old != new:
        payload: Json = {
            "old": {"config": old[0], "labels": old[1]},
            "new": {"config": new[0], "labels": new[1]},
        }
        change.record(kind, subject, payload)
