"""The part of `Task` with other names of what it has, which older scripts use."""

from __future__ import annotations

import os
from pathlib import Path

from localreg import operations
from localreg.api import ambient
from localreg.api.models.model import open_of
from localreg.api.task_handle import TaskHandle
from localreg.api.tasks.no_ops import DEFAULT_SEED
from localreg.errors import InvalidValueError, LocalregError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import check_path
from localreg.filesystem.plain_files import read_text, replacing_plain
from localreg.values import settings
from localreg.values.checks import check_flag, check_text, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Self

    from localreg.api.registry import Registry


class OlderMethods(TaskHandle):
    """Other names, and what little is needed of ClearML's inner parts; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    DeleteError = LocalregError
    NotSet = object()  # stands for an argument that is not given

    def started(self, ignore_errors: bool = True, force: bool = False) -> None:
        """Record that this process runs the task; see `mark_started`."""
        operations.tasks.lifecycle.start_task(
            self._registry, self._id, operations.tasks.run_facts.describe_run()
        )

    def completed(self, ignore_errors: bool = True) -> None:
        """Record that the task is completed; see `mark_completed`."""
        operations.tasks.lifecycle.end_task(self._registry, self._id, "completed", again=True)

    def stopped(
        self,
        ignore_errors: bool = True,
        force: bool = False,
        status_reason: str | None = None,
        status_message: str | None = None,
    ) -> None:
        """Record that the task was stopped; see `mark_stopped`."""
        given = {"status_reason": status_reason, "status_message": status_message}
        reasons = [check_text(name, each) for name, each in given.items() if each is not None]
        operations.tasks.lifecycle.end_task(
            self._registry, self._id, "stopped", "\n".join(reasons) or None, again=True
        )

    @classmethod
    def get_by_name(cls, task_name: str, *, registry: Registry | None = None) -> Self:
        """Return the task of this name that changed last.

        Raises:
            TaskNotFoundError: there is none.
        """
        chain = open_of(registry)
        hit = operations.tasks.search.look_up_task(chain, None, None, task_name)
        return cls._of(chain, hit.registry, hit.id)

    @classmethod
    def get_task_output_log_web_page(
        cls,
        task_id: str,
        project_id: str | None = None,
        app_server_host: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> str:
        """Write the page of a task, and return its ``file://`` URL.

        Args:
            task_id: the task.
            project_id, app_server_host: ignored.
            registry: where it is; the current registry when None.
        """
        chain = open_of(registry)
        hit = operations.tasks.search.look_up_task(chain, task_id)
        task = cls._of(chain, hit.registry, hit.id)
        return operations.reports.pages.write_page(*task._owned()).absolute().as_uri()

    @classmethod
    def normalize_id(cls, id: str) -> str:  # noqa: A002  (ClearML's name)
        """Return an id without blanks around it."""
        return check_text("id", id).strip()

    @classmethod
    def resolve_id(cls, obj: object) -> str:
        """Return the id of a task or model, or the id itself."""
        found = getattr(obj, "id", obj)
        if not isinstance(found, str):
            raise InvalidValueError(
                f"obj must be an id, or have one, not {shown(obj)}", argument="obj"
            )
        return found

    @property
    def log(self) -> logging.Logger:
        """The logger "clearml" of `logging`."""
        import logging

        return logging.getLogger("clearml")

    @property
    def cache_dir(self) -> Path:
        """A folder for files of the task that may be lost; it need not exist."""
        from platformdirs import user_cache_path

        return user_cache_path("localreg", appauthor=False) / self._id

    @property
    def last_worker(self) -> str | None:
        """The host and process that runs the task or ran it last, None if it has not started."""
        found = operations.tasks.lifecycle.place(self._registry, self._id).get("process")
        return None if found is None else str(found)

    @property
    def report_subprocess_enabled(self) -> bool:
        """True: child processes report to the task."""
        return True

    @property
    def storage_uri(self) -> str | None:
        """Where its weights are uploaded; see `output_uri`. It can be set."""
        return operations.tasks.lifecycle.output_uri(self._registry, self._id)

    @storage_uri.setter
    def storage_uri(self, uri: str | os.PathLike[str] | None) -> None:
        text = operations.weights.uploading.check_output_uri(uri)
        operations.tasks.lifecycle.set_output_uri(self._registry, self._id, text)

    def get_output_destination(self, extra_path: str | None = None, **kwargs: object) -> str | None:
        """Return where its weights are uploaded, None if they stay in the registry.

        Args:
            extra_path: a folder in it.
            kwargs: ignored.
        """
        uri = operations.tasks.lifecycle.output_uri(self._registry, self._id)
        below = "" if extra_path is None else check_text("extra_path", extra_path)
        return f"{uri.rstrip('/')}/{below.lstrip('/')}" if uri and below else uri

    def get_configuration_objects(self) -> dict[str, str]:
        """Return the configurations as texts, by name."""
        return operations.tasks.parameters.configurations(self._registry, self._id)

    # the models' configuration and labels --------------------------------------------------

    def get_model_design(self) -> str:
        """Return the model configuration of the task, "" without one."""
        return operations.tasks.inputs.design(self._registry, self._id)[0]

    def update_model_desc(self, new_model_desc_file: str | os.PathLike[str] | None = None) -> None:
        """Set the model configuration of the task to the text of a file.

        Raises:
            SourceNotFoundError: (an OSError) the file does not exist.
        """
        path = check_path("new_model_desc_file", new_model_desc_file)
        if not path.is_file():
            raise SourceNotFoundError(f"there is no file {path}", reference=str(path))
        with disk_errors("reading a configuration", path):
            text = read_text(path, "new_model_desc_file")
        operations.tasks.inputs.set_design(self._registry, self._id, config_text=text)

    def save_exec_model_design_file(
        self, filename: str | os.PathLike[str] = "model_design.txt", use_cache: bool = False
    ) -> str:
        """Write the model configuration of the task to a file, and return its path.

        Args:
            filename: the file, which is replaced.
            use_cache: write it into `cache_dir`.
        """
        path = check_path("filename", filename)
        if check_flag("use_cache", use_cache):
            path = self.cache_dir / path.name
        with disk_errors("writing a configuration", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing_plain(path, "filename") as temporary:
                temporary.write_text(self.get_model_design(), encoding="utf-8")
        return str(path)

    def get_num_of_classes(self) -> int:
        """Return the number of labels above 0 in the task's label enumeration."""
        labels = operations.tasks.inputs.design(self._registry, self._id)[1]
        return len({number for number in labels.values() if number > 0})

    def get_label_num_description(self) -> dict[int, str]:
        """Return the labels of the task by their numbers; those of one number are joined."""
        labels = operations.tasks.inputs.design(self._registry, self._id)[1]
        found: dict[int, str] = {}
        for name, number in labels.items():
            found[number] = f"{found[number]},{name}" if number in found else name
        return found

    # what has one value here ---------------------------------------------------------------

    def get_initial_iteration(self) -> int:
        """Return what is added to the iterations that this process reports."""
        return operations.reports.writing.initial_iteration(*self._owned()[1:])

    def set_initial_iteration(self, offset: int = 0) -> int:
        """Add a number to the iterations that this process reports from now on, and return it.

        For a script that goes on from a checkpoint and counts from 0 again.

        Raises:
            InvalidValueError: (a ValueError) it is not a whole number.
        """
        _, registry, owner = self._owned()
        return operations.reports.writing.set_initial_iteration(registry, owner, offset)

    def get_random_seed(self) -> int:
        """Return the seed that `set_random_seed` set, 1337 before."""
        found = ambient.random_seed()
        return DEFAULT_SEED if found is None else found

    def get_base_docker(self) -> None:
        """Return None: `localreg task run` starts no container."""

    def get_executed_queue(self, return_name: bool = False) -> None:
        """Return None: there are no queues."""

    def publish_on_completion(self, enable: bool = True) -> None:
        """Have the task published when it is completed.

        Args:
            enable: False to take that back.
        """
        operations.tasks.lifecycle.set_publish_on_completion(
            self._registry, self._id, check_flag("enable", enable)
        )

    @property
    def resource_monitor(self) -> None:
        """None: what `Task.init` measures needs no object."""

    @classmethod
    def debug_simulate_remote_task(cls, task_id: str, reset_task: bool = False) -> None:
        """Let this process run a task again, as `localreg task run` does; before `Task.init`.

        Args:
            task_id: the task; its parameters count from now on, not those of the script.
            reset_task: ignored: what the task has reported is kept.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        if ambient.task_to_run_again() is None:
            hit = operations.tasks.search.look_up_task(open_of(None), task_id)
            os.environ[settings.TASK_ID] = hit.id
