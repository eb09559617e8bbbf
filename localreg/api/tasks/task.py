"""`Task`: one run of a script, with its input and output models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.input_model import InputModel, connect
from localreg.api.models.model import Model, open_of
from localreg.api.not_supported import refusing
from localreg.api.reports.report_methods import ReportMethods
from localreg.api.reports.reported_methods import ReportedMethods
from localreg.api.task_handle import TaskHandle
from localreg.api.tasks import beginning
from localreg.api.tasks.artifacts import ArtifactMethods
from localreg.api.tasks.copied_arguments import ArgumentsMethods
from localreg.api.tasks.exported_data import ExportedDataMethods
from localreg.api.tasks.function_tasks import FunctionMethods
from localreg.api.tasks.models import ModelMethods
from localreg.api.tasks.monitoring import MonitoringMethods, check_monitoring
from localreg.api.tasks.no_ops import NoOpMethods
from localreg.api.tasks.older_names import OlderMethods
from localreg.api.tasks.parameters import ParameterMethods
from localreg.api.tasks.progress import ProgressMethods
from localreg.api.tasks.projects import ProjectMethods
from localreg.api.tasks.recording import check_frameworks, check_streams
from localreg.api.tasks.registered_artifacts import RegisteredArtifactMethods
from localreg.api.tasks.reported import ReportedByTaskMethods
from localreg.api.tasks.script_facts import ScriptFactMethods
from localreg.api.tasks.search import SearchMethods
from localreg.api.tasks.sessions import SessionMethods
from localreg.api.tasks.state import StateMethods
from localreg.api.tasks.system_tags import SystemTagMethods
from localreg.api.tasks.user_properties import UserPropertyMethods
from localreg.api.tasks.waiting import WaitingMethods
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import ARGUMENTS, GENERAL, check_parameters
from localreg.values import settings
from localreg.values.checks import check_flag, check_text, is_empty, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.api.registry import Registry
    from localreg.api.tasks.logger import Logger


LOG_LIMIT = 10_000_000  # characters


class TaskTypes(StrEnum):
    """ClearML's types of tasks. Each is the text that `Task.init` takes."""

    training = "training"
    testing = "testing"
    inference = "inference"
    data_processing = "data_processing"
    application = "application"
    monitor = "monitor"
    controller = "controller"
    optimizer = "optimizer"
    service = "service"
    qc = "qc"
    custom = "custom"


