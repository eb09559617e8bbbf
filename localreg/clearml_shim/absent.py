"""Names of ClearML that localreg does not support: they can be imported, and raise when used."""

from __future__ import annotations

from functools import cache

from localreg.clearml_shim import listing
from localreg.clearml_shim.names import INSTEAD, REASONS, TOP
from localreg.errors import NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Absent(type):
    """The type of names that localreg does not support.

    They are classes, so that annotations and isinstance work; calling them or reading an attribute
    raises.
    """

    def __call__(cls, *_: object, **__: object) -> NoReturn:
        """Raise, as no object can be made."""
        _refuse(cls, "")

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):  # Python itself looks it up, and does not need it
            raise AttributeError(name)
        _refuse(cls, f".{name}")


@cache
def absent(module: str, name: str, *, is_error: bool = False) -> type:
    """Return what stands for a name: a class that raises, or an exception that is never raised."""
    top = name in listing.names_of(TOP)
    facts = {"_clearml_name": f"{TOP if top else module}.{name}", "_clearml_module": module}
    return type(name, (Exception,), facts) if is_error else Absent(name, (), facts)


def lacking(name: str, module: str | None = None) -> str:
    """Return the message that names what localreg does not have, and what to do instead.

    Args:
        name: with the module, such as ``clearml.automation.GridSearch.start``.
        module: the module that defines it; as in `name` if None.
    """
    instead = next((INSTEAD[each] for each in name.split(".") if each in INSTEAD), None)
    return f"localreg does not have {name}; {instead or _reason(module or name)}"


def _reason(place: str) -> str:
    while place not in REASONS:
        place = place.rpartition(".")[0]
    return REASONS[place]


def _refuse(used: type, attribute: str) -> NoReturn:
    """Raise, by the name of a class in ClearML, or of the class that a script derived it from."""
    facts = next(each.__dict__ for each in used.__mro__ if "_clearml_name" in each.__dict__)
    name = f"{facts['_clearml_name']}{attribute}"
    raise NotSupportedError(lacking(name, facts["_clearml_module"]), name=name)
