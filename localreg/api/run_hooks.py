"""How a process that runs a task leaves: what it failed of is recorded, and that it ended."""

from __future__ import annotations

import atexit
import sys
import traceback

from localreg import log, operations
from localreg.api import ambient
from localreg.errors import LocalregError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from localreg.registry import OpenRegistry

REASON_LIMIT = 4_000  # characters of the end of a traceback


def install() -> None:
    """Watch how this process ends; once is enough."""
    if hasattr(sys.excepthook, "localreg_original"):
        return
    original = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        for registry, task_id in ambient.tasks():
            end(registry, task_id, "failed", reason_of(error))
        original(kind, error, trace)

    excepthook.localreg_original = original  # type: ignore[attr-defined]  # the mark
    sys.excepthook = excepthook
    atexit.register(_end_all)


def reason_of(error: BaseException) -> str:
    """Return what a task failed of: the error, and where it came from."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user"
    text = "".join(traceback.format_exception(error))
    return text[-REASON_LIMIT:].strip()


def end(registry: OpenRegistry, task_id: str, status: str, reason: str | None = None) -> None:
    """Record that a task ended, when it is this process that runs it; told in the log if not."""
    try:
        if operations.tracking.is_mine(registry, task_id):
            ambient.finish_uploads(registry)
            operations.reporting.flush(registry)
            operations.tracking.end_task(registry, task_id, status, reason)
            operations.publishing.write_reported(registry, also=task_id)
    except LocalregError as error:
        log.warning("the end of task %s was not recorded: %s", task_id, error)


def _end_all() -> None:
    for registry, task_id in ambient.tasks():
        end(registry, task_id, "completed")
