"""Paths in texts: on Linux a name may be any bytes, and Python keeps those that are not UTF-8."""

from __future__ import annotations

import os

from localreg.errors import InvalidValueError


def printable_path(path: str | os.PathLike[str]) -> str:
    r"""Return a path for a message; bytes that are no text are escaped.

    >>> printable_path("/data/\udcc4\udce3.pt")
    '/data/\\xc4\\xe3.pt'
    """
    return "".join(map(_printable, os.fspath(path)))


def _printable(char: str) -> str:
    code = ord(char)
    if code < 32 or code == 127 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else char


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Return True if the bytes of a path are UTF-8, so that it can be stored as text."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in os.fspath(path))


def check_utf8(argument: str, path: str | os.PathLike[str]) -> None:
    """Raise InvalidValueError if a path cannot be stored as text; it says what to do."""
    if not is_utf8(path):
        raise InvalidValueError(not_utf8(argument, path), argument=argument)


def not_utf8(argument: str, path: str | os.PathLike[str]) -> str:
    """Return the message for a path that cannot be stored as text."""
    return (
        f"{argument} has a name that is not UTF-8: {printable_path(path)}; rename it, or give "
        "another name where the call takes one (filename=, target_filename=, --filename)"
    )
