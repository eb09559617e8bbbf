"""The part of `Task` for user properties: parameters of the section "properties"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import Key, value_of
from localreg.values.checks import check_flag, check_key, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import MetadataValue

SECTION = "properties"


class UserPropertyMethods(TaskHandle):
    """User properties of a task; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    def set_user_properties(
        self, *iterables: Mapping[str, Any] | Iterable[Mapping[str, Any]], **properties: object
    ) -> bool:
        """Set user properties, and return True; the others are kept.

        They are parameters of the section "properties".

        >>> task = Task.create("vision", "train")
        >>> task.set_user_properties({"name": "backbone", "value": "resnet"}, stable=True)
        True
        >>> task.get_user_properties(value_only=True)
        {'backbone': 'resnet', 'stable': 'True'}

        Args:
            iterables: dicts with "name" and "value", and perhaps "type"; dicts of values by name;
                or lists of such dicts.
            properties: values by name; a value may also be a dict with "value".

        Raises:
            InvalidValueError: (a ValueError) a property has no name, or cannot be stored.
        """
        found: dict[Key, MetadataValue] = {}
        for each in (*(one for given in iterables for one in _dicts(given)), properties):
            found |= _properties(each)
        operations.tasks.parameters.set_parameters(self._registry, self._id, found)
        return True

    def get_user_properties(self, value_only: bool = False) -> dict[str, Any]:
        """Return the user properties by name.

        Args:
            value_only: return texts; otherwise dicts with "section", "name", "value", "type".
        """
        only = check_flag("value_only", value_only)
        there = operations.tasks.parameters.parameters(self._registry, self._id)
        return {
            key.name: each.value
            if only
            else {"section": SECTION, "name": key.name, "value": each.value, "type": each.type}
            for key, each in there.items()
            if key.section == SECTION
        }

    def delete_user_properties(
        self, *iterables: Iterable[Mapping[str, str] | Iterable[str]]
    ) -> bool:
        """Remove user properties, or other parameters, and return True.

        Args:
            iterables: lists of what to remove: dicts with "section" and "name", or pairs of both.

        Raises:
            InvalidValueError: (a ValueError) a section or name is missing.
        """
        keys = [_key(each) for given in iterables for each in _listed(given)]
        for key in keys:
            operations.tasks.parameters.drop_parameter(self._registry, self._id, key)
        return True


def _listed(given: object) -> Iterable[object]:
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return given
    raise InvalidValueError(
        f"give lists of sections and names, not {shown(given)}", argument="iterables"
    )


def _dicts(given: object) -> list[Mapping[str, Any]]:
    if isinstance(given, Mapping):
        return [given]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return [each for one in given for each in _dicts(one)]
    raise InvalidValueError(
        f"user properties must be dicts, or lists of dicts, not {shown(given)}",
        argument="iterables",
    )


def _properties(given: Mapping[str, Any]) -> dict[Key, MetadataValue]:
    if "name" in given and "value" in given:  # one property
        return dict([_property(given["name"], given)])
    return dict(_property(name, value) for name, value in given.items())


def _property(name: object, given: object) -> tuple[Key, MetadataValue]:
    described = isinstance(given, Mapping) and "value" in given
    value = given["value"] if isinstance(given, Mapping) and described else given
    kind = given.get("type") if isinstance(given, Mapping) and described else None
    key = check_key("name", name)
    return Key(SECTION, key), value_of(key, value, kind)


def _key(given: object) -> Key:
    if isinstance(given, Mapping):
        section, name = given.get("section"), given.get("name")
    elif isinstance(given, Iterable) and not isinstance(given, str | bytes):
        section, name, *_ = (*given, None, None)
    else:
        section = name = None
    if not section or not name:
        raise InvalidValueError(
            'give a dict with "section" and "name", or a pair of both, such as '
            f"({SECTION!r}, 'backbone'), not {shown(given)}",
            argument="iterables",
        )
    return Key(check_key("section", section), check_key("name", name))
