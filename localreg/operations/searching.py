"""Queries: which models match."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.registry import OpenRegistry
from localreg.store import model_query
from localreg.store.model_query import ModelQuery
from localreg.tags import FILTER_LIMIT, parse_tag_filter
from localreg.text import check_name, check_text, shown

LARGEST_LIMIT = 2**63 - 1


def check_query(
    *,
    project: object = None,
    name: object = None,
    tags: object = None,
    metadata: object = None,
    published: object = False,
    archived: object = False,
    limit: object = None,
) -> ModelQuery:
    """Check the filters of a query.

    Args:
        project, name: exact; None, and "" for the project, for any.
        tags: see `localreg.tags`.
        metadata: dict of key to the value it must have, compared as text.
        published: only published models.
        archived: archived models too.
        limit: at most so many models, 1 or more.

    Raises:
        TagFilterError: the tags are malformed.
        InvalidValueError: another filter cannot be used.
    """
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidValueError(
            f"metadata must be a dict, not {type(metadata).__name__}", argument="metadata"
        )
    return ModelQuery(
        project=None if project is None or project == "" else check_text("project_name", project),
        name=None if name is None else check_text("model_name", name),
        tags=parse_tag_filter(tags),
        metadata=_wanted_metadata(metadata) if metadata else (),
        published=bool(published),
        archived=bool(archived),
        limit=check_limit("max_results", limit),
    )


def check_limit(argument: str, limit: object) -> int | None:
    """Return `limit` when it is a number of results, or None for all of them.

    Raises:
        InvalidValueError: it is neither.
    """
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= LARGEST_LIMIT:
        raise InvalidValueError(
            f"{argument} must be an int of 1 or more, not {shown(limit)}", argument=argument
        )
    return limit


def _wanted_metadata(metadata: dict[object, object]) -> tuple[tuple[str, str], ...]:
    from localreg.metadata import to_text

    if len(metadata) > FILTER_LIMIT:
        raise InvalidValueError(
            f"metadata asks for {len(metadata):,} keys; at most {FILTER_LIMIT} are taken",
            argument="metadata",
        )
    return tuple(
        (check_name("metadata key", key), check_text("metadata value", to_text(value)))
        for key, value in metadata.items()
    )


def find_models(registry: OpenRegistry, query: ModelQuery) -> list[str]:
    """Return the ids of the models that match, the one updated last first."""
    with registry.store.read() as connection:
        return model_query.find(connection, query)
