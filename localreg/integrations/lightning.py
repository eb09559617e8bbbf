"""Lightning: the checkpoints of a Trainer, and those that ModelCheckpoint deletes."""

from __future__ import annotations

from localreg.integrations.files import loading
from localreg.integrations.torch import FRAMEWORK, LIBRARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder


def patch(patches: Patches, lightning: ModuleType) -> None:
    """Report checkpoints, by the process of rank zero."""
    patches.after(lightning.Trainer, "save_checkpoint", _saved, kind="model")
    patches.after(lightning.callbacks.ModelCheckpoint, "_remove_checkpoint", _removed)
    load = loading(LIBRARY, FRAMEWORK, position=1, keyword="checkpoint_path")
    patches.after(lightning.LightningModule, "load_from_checkpoint", load, kind="model")
    # For trainer.fit(ckpt_path=…).
    patches.after(lightning.strategies.Strategy, "load_checkpoint", load, kind="model")


def _saved(
    recorder: Recorder,
    result: object,
    trainer: Any,  # noqa: ANN401
    filepath: object,
    *_: object,
    **__: object,
) -> None:
    if trainer.is_global_zero:
        recorder.saved_model(LIBRARY, filepath, framework=FRAMEWORK, weights=trainer.model)


def _removed(
    recorder: Recorder,
    result: object,
    callback: object,
    trainer: Any,  # noqa: ANN401
    filepath: object,
) -> None:
    if trainer.is_global_zero:
        recorder.deleted_model(LIBRARY, filepath)
