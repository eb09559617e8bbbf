"""Find projects by name or id, in a registry and its upstream registries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import check_project_name
from localreg.operations.finding.upstream import read_each
from localreg.registry import Chain
from localreg.store.rows import project_rows
from localreg.store.rows.project_rows import ProjectFacts
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen

__all__ = ["Asked", "ProjectFacts", "check_asked", "id_of", "projects"]

_ORDERS: dict[str, Callable[[ProjectFacts], str | int]] = {
    "name": lambda each: each.name,
    "created": lambda each: each.created,
    "last_update": lambda each: each.updated,
}
_IGNORED = frozenset({"page", "page_size", "search_hidden", "_allow_extra_fields_"})


class Asked(Frozen):
    """Which projects are asked for.

    Attributes:
        pattern: searched for anywhere in the name.
        ids: one of these.
        order: names of `_ORDERS`, with a "-" in front for the other direction.
    """

    pattern: re.Pattern[str] | None = None
    ids: tuple[str, ...] | None = None
    order: tuple[str, ...] = ("last_update",)


def check_asked(given: Mapping[str, object]) -> Asked:
    """Return what some arguments of ``Task.get_projects`` ask for."""
    unknown = set(given) - {"name", "id", "order_by"} - _IGNORED
    if unknown:
        raise InvalidValueError(
            f"projects are found by name and id, not by {', '.join(sorted(unknown))[:100]}",
            argument=min(unknown),
        )
    name, ids = given.get("name"), given.get("id")
    order = _texts("order_by", given.get("order_by", "last_update"))
    strange = [each for each in order if each.removeprefix("-") not in _ORDERS]
    if strange:
        raise InvalidValueError(
            f"order_by must be of {', '.join(_ORDERS)}, not {strange[0]!r:.60}",
            argument="order_by",
        )
    return Asked(
        None if name is None else _pattern(check_text("name", name, limit=1_024)),
        None if ids is None else _texts("id", ids),
        order,
    )


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidValueError(
            f"name {text[:60]!r} is not a regular expression: {error}", argument="name"
        ) from error


def _texts(argument: str, given: object) -> tuple[str, ...]:
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        raise InvalidValueError(
            f"{argument} must be a str or a list of str, not {shown(given)}", argument=argument
        )
    return tuple(check_text(argument, each) for each in values)


def projects(chain: Chain, asked: Asked) -> list[ProjectFacts]:
    """Return the projects of the registries; of those of one name the first registry's."""
    found: dict[str, ProjectFacts] = {}
    for _, facts in read_each(chain, project_rows.every):
        for each in facts:
            found.setdefault(each.name, each)
    hits = [
        each
        for each in found.values()
        if (asked.ids is None or each.id in asked.ids)
        and (asked.pattern is None or asked.pattern.search(each.name))
    ]
    for order in reversed(asked.order):
        hits.sort(key=_ORDERS[order.removeprefix("-")], reverse=order.startswith("-"))
    return hits


def id_of(chain: Chain, name: object) -> str | None:
    """Return the id of the project with a name, or None."""
    text = check_project_name(name, "project_name")
    for _, found in read_each(
        chain, lambda connection: project_rows.by_name(connection, text or "")
    ):
        if found is not None:
            return found.id
    return None
