"""What a task has recorded of the models that a library saved and loaded."""

from __future__ import annotations

from localreg import Model, Task


def outputs(task: Task) -> dict[str, Model]:
    """Return the output models of a task, by their names on it."""
    return {name: Model(model_id) for name, model_id in task.output_models_id.items()}


def summary(task: Task) -> dict[str, tuple[str | None, str | None, int]]:
    """Return framework, file name and number of revision of each output, by its name."""
    found = {}
    for name, model in outputs(task).items():
        last = model.revisions()[-1]
        found[name] = (model.framework, last.filename, last.revision)
    return found


def input_ids(task: Task) -> list[str]:
    """Return the ids of the input models of a task."""
    return [*task.input_models_id.values()]
