"""Queries: the filters and the order of models, checked, and the models that match."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.registry import OpenRegistry
from localreg.store.rows import model_query
from localreg.store.rows.model_query import ModelQuery
from localreg.store.rows.value_sources import NEWEST, Order
from localreg.values.checks import check_flag, check_text, is_empty, kept_name, one_value, shown
from localreg.values.dataset_names import is_data_project
from localreg.values.tags import FILTER_LIMIT, parse_tag_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from localreg.store.rows.value_sources import Ranked
    from localreg.values.comparisons import Comparison
    from localreg.values.packed_ids import PackedIds

LARGEST_LIMIT = 2**63 - 1
KINDS = {"metrics": "metric", "parameters": "parameter", "metadata": "metadata"}
_SPELLED = {
    "metrics": "metrics.TITLE/SERIES, metrics.NAME",
    "parameters": "parameters.Section/name",
    "metadata": "metadata.KEY",
}
PATTERN_LIMIT = 4_096


def check_query(
    *,
    project: object = None,
    name: object = None,
    patterns: object = (),
    tags: object = None,
    metadata: object = None,
    metrics: object = None,
    parameters: object = None,
    published: object = False,
    signed: object = False,
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
        metadata: dict of keys to the values that they must have, compared as text; or
            ``(">", 0.9)``, see `values.comparisons.comparisons`.
        metrics, parameters: the same of the last values of metrics, which are numbers, and of the
            parameters of the task that made the model.
        published: only published models.
        signed: only models with a signature, whether or not it counts.
        archived: include archived models.
        limit: the most models, 1 or more; None for all.
        order: see `check_order`; None for the model that was updated last first.

    Raises:
        TagFilterError: the tags are malformed.
    """
    return ModelQuery(
        project=None if project is None or is_empty(project) else _exact("project_name", project),
        name=None if name is None else _exact("model_name", name),
        patterns=check_patterns(patterns),
        tags=parse_tag_filter(tags),
        # Most filters are not given, and calls that find that out would take half of the time.
        metadata=() if metadata is None else check_comparisons("metadata", metadata),
        metrics=() if metrics is None else check_comparisons("metrics", metrics),
        parameters=() if parameters is None else check_comparisons("parameters", parameters),
        published=published is not False and check_flag("published", published),
        signed=signed is not False and check_flag("signed", signed),
        archived=archived is not False and check_flag("archived", archived),
        limit=check_limit("max_results", limit),
        order=NEWEST if order is None else check_order(order),
        datasets=isinstance(project, str) and is_data_project(project.strip()),
    )


def check_patterns(patterns: object) -> tuple[str, ...]:
    """Return patterns that names must match, in the form in which names are kept."""
    if not isinstance(patterns, tuple):
        raise InvalidValueError("patterns must be a tuple", argument="patterns")
    return patterns and tuple(
        kept_name(check_text("PATTERN", each, limit=PATTERN_LIMIT, nul=False)) for each in patterns
    )


def _exact(argument: str, name: object) -> str:
    """Return a name to look up; of a blank one, which no model has, the blanks."""
    text = check_text(argument, name)
    return kept_name(text) or text


def check_order(given: object, kinds: Mapping[str, str] = KINDS) -> Order:
    """Return the order that models or tasks are wanted in.

    Args:
        given: "updated" or "created", newest first; "name", A to Z; ``metrics.TITLE/SERIES``, by
            the last value of a scalar series, or ``metrics.NAME``, by a single value: the best
            first. The best is the greatest, unless the name suggests that less is better ("loss").
            ``parameters.Section/name`` and ``metadata.KEY``: the greatest number first, then texts.
            "-" in front means the greatest first, "+" the least first.
        kinds: which values there are, by the names of their prefixes.
    """
    text = check_text("order_by", given, limit=2_100, nul=False)
    name = text[1:] if text[:1] in ("-", "+") else text
    prefix, dot, key = name.partition(".")
    kind = kinds.get(prefix) if dot and key else None
    if kind is None and name not in ("updated", "created", "name"):
        raise InvalidValueError(
            f"order_by must be updated, created, name, {_listed(kinds)}, with - or + in front or "
            f"neither, not {shown(given)}",
            argument="order_by",
        )
    if name != text:
        descending = text[0] == "-"
    elif kind == "metric":
        from localreg.values.metrics import better

        descending = better(key) >= 0
    else:
        descending = name != "name"
    return Order(kind, descending, key) if kind else Order(name, descending)


def _listed(kinds: Iterable[str]) -> str:
    *others, last = [_SPELLED[each] for each in kinds]
    return f"{', '.join(others)} or {last}"


def check_limit(argument: str, limit: object) -> int | None:
    """Return `limit` if it is a number of results, or None for all of them."""
    if limit is None:
        return None
    number = limit if type(limit) is int else one_value(limit)  # numpy has integers of its own
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= LARGEST_LIMIT:
        raise InvalidValueError(
            f"{argument} must be an int of 1 or more, not {shown(limit)}", argument=argument
        )
    return number


def check_comparisons(argument: str, given: object) -> tuple[Comparison, ...]:
    """Return what a filter of metadata, metrics or parameters states; None states nothing.

    Args:
        argument: "metadata", "metrics" or "parameters".
        given: a dict of names to what their values must be, see `values.comparisons.comparisons`.
    """
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise InvalidValueError(
            f"{argument} must be a dict, not {type(given).__name__}", argument=argument
        )
    if not given:
        return ()
    from localreg.values.comparisons import comparisons
    from localreg.values.metadata import check_metadata_key

    if len(given) > FILTER_LIMIT:
        raise InvalidValueError(
            f"{argument} has {len(given):,} keys; a query takes at most {FILTER_LIMIT}",
            argument=argument,
        )
    found = []
    for name, wanted in given.items():
        key = (
            check_metadata_key(name)
            if argument == "metadata"
            else check_text(f"{argument} name", name, limit=2_100, nul=False, empty=False)
        )
        numbers = argument == "metrics"
        found += comparisons(argument, key, wanted, numbers_only=numbers)
    if len(found) > FILTER_LIMIT:
        raise InvalidValueError(
            f"{argument} states {len(found):,} comparisons; a query takes at most {FILTER_LIMIT}",
            argument=argument,
        )
    return tuple(found)


def find_models(registry: OpenRegistry, query: ModelQuery) -> list[str]:
    """Return the ids of the matching models of one registry, in the order of the query."""
    if query.order.is_of_values or query.metrics:
        registry.store.flush()  # count what this process has just reported
    plain = model_query.plain_statement(query)
    if plain is not None:
        with registry.store.one_statement() as connection:
            return model_query.ids(connection, *plain)
    with registry.store.read() as connection:
        return model_query.find(connection, query)


def packed_models(registry: OpenRegistry, query: ModelQuery) -> PackedIds:
    """Return what `find_models` does, in little memory."""
    from localreg.values.packed_ids import PackedIds

    if query.order.is_of_values or query.metrics:
        registry.store.flush()
    with registry.store.read() as connection:
        return PackedIds(model_query.stream(connection, query))


def rank_models(registry: OpenRegistry, query: ModelQuery) -> list[Ranked]:
    """Return the matching models of one registry, each with the value it is ordered by."""
    if query.order.is_of_values or query.metrics:
        registry.store.flush()
    with registry.store.read() as connection:
        return model_query.rank(connection, query)
