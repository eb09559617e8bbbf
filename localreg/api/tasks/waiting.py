"""The part of `Task` that waits for its status."""

from __future__ import annotations

import time
from collections.abc import Iterable

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, TaskEndedError
from localreg.values.checks import check_text, shown


class TaskStatusEnum:
    """The statuses of tasks, as texts."""

    created = "created"
    queued = "queued"
    in_progress = "in_progress"
    stopped = "stopped"
    aborted = "aborted"
    published = "published"
    publishing = "publishing"
    closed = "closed"
    failed = "failed"
    completed = "completed"
    unknown = "unknown"


class WaitingMethods(TaskHandle):
    """Wait for a status; mixed into `Task`."""

    __slots__ = ()

    TaskStatusEnum = TaskStatusEnum

    def wait_for_status(
        self,
        status: Iterable[str] = (
            TaskStatusEnum.completed,
            TaskStatusEnum.stopped,
            TaskStatusEnum.closed,
        ),
        raise_on_status: Iterable[str] | None = (TaskStatusEnum.failed,),
        check_interval_sec: float = 60.0,
    ) -> None:
        """Wait until the task has one of some statuses.

        A task whose process died is "aborted"; that ends the wait, too.

        Args:
            status: these end the wait.
            raise_on_status: with these the wait raises.
            check_interval_sec: how often to look, in seconds. Changes are seen within a second.

        Raises:
            TaskEndedError: (a RuntimeError) the task has one of `raise_on_status`, or is aborted
                and "aborted" is not in `status`.
            InvalidValueError: (a ValueError) an argument cannot be used.
        """
        wanted = _statuses("status", status)
        bad = _statuses("raise_on_status", () if raise_on_status is None else raise_on_status)
        if not isinstance(check_interval_sec, int | float) or not check_interval_sec > 0:
            raise InvalidValueError(
                f"check_interval_sec must be above 0, not {shown(check_interval_sec)}",
                argument="check_interval_sec",
            )
        ends = {*wanted, *bad, TaskStatusEnum.aborted}
        while not (now := self._statuses()) & ends:
            time.sleep(min(check_interval_sec, 1.0))
        if now & {*bad} or not now & {*wanted}:
            found = ", ".join(sorted(now))
            raise TaskEndedError(
                f"task {self._id} is {found}; one of {', '.join(wanted)} was waited for",
                task_id=self._id,
                status=found,
            )

    def _statuses(self) -> set[str]:
        """Return the status, and that of a published task before it was published, too."""
        row = operations.tasks.lifecycle.settled(self._registry, self._id)
        return {row.status, TaskStatusEnum.published} if row.published else {row.status}


def _statuses(argument: str, given: object) -> list[str]:
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise InvalidValueError(
            f"{argument} must be a list of statuses, not {shown(given)}", argument=argument
        )
    return [check_text(argument, each) for each in ([given] if isinstance(given, str) else given)]