@refusing
class Task(
    SearchMethods,
    StateMethods,
    ModelMethods,
    MonitoringMethods,
    ParameterMethods,
    ArtifactMethods,
    SessionMethods,
    ArgumentsMethods,
    ProgressMethods,
    SystemTagMethods,
    ExportedDataMethods,
    FunctionMethods,
    OlderMethods,
    ProjectMethods,
    RegisteredArtifactMethods,
    ReportedByTaskMethods,
    ScriptFactMethods,
    UserPropertyMethods,
    WaitingMethods,
    NoOpMethods,
    ReportMethods,
    ReportedMethods,
):
    """A task of a registry, from `Task.init`, `Task.create` or `Task.get_task`.

    >>> task = Task.init(project_name="vision", task_name="train")
    >>> settings = task.connect({"lr": 0.1})
    >>> settings["lr"] = 0.01
    >>> task.get_parameters()
    {'General/lr': '0.01'}
    >>> model = task.connect(InputModel.import_model("s3://bucket/base.pt", name="base"))
    >>> task.input_models_id == {"base": model.id}
    True
    >>> task.close()
    >>> task.status
    'completed'

    Source: ClearML's ``Task``.
    """

    __slots__ = ()

    TaskTypes = TaskTypes

    def __init__(self) -> None:
        raise InvalidValueError(
            "Task() cannot be called; use Task.init, Task.create or Task.get_task",
            argument="Task",
        )

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import shown_or_why, task_html

        def html() -> str:
            self._row()  # raises if it was removed
            found = operations.finding.upstream.Found(self._registry, self._id)
            (summary,) = operations.tasks.search.summaries(self._chain, [found])
            return task_html(summary)

        return shown_or_why(html)

    @classmethod
    def init(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str = "training",
        tags: Sequence[str] | None = None,
        reuse_last_task_id: bool | str = True,
        continue_last_task: bool | str | int = False,
        output_uri: str | os.PathLike[str] | bool | None = None,
        auto_connect_arg_parser: bool | Mapping[str, bool] = True,
        auto_connect_frameworks: bool | Mapping[str, object] = True,
        auto_resource_monitoring: bool | Mapping[str, object] = True,
        auto_connect_streams: bool | Mapping[str, bool] = True,
        deferred_init: bool = False,
        *,
        registry: Registry | None = None,
    ) -> Task:
        """Start a task and make it the current one.

        It records the script, its arguments and working directory, the git commit and uncommitted
        changes, the version of Python and the packages. When the script raises, the task is
        "failed" with the reason; when it ends, "completed"; when it is killed, "aborted".

        A process that runs a task again (``LOCALREG_TASK_ID`` names it) gets that task. If the
        task that this thread or coroutine began has the same project and name, it is returned. A
        child process gets the task of the process that started it, and all processes of a launcher
        such as torchrun get one task.

        Args:
            project_name: a project, made if it does not exist; None for no project.
            task_name: any name.
            task_type: one of ClearML's, such as "training" or "testing".
            tags: a list of str.
            reuse_last_task_id: the id of a task to continue. True starts a new task; ClearML
                overwrites the last one instead, localreg overwrites nothing.
            continue_last_task: the id of a task to continue, or True for the last one of this
                name, if there is one.
            output_uri: where its weights are uploaded: a folder, or an object store
                (``s3://bucket/…``); None, False and True keep them in the registry.
            auto_connect_arg_parser: record what parsers of command lines parse; a dict says it
                for each argument, ``{"lr": False}`` or ``{"lr": True, "*": False}``.
            auto_connect_frameworks: record what frameworks save, load and log; a dict says it for
                each, ``{"pytorch": "*.pt", "matplotlib": False}``: a bool, a pattern of file
                names or a list of them, or a dict of options.
            auto_connect_streams: record what is printed, line by line, in the log of the task;
                ``{"stdout": False}`` without one of stdout, stderr and logging. Only the first and
                the last lines of a long log are kept (``LOCALREG_LOG_LIMIT``).
            auto_resource_monitoring: report what the task uses of processors, memory, network,
                disks and GPUs, every 30 s, from 30 s on; a dict sets ClearML's options, such as
                ``{"report_frequency_sec": 5}``. The axis has the iterations of the script, or
                seconds if it reports none in the first 180 s.
            deferred_init: ignored: a task begins in a few milliseconds.
            registry: where to record it; the current registry when None.

        Raises:
            InvalidValueError: an argument cannot be used.
            TaskNotFoundError: the task to continue does not exist.

        Source: ``Task.init`` of the ClearML SDK.
        """
        from localreg.api.tasks import command_line, exit_hooks, recording

        ambient.drop_lost_tasks()
        chain = open_of(registry, make=True)
        destination = operations.weights.uploading.check_output_uri(output_uri)
        frameworks = check_frameworks(auto_connect_frameworks)
        wanted = command_line.check_wanted(auto_connect_arg_parser)
        streams = check_streams(auto_connect_streams)
        log_limit = _log_limit()
        operations.models.saved_files.limit()  # an error now, not later in the log
        watched = check_monitoring(auto_resource_monitoring)
        begun = beginning.begin(
            chain,
            project_name,
            task_name,
            kind=task_type,
            tags=tags,
            reuse=reuse_last_task_id,
            again=continue_last_task,
        )
        task = Task._of(chain, chain.first, begun)
        if destination is not None:
            operations.tasks.lifecycle.set_output_uri(chain.first, begun, destination)
        ambient.set_task(chain, task.id)
        exit_hooks.install()
        recording.start(task, frameworks, streams, log_limit, watched, command_line)
        task._follow_arguments(wanted)
        if (seed := ambient.random_seed()) is not None:
            from localreg.api.tasks.random_seed import make_deterministic

            make_deterministic(seed)
        return task

    @classmethod
    def create(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str | None = None,
        repo: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        script: str | os.PathLike[str] | None = None,
        working_directory: str | os.PathLike[str] | None = None,
        packages: bool | str | Sequence[str] | None = None,
        requirements_file: str | os.PathLike[str] | None = None,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        argparse_args: Sequence[tuple[str, str]] | None = None,
        base_task_id: str | None = None,
        add_task_init_call: bool = True,
        force_single_script_file: bool = False,
        binary: str | None = None,
        module: str | None = None,
        detect_repository: bool = True,
        *,
        registry: Registry | None = None,
    ) -> Task:
        """Record a task without starting it; it does not become the current task.

        Args:
            project_name, task_name, task_type, registry: as for `init`.
            repo, branch, commit: what to record of them.
            script: the script that `localreg task run` runs.
            working_directory: where it runs.
            packages: packages to record, such as ``["numpy==2.0"]``; True for those that are
                installed, "" for none.
            requirements_file: the path of a file of packages to record.
            argparse_args: its arguments, as pairs (name, value).
            base_task_id: the id of a task to copy; what else is given replaces its values.
            binary: the interpreter that runs the script.
            module: a module that is run instead of a script, with its arguments.
            docker, docker_args, docker_bash_setup_script: ignored: there are no containers.
            add_task_init_call, force_single_script_file, detect_repository: ignored.

        Raises:
            InvalidValueError: an argument cannot be used.
            TaskNotFoundError: the task to copy does not exist.
            SourceNotFoundError: the file of packages does not exist.

        Source: ``Task.create`` of the ClearML SDK.
        """
        chain = open_of(registry, make=True)
        if docker is not None and ambient.first_time("Task.create docker"):
            log.info("docker=%.60r is ignored by localreg: there are no containers", docker)
        run = operations.tasks.run_facts.planned_run(
            {"repository": repo, "branch": branch, "commit": commit},
            script,
            working_directory,
            packages if requirements_file is None else requirements_file,
            binary=binary,
            module=module,
            copied=base_task_id is not None,
        )
        if base_task_id is None:
            made = operations.tasks.lifecycle.create_task(
                chain.first, project=project_name, name=task_name, task_type=task_type, run=run
            )
        else:
            made = operations.tasks.cloning.clone_task(
                chain.first,
                operations.tasks.search.find_task(chain.first, base_task_id),
                name=task_name,
                project=project_name,
                task_type=task_type,
                run=run,
            )
        task = Task._of(chain, chain.first, made)
        if argparse_args is not None:
            values = check_parameters("argparse_args", _pairs(argparse_args), ARGUMENTS)
            operations.tasks.parameters.set_parameters(chain.first, task.id, values)
        return task

    @classmethod
    def current_task(cls) -> Task | None:
        """Return the current task of the current registry, or None.

        It is the last task that `init` started in this thread or coroutine and that has not ended,
        else that of the thread or coroutine that started this one, else that of the main thread.
        In a child process it is the task of the process that started it, while that task runs.

        Raises:
            RegistryReplacedError: (an OSError) its registry was removed or replaced.
        """
        found = cls._current()
        if found is not None and ambient.recorder_of(found.id) is None:
            found._start_in_child()
        return found

    def _start_in_child(self) -> None:
        """Do what `init` does, if the process that started this one runs the task."""
        if ambient.shared_task() == self._id:
            from localreg.api.tasks import command_line, exit_hooks, recording

            exit_hooks.install()
            recording.start(self, True, check_streams(True), _log_limit(), None, command_line)

    def get_logger(self) -> Logger:
        """Return the logger that reports to this task."""
        from localreg.api.tasks.logger import Logger

        return Logger(self)

    @property
    def logger(self) -> Logger:
        """The logger that reports to this task."""
        return self.get_logger()

    def flush(self, wait_for_uploads: bool = False) -> bool:
        """Write buffered reports to disk, and registered artifacts that have changed.

        Args:
            wait_for_uploads: also wait for uploads of weights.

        Returns:
            True.

        Raises:
            RegistryError: (an OSError) they cannot be written; they stay buffered.
        """
        if check_flag("wait_for_uploads", wait_for_uploads):
            from localreg.api.models.output_model import OutputModel

            OutputModel.wait_for_uploads()
        ambient.record_changes(self._registry, self._id)
        return super().flush()

    def connect(
        self,
        mutable: Any,  # noqa: ANN401  (anything, which is returned)
        name: str | None = None,
        ignore_remote_overrides: bool = False,
    ) -> Any:  # noqa: ANN401
        """Record what a script works with, and return it.

        When the task is run again, the values of the task replace those of the script: what was
        given is changed itself, and dicts inside it stay the same objects.

        Args:
            mutable: an InputModel or OutputModel; a dict, which is returned as one whose changes
                are recorded; an `argparse.ArgumentParser` or `argparse.Namespace`; any other object
                or class, whose public attributes are recorded. A mapping that is not a dict is
                returned itself if it can be changed.
            name: the name of a model on the task; for others the section of the parameters, by
                default "General", or "Args" for arguments.
            ignore_remote_overrides: keep the values of the script when the task is run again.

        Raises:
            InvalidValueError: (a ValueError) it cannot be recorded; or it is frozen, and the task
                has other values.

        Source: ``Task.connect`` of the ClearML SDK.
        """
        ignore = check_flag("ignore_remote_overrides", ignore_remote_overrides)
        if isinstance(mutable, InputModel):
            connect(mutable, self, name, ignore, comment=True)
            return mutable
        from localreg.api.models.output_model import OutputModel

        if isinstance(mutable, OutputModel):
            mutable.connect(self, name)
            return mutable
        if isinstance(mutable, Mapping):
            return self._connect_dict(mutable, _section(name, GENERAL), ignore=ignore)
        import argparse

        if isinstance(mutable, argparse.ArgumentParser):
            self._follow_arguments(True)
            return mutable
        if isinstance(mutable, argparse.Namespace):
            return self._connect_arguments(mutable, _section(name, ARGUMENTS), ignore=ignore)
        if isinstance(mutable, Model):
            raise InvalidValueError(
                f"mutable must be an InputModel, not {type(mutable).__name__}: "
                f"connect InputModel({mutable.id!r})",
                argument="mutable",
            )
        values = isinstance(mutable, Iterable) and not getattr(mutable, "__dict__", None)
        if values or isinstance(mutable, TaskHandle | str | bytes | int | float | None):
            raise InvalidValueError(
                "mutable must be a model, a dict, an argument parser or an object with "
                f"attributes, not {type(mutable).__name__}",
                argument="mutable",
            )
        return self._connect_object(mutable, _section(name, GENERAL), ignore=ignore)

    def _follow_arguments(self, wanted: bool | Mapping[str, bool]) -> None:
        """Record what is parsed from now on, and what was parsed before."""
        from localreg.api.tasks import argparse_hook, command_line

        argparse_hook.install()
        # What a worker process parsed first are the arguments of the library that started it.
        if wanted and not ambient.parsed() and not ambient.is_worker():
            argparse_hook.record_before(sys._getframe(1))
        command_line.follow(self, wanted)


def _log_limit() -> int:
    return settings.whole_number(settings.LOG_LIMIT, LOG_LIMIT)


def _section(name: object, usual: str) -> str:
    """Return the section for connected values; None and "" mean the usual one."""
    return usual if name is None or is_empty(name) else check_text("name", name)


def _pairs(given: object) -> dict[object, object]:
    try:
        return dict(given)  # type: ignore[call-overload,no-any-return]  # it raises where wrong
    except (TypeError, ValueError) as error:
        raise InvalidValueError(
            f"argparse_args must be pairs (name, value), not {shown(given)}",
            argument="argparse_args",
        ) from error
