"""LightGBM: what a booster saves and loads, its parameters, and the metrics of its data sets."""

from __future__ import annotations

from localreg.integrations.files import argument, path_of, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

LIBRARY, FRAMEWORK = "lightgbm", "LightGBM"
_SECTION = "General"


def patch(patches: Patches, lightgbm: ModuleType) -> None:
    """Report models, parameters and metrics, also those of its scikit-learn interface."""
    booster = lightgbm.Booster
    save = saving(LIBRARY, FRAMEWORK, keyword="filename")
    patches.after(booster, "save_model", save, kind="model")
    patches.after(booster, "__init__", _made, kind="model")

    def change(
        recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not recorder.wants(LIBRARY):
            return args, kwargs

        def metrics(env: Any) -> None:  # noqa: ANN401
            patches.quietly("lightgbm.train", _report, recorder, env)

        kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), metrics]
        params = _parameters(recorder, argument(0, "params", args, kwargs))
        if args:
            return (params, *args[1:]), kwargs
        return args, kwargs | {"params": params}

    patches.changing(
        lightgbm.engine, "train", change,
        also=[(lightgbm, "train"), (lightgbm.sklearn, "train")], copies=True,
    )  # fmt: skip


def _made(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
    path = path_of(argument(3, "model_file", args, kwargs))
    if path is not None:
        recorder.loaded_model(LIBRARY, path, framework=FRAMEWORK)


def _report(recorder: Recorder, env: Any) -> None:  # noqa: ANN401
    for name, metric, value, *_ in env.evaluation_result_list or ():
        recorder.scalar(name, metric, float(value), env.iteration)


def _parameters(recorder: Recorder, given: Any) -> Any:  # noqa: ANN401
    """Record the parameters of a training, and return those to use.

    Functions, such as an objective, are no parameters of a task.
    """
    if not isinstance(given, dict):
        return given
    plain = {
        name: sorted(value) if isinstance(value, set) else value
        for name, value in given.items()
        if value is None or isinstance(value, str | int | float | list | tuple | set)
    }
    used = recorder.parameters(_SECTION, plain)
    return given | used if recorder.is_run_again() else given
