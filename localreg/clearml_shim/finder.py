"""The finder of modules named `clearml`, and what fills them."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

from localreg.clearml_shim import listing
from localreg.clearml_shim.absent import absent, lacking
from localreg.clearml_shim.names import LIBRARIES, PRESENT, TOP, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.abc import Loader
    from importlib.metadata import DistributionFinder

    from localreg.clearml_shim.metadata import ShimDistribution


def loaded() -> list[str]:
    """Return the names of the loaded modules of ClearML."""
    return [name for name in sys.modules if name == TOP or name.startswith(f"{TOP}.")]


class Finder:
    """Finds the modules of ClearML's SDK; other modules of `clearml` are an ImportError.

    It has the methods of `importlib.metadata.DistributionFinder`, whose import would cost time.

    Attributes:
        replaced: the modules of the real ClearML that were loaded before, by name.
    """

    def __init__(self, replaced: dict[str, ModuleType]) -> None:
        self.replaced = replaced

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of ClearML; None for what is not of ClearML."""
        if fullname != TOP and not fullname.startswith(f"{TOP}."):
            return None
        if fullname in PRESENT or listing.is_module(fullname):
            # All are packages, so that Python looks here for a missing name as a module, and the
            # ImportError can say what to do.
            loader: Loader = _ShimLoader()  # type: ignore[assignment]  # it has the methods of one
            return ModuleSpec(fullname, loader, is_package=True)
        raise ImportError(lacking(fullname), name=fullname)

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[ShimDistribution]:
        """Return the distribution `clearml`, unless another one or one of a path is wanted."""
        asked = {} if context is None else vars(context)
        if asked.get("name") in (None, TOP) and "path" not in asked:
            from localreg.clearml_shim.metadata import ShimDistribution

            return [ShimDistribution()]
        return []


class _ShimLoader:
    """Fills a module with the names of localreg."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None: an ordinary module is made."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__getattr__ = _getter(module)  # type: ignore[method-assign]  # PEP 562
        module.__dir__ = lambda: sorted({*vars(module), *_all(name)})  # type: ignore[method-assign]
        if name in (TOP, "clearml.version"):
            module.__version__ = VERSION  # type: ignore[attr-defined]
        module.__doc__ = f"`{name}`, provided by localreg."


def _getter(module: ModuleType) -> Callable[[str], object]:
    own = module.__name__

    def get(name: str) -> object:
        full = f"{own}.{name}"
        if name == "__all__":
            value: object = _all(own)
        elif name.startswith("__"):
            raise AttributeError(lacking(full), name=name, obj=module)
        elif name in PRESENT.get(own, ()) or name in listing.names_of(own):
            value = _value(own, name)
        elif full in PRESENT or listing.is_module(full):
            value = import_module(full)
        elif _library(own) is not None:
            value = _of_library(own, name)
        else:
            raise AttributeError(lacking(full), name=name, obj=module)
        setattr(module, name, value)
        return value

    return get


def _value(module: str, name: str) -> object:
    """Return the value of a name of the tables, from where it is defined."""
    if name in PRESENT.get(module, ()):
        place, _, own = PRESENT[module][name].partition(":")
        return getattr(import_module(place), own or name)
    listed = listing.names_of(module).get(name)
    if listed is not None and listed.home != module:
        return _value(listed.home, name)
    if _library(module) is not None:
        return _of_library(module, name)
    return absent(module, name, is_error=listed is not None and listed.is_error)


def _all(module: str) -> list[str]:
    """Return the names that ``from … import *`` imports."""
    return [*dict.fromkeys([*PRESENT.get(module, ()), *listing.names_of(module)])]


def _library(module: str) -> str | None:
    """Return the name of the library's module that a module of ClearML is a copy of, or None."""
    for copy, original in LIBRARIES.items():
        if module == copy or module.startswith(f"{copy}."):
            return original + module.removeprefix(copy)
    return None


def _of_library(module: str, name: str) -> object:
    try:
        library = import_module(str(_library(module)))
    except ModuleNotFoundError:  # it is not installed
        return absent(module, name)
    if name in listing.names_of(module) and not hasattr(library, name):
        return absent(module, name)  # the copy is of another version
    return getattr(library, name)
