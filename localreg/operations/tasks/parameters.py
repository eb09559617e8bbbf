"""Parameters and configurations of tasks: names in sections, values as text with their types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from hashlib import sha256
from math import isfinite

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import require_task
from localreg.operations.tasks import asked
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import task_rows
from localreg.values.checks import NAME_LIMIT, check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.metadata import cast, entry, python_value
from localreg.values.records import MetadataValue, TaskRecord
from localreg.values.secrets import masked

GENERAL, ARGUMENTS = "General", "Args"
MOST = 10_000


class Key(Frozen):
    """The section and the name of a parameter."""

    section: str
    name: str

    @property
    def path(self) -> str:
        """``section/name``."""
        return f"{self.section}/{self.name}"


Values = dict[Key, MetadataValue]


def check_parameters(argument: str, given: object, section: str | None = None) -> Values:
    """Return checked parameters, as they are stored.

    Args:
        argument: the argument's name, for errors.
        given: a dict; nested dicts give names such as ``optimizer/lr``.
        section: the section of all; None takes it from the names, ``section/name``.
    """
    if not isinstance(given, Mapping):
        raise InvalidValueError(
            f"{argument} must be a dict, not {type(given).__name__}: {shown(given)}",
            argument=argument,
        )
    found: Values = {}
    names: set[str] = set()
    for name, value in _leaves(argument, given, "", 0):
        key = Key(section, name) if section is not None else split_key(name)
        if name in names:
            raise InvalidValueError(
                f"{argument} has {key.path!r:.80} twice: as a nested dict and with a slash",
                argument=argument,
            )
        names.add(name)
        try:
            found[key] = value_of(name, value)  # of "General/lr" and "lr" the last one wins
        except InvalidValueError as error:
            raise InvalidValueError(
                f"{argument}[{shown(name)}] cannot be stored: {error}", argument=argument
            ) from error
    if len(found) > MOST:
        raise InvalidValueError(
            f"{argument} has {len(found):,} values; at most {MOST:,} can be stored",
            argument=argument,
        )
    return found


def value_of(name: str, value: object, value_type: object = None) -> MetadataValue:
    """Return a value as it is stored: None as "", members of an Enum as their names.

    Args:
        name: of the parameter.
        value: anything that metadata stores.
        value_type: the type to record; the value's own when None.

    >>> value_of("lr", 0.1), value_of("seed", None)
    (MetadataValue(value='0.1', type='float'), MetadataValue(value='', type='NoneType'))
    """
    found = entry(name, _without_members(value), value_type)
    if isinstance(value, Enum) and value_type is None:
        return MetadataValue(found.value, type(value).__name__)
    return MetadataValue("" if value is None else found.value, found.type)


def is_stored_as(value: object, stored: MetadataValue) -> bool:
    """Return True if a value has the text that is stored."""
    try:
        return value_of("value", value).value == stored.value
    except InvalidValueError:  # it cannot be stored
        return False


def _without_members(value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if type(value) in (list, tuple):
        return type(value)(map(_without_members, value))  # type: ignore[call-arg, call-overload]  # one of the two
    return value


def _leaves(
    argument: str, given: Mapping[object, object], prefix: str, depth: int
) -> list[tuple[str, object]]:
    if depth > 20:
        raise InvalidValueError(f"{argument} nests deeper than 20 levels", argument=argument)
    found: list[tuple[str, object]] = []
    for key, value in given.items():
        name = f"{prefix}{_name(argument, key)}"
        if isinstance(value, Mapping) and value:
            found += _leaves(argument, value, f"{name}/", depth + 1)
        else:
            found.append((name, value))
    return found


def _name(argument: str, key: object) -> str:
    if isinstance(key, bool | int | float):
        key = str(key)
    return check_text(argument, key, limit=NAME_LIMIT, nul=False, empty=False)


def split_key(path: object) -> Key:
    """Return the key of ``section/name``; without a section it is "General".

    >>> split_key("Args/lr"), split_key("lr")
    (Key(section='Args', name='lr'), Key(section='General', name='lr'))
    """
    text = check_text("name", path, limit=2 * NAME_LIMIT, nul=False, empty=False)
    section, slash, name = text.partition("/")
    key = Key(section, name) if slash and section and name else Key(GENERAL, text)
    check_text("name", key.name, limit=NAME_LIMIT)
    return key


def parameters(registry: OpenRegistry, task_id: str) -> Values:
    """Return a task's parameters."""
    with registry.store.read() as connection:
        require_task(connection, task_id)
        return _there(connection, task_id)


def _there(connection: task_rows.Connection, task_id: str) -> Values:
    return {
        Key(section, name): MetadataValue(value, type_)
        for section, name, value, type_ in task_rows.parameters(connection, task_id)
    }


def set_parameters(
    registry: OpenRegistry,
    task_id: str,
    given: Values,
    *,
    replace: bool = False,
    drop: Iterable[Key] = (),
) -> None:
    """Set parameters of a task; a given str that equals the stored text keeps the stored type.

    Args:
        replace: remove all that are not given.
        drop: remove these.
    """
    with registry.store.write() as change:
        put_parameters(change, task_id, given, replace=replace, drop=drop)


