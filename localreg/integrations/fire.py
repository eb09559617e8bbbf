"""fire (Python Fire).

Arguments of a function, or of the class that a command belongs to, are ``Args/lr``; those of a
command are ``Args/command/lr``, and ``Args/command`` is True for a command that runs; a command in
a group is ``group.command``, as in ClearML. When a task is run again, fire makes values of the
texts of the task, as it does with words of the command line.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from localreg.integrations.command_line import ARGUMENTS, Stored, is_plain, is_whole, refused
from localreg.values.metadata import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches

_CALL = "_CallAndUpdateTrace"


def patch(patches: Patches, module: ModuleType) -> None:
    """Patch `fire.core`; record a function that runs."""
    watch = _Watch(patches, module)
    patches.around(module, "_Fire", watch.run)
    patches.around(module, _CALL, watch.call)
    patches.around(module, "_MakeParseFn", watch.parser)
    patches.quietly("the command that runs", watch.record_running)


class _Watch:
    """What is called instead of the functions of `fire.core`."""

    def __init__(self, patches: Patches, module: ModuleType) -> None:
        self._patches = patches
        self._module: Any = module
        self._running = threading.local()

    def _lines(self) -> list[_Line | None]:
        """Return the command lines that run in this thread, None for those not of the script."""
        if not hasattr(self._running, "lines"):
            self._running.lines = []
        lines: list[_Line | None] = self._running.lines
        return lines

    def run(self, original: Callable[..., Any], component: Any, args: Any, *rest: Any) -> Any:  # noqa: ANN401
        """Do what ``_Fire`` does."""
        whole, _ = self._module.parser.SeparateFlagArgs(sys.argv[1:])
        line = None
        if not self._lines() and (is_whole(args) or list(args) == whole):
            line = _Line(self._patches, self._module, again=True)
        self._lines().append(line)
        try:
            return original(component, args, *rest)
        finally:
            self._lines().pop()

    def call(
        self,
        original: Callable[..., Any],
        component: Any,  # noqa: ANN401
        args: Any,  # noqa: ANN401
        trace: Any,  # noqa: ANN401
        *rest: Any,  # noqa: ANN401
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Do what ``_CallAndUpdateTrace`` does."""
        line = self._lines()[-1] if self._lines() else None
        if line is not None:
            line.command = _command(trace)
        return original(component, args, trace, *rest, **named)

    def parser(self, original: Callable[..., Any], function: Any, metadata: Any) -> Any:  # noqa: ANN401
        """Do what ``_MakeParseFn`` does; the parser gives the values of the task."""
        parse = original(function, metadata)
        line = self._lines()[-1] if self._lines() else None
        if line is None:
            return parse
        return lambda args: line.parse(parse, function, metadata, args)

    def record_running(self) -> None:
        """Record the function that runs, if it was parsed before fire was patched."""
        frame: FrameType | None = sys._getframe(1)
        frames = []
        while frame is not None:
            if frame.f_code.co_name == _CALL and frame.f_globals is vars(self._module):
                frames.append(frame.f_locals)
            frame = frame.f_back
        line = _Line(self._patches, self._module, again=False)
        for found in reversed(frames):
            if "varargs" in found and "fn" in found and "kwargs" in found:
                line.command = _command(found["component_trace"])
                line.record(_Call(line, self._module, found["fn"], found["varargs"],
                                  found["kwargs"]))  # fmt: skip


