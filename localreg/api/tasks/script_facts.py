"""The part of `Task` that sets what is recorded of its script, and its type."""

from __future__ import annotations

import os

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import shown
from localreg.values.records import TASK_TYPES


class ScriptFactMethods(TaskHandle):
    """What is recorded of the script; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    def set_repo(
        self, repo: str | None = None, branch: str | None = None, commit: str | None = None
    ) -> None:
        """Set the recorded repository, branch and commit; None keeps what there is.

        Args:
            repo: a URL.
            branch: its name.
            commit: its id.
        """
        self.set_script(repository=repo, branch=branch, commit=commit)

    def set_script(
        self,
        repository: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        diff: str | None = None,
        working_dir: str | os.PathLike[str] | None = None,
        entry_point: str | os.PathLike[str] | None = None,
        binary: str | None = None,
    ) -> None:
        """Set what is recorded of the script; None keeps what there is.

        Args:
            repository, branch, commit: of git.
            diff: the uncommitted changes, as a patch.
            working_dir: where `localreg task run` runs it.
            entry_point: the script that it runs.
            binary: the Python that it runs it with.

        Raises:
            InvalidValueError: (a ValueError) an argument is not text.
        """
        operations.tasks.run_facts.set_script(
            self._registry,
            self._id,
            facts={"repository": repository, "branch": branch, "commit": commit},
            place={
                "diff": diff,
                "folder": working_dir,
                "script": entry_point,
                "executable": binary,
            },
        )

    def set_task_type(self, task_type: str) -> None:
        """Set the task's type, such as "training".

        Raises:
            InvalidValueError: (a ValueError) ClearML has no such type.
        """
        if not isinstance(task_type, str) or task_type not in TASK_TYPES:
            raise InvalidValueError(
                f"task_type must be one of {', '.join(sorted(TASK_TYPES))}; not {shown(task_type)}",
                argument="task_type",
            )
        operations.tasks.lifecycle.set_task(self._registry, self._id, "type", str(task_type))
