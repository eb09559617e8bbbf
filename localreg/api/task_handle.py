"""`TaskHandle`, the base of `Task`: a registry and an id."""

from __future__ import annotations

from localreg import operations
from localreg.api import ambient
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import TaskRecord


class TaskHandle:
    """A task of a registry, as an id; `Task` adds the methods."""

    __slots__ = ("_chain", "_id", "_registry")

    _chain: Chain
    _registry: OpenRegistry  # the task's own; one of the chain
    _id: str

    @classmethod
    def _of(cls, chain: Chain, registry: OpenRegistry, task_id: str) -> Self:
        """Return a handle on a task that exists."""
        task = cls.__new__(cls)
        task._chain, task._registry, task._id = chain, registry, task_id
        return task

    @classmethod
    def _current(cls) -> Self | None:
        """Return the current task of the current registry, or None."""
        if not ambient.may_have_task():  # so that asking makes no registry
            return None
        chain = ambient.current()
        current = ambient.current_task(chain)
        if current is None:
            ambient.check_task_not_lost(chain)
            return None
        return cls._of(chain, chain.first, current)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TaskHandle)
            and self._id == other._id
            and self._registry.root == other._registry.root
        )

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        task_id = getattr(self, "_id", None)  # unset if the constructor raised an error
        return f"{type(self).__name__}({'not found' if task_id is None else repr(task_id)})"

    @property
    def id(self) -> str:
        """The task's id, 32 hex digits."""
        return self._id

    def _own_chain(self) -> Chain:
        """Return the chain to write through: see `Chain.starting_at`."""
        return self._chain.starting_at(self._registry)

    def _points_to(self) -> tuple[Chain, str, str]:
        return self._own_chain(), "task", self._id

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        return self._chain, self._registry, Owner("task", self._id)

    def _row(self) -> TaskRecord:
        return operations.tasks.lifecycle.task(self._registry, self._id)
