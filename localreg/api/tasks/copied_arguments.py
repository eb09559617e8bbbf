"""`Task._arguments`, an inner part of ClearML by which libraries record their parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.api.tasks.connected_dict import recordable
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import GENERAL, Key, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import MetadataValue


class ArgumentsMethods(TaskHandle):
    """`_arguments`, which Hugging Face's Trainer uses; mixed into `Task`."""

    __slots__ = ()

    @property
    def _arguments(self) -> CopiedArguments:
        return CopiedArguments(self)


class CopiedArguments:
    """Copies dicts to and from the parameters of a task.

    Args:
        task: the task.
    """

    def __init__(self, task: TaskHandle) -> None:
        self._task = task

    def copy_from_dict(
        self,
        dictionary: Mapping[str, Any],
        prefix: str | None = None,
        descriptions: Mapping[str, str] | None = None,
        param_types: Mapping[str, object] | None = None,
    ) -> Mapping[str, Any]:
        """Record parameters, and return them; a value that cannot be recorded is kept as text.

        Args:
            dictionary: the values by their names.
            prefix: the section, "General" without one.
            descriptions: ignored.
            param_types: the types to record, by the names; those of the values by default.
        """
        section = (prefix or "").strip("/") or GENERAL
        found = {
            Key(section, str(name)): _stored(str(name), value, (param_types or {}).get(name))
            for name, value in dictionary.items()
        }
        operations.tasks.parameters.set_parameters(self._task._registry, self._task.id, found)
        return dictionary

    def copy_to_dict(
        self, dictionary: Mapping[str, Any], prefix: str | None = None
    ) -> dict[str, Any]:
        """Return a dict with the values of the task's parameters, cast to the types it has.

        Args:
            dictionary: the names, and the values of those that the task does not have.
            prefix: the section, "General" without one.
        """
        section = (prefix or "").strip("/") or GENERAL
        there = operations.tasks.parameters.parameters(self._task._registry, self._task.id)
        found = {}
        for name, value in dictionary.items():
            stored = there.get(Key(section, str(name)))
            found[name] = (
                value
                if stored is None
                else operations.tasks.parameters.cast_as(stored, value, str(name))
            )
        return found


def _stored(name: str, value: object, kind: object) -> MetadataValue:
    plain = recordable(value)
    try:
        return value_of(name, plain, kind)
    except InvalidValueError:  # a dict or list of objects
        return value_of(name, _as_json(plain), kind)


def _as_json(value: object) -> object:
    try:
        return json.loads(json.dumps(value, default=str))
    except (TypeError, ValueError):  # a key that is no text, or a circle
        return str(value)
