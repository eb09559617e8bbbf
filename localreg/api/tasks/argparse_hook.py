"""A hook into argparse: records what it parses, and overrides it when a task is run again.

`Task.init`, `Task.connect` and `localreg.run` install it once in a process, as ClearML does. So the
arguments of scripts that only call ``parser.parse_args()`` are recorded, and can be changed for
another run. Arguments count if they are those of the command line: none were given to the parser,
or a list that equals ``sys.argv[1:]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import get_ident

from localreg import log, operations
from localreg.api.tasks import command_line
from localreg.api.tasks.connected_dict import recordable
from localreg.errors import InvalidValueError
from localreg.integrations.command_line import is_whole, refused
from localreg.operations.tasks.parameters import ARGUMENTS, cast_as, is_stored_as
from localreg.values.checks import shown
from localreg.values.metadata import cast
from localreg.values.records import MetadataValue
from localreg.values.secrets import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any

    from localreg.registry import OpenRegistry

_ON_ARGPARSE = {"hydra", "fire", "jsonargparse"}
# What each method returns: the arguments, or a pair of them and the words that are left.
_METHODS = {
    "parse_args": False,
    "parse_known_args": True,
    "parse_intermixed_args": False,
    "parse_known_intermixed_args": True,
}


def install() -> None:
    """Install the hook; later calls do nothing."""
    if hasattr(argparse.ArgumentParser.parse_args, "localreg_original"):
        return
    parsing: set[int] = set()  # threads in which a parser runs: it may call others
    for method, pair in _METHODS.items():
        _hook(method, parsing, pair=pair)


def _hook(method: str, parsing: set[int], *, pair: bool) -> None:
    original = getattr(argparse.ArgumentParser, method)

    def parse(
        self: argparse.ArgumentParser,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401  (argparse's own)
    ) -> Any:  # noqa: ANN401
        words = None if args is None else list(args)
        thread = get_ident()
        if thread in parsing:
            return original(self, words, namespace)
        mine = is_whole(words) and not _is_library(sys._getframe(1))
        parsing.add(thread)
        try:
            found = original(self, words, namespace)
        finally:
            parsing.discard(thread)
        if mine:
            _parsed(self, found[0] if pair else found)
        return found

    parse.localreg_original = original  # type: ignore[attr-defined]  # the mark
    setattr(argparse.ArgumentParser, method, parse)


def _is_library(caller: FrameType) -> bool:
    """Return True if the caller is an installed module that is being imported, or a parser.

    Some modules take options of their own from the command line of every program.
    """
    place = Path(caller.f_code.co_filename)
    return _is_parser(caller) or (
        caller.f_code.co_name == "<module>"
        and caller.f_globals.get("__name__") != "__main__"
        and not {"site-packages", "dist-packages"}.isdisjoint(place.parts)
    )


def _is_parser(caller: FrameType) -> bool:
    """Return True if the caller is a parser that is built on argparse: it reports by itself."""
    return str(caller.f_globals.get("__name__")).partition(".")[0] in _ON_ARGPARSE


def _parsed(parser: argparse.ArgumentParser, found: Any) -> None:  # noqa: ANN401  (a namespace)
    """Handle the arguments of the command line."""
    again = command_line.run_again()
    if again is not None:
        override(*again, parser, found)
    command_line.record(parser, ARGUMENTS, lambda: values_of(found))


def record_before(frame: FrameType | None) -> None:
    """Record what argparse parsed before the hook was installed, if a caller keeps it.

    Args:
        frame: of the innermost caller.
    """
    found = parsed_before(frame)
    if found is not None:
        command_line.record("before", ARGUMENTS, lambda: values_of(found), used=False)


def parsed_before(frame: FrameType | None) -> argparse.Namespace | None:
    """Return what argparse parsed before the hook was installed, if a caller keeps it.

    It is the `argparse.Namespace` among the variables of the innermost caller that has one; None if
    that has several, or if none has one. Callers of the main script are not looked at.

    Args:
        frame: of the innermost caller.
    """
    while frame is not None:
        variables = () if _is_parser(frame) else tuple(frame.f_locals.values())
        found = {id(each): each for each in variables if isinstance(each, argparse.Namespace)}
        if len(found) > 1:
            log.info("arguments parsed before Task.init are not recorded: there are several")
            return None
        if found:
            return next(iter(found.values()))
        is_module = frame.f_code.co_name == "<module>"
        if is_module and frame.f_globals.get("__name__") == "__main__":
            return None
        frame = frame.f_back
    return None


def values_of(found: object) -> dict[str, object]:
    """Return the arguments of a namespace, which may be any object or class, as they are stored."""
    return {
        name: recordable(value)
        for name, value in _attributes(found)
        if not callable(value) and not name.startswith("__")
    }


def _attributes(found: object) -> Iterable[tuple[str, object]]:
    """Return names and values; those of jsonargparse are in namespaces inside a namespace."""
    if isinstance(found, argparse.Namespace) and type(found).__module__.startswith("jsonargparse"):
        whole: Iterable[tuple[str, object]] = found.items()
        return whole
    there: Mapping[str, object] = getattr(found, "__dict__", {})
    return there.items()


def override(
    registry: OpenRegistry, task_id: str, parser: argparse.ArgumentParser, found: object
) -> None:
    """Replace arguments by those of a task, converted as the parser converts them.

    Options that were added for this run, as in ``localreg task run ID -- --lr 0.1``, are kept.

    Raises:
        InvalidValueError: the parser refuses a value.
    """
    there = operations.tasks.parameters.parameters(registry, task_id)
    stored = command_line.stored(ARGUMENTS) or {}
    mine = {key.name: key for key in there if key.section == ARGUMENTS and key.name in stored}
    actions = {action.dest: action for action in _actions(parser, found)}
    known = [name for name in mine if hasattr(found, name) or name in actions]
    added = _added(parser, found)
    for name in known:
        if name not in added:
            _override(found, name, there[mine[name]], actions.get(name))
    operations.tasks.parameters.mark_used(registry, task_id, [mine[name] for name in known])


def _override(
    found: object, name: str, value: MetadataValue, action: argparse.Action | None
) -> None:
    current = getattr(found, name, None)
    if hasattr(found, name) and is_stored_as(recordable(current), value):
        return  # an object need not come back from its text
    new = cast_as(value, current, name=f"{ARGUMENTS}/{name}")
    setattr(found, name, new if action is None else _converted(action, new))


def _actions(parser: argparse.ArgumentParser, found: object) -> Iterator[argparse.Action]:
    """Yield the actions of a parser, and of the subparsers that were chosen."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            chosen = str(getattr(found, action.dest, ""))
            named: Mapping[str, argparse.ArgumentParser] = action.choices
            some = [named[chosen]] if chosen in named else named.values()
            for each in some:
                yield from _actions(each, found)


