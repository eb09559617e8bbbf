"""Paths in texts: on Linux a name may be any bytes, and Python keeps those that are not UTF-8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from localreg.errors import InvalidValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

_LONGEST = 32_767  # characters; no system opens longer paths


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
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


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


def is_package_path(path: str) -> bool:
    """Return True if a text can be the path of a file in a package, on every system.

    It is relative, with slashes, and does not lead outside.

    >>> is_package_path("a/b c.txt"), is_package_path("../a"), is_package_path("/a")
    (True, False, False)
    """
    return len(path) <= _LONGEST and _unsafe().search(path) is None


def are_package_paths(paths: Sequence[str]) -> bool:
    """Return True if each of some texts can be the path of a file in a package.

    Mostly one look at all of them together is enough, which is faster.
    """
    text = f"/{'/'.join(paths)}/"
    if (
        text.isprintable()
        and "//" not in text and "/./" not in text and "/../" not in text
        and "\\" not in text and ":" not in text
        and len(text) <= _LONGEST
    ):  # fmt: skip
        return True
    return all(map(is_package_path, paths))


@cache
def _unsafe() -> re.Pattern[str]:
    import re  # most programs have no packages

    # An empty name, "." or ".."; characters that some systems refuse; a drive of Windows.
    return re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f\\\ud800-\udfff]|^[A-Za-z]:")
