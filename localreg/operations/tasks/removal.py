"""Remove a task, with its reports and artifacts and the models it made."""

from __future__ import annotations

from localreg import log
from localreg.errors import ModelInUseError, NotFoundError
from localreg.operations.finding.references import require_task
from localreg.operations.models.removal import remove_model
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows, model_rows, task_rows
from localreg.values.records import project_payload


def delete_task(
    registry: OpenRegistry, task_id: str, *, models: bool = True, spare_used: bool = True
) -> bool:
    """Remove a task with its artifacts and reports; return True if nothing is left of it.

    Args:
        models: also remove the models it made.
        spare_used: keep those that are inputs of other tasks.
    """
    whole = True
    with registry.store.read() as connection:
        require_task(connection, task_id)
        made = model_rows.made_by(connection, task_id) if models else []
    for model_id in made:
        try:
            removed = remove_model(registry, model_id, delete_weights=True, force=not spare_used)
            whole &= removed.complete
        except ModelInUseError as error:
            log.info("model %s is kept: %s", model_id, error)
        except NotFoundError:  # removed by another process meanwhile
            continue
    with registry.store.freeing_space(), registry.store.write() as change:
        found = require_task(change.connection, task_id)
        digests = [each.digest for each in task_rows.artifacts(change.connection, task_id).values()]
        payload = {"name": found.name, "project": project_payload(found.project)}
        change.record("task.removed", task_id, payload)
        blob_rows.mark_unreferred(change.connection, digests)
    return whole
