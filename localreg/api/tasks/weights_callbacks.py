"""`WeightsFileHandler`: functions of the script that change how saved weights are recorded.

ClearML's name for it is ``clearml.binding.frameworks.WeightsFileHandler``. The functions are kept
by `ambient`; `recording` calls them.
"""

from __future__ import annotations

from enum import Enum

from localreg import log
from localreg.api import ambient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from localreg.api.tasks.task import Task

    Callback = Callable[[Any, Any], Any]


class CallbackType(Enum):
    """What happens to the weights; equal to its text."""

    save = "save"
    load = "load"

    def __str__(self) -> str:
        return self.value

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self.value)


class ModelInfo:
    """Weights that are saved or loaded; a callback may change each attribute.

    Attributes:
        model: the OutputModel or InputModel; None before there is one.
        upload_filename: the name to keep them under.
        local_model_path: the absolute path of the file.
        local_model_id: the path; what is saved again under it is the next weights of the same
            model.
        framework: such as "PyTorch", or None.
        task: the task.
        weights_object: what is saved, while the callbacks run; None when weights are loaded.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  (a model of either kind)
        upload_filename: str | None,
        local_model_path: str,
        local_model_id: str,
        framework: str | None,
        task: Task,
    ) -> None:
        self.model = model
        self.upload_filename = upload_filename
        self.local_model_path = local_model_path
        self.local_model_id = local_model_id
        self.framework = framework
        self.task = task
        self.weights_object: object = None


class WeightsFileHandler:
    """Adds functions that are called when a framework saves or loads weights."""

    CallbackType = CallbackType
    ModelInfo = ModelInfo

    @classmethod
    def add_pre_callback(cls, callback_function: Callback) -> int:
        """Have a function called before weights are recorded, and return its handle.

        It gets "save" or "load" and a `ModelInfo`, which it returns; or None, to record nothing.
        """
        return ambient.add_callback("before", callback_function)

    @classmethod
    def add_post_callback(cls, callback_function: Callback) -> int:
        """Have a function called when the model is known, and return its handle.

        It gets "save" or "load" and a `ModelInfo`, which it may change.
        """
        return ambient.add_callback("after", callback_function)

    @classmethod
    def remove_pre_callback(cls, handle: int) -> bool:
        """Remove what `add_pre_callback` added; return True if it was there."""
        return ambient.remove_callback("before", handle)

    @classmethod
    def remove_post_callback(cls, handle: int) -> bool:
        """Remove what `add_post_callback` added; return True if it was there."""
        return ambient.remove_callback("after", handle)

    @staticmethod
    def create_output_model(
        model: object,
        saved_path: str,
        framework: str | None,
        task: Task | None,
        singlefile: bool = False,
        model_name: str | None = None,
        config_obj: Any = None,  # noqa: ANN401  (a dict, or a text)
    ) -> str:
        """Keep a saved file as weights of a task's output model, and return its path.

        Args:
            model, singlefile: ignored.
            saved_path: the file or folder.
            framework: of the model.
            task: whose model; nothing happens with None.
            model_name: the name of the model, after that of the task.
            config_obj: its configuration, as a dict.
        """
        recorder = None if task is None else ambient.recorder_of(task.id)
        if recorder is not None:
            recorder.saved_model(
                "",
                saved_path,
                framework=framework,
                name=model_name,
                config=config_obj if isinstance(config_obj, dict) else None,
            )
        return saved_path

    @staticmethod
    def restore_weights_file(
        model: object, filepath: str, framework: str | None, task: Task | None
    ) -> str:
        """Make the model of a loaded file an input of a task, and return its path.

        Args:
            model: ignored.
            filepath: the file or folder.
            framework: of the model.
            task: whose input; nothing happens with None.
        """
        recorder = None if task is None else ambient.recorder_of(task.id)
        if recorder is not None:
            recorder.loaded_model("", filepath, framework=framework)
        return filepath


def before(action: CallbackType, info: ModelInfo) -> ModelInfo | None:
    """Return what the callbacks make of what is to be recorded; None if one wants it not to be.

    An error in one is logged, and the next one is called, as in ClearML.
    """
    for each in ambient.callbacks("before"):
        changed: list[object] = []
        _call(each, action, info, changed)
        if changed and not isinstance(changed[0], ModelInfo):
            return None
        info = changed[0] if changed else info  # type: ignore[assignment]  # it is a ModelInfo
    return info


def after(action: CallbackType, info: ModelInfo) -> None:
    """Call the callbacks with the model of the weights; they may change it."""
    for each in ambient.callbacks("after"):
        _call(each, action, info, [])


def _call(
    callback: Callback, action: CallbackType, info: ModelInfo, returned: list[object]
) -> None:
    try:
        returned.append(callback(action, info))
    except Exception as error:  # noqa: BLE001  (the script's; what it was for is still recorded)
        log.warning("a callback for weights failed: %s: %s", type(error).__name__, error)