class _Line:
    """One command line of the script.

    Attributes:
        again: parameters of the task that is run again, None if none is.
        command: the one that is called, "" for the function or class itself.
    """

    def __init__(self, patches: Patches, module: ModuleType, *, again: bool) -> None:
        self._known = patches.command_line
        self._patches = patches
        self._module: Any = module
        self._recorded: dict[str, object] = {}
        self._used = again
        self.again = self._known.stored(ARGUMENTS) if again else None
        self.command = ""

    def name_of(self, argument: str) -> str:
        """Return the name of the parameter for an argument."""
        return f"{self.command}/{argument}" if self.command else argument

    def parse(
        self,
        parse: Callable[[list[str]], Any],
        function: Any,  # noqa: ANN401
        metadata: Mapping[str, Any],
        args: list[str],
    ) -> Any:  # noqa: ANN401
        """Return what fire parses, with the values of the task."""
        words = list(args)
        (values, named), *rest = self._given(parse, function, words)
        call = _Call(self, self._module, function, values, named)
        if self.again is not None:
            added = self._added(parse, call, words)
            for name, value in call.values():
                stored = self.again.get(self.name_of(name))
                if stored is not None and name not in added and self._differs(value, stored):
                    call.override(name, stored, metadata)
        self._patches.quietly("the arguments of a function", self.record, call)
        return (call.positional, call.named), *rest

    def _given(self, parse: Callable[[list[str]], Any], function: Any, words: list[str]) -> Any:  # noqa: ANN401
        try:
            return parse(list(words))
        except self._module.FireError:
            spec = self._module.inspectutils.GetFullArgSpec(function)
            there = self.again or {}
            missing = [
                f"--{name}={there[self.name_of(name)].text}"
                for name in (*spec.args, *spec.kwonlyargs)
                if self.name_of(name) in there
            ]
            if not missing:
                raise
            return parse([*missing, *words])

    def _differs(self, value: object, stored: Stored) -> bool:
        if stored.is_none() or not (stored.asked or is_plain(value)):
            return False  # an object need not come back from its text
        return not self._known.is_stored_as(value, stored)

    def _added(self, parse: Callable[[list[str]], Any], call: _Call, words: list[str]) -> set[str]:
        """Return the names of the arguments that were added to the command line."""
        added = list(self._known.added())
        count = next((n for n in range(len(added), 0, -1) if words[-n:] == added[:n]), 0)
        if not count:
            return set()
        names = {name for name, _ in call.values()}
        found = {each for word in added[:count] for each in _names_of(word, names)}
        try:
            (values, named), *_ = parse(words[:-count])
        except self._module.FireError:
            return found
        before = dict(_Call(self, self._module, call.function, values, named).values())
        return found | {name for name, value in call.values() if before.get(name) != value}

    def record(self, call: _Call) -> None:
        """Record the arguments of one call."""
        if self.command:
            self._recorded[self.command] = True
        self._recorded |= {self.name_of(name): value for name, value in call.values()}
        self._known.record(__name__, ARGUMENTS, self._recorded, used=self._used)


class _Call:
    """The arguments of one call.

    Attributes:
        function: what is called.
        positional, named: its arguments.
    """

    def __init__(
        self,
        line: _Line,
        module: ModuleType,
        function: Any,  # noqa: ANN401
        positional: Sequence[Any],
        named: Mapping[str, Any],
    ) -> None:
        self._line = line
        self._module: Any = module
        self._spec: Any = self._module.inspectutils.GetFullArgSpec(function)
        self.function = function
        self.positional = list(positional)
        self.named = dict(named)

    def values(self) -> Iterator[tuple[str, object]]:
        """Yield names and values, defaults too."""
        names = self._spec.args
        yield from zip(names, self.positional, strict=False)
        if self._spec.varargs and len(self.positional) >= len(names):
            yield self._spec.varargs, self.positional[len(names) :]
        yield from ((self._spec.kwonlydefaults or {}) | self.named).items()

    def override(self, name: str, stored: Stored, metadata: Mapping[str, Any]) -> None:
        """Replace one value by that of the task."""
        names, text = self._spec.args, _as_word(stored)
        try:
            if name in names:
                at = names.index(name)
                self.positional[at] = self._module._ParseValue(text, at, name, metadata)
            elif name == self._spec.varargs:
                words = stored.words()
                texts = [stored.text] if words is None else map(_text, words)
                self.positional[len(names) :] = [
                    self._module._ParseValue(each, None, None, metadata) for each in texts
                ]
            else:
                self.named[name] = self._module._ParseValue(text, None, name, metadata)
        except (ValueError, TypeError, self._module.FireError) as error:
            # Without that error: its text may hold a secret.
            raise refused(ARGUMENTS, self._line.name_of(name), stored.text, error) from None


def _command(trace: Any) -> str:  # noqa: ANN401
    """Return the command that is called, by what was accessed on the way to it."""
    accessed = [str(each._target) for each in trace.elements if each._action == "Accessed property"]
    return ".".join(accessed)


def _names_of(word: str, names: set[str]) -> Iterator[str]:
    """Yield the argument that a word sets, as fire reads it.

    >>> list(_names_of("--lr=1", {"lr"})), list(_names_of("-l", {"lr"}))
    (['lr'], ['lr'])
    >>> list(_names_of("--nodebug", {"debug"})), list(_names_of("lr", {"lr"}))
    (['debug'], [])
    """
    if not word.startswith("-"):
        return
    key = word.lstrip("-").partition("=")[0].replace("-", "_")
    if key in names:
        yield key
    elif key.startswith("no") and key[2:] in names:
        yield key[2:]
    elif len(key) == 1:
        yield from (name for name in names if name.startswith(key))


def _as_word(stored: Stored) -> str:
    """Return a value of the task as fire reads it: it knows True and None, not true and null.

    >>> _as_word(Stored("[true, null]", "list", True)), _as_word(Stored("ab", "str", True))
    ('[True, None]', 'ab')
    """
    found = cast(stored.text, stored.type)
    return repr(found) if isinstance(found, list | tuple | dict) else stored.text


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
