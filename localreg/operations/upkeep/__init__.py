"""Upkeep: verify, repair, collect, copy home, measure, and share a registry."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.upkeep import adopt as adopt
    from localreg.operations.upkeep import cache as cache
    from localreg.operations.upkeep import doctor as doctor
    from localreg.operations.upkeep import du as du
    from localreg.operations.upkeep import gc as gc
    from localreg.operations.upkeep import repair as repair
    from localreg.operations.upkeep import sharing as sharing
    from localreg.operations.upkeep import verify as verify

_MODULES = frozenset("adopt cache doctor du gc repair sharing verify".split())


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
