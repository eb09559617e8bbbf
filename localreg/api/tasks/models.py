"""The part of `Task` for its models, their configuration and labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from localreg import operations
from localreg.api import ambient
from localreg.api.models.model import Model, handle
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, ModelNotFoundError
from localreg.operations.finding.upstream import Found
from localreg.registry import Chain
from localreg.values import dataset_names
from localreg.values.checks import check_flag, is_empty


class ModelMethods(TaskHandle):
    """The input and output models of a task; mixed into `Task`."""

    __slots__ = ()

    def set_input_model(
        self,
        model_id: str | None = None,
        model_name: str | None = None,
        update_task_design: bool = True,
        update_task_labels: bool = True,
        name: str | None = None,
    ) -> None:
        """Make a model an input of the task.

        Args:
            model_id: its id.
            model_name: without an id, the model of this name that was updated last.
            update_task_design, update_task_labels: give the task the configuration and the labels
                of the model, if it has none of its own.
            name: of the model on the task.

        Raises:
            ModelNotFoundError: the model does not exist.
        """
        if not (model_id is None or is_empty(model_id)):
            found = operations.finding.references.find_model(self._own_chain(), model_id).id
        else:
            found = _newest_of(self._own_chain(), model_name)
        operations.tasks.inputs.connect_model(
            self._own_chain(),
            self._id,
            found,
            name,
            config=check_flag("update_task_design", update_task_design),
            labels=check_flag("update_task_labels", update_task_labels),
        )

    def remove_input_models(self, models_to_remove: Sequence[str | Model]) -> None:
        """Remove input models from the task; the models themselves stay.

        Args:
            models_to_remove: models, their ids, or their names on the task. Those that the task
                does not have are ignored.
        """
        given: object = models_to_remove
        if isinstance(given, Iterable) and not isinstance(given, str | bytes):
            given = [each.id if isinstance(each, Model) else each for each in given]
        operations.tasks.inputs.drop_inputs(self._registry, self._id, given)

    @property
    def input_models_id(self) -> dict[str, str]:
        """Ids of the input models, by their names on the task."""
        return self._models("input")

    @property
    def output_models_id(self) -> dict[str, str]:
        """Ids of the output models, by their names on the task."""
        return self._models("output")

    @property
    def models(self) -> ModelsByRole:
        """The models of the task: ``models["input"]`` and ``models["output"]``.

        They are also ``models.input`` and ``models.output``. Each is a list, indexed also by the
        names of the models on the task. Removed models are left out.
        """
        return ModelsByRole(
            (role, TaskModels(self._own_chain(), self._models(role)))
            for role in ("input", "output")
        )

    def get_models(self) -> ModelsByRole:
        """Return the models of the task; see `models`."""
        return self.models

    def update_output_model(
        self,
        model_path: str | os.PathLike[str],
        name: str | None = None,
        comment: str | None = None,
        tags: Sequence[str] | None = None,
        model_name: str | None = None,
        iteration: int | None = None,
        auto_delete_file: bool = False,
    ) -> str:
        """Keep a file or folder as weights of a new output model of the task; return their URL.

        Args:
            model_path: the file or folder.
            name: of the model on the task; "Output Model" when None.
            comment, tags: of the model.
            model_name: its name; the task's name, with `name` after it if that is given, when None.
            iteration: the training step that they are from.
            auto_delete_file: delete the file when its bytes are stored. ClearML's default is True.

        Raises:
            SourceNotFoundError: (an OSError) the file does not exist.

        Source: ``Task.update_output_model`` of the ClearML SDK.
        """
        from localreg.api.models.output_model import OutputModel

        own = operations.tasks.lifecycle.task(self._registry, self._id).name
        model = OutputModel(
            task=self,
            name=(f"{own} - {name}" if name is not None else own)
            if model_name is None
            else model_name,
            tags=tags,
            comment=comment,
        )
        if name is not None:
            model.connect(self, name)
        return model.update_weights(
            model_path, iteration=iteration, auto_delete_file=auto_delete_file
        )

    def _models(self, role: str) -> dict[str, str]:
        found = {
            name: model
            for name, model in operations.tasks.inputs.models(
                self._registry, self._id, role
            ).items()
            if not name.startswith(f"{dataset_names.SECTION}/")
        }
        if role == "input" and ambient.task_to_run_again() == self._id:
            operations.tasks.inputs.mark_used(self._registry, self._id, found)
        return found

    def set_model_label_enumeration(self, enumeration: Mapping[str, int]) -> None:
        """Set the label enumeration that the task's models get.

        Raises:
            InvalidValueError: (a ValueError) it is not ``{label: integer}``.
        """
        if enumeration is None:  # None would mean "keep what is there"
            raise InvalidValueError(
                "enumeration must be a dict of str to int, not NoneType", argument="enumeration"
            )
        operations.tasks.inputs.set_design(self._registry, self._id, labels=enumeration)

    def get_labels_enumeration(self) -> dict[str, int]:
        """Return the label enumeration of the task."""
        return operations.tasks.inputs.design(self._registry, self._id)[1]

    def set_model_config(
        self, config_text: str | None = None, config_dict: dict[str, object] | None = None
    ) -> None:
        """Set the model configuration of the task.

        Args:
            config_text: stored byte for byte.
            config_dict: stored as JSON; give only one of the two.

        Raises:
            InvalidValueError: (a ValueError) it cannot be stored.
        """
        operations.tasks.inputs.set_design(
            self._registry, self._id, config_text=config_text, config_dict=config_dict
        )

    def get_model_config_text(self) -> str:
        """Return the model configuration of the task, "" without one."""
        return operations.tasks.inputs.design(self._registry, self._id)[0]

    def get_model_config_dict(self) -> dict[str, object]:
        """Return the model configuration of the task as a dict.

        Raises:
            ConfigTextError: (a ValueError) the text is not a configuration.
        """
        from localreg.values.config_text import text_to_config

        return text_to_config(self.get_model_config_text())  # type: ignore[return-value]  # a list, when the text is one


class ModelsByRole(dict[str, "TaskModels"]):
    """The models of a task, by "input" and "output"."""

    __slots__ = ()

    @property
    def input(self) -> TaskModels:
        """Its input models."""
        return self["input"]

    @property
    def output(self) -> TaskModels:
        """Its output models."""
        return self["output"]


class TaskModels(Sequence[Model]):
    """Models of a task, by index or by their names on the task."""

    def __init__(self, chain: Chain, ids: dict[str, str]) -> None:
        found = {
            name: operations.finding.upstream.model_row(chain, each) for name, each in ids.items()
        }
        self._models = {
            name: handle(Model, chain, Found(hit[0], hit[1].id))
            for name, hit in found.items()
            if hit is not None
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
        """Return the names of the models on the task."""
        return list(self._models)


def _newest_of(chain: Chain, name: str | None) -> str:
    if name is None or is_empty(name):
        raise InvalidValueError("give a model_id or a model_name", argument="model_id")
    found = operations.finding.upstream.search(
        chain, operations.finding.queries.check_query(name=name, limit=1)
    )
    if not found:
        from localreg.values.urls import without_secrets

        shown = without_secrets(name)
        raise ModelNotFoundError(f"there is no model named {shown!r}", reference=shown)
    return found[0].id
