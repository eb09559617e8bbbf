"""The part of `Task` for names, tags, status and end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from localreg import log, operations
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, LocalregError, RegistryReplacedError
from localreg.values.checks import check_flag, check_text, is_empty
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StateMethods(TaskHandle):
    """Names, tags, status and end of a task; mixed into `Task`."""

    __slots__ = ()

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def name(self) -> str:
        """The task's name. Setting it renames the task."""
        return self._row().name

    @name.setter
    def name(self, name: str) -> None:
        self.set_name(name)

    def set_name(self, name: str) -> None:
        """Rename the task.

        Raises:
            InvalidValueError: `name` is not a name.
        """
        from localreg.values.checks import check_name

        plain = check_name("name", name)
        operations.tasks.lifecycle.set_task(self._registry, self._id, "name", plain)

    def rename(self, new_name: str) -> bool:
        """Rename the task, and return True."""
        self.set_name(new_name)
        return True

    @property
    def project(self) -> str | None:
        """Id of the task's project, None without one."""
        project = self._row().project
        return None if project is None else project.id

    def get_project_name(self) -> str | None:
        """Return the name of the task's project, None without one."""
        project = self._row().project
        return None if project is None else project.name

    def set_project(self, project_id: str | None = None, project_name: str | None = None) -> None:
        """Move the task to a project, by id or by name; a new name makes a project.

        Raises:
            InvalidValueError: `project_name` is not a name.
        """
        name = project_name
        if project_id is not None:
            name = operations.tasks.lifecycle.project_name(self._registry, project_id)
        operations.tasks.lifecycle.move_task(self._registry, self._id, name)

    def move_to_project(
        self,
        new_project_id: str | None = None,
        new_project_name: str | None = None,
        system_tags: Sequence[str] | None = None,
    ) -> bool:
        """Move the task to a project, and return True; see `set_project`."""
        self.set_project(new_project_id, new_project_name)
        return True

    @property
    def task_type(self) -> str:
        """The task's type, such as "training"."""
        return self._row().type

    @property
    def parent(self) -> str | None:
        """Id of the parent task, such as the one it was cloned from, or None. It can be set."""
        return self._row().parent

    @parent.setter
    def parent(self, parent: str | TaskHandle | None) -> None:
        self.set_parent(parent)

    def set_parent(self, parent: str | TaskHandle | None) -> None:
        """Set the parent task; None removes it.

        Raises:
            TaskNotFoundError: the parent does not exist.
        """
        given = parent.id if isinstance(parent, TaskHandle) else parent
        known = not (given is None or is_empty(given))
        found = operations.tasks.search.find_task(self._registry, given) if known else None
        operations.tasks.lifecycle.set_task(self._registry, self._id, "parent", found)

    @property
    def status(self) -> str:
        """The status of the task.

        ``created``, ``in_progress``, ``completed``, ``failed``, ``stopped``, ``published``; or
        ``aborted``, when its process died without reporting an end.
        """
        row = operations.tasks.lifecycle.settled(self._registry, self._id)
        return "published" if row.published else row.status

    def get_status(self) -> str:
        """Return the status of the task; see `status`."""
        return self.status

    @property
    def status_reason(self) -> str | None:
        """Why the task ended, None if no reason was given."""
        return operations.tasks.lifecycle.settled(self._registry, self._id).reason

    def get_status_message(self) -> str | None:
        """Return why the task ended, None if no reason was given."""
        return self.status_reason

    @property
    def published(self) -> bool:
        """True if the task is published."""
        return self._row().published

    @property
    def comment(self) -> str | None:
        """The comment of the task, None without one. It can be set."""
        return self._row().comment

    @comment.setter
    def comment(self, comment: str | None) -> None:
        self.set_comment(comment)

    def set_comment(self, comment: str | None) -> None:
        """Set the comment; None or "" clears it.

        Raises:
            InvalidValueError: `comment` is not a str.
        """
        operations.tasks.lifecycle.set_comment(self._registry, self._id, comment)

    @property
    def tags(self) -> list[str]:
        """The tags, sorted. Set it to replace them; changing the list changes nothing."""
        return self.get_tags()

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        self.set_tags(tags)

    def get_tags(self) -> list[str]:
        """Return the tags, sorted."""
        return operations.tasks.lifecycle.tags(self._registry, self._id)

    def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the tags.

        Raises:
            InvalidValueError: they are not tags.
        """
        operations.tasks.lifecycle.edit_tags(self._registry, self._id, add=tags, only=True)

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Add tags.

        Raises:
            InvalidValueError: they are not tags.
        """
        given = [tags] if isinstance(tags, str) else tags
        operations.tasks.lifecycle.edit_tags(self._registry, self._id, add=given)

    def remove_tags(self, tags: Sequence[str] | str) -> None:
        """Remove tags; tags that the task does not have are ignored.

        Raises:
            InvalidValueError: they are not tags.
        """
        given = [tags] if isinstance(tags, str) else tags
        operations.tasks.lifecycle.edit_tags(self._registry, self._id, drop=given)

    @property
    def output_uri(self) -> str | None:
        """Where its weights are uploaded; None if they stay in the registry. It can be set."""
        return operations.tasks.lifecycle.output_uri(self._registry, self._id)

    @output_uri.setter
    def output_uri(self, uri: str | os.PathLike[str] | None) -> None:
        text = operations.weights.uploading.check_output_uri(uri)
        operations.tasks.lifecycle.set_output_uri(self._registry, self._id, text)

    def get_last_iteration(self) -> int:
        """Return the largest reported iteration, 0 without any."""
        operations.reports.writing.flush(self._registry)
        return operations.tasks.lifecycle.last_iteration(self._registry, self._id)

    def get_script(self) -> dict[str, Any]:
        """Return what is recorded of the script: path, arguments, commit, uncommitted changes.

        "diff" is a patch for `git apply`, with lone surrogates for bytes that are no UTF-8:
        ``diff.encode("utf-8", "surrogateescape")`` restores them. None if it is not known.
        """
        run, place = self._row().run, operations.tasks.lifecycle.place(self._registry, self._id)
        return {
            "entry_point": place.get("script") or run.get("script"),
            "working_dir": place.get("folder"),
            "arguments": place.get("arguments", []),
            "binary": place.get("executable"),
            "repository": run.get("repository"),
            "branch": run.get("branch"),
            "version_num": run.get("commit"),
            "diff": place.get("diff"),
            "python": run.get("python"),
        }

    def get_requirements(self) -> dict[str, str]:
        """Return the versions of the installed packages, by name."""
        return dict(self._row().run.get("packages") or {})

    def set_packages(self, packages: Sequence[str] | str | os.PathLike[str]) -> None:
        """Set the recorded packages.

        Args:
            packages: such as ``["numpy==2.0"]``, or the path of a requirements file.

        Raises:
            InvalidValueError: `packages` is neither.
            SourceNotFoundError: the file does not exist.
        """
        operations.tasks.run_facts.set_packages(self._registry, self._id, packages)

    def execute_remotely(
        self, queue_name: str | None = None, clone: bool = False, exit_process: bool = True
    ) -> None:
        """Log how the task can run elsewhere, and go on here: there are no queues.

        Args:
            queue_name, clone, exit_process: ignored.
        """
        log.warning(
            "there is no queue %sto run in; the task continues here. Any scheduler can run it by "
            "`localreg task run %s`",
            f"{queue_name!r:.60} " if queue_name else "",
            self._id,
        )

    def is_current_task(self) -> bool:
        """Return True if it is the current task of this process."""
        return ambient.current_task(self._own_chain()) == self._id

    def publish(self, ignore_errors: bool = True) -> None:
        """Publish the task; from then on its output models can be removed only with `force`.

        Args:
            ignore_errors: has no effect.
        """
        operations.tasks.lifecycle.set_task(self._registry, self._id, "published", True)

    def mark_started(self, force: bool = False) -> None:
        """Record that this process runs the task."""
        operations.tasks.lifecycle.start_task(
            self._registry, self._id, operations.tasks.run_facts.describe_run()
        )

    def mark_completed(
        self,
        ignore_errors: bool = True,
        status_message: str | None = None,
        force: bool = False,
    ) -> None:
        """Record that the task is completed.

        Args:
            ignore_errors, force: ignored; a task that has ended can be marked again.
            status_message: the reason, for people to read.
        """
        self._mark("completed", status_message)

    def mark_failed(
        self,
        ignore_errors: bool = True,
        status_reason: str | None = None,
        status_message: str | None = None,
        force: bool = False,
    ) -> None:
        """Record that the task failed.

        Args:
            status_reason, status_message: the reason, for people to read.
            ignore_errors, force: as for `mark_completed`.
        """
        reasons = {"status_reason": status_reason, "status_message": status_message}
        given = [check_text(name, each) for name, each in reasons.items() if each is not None]
        self._mark("failed", "\n".join(given) if given else None)

    def mark_stopped(self, force: bool = False, status_message: str | None = None) -> None:
        """Record that the task was stopped."""
        self._mark("stopped", status_message)

    def _mark(self, status: str, reason: str | None) -> None:
        ambient.record_changes(self._registry, self._id)
        operations.tasks.lifecycle.end_task(self._registry, self._id, status, reason, again=True)

    def close(self) -> None:
        """End the task: wait for its uploads, write its pages; it is no longer the current task.

        In a child process that has the task of its parent, and in a rank above 0, it only writes
        what is buffered: the parent or rank 0 ends the task.

        The pages are those of the task and of all models that this process reported to; errors in
        writing them are logged. With ``LOCALREG_AUTO_RENDER=0`` no pages are written here.

        Raises:
            RegistryReplacedError: its registry was removed or replaced while it ran.
        """
        from localreg.api.tasks import recording

        try:
            ambient.record_changes(self._registry, self._id)
            recording.finish(self._id)
            ambient.finish_uploads(self._registry)
            operations.reports.writing.flush(self._registry)
            if not self._runs_elsewhere():
                operations.tasks.lifecycle.end_task(self._registry, self._id, "completed")
                operations.reports.pages.write_reported(self._own_chain(), also=self._id)
        except RegistryReplacedError:  # closing it again would not help
            ambient.drop_task(self._registry, self._id)
            raise
        ambient.drop_task(self._registry, self._id)

    def _runs_elsewhere(self) -> bool:
        """Return True if the parent of this process runs the task, or a lower rank does."""
        if operations.tasks.lifecycle.runs_here(self._registry, self._id):
            return False
        shared = ambient.shared_task() == self._id
        return shared or operations.tasks.ranks.rank_here(self._registry, self._id) is not None

    def delete(
        self,
        delete_artifacts_and_models: bool = True,
        skip_models_used_by_other_tasks: bool = True,
        raise_on_error: bool = False,
        callback: Callable[[str, str], bool] | None = None,
    ) -> bool:
        """Remove the task, its reports and its artifacts.

        Args:
            delete_artifacts_and_models: also remove the models it made.
            skip_models_used_by_other_tasks: keep models that are inputs of other tasks.
            raise_on_error: raise errors, instead of a warning and False.
            callback: ignored.

        Returns:
            True if all of that is removed.

        Raises:
            TaskNotFoundError: it does not exist any more, with `raise_on_error`.
        """
        raising = check_flag("raise_on_error", raise_on_error)
        try:
            gone = operations.tasks.removal.delete_task(
                self._registry,
                self._id,
                models=check_flag("delete_artifacts_and_models", delete_artifacts_and_models),
                spare_used=check_flag(
                    "skip_models_used_by_other_tasks", skip_models_used_by_other_tasks
                ),
            )
        except LocalregError as error:
            if raising:
                raise
            log.warning("the task was not removed: %s", error)
            return False
        ambient.drop_task(self._registry, self._id)
        operations.reports.page_links.delete_page(self._registry, Owner("task", self._id))
        if raising and not gone:
            raise InvalidValueError(
                f"task {self._id} is removed, but not all of its models; the log says why",
                argument="delete_artifacts_and_models",
            )
        return gone
