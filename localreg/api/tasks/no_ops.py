"""Methods of ClearML's `Task` that need to do nothing here; each is logged once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from localreg import log, operations
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.values.checks import check_text

DEFAULT_SEED = 1337


class NoOpMethods(TaskHandle):
    """Methods that do little or nothing here; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    @classmethod
    def add_requirements(cls, package_name: str, package_version: str | None = None) -> None:
        """Do nothing: `Task.init` records the installed packages."""
        _log_once("Task.add_requirements")

    @classmethod
    def force_requirements_env_freeze(
        cls, force: bool = True, requirements_file: str | os.PathLike[str] | None = None
    ) -> None:
        """Do nothing: `Task.init` records the installed packages."""
        _log_once("Task.force_requirements_env_freeze")

    @classmethod
    def ignore_requirements(cls, package_name: str) -> None:
        """Do nothing: `Task.init` records the installed packages."""
        _log_once("Task.ignore_requirements")

    def set_base_docker(
        self,
        docker_cmd: str | None = None,
        docker_image: str | None = None,
        docker_arguments: Sequence[str] | str | None = None,
        docker_setup_bash_script: Sequence[str] | str | None = None,
    ) -> None:
        """Do nothing: `localreg task run` starts no container."""
        _log_once("Task.set_base_docker")

    @classmethod
    def set_random_seed(cls, random_seed: int | bool | None = None) -> None:
        """Have the next `Task.init` seed the random generators; see `make_deterministic`.

        Args:
            random_seed: the seed; True for 1337, None and False for none. Without this call
                `Task.init` changes no random generator; ClearML seeds them with 1337.

        Raises:
            InvalidValueError: (a ValueError) it is not a whole number.
        """
        from localreg.plots.options import check_iteration

        if random_seed is None or random_seed is False:
            ambient.set_random_seed(None)
        else:
            seed = DEFAULT_SEED if random_seed is True else check_iteration(random_seed)
            ambient.set_random_seed(seed)

    @classmethod
    def set_credentials(
        cls,
        api_host: str | None = None,
        web_host: str | None = None,
        files_host: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        store_conf_file: bool = False,
    ) -> None:
        """Do nothing: there is no server."""
        _log_once("Task.set_credentials")

    @classmethod
    def running_locally(cls) -> bool:
        """Return True unless this process was started by `localreg task run`."""
        return ambient.task_to_run_again() is None

    def is_main_task(self) -> bool:
        """Return True if it is the current task of this process."""
        return ambient.current_task(self._own_chain()) == self._id

    @classmethod
    def force_store_standalone_script(cls, force: bool = True) -> None:
        """Do nothing: `Task.init` records the script, and its changes against git."""
        _log_once("Task.force_store_standalone_script")

    def register_abort_callback(
        self,
        callback_function: Callable[..., object] | None,
        callback_execution_timeout: float = 30.0,
    ) -> None:
        """Do nothing: only its own process, or a signal, ends a task."""
        _log_once("Task.register_abort_callback")

    def reload(self) -> None:
        """Do nothing: every property reads the registry."""

    def get_reported_single_value(self, name: str) -> float | None:
        """Return a single value by its name, or None when none was reported."""
        found = operations.reports.reading.singles(*self._owned()[1:])
        return found.get(check_text("name", name))

    def get_output_log_web_page(self) -> str:
        """Write the task's page, and return its ``file://`` URL.

        Raises:
            ReadOnlyRegistryError: (an OSError) the registry is open for reading only.
            StorageError: (an OSError) the page cannot be written.
        """
        return operations.reports.pages.write_page(*self._owned()).absolute().as_uri()


def _log_once(what: str) -> None:
    if ambient.first_time(what):
        log.info("%s does nothing in localreg", what)
