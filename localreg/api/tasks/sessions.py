"""The part of `Task` for ClearML's exported tasks and offline sessions."""

from __future__ import annotations

from collections.abc import Mapping

from localreg import operations
from localreg.api.models.model import open_of
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_flag, is_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from localreg.api.registry import Registry


class SessionMethods(TaskHandle):
    """Exported tasks; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    def export_task(self) -> dict[str, Any]:
        """Return the task's settings as a dict in ClearML's layout, which JSON can hold.

        It has id, name, type, status, project, tags, comment, times, script with repository,
        commit and changes, parameters, configurations, labels, and the ids of models. Reports,
        artifacts and the bytes of models are not in it; `localreg export` carries them.

        Source: ``Task.export_task`` of the ClearML SDK.
        """
        return operations.tasks.exported.export_task(self._registry, self._id)

    @classmethod
    def import_task(
        cls,
        task_data: Mapping[str, object],
        target_task: str | TaskHandle | None = None,
        update: bool = False,
        *,
        registry: Registry | None = None,
    ) -> Self:
        """Record a task of what `export_task` returned, here or in the ClearML SDK.

        The new task has the status "created" and an id of its own, as in ClearML. Of the models
        that it names, those that the registry has become its input models.

        Args:
            task_data: the dict. Unknown parts of it are ignored.
            target_task: the id of a task, or a task, that gets the settings instead of a new one.
            update: keep parameters, configurations and labels of the target that `task_data`
                does not have. Otherwise they are removed.
            registry: where to record it; the current registry when None.

        Returns:
            The task.

        Raises:
            InvalidValueError: (a ValueError) a part of `task_data` is not what ClearML writes.
            TaskNotFoundError: there is no task `target_task`.

        Source: ``Task.import_task`` of the ClearML SDK.
        """
        merging = check_flag("update", update)
        if isinstance(target_task, TaskHandle):
            target = cls._of(target_task._chain, target_task._registry, target_task.id)
        elif target_task is None or is_empty(target_task):
            chain = open_of(registry, make=True)
            made = operations.tasks.exported.import_task(chain.first, _checked(task_data))
            return cls._of(chain, chain.first, made)
        else:
            chain = open_of(registry)
            found = operations.tasks.search.look_up_task(chain, target_task)
            target = cls._of(chain, found.registry, found.id)
        operations.tasks.exported.import_task(
            target._registry, _checked(task_data), target=target.id, update=merging
        )
        return target

    def update_task(self, task_data: Mapping[str, object]) -> bool:
        """Set the task to what `task_data` has, keep the rest, and return True.

        Args:
            task_data: as for `import_task`.

        Raises:
            InvalidValueError: (a ValueError) a part of it is not what ClearML writes.

        Source: ``Task.update_task`` of the ClearML SDK.
        """
        self.import_task(task_data, self, update=True)
        return True


def _checked(task_data: object) -> Mapping[str, object]:
    if not isinstance(task_data, Mapping):
        raise InvalidValueError(
            f"task_data must be a dict that export_task returned, not {type(task_data).__name__}",
            argument="task_data",
        )
    return task_data
