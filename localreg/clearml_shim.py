"""``import clearml`` as localreg: `install` puts it in, `uninstall` takes it out.

Scripts stay as they are, whether the real ClearML is installed or not. The names, and the modules
that scripts import them from, are tables below. What ClearML has and localreg has not is there by
name where scripts import it at their head, and raises `NotSupportedError` once it is used; all
else raises an ImportError that names it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from localreg.errors import NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

VERSION = "2.1.12"  # of the ClearML SDK whose signatures are kept
_TOP = "clearml"
_MODEL_NAMES = ("InputModel", "OutputModel", "Model", "Framework")

# Modules of ClearML, and where the names in them are at home.
_PRESENT: dict[str, dict[str, str]] = {
    _TOP: {
        "Task": "localreg",
        "TaskTypes": "localreg.api.tasks.task",
        "InputModel": "localreg",
        "OutputModel": "localreg",
        "Model": "localreg",
        "Logger": "localreg",
        "StorageManager": "localreg",
        "UsageError": "localreg.errors:InvalidValueError",
    },
    "clearml.task": {"Task": "localreg", "TaskTypes": "localreg.api.tasks.task"},
    "clearml.model": dict.fromkeys(_MODEL_NAMES, "localreg"),
    "clearml.logger": {"Logger": "localreg"},
    "clearml.storage": {"StorageManager": "localreg"},
    "clearml.storage.manager": {"StorageManager": "localreg"},
    "clearml.errors": {"UsageError": "localreg.errors:InvalidValueError"},
    "clearml.version": {},
    "clearml.utilities": {},
    "clearml.utilities.plotly_reporter": {"SeriesInfo": "localreg.plots.line_series"},
    "clearml.datasets": {},
    "clearml.datasets.dataset": {},
    "clearml.automation": {},
    "clearml.automation.controller": {},
    "clearml.automation.optuna": {},
    "clearml.hyperdatasets": {},
}

_PIPELINES = ("PipelineController", "PipelineDecorator")
_HYPER = (
    "HyperDataset", "HyperDatasetManagement", "HyperDatasetQuery", "DataView", "DataEntry",
    "DataEntryImage", "DataSubEntry", "DataSubEntryImage",
)  # fmt: skip
_AUTOMATION = (
    "ClearmlJob", "DiscreteParameterRange", "GridSearch", "HyperParameterOptimizer",
    "LogUniformParameterRange", "Objective", "ParameterSet", "RandomSearch", "TaskScheduler",
    "TriggerScheduler", "UniformIntegerParameterRange", "UniformParameterRange",
)  # fmt: skip

# What localreg does not have, by the modules that scripts import it from.
_ABSENT: dict[str, tuple[str, ...]] = {
    _TOP: ("Dataset", *_PIPELINES, *_HYPER, "browser_login"),
    "clearml.datasets": ("Dataset",),
    "clearml.datasets.dataset": ("Dataset",),
    "clearml.automation": (*_PIPELINES, *_AUTOMATION),
    "clearml.automation.controller": _PIPELINES,
    "clearml.automation.optuna": ("OptimizerOptuna",),
    "clearml.hyperdatasets": _HYPER,
}

# What to do instead, where there is something.
_INSTEAD = {
    "Dataset": "keep files as artifacts (Task.upload_artifact), or as the weights of a model",
    "PipelineController": "run the steps from a script, or `localreg task run` from a scheduler",
    "PipelineDecorator": "call the functions from a script",
    "HyperParameterOptimizer": "`localreg task clone ID --set-param NAME=VALUE`, then "
    "`localreg task run`, from any optimizer",
    "TaskScheduler": "`localreg task run` from cron, or any scheduler",
    "ClearmlJob": "`localreg task clone` and `localreg task run`",
    "browser_login": "leave it out: there is no server to log in to",
}

_aside: dict[str, ModuleType] = {}  # the real ClearML's modules, while localreg stands for it


def install() -> None:
    """Make ``import clearml`` localreg, in this process from here on; twice is fine.

    What argparse parses from here on is recorded by a `Task.init` that comes later. What was
    imported from the real ClearML before stays what it is.

    >>> install()
    >>> from clearml import Task
    >>> Task.__module__
    'localreg.api.tasks.task'
    >>> uninstall()
    """
    if any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    from localreg.api.tasks import argparse_hook

    for name in _loaded():
        _aside[name] = sys.modules.pop(name)
    sys.meta_path.insert(0, _Finder())
    argparse_hook.install()


def uninstall() -> None:
    """Make ``import clearml`` what it was before `install`; what was imported stays."""
    kept = [each for each in sys.meta_path if not isinstance(each, _Finder)]
    if len(kept) == len(sys.meta_path):
        return
    sys.meta_path[:] = kept
    for name in _loaded():
        del sys.modules[name]
    sys.modules.update(_aside)
    _aside.clear()


def _loaded() -> list[str]:
    return [name for name in sys.modules if name == _TOP or name.startswith(f"{_TOP}.")]


class _Finder(MetaPathFinder):
    """Finds the modules of the tables, and says of all others below `clearml` what they lack."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _PRESENT:
            # A package, each of them: a name that it lacks is then asked for here, as a module,
            # and is refused with a text that says more than Python's own.
            return ModuleSpec(fullname, _ShimLoader(), is_package=True)
        if fullname == _TOP or fullname.startswith(f"{_TOP}."):
            raise ImportError(_lacking(fullname), name=fullname)
        return None


class _ShimLoader(Loader):
    """Fills a module with what localreg has under its names."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        names = [*_PRESENT[name], *_ABSENT.get(name, ())]
        module.__all__ = names  # type: ignore[attr-defined]  # for `from clearml import *`
        module.__getattr__ = _getter(module)  # type: ignore[method-assign]  # PEP 562
        if name in (_TOP, "clearml.version"):
            module.__version__ = VERSION  # type: ignore[attr-defined]
        module.__doc__ = f"`{name}`, as localreg has it."


def _getter(module: ModuleType) -> Callable[[str], object]:
    def get(name: str) -> object:
        home = _PRESENT[module.__name__].get(name)
        full = f"{module.__name__}.{name}"
        if home is not None:
            place, _, own = home.partition(":")
            value: object = getattr(import_module(place), own or name)
        elif name in _ABSENT.get(module.__name__, ()):
            value = _Absent(name, (), {"_clearml_name": f"{_TOP}.{name}"})
        elif f"{module.__name__}.{name}" in _PRESENT:
            value = import_module(full)
        else:
            raise AttributeError(_lacking(full), name=name, obj=module)
        setattr(module, name, value)
        return value

    return get


class _Absent(type):
    """The type of what localreg does not have: a class, so that annotations and isinstance work.

    Making one of it, or asking it for anything, raises.
    """

    def __call__(cls, *_: object, **__: object) -> NoReturn:
        _refuse(_clearml_name(cls))

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):  # Python itself asks, and can do without
            raise AttributeError(name)
        _refuse(f"{_clearml_name(cls)}.{name}")


def _clearml_name(absent: type) -> str:
    """Return the name that ClearML has for a class, or for what a script derived one from."""
    names = (each.__dict__.get("_clearml_name") for each in absent.__mro__)
    return str(next((name for name in names if name), absent.__name__))


def _refuse(name: str) -> NoReturn:
    raise NotSupportedError(_lacking(name), name=name)


def _lacking(name: str) -> str:
    parts = name.split(".")
    instead = next((_INSTEAD[each] for each in parts if each in _INSTEAD), None)
    told = f"; {instead}" if instead else "; `localreg guide clearml` lists what it has"
    return f"localreg does not have {name}{told}"
