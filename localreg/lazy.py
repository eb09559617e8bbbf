"""Packages whose modules are imported when they are first named, so that programs start faster."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def modules_of(package: str) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package (PEP 562): it imports the module of a name.

    Args:
        package: the package's ``__name__``.

    >>> modules_of("localreg.plots")("tables").__name__
    'localreg.plots.tables'
    """

    def module(name: str) -> object:
        full = f"{package}.{name}"
        try:
            return import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:  # an import inside the module failed
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    return module
