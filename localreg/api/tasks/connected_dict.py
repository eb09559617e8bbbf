"""Dicts whose changes are recorded, and attributes of objects, for `Task.connect`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from enum import Enum

from localreg import log
from localreg.errors import InvalidValueError, NotFoundError, RegistryError
from localreg.values.metadata import python_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, SupportsIndex

_SIMPLE = (str, int, float, bool, list, tuple, dict, type(None), Enum)
_NOTHING = object()


class Recorder:
    """Records a connected dict after each change; the dicts inside it share its recorder.

    Attributes:
        lock: held from a change until it is recorded, so that changes of two threads are recorded
            in their order.
        whole: the outermost dict.
        late: for keys of the outermost dict that the script has not set itself yet, what makes the
            value to use of the value that it sets.

    Args:
        record: called with the outermost dict, as plain dicts.
    """

    def __init__(self, record: Callable[[dict[Any, Any]], None]) -> None:
        self.lock = threading.RLock()
        self.whole: ConnectedDict | None = None
        self.late: dict[object, Callable[[object], object]] = {}
        self._record = record
        self._failed = False

    def record(self) -> None:
        """Record the outermost dict; if the task or registry does not exist, warn once and stop.

        Raises:
            InvalidValueError: a value cannot be recorded.
        """
        if self.whole is None or self._failed:
            return
        try:
            self._record(plain(self.whole))
        except (NotFoundError, RegistryError) as error:
            self._failed = True
            log.warning("changes of a connected dict are no longer recorded: %s", error)


class ConnectedDict(dict[object, object]):
    """A dict that is recorded after each change of it or of the dicts inside.

    A change that cannot be recorded is undone, and raises.

    Args:
        values: its initial values; dicts among them become connected too.
        recorder: shared with the outermost dict.
    """

    def __init__(self, values: Mapping[Any, Any], recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        for key, value in values.items():
            super().__setitem__(key, self._connected(value))

    def _connected(self, value: object) -> object:
        return ConnectedDict(value, self._recorder) if type(value) is dict else value

    def keep_until_set(
        self, values: Mapping[Any, Any], fit: Callable[[object, object], object]
    ) -> None:
        """Use values that were set for this run when the script sets their keys first.

        Args:
            fit: makes the value to use, of the script's value and the one that was set.
        """
        for key, new in values.items():
            self._recorder.late[key] = lambda value, new=new: fit(value, new)  # type: ignore[misc]  # a default

    def _first(self, key: object, value: object) -> object:
        """Return a value, or the one that was set for this run if the script adds the key now."""
        if self is self._recorder.whole and key in self._recorder.late:
            value = self._recorder.late.pop(key)(value)
        return self._connected(value)

    def _change(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401  (what it returns)
        with self._recorder.lock:
            before = dict(self)
            result = act()
            try:
                self._recorder.record()
            except InvalidValueError:
                super().clear()
                super().update(before)
                raise
            return result

    def __setitem__(self, key: object, value: object) -> None:
        new = self._first(key, value)
        self._change(lambda: super(ConnectedDict, self).__setitem__(key, new))

    def __delitem__(self, key: object) -> None:
        self._change(lambda: super(ConnectedDict, self).__delitem__(key))

    def update(self, *others: Any, **named: Any) -> None:  # noqa: ANN401  (dict's own)
        """Set several values and record them once."""
        given = {key: self._first(key, value) for key, value in dict(*others, **named).items()}
        self._change(lambda: super(ConnectedDict, self).update(given))

    def __ior__(self, other: Any) -> ConnectedDict:  # type: ignore[misc]  # noqa: ANN401
        self.update(other)
        return self

    def setdefault(self, key: object, default: object = None) -> object:
        """Return the value of a key, which is set to the default if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: object, default: object = _NOTHING) -> object:
        """Remove a key and return its value."""
        given = () if default is _NOTHING else (default,)
        return self._change(lambda: super(ConnectedDict, self).pop(key, *given))

    def popitem(self) -> tuple[object, object]:
        """Remove the last item and return it."""
        found: tuple[object, object] = self._change(super().popitem)
        return found

    def clear(self) -> None:
        """Remove all items."""
        self._change(super().clear)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401  (object's own)
        return dict, (plain(self),)  # copies and pickles are plain dicts


def plain(values: Mapping[Any, Any], depth: int = 0) -> dict[Any, Any]:
    """Return a copy of a dict, of plain dicts.

    Raises:
        InvalidValueError: it nests deeper than 100 levels, as a dict that contains itself does.
    """
    if depth > 100:
        raise InvalidValueError(
            "mutable nests deeper than 100 levels; perhaps it contains itself", argument="mutable"
        )
    return {
        key: plain(each, depth + 1) if isinstance(each, Mapping) else each
        for key, each in dict(values).items()  # a copy: another thread may change it
    }


def with_recordable_lists(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return nested dicts whose lists hold only what JSON can store; see `recordable`."""
    return {
        key: with_recordable_lists(each) if isinstance(each, Mapping)
        else recordable(each) if isinstance(each, list | tuple)
        else each
        for key, each in values.items()
    }  # fmt: skip


def recordable(value: object, depth: int = 0) -> object:
    """Return a value that a parameter can store: paths, enum members and objects become text.

    Raises:
        InvalidValueError: lists nest deeper than 100 levels.

    >>> from pathlib import Path
    >>> recordable([Path("a"), 1])
    ['a', 1]
    """
    if depth > 100:
        raise InvalidValueError(
            "mutable nests deeper than 100 levels; perhaps it contains itself", argument="mutable"
        )
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        found = [recordable(each, depth + 1) for each in value]
        return tuple(found) if isinstance(value, tuple) else found
    if isinstance(value, dict):
        return {key: recordable(each, depth + 1) for key, each in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    python = python_value(value)
    if python is not value:
        return python
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else str(value)


def attributes(instance: object) -> dict[str, object]:
    """Return the public attributes of an object or class whose values can be parameters.

    Of an object that is iterable, such as a model of pydantic, only its own: not those of its
    class.
    """
    own = isinstance(instance, Iterable) and not isinstance(instance, type)
    names = [name for name in (vars(instance) if own else dir(instance)) if name[:1] != "_"]
    found: dict[str, object] = {}
    for name in names:
        inherited = getattr(type(instance), name, None)
        if isinstance(inherited, property):
            continue
        value = getattr(instance, name, None)
        if isinstance(value, _SIMPLE):
            found[name] = value
    return found