def put_parameters(
    change: Change,
    task_id: str,
    given: Values,
    *,
    replace: bool = False,
    drop: Iterable[Key] = (),
) -> None:
    """Set parameters of a task, within a transaction; see `set_parameters`."""
    found = require_task(change.connection, task_id)
    there = _there(change.connection, task_id)
    changed = [key for key in given if _set(change, task_id, key, there.get(key), given[key])]
    gone = [key for key in (list(there) if replace else drop) if key in there and key not in given]
    for key in gone:
        _set(change, task_id, key, there[key], None)
    _note_asked(change, found, changed, there, gone)


def replace_parameters(registry: OpenRegistry, task_id: str, given: Values, *, old: Values) -> None:
    """Record what a script changed later; what has been set otherwise meanwhile stays.

    Args:
        given: the values now.
        old: what was recorded before.
    """
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        there = _there(change.connection, task_id)
        mine = [key for key in given if key in there and there[key].value == old[key].value]
        for key in mine:
            _set(change, task_id, key, there[key], given[key])
        asked.note_changed(change.connection, task_id, asked.PARAMETER, (key.path for key in mine))


def replace_configuration(
    registry: OpenRegistry, task_id: str, name: str, text: str, *, old: str
) -> None:
    """Record a configuration that a script changed later, unless it was set otherwise meanwhile.

    Args:
        old: what was recorded before.
    """
    with registry.store.write() as change:
        require_task(change.connection, task_id)
        if task_rows.configurations(change.connection, task_id).get(name) == old:
            put_configuration(change, task_id, name, text)
            asked.note_changed(change.connection, task_id, asked.CONFIGURATION, [name])


def kept_by_script(registry: OpenRegistry, task_id: str, keys: Iterable[Key]) -> set[Key]:
    """Return the parameters that the script of a task that is run again has its own values of."""
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
    return {key for key in keys if asked.starts_as_script(place, asked.PARAMETER, key.path)}


def is_configured_by_script(registry: OpenRegistry, task_id: str, name: str) -> bool:
    """Return True if the script of a task that is run again has its own configuration."""
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
    return asked.starts_as_script(place, asked.CONFIGURATION, name)


def mark_used(registry: OpenRegistry, task_id: str, keys: Iterable[Key]) -> set[str]:
    """Note which parameters the script of a task that is run again takes (see `asked`)."""
    return asked.mark_used(registry, task_id, asked.PARAMETER, (key.path for key in keys))


def set_elsewhere(
    registry: OpenRegistry, task_id: str, section: str, given: Mapping[str, object]
) -> set[str]:
    """Return names whose given values were set for this run in another section.

    A script connects what it has parsed: ``task.connect(vars(args))``. If ``Args/lr`` was set for
    this run, then ``General/lr`` is what an earlier run used.

    Args:
        section: where the script connects them.
        given: its values, by name.
    """
    with registry.store.read() as connection:
        place, there = task_rows.place(connection, task_id), _there(connection, task_id)
    asked_for = [key for key in there if asked.was_asked(place, asked.PARAMETER, key.path)]
    own = {key.name for key in asked_for if key.section == section}
    return {
        key.name
        for key in asked_for
        if key.name in given and key.name not in own and is_stored_as(given[key.name], there[key])
    }


def _note_asked(
    change: Change, task: TaskRecord, changed: Iterable[Key], there: Values, gone: Iterable[Key]
) -> None:
    names = ([key.path for key in keys] for keys in (changed, there, gone))
    asked.note_asked(change.connection, task, asked.PARAMETER, *names)


def drop_parameter(registry: OpenRegistry, task_id: str, key: Key) -> bool:
    """Remove a parameter; return True if the task had it."""
    with registry.store.write() as change:
        found = require_task(change.connection, task_id)
        there = _there(change.connection, task_id)
        old = there.get(key)
        _set(change, task_id, key, old, None)
        _note_asked(change, found, (), there, [key])
    return old is not None


def _set(
    change: Change,
    task_id: str,
    key: Key,
    old: MetadataValue | None,
    new: MetadataValue | None,
) -> bool:
    """Set or drop one parameter; return True if that changes it."""
    same = old == new or (
        old is not None and new is not None and new.type == "str" and old.value == new.value
    )
    if not same:
        payload = {
            "section": key.section,
            "old": None if old is None else [old.value, old.type],
            "new": None if new is None else [new.value, new.type],
        }
        change.record("task.parameter", task_id, payload, field=key.name)
    return not same


def nested(values: Mapping[str, object]) -> dict[str, object]:
    """Return nested dicts, split at the slashes of names.

    >>> nested({"a/b": 1, "a/c/d": 2, "e": 3})
    {'a': {'b': 1, 'c': {'d': 2}}, 'e': 3}
    """
    found: dict[str, object] = {}
    for path, value in values.items():
        *folders, name = path.split("/")
        into = found
        for folder in folders:
            inner = into.setdefault(folder, {})
            if not isinstance(inner, dict):
                inner = into[folder] = {"": inner}
            into = inner
        into[name] = value
    return found


