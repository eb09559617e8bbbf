"""What a task takes: its input models, and the configuration and labels that its models get."""

from __future__ import annotations

from collections.abc import Iterable

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import find_model, require_model, require_task
from localreg.operations.finding.upstream import Found
from localreg.operations.models import designs
from localreg.operations.models.outputs import free_entry
from localreg.operations.tasks import asked
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.values.checks import check_name, shown
from localreg.values.config_text import config_to_text
from localreg.values.frozen import Frozen
from localreg.values.labels import check_labels

UNNAMED_INPUT = "Input Model"


class Connection(Frozen):
    """The name of a model on a task, and the id of the model that had the name before."""

    name: str
    replaced: str | None


def connect_model(
    chain: Chain,
    task_id: str,
    model_id: str,
    name: object = None,
    *,
    comment: bool = False,
    numbered: bool = False,
    config: bool = True,
    labels: bool = True,
) -> Connection:
    """Make a model an input of a task.

    The task gets the configuration and the labels of the model, each unless it has its own.

    Args:
        model_id: of a model of the registry or of an upstream registry.
        name: of the model on the task; its filename without the suffix when None.
        comment: also add the model's id to the task's comment.
        numbered: if another input has the name, use the first of "name 2", "name 3", … that none
            has; else the model replaces that input.
        config, labels: False keeps the model's configuration or labels from the task.
    """
    given = None if name is None else check_name("name", name)
    upstream = _inherited_upstream(chain, model_id)
    with chain.first.store.write() as change:
        task_record = require_task(change.connection, task_id)
        inherited = upstream or _inherited_from(change.connection, model_id)
        entry = given or inherited.entry
        if numbered:
            entry = free_entry(change, task_id, entry, "input")
        there = task_rows.models(change.connection, task_id, "input")
        old = there.get(entry)
        asked.note_asked(change.connection, task_record, asked.INPUT, [entry], there)
        payload = {"role": "input", "old": old, "new": model_id}
        change.record("task.model", task_id, payload, field=entry)
        text, numbers = inherited.design
        own = (text if config else "", numbers if labels else {})
        designs.adopt_design(change, task_id, own)
        if comment:
            lines = [task_record.comment, f"Using model id: {model_id}"]
            new = "\n".join(line for line in lines if line)
            edit = {"old": task_record.comment, "new": new}
            change.record("task.changed", task_id, edit, field="comment")
    return Connection(entry, old if old != model_id else None)


class _Inherited(Frozen):
    """What a task copies from a model, and the name of the model on it."""

    entry: str
    design: designs.Design


def _inherited_from(connection: model_rows.Connection, model_id: str) -> _Inherited:
    require_model(connection, model_id)
    return _Inherited(entry_name(connection, model_id), model_rows.design(connection, model_id))


def _inherited_upstream(chain: Chain, model_id: str) -> _Inherited | None:
    """Read a model from the upstream registry that has it; None if the first registry has it."""
    registry = find_model(chain, model_id).registry if chain.others else chain.first
    if registry is chain.first:
        return None
    with registry.store.read() as connection:
        return _inherited_from(connection, model_id)


def entry_name(connection: model_rows.Connection, model_id: str) -> str:
    """Return the name that a model gets on a task when none is given."""
    weights = model_rows.current_weights(connection, model_id)
    # No other part of the URL: it may hold a secret, and this name goes into the event log.
    filename = weights and weights.filename
    return filename.rpartition(".")[0] or filename if filename else UNNAMED_INPUT


def entry_name_of(found: Found) -> str:
    """Return the name that a model gets on a task when none is given."""
    with found.registry.store.read() as connection:
        return entry_name(connection, found.id)


def models(registry: OpenRegistry, task_id: str, role: str) -> dict[str, str]:
    """Return ids of a task's models, by the names that they have on it.

    Args:
        role: "input" or "output".
    """
    with registry.store.read() as connection:
        return task_rows.models(connection, task_id, role)


def mark_used(registry: OpenRegistry, task_id: str, names: Iterable[str]) -> None:
    """Note which input models the script of a task that is run again takes (see `asked`)."""
    asked.mark_used(registry, task_id, asked.INPUT, names)


def drop_inputs(registry: OpenRegistry, task_id: str, names: object) -> None:
    """Remove input models from a task, by their names on it or ids; others are ignored."""
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise InvalidValueError(
            f"models_to_remove must be a list of models, ids or names, not {type(names).__name__}: "
            f"{shown(names)}",
            argument="models_to_remove",
        )
    given = [check_name("models_to_remove", name) for name in names]
    with registry.store.write() as change:
        found = require_task(change.connection, task_id)
        there = task_rows.models(change.connection, task_id, "input")
        entries = [entry for entry in there if entry in given or there[entry] in given]
        asked.note_asked(change.connection, found, asked.INPUT, (), there, entries)
        for entry in entries:
            payload = {"role": "input", "old": there[entry], "new": None}
            change.record("task.model", task_id, payload, field=entry)


def adopt_design(registry: OpenRegistry, task_id: str, config: str, labels: dict[str, int]) -> None:
    """Copy a model's configuration and labels to a task, each unless the task has its own."""
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        designs.adopt_design(change, task_id, (config, labels))


def design(registry: OpenRegistry, task_id: str) -> tuple[str, dict[str, int]]:
    """Return the model configuration text and the label enumeration of a task."""
    with registry.store.read() as connection:
        return task_rows.design(connection, task_id)


def set_design(
    registry: OpenRegistry,
    task_id: str,
    *,
    config_text: object = None,
    config_dict: object = None,
    labels: object = None,
) -> None:
    """Set a task's model configuration or label enumeration; None keeps what is there."""
    given = config_text is not None or config_dict is not None
    config = config_to_text(config_text, config_dict)
    checked = check_labels(labels)
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        old_config, old_labels = task_rows.design(change.connection, task_id)
        new = (config if given else old_config, old_labels if labels is None else checked)
        designs.set_task_design(change, task_id, new)
