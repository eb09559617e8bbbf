"""Give what a script connects the values of its task, in place.

A script may ignore what `Task.connect` returns. So the dict, list or object that it gave is itself
changed when the task is run again: dicts inside it stay the same objects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from enum import Enum
from numbers import Number

from localreg import log
from localreg.api.tasks.connected_dict import recordable
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import cast_as, is_stored_as, json_form, nested, stored
from localreg.values.checks import shown
from localreg.values.records import MetadataValue
from localreg.values.secrets import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set
    from typing import Any

_PLAIN = (str, int, float, bool, type(None))
_MISSING = object()


def overridden(
    values: Mapping[Any, Any], there: Mapping[str, MetadataValue], asked: Set[str], prefix: str = ""
) -> dict[Any, Any]:
    """Return the values of a script as nested dicts, each replaced by the task's.

    Args:
        values: of the script; dicts inside have names such as ``optimizer/lr``.
        there: the parameters of the task.
        asked: names of those that were set for this run. They are added if the script does not
            have them, and an error if they do not fit.
        prefix: of the names.

    Raises:
        InvalidValueError: a value of the task does not fit the one of the script.
    """
    found: dict[Any, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found[key] = overridden(value, there, asked, f"{path}/")
        elif path in there:
            found[key] = fitting(value, there[path], path, asked=path in asked)
        else:
            found[key] = value
    if not prefix:
        known = {str(key) for key in values}
        added = {path: stored(there[path]) for path in there
                 if path in asked and path.partition("/")[0] not in known}  # fmt: skip
        found |= nested(added)
    return found


def fitting(value: object, new: MetadataValue, path: str, *, asked: bool) -> object:
    """Return the task's value of a parameter, as the type of the script's value.

    An object that came from no text, such as a model, is kept, unless the task's value was set for
    this run: then it is made of the text.

    Raises:
        InvalidValueError: the script's value is a bool, a member of an Enum or such an object, and
            the task's value is none.
    """
    if is_stored_as(value, new) or is_stored_as(recordable(value), new):
        return value  # an object need not come back from its text
    if isinstance(value, os.PathLike) or (isinstance(value, Number) and not _is_plain(value)):
        return _made_of(value, stored(new), new, path)
    if _is_plain(value):
        found = cast_as(new, value, path)
        if isinstance(value, list | tuple | dict) and isinstance(found, str):
            raise _misfit(value, new, path)  # a script would go through its letters
        return found
    if not asked:
        return value
    made = _made_of(value, new.value, new, path)
    if not is_stored_as(made, new):
        raise _misfit(value, new, path)
    return made


def _is_plain(value: object) -> bool:
    """Return True if the value comes back from its text."""
    if type(value) is list or type(value) is tuple:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return isinstance(value, Enum) or type(value) in _PLAIN


def _made_of(like: object, value: object, new: MetadataValue, path: str) -> object:
    kind: Any = type(like)
    try:
        return kind(value)
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError):
        raise _misfit(like, new, path) from None  # its text may hold a secret


def _misfit(like: object, new: MetadataValue, path: str) -> InvalidValueError:
    return InvalidValueError(
        f"parameter {path} of the task is {shown(masked(path, new.value))}; the script connects "
        f"a {type(like).__name__}, which cannot be made of it",
        argument=path,
    )


def configured(value: object, new: object) -> object:
    """Return the task's value of a configuration, as the type of the script's value.

    Args:
        value: of the script.
        new: the task's, as JSON has it.

    >>> configured({1: (2, 3), "rate": 1.0}, {"1": [4], "rate": 2, "more": 5})
    {1: (4,), 'rate': 2.0, 'more': 5}
    """
    if isinstance(value, Mapping) and isinstance(new, dict):
        keys = {str(key): key for key in value}
        return {
            keys.get(name, name): configured(value[keys[name]], each) if name in keys else each
            for name, each in new.items()
        }
    form = json_form(value)
    if form == new and isinstance(form, bool) is isinstance(new, bool):
        return value
    if isinstance(value, os.PathLike) and isinstance(new, str):
        kind: Any = type(value)
        return kind(new)
    if isinstance(value, tuple) and isinstance(new, list):
        return tuple(new)
    if isinstance(value, float) and type(new) is int:
        return float(new)
    if isinstance(value, Enum) and isinstance(new, str):
        return cast_as(MetadataValue(new, "str"), value, "of the configuration")
    return new


def change_dict(given: Mapping[Any, Any], values: Mapping[Any, Any], *, whole: bool) -> None:
    """Give a dict other values, in place; a read-only one stays, with a warning.

    Args:
        given: the dict of the script.
        values: its new values, as nested dicts.
        whole: also remove the keys that `values` does not have.
    """
    if not isinstance(given, MutableMapping):
        if dict(given) != values:
            log.warning(
                "the %s that the script connects cannot be changed: only the dict that is returned "
                "has the values of the task",
                type(given).__name__,
            )
        return
    for key, value in values.items():
        old = given.get(key, _MISSING)
        if isinstance(old, Mapping) and isinstance(value, dict):
            if isinstance(old, MutableMapping):
                change_dict(old, value, whole=whole)
            elif dict(old) != value:
                given[key] = value
        elif old is not value:
            given[key] = value
    if whole:
        for key in [key for key in given if key not in values]:
            del given[key]


def change_object(instance: object, values: Mapping[str, object]) -> None:
    """Give an object or class other values of its attributes.

    Raises:
        InvalidValueError: the object is frozen.
    """
    for name, value in values.items():
        old = getattr(instance, name, _MISSING)
        if isinstance(old, MutableMapping) and isinstance(value, dict):
            change_dict(old, value, whole=False)
        elif old is not value:
            try:
                setattr(instance, name, value)
            except (AttributeError, TypeError, ValueError) as error:
                kind = instance if isinstance(instance, type) else type(instance)
                raise InvalidValueError(
                    f"the task has another value of {name!r:.80} than the script, and "
                    f"{kind.__name__} cannot be changed; connect a dict, or a class "
                    "that is not frozen",
                    argument=name,
                ) from error
