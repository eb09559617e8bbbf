"""jsonargparse, on which LightningCLI is built.

Parameters are ``Args/model.init_args.hidden``, with the command in front, ``Args/fit.trainer.…``,
and ``Args/subcommand`` is its name, as in ClearML. When a task is run again, the values of the task
go through ``parse_object`` of the same parser: it converts them, computes linked arguments, and
checks all. Values that come from files of ``--config`` are parameters as well.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from localreg.integrations.command_line import ARGUMENTS, Stored, is_plain, is_whole, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches


def patch(patches: Patches, module: ModuleType) -> None:
    """Patch `jsonargparse._core`."""
    owner: Any = module
    patches.around(owner.ArgumentParser, "parse_args", _Watch(patches).parse)


class _Watch:
    """What is called instead of ``ArgumentParser.parse_args``."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._inside = threading.local()

    def parse(
        self,
        original: Callable[..., Any],
        parser: Any,  # noqa: ANN401
        args: Sequence[str] | None = None,
        *rest: Any,  # noqa: ANN401
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Do what it does, with the values of the task."""
        words = None if args is None else list(args)
        if getattr(self._inside, "is_parsing", False) or not is_whole(words):
            return original(parser, words, *rest, **named)
        line = self._patches.command_line
        self._inside.is_parsing = True  # parsers of commands are called by this one
        try:
            found = original(parser, words, *rest, **named)
            stored = line.stored(ARGUMENTS)
            if stored is not None:
                kept = set()
                added = list(line.added())
                if added:
                    shorter = sys.argv[1 : len(sys.argv) - len(added)]
                    before = _before(original, parser, shorter, *rest, **named)
                    kept = _added(added, found, before)
                found = self._overridden(parser, found, stored, kept)
        finally:
            self._inside.is_parsing = False
        self._patches.quietly(
            "the arguments", lambda: line.record(__name__, ARGUMENTS, dict(_values(found)))
        )
        return found

    def _overridden(
        self,
        parser: Any,  # noqa: ANN401
        found: Any,  # noqa: ANN401
        stored: Mapping[str, Stored],
        kept: set[str],
    ) -> Any:  # noqa: ANN401
        """Return what was parsed with the values of the task."""
        given = dict(_values(found))
        files = set(_files(parser, ""))
        for name in files & stored.keys():
            if stored[name].asked and self._differs(given, name, stored[name]):
                how = f"give a file after --, as in `localreg task run ID -- --{name} FILE`"
                raise refused(ARGUMENTS, name, stored[name].text, ValueError(how))
        changed = [
            name
            for name, each in stored.items()
            if name not in kept | files
            and name != "subcommand"
            and self._differs(given, name, each)
        ]
        changed.sort(key=lambda name: not name.endswith("class_path"))  # it has other arguments
        for name in changed:
            if name in found or "init_args" in name:
                found = _with(parser, found, name, stored[name])
        return found

    def _differs(self, given: Mapping[str, object], name: str, stored: Stored) -> bool:
        if stored.is_none():
            return False
        if name not in given or not is_plain(given[name]):
            return stored.asked
        return not self._patches.command_line.is_stored_as(given[name], stored)


def _files(parser: Any, before: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the names of the options that take files of values."""
    for each in parser._actions:
        if type(each).__name__ == "ActionConfigFile":
            yield before + each.dest
        for name, command in getattr(each, "_name_parser_map", {}).items():
            yield from _files(command, f"{before}{name}.")


def _values(found: Any) -> Iterator[tuple[str, object]]:  # noqa: ANN401
    """Yield the values of a namespace by their whole names."""
    for name, value in found.items():
        if isinstance(value, list) and any(hasattr(each, "as_dict") for each in value):
            yield name, [each.as_dict() if hasattr(each, "as_dict") else each for each in value]
        else:
            yield name, value


def _with(parser: Any, found: Any, name: str, stored: Stored) -> Any:  # noqa: ANN401
    """Return a namespace with one value of the task.

    Raises:
        InvalidValueError: the parser refuses it.
    """
    new = type(found)()
    before, within, _ = name.rpartition(".init_args.")
    while within:  # arguments of a class are read for that class
        if f"{before}.class_path" in found:
            new[f"{before}.class_path"] = found[f"{before}.class_path"]
        before, within, _ = before.rpartition(".init_args.")
    new[name] = stored.text
    exits, parser.exit_on_error = parser.exit_on_error, False
    try:
        return parser.parse_object(new, found)
    except (argparse.ArgumentError, TypeError, ValueError, KeyError) as error:
        # Without that error: its text may hold a secret.
        raise refused(ARGUMENTS, name, stored.text, error, str(error)[:300]) from None
    finally:
        parser.exit_on_error = exits


def _before(original: Callable[..., Any], parser: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
    """Return what is parsed without the words that were added; None if they are needed."""
    exits, parser.exit_on_error = parser.exit_on_error, False
    try:
        return original(parser, *rest, **named)
    except (argparse.ArgumentError, TypeError, ValueError, KeyError):
        return None
    finally:
        parser.exit_on_error = exits


def _added(words: Sequence[str], found: Any, before: Any) -> set[str]:  # noqa: ANN401
    """Return the names of what added words set, by an option or by a file."""
    options = [word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")]
    names = [name for name, _ in found.items()]
    there = {} if before is None else dict(before.items())
    return {
        name
        for name in names
        if any(name == each or name.endswith(f".{each}") for each in options)
        or (before is not None and there.get(name) != found[name])
    }
