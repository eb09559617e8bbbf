"""The finder of modules named `clearml`, and what fills them."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from localreg.clearml_shim.absent import Absent, lacking
from localreg.clearml_shim.names import ABSENT, PRESENT, TOP, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def loaded() -> list[str]:
    """Return the names of the loaded modules of ClearML."""
    return [name for name in sys.modules if name == TOP or name.startswith(f"{TOP}.")]


class Finder(MetaPathFinder):
    """Finds the modules of the tables; other modules of `clearml` are an ImportError.

    Attributes:
        replaced: the modules of the real ClearML that were loaded before, by name.
    """

    def __init__(self, replaced: dict[str, ModuleType]) -> None:
        self.replaced = replaced

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the tables; None for what is not of ClearML."""
        if fullname in PRESENT:
            # All are packages, so that Python looks here for a missing name as a module, and the
            # ImportError can say what to do.
            return ModuleSpec(fullname, _ShimLoader(), is_package=True)
        if fullname == TOP or fullname.startswith(f"{TOP}."):
            raise ImportError(lacking(fullname), name=fullname)
        return None


class _ShimLoader(Loader):
    """Fills a module with the names of localreg."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        names = [*PRESENT[name], *ABSENT.get(name, ())]
        module.__all__ = names  # type: ignore[attr-defined]  # for `from clearml import *`
        module.__getattr__ = _getter(module)  # type: ignore[method-assign]  # PEP 562
        if name in (TOP, "clearml.version"):
            module.__version__ = VERSION  # type: ignore[attr-defined]
        module.__doc__ = f"`{name}`, provided by localreg."


def _getter(module: ModuleType) -> Callable[[str], object]:
    def get(name: str) -> object:
        home = PRESENT[module.__name__].get(name)
        full = f"{module.__name__}.{name}"
        if home is not None:
            place, _, own = home.partition(":")
            value: object = getattr(import_module(place), own or name)
        elif name in ABSENT.get(module.__name__, ()):
            value = Absent(name, (), {"_clearml_name": f"{TOP}.{name}"})
        elif f"{module.__name__}.{name}" in PRESENT:
            value = import_module(full)
        else:
            raise AttributeError(lacking(full), name=name, obj=module)
        setattr(module, name, value)
        return value

    return get
