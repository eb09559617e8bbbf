"""Which module here patches a library, by the module that the script imports."""

from __future__ import annotations

# The module of the library: the modules that patch it, named relative to this package.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "matplotlib.figure": (".matplotlib",),
    "matplotlib.pyplot": (".matplotlib",),
    "matplotlib_inline.backend_inline": (".matplotlib",),
    "accelerate.accelerator": (".accelerate",),
    "catboost": (".catboost",),
    "ignite.handlers.checkpoint": (".ignite",),
    "joblib": (".joblib",),
    "keras": (".keras",),
    "lightgbm": (".lightgbm",),
    "lightning.pytorch": (".lightning",),
    "megengine": (".megengine",),
    "onnx": (".onnx",),
    "peft.peft_model": (".transformers",),
    "pytorch_lightning": (".lightning",),
    "safetensors.flax": (".safetensors",),
    "safetensors.mlx": (".safetensors",),
    "safetensors.numpy": (".safetensors",),
    "safetensors.paddle": (".safetensors",),
    "safetensors.tensorflow": (".safetensors",),
    "safetensors.torch": (".safetensors",),
    "tf_keras": (".keras",),
    "torch": (".torch",),
    "torch.onnx": (".onnx",),
    "transformers.modeling_utils": (".transformers",),
    "transformers.processing_utils": (".transformers",),
    "transformers.tokenization_utils_base": (".transformers",),
    "transformers.tokenization_utils_tokenizers": (".transformers",),
    "transformers.trainer": (".transformers",),
    "xgboost": (".xgboost",),
    "tensorboard.summary.writer.event_file_writer": (".tensorboard",),
    "tensorboardX.event_file_writer": (".tensorboard",),
    "tensorflow.python.ops.gen_summary_ops": (".tensorflow",),
    "tensorflow.python.summary.writer.event_file_writer": (".tensorboard",),
    "click.core": (".click",),
    "typer._click.core": (".click",),  # its own copy of click, in newer versions
    "typer.core": (".click",),
    "fire.core": (".fire",),
    "jsonargparse._core": (".jsonargparse",),
    "absl.flags._flagvalues": (".absl",),
    "hydra._internal.hydra": (".hydra",),
}

# Modules of these that are wanted before a task starts: they parse command lines.
PARSERS: frozenset[str] = frozenset({".click", ".fire", ".hydra", ".jsonargparse", ".absl"})
