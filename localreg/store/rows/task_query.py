"""Finding tasks: the filters of a query as one statement.

Every filter has an index, or the primary key, so that SQLite reads the tasks that match one of
them and checks the others; a query that only excludes tags reads all tasks.
"""

from __future__ import annotations

import json
import sqlite3

from localreg.store.rows.checked_values import COUNT, ID, TEXT, Columns
from localreg.store.rows.name_patterns import pattern_sql
from localreg.store.rows.tag_sql import tag_keys, tag_sql
from localreg.values.frozen import Frozen
from localreg.values.tags import ANY_TAGS, TagCondition

Connection = sqlite3.Connection


class TaskQuery(Frozen, kw_only=True):
    """What is asked for; every part that is given must hold.

    Attributes:
        ids, projects, statuses: one of these.
        name: exact.
        patterns: which the name must match, see `name_patterns`.
        tags: see `localreg.values.tags`.
        archived: False leaves archived tasks out.
        limit: at most so many, the ones that changed last.
    """

    ids: tuple[str, ...] | None = None
    projects: tuple[str, ...] | None = None
    name: str | None = None
    patterns: tuple[str, ...] = ()
    statuses: tuple[str, ...] | None = None
    tags: TagCondition = ANY_TAGS
    archived: bool = True
    limit: int | None = None


class FoundTask(Frozen):
    """A task that matches; `stamp` orders it among those of other registries."""

    id: str
    name: str
    stamp: int


_FOUND = Columns("task", id=ID, name=TEXT, stamp=COUNT)


def find(connection: Connection, query: TaskQuery) -> list[FoundTask]:
    """Return the tasks that match, the one that changed last first."""
    sql, parameters = statement(connection, query)
    return [FoundTask(*row) for row in _FOUND.sound(connection, sql, parameters)]


def statement(connection: Connection, query: TaskQuery) -> tuple[str, list[object]]:
    """Return the statement of a query, and its parameters."""
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
                tag_keys(connection, query.tags),
                parameters,
                tagged="t.pk IN (SELECT task FROM task_tag WHERE tag = ?)",
                untagged="NOT EXISTS (SELECT 1 FROM task_tag x JOIN tag g ON g.pk = x.tag "
                "WHERE x.task = t.pk AND g.system = 0)",
            )
        )
    if not query.archived:
        where.append(
            "t.pk NOT IN (SELECT task FROM task_tag x JOIN tag g ON g.pk = x.tag "
            "WHERE g.name = 'archived' AND g.system = 1)"
        )
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    limit = "" if query.limit is None else " LIMIT ?"
    if query.limit is not None:
        parameters.append(query.limit)
    sql = f"SELECT t.id, t.name, t.stamp FROM task t {condition}ORDER BY t.stamp DESC{limit}"
    return sql, parameters


def _as_json(texts: tuple[str, ...]) -> str:
    """Return texts for `json_each`, without those that hold a NUL, as no stored text does.

    `json_each` would end them at the NUL, and then they could match.
    """
    return json.dumps([text for text in texts if "\0" not in text])
