"""Finding tasks: the filters of a query as one statement.

Every filter has an index, or the primary key, so that SQLite reads the tasks that match one of
them and checks the others; a query that only excludes tags reads all tasks. For an order by a
metric or a parameter, the index of its values is read first (`value_sources`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from localreg.store.rows.name_patterns import pattern_sql
from localreg.store.rows.tag_sql import TAG, tag_sql
from localreg.store.rows.value_sources import (
    NEWEST,
    RANKED_TASKS,
    Order,
    Ranked,
    Source,
    holds_sql,
    in_order,
    sources,
)
from localreg.values.frozen import Frozen
from localreg.values.tags import ANY_TAGS, TagCondition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.comparisons import Comparison

Connection = sqlite3.Connection


class TaskQuery(Frozen, kw_only=True):
    """What is asked for; every part that is given must hold.

    Attributes:
        ids, projects, statuses: one of these.
        name: exact.
        patterns: which the name must match, see `name_patterns`.
        tags: see `localreg.values.tags`.
        archived: False leaves archived tasks out.
        metrics, parameters: what values must be.
        limit: at most so many, the first ones.
        order: which ones are first.
    """

    ids: tuple[str, ...] | None = None
    projects: tuple[str, ...] | None = None
    name: str | None = None
    patterns: tuple[str, ...] = ()
    statuses: tuple[str, ...] | None = None
    tags: TagCondition = ANY_TAGS
    archived: bool = True
    metrics: tuple[Comparison, ...] = ()
    parameters: tuple[Comparison, ...] = ()
    limit: int | None = None
    order: Order = NEWEST


class FoundTask(Ranked):
    """A task that matches; `value` and `stamp` order it among those of other registries."""

    name: str


def find(connection: Connection, query: TaskQuery) -> list[FoundTask]:
    """Return the tasks that match, in the order of the query."""
    if not query.order.is_of_values:
        sql, parameters = statement(connection, query)
        return [FoundTask(*row) for row in RANKED_TASKS.sound(connection, sql, parameters)]
    found: list[FoundTask] = []
    places = sources(connection, "task", query.order.by, query.order.key)
    for number, source in enumerate(places):
        sql, parameters = _of_source(connection, query, source, places[:number])
        found += [FoundTask(*row) for row in RANKED_TASKS.sound(connection, sql, parameters)]
    ordered = in_order(found, lambda each: each, descending=query.order.descending)
    return ordered[: query.limit]


def _of_source(
    connection: Connection, query: TaskQuery, source: Source, earlier: Sequence[Source]
) -> tuple[str, list[object]]:
    """Return the statement for the tasks that have their value from one source."""
    where, parameters = _where(connection, query)
    parameters[:0] = source.parameters
    for each in earlier:
        where.append(each.lacks)
        parameters += each.parameters
    direction = "DESC" if query.order.descending else "ASC"
    texts_last = "typeof(ranked) = 'text', " if source.is_text else ""
    conditions = " AND ".join([source.condition, f"{source.column} IS NOT NULL", *where])
    limit, parameters = _limited(query, parameters)
    sql = (
        f"SELECT t.id, {source.value} AS ranked, t.stamp, t.name FROM {source.first} "
        f"WHERE {conditions} ORDER BY {texts_last}ranked {direction}, t.stamp DESC{limit}"
    )
    return sql, parameters


def statement(connection: Connection, query: TaskQuery) -> tuple[str, list[object]]:
    """Return the statement of a query that no value orders, and its parameters."""
    where, parameters = _where(connection, query)
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    value = {"updated": "t.stamp", "created": "t.created", "name": "t.name"}[query.order.by]
    direction = "DESC" if query.order.descending else "ASC"
    limit, parameters = _limited(query, parameters)
    second = "" if query.order.by == "updated" else ", t.stamp DESC"
    sql = (
        f"SELECT t.id, {value}, t.stamp, t.name FROM task t {condition}"
        f"ORDER BY {value} {direction}{second}{limit}"
    )
    return sql, parameters


def _limited(query: TaskQuery, parameters: list[object]) -> tuple[str, list[object]]:
    return ("", parameters) if query.limit is None else (" LIMIT ?", [*parameters, query.limit])


def _where(connection: Connection, query: TaskQuery) -> tuple[list[str], list[object]]:
    """Return the conditions of a query, and their parameters."""
    where: list[str] = []
    parameters: list[object] = []
    if query.ids is not None:
        where.append("t.id IN (SELECT value FROM json_each(?))")
        parameters.append(_as_json(query.ids))
    if query.projects is not None:
        where.append(
            "t.project IN (SELECT pk FROM project "
            "WHERE pk <> 0 AND name IN (SELECT value FROM json_each(?)))"
        )
        parameters.append(_as_json(query.projects))
    if query.name is not None:
        where.append("t.name = ?")
        parameters.append(query.name)
    where.extend(
        pattern_sql(each, parameters, project="t.project", name="t.name") for each in query.patterns
    )
    if query.statuses is not None:
        # A published task keeps the status that it ended with; "published" is shown instead.
        where.append(
            "CASE t.published WHEN 1 THEN 'published' ELSE t.status END "
            "IN (SELECT value FROM json_each(?))"
            if "published" in query.statuses
            else "t.status IN (SELECT value FROM json_each(?)) AND t.published = 0"
        )
        parameters.append(_as_json(query.statuses))
    if query.tags != ANY_TAGS:
        where.append(
            tag_sql(
                query.tags,
                parameters,
                tagged=f"t.pk IN (SELECT task FROM task_tag WHERE tag = {TAG})",
                untagged="NOT EXISTS (SELECT 1 FROM task_tag x JOIN tag g ON g.pk = x.tag "
                "WHERE x.task = t.pk AND g.system = 0)",
            )
        )
    if not query.archived:
        where.append(
            "t.pk NOT IN (SELECT task FROM task_tag x JOIN tag g ON g.pk = x.tag "
            "WHERE g.name = 'archived' AND g.system = 1)"
        )
    for kind, comparisons in (("metric", query.metrics), ("parameter", query.parameters)):
        for each in comparisons:
            found = sources(connection, "task", kind, each.key)
            where.append(holds_sql(found, each, parameters))
    return where, parameters


def _as_json(texts: tuple[str, ...]) -> str:
    """Return texts for `json_each`, without those that hold a NUL, as no stored text does.

    `json_each` would end them at the NUL, and then they could match.
    """
    return json.dumps([text for text in texts if "\0" not in text])