def cast_as(value: MetadataValue, like: object, name: str = "") -> object:
    """Return a stored value as the type of a default, or as its own type if that fails.

    Args:
        value: what is stored.
        like: the default.
        name: of the parameter, for errors.

    Raises:
        InvalidValueError: the default is a bool or a member of an Enum, and the value is not: text
            in its place would silently count as True, or equal no member.

    >>> cast_as(MetadataValue("3", "str"), 1.5), cast_as(MetadataValue("x", "str"), 1)
    (3.0, 'x')
    >>> cast_as(MetadataValue("0.5", "int"), 1), cast_as(MetadataValue("", "str"), 1)
    (0.5, None)
    """
    if isinstance(like, Enum):
        members = type(like).__members__
        if value.value not in members:
            raise _not_a(value, name, ", ".join(members)[:200])
        return members[value.value]
    own = stored(value)
    if like is None or own is None or isinstance(own, type(like)):
        return own
    found = cast(value.value, type(like).__name__)
    if isinstance(like, bool) and not isinstance(found, bool):
        raise _not_a(value, name, "true, false, 1, 0")
    if isinstance(like, int | float) and isinstance(found, str):
        # A rate may be 1 in the script and 0.5 in the task; "" is None, as in ClearML.
        return cast(found, "float") if found else None
    return found


def stored(value: MetadataValue) -> object:
    """Return a stored value as its own type.

    >>> stored(MetadataValue("3", "int")), stored(MetadataValue("", "NoneType"))
    (3, None)
    """
    return None if value == MetadataValue("", "NoneType") else cast(value.value, value.type)


def _not_a(value: MetadataValue, name: str, allowed: str) -> InvalidValueError:
    return InvalidValueError(
        f"parameter {name} of the task is {shown(masked(name, value.value))}; "
        f"the script allows {allowed}",
        argument=name,
    )


def configurations(registry: OpenRegistry, task_id: str) -> dict[str, str]:
    """Return a task's configurations, texts by name."""
    with registry.store.read() as connection:
        require_task(connection, task_id)
        return task_rows.configurations(connection, task_id)


def set_configuration(registry: OpenRegistry, task_id: str, name: object, text: object) -> None:
    """Set a configuration of a task; None removes it."""
    key = check_text("name", name, limit=NAME_LIMIT, nul=False, empty=False)
    new = None if text is None else check_text("configuration", text)
    with registry.store.write() as change:
        put_configuration(change, task_id, key, new)


def put_configuration(change: Change, task_id: str, name: str, new: str | None) -> None:
    """Set or drop a configuration of a task, within a transaction."""
    found = require_task(change.connection, task_id)
    there = task_rows.configurations(change.connection, task_id)
    old = there.get(name)
    if old != new:
        names = ([name], there, ()) if new is not None else ((), there, [name])
        asked.note_asked(change.connection, found, asked.CONFIGURATION, *names)
        # Only a digest of the old text: a connected dict may change a thousand times.
        payload = {
            "old": None if old is None else sha256(old.encode()).hexdigest(),
            "new": None if new is None else [new],
        }
        change.record("task.configuration", task_id, payload, field=name)


def as_text(configuration: object) -> str:
    """Return a dict or list as JSON text; see `json_form`."""
    try:
        return json.dumps(json_form(configuration), indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValueError(
            f"configuration has values that JSON cannot store: {str(error)[:200]}",
            argument="configuration",
        ) from error


def json_form(value: object) -> object:
    """Return a value of a configuration as JSON has it.

    Paths, dates and other objects are texts, members of an Enum their names, arrays lists.

    >>> json_form({"size": (1, 2), "rate": float("nan"), "number": 1j})
    {'size': [1, 2], 'rate': 'nan', 'number': '1j'}
    """
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Mapping):
        return {key: json_form(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_form(each) for each in value]
    found = python_value(value)
    return str(value) if found is value else json_form(found)


def texts_as_values(registry: OpenRegistry, task_id: str, given: Mapping[str, str]) -> Values:
    """Return parameters given as text, each with the type of the task's parameter.

    Args:
        given: texts by ``section/name``. A name alone is the task's parameter of this name in any
            section, else one in "General".
    """
    there = parameters(registry, task_id)
    values: Values = {}
    for path, text in given.items():
        key = _key_of(path, there)
        values[key] = MetadataValue(text, there[key].type if key in there else "str")
    return values


def _key_of(path: str, there: Mapping[Key, object]) -> Key:
    key = split_key(path)
    if key in there:
        return key
    named = [each for each in there if each.name == path]
    if len(named) > 1:
        raise InvalidValueError(
            f"{path!r} is in several sections; give {' or '.join(each.path for each in named)}",
            argument="parameter",
        )
    return named[0] if named else key
