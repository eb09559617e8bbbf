"""The part of `Task` for parameters and configurations, and for `connect`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from localreg import log, operations
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.api.tasks import later_changes, overriding
from localreg.api.tasks.connected_dict import (
    ConnectedDict,
    Recorder,
    attributes,
    plain,
    recordable,
    with_recordable_lists,
)
from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import check_path
from localreg.filesystem.plain_files import read_text
from localreg.operations.tasks.parameters import (
    ARGUMENTS,
    GENERAL,
    Key,
    as_text,
    check_parameters,
    nested,
    split_key,
    stored,
    value_of,
)
from localreg.values.checks import check_text
from localreg.values.labels import check_labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from localreg.values.records import MetadataValue

    Anything = TypeVar("Anything")


class ParameterMethods(TaskHandle):
    """Parameters, configurations and `connect`; mixed into `Task`."""

    __slots__ = ()

    def get_parameters(
        self, backwards_compatibility: bool = True, cast: bool = False
    ) -> dict[str, Any]:
        """Return the parameters, ``{"section/name": value}``.

        Args:
            backwards_compatibility: ignored.
            cast: return values of their recorded types, not text.

        Source: ``Task.get_parameters`` of the ClearML SDK.
        """
        found = self._parameters()
        # Arguments are taken by the parser; that a script prints all of them says nothing.
        self._mark_used([key for key in found if key.section != ARGUMENTS])
        return {key.path: stored(value) if cast else value.value for key, value in found.items()}

    def get_parameters_as_dict(self, cast: bool = False) -> dict[str, Any]:
        """Return the parameters as nested dicts: by section, then split at slashes in names."""
        return nested(self.get_parameters(cast=cast))

    def get_parameter(self, name: str, default: object = None, cast: bool = False) -> Any:  # noqa: ANN401
        """Return one parameter, or `default`.

        Args:
            name: ``section/name``; the section is "General" without one.
            default: returned when the task does not have the parameter.
            cast: return a value of its recorded type, not text.
        """
        key = split_key(name)
        found = self._parameters().get(key)
        if found is None:
            return default
        self._mark_used([key])
        return stored(found) if cast else found.value

    def set_parameters(self, *args: Mapping[str, object], **kwargs: object) -> None:
        """Replace all parameters, ``{"section/name": value}``.

        Raises:
            InvalidValueError: (a ValueError) they cannot be stored.
        """
        self._set(_merged(args, kwargs), replace=True)

    def update_parameters(self, *args: Mapping[str, object], **kwargs: object) -> None:
        """Set some parameters and keep the others.

        Raises:
            InvalidValueError: (a ValueError) they cannot be stored.
        """
        self._set(_merged(args, kwargs), replace=False)

    def set_parameters_as_dict(self, dictionary: Mapping[str, object]) -> None:
        """Replace all parameters, given as nested dicts by section."""
        self._set(dictionary, replace=True)

    def set_parameter(
        self,
        name: str,
        value: object,
        description: str | None = None,
        value_type: object = None,
    ) -> None:
        """Set one parameter.

        Args:
            name: ``section/name``; the section is "General" without one.
            value: stored as text, with its type.
            description: ignored.
            value_type: the type to record; the value's own when None.
        """
        key = split_key(name)
        values = {key: value_of(key.name, value, value_type)}
        self._mark_used([key])  # the script sets it itself
        operations.tasks.parameters.set_parameters(self._registry, self._id, values)

    def delete_parameter(self, name: str, force: bool = False) -> bool:
        """Remove a parameter; return True if the task had it."""
        return operations.tasks.parameters.drop_parameter(self._registry, self._id, split_key(name))

    def _mark_used(self, keys: list[Key]) -> None:
        """Note what the script takes from the task, if it is run again."""
        if self._is_run_again():
            operations.tasks.parameters.mark_used(self._registry, self._id, keys)

    def _parameters(self) -> dict[Key, MetadataValue]:
        return operations.tasks.parameters.parameters(self._registry, self._id)

    def _set(self, given: Mapping[str, object], *, replace: bool) -> None:
        checked = check_parameters("parameters", given)
        self._mark_used(list(checked))  # the script sets them itself
        operations.tasks.parameters.set_parameters(
            self._registry, self._id, checked, replace=replace
        )

    # configurations ------------------------------------------------------------------------

    def get_configuration_object(self, name: str) -> str | None:
        """Return a configuration as text, or None."""
        check_text("name", name)
        if self._is_run_again():
            operations.tasks.asked.mark_used(
                self._registry, self._id, operations.tasks.asked.CONFIGURATION, [name]
            )
        return operations.tasks.parameters.configurations(self._registry, self._id).get(name)

    def get_configuration_object_as_dict(self, name: str) -> Any:  # noqa: ANN401  (a dict, or a list)
        """Return a configuration, parsed as `Model.config_dict` is, or None.

        Raises:
            ConfigTextError: (a ValueError) it cannot be parsed.
        """
        from localreg.values.config_text import text_to_config

        text = self.get_configuration_object(name)
        return None if text is None else text_to_config(text)

    def set_configuration_object(
        self,
        name: str,
        config_text: str | None = None,
        description: str | None = None,
        config_type: str | None = None,
        config_dict: Mapping[str, object] | list[object] | None = None,
    ) -> None:
        """Set a configuration, as either text or a dict.

        Raises:
            InvalidValueError: (a ValueError) it cannot be stored.
        """
        if config_text is not None and config_dict is not None:
            raise InvalidValueError(
                "give config_text or config_dict, not both", argument="config_text"
            )
        text = config_text if config_dict is None else as_text(config_dict)
        operations.tasks.parameters.set_configuration(self._registry, self._id, name, text)

    def connect_configuration(
        self,
        configuration: Mapping[str, object] | list[object] | str | os.PathLike[str],
        name: str | None = None,
        description: str | None = None,
        ignore_remote_overrides: bool = False,
    ) -> Any:  # noqa: ANN401  (what was given)
        """Record a configuration under a name, and return it.

        When the task is run again, the given dict or list itself gets the values of the task's
        configuration of this name; instead of a file, the path of another one is returned.

        Args:
            configuration: a dict, which is returned as one whose changes are recorded; a list, or
                the path of a file.
            name: "General" when None.
            description: ignored.
            ignore_remote_overrides: keep the given one when the task is run again.

        Raises:
            InvalidValueError: (a ValueError) it cannot be stored.
            SourceNotFoundError: the file does not exist.

        Source: ``Task.connect_configuration`` of the ClearML SDK.
        """
        key = GENERAL if name is None else name
        text = None
        if self._is_run_again() and not ignore_remote_overrides:
            text = self.get_configuration_object(key)
            if operations.tasks.parameters.is_configured_by_script(self._registry, self._id, key):
                text = None

        def record(now: dict[str, Any] | list[object]) -> None:
            operations.tasks.parameters.set_configuration(
                self._registry, self._id, key, as_text(now)
            )

        if isinstance(configuration, list):
            if text is not None:
                configuration[:] = _as_kind(list, key, text)
            record(configuration)
            later_changes.watch_configuration(self._registry, self._id, key, lambda: configuration)
            return configuration
        if isinstance(configuration, Mapping):
            values: Any = plain(configuration)
            if text is not None:
                values = overriding.configured(configuration, _as_kind(dict, key, text))
                overriding.change_dict(configuration, values, whole=True)
            live = self._live(configuration, values, record)
            if isinstance(configuration, MutableMapping):
                later_changes.watch_configuration(
                    self._registry, self._id, key, lambda: plain(configuration)
                )
            return live
        if text is not None:
            if not _holds(configuration, text):
                log.warning(
                    "the task has another configuration %r than the file %s: the script must read "
                    "the path that connect_configuration returns",
                    key, configuration,
                )  # fmt: skip
            return _other_file(configuration, text)
        text = _text_of(configuration)
        operations.tasks.parameters.set_configuration(self._registry, self._id, key, text)
        return configuration

    def connect_label_enumeration(
        self, enumeration: Mapping[str, int], ignore_remote_overrides: bool = False
    ) -> dict[str, int]:
        """Record the label enumeration for the task's models, and return it.

        When the task is run again, the given dict gets the task's enumeration.

        Raises:
            InvalidValueError: (a ValueError) it is not ``{label: integer}``.
        """
        labels = check_labels(enumeration)
        if self._is_run_again() and not ignore_remote_overrides:
            there = operations.tasks.inputs.design(self._registry, self._id)[1]
            if there:
                overriding.change_dict(enumeration, there, whole=True)
                return enumeration if isinstance(enumeration, dict) else there
        operations.tasks.inputs.set_design(self._registry, self._id, labels=labels)
        return enumeration if isinstance(enumeration, dict) else labels

    # connecting ----------------------------------------------------------------------------

    def _is_run_again(self) -> bool:
        return ambient.task_to_run_again() == self._id

    def _connect_dict(
        self, given: Mapping[str, Any], section: str, *, ignore: bool
    ) -> Mapping[Any, Any]:
        mine = plain(given)
        values = self._overridden(mine, section, ignore=ignore)
        if values is not mine:
            overriding.change_dict(given, values, whole=False)
        added = {key: values[key] for key in values if key not in mine}
        recorded: set[Key] = set()

        def record(now: dict[str, Any]) -> None:
            checked = check_parameters("mutable", with_recordable_lists(now), section)
            # Keys that this dict no longer has are removed; those that others set are kept.
            gone = recorded - checked.keys()
            operations.tasks.parameters.set_parameters(self._registry, self._id, checked, drop=gone)
            recorded.clear()
            recorded.update(checked)

        live = self._live(given, values, record)
        if isinstance(live, ConnectedDict):
            live.keep_until_set(added, self._as_set_for_this_run)
        if isinstance(given, MutableMapping):
            later_changes.watch_parameters(self._registry, self._id, section, lambda: plain(given))
        return live

    def _live(
        self,
        given: Mapping[Any, Any],
        values: Mapping[Any, Any],
        record: Callable[[dict[str, Any]], None],
    ) -> Mapping[Any, Any]:
        """Record values, and return what the script goes on with.

        It is a dict whose changes are recorded; or what was given, if that is another mapping that
        can be changed: its class has methods that a script uses.
        """
        if isinstance(given, MutableMapping) and not isinstance(given, dict):
            record(plain(values))
            return given
        recorder = Recorder(record)
        live = recorder.whole = ConnectedDict(plain(values), recorder)
        record(plain(live))
        return live

    @staticmethod
    def _as_set_for_this_run(value: object, new: object) -> object:
        """Return what was set for this run, for a value that the script sets; see `overriding`."""
        there = {key.name: each for key, each in check_parameters("", {"it": new}, "").items()}
        return overriding.overridden({"it": value}, there, there.keys())["it"]

    def _record(self, section: str, values: Mapping[str, Any]) -> None:
        checked = check_parameters("mutable", with_recordable_lists(values), section)
        operations.tasks.parameters.set_parameters(self._registry, self._id, checked)

    def _take_parameters(self, section: str, values: Mapping[str, object]) -> dict[str, Any]:
        """Record values that a library has, and return those to use."""
        given = {name: recordable(value) for name, value in values.items()}
        found = given | dict(self._overridden(given, section, ignore=False))
        self._record(section, found)
        return found

    def _overridden(
        self, values: Mapping[Any, Any], section: str, *, ignore: bool
    ) -> Mapping[Any, Any]:
        """Return the values of the task instead of the given ones, if it is run again."""
        if not self._is_run_again():
            return values
        there = {key: each for key, each in self._parameters().items() if key.section == section}
        used = operations.tasks.parameters.mark_used(self._registry, self._id, there)
        if ignore:
            return values
        asked = {
            key.name for key in there if f"{operations.tasks.asked.PARAMETER} {key.path}" in used
        }
        known = {str(name) for name in values}
        for name in asked:
            if name.partition("/")[0] not in known:
                log.warning(
                    "%s/%s was set for this run, and what the script connects has no such name: "
                    "it is added; check the name", section, name,
                )  # fmt: skip
        stale = operations.tasks.parameters.set_elsewhere(self._registry, self._id, section, values)
        stale |= {
            key.name
            for key in operations.tasks.parameters.kept_by_script(self._registry, self._id, there)
        }
        current = {key.name: each for key, each in there.items() if key.name not in stale}
        return overriding.overridden(values, current, asked)

    def _connect_object(self, instance: Anything, section: str, *, ignore: bool) -> Anything:
        mine = attributes(instance)
        values = self._overridden(mine, section, ignore=ignore)
        if values is not mine:
            overriding.change_object(instance, values)
        self._record(section, attributes(instance))
        later_changes.watch_parameters(
            self._registry, self._id, section, lambda: attributes(instance)
        )
        return instance

    def _connect_arguments(
        self, given: argparse.Namespace, section: str, *, ignore: bool
    ) -> argparse.Namespace:
        values = {name: value for name, value in vars(given).items() if not callable(value)}
        changed = self._overridden(values, section, ignore=ignore)
        if changed is not values:
            overriding.change_object(given, changed)
        self._record(section, {name: recordable(value) for name, value in changed.items()})
        return given


def _merged(args: tuple[Mapping[str, object], ...], kwargs: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for each in (*args, kwargs):
        if not isinstance(each, Mapping):
            raise InvalidValueError(
                f"parameters must be dicts, not {type(each).__name__}", argument="parameters"
            )
        found |= each
    return found


def _as_kind(kind: type, name: str, text: str) -> Any:  # noqa: ANN401  (a dict or list)
    """Return a configuration of the task, for a script that connects a dict or a list.

    Raises:
        InvalidValueError: it is the other of the two.
        ConfigTextError: (a ValueError) it is not a configuration.
    """
    from localreg.values.config_text import text_to_config

    found = text_to_config(text)
    if not isinstance(found, kind):
        raise InvalidValueError(
            f"the task's configuration {name!r:.80} is a {type(found).__name__}, and the script "
            f"connects a {kind.__name__}",
            argument="configuration",
        )
    return found


def _holds(path: object, text: str) -> bool:
    """Return True if a file has this text."""
    try:
        return _text_of(path) == text
    except (
        SourceNotFoundError,
        InvalidValueError,
    ):  # a script that takes the returned path needs no file of its own
        return False


def _other_file(given: str | os.PathLike[str], text: str) -> object:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", suffix=Path(given).suffix, prefix="localreg-", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return type(given)(file.name) if isinstance(given, str | Path) else file.name


def _text_of(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(
            f"configuration must be a dict, a list or a path, not {type(path).__name__}",
            argument="configuration",
        )
    file = check_path("configuration", path)
    with disk_errors("reading a configuration", file):
        return read_text(file, "configuration")


if TYPE_CHECKING:
    from collections.abc import Callable
