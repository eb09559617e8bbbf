"""``clearml.binding``: stop a library from reporting by itself, as other libraries ask for it."""

from __future__ import annotations

from localreg.api import ambient


class PatchBaseModelIO:
    """What ClearML replaces of a library; here `localreg.integrations` does it.

    Attributes:
        libraries: their names in `auto_connect_frameworks`.
    """

    libraries: tuple[str, ...] = ()

    @classmethod
    def update_current_task(cls, task: object = None, **_: object) -> None:
        """Stop the library from reporting until the next `Task.init`; with a task, go on.

        Args:
            task: None, or a task; it reports to the current task in any case.
        """
        for each in cls.libraries:
            ambient.silence(each, silent=task is None)


def _patch(name: str, *libraries: str) -> type[PatchBaseModelIO]:
    return type(name, (PatchBaseModelIO,), {"libraries": libraries, "__module__": __name__})


PatchPyTorchModelIO = _patch("PatchPyTorchModelIO", "pytorch")
PatchKerasModelIO = _patch("PatchKerasModelIO", "keras", "tensorflow")
PatchTensorflowModelIO = _patch("PatchTensorflowModelIO", "tensorflow")
PatchTensorflow2ModelIO = _patch("PatchTensorflow2ModelIO", "tensorflow")
PatchModelCheckPointCallback = _patch("PatchModelCheckPointCallback", "keras", "tensorflow")
PatchSummaryToEventTransformer = _patch("PatchSummaryToEventTransformer", "tensorboard")
EventTrainsWriter = _patch("EventTrainsWriter", "tensorboard")
PatchXGBoostModelIO = _patch("PatchXGBoostModelIO", "xgboost")
PatchLIGHTgbmModelIO = _patch("PatchLIGHTgbmModelIO", "lightgbm")
PatchCatBoostModelIO = _patch("PatchCatBoostModelIO", "catboost")
PatchMegEngineModelIO = _patch("PatchMegEngineModelIO", "megengine")
PatchFastai = _patch("PatchFastai", "fastai")
PatchedJoblib = _patch("PatchedJoblib", "joblib", "scikit")
PatchedMatplotlib = _patch("PatchedMatplotlib", "matplotlib")
PatchHydra = _patch("PatchHydra", "hydra")
PatchJsonArgParse = _patch("PatchJsonArgParse", "jsonargparse")
