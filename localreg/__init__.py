"""localreg: an ML model registry in a directory.

One SQLite file holds the models, a content-addressed store beside it their weights. The names
are ClearML's: ``from localreg import InputModel`` is the one line to change.

Importing this module imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing would cost time
if TYPE_CHECKING:
    from localreg.api.input_model import InputModel as InputModel
    from localreg.api.logger import Logger as Logger
    from localreg.api.model import Model as Model
    from localreg.api.output_model import OutputModel as OutputModel
    from localreg.api.public_registry import Registry as Registry
    from localreg.api.public_registry import current_registry as current_registry
    from localreg.api.public_registry import use_registry as use_registry
    from localreg.api.storage_manager import StorageManager as StorageManager
    from localreg.api.task import Task as Task
    from localreg.errors import LocalregError as LocalregError
    from localreg.frameworks import Framework as Framework

__version__ = "0.1.0"

_HOMES = {
    "Framework": "localreg.frameworks",
    "InputModel": "localreg.api.input_model",
    "LocalregError": "localreg.errors",
    "Logger": "localreg.api.logger",
    "Model": "localreg.api.model",
    "OutputModel": "localreg.api.output_model",
    "Registry": "localreg.api.public_registry",
    "StorageManager": "localreg.api.storage_manager",
    "Task": "localreg.api.task",
    "current_registry": "localreg.api.public_registry",
    "use_registry": "localreg.api.public_registry",
}

__all__ = [*_HOMES, "__version__"]


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
