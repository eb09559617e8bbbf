"""Functions of the C library that Python does not have, where the system has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import _NamedFuncPointer


def c_function(name: str) -> _NamedFuncPointer | None:
    """Return a function of the C library; None if this system has none of this name.

    `ctypes.get_errno` returns the number of its error.
    """
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
    except TypeError:  # Windows has no library without a name
        return None
    return getattr(library, name, None)
