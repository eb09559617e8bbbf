"""click, and typer, which is built on it or on a copy of it.

Parameters of a program that is one command are ``Args/lr``; those of a group and its commands are
``Args/command/lr``, and ``Args/command`` is True for a command that runs, as in ClearML. When a
task is run again, click gets the values of the task as if they were given on the command line: it
converts, checks and refuses them itself.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

from localreg.integrations.command_line import (
    ARGUMENTS,
    CommandLine,
    Stored,
    is_called_by,
    is_plain,
    is_whole,
    refused,
)
from localreg.values.metadata import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches

# These start commands of their own, not that of the script.
_OTHERS = ("click.testing", "typer.testing", "localreg.cli")
_META = __name__  # where the command line is kept: all contexts of a program share their `meta`


def patch(patches: Patches, module: ModuleType) -> None:
    """Patch `click.core`, typer's copy of it, or `typer.core`; record a command that runs."""
    watch = _Watch(patches, module)
    for name, method, act in (
        ("Command", "parse_args", watch.parse),
        ("Parameter", "handle_parse_result", watch.process),
        ("Group", "parse_args", watch.choose),
        ("TyperGroup", "parse_args", watch.choose),
    ):
        owner = getattr(module, name, None)
        if owner is not None:
            patches.around(owner, method, act)
    patches.quietly("the command that runs", watch.record_running)


