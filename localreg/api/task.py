"""`Task`: one run of a training script, with the models it takes and makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from localreg import operations
from localreg.api import ambient
from localreg.api.input_model import InputModel, connect
from localreg.api.model import Model, handle, open_of
from localreg.api.reported import ReportedMethods
from localreg.api.reporting import ReportMethods
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, ModelNotFoundError
from localreg.registry import OpenRegistry
from localreg.store import model_rows, task_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.logger import Logger
    from localreg.api.public_registry import Registry


class Task(TaskHandle, ReportMethods, ReportedMethods):
    """A task of a registry. `Task.init`, `Task.create` and `Task.get_task` give one.

    >>> task = Task.init(project_name="vision", task_name="train")
    >>> model = task.connect(InputModel.import_model("s3://bucket/base.pt", name="base"))
    >>> task.input_models_id == {"base": model.id}
    True
    >>> task.close()

    Source: ClearML's ``Task``, in the part that models need.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise InvalidValueError(
            "a Task is not made directly; use Task.init, Task.create or Task.get_task",
            argument="Task",
        )

    def _repr_html_(self) -> str:
        from localreg.api.notebook import task_html

        return task_html(self._row())

    @classmethod
    def init(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str = "training",
        tags: Sequence[str] | None = None,
        *,
        registry: Registry | None = None,
    ) -> Task:
        """Start a task and make it the current one.

        A process that runs a task again (``LOCALREG_TASK_ID`` names it) gets that task. One
        that has a current task of the same project and name gets it again.

        Args:
            project_name: made when it is new; None for no project.
            task_name: any name.
            task_type: one of ClearML's, such as "training" or "testing".
            tags: a list of str.
            registry: where to record it; the current registry when None.

        Raises:
            InvalidValueError: an argument cannot be used.
            TaskNotFoundError: ``LOCALREG_TASK_ID`` names no task.
        """
        opened = open_of(registry)
        remote = ambient.remote_task()
        current = remote or ambient.current_task(opened)
        if current is not None:
            task = _task(opened, operations.tracking.find_task(opened, current))
            given = (
                each.strip() if isinstance(each, str) else each
                for each in (task_name, project_name or None)
            )
            same = (task.name, task.get_project_name()) == tuple(given)
            if remote or same:
                ambient.set_task(opened, task.id)
                return task
        task_id = operations.tracking.create_task(
            opened,
            project=project_name,
            name=task_name,
            task_type=task_type,
            tags=tags,
            status="in_progress",
        )
        ambient.set_task(opened, task_id)
        return _task(opened, task_id)

    @classmethod
    def create(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> Task:
        """Record a task without starting it, and without making it the current one.

        Args:
            project_name, task_name, task_type, registry: as for `init`.

        Raises:
            InvalidValueError: an argument cannot be used.
        """
        opened = open_of(registry)
        return _task(
            opened,
            operations.tracking.create_task(
                opened, project=project_name, name=task_name, task_type=task_type
            ),
        )

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> Task:
        """Return a task by its id, or the newest of a name.

        Args:
            task_id: when given, the rest is ignored.
            project_name: exact; None looks in all projects.
            task_name: exact.
            registry: where to look; the current registry when None.

        Raises:
            TaskNotFoundError: there is none.
        """
        opened = open_of(registry)
        return _task(
            opened, operations.tracking.find_task(opened, task_id, project_name, task_name)
        )

    @classmethod
    def current_task(cls) -> Task | None:
        """Return the task that `init` started in this process, or None.

        It counts only while its registry is the current one.
        """
        if not ambient.has_task():  # no registry is made to answer this
            return None
        opened = ambient.current()
        current = ambient.current_task(opened)
        return None if current is None else _task(opened, current)

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def name(self) -> str:
        """The task's name."""
        return self._row().name

    @property
    def project(self) -> str | None:
        """Id of the task's project, None without one."""
        project = self._row().project
        return None if project is None else project.id

    def get_project_name(self) -> str | None:
        """Return the name of the task's project, None without one."""
        project = self._row().project
        return None if project is None else project.name

    @property
    def status(self) -> str:
        """``created``, ``in_progress``, ``completed`` or ``published``."""
        row = self._row()
        return "published" if row.published else row.status

    @property
    def published(self) -> bool:
        """Whether the task is published."""
        return self._row().published

    @property
    def comment(self) -> str | None:
        """The comment of the task, None without one."""
        return self._row().comment

    def set_comment(self, comment: str | None) -> None:
        """Set the comment.

        Raises:
            InvalidValueError: it is no text.
        """
        operations.tracking.set_comment(self._registry, self._id, comment)

    def get_tags(self) -> list[str]:
        """Return the tags, sorted."""
        with self._registry.store.read() as connection:
            return task_rows.tags(connection, self._id)

    def get_logger(self) -> Logger:
        """Return the logger that reports to this task."""
        from localreg.api.logger import Logger

        return Logger(self)

    def publish(self) -> None:
        """Publish the task: the models it made are removed only by force from here on."""
        operations.tracking.set_task(self._registry, self._id, "published", True)

    def close(self) -> None:
        """End the task, write its pages, and stop it from being the current one.

        The pages are those of the task and of what this process reported to; what hinders them is
        told in the log. ``LOCALREG_AUTO_RENDER=0`` leaves them to `report` and `localreg site`.
        """
        operations.reporting.flush(self._registry)
        operations.tracking.end_task(self._registry, self._id, "completed")
        operations.publishing.write_reported(self._registry)
        if ambient.current_task(self._registry) == self._id:
            ambient.set_task(self._registry, None)

    def connect(
        self,
        mutable: InputModel,
        name: str | None = None,
        ignore_remote_overrides: bool = False,
    ) -> InputModel:
        """Make a model an input of the task; see `InputModel.connect`.

        The task's comment tells of it. In this version only input models can be connected.

        Returns:
            The model.

        Raises:
            InvalidValueError: it is no input model.
        """
        if not isinstance(mutable, InputModel):
            raise InvalidValueError(
                f"only an InputModel can be connected, not {type(mutable).__name__}",
                argument="mutable",
            )
        connect(mutable, self, name, ignore_remote_overrides, comment=True)
        return mutable

    def set_input_model(
        self, model_id: str | None = None, model_name: str | None = None, name: str | None = None
    ) -> None:
        """Make a model an input of the task.

        Args:
            model_id: its id.
            model_name: its name, without an id: the one of that name updated last.
            name: of the entry on the task.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        if model_id:
            found = operations.lookup.check_model_id(self._registry, model_id)
        else:
            found = _newest_of(self._registry, model_name)
        operations.tracking.connect_model(self._registry, self._id, found, name)

    def remove_input_models(self, names: Sequence[str]) -> None:
        """Take input models off the task, by the names they have on it."""
        operations.tracking.drop_inputs(self._registry, self._id, names)

    @property
    def input_models_id(self) -> dict[str, str]:
        """Ids of the models the task takes, by their names on it."""
        return self._models("input")

    @property
    def output_models_id(self) -> dict[str, str]:
        """Ids of the models the task made, by their names on it."""
        return self._models("output")

    @property
    def models(self) -> Mapping[str, TaskModels]:
        """The models the task takes (``"input"``) and made (``"output"``).

        Each is a list that also answers to the names that models have on the task. Removed
        models are left out.
        """
        return {
            role: TaskModels(self._registry, self._models(role)) for role in ("input", "output")
        }

    def _models(self, role: str) -> dict[str, str]:
        with self._registry.store.read() as connection:
            return task_rows.models(connection, self._id, role)

    def set_model_label_enumeration(self, enumeration: Mapping[str, int]) -> None:
        """Set the label enumeration that the task's models get.

        Raises:
            InvalidValueError: (a ValueError) it is no ``{label: integer}``.
        """
        if enumeration is None:  # which means "as it is" further down
            raise InvalidValueError(
                "enumeration must be a dict of str to int, not NoneType", argument="enumeration"
            )
        operations.tracking.set_design(self._registry, self._id, labels=enumeration)

    def get_labels_enumeration(self) -> dict[str, int]:
        """Return the label enumeration of the task."""
        with self._registry.store.read() as connection:
            return task_rows.design(connection, self._id)[1]

    def set_model_config(
        self, config_text: str | None = None, config_dict: dict[str, object] | None = None
    ) -> None:
        """Set the model configuration of the task.

        Args:
            config_text: kept byte for byte.
            config_dict: kept as JSON; not both.

        Raises:
            InvalidValueError: (a ValueError) it cannot be kept.
        """
        operations.tracking.set_design(
            self._registry, self._id, config_text=config_text, config_dict=config_dict
        )

    def get_model_config_text(self) -> str:
        """Return the model configuration of the task, "" without one."""
        with self._registry.store.read() as connection:
            return task_rows.design(connection, self._id)[0]

    def get_model_config_dict(self) -> dict[str, object]:
        """Return the model configuration of the task as a dict.

        Raises:
            ConfigTextError: (a ValueError) it cannot be read as one.
        """
        from localreg.config_text import text_to_config

        return text_to_config(self.get_model_config_text())  # type: ignore[return-value]  # a list, when the text is one


class TaskModels(Sequence[Model]):
    """Models of a task, in order; by index, or by the name they have on the task."""

    def __init__(self, registry: OpenRegistry, ids: dict[str, str]) -> None:
        with registry.store.read() as connection:
            self._models = {
                name: handle(Model, registry, model_id)
                for name, model_id in ids.items()
                if model_rows.model_row(connection, model_id) is not None
            }

    def __getitem__(self, key: int | str | slice) -> Model:  # type: ignore[override]  # names too
        if isinstance(key, str):
            if key not in self._models:
                raise ModelNotFoundError(
                    f"the task has no model {key!r}; it has {', '.join(self._models) or 'none'}",
                    reference=key,
                )
            return self._models[key]
        return list(self._models.values())[key]  # type: ignore[return-value]  # a slice: a list

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __repr__(self) -> str:
        return repr(self._models)

    def keys(self) -> list[str]:
        """Return the names that the models have on the task."""
        return list(self._models)


def _task(registry: OpenRegistry, task_id: str) -> Task:
    task = Task.__new__(Task)
    task._registry, task._id = registry, task_id
    return task


def _newest_of(registry: OpenRegistry, name: str | None) -> str:
    if not name:
        raise InvalidValueError("give a model_id or a model_name", argument="model_id")
    found = operations.searching.find_models(
        registry, operations.searching.check_query(name=name, limit=1)
    )
    if not found:
        from localreg.urls import without_secrets

        shown = without_secrets(name)
        raise ModelNotFoundError(f"there is no model named {shown!r}", reference=shown)
    return found[0]
