"""`CommandLine`: what a parser of command lines may ask and report; and what parsers share."""

from __future__ import annotations

import os
import sys
from enum import Enum

from localreg.errors import InvalidValueError
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.metadata import cast
from localreg.values.secrets import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import FrameType
    from typing import Protocol
else:
    Protocol = object

ARGUMENTS = "Args"


class Stored(Frozen):
    """A parameter of the task that this process runs again.

    Attributes:
        text: its value.
        type: of the value, by name.
        asked: True if it was set for this run; else an earlier run has recorded it.
    """

    text: str
    type: str
    asked: bool

    def is_none(self) -> bool:
        """Return True if it is None."""
        return not self.text and self.type == "NoneType"

    def words(self) -> list[object] | None:
        """Return its items if it is a list, None if it is not.

        >>> Stored("[1, 2]", "list", True).words(), Stored("ab", "str", True).words()
        ([1, 2], None)
        """
        found = cast(self.text, "list")
        return found if isinstance(found, list) else None


class CommandLine(Protocol):
    """Records what is parsed on the current task, or on the one that `Task.init` starts later."""

    def stored(self, section: str) -> Mapping[str, Stored] | None:
        """Return parameters of the task that this process runs again, None if it runs none.

        Raises:
            LocalregError: the task cannot be read.
        """

    def stored_configuration(self, name: str) -> Stored | None:
        """Return a configuration of the task that this process runs again, or None."""

    def is_stored_as(self, value: object, stored: Stored) -> bool:
        """Return True if a value has the text that is stored."""

    def added(self) -> Sequence[str]:
        """Return what `localreg task run` added to the recorded command line."""

    def record(
        self,
        key: object,
        section: str,
        values: Mapping[str, object] | Callable[[], Mapping[str, object]],
        *,
        library: str = "",
        used: bool = True,
    ) -> None:
        """Record parameters, now and, if no task has begun, when one begins.

        Args:
            key: what is recorded with the same key later replaces them.
            section: such as "Args".
            values: by name; those that cannot be stored become text. Or what returns them.
            library: its name in `auto_connect_frameworks`, if that says what is recorded; by
                default `auto_connect_arg_parser` does.
            used: False if they were parsed before the parser was patched: then those of a task
                that is run again were not used.
        """

    def record_configuration(
        self, name: str, text: str, *, library: str, used: bool = True
    ) -> None:
        """Record a configuration, as `record` does it."""

    def job(self) -> AbstractContextManager[Callable[[BaseException | None], None]]:
        """Run a part of the script; what is entered ends the tasks that began in it.

        It is called with the error that ended this part, or None.
        """


def is_whole(words: Sequence[str] | None) -> bool:
    """Return True if words that a parser gets are the command line of this process.

    Args:
        words: None means the command line to all parsers.
    """
    return words is None or list(words) == sys.argv[1:]


def is_plain(value: object) -> bool:
    """Return True if the text of a value says what it is: it is no object of a class.

    >>> is_plain([1, "a", None]), is_plain(object())
    (True, False)
    """
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    return isinstance(value, str | int | float | None | os.PathLike) and not isinstance(value, Enum)


def is_called_by(names: Sequence[str], frame: FrameType | None, depth: int) -> bool:
    """Return True if one of some modules, or of their submodules, calls.

    Args:
        names: of the modules.
        frame: of the caller.
        depth: how many callers are looked at.
    """
    for _ in range(depth):
        if frame is None:
            return False
        module = str(frame.f_globals.get("__name__"))
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return True
        frame = frame.f_back
    return False


def refused(
    section: str, name: str, value: object, error: Exception, text: str | None = None
) -> InvalidValueError:
    """Return the error for a parameter of the task that the script's parser refuses.

    Args:
        section, name: of the parameter.
        value: its value, which is not shown if the name says that it is a secret.
        error: of the parser.
        text: what it says; the text of the error if None.
    """
    hidden = masked(name, value) if isinstance(value, str) else value
    reason = type(error).__name__ if hidden != value else text or str(error)
    return InvalidValueError(
        f"parameter {section}/{name} of the task is {shown(hidden)}, which the script's parser "
        f"refuses: {reason}",
        argument=name,
    )
