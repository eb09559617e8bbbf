"""Keras, also as a part of TensorFlow: models and weights that are saved and loaded."""

from __future__ import annotations

import json
import sys

from localreg.integrations.files import argument, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "keras", "Keras"
TENSORFLOW = "tensorflow"  # the name of ClearML for both


def patch(patches: Patches, keras: ModuleType) -> None:
    """Report what the functions do that all methods of models call, in each place they have."""
    name = keras.__name__
    module = sys.modules.get(f"{name}.src.saving.saving_api")
    if module is None:  # a version before 2.13
        return
    for function, note in (
        ("save_model", _saved),
        ("save_weights", _saved),
        ("load_model", _loaded),
        ("load_weights", _loaded_weights),
    ):
        original = getattr(module, function, None)
        own = [
            (each, function)
            for path, each in [*sys.modules.items()]
            if path.partition(".")[0] == name and vars(each).get(function) is original
        ]
        patches.after(module, function, note, kind="model", also=own, copies=True)


def _saved(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    path = path_of(argument(1, "filepath", args, kwargs))
    if recorder.wants(TENSORFLOW, path):
        model = argument(0, "model", args, kwargs)
        recorder.saved_model(
            LIBRARY, path, framework=FRAMEWORK, config=_config(model), weights=model
        )


def _config(model: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """Return how a model is built, None if it does not say so."""
    try:
        found = json.loads(model.to_json())
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def _loaded(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    _report_loaded(recorder, argument(0, "filepath", args, kwargs))


def _loaded_weights(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    _report_loaded(recorder, argument(1, "filepath", args, kwargs))


def _report_loaded(recorder: Recorder, file: object) -> None:
    path = path_of(file)
    if recorder.wants(TENSORFLOW, path):
        recorder.loaded_model(LIBRARY, path, framework=FRAMEWORK)
