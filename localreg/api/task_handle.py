"""What every handle on a task is: a registry and an id."""

from __future__ import annotations

from localreg import operations
from localreg.api import ambient
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from localreg.registry import OpenRegistry
    from localreg.values.records import TaskRecord


class TaskHandle:
    """A task of a registry; `Task` gives it its methods."""

    __slots__ = ("_id", "_registry")

    _registry: OpenRegistry
    _id: str

    @classmethod
    def _of(cls, registry: OpenRegistry, task_id: str) -> Self:
        """Return a handle on a task that is known to exist."""
        task = cls.__new__(cls)
        task._registry, task._id = registry, task_id
        return task

    @classmethod
    def _current(cls) -> Self | None:
        """Return the current task of the current registry, or None."""
        if not ambient.may_have_task():  # no registry is made to answer this
            return None
        opened = ambient.current()
        current = ambient.current_task(opened)
        return None if current is None else cls._of(opened, current)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TaskHandle)
            and self._id == other._id
            and self._registry.root == other._registry.root
        )

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._id!r})"

    @property
    def id(self) -> str:
        """The task's id, 32 hex digits."""
        return self._id

    def _reports_to(self) -> tuple[OpenRegistry, Owner]:
        """Return the registry, and the task as what something is reported to."""
        return self._registry, Owner("task", self._id)

    def _row(self) -> TaskRecord:
        return operations.tasks.lifecycle.task(self._registry, self._id)
