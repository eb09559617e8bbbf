"""The part of `Task` for its system tags, and for the archive."""

from __future__ import annotations

from collections.abc import Sequence

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.operations.tasks.lifecycle import ARCHIVED
from localreg.values.checks import check_flag


class SystemTagMethods(TaskHandle):
    """System tags of a task; mixed into `Task`."""

    __slots__ = ()

    archived_tag = ARCHIVED

    def get_system_tags(self) -> list[str]:
        """Return the system tags, sorted; "archived" is one of them."""
        return operations.tasks.lifecycle.system_tags(self._registry, self._id)

    def set_system_tags(self, tags: Sequence[str]) -> None:
        """Replace the system tags.

        Raises:
            InvalidValueError: (a ValueError) they are not tags.
        """
        operations.tasks.lifecycle.edit_system_tags(self._registry, self._id, add=tags, only=True)

    def set_archived(self, archive: bool) -> None:
        """Archive the task, or bring it back from the archive.

        Args:
            archive: True to archive it. Searches with ``allow_archived=False`` do not find it then.
        """
        wanted = check_flag("archive", archive)
        operations.tasks.lifecycle.edit_system_tags(
            self._registry,
            self._id,
            add=[ARCHIVED] if wanted else (),
            drop=() if wanted else [ARCHIVED],
        )

    def get_archived(self) -> bool:
        """Return True if the task is archived."""
        return ARCHIVED in self.get_system_tags()