class _Watch:
    """What is called instead of the methods of a module."""

    def __init__(self, patches: Patches, module: ModuleType) -> None:
        self._patches = patches
        self._module: Any = module

    def parse(self, original: Callable[..., Any], command: Any, context: Any, args: Any) -> Any:  # noqa: ANN401
        """Do what ``Command.parse_args`` does, and record what was parsed."""
        line = self._line(context, args)
        if line is None:
            return original(command, context, args)
        parse = line.begin(context, list(args))
        result = original(command, context, args)
        self._patches.quietly("the arguments of a command", line.record, parse)
        return result

    def _line(self, context: Any, args: Sequence[str]) -> _Line | None:  # noqa: ANN401
        """Return the command line that is parsed; None if it is not that of the script."""
        if context.parent is not None:
            found: _Line | None = context.meta.get(_META)
            return found
        if (
            context.resilient_parsing
            or not is_whole(args)
            or is_called_by(_OTHERS, sys._getframe(3), 12)
        ):
            return None
        return self._new(context, again=True)

    def _new(self, context: Any, *, again: bool) -> _Line:  # noqa: ANN401
        known = self._patches.command_line
        stored = known.stored(ARGUMENTS) if again else None
        added = len(known.added()) if stored is not None else 0
        line = _Line(known, stored, added, self._module.UsageError)
        context.meta[_META] = line
        return line

    def process(
        self,
        original: Callable[..., Any],
        parameter: Any,  # noqa: ANN401
        context: Any,  # noqa: ANN401
        opts: Mapping[str, Any],
        args: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Do what ``Parameter.handle_parse_result`` does, with the value of the task."""
        line = context.meta.get(_META)
        parse = None if line is None else line.parses.get(context)
        if parse is None:
            return original(parameter, context, opts, args)
        name, given = parameter.name, opts.get(parameter.name)
        parse.given[name] = given
        stored = line.replacing(parse, parameter, given)
        if stored is None:
            return original(parameter, context, opts, args)
        try:
            return original(parameter, context, {**opts, name: _as_given(parameter, stored)}, args)
        except (line.refusal, ValueError, TypeError) as error:  # as converters raise them
            if stored.asked:
                text = getattr(error, "message", str(error))
                # Without the error of click: its text may hold a secret.
                raise refused(ARGUMENTS, parse.prefix + name, stored.text, error, text) from None
        return original(parameter, context, opts, args)

    def choose(self, original: Callable[..., Any], group: Any, context: Any, args: Any) -> Any:  # noqa: ANN401
        """Do what ``Group.parse_args`` does, but choose the command that was set for this run."""
        result = original(group, context, args)
        line = context.meta.get(_META)
        chosen = context._protected_args[:1]
        if line is None or not chosen or getattr(group, "chain", False):
            return result
        wanted = line.wanted(group.commands)
        if wanted in (None, chosen[0]):
            return result
        # The other arguments are those of another command: only what was added can be for this.
        context._protected_args = [wanted]
        context.args = context.args[len(context.args) - line.added :]
        return context.args

    def record_running(self) -> None:
        """Record the command that runs, if it was parsed before click was patched."""
        package = self._module.__name__.rpartition(".")[0]
        current = getattr(sys.modules.get(f"{package}.globals"), "get_current_context", None)
        context = None if current is None else current(silent=True)
        if context is None or _META in context.meta:
            return
        contexts = [context]
        while contexts[-1].parent is not None:
            contexts.append(contexts[-1].parent)
        if getattr(context.command.callback, "__module__", "").startswith("localreg."):
            return  # `localreg demo` makes tasks
        line = self._new(context, again=False)
        for each in reversed(contexts):
            line.record(line.begin(each, []), used=False)


class _Parse:
    """The parsing of one command.

    Attributes:
        context: of click.
        prefix: of its parameters, such as ``train/``.
        command: the name of the command in a group, else None.
        added: names of its parameters that `localreg task run` added.
        given: what was given on the command line, by name.
    """

    def __init__(self, context: Any, prefix: str, command: str | None, added: set[str]) -> None:  # noqa: ANN401
        self.context = context
        self.prefix = prefix
        self.command = command
        self.added = added
        self.given: dict[str, object] = {}

    def values(self) -> Iterator[tuple[str, object]]:
        """Yield the parameters, and True for the command itself, False for those beside it."""
        if self.command is not None:
            beside = getattr(self.context.parent.command, "commands", {})
            yield from ((name, False) for name in beside if name != self.command)
            yield self.command, True
        for each in self.context.command.get_params(self.context):
            if each.name in self.context.params:
                value = self.context.params[each.name]
                yield self.prefix + each.name, _recordable(each, value, self.given.get(each.name))


class _Line:
    """One command line of the script.

    Attributes:
        again: parameters of the task that is run again, None if none is.
        added: how many words `localreg task run` added.
        refusal: the error of click for what it refuses.
        parses: by context.
    """

    def __init__(
        self,
        known: CommandLine,
        again: Mapping[str, Stored] | None,
        added: int,
        refusal: type[Exception],
    ) -> None:
        self._known = known
        self._names: Counter[str] = Counter()
        self._recorded: dict[str, object] = {}
        self.again = again
        self.added = added
        self.refusal = refusal
        self.parses: dict[object, _Parse] = {}

    def begin(self, context: Any, words: list[str]) -> _Parse:  # noqa: ANN401
        """Note that a command is parsed."""
        name = context.command.name or ""
        if context.parent is not None:
            name = name or context.info_name
            self._names[name] += 1
            number = self._names[name]
            name = name if number == 1 else f"{name}-{number}"  # again, in a chain
        elif not hasattr(context.command, "commands"):
            name = ""  # the program is one command
        parse = _Parse(
            context,
            f"{name}/" if name else "",
            name if context.parent is not None else None,
            self._added_to(context, words) if self.added else set(),
        )
        self.parses[context] = parse
        return parse

    def _added_to(self, context: Any, words: list[str]) -> set[str]:  # noqa: ANN401
        """Return the names of the parameters that only the added words give."""
        command = context.command
        try:
            given, _, order = command.make_parser(context).parse_args(list(words))
            shorter = list(words[: len(words) - self.added])
            before, _, others = command.make_parser(context).parse_args(shorter)
        except self.refusal:
            return set()  # click will refuse them itself
        extra = Counter(each.name for each in order) - Counter(each.name for each in others)
        return {*extra, *(name for name in given if given[name] != before.get(name))}

    def replacing(self, parse: _Parse, parameter: Any, given: object) -> Stored | None:  # noqa: ANN401
        """Return the value of the task that replaces one that was given or is the default."""
        if self.again is None or not parameter.expose_value or parameter.name in parse.added:
            return None
        stored = self.again.get(parse.prefix + parameter.name)
        if stored is None or stored.is_none():
            return None
        current = given if _is_set(given) else _default(parameter)
        if not (stored.asked or is_plain(current) or isinstance(current, Enum)):
            return None  # an object need not come back from its text
        return None if self._known.is_stored_as(current, stored) else stored

    def wanted(self, commands: Mapping[str, object]) -> str | None:
        """Return the command of a group that was set for this run, or None."""
        there = [(name, (self.again or {}).get(name)) for name in commands]
        if not any(each.asked for _, each in there if each is not None):
            return None
        true = [(name, each) for name, each in there if each and cast(each.text, "bool") is True]
        true.sort(key=lambda each: not each[1].asked)  # the one that was set counts
        return true[0][0] if true else None

    def record(self, parse: _Parse, *, used: bool = True) -> None:
        """Record what was parsed so far."""
        found = dict(parse.values())
        # Another command of a chain runs too.
        kept = {name: value for name, value in self._recorded.items() if value is True}
        self._recorded |= found | kept
        self._known.record(_META, ARGUMENTS, self._recorded, used=used)


def _is_set(given: object) -> bool:
    """Return True if a value was given: click has marks for those that were not."""
    return given is not None and type(given).__name__ != "Sentinel"


def _default(parameter: Any) -> object:  # noqa: ANN401
    default = parameter.default
    if callable(default):
        return None  # only click calls it
    if _is_set(default):
        return default
    if getattr(parameter, "is_bool_flag", False):
        return False
    return () if _is_many(parameter) else None


def _is_many(parameter: Any) -> bool:  # noqa: ANN401
    return bool(getattr(parameter, "multiple", False)) or parameter.nargs != 1


def _as_given(parameter: Any, stored: Stored) -> object:  # noqa: ANN401
    """Return a value of the task as click has it from a command line."""
    if _is_many(parameter):
        words = stored.words()
        if words is None:
            return (stored.text,)
        return tuple(
            tuple(map(str, each)) if isinstance(each, list | tuple) else str(each) for each in words
        )
    if getattr(parameter, "is_bool_flag", False):
        return cast(stored.text, "bool")
    return stored.text


def _recordable(parameter: Any, value: object, given: object) -> object:  # noqa: ANN401
    """Return what click made of a value, or what was given for it if it is an object."""
    if is_plain(value):
        return value
    if isinstance(given, str) or (isinstance(given, list | tuple) and is_plain(given)):
        return given
    if isinstance(value, Enum):
        # typer takes the values of members, click their names.
        choices = getattr(getattr(parameter, "type", None), "choices", (value.value,))
        return value.value if value.value in choices else value.name
    return value
