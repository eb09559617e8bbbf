"""localreg: an ML model registry in a directory.

One SQLite file holds the models, a content-addressed store beside it their weights. The names
are ClearML's: ``from localreg import InputModel`` is the one line to change.

Importing this module imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing would cost time
if TYPE_CHECKING:
    from localreg.api.datasets.dataset import Dataset as Dataset
    from localreg.api.models.input_model import InputModel as InputModel
    from localreg.api.models.model import Model as Model
    from localreg.api.models.output_model import OutputModel as OutputModel
    from localreg.api.registry import Registry as Registry
    from localreg.api.registry import current_registry as current_registry
    from localreg.api.registry import use_registry as use_registry
    from localreg.api.storage_manager import StorageManager as StorageManager
    from localreg.api.tasks.logger import Logger as Logger
    from localreg.api.tasks.task import Task as Task
    from localreg.errors import LocalregError as LocalregError
    from localreg.values.frameworks import Framework as Framework
    from localreg.values.version import __version__ as __version__

_HOMES = {
    "Dataset": "localreg.api.datasets.dataset",
    "Framework": "localreg.values.frameworks",
    "InputModel": "localreg.api.models.input_model",
    "LocalregError": "localreg.errors",
    "Logger": "localreg.api.tasks.logger",
    "Model": "localreg.api.models.model",
    "OutputModel": "localreg.api.models.output_model",
    "Registry": "localreg.api.registry",
    "StorageManager": "localreg.api.storage_manager",
    "Task": "localreg.api.tasks.task",
    "current_registry": "localreg.api.registry",
    "use_registry": "localreg.api.registry",
    "__version__": "localreg.values.version",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
