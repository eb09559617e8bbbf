"""Names of ClearML that localreg does not support: they can be imported, and raise when used."""

from __future__ import annotations

from localreg.clearml_shim.names import INSTEAD
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
    raise NotSupportedError(lacking(name), name=name)


def lacking(name: str) -> str:
    """Return the message that names what localreg does not have, and what to do instead."""
    parts = name.split(".")
    instead = next((INSTEAD[each] for each in parts if each in INSTEAD), None)
    return f"localreg does not have {name}; {instead or '`localreg guide clearml` lists its names'}"
