"""`task_filter` of searches, as ClearML's server reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from localreg.errors import InvalidValueError
from localreg.operations.tasks.fields import TIMES, VALUES, TaskFields, check_field
from localreg.values.checks import check_text, kept_name, shown
from localreg.values.frozen import Frozen
from localreg.values.tags import ANY_TAGS, TagCondition, has_tags, parse_tag_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Condition = Callable[[TaskFields], bool]

# What they choose does not exist here: users, hidden tasks, the fields that a server returns.
_IGNORED = frozenset({"user", "only_fields", "search_hidden", "_allow_extra_fields_", "scroll_id",
                      "refresh_scroll", "size"})  # fmt: skip
_TIME = re.compile(r"\s*(>=|<=|>|<|=|)\s*(\S.*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    "=": lambda one, other: one == other,
    "": lambda one, other: one == other,
}


class TaskFilter(Frozen, kw_only=True):
    """A checked `task_filter`.

    Attributes:
        ids, statuses: one of these; None for any.
        tags: tokens of a tag filter.
        conditions: what else must hold.
        order: fields to sort by, each with True for descending; empty for the last change first.
        start, count: the part of the result to return; a count of None is all of it.
    """

    ids: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    tags: tuple[str | None, ...] = ()
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    start: int = 0
    count: int | None = None

    @property
    def reads_values(self) -> bool:
        """True if the order is that of metrics or parameters."""
        return any(path.partition(".")[0] in VALUES for path, _ in self.order)

    def holds(self, fields: TaskFields) -> bool:
        """Return True if a task meets the conditions."""
        return all(condition(fields) for condition in self.conditions)

    def sorted(self, tasks: list[tuple[TaskFields, Any]]) -> list[Any]:
        """Return what belongs to tasks, in order, and only the part that is asked for."""
        found = list(tasks)
        for path, descending in reversed(self.order):  # sorting keeps the order of equal ones
            found.sort(key=lambda pair: _sort_key(pair[0].get(path)), reverse=descending)
        end = None if self.count is None else self.start + self.count
        return [each for _, each in found[self.start : end]]


def check_task_filter(given: object) -> TaskFilter:
    """Return the checked form of a `task_filter`; None is no filter.

    Args:
        given: a dict with any of the keys ``id``, ``name`` (a regular expression), ``status``,
            ``type``, ``tags``, ``system_tags``, ``parent``, ``project`` (ids), ``search_text``,
            ``_all_`` and ``_any_`` (``{"fields": […], "pattern": …}``), ``started`` and other times
            (``[">=2026-01-31"]``), ``order_by``, ``page`` and ``page_size``.

    Raises:
        InvalidValueError: a key is unknown, or its value cannot be used.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InvalidValueError(
            f"task_filter must be a dict, not {type(given).__name__}", argument="task_filter"
        )
    values = {key: value for key, value in (given or {}).items() if value is not None}
    known = {*_READERS, *TIMES, "id", "status", "tags", "order_by", "page", "page_size", *_IGNORED}
    if unknown := [key for key in values if key not in known]:
        raise InvalidValueError(
            f"task_filter has no key {shown(unknown[0])}; it may have "
            f"{', '.join(sorted(known - _IGNORED))}",
            argument="task_filter",
        )
    conditions = [_READERS[key](value) for key, value in values.items() if key in _READERS]
    conditions += [_in_time(key, values[key]) for key in TIMES if key in values]
    size = _number("page_size", values["page_size"], 1) if "page_size" in values else None
    page = _number("page", values["page"], 0) if "page" in values else 0
    if page and size is None:
        raise InvalidValueError("task_filter: page needs page_size", argument="task_filter")
    return TaskFilter(
        ids=_texts("id", values["id"]) if "id" in values else None,
        statuses=_texts("status", values["status"]) if "status" in values else None,
        tags=tuple(_listed("tags", values.get("tags"))),
        conditions=tuple(conditions),
        order=tuple(_order(each) for each in _listed("order_by", values.get("order_by"))
                    if each not in ("@text_score", "-@text_score")),
        start=page * (size or 0),
        count=size,
    )  # fmt: skip


def _texts(key: str, value: object) -> tuple[str, ...]:
    return tuple(
        kept_name(check_text(f"task_filter[{key!r}]", each)) for each in _listed(key, value)
    )


