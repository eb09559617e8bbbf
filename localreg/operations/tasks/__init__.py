"""Tasks: what runs, its state, parameters, models, artifacts and copies."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.tasks import artifacts as artifacts
    from localreg.operations.tasks import cloning as cloning
    from localreg.operations.tasks import dataframes as dataframes
    from localreg.operations.tasks import details as details
    from localreg.operations.tasks import inputs as inputs
    from localreg.operations.tasks import lifecycle as lifecycle
    from localreg.operations.tasks import parameters as parameters
    from localreg.operations.tasks import removal as removal
    from localreg.operations.tasks import rerunning as rerunning
    from localreg.operations.tasks import run_facts as run_facts
    from localreg.operations.tasks import search as search

_MODULES = frozenset(
    "artifacts cloning dataframes details inputs lifecycle parameters removal rerunning "
    "run_facts search".split()
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
