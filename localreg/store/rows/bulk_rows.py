"""Models and tasks in bulk: a constant number of statements, however many there are.

Rows that are damaged are left out, with a warning, except by `records`.
"""

from __future__ import annotations

import json
import sqlite3

from localreg import log
from localreg.errors import DamagedRowError
from localreg.store.rows import model_rows, task_rows
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    TEXT,
    URL,
    WHOLE,
    Columns,
    labels_of,
    or_null,
)
from localreg.store.rows.held_sql import HELD, WITH_GATE
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue, ModelRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from localreg.store.rows.model_rows import ModelRow
    from localreg.values.records import TaskRecord, WeightsRecord

Connection = sqlite3.Connection

_MODELS = Columns("model", 1, pk=WHOLE, **model_rows.MODEL)
_TASKS = Columns("task", 1, pk=WHOLE, **task_rows.TASK)
_DESIGNS = Columns("design", pk=WHOLE, config=TEXT, labels=TEXT)
_TAGS = Columns("tag", 1, owner=WHOLE, name=TEXT, system=FLAG)
_ALIASES = Columns("alias", 1, model=WHOLE, alias=TEXT, held=FLAG)
_METADATA = Columns("metadata", 1, model=WHOLE, key=TEXT, value=TEXT, type=TEXT)
_REVISIONS = Columns("weights", 1, pk=WHOLE, **model_rows.REVISION)
_CURRENT = Columns(
    "weights", model=WHOLE, url=or_null(URL), digest=or_null(DIGEST), size=or_null(COUNT),
)  # fmt: skip
_GIVEN = "FROM json_each(?) k CROSS JOIN"


class Current(Frozen):
    """The current weights of a model: where they are, sha256 and number of bytes, if known."""

    url: str | None
    digest: str | None
    size: int | None


def models(connection: Connection, model_ids: Iterable[str]) -> list[tuple[int, ModelRow]]:
    """Return keys and rows of models, in the order of the ids, without missing ones."""
    sql = (
        f"SELECT m.pk, {model_rows.COLUMNS} {_GIVEN} model m ON m.id = k.value "
        "CROSS JOIN project p ON p.pk = m.project"
    )
    rows = _MODELS.sound(connection, sql, (_as_json(model_ids),))
    return [(pk, model_rows.model_row_of(row)) for pk, *row in rows]


def tasks(connection: Connection, task_ids: Iterable[str]) -> list[tuple[int, TaskRecord]]:
    """Return keys and records of tasks, in the order of the ids, without missing ones."""
    sql = (
        f"SELECT t.pk, {task_rows.COLUMNS} {_GIVEN} task t ON t.id = k.value "
        "CROSS JOIN project p ON p.pk = t.project"
    )
    found = []
    for pk, *row in _TASKS.sound(connection, sql, (_as_json(task_ids),)):
        try:
            found.append((pk, task_rows.task_record(row)))
        except DamagedRowError as error:  # the others can be listed
            log.warning("%s", error)
    return found


def tags(
    connection: Connection, kind: str, owners: Sequence[int]
) -> Iterator[tuple[int, str, bool]]:
    """Yield (owner, tag, is a system tag) of models or tasks, in no order."""
    yield from _TAGS.sound_stream(connection, _tags_sql(kind), (_keys(owners),))


def _tags_sql(kind: str) -> str:
    return (
        f"SELECT x.{kind}, t.name, t.system {_GIVEN} {kind}_tag x ON x.{kind} = k.value "
        "CROSS JOIN tag t ON t.pk = x.tag"
    )


def aliases(connection: Connection, owners: Sequence[int]) -> Iterator[tuple[int, str, bool]]:
    """Yield (model, alias, is held) of the aliases that point to models, in no order."""
    yield from _ALIASES.sound_stream(connection, _ALIASES_SQL, (_keys(owners),))


_ALIASES_SQL = (
    f"SELECT m.pk, a.alias, {HELD} {_GIVEN} model m ON m.pk = k.value CROSS JOIN alias a "
    f"ON a.model = m.id AND a.project = m.project AND a.name = m.name {WITH_GATE}"
)


