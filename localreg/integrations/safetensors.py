"""safetensors: `save_file` and `load_file` for each library of arrays, and `safe_open`."""

from __future__ import annotations

from localreg.integrations.files import loading, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from localreg.integrations.patches import Patches

_LIBRARY = "safetensors"
# What makes the model, by the last part of the name of the module.
_FRAMEWORKS = {
    "torch": "PyTorch",
    "numpy": "NumPy",
    "tensorflow": "TensorFlow",
    "flax": "Flax",
    "paddle": "PaddlePaddle",
    "mlx": "MLX",
}


def patch(patches: Patches, module: ModuleType) -> None:
    """Report the files that one module of safetensors saves and loads."""
    framework = _FRAMEWORKS[module.__name__.rpartition(".")[2]]
    save = saving(_LIBRARY, framework, keyword="filename")
    load = loading(_LIBRARY, framework, keyword="filename")
    patches.after(module, "save_file", save, kind="model", copies=True)
    patches.after(module, "load_file", load, kind="model", copies=True)
    # Of a whole model, in safetensors.torch.
    patches.after(module, "save_model", save, kind="model", copies=True)
    patches.after(
        module, "load_model", loading(_LIBRARY, framework, position=1, keyword="filename"),
        kind="model", copies=True,
    )  # fmt: skip
