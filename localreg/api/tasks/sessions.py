"""The part of `Task` for ClearML's exported tasks and offline sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.model import open_of
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.filesystem.given_paths import check_path
from localreg.plots.options import check_iteration
from localreg.values.checks import check_flag, is_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self

    from localreg.api.registry import Registry


class SessionMethods(TaskHandle):
    """Exported tasks and offline sessions; mixed into `Task`.

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

    @classmethod
    def import_offline_session(
        cls,
        session_folder_zip: str | os.PathLike[str],
        previous_task_id: str | None = None,
        iteration_offset: int = 0,
        *,
        registry: Registry | None = None,
    ) -> str:
        """Bring a session that the ClearML SDK recorded offline; return the id of its task.

        The task comes with its id (without "offline-"), times, settings, reports, console,
        artifacts and output models. The same session again changes nothing; one that has grown
        brings what is new. What it only has the address of is logged. See `localreg import`.

        Args:
            session_folder_zip: the folder of the session, or its zip.
            previous_task_id: a task that goes on with this session: it gets all that the session
                has, and no other task is made.
            iteration_offset: added to the iterations of reports.
            registry: where to record it; the current registry when None.

        Raises:
            SessionError: (a ValueError) a file of it is damaged; it says which, and the line.
                Nothing was imported.
            InvalidValueError: (a ValueError) it is no offline session.
            SourceNotFoundError: (an OSError) there is no such file.
            TaskNotFoundError: there is no task `previous_task_id`.

        Source: ``Task.import_offline_session`` of the ClearML SDK.
        """
        path = check_path("session_folder_zip", session_folder_zip)
        offset = 0 if iteration_offset is None else check_iteration(iteration_offset)
        previous = None
        if not (previous_task_id is None or is_empty(previous_task_id)):
            chain = open_of(registry)
            found = operations.tasks.search.look_up_task(chain, previous_task_id)
            chain, previous = chain.starting_at(found.registry), found.id
        else:
            chain = open_of(registry, make=True)
        recorded = operations.importers.clearml_session.recorded_here(chain, path)
        if recorded is not None:
            log.info("task %s was recorded here at once: nothing is to be imported", recorded)
            return recorded
        done = operations.importers.clearml_session.import_session(
            chain, path, previous=previous, offset=offset
        )
        for each in done.arrived.missing:
            log.warning("%s of task %s: %s", each.ref, done.task, each.why)
        for what, count in done.ignored.items():
            log.warning("%s of task %s were not imported: %d", what, done.task, count)
        return done.task

    @classmethod
    def set_offline(cls, offline_mode: bool = False) -> None:
        """Note what `is_offline` returns; nothing else changes.

        localreg has no server: it records in the registry at once, offline or not.
        """
        ambient.set_offline(check_flag("offline_mode", offline_mode))

    @classmethod
    def is_offline(cls) -> bool:
        """Return what `set_offline` set, else True if ``CLEARML_OFFLINE_MODE`` is set."""
        return ambient.is_offline()

    def get_offline_mode_folder(self) -> Path | None:
        """Return a path that `import_offline_session` takes; None if `set_offline` was not called.

        There is no such folder: the task is in the registry already. A script that imports it
        afterwards gets the task's id.
        """
        if not ambient.was_offline():
            return None
        return operations.importers.clearml_session.folder_of(self._registry, self._id)

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
