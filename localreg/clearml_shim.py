"""Make ``import clearml`` import localreg: `install`, and `uninstall`.

Scripts need no change, whether the real ClearML is installed or not. Tables below list the names
and the modules that scripts import them from. Well-known names that localreg does not support can
be imported, and raise a `NotSupportedError` when they are used. Other names raise an ImportError.
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

# Modules of ClearML, and the modules of localreg that define their names.
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

# Names that localreg does not support, by the modules that scripts import them from.
_ABSENT: dict[str, tuple[str, ...]] = {
    _TOP: ("Dataset", *_PIPELINES, *_HYPER, "browser_login"),
    "clearml.datasets": ("Dataset",),
    "clearml.datasets.dataset": ("Dataset",),
    "clearml.automation": (*_PIPELINES, *_AUTOMATION),
    "clearml.automation.controller": _PIPELINES,
    "clearml.automation.optuna": ("OptimizerOptuna",),
    "clearml.hyperdatasets": _HYPER,
}

# What to do instead of using a name.
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


def install() -> None:
    """Make ``import clearml`` import localreg in this process; later calls do nothing.

    A later `Task.init` records what argparse parses from now on. Objects that were imported from
    the real ClearML before are not changed.

    >>> install()
    >>> from clearml import Task
    >>> Task.__module__
    'localreg.api.tasks.task'
    >>> uninstall()
    """
    if any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    from localreg.api.tasks import argparse_hook

    sys.meta_path.insert(0, _Finder({name: sys.modules.pop(name) for name in _loaded()}))
    argparse_hook.install()


def uninstall() -> None:
    """Undo `install`; objects that were imported since then are not changed."""
    for finder in [each for each in sys.meta_path if isinstance(each, _Finder)]:
        sys.meta_path.remove(finder)
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(finder.replaced)


def _loaded() -> list[str]:
    return [name for name in sys.modules if name == _TOP or name.startswith(f"{_TOP}.")]


class _Finder(MetaPathFinder):
    """Finds the modules of the tables; other modules of `clearml` are an ImportError.

    Attributes:
        replaced: the modules of the real ClearML that were loaded before, by name.
    """

    def __init__(self, replaced: dict[str, ModuleType]) -> None:
        self.replaced = replaced

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _PRESENT:
            # All are packages, so that Python looks here for a missing name as a module, and the
            # ImportError can say what to do.
            return ModuleSpec(fullname, _ShimLoader(), is_package=True)
        if fullname == _TOP or fullname.startswith(f"{_TOP}."):
            raise ImportError(_lacking(fullname), name=fullname)
        return None


class _ShimLoader(Loader):
    """Fills a module with the names of localreg."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        names = [*_PRESENT[name], *_ABSENT.get(name, ())]
        module.__all__ = names  # type: ignore[attr-defined]  # for `from clearml import *`
        module.__getattr__ = _getter(module)  # type: ignore[method-assign]  # PEP 562
        if name in (_TOP, "clearml.version"):
            module.__version__ = VERSION  # type: ignore[attr-defined]
        module.__doc__ = f"`{name}`, provided by localreg."


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
    """The type of names that localreg does not support.

    They are classes, so that annotations and isinstance work; calling them or reading an attribute
    raises.
    """

    def __call__(cls, *_: object, **__: object) -> NoReturn:
        _refuse(_clearml_name(cls))

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):  # Python itself looks it up, and does not need it
            raise AttributeError(name)
        _refuse(f"{_clearml_name(cls)}.{name}")


def _clearml_name(absent: type) -> str:
    """Return the name of a class in ClearML, or of the class that a script derived it from."""
    names = (each.__dict__.get("_clearml_name") for each in absent.__mro__)
    return str(next((name for name in names if name), absent.__name__))


def _refuse(name: str) -> NoReturn:
    raise NotSupportedError(_lacking(name), name=name)


def _lacking(name: str) -> str:
    parts = name.split(".")
    instead = next((_INSTEAD[each] for each in parts if each in _INSTEAD), None)
    return f"localreg does not have {name}; {instead or '`localreg guide clearml` lists its names'}"
