"""ONNX: `onnx.save`, `onnx.load`, and the export of PyTorch models."""

from __future__ import annotations

import os

from localreg.integrations.files import argument, loading, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "onnx", "ONNX"


def patch(patches: Patches, module: ModuleType) -> None:
    """Report what onnx saves and loads, or what `torch.onnx.export` writes."""
    if module.__name__ == "torch.onnx":
        patches.after(module, "export", _exported, kind="model", copies=True)
        return
    for name, other in (("save_model", "save"), ("load_model", "load")):
        note = _saved if other == "save" else loading(LIBRARY, FRAMEWORK, keyword="f")
        patches.after(module, name, note, kind="model", also=[(module, other)], copies=True)
        if getattr(module, other, None) is not getattr(module, name, None):
            patches.after(module, other, note, kind="model", copies=True)


def _saved(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    path = path_of(argument(1, "f", args, kwargs))
    if path is None:
        return
    files = []
    if kwargs.get("save_as_external_data") and kwargs.get("location"):
        files = [os.path.basename(path), str(kwargs["location"])]  # noqa: PTH119
    recorder.saved_model(
        LIBRARY, path, framework=FRAMEWORK, files=files, weights=argument(0, "proto", args, kwargs)
    )


def _exported(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    path = path_of(argument(2, "f", args, kwargs))
    if path is None:
        return
    name = os.path.basename(path)  # noqa: PTH119
    data = f"{path}.data"  # where it writes large weights
    files = [name, f"{name}.data"] if os.path.exists(data) else []  # noqa: PTH110
    recorder.saved_model(LIBRARY, path, framework=FRAMEWORK, files=files)
