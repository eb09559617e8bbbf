"""joblib: `dump` and `load`, as scikit-learn's documentation has models saved."""

from __future__ import annotations

from localreg.integrations.files import path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY = "joblib"
SCIKIT = "scikit"  # it turns joblib off, too
_FRAMEWORKS = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "catboost": "CatBoost"}


def patch(patches: Patches, joblib: ModuleType) -> None:
    """Report what the script dumps and loads; what joblib keeps for its own use is no model."""
    patches.after(joblib, "dump", _dumped, kind="model", copies=True)
    patches.after(joblib, "load", _loaded, kind="model", copies=True)


def _dumped(
    recorder: Recorder, result: object, value: object, filename: object = None, *_: object,
    **__: object,
) -> None:  # fmt: skip
    path = path_of(filename)
    if recorder.wants(SCIKIT, path):
        recorder.saved_model(LIBRARY, path, framework=framework_of(value), weights=value)


def _loaded(
    recorder: Recorder, value: object, filename: object = None, *_: object, **__: object
) -> None:
    path = path_of(filename)
    if recorder.wants(SCIKIT, path):
        recorder.loaded_model(LIBRARY, path, framework=framework_of(value))


def framework_of(value: object) -> str:
    """Return the framework of a model, by the module of its class."""
    return _FRAMEWORKS.get(type(value).__module__.partition(".")[0], "ScikitLearn")
