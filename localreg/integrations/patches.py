"""`Patches`: replaces functions of other libraries, and restores them."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType

from localreg import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.integrations.command_line import CommandLine
    from localreg.integrations.recorder import Recorder

_ABSENT = object()


class Patches:
    """The patches of one process.

    Args:
        recorder: returns that of the current task, or None when no task runs here.
        command_line: what parsers report to.
    """

    def __init__(
        self, recorder: Callable[[], Recorder | None], command_line: CommandLine | None = None
    ) -> None:
        self._recorder = recorder
        self._command_line = command_line
        self._replaced: list[tuple[object, str, object, object]] = []
        self._inside = threading.local()
        self._failed: set[str] = set()

    def recorder(self) -> Recorder | None:
        """Return the recorder of the current task, or None when no task runs here."""
        return self._recorder()

    @property
    def command_line(self) -> CommandLine:
        """What parsers report to."""
        assert self._command_line is not None  # parsers are only patched where there is one
        return self._command_line

    def around(self, owner: object, name: str, act: Callable[..., object]) -> None:
        """Call `act` instead of a function, with the function and its arguments; for parsers.

        It is called also when no task runs, and its errors reach the caller: it must do what the
        function does. It does nothing if the owner itself does not have the function.
        """
        if not callable(vars(owner).get(name)):  # another version of the library
            return
        function: Callable[..., Any] = vars(owner)[name]

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return act(function, *args, **kwargs)

        self.replace(owner, name, watched)

    def after(
        self,
        owner: object,
        name: str,
        note: Callable[..., object],
        *,
        kind: str = "",
        also: Sequence[tuple[object, str]] = (),
        copies: bool = False,
    ) -> None:
        """Call `note` after each call of a function that returned; do nothing if there is none.

        Args:
            owner: the module or class that has the function; or an object, for its own method.
            name: of the function.
            note: called with the recorder, what the function returned, and its arguments.
            kind: in a call of one kind, further calls of the same kind are not noted: saving a
                model may save another by the way.
            also: other places where the same function is found.
            copies: also replace what other modules have imported from the library, as by ``from
                library import save``; the library's own modules keep theirs.
        """
        more = _copies(owner, name, also) if copies else []
        self._watch(owner, name, kind, [*also, *more], after=note)

    def before(
        self,
        owner: object,
        name: str,
        note: Callable[..., object],
        *,
        kind: str = "",
        also: Sequence[tuple[object, str]] = (),
    ) -> None:
        """Call `note` with the recorder and the arguments before each call of a function."""
        self._watch(owner, name, kind, also, before=note)

    def changing(
        self,
        owner: object,
        name: str,
        change: Callable[..., tuple[tuple[object, ...], dict[str, object]]],
        *,
        also: Sequence[tuple[object, str]] = (),
        copies: bool = False,
    ) -> None:
        """Call a function with other arguments, such as one callback more.

        Args:
            change: called with the recorder, the positional arguments as a tuple and the others as
                a dict; returns both as they are to be. If it fails, the function gets its own.
            owner, name, also, copies: as for `after`.
        """
        original = getattr(owner, name, None)
        if original is None:  # another version of the library
            return
        function = _function(owner, name)
        label = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"

        @functools.wraps(function)
        def changed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            recorder = self._current(label)
            if recorder is not None:
                try:
                    given, named = change(recorder, args, dict(kwargs))
                except Exception as error:  # noqa: BLE001  (as in `quietly`)
                    self._warn(label, error)
                else:
                    return function(*given, **named)
            return function(*args, **kwargs)

        places = [*also, *(_copies(owner, name, also) if copies else [])]
        self.replace(owner, name, changed)
        for place, other in places:
            if getattr(place, other, None) is original:
                self.replace(place, other, changed)

    def _watch(
        self,
        owner: object,
        name: str,
        kind: str,
        also: Sequence[tuple[object, str]],
        *,
        before: Callable[..., object] | None = None,
        after: Callable[..., object] | None = None,
    ) -> None:
        original = getattr(owner, name, None)
        if original is None:  # another version of the library
            return
        function = _function(owner, name)
        label = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            inside = self._inside.__dict__
            recorder = None if kind and inside.get(kind) else self._current(label)
            if recorder is None:
                return function(*args, **kwargs)
            if before is not None:
                self.quietly(label, before, recorder, *args, **kwargs)
            inside[kind] = True
            try:
                result = function(*args, **kwargs)
                if after is not None:
                    self.quietly(label, after, recorder, result, *args, **kwargs)
            finally:
                inside[kind] = False
            return result

        wrapper: object = watched
        kept = _static(owner, name)
        if isinstance(kept, staticmethod | classmethod):
            wrapper = type(kept)(watched)
        self.replace(owner, name, wrapper)
        for place, other in also:
            if getattr(place, other, None) is original:
                self.replace(place, other, wrapper)

    def replace(self, owner: object, name: str, new: object) -> None:
        """Set an attribute until `restore`."""
        self._replaced.append((owner, name, vars(owner).get(name, _ABSENT), new))
        setattr(owner, name, new)

    def restore(self) -> None:
        """Undo all, the last first; what somebody else has patched since is not changed."""
        while self._replaced:
            owner, name, old, new = self._replaced.pop()
            if vars(owner).get(name, _ABSENT) is not new:
                continue
            if old is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, old)

    def quietly(self, label: str, act: Callable[..., object], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Call a function of ours; an error in it is logged once, and does not reach the caller.

        Args:
            label: names what was called, for the log.
        """
        try:
            act(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (the user's call must not fail for this)
            self._warn(label, error)

    def _warn(self, label: str, error: Exception) -> None:
        if label not in self._failed:
            self._failed.add(label)
            log.warning("localreg could not record %s: %s: %s", label, type(error).__name__, error)

    def _current(self, label: str) -> Recorder | None:
        try:
            return self._recorder()
        except Exception as error:  # noqa: BLE001  (as in `quietly`)
            self._warn(label, error)
            return None


def _copies(
    owner: object, name: str, also: Sequence[tuple[object, str]]
) -> list[tuple[object, str]]:
    """Return where other modules have a function that they imported, the script under any name.

    Args:
        also: other places in the library, where it may have other names.
    """
    function = getattr(owner, name, None)
    names = dict.fromkeys([name, *(each for _, each in also)])
    library = getattr(owner, "__name__", "").partition(".")[0]
    found: list[tuple[object, str]] = []
    for module_name, module in [*sys.modules.items()]:
        if function is None or not isinstance(module, ModuleType):
            continue
        own = vars(module)
        if module_name == "__main__":
            found += [(module, each) for each, value in [*own.items()] if value is function]
        elif module_name.partition(".")[0] != library:
            found += [(module, each) for each in names if own.get(each) is function]
    return found


def _static(owner: object, name: str) -> object:
    """Return an attribute as a class keeps it: a static method is one, not its function."""
    for each in getattr(owner, "__mro__", (owner,)):
        if name in vars(each):
            return vars(each)[name]
    return None


def _function(owner: object, name: str) -> Callable[..., Any]:
    """Return the function that an attribute calls; it takes self or cls itself."""
    kept = _static(owner, name)
    if isinstance(kept, staticmethod | classmethod):
        return kept.__func__
    if isinstance(owner, type) and callable(kept):
        return kept
    found: Callable[..., Any] = getattr(owner, name)
    return found
