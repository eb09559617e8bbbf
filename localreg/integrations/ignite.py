"""Ignite: the checkpoints of a DiskSaver, which writes them under a random name first."""

from __future__ import annotations

from localreg.integrations.torch import FRAMEWORK, LIBRARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder


def patch(patches: Patches, module: ModuleType) -> None:
    """Report what a saver saves, and what it deletes since it keeps only some."""
    patches.after(module.DiskSaver, "__call__", _saved, kind="model")
    patches.after(module.DiskSaver, "remove", _removed)


def _saved(
    recorder: Recorder,
    result: object,
    saver: Any,  # noqa: ANN401
    checkpoint: object,
    filename: str,
    *_: object,
    **__: object,
) -> None:
    recorder.saved_model(LIBRARY, saver.dirname / filename, framework=FRAMEWORK, weights=checkpoint)


def _removed(recorder: Recorder, result: object, saver: Any, filename: str) -> None:  # noqa: ANN401
    recorder.deleted_model(LIBRARY, saver.dirname / filename)