def _converted(action: argparse.Action, value: object) -> object:
    """Return a value, or each value of a list, as the parser converts it from text."""
    if isinstance(value, str):
        value = _of_text(action, value)
    if isinstance(value, list | tuple):
        return [_convert_one(action, each) for each in value]
    return _convert_one(action, value)


def _of_text(action: argparse.Action, text: str) -> object:
    """Return a text as what its action stores: a flag, a number, a constant, a list or the text."""
    flags = argparse._StoreTrueAction, argparse._StoreFalseAction, argparse.BooleanOptionalAction
    kind = "bool" if isinstance(action, flags) else None
    kind = "int" if isinstance(action, argparse._CountAction) else kind
    if kind is not None:
        found = cast(text, kind)
        if isinstance(found, str):
            raise refused(ARGUMENTS, action.dest, text, TypeError(f"it takes {kind}"))
        return found
    if isinstance(action, argparse._StoreConstAction):
        same = is_stored_as(recordable(action.const), MetadataValue(text, "str"))
        return action.const if same else text
    if isinstance(action, argparse._AppendAction) or action.nargs not in (None, 0, "?"):
        listed = cast(text, "list")
        # Words as on the command line, where "append" takes one at a time.
        one_word = isinstance(action, argparse._AppendAction) and action.nargs in (None, "?")
        return listed if isinstance(listed, list) else [text] if one_word else text.split()
    return text


def _convert_one(action: argparse.Action, value: object) -> object:
    if value is None:
        return None
    new = value
    try:
        if isinstance(value, str) and callable(action.type):
            members = getattr(action.type, "__members__", {})  # of an Enum: its names are recorded
            new = members[value] if value in members else action.type(value)
    except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
        # Without that error: its text may hold a secret.
        raise refused(ARGUMENTS, action.dest, value, error) from None
    if action.choices is not None and new not in action.choices:
        hidden = masked(action.dest, value) if isinstance(value, str) else value
        raise InvalidValueError(
            f"parameter {ARGUMENTS}/{action.dest} of the task is {shown(hidden)}, but the "
            f"script's parser allows only {', '.join(map(str, action.choices))[:200]}",
            argument=action.dest,
        )
    return new


def _added(parser: argparse.ArgumentParser, found: object) -> set[str]:
    """Return the options that `localreg task run` added to the recorded ones."""
    options = {name: each for each in _actions(parser, found) for name in each.option_strings}
    return {
        options[name].dest
        for word in command_line.added()
        for name in _options_of(str(word), options)
    }


def _options_of(word: str, options: Mapping[str, object]) -> list[str]:
    """Return the option that a word of the command line names, also if it is shortened.

    >>> _options_of("--lr=0.1", {"--lr": 0}), _options_of("-b8", {"-b": 0})
    (['--lr'], ['-b'])
    >>> _options_of("--ep", {"--epochs": 0, "--lr": 0}), _options_of("-1", {"-b": 0})
    (['--epochs'], [])
    """
    name = word.partition("=")[0]
    if name in options or not name.startswith("-"):
        return [name] if name in options else []
    if name.startswith("--"):
        longer = [each for each in options if each.startswith(name)]
        return longer if len(longer) == 1 else []
    return [name[:2]] if name[:2] in options else []
