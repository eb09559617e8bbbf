"""The values of many models or tasks: metrics, parameters and metadata, in a few statements.

One rule for lists, orders, comparisons and pages: a model has its own metrics, and for every name
that it lacks the metric of the task that made it (`Model.original_task`). Its parameters are those
of that task. Secrets are hidden, as on pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial

from localreg.store.rows import value_rows
from localreg.values.frozen import Frozen
from localreg.values.metadata import cast
from localreg.values.secrets import is_secret_name, masked, masked_text
from localreg.values.summaries import Metric as Metric

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from localreg.registry import OpenRegistry
    from localreg.store.rows.value_rows import Connection

    # Of a name and a type: what makes a value of the text.
    Reader = Callable[[str, str], Callable[[str], Any]]
    Rows = Iterator[tuple[int, str, float | None, float | None, float | None, int, int]]


class Values(Frozen):
    """What one model or task has; the mappings are for reading, and may be shared.

    Attributes:
        metrics: by ``title/series``, or by the name of a single value. What the machine did is
            there too, with the titles `values.metrics.MONITORED`.
        parameters: texts by ``Section/name``; of a model, those of the task that made it.
        metadata: of a model, in the types of JSON; a task has none.
    """

    metrics: Mapping[str, Metric]
    parameters: Mapping[str, str]
    metadata: Mapping[str, object]


def model_values(registry: OpenRegistry, ids: Iterable[str] | None) -> dict[str, Values]:
    """Return what models have, by their ids; ids that no model has are missing.

    Args:
        registry: the registry that has the models. The task that made one counts if it is there.
        ids: of these models; None for all.
    """
    registry.store.flush()  # count what this process has just reported
    with registry.store.read() as connection:
        return read_models(connection, ids, text_reader)


def read_models(
    connection: Connection, ids: Iterable[str] | None, parameter: Reader
) -> dict[str, Values]:
    """Return what models have; see `model_values`.

    Args:
        parameter: `text_reader` or `metadata_reader`: how parameters are wanted.
    """
    makers = list(value_rows.makers(connection, ids))
    models = None if ids is None else [pk for pk, _, _ in makers]
    tasks = None if ids is None else {task for _, _, task in makers if task is not None}
    own = _metrics(value_rows.metrics(connection, "model", models))
    inherited = _metrics(value_rows.metrics(connection, "task", tasks))
    parameters = _texts(value_rows.parameters(connection, tasks), parameter)
    metadata = _texts(value_rows.metadata(connection, models), metadata_reader)
    found = {}
    for pk, id_, task in makers:
        fallback, metrics = inherited.get(task or 0, {}), own.get(pk)
        found[id_] = Values(
            metrics=fallback if metrics is None else {**fallback, **metrics},
            parameters=parameters.get(task or 0, {}),
            metadata=metadata.get(pk, {}),
        )
    return found


def task_values(registry: OpenRegistry, ids: Iterable[str] | None) -> dict[str, Values]:
    """Return what tasks have, by their ids; ids that no task has are missing.

    Args:
        registry: the registry that has the tasks.
        ids: of these tasks; None for all.
    """
    registry.store.flush()
    with registry.store.read() as connection:
        return read_tasks(connection, ids, text_reader)


def read_tasks(
    connection: Connection, ids: Iterable[str] | None, parameter: Reader
) -> dict[str, Values]:
    """Return what tasks have; see `task_values` and `read_models`."""
    keys = list(value_rows.tasks(connection, ids))
    tasks = None if ids is None else [pk for pk, _ in keys]
    metrics = _metrics(value_rows.metrics(connection, "task", tasks))
    parameters = _texts(value_rows.parameters(connection, tasks), parameter)
    return {
        id_: Values(metrics=metrics.get(pk, {}), parameters=parameters.get(pk, {}), metadata={})
        for pk, id_ in keys
    }


def _metrics(rows: Rows) -> dict[int, dict[str, Metric]]:
    found: dict[int, dict[str, Metric]] = {}
    last_owner, metrics = None, {}
    for owner, name, last, low, high, points, single in rows:
        if owner != last_owner:
            last_owner, metrics = owner, found.setdefault(owner, {})
        if name not in metrics:  # the first one counts
            metrics[name] = Metric(last, low, high, points, single == 1)
    return found


def _texts(rows: Iterator[tuple[int, str, str, str]], reader: Reader) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    last, some = None, {}
    for owner, name, text, type_name in rows:
        if owner != last:  # the rows of one owner are together
            last, some = owner, found.setdefault(owner, {})
        try:
            some[name] = reader(name, type_name)(text)
        except ValueError:  # a number that is none
            some[name] = masked_text(text)
    return found


@lru_cache(maxsize=4_096)
def text_reader(name: str, _: str) -> Callable[[str], str]:
    """Return what makes a text that may be shown of the text of a value; all types are the same."""
    return partial(masked, name) if is_secret_name(name) else masked_text


def shown_value(name: str, text: str) -> str:
    """Return a value as it may be shown, as `secrets.masked`; faster for many of one name.

    >>> shown_value("Args/lr", "0.1"), shown_value("Args/api_token", "abc")
    ('0.1', '***')
    """
    return text_reader(name, "")(text)


@lru_cache(maxsize=4_096)
def metadata_reader(key: str, type_name: str) -> Callable[[str], object]:
    """Return what makes a value of the text of one, as `shown_metadata`.

    Of a text that is no number, that of a number raises a ValueError.
    """
    if is_secret_name(key):
        return partial(_shown_in_type, partial(masked, key), type_name)
    if type_name == "str":
        return masked_text
    return _NUMBERS.get(type_name) or partial(_shown_in_type, masked_text, type_name)


def shown_metadata(key: str, text: str, type_name: str) -> object:
    """Return a value of metadata in its type of JSON; as text, if it may not be shown as it is.

    >>> shown_metadata("accuracy", "0.9", "float"), shown_metadata("size", "(1, 2)", "tuple")
    (0.9, [1, 2])
    >>> shown_metadata("lr", "https://me:hunter2@example.org/", "float")
    'https://***@example.org/'
    """
    try:
        return metadata_reader(key, type_name)(text)
    except ValueError:
        return masked_text(text)


def _shown_in_type(shown: Callable[[str], str], type_name: str, text: str) -> object:
    if (as_text := shown(text)) != text:
        return as_text
    value = cast(text, type_name)
    return _as_json(value, text) if isinstance(value, list | tuple | dict) else value


def _as_json(value: object, text: str) -> object:
    """Return a list or dict in the types of JSON; its text if JSON has no form for a value."""
    try:
        found: object = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):  # of a Python literal, such as b"" or {1}
        return text
    return found


_NUMBERS: dict[str, Callable[[str], float]] = {"float": float, "int": int}
