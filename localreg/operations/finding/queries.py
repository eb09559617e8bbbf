"""Queries: the filters and the order of models, checked, and the models that match."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.registry import OpenRegistry
from localreg.store.rows import model_query
from localreg.store.rows.model_query import NEWEST, ModelQuery, Order
from localreg.values.checks import check_flag, check_text, is_empty, kept_name, one_value, shown
from localreg.values.dataset_names import is_data_project
from localreg.values.frozen import replace
from localreg.values.tags import FILTER_LIMIT, parse_tag_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from localreg.store.rows.model_query import Ranked

    Match = TypeVar("Match")

LARGEST_LIMIT = 2**63 - 1
METRIC = "metrics."
PATTERN_LIMIT = 4_096


def check_query(
    *,
    project: object = None,
    name: object = None,
    patterns: object = (),
    tags: object = None,
    metadata: object = None,
    published: object = False,
    archived: object = False,
    limit: object = None,
    order: object = None,
) -> ModelQuery:
    """Check the filters of a query.

    Args:
        project, name: must be equal; None means any, and so does "" for the project. Data sets
            are left out, unless the project is one of data sets.
        patterns: which the name must match, see `store.rows.name_patterns`.
        tags: see `localreg.values.tags`.
        metadata: dict of keys to the values that they must have, compared as text.
        published: only published models.
        archived: include archived models.
        limit: the most models, 1 or more; None for all.
        order: see `check_order`; None for the model that was updated last first.

    Raises:
        TagFilterError: the tags are malformed.
    """
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidValueError(
            f"metadata must be a dict, not {type(metadata).__name__}", argument="metadata"
        )
    return ModelQuery(
        project=None if project is None or is_empty(project) else _exact("project_name", project),
        name=None if name is None else _exact("model_name", name),
        patterns=check_patterns(patterns),
        tags=parse_tag_filter(tags),
        metadata=_wanted_metadata(metadata) if metadata else (),
        published=check_flag("published", published),
        archived=check_flag("archived", archived),
        limit=check_limit("max_results", limit),
        order=NEWEST if order is None else check_order(order),
        datasets=isinstance(project, str) and is_data_project(project.strip()),
    )


def check_patterns(patterns: object) -> tuple[str, ...]:
    """Return patterns that names must match, in the form in which names are kept."""
    if not isinstance(patterns, tuple):
        raise InvalidValueError("patterns must be a tuple", argument="patterns")
    return tuple(
        kept_name(check_text("PATTERN", each, limit=PATTERN_LIMIT, nul=False)) for each in patterns
    )


def _exact(argument: str, name: object) -> str:
    """Return a name to look up; of a blank one, which no model has, the blanks."""
    text = check_text(argument, name)
    return kept_name(text) or text


def check_order(given: object) -> Order:
    """Return the order that models are wanted in.

    Args:
        given: "updated" or "created", newest first; "name", A to Z; ``metrics.TITLE/SERIES``, by
            the last value of a scalar series, or ``metrics.NAME``, by a single value: the best
            first. The best is the greatest, unless the name suggests that less is better ("loss").
            "-" in front means the greatest first, "+" the least first.
    """
    text = check_text("order_by", given, limit=2_100, nul=False)
    key = text[1:] if text[:1] in ("-", "+") else text
    metric = key[len(METRIC) :] if key.startswith(METRIC) else ""
    if not metric and key not in ("updated", "created", "name"):
        raise InvalidValueError(
            "order_by must be updated, created, name, metrics.TITLE/SERIES or metrics.NAME, with "
            f"- or + in front or neither, not {shown(given)}",
            argument="order_by",
        )
    if key != text:
        descending = text[0] == "-"
    elif metric:
        from localreg.values.metrics import better

        descending = better(metric) >= 0
    else:
        descending = key != "name"
    return Order("metric", descending, "", metric) if metric else Order(key, descending)


def check_limit(argument: str, limit: object) -> int | None:
    """Return `limit` if it is a number of results, or None for all of them."""
    if limit is None:
        return None
    number = one_value(limit)  # numpy has integers of its own
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= LARGEST_LIMIT:
        raise InvalidValueError(
            f"{argument} must be an int of 1 or more, not {shown(limit)}", argument=argument
        )
    return number


def _wanted_metadata(metadata: dict[object, object]) -> tuple[tuple[str, str], ...]:
    from localreg.values.metadata import check_metadata_key, to_text

    if len(metadata) > FILTER_LIMIT:
        raise InvalidValueError(
            f"metadata has {len(metadata):,} keys; a query takes at most {FILTER_LIMIT}",
            argument="metadata",
        )
    return tuple(
        (check_metadata_key(key), check_text("metadata value", to_text(value)))
        for key, value in metadata.items()
    )


def find_models(registry: OpenRegistry, query: ModelQuery) -> list[str]:
    """Return the ids of the matching models of one registry, in the order of the query."""
    return _find(registry, query, model_query.find)


def rank_models(registry: OpenRegistry, query: ModelQuery) -> list[Ranked]:
    """Return the matching models of one registry, each with the value it is ordered by."""
    return _find(registry, query, model_query.rank)


def _find(
    registry: OpenRegistry,
    query: ModelQuery,
    find: Callable[[model_query.Connection, ModelQuery], list[Match]],
) -> list[Match]:
    if query.order.by != "metric":
        with registry.store.read() as connection:
            return find(connection, query)
    registry.store.flush()  # count what this process has just reported
    metric = query.order.name
    with registry.store.read() as connection:
        series = model_query.series_named(connection, metric)
        by, (title, name) = ("series", series) if series else ("single", ("", metric))
        order = Order(by, query.order.descending, title, name)
        return find(connection, replace(query, order=order))
