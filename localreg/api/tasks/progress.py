"""The part of `Task` for the progress that a script reports."""

from __future__ import annotations

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import shown


class ProgressMethods(TaskHandle):
    """The progress of a task; mixed into `Task`."""

    __slots__ = ()

    def set_progress(self, progress: int) -> None:
        """Record how much of the task is done; its page shows it.

        Args:
            progress: a whole number from 0 to 100.

        Raises:
            InvalidValueError: (a ValueError) it is not. ClearML only logs a warning.
        """
        if type(progress) is not int or not 0 <= progress <= 100:
            raise InvalidValueError(
                f"progress must be a whole number from 0 to 100, not {shown(progress)}",
                argument="progress",
            )
        operations.tasks.lifecycle.set_task(self._registry, self._id, "progress", progress)

    def get_progress(self) -> int | None:
        """Return the percentage that was recorded last, or None."""
        return self._row().progress
