"""Recording what argparse parses, and giving it what a task that is run again says instead.

`Task.init` and `Task.connect` put it in, once for a process, where ClearML does so too: scripts
that only call ``parser.parse_args()`` are recorded, and can be run again with other arguments.
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
    """Have `parse_args` tell what it parsed from the command line; once is enough.

    `parse_known_args`, which libraries call for purposes of their own, tells of one parser only.

    Args:
        parser: that parser; None for none.
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
    """Set arguments as a task says, each as the type that the parser makes of it.

    Options that were added for this run, ``localreg task run ID -- --lr 0.1``, stay.

    Raises:
        InvalidValueError: the parser refuses what the task says.
    """
    actions = {action.dest: action for action in parser._actions}
    added = _added(parser)
    for name, value in values.items():
        if not hasattr(found, name) or name in added:
            continue
        new = cast_as(value, getattr(found, name))
        if name in actions:
            new = _made(actions[name], new)
        setattr(found, name, new)


def _made(action: argparse.Action, value: object) -> object:
    """Return a value, or each of a list, as the parser makes it of the text on a command line.

    Raises:
        InvalidValueError: the parser refuses it.
    """
    if action.nargs not in (None, 0, "?") and isinstance(value, str):
        value = cast(value, "list")
    if isinstance(value, list | tuple):
        return [_made_one(action, each) for each in value]
    return _made_one(action, value)


def _made_one(action: argparse.Action, value: object) -> object:
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
            f"parameter Args/{action.dest} of the task is {shown(value)}, and the script's parser "
            f"takes {', '.join(map(str, action.choices))[:200]}",
            argument=action.dest,
        )
    return new


def _added(parser: argparse.ArgumentParser) -> set[str]:
    """Return names of the options that `localreg task run` added to the recorded ones."""
    words = getattr(sys.modules.get("__main__"), "localreg_added", ())
    options = parser._option_string_actions
    given = (options.get(str(word).partition("=")[0]) for word in words)
    return {action.dest for action in given if action is not None}
