"""The rows of the overview page: newest models and tasks, tags, aliases, metrics, counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from localreg.store.rows.checked_values import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    TIME,
    WHOLE,
    Columns,
    or_null,
)
from localreg.store.rows.held_sql import HELD, WITH_GATE
from localreg.values import dataset_names
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

_MODELS = Columns(
    "model", 1, pk=WHOLE, id=ID, project=TEXT, name=TEXT, version=COUNT, framework=or_null(TEXT),
    published=FLAG, archived=FLAG, package=FLAG, updated=TIME, size=or_null(COUNT), created=TIME,
    task=or_null(TEXT), comment=or_null(TEXT),
)  # fmt: skip
_TASKS = Columns(
    "task", 1, pk=WHOLE, id=ID, project=TEXT, name=TEXT, status=TEXT, published=FLAG, archived=FLAG,
    updated=TIME, type=TEXT, created=TIME, ended=or_null(TIME), comment=or_null(TEXT),
)  # fmt: skip
_IDS = Columns("model", id=ID)
_DATASET_TAG = f"(SELECT pk FROM tag WHERE name = '{dataset_names.TAG}' AND system = 1)"
_NO_DATASET = (
    f"NOT EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {{}}.pk AND x.tag = {_DATASET_TAG})"
)
_NAMES = Columns("tag", 1, owner=WHOLE, name=TEXT)
_ALIASES = Columns("alias", 1, owner=WHOLE, name=TEXT, held=FLAG)
_PROJECTS = Columns("project", name=TEXT, models=COUNT, tasks=COUNT, updated=TIME)


def newest(connection: Connection, kind: str, limit: int | None) -> list[str]:
    """Return the ids of the models, with data sets, or tasks that changed last, newest first.

    Args:
        kind: "model" or "task".
        limit: the most ids; None for all.
    """
    sql = f"SELECT id FROM {kind} ORDER BY stamp DESC LIMIT ?"
    return [id_ for (id_,) in _IDS.sound(connection, sql, (-1 if limit is None else limit,))]


def newest_models(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Yield the models that changed last, newest first, without data sets.

    Each is a tuple of pk, id, project, name, version, framework, published, archived, package,
    updated (microseconds), size, created (microseconds), id of the task that made it, and comment.
    """
    yield from _MODELS.sound_stream(
        connection,
        "SELECT m.pk, m.id, p.name, m.name, m.version, m.framework, m.published, m.archived, "
        "m.package, m.updated, (SELECT CASE WHEN w.tree THEN b.total ELSE b.size END "
        "FROM weights w JOIN blob b ON b.pk = w.blob WHERE w.model = m.pk AND w.current = 1), "
        "m.created, m.task, m.comment FROM model m JOIN project p ON p.pk = m.project "
        f"WHERE {_NO_DATASET.format('m')} ORDER BY m.stamp DESC LIMIT ?",
        (limit,),
    )


def contested(connection: Connection) -> set[int]:
    """Return the keys of the models that were published twice, with different content."""
    return {key for (key,) in connection.execute("SELECT pk FROM model WHERE contested = 1")}


def tags(connection: Connection, models: Iterable[int]) -> list[tuple[int, str]]:
    """Return (key of the model, name) of each tag of some models, ordered by name."""
    return _NAMES.sound(
        connection,
        "SELECT x.model, t.name FROM json_each(?) k CROSS JOIN model_tag x ON x.model = k.value "
        "JOIN tag t ON t.pk = x.tag WHERE t.system = 0 ORDER BY t.name",
        (json.dumps([*models]),),
    )


def aliases(connection: Connection, models: Iterable[int]) -> list[tuple[int, str, bool]]:
    """Return (key of the model, name, is held) of each alias of some models, ordered by name."""
    return _ALIASES.sound(
        connection,
        f"SELECT m.pk, a.alias, {HELD} FROM json_each(?) k CROSS JOIN model m ON m.pk = k.value "
        "CROSS JOIN alias a ON a.model = m.id AND a.project = m.project AND a.name = m.name "
        f"{WITH_GATE} ORDER BY a.alias",
        (json.dumps([*models]),),
    )


def newest_tasks(connection: Connection, limit: int) -> Iterator[tuple[Any, ...]]:
    """Yield the tasks that changed last, newest first.

    Each is a tuple of pk, id, project, name, status, published, archived, updated, type, created,
    ended (times in microseconds) and comment.
    """
    yield from _TASKS.sound_stream(
        connection,
        "SELECT t.pk, t.id, p.name, t.name, t.status, t.published, EXISTS (SELECT 1 FROM "
        "task_tag x JOIN tag g ON g.pk = x.tag WHERE x.task = t.pk AND g.system = 1 "
        "AND g.name = 'archived') AS archived, t.updated, t.type, t.created, t.ended, t.comment "
        "FROM task t JOIN project p ON p.pk = t.project ORDER BY t.stamp DESC LIMIT ?",
        (limit,),
    )


def task_tags(connection: Connection, tasks: Iterable[int]) -> list[tuple[int, str]]:
    """Return (key of the task, name) of each tag of some tasks, ordered by name."""
    return _NAMES.sound(
        connection,
        "SELECT x.task, t.name FROM json_each(?) k CROSS JOIN task_tag x ON x.task = k.value "
        "JOIN tag t ON t.pk = x.tag WHERE t.system = 0 ORDER BY t.name",
        (json.dumps([*tasks]),),
    )


def last_change(connection: Connection, owner: Owner) -> str | None:
    """Return the stamp of the last change of a model or task; None if it does not exist.

    It is text, and may be anything in a damaged row: it is only compared.
    """
    sql = f"SELECT stamp FROM {owner.kind} WHERE id = ?"
    row = connection.execute(sql, (owner.id,)).fetchone()
    return None if row is None else str(row[0])


def projects(connection: Connection) -> list[tuple[str, int, int, int]]:
    """Return (name, models, tasks, time of the last change) of each project, ordered by name."""
    newest = " UNION ALL ".join(
        f"SELECT * FROM (SELECT stamp, updated FROM {table} WHERE project = p.pk "
        "ORDER BY stamp DESC LIMIT 1)"
        for table in ("model", "task")
    )
    return _PROJECTS.sound(
        connection,
        "SELECT name, (SELECT count(*) FROM model WHERE project = p.pk), "
        "(SELECT count(*) FROM task WHERE project = p.pk), "
        f"ifnull((SELECT updated FROM ({newest}) ORDER BY stamp DESC LIMIT 1), created) "
        "FROM project p WHERE pk > 0 ORDER BY name",
    )


def counts(connection: Connection) -> tuple[int, int]:
    """Return the numbers of models, without data sets, and of tasks."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM model) - (SELECT count(*) FROM model_tag "
        f"WHERE tag = {_DATASET_TAG}), (SELECT count(*) FROM task)"
    ).fetchone()
    return int(row[0]), int(row[1])
