"""A hook into argparse: records what it parses, and overrides it when a task is run again.

`Task.init` and `Task.connect` install it once in a process, as ClearML does. So the arguments of
scripts that only call ``parser.parse_args()`` are recorded, and can be changed for another run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from localreg.api import ambient
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import cast_as
from localreg.values.checks import shown
from localreg.values.metadata import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from localreg.values.records import MetadataValue

    Parsed = tuple[argparse.ArgumentParser, argparse.Namespace]
    Listener = Callable[[argparse.ArgumentParser, argparse.Namespace], None]


def install(parser: argparse.ArgumentParser | None = None) -> None:
    """Install the hook into `parse_args`; later calls do nothing.

    Libraries call `parse_known_args` for their own purposes, so it is observed only for `parser`.

    Args:
        parser: a parser whose `parse_known_args` is observed, too; None for no such parser.
    """
    if parser is not None:
        parser.localreg_connected = True  # type: ignore[attr-defined]  # the mark
    if not hasattr(argparse.ArgumentParser.parse_args, "localreg_original"):
        _hook("parse_args", lambda found: found, always=True)
        _hook("parse_known_args", lambda found: found[0], always=False)


def _hook(method: str, arguments: Callable[[Any], object], *, always: bool) -> None:
    original = getattr(argparse.ArgumentParser, method)

    def parse(
        self: argparse.ArgumentParser,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401  (argparse's own)
    ) -> Any:  # noqa: ANN401
        found = original(self, args, namespace)
        parsed = arguments(found)
        mine = args is None and (always or hasattr(self, "localreg_connected"))
        if mine and isinstance(parsed, argparse.Namespace):
            ambient.set_parsed(self, parsed)
        return found

    parse.localreg_original = original  # type: ignore[attr-defined]  # the mark
    setattr(argparse.ArgumentParser, method, parse)


def override(
    parser: argparse.ArgumentParser,
    found: argparse.Namespace,
    values: dict[str, MetadataValue],
) -> None:
    """Replace arguments by the values of a task, converted as the parser converts them.

    Options that were added for this run, as in ``localreg task run ID -- --lr 0.1``, are kept.

    Raises:
        InvalidValueError: the parser refuses a value.
    """
    actions = {action.dest: action for action in parser._actions}
    added = _added(parser)
    for name, value in values.items():
        if not hasattr(found, name) or name in added:
            continue
        new = cast_as(value, getattr(found, name))
        if name in actions:
            new = _converted(actions[name], new)
        setattr(found, name, new)


def _converted(action: argparse.Action, value: object) -> object:
    """Return a value, or each value of a list, as the parser converts it from text."""
    if action.nargs not in (None, 0, "?") and isinstance(value, str):
        value = cast(value, "list")
    if isinstance(value, list | tuple):
        return [_convert_one(action, each) for each in value]
    return _convert_one(action, value)


def _convert_one(action: argparse.Action, value: object) -> object:
    new = value
    try:
        if isinstance(value, str) and callable(action.type):
            new = action.type(value)
    except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
        raise InvalidValueError(
            f"parameter Args/{action.dest} of the task is {shown(value)}, which the script's "
            f"parser refuses: {error}",
            argument=action.dest,
        ) from error
    if action.choices is not None and new not in action.choices:
        raise InvalidValueError(
            f"parameter Args/{action.dest} of the task is {shown(value)}, but the script's parser "
            f"allows only {', '.join(map(str, action.choices))[:200]}",
            argument=action.dest,
        )
    return new


def _added(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options that `localreg task run` added to the recorded ones."""
    words = getattr(sys.modules.get("__main__"), "localreg_added", ())
    options = parser._option_string_actions
    given = (options.get(str(word).partition("=")[0]) for word in words)
    return {action.dest for action in given if action is not None}