def current_weights(connection: Connection, owners: Sequence[int]) -> Iterator[tuple[int, Current]]:
    """Yield models with their current weights; the size of a package is that of its files."""
    sql = (
        "SELECT w.model, w.url, b.digest, CASE WHEN w.tree THEN b.total ELSE b.size END "
        f"{_GIVEN} weights w ON w.model = k.value AND w.current = 1 "
        "LEFT JOIN blob b ON b.pk = w.blob"
    )
    for pk, *current in _CURRENT.sound_stream(connection, sql, (_keys(owners),)):
        yield pk, Current(*current)


def records(connection: Connection, model_ids: Iterable[str]) -> list[ModelRecord]:
    """Return the records of models with their current weights only, in the order of the ids.

    Models that are missing are left out.

    Raises:
        DamagedRowError: a row of one of them is damaged.
    """
    sql = (
        f"SELECT m.pk, {model_rows.COLUMNS} {_GIVEN} model m ON m.id = k.value "
        "CROSS JOIN project p ON p.pk = m.project"
    )
    rows = _MODELS.all(connection, sql, (_as_json(model_ids),))
    keys = (_keys([row[0] for row in rows]),)
    designs = {
        pk: (config, labels)
        for pk, config, labels in _DESIGNS.all(
            connection,
            f"SELECT d.model, d.config, d.labels {_GIVEN} design d ON d.model = k.value",
            keys,
        )
    }
    named: tuple[dict[int, list[str]], ...] = ({}, {})
    for pk, name, system in _TAGS.all(connection, _tags_sql("model"), keys):
        named[system].setdefault(pk, []).append(name)
    pointing: dict[int, list[str]] = {}
    held: dict[int, list[str]] = {}
    for pk, alias, is_held in _ALIASES.all(connection, _ALIASES_SQL, keys):
        pointing.setdefault(pk, []).append(alias)
        if is_held:
            held.setdefault(pk, []).append(alias)
    metadata: dict[int, dict[str, MetadataValue]] = {}
    sql = f"SELECT x.model, x.key, x.value, x.type {_GIVEN} metadata x ON x.model = k.value"
    for pk, key, value, type_name in _METADATA.all(connection, sql, keys):
        metadata.setdefault(pk, {})[key] = MetadataValue(value, type_name)
    weights: dict[int, WeightsRecord] = {}
    sql = (
        f"SELECT w.model, {model_rows.WEIGHTS_COLUMNS} {_GIVEN} weights w "
        "ON w.model = k.value AND w.current = 1 LEFT JOIN blob b ON b.pk = w.blob"
    )
    for pk, *revision in _REVISIONS.all(connection, sql, keys):
        weights[pk] = model_rows.weights_record(revision)
    return [_record(row, designs, named, pointing, held, metadata, weights) for row in rows]


def _record(
    row: tuple[Any, ...],
    designs: dict[int, tuple[str, str]],
    named: tuple[dict[int, list[str]], ...],
    pointing: dict[int, list[str]],
    held: dict[int, list[str]],
    metadata: dict[int, dict[str, MetadataValue]],
    weights: dict[int, WeightsRecord],
) -> ModelRecord:
    pk, *values = row
    model = model_rows.model_row_of(values)
    config, labels = designs.get(pk, ("", "{}"))
    tags, system_tags = (tuple(sorted(each.get(pk, ()))) for each in named)
    return model_rows.complete(
        model,
        config=config,
        labels=labels_of(labels, "design", model.id),
        tags=tags,
        system_tags=system_tags,
        metadata=metadata.get(pk, {}),
        aliases=tuple(sorted(pointing.get(pk, ()))),
        held=tuple(sorted(held.get(pk, ()))),
        weights=(weights[pk],) if pk in weights else (),
    )


def _keys(keys: Sequence[int]) -> str:
    return str([*keys])  # of whole numbers this is JSON


def _as_json(ids: Iterable[str]) -> str:
    """Return ids for `json_each`, which would end a text at a NUL."""
    return json.dumps([each for each in ids if "\0" not in each])
