"""Find models and tasks: queries, references, and the registries upstream."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding import queries as queries
    from localreg.operations.finding import references as references
    from localreg.operations.finding import upstream as upstream

_MODULES = frozenset("queries references upstream".split())


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
