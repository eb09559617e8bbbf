"""Record what a script changed in a dict or object after it connected it.

A plain dict or object does not say when it is changed, so it is looked at when the task ends:
values that are no longer those that were recorded are recorded, since those are what the script
went on with. Values of another kind are not: a script that turns the text "1,2" into a list wants
the text again when it is run again. Neither are new and removed names.

What changed in this way is noted. A run of the same script starts with the script's own values of
these names, as the first one did, unless others were set for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import Enum

from localreg import log, operations
from localreg.api import ambient
from localreg.api.tasks.connected_dict import with_recordable_lists
from localreg.errors import LocalregError
from localreg.operations.tasks.parameters import as_text, check_parameters, json_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.registry import OpenRegistry

_SIMPLE = (str, int, float, list, tuple, dict, os.PathLike, Enum, type(None))


def watch_parameters(
    registry: OpenRegistry, task_id: str, section: str, look: Callable[[], Mapping[Any, Any]]
) -> None:
    """Record later changes of values that are parameters of a section.

    Args:
        look: returns the values as they are now.
    """
    before = with_recordable_lists(look())

    def record() -> None:
        nonlocal before
        found = changes(before, with_recordable_lists(look()))
        if found:
            operations.tasks.parameters.replace_parameters(
                registry,
                task_id,
                check_parameters("mutable", found, section),
                old=check_parameters("mutable", before, section),
            )
            before = _merged(before, found)

    ambient.watch(registry, task_id, lambda: _or_warn(task_id, record))


def watch_configuration(
    registry: OpenRegistry, task_id: str, name: str, look: Callable[[], object]
) -> None:
    """Record later changes of a dict or list that is a configuration.

    Args:
        look: returns it as it is now.
    """
    before: Any = json_form(look())

    def record() -> None:
        nonlocal before
        now: Any = json_form(look())
        if isinstance(before, dict):
            now = _merged(before, changes(before, now))
        if now != before:
            operations.tasks.parameters.replace_configuration(
                registry, task_id, name, as_text(now), old=as_text(before)
            )
            before = now

    ambient.watch(registry, task_id, lambda: _or_warn(task_id, record))


def _or_warn(task_id: str, record: Callable[[], None]) -> None:
    try:
        record()
    except LocalregError as error:
        log.warning("later changes of what task %s connected are not recorded: %s", task_id, error)


def changes(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the values that changed and are of the same kind as before, as nested dicts.

    >>> changes({"lr": 1, "opt": {"b": "1,2"}, "n": None}, {"lr": 0.5, "opt": {"b": [1]}, "n": 3})
    {'lr': 0.5, 'n': 3}
    """
    found: dict[Any, Any] = {}
    for key, old in before.items():
        new = now.get(key, old)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := changes(old, new):
                found[key] = inner
        elif _are_of_one_kind(old, new) and (type(old) is not type(new) or old != new):
            found[key] = new
    return found


def _are_of_one_kind(old: object, new: object) -> bool:
    if old is None or new is None:
        return isinstance(old, _SIMPLE) and isinstance(new, _SIMPLE)
    for kind in (bool, int | float, str | os.PathLike, list | tuple, Enum):
        if isinstance(old, kind) or isinstance(new, kind):
            return isinstance(old, kind) and isinstance(new, kind)
    return False


def _merged(before: Any, found: Mapping[Any, Any]) -> dict[Any, Any]:  # noqa: ANN401
    """Return nested dicts with some values replaced."""
    whole = dict(before)
    for key, new in found.items():
        old = whole.get(key)
        both = isinstance(old, Mapping) and isinstance(new, Mapping)
        whole[key] = _merged(old, new) if both else new
    return whole
