"""Transformers: `save_pretrained`, `from_pretrained`, and what a Trainer saves.

A folder is one model: its files in it are not reported one by one.
"""

from __future__ import annotations

import os

from localreg.integrations.files import argument, files_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "transformers", "PyTorch"
_PYTORCH = "pytorch"  # turns it off, too
_WEIGHTS = (".safetensors", ".bin")


def patch(patches: Patches, module: ModuleType) -> None:
    """Report the models of one module of Transformers, or of PEFT."""
    for name in ("PreTrainedModel", "PeftModel"):
        model = getattr(module, name, None)
        if model is not None and model.__module__ == module.__name__:
            patches.after(model, "save_pretrained", _saved, kind="model")
            position = 1 if name == "PreTrainedModel" else 2
            patches.after(model, "from_pretrained", _loading(position), kind="model")
    for name in ("PreTrainedTokenizerBase", "TokenizersBackend", "ProcessorMixin"):
        # They are saved beside the model, often after it.
        part = getattr(module, name, None)
        own = part is not None and part.__module__ == module.__name__
        if own and "save_pretrained" in vars(part):
            patches.after(part, "save_pretrained", _saved_with_model, kind="model")
    trainer = getattr(module, "Trainer", None)
    if trainer is not None and trainer.__module__ == module.__name__:
        _Checkpoints().patch(patches, trainer)


def _saved(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    if kwargs.get("is_main_process", True):
        _report(recorder, argument(1, "save_directory", args, kwargs), weights=args[0])


def _saved_with_model(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    folder = argument(1, "save_directory", args, kwargs)
    if any(each.endswith(_WEIGHTS) for each in files_in(folder)):
        _report(recorder, folder)


def _report(recorder: Recorder, folder: object, weights: object = None) -> None:
    files = files_in(folder)
    if files and recorder.wants(_PYTORCH, folder):
        recorder.saved_model(LIBRARY, folder, framework=FRAMEWORK, files=files, weights=weights)


def _loading(position: int) -> Any:  # noqa: ANN401
    def note(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        name = "pretrained_model_name_or_path" if position == 1 else "model_id"
        folder = argument(position, name, args, kwargs)
        if isinstance(folder, str | os.PathLike) and recorder.wants(_PYTORCH, folder):
            recorder.loaded_model(LIBRARY, folder, framework=FRAMEWORK, files=files_in(folder))

    return note


class _Checkpoints:
    """The checkpoints of trainers: those that a trainer deletes are removed from the registry."""

    def __init__(self) -> None:
        self._saved: list[str] = []

    def patch(self, patches: Patches, trainer: Any) -> None:  # noqa: ANN401
        patches.after(trainer, "_save_checkpoint", self.saved, kind="model")
        patches.after(trainer, "save_model", _saved_by_trainer, kind="model")
        patches.after(trainer, "train", self.trained, kind="training")

    def saved(
        self,
        recorder: Recorder,
        result: object,
        trainer: Any,  # noqa: ANN401
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        if not trainer.args.should_save or not recorder.wants(_PYTORCH):
            return
        trial = argument(1, "trial", args, kwargs)
        step = trainer.state.global_step
        folder = os.path.join(trainer._get_output_dir(trial=trial), f"checkpoint-{step}")
        self.trained(recorder)
        if os.path.isdir(folder):  # noqa: PTH112
            self._saved.append(folder)
            recorder.saved_model(LIBRARY, folder, framework=FRAMEWORK, weights=trainer.model)

    def trained(self, recorder: Recorder, *_: object, **__: object) -> None:
        for folder in [*self._saved]:
            if not os.path.isdir(folder):  # noqa: PTH112
                self._saved.remove(folder)
                recorder.deleted_model(LIBRARY, folder)


def _saved_by_trainer(
    recorder: Recorder,
    result: object,
    trainer: Any,  # noqa: ANN401
    *args: Any,  # noqa: ANN401
    **kwargs: Any,  # noqa: ANN401
) -> None:
    if trainer.args.should_save:
        folder = argument(0, "output_dir", args, kwargs) or trainer.args.output_dir
        _report(recorder, folder, weights=trainer.model)
