"""Designs: the configuration and the label enumeration of a model, and those of a task."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import require_draft
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows, task_rows
from localreg.values.config_text import config_to_text
from localreg.values.labels import check_labels
from localreg.values.records import Json

Design = tuple[str, dict[str, int]]  # the configuration as text, and the labels


def set_config(
    registry: OpenRegistry, model_id: str, task_id: str, text: object, config: object
) -> bool:
    """Set a model's configuration, and its task's if the task has none.

    Args:
        task_id: id of the task that makes the model; the task may have been removed.
        text, config: the configuration as text or as a dict; not both.

    Returns:
        False if neither is given: nothing changes.

    Raises:
        PublishedError: the model is published.
    """
    new = config_to_text(text, config)
    with registry.store.write() as change:
        connection = change.connection
        require_draft(connection, model_id)
        if text is None and config is None:
            return False
        set_model_design(change, model_id, (new, model_rows.design(connection, model_id)[1]))
        if task_rows.task(connection, task_id) is not None:
            old, labels = task_rows.design(connection, task_id)
            set_task_design(change, task_id, (old or new, labels))
    return True


def set_labels(registry: OpenRegistry, model_id: str, task_id: str, labels: object) -> None:
    """Set the label enumeration of a model and of its task.

    Args:
        task_id: id of the task that makes the model; the task may have been removed.

    Raises:
        PublishedError: the model is published.
    """
    if labels is None:  # check_labels takes None for no labels
        raise InvalidValueError(
            "label_enumeration must be a dict of str to int, not NoneType",
            argument="label_enumeration",
        )
    new = check_labels(labels)
    with registry.store.write() as change:
        connection = change.connection
        require_draft(connection, model_id)
        set_model_design(change, model_id, (model_rows.design(connection, model_id)[0], new))
        if task_rows.task(connection, task_id) is not None:
            set_task_design(change, task_id, (task_rows.design(connection, task_id)[0], new))


def set_model_design(change: Change, model_id: str, new: Design) -> None:
    """Set a model's configuration and labels, within a transaction."""
    old = model_rows.design(change.connection, model_id)
    if old != new:
        change.record("model.design", model_id, _payload(old, new))


def set_task_design(change: Change, task_id: str, new: Design) -> None:
    """Set a task's model configuration and labels, within a transaction."""
    old = task_rows.design(change.connection, task_id)
    if old != new:
        change.record("task.design", task_id, _payload(old, new))


def adopt_design(change: Change, task_id: str, design: Design) -> None:
    """Give a task a configuration and labels, each unless the task has its own."""
    config, labels = task_rows.design(change.connection, task_id)
    set_task_design(change, task_id, (config or design[0], labels or design[1]))


def _payload(old: Design, new: Design) -> Json:
    return {
        "old": {"config": old[0], "labels": old[1]},
        "new": {"config": new[0], "labels": new[1]},
    }
