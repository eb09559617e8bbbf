"""CatBoost: what a model saves and loads, and the metrics of its training."""

from __future__ import annotations

import inspect

from localreg.integrations.boosting import training_names
from localreg.integrations.files import loading, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "catboost", "CatBoost"
_LABEL = "CatBoost.fit"


def patch(patches: Patches, catboost: ModuleType) -> None:
    """Report models and metrics; each kind of model has a `fit` of its own."""
    base = catboost.CatBoost
    patches.after(base, "save_model", saving(LIBRARY, FRAMEWORK, keyword="fname"), kind="model")
    load = loading(LIBRARY, FRAMEWORK, position=1, keyword="fname")
    patches.after(base, "load_model", load, kind="model")
    begin = training_names()
    names = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
    for kind in (getattr(catboost, name) for name in names if hasattr(catboost, name)):
        if "fit" in vars(kind):
            patches.changing(kind, "fit", _adding(patches, inspect.signature(kind.fit), begin))


def _adding(
    patches: Patches, signature: inspect.Signature, begin: Callable[[], Callable[[str], str]]
) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    def add_callback(
        recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = signature.bind(*args, **kwargs)
        # On a GPU it refuses callbacks.
        if not recorder.wants(LIBRARY) or args[0].get_params().get("task_type") == "GPU":
            return args, kwargs
        own = _Metrics(patches, recorder, begin())
        given.arguments["callbacks"] = [*(given.arguments.get("callbacks") or ()), own]
        return given.args, given.kwargs

    return add_callback


class _Metrics:
    """A callback that reports each metric that was computed."""

    def __init__(
        self, patches: Patches, recorder: Recorder, title_of: Callable[[str], str]
    ) -> None:
        self._patches, self._recorder, self._title_of = patches, recorder, title_of
        self._reported: dict[tuple[str, str], int] = {}

    def after_iteration(self, info: Any) -> bool:  # noqa: ANN401
        """Report; return True: the training goes on."""
        self._patches.quietly(_LABEL, self._report, info)
        return True

    def _report(self, info: Any) -> None:  # noqa: ANN401
        for name, metrics in (info.metrics or {}).items():
            for metric, values in metrics.items():
                # It is not computed in each iteration if a period was set.
                if len(values) > self._reported.get((name, metric), 0):
                    self._reported[name, metric] = len(values)
                    title = self._title_of(name)
                    self._recorder.scalar(title, metric, float(values[-1]), info.iteration)
