"""Paths that a user gives: checked, and made absolute."""

from __future__ import annotations

import os
from contextlib import suppress

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, shown
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def check_path(argument: str, value: object) -> Path:
    """Return a path that a user gave; it may hold bytes that are no text.

    Raises:
        InvalidValueError: it is not a str or `os.PathLike`, empty, or holds a NUL character.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidValueError(
            f"{argument} must be a str or os.PathLike, not {type(value).__name__}: {shown(value)}",
            argument=argument,
        )
    text = os.fspath(value)
    if not isinstance(text, str):
        raise InvalidValueError(f"{argument} must be a str, not bytes", argument=argument)
    if not text.strip():
        raise InvalidValueError(f"{argument} must not be empty", argument=argument)
    if "\0" in text:
        raise InvalidValueError(
            f"{argument} holds a NUL character: {text[:80]!r}", argument=argument
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"{argument} holds a lone surrogate, which is not text: {printable_path(text[:80])}",
            argument=argument,
        ) from None
    from pathlib import Path

    return Path(text)


def absolute_text(argument: str, text: str) -> str:
    """Return what `absolute` makes of a path whose "~" is replaced, as text.

    Mostly it is found without pathlib, whose import takes a third of the time until a program has
    its first result.

    Raises:
        InvalidValueError: it is relative, and the working directory was deleted.
        RuntimeError: it begins with "~", and there is no home, or no such user.
    """
    if os.sep == "/" and not text.startswith(("~", "//")):
        with suppress(FileNotFoundError):  # the working directory was deleted
            whole = os.path.join(os.getcwd(), text)
            if whole == os.path.normpath(whole):  # else pathlib may keep "..", after a link
                return whole
    from pathlib import Path

    return str(absolute(argument, Path(text).expanduser()))


def absolute(argument: str, path: Path) -> Path:
    """Return the absolute form of a path that a user gave.

    Raises:
        InvalidValueError: it is relative, and the working directory was deleted.
    """
    try:
        return path.absolute()
    except FileNotFoundError as error:
        raise InvalidValueError(
            f"{argument} is the relative path {printable_path(path)!r}, and the working directory "
            "was deleted; give an absolute path",
            argument=argument,
        ) from error


def output_path(argument: str, value: object) -> Path:
    """Return the absolute path of what is to be written, as a user gave it; it is text.

    Raises:
        InvalidValueError: it cannot be used.
    """
    path = check_path(argument, value)
    check_text(argument, str(path))
    return absolute(argument, path)
