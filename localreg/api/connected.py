"""What `Task.connect` makes live: dicts whose changes are recorded, and attributes of objects."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, SupportsIndex

_SIMPLE = (str, int, float, bool, list, tuple, dict, type(None))
_NOTHING = object()


class ConnectedDict(dict[object, object]):
    """A dict that calls `record` with the whole of itself after each change, also of inner dicts.

    Args:
        values: its first values; dicts among them become connected too.
        record: called without arguments.
    """

    def __init__(self, values: Mapping[Any, Any], record: Callable[[], None]) -> None:
        super().__init__()
        self._record = record
        for key, value in values.items():
            super().__setitem__(key, self._connected(value))

    def _connected(self, value: object) -> object:
        return ConnectedDict(value, self._record) if type(value) is dict else value

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, self._connected(value))
        self._record()

    def __delitem__(self, key: object) -> None:
        super().__delitem__(key)
        self._record()

    def update(self, *others: Any, **named: Any) -> None:  # noqa: ANN401  (dict's own)
        """Set several values at once, and record them once."""
        for key, value in dict(*others, **named).items():
            super().__setitem__(key, self._connected(value))
        self._record()

    def __ior__(self, other: Any) -> ConnectedDict:  # type: ignore[misc]  # noqa: ANN401
        self.update(other)
        return self

    def setdefault(self, key: object, default: object = None) -> object:
        """Return the value of a key, set to the default when there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: object, default: object = _NOTHING) -> object:
        """Take a value out and return it."""
        found = super().pop(key) if default is _NOTHING else super().pop(key, default)
        self._record()
        return found

    def popitem(self) -> tuple[object, object]:
        """Take the last value out and return it with its key."""
        found = super().popitem()
        self._record()
        return found

    def clear(self) -> None:
        """Take everything out."""
        super().clear()
        self._record()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401  (object's own)
        return dict, (plain(self),)  # a copy, and what is pickled, are plain dicts


def plain(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a connected dict as plain ones."""
    return {key: plain(each) if isinstance(each, dict) else each for key, each in values.items()}


def attributes(instance: object) -> dict[str, object]:
    """Return the public attributes of an object, or class, whose values can be parameters."""
    names: Iterable[str] = (name for name in dir(instance) if not name.startswith("_"))
    found: dict[str, object] = {}
    for name in names:
        inherited = getattr(type(instance), name, None)
        if isinstance(inherited, property):
            continue
        value = getattr(instance, name, None)
        if isinstance(value, _SIMPLE):
            found[name] = value
    return found
