"""Accelerate: the folders that an Accelerator saves; each is one model."""

from __future__ import annotations

from localreg.integrations.files import argument, files_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "accelerate", "PyTorch"
_PYTORCH = "pytorch"  # turns it off, too


def patch(patches: Patches, module: ModuleType) -> None:
    """Report the states and models that accelerators save."""
    accelerator = module.Accelerator
    patches.after(accelerator, "save_state", _saved_state, kind="model")
    patches.after(accelerator, "save_model", _saved_model, kind="model")
    patches.after(accelerator, "load_state", _loaded_state, kind="model")


def _saved_state(recorder: Recorder, folder: object, accelerator: Any, *_: Any, **__: Any) -> None:  # noqa: ANN401
    if accelerator.is_main_process and recorder.wants(_PYTORCH, folder):
        recorder.saved_model(LIBRARY, folder, framework=FRAMEWORK)


def _saved_model(
    recorder: Recorder,
    result: object,
    accelerator: Any,  # noqa: ANN401
    *args: Any,  # noqa: ANN401
    **kwargs: Any,  # noqa: ANN401
) -> None:
    folder = argument(1, "save_directory", args, kwargs)
    if accelerator.is_main_process and recorder.wants(_PYTORCH, folder):
        recorder.saved_model(LIBRARY, folder, framework=FRAMEWORK, files=files_in(folder))


def _loaded_state(
    recorder: Recorder,
    result: object,
    accelerator: object,
    *args: Any,  # noqa: ANN401
    **kwargs: Any,  # noqa: ANN401
) -> None:
    folder = argument(0, "input_dir", args, kwargs)
    if recorder.wants(_PYTORCH, folder):
        recorder.loaded_model(LIBRARY, folder, framework=FRAMEWORK)
