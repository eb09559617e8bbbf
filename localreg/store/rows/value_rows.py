"""Values of many models or tasks at once: metrics, parameters and metadata, as streams of rows.

Each function takes the keys of the owners, or None for all, and runs one statement. Rows that are
damaged are left out, with a warning. What is a model's own and what its task has comes in separate
rows: `makers` joins them, and `operations.finding.values` has the rule.
"""

from __future__ import annotations

import json
import sqlite3

from localreg.store.rows.checked_values import (
    COUNT,
    FLAG,
    ID,
    NUMBER,
    TEXT,
    WHOLE,
    Columns,
    or_null,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Connection = sqlite3.Connection

_MAKERS = Columns("model", 1, pk=WHOLE, id=ID, task=or_null(WHOLE))
_TASKS = Columns("task", 1, pk=WHOLE, id=ID)
_METRICS = Columns(
    "series", 1, owner=WHOLE, name=TEXT, last=or_null(NUMBER), low=or_null(NUMBER),
    high=or_null(NUMBER), points=COUNT, single=FLAG,
)  # fmt: skip
_PARAMETERS = Columns("parameter", 1, task=WHOLE, name=TEXT, value=TEXT, type=TEXT)
_METADATA = Columns("metadata", 1, model=WHOLE, key=TEXT, value=TEXT, type=TEXT)


def makers(
    connection: Connection, model_ids: Iterable[str] | None
) -> Iterator[tuple[int, str, int | None]]:
    """Yield key and id of each model, and the key of the task that made it, or None.

    Args:
        model_ids: of these models; None for all. There need not be models with these ids.
    """
    columns = "m.pk, m.id, t.pk FROM"
    join = "LEFT JOIN task t ON t.id = m.task"
    if model_ids is None:
        yield from _MAKERS.sound_stream(connection, f"SELECT {columns} model m {join}")
        return
    sql = f"SELECT {columns} json_each(?) k CROSS JOIN model m ON m.id = k.value {join}"
    yield from _MAKERS.sound_stream(connection, sql, (_ids(model_ids),))


def tasks(connection: Connection, task_ids: Iterable[str] | None) -> Iterator[tuple[int, str]]:
    """Yield key and id of each task.

    Args:
        task_ids: of these tasks; None for all. There need not be tasks with these ids.
    """
    if task_ids is None:
        yield from _TASKS.sound_stream(connection, "SELECT pk, id FROM task")
        return
    sql = "SELECT t.pk, t.id FROM json_each(?) k CROSS JOIN task t ON t.id = k.value"
    yield from _TASKS.sound_stream(connection, sql, (_ids(task_ids),))


def metrics(
    connection: Connection, kind: str, owners: Iterable[int] | None
) -> Iterator[tuple[int, str, float | None, float | None, float | None, int, int]]:
    """Yield (owner, name, last, low, high, points, single) of each metric.

    A scalar series is named ``title/series``; `single` is 1 for a single value, which is `last`,
    `low` and `high` at once. `last` is None for NaN. If an owner has a name twice, then the first
    row counts: the series with the shortest title, before a single value.

    Args:
        kind: "model" or "task".
        owners: their keys; None for all.
    """
    series, single = (
        f"SELECT s.{kind}, {columns} FROM "
        + (f"{table} s WHERE s.{kind} IS NOT NULL" if owners is None else
           f"json_each(:owners) k CROSS JOIN {table} s ON s.{kind} = k.value")
        for table, columns in (
            ("series", "s.title || '/' || s.name, s.last, s.low, s.high, s.points, 0"),
            ("single", "s.name, s.value, s.value, s.value, 1, 1"),
        )
    )  # fmt: skip
    given = {} if owners is None else {"owners": _keys(owners)}
    yield from _METRICS.sound_stream(connection, f"{series} UNION ALL {single}", given)


def parameters(
    connection: Connection, tasks: Iterable[int] | None
) -> Iterator[tuple[int, str, str, str]]:
    """Yield (task, name, value, type) of each parameter; its name is ``Section/name``.

    The values are as they are stored. `operations.finding.values.shown_value` hides secrets.

    Args:
        tasks: their keys; None for all.
    """
    columns = "p.task, p.section || '/' || p.name, p.value, p.type FROM"
    if tasks is None:
        yield from _PARAMETERS.sound_stream(connection, f"SELECT {columns} parameter p")
        return
    sql = f"SELECT {columns} json_each(?) k CROSS JOIN parameter p ON p.task = k.value"
    yield from _PARAMETERS.sound_stream(connection, sql, (_keys(tasks),))


def metadata(
    connection: Connection, models: Iterable[int] | None
) -> Iterator[tuple[int, str, str, str]]:
    """Yield (model, key, value, type) of each entry of metadata; the values are as stored.

    Args:
        models: their keys; None for all.
    """
    columns = "x.model, x.key, x.value, x.type FROM"
    if models is None:
        yield from _METADATA.sound_stream(connection, f"SELECT {columns} metadata x")
        return
    sql = f"SELECT {columns} json_each(?) k CROSS JOIN metadata x ON x.model = k.value"
    yield from _METADATA.sound_stream(connection, sql, (_keys(models),))


def _keys(keys: Iterable[int]) -> str:
    return str([*keys])  # of whole numbers this is JSON


def _ids(ids: Iterable[str]) -> str:
    """Return ids for `json_each`, which would end a text at a NUL."""
    return json.dumps([each for each in ids if "\0" not in each])
