"""The part of `Model` that is its life: publishing, the archive, its history and relatives."""

from __future__ import annotations

from localreg import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.models.stored_model import Subject
    from localreg.operations.models.history import HistoryEntry
    from localreg.operations.models.lineage import Family


class LifeMethods:
    """Publishing, archiving, history and lineage; mixed into `Model`."""

    __slots__ = ()

    _subject: Subject

    def publish(self) -> None:
        """Publish the model: weights, configuration and labels are fixed from here on.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        stored = self._subject.stored()
        operations.models.edits.publish(stored.registry, stored.id)

    def archive(self) -> None:
        """Archive the model: queries pass it over unless they are told not to.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        stored = self._subject.stored()
        operations.models.edits.set_archived(stored.registry, stored.id, True)

    def unarchive(self) -> None:
        """Take the model out of the archive.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        stored = self._subject.stored()
        operations.models.edits.set_archived(stored.registry, stored.id, False)

    def history(self, limit: int | None = None) -> list[HistoryEntry]:
        """Return every change of the model, newest first.

        Args:
            limit: at most so many.
        """
        stored = self._subject.stored()
        return operations.models.history.history(stored.registry, stored.id, limit)

    def lineage(self) -> Family:
        """Return the model's relatives; printed, they are a tree.

        They are its parent and children, the task that made it and what that took, the tasks that
        take it and what they made, and its other versions; at most a dozen of each kind.

        Raises:
            ModelNotFoundError: the model is gone.

        >>> base = InputModel.import_model("s3://bucket/base.pt", name="base")
        >>> task = Task.create(task_name="train")
        >>> base.connect(task, name="backbone")
        >>> base.lineage()
        base:1  ...
        └─ taken as 'backbone' by task train  ...
        """
        stored = self._subject.stored()
        return operations.models.lineage.lineage(stored.registry, stored.id)
