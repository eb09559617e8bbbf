"""XGBoost: what a booster saves and loads, and the metrics of its evaluation sets."""

from __future__ import annotations

from localreg.integrations.boosting import training_names
from localreg.integrations.files import loading, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "xgboost", "XGBoost"


def patch(patches: Patches, xgboost: ModuleType) -> None:
    """Report models and metrics, also those of its scikit-learn interface."""
    booster = xgboost.Booster
    patches.after(booster, "save_model", saving(LIBRARY, FRAMEWORK, keyword="fname"), kind="model")
    load = loading(LIBRARY, FRAMEWORK, position=1, keyword="fname")
    patches.after(booster, "load_model", load, kind="model")
    begin = training_names()

    def add_callback(
        recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if recorder.wants(LIBRARY):
            own = _callback(xgboost, patches, recorder, begin())
            kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), own]
        return args, kwargs

    patches.changing(
        xgboost.training, "train", add_callback,
        also=[(xgboost, "train"), (xgboost.sklearn, "train")], copies=True,
    )  # fmt: skip


def _callback(
    xgboost: ModuleType, patches: Patches, recorder: Recorder, title_of: Callable[[str], str]
) -> object:
    base: Any = xgboost.callback.TrainingCallback

    class Metrics(base):  # type: ignore[misc]  # XGBoost is not imported here
        """Reports each metric of each evaluation set, once for an iteration."""

        def after_iteration(self, model: object, epoch: int, evals_log: Any) -> bool:  # noqa: ANN401
            patches.quietly("xgboost.train", self.report, epoch, evals_log)
            return False  # the training goes on

        def report(self, epoch: int, evals_log: Any) -> None:  # noqa: ANN401
            for name, metrics in evals_log.items():
                for metric, values in metrics.items():
                    recorder.scalar(title_of(name), metric, float(values[-1]), epoch)

    return Metrics()