def _listed(key: str, value: object) -> list[Any]:
    """Return the values of a key that has one or several; None is none."""
    if value is None:
        return []
    given: object = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise InvalidValueError(
            f"task_filter[{key!r}] must be a list of str, not {shown(value)}",
            argument="task_filter",
        )
    return list(given)


def _number(key: str, value: object, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**53:
        raise InvalidValueError(
            f"task_filter[{key!r}] must be a whole number from {least}, not {shown(value)}",
            argument="task_filter",
        )
    return value


def _order(given: object) -> tuple[str, bool]:
    text = check_text("task_filter['order_by']", given)
    path = text.removeprefix("-")
    prefix, dot, name = path.partition(".")
    if not (dot and name and prefix in VALUES):
        check_field("task_filter['order_by']", path)
    return path, text.startswith("-")


def _sort_key(value: object) -> tuple[int, Any]:
    """Return what values of any type are sorted by: None first, then numbers, times and texts."""
    if value is None or value != value:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    if isinstance(value, datetime):
        return 2, value
    return 3, str(value)


def _pattern(key: str, value: object, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    text = check_text(f"task_filter[{key!r}]", value, limit=1_024)
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise InvalidValueError(
            f"task_filter[{key!r}] {text[:60]!r} is not a regular expression: {error}",
            argument="task_filter",
        ) from error


def _name(value: object) -> Condition:
    pattern = _pattern("name", value)
    return lambda fields: pattern.search(fields.get("name")) is not None


def _types(value: object) -> Condition:
    wanted = {each.lower() for each in _texts("type", value)}
    return lambda fields: fields.get("type") in wanted


def _parents(value: object) -> Condition:
    wanted = set(_texts("parent", value))
    return lambda fields: fields.get("parent") in wanted


def _projects(value: object) -> Condition:
    wanted = set(_texts("project", value))
    return lambda fields: fields.get("project") in wanted


def _system_tags(value: object) -> Condition:
    condition: TagCondition = parse_tag_filter(_listed("system_tags", value))
    if condition == ANY_TAGS:
        return lambda _: True
    return lambda fields: has_tags(condition, fields.get("system_tags"))


def _contains(value: object) -> Condition:
    text = check_text("task_filter['search_text']", value).casefold()
    names = ("id", "name", "comment")
    return lambda fields: any(text in str(fields.get(each)).casefold() for each in names)


def _fields(key: str, join: Callable[[Iterable[bool]], bool]) -> Callable[[object], Condition]:
    def read(value: object) -> Condition:
        if not isinstance(value, Mapping) or not value.keys() <= {"fields", "pattern"}:
            raise InvalidValueError(
                f'task_filter[{key!r}] must be {{"fields": […], "pattern": …}}, not {shown(value)}',
                argument="task_filter",
            )
        given = _listed(key, value.get("fields"))
        paths = [check_field(f"task_filter[{key!r}]", each) for each in given]
        pattern = _pattern(key, value.get("pattern"))
        return lambda fields: join(_matches(pattern, fields.get(each)) for each in paths)

    return read


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(_matches(pattern, each) for each in value)
    return value is not None and pattern.search(str(value)) is not None


def _in_time(key: str, value: object) -> Condition:
    given = [value] if isinstance(value, datetime) else _listed(key, value)
    bounds = [_bound(key, each) for each in given]

    def holds(fields: TaskFields) -> bool:
        at = fields.get(key)
        return at is not None and all(_COMPARE[sign](at, bound) for sign, bound in bounds)

    return holds


def _bound(key: str, given: object) -> tuple[str, datetime]:
    sign, moment = "", given
    if isinstance(given, str) and (match := _TIME.fullmatch(given)):
        sign, text = match.groups()
        try:
            moment = datetime.fromtimestamp(float(text), UTC)
        except (ValueError, OverflowError, OSError):  # no seconds since 1970
            try:
                moment = datetime.fromisoformat(text.strip())
            except ValueError:
                moment = None
    if not isinstance(moment, datetime):
        raise InvalidValueError(
            f'task_filter[{key!r}] must be times such as ">=2026-01-31T12:00:00", not '
            f"{shown(given)}",
            argument="task_filter",
        )
    return sign, moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_READERS: dict[str, Callable[[object], Condition]] = {
    "name": _name,
    "type": _types,
    "parent": _parents,
    "project": _projects,
    "system_tags": _system_tags,
    "search_text": _contains,
    "_all_": _fields("_all_", all),
    "_any_": _fields("_any_", any),
}
