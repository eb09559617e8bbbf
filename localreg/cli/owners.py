"""What an argument names that may be a model or a task."""

from __future__ import annotations

from localreg.errors import AmbiguousReferenceError, ModelNotFoundError, TaskNotFoundError
from localreg.operations.finding.references import resolve_model
from localreg.operations.tasks.search import look_up_reference
from localreg.registry import Chain, OpenRegistry
from localreg.values.records import Owner


def model_or_task(chain: Chain, reference: str) -> tuple[OpenRegistry, Owner]:
    """Return the model, or else the task, that a reference names, and its registry.

    Raises:
        ModelNotFoundError: neither exists.
        AmbiguousReferenceError: several models match.
    """
    try:
        found = resolve_model(chain, reference)
        return found.registry, Owner("model", found.id)
    except ModelNotFoundError as no_model:
        try:
            task = look_up_reference(chain, reference)
            return task.registry, Owner("task", task.id)
        except (TaskNotFoundError, AmbiguousReferenceError):
            raise ModelNotFoundError(
                f"no task has this id, and {no_model}", reference=no_model.reference
            ) from None
