"""Fields of a task by ClearML's dotted names, such as ``script.diff``: for filters and queries."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5

from localreg.errors import InvalidValueError
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.exported import export_task
from localreg.registry import OpenRegistry
from localreg.store.rows import report_rows
from localreg.values.checks import shown
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.operations.finding.values import Values
    from localreg.values.records import Json

TIMES = ("created", "started", "completed", "last_update", "last_change", "status_changed")
_OF_RECORD = ("id", "name", "type", "status", "comment", "parent", "project", "published",
              "status_reason", "status_message", *TIMES)  # fmt: skip
_OF_EXPORT = ("project_name", "script", "hyperparams", "configuration",
              "execution", "models", "runtime", "container")  # fmt: skip
_OTHERS = (
    "tags",
    "system_tags",
    "last_iteration",
    "last_metrics",
    "user",
    "company",
    "active_duration",
)
VALUES = ("metrics", "parameters")  # ``metrics.loss/train``, of localreg only: for an order
FIELDS = frozenset((*_OF_RECORD, *_OF_EXPORT, *_OTHERS))


def check_field(argument: str, given: object) -> str:
    """Return the dotted name of a field.

    Raises:
        InvalidValueError: no task has such a field.
    """
    if not isinstance(given, str) or given.partition(".")[0] not in FIELDS:
        raise InvalidValueError(
            f"{argument} must be a field of a task, not {shown(given)}; fields are "
            f"{', '.join(sorted(FIELDS))}, and parts of them such as script.diff",
            argument=argument,
        )
    return given


class TaskFields:
    """The fields of one task; each part of them is read when it is first asked for.

    Args:
        registry: the task's own.
        task_id: its id.
        values: its metrics and parameters, if they were read already.
    """

    def __init__(self, registry: OpenRegistry, task_id: str, values: Values | None = None) -> None:
        self._registry, self._id, self._values = registry, task_id, values
        self._parts: dict[str, Any] = {}

    def get(self, path: str) -> Any:  # noqa: ANN401  (a JSON value, or a time)
        """Return the value of a field; None if the task does not have it.

        Args:
            path: a field, or a part of one, such as ``hyperparams.Args.lr.value``; names may have
                dots.
        """
        first, _, rest = path.partition(".")
        if first in VALUES and self._values is not None:
            return _value(self._values, first, rest)
        found = self._part(first)
        while rest:
            if not isinstance(found, dict):
                return None
            name = next((each for each in sorted(found, key=len, reverse=True)
                         if rest == each or rest.startswith(f"{each}.")), None)  # fmt: skip
            if name is None:
                return None
            found, rest = found[name], rest[len(name) + 1 :]
        return found

    def _part(self, name: str) -> Any:  # noqa: ANN401
        if name in _OF_RECORD:
            if "record" not in self._parts:
                self._parts["record"] = self._record()
            return self._parts["record"][name]
        if name in _OF_EXPORT:
            if "export" not in self._parts:
                self._parts["export"] = export_task(self._registry, self._id)
            return self._parts["export"][name]
        if name not in self._parts:
            self._parts[name] = self._other(name)
        return self._parts[name]

    def _record(self) -> Json:
        row = lifecycle.settled(self._registry, self._id)
        return {
            "id": row.id,
            "name": row.name,
            "type": row.type,
            "status": "published" if row.published else row.status,
            "comment": row.comment or "",
            "parent": row.parent,
            "project": row.project.id if row.project else None,
            "published": row.published,
            "status_reason": row.reason or "",
            "status_message": row.reason or "",
            "created": _time(row.created),
            "started": None if row.status == "created" else _time(row.created),
            "completed": _time(row.ended),
            "last_update": _time(row.updated),
            "last_change": _time(row.updated),
            "status_changed": _time(row.created if row.ended is None else row.ended),
        }

    def _other(self, name: str) -> object:
        if name == "tags":
            return lifecycle.tags(self._registry, self._id)
        if name == "system_tags":
            return lifecycle.system_tags(self._registry, self._id)
        if name == "last_iteration":
            return lifecycle.last_iteration(self._registry, self._id)
        if name == "active_duration":
            start, end = self.get("started"), self.get("completed")
            return None if start is None or end is None else int((end - start).total_seconds())
        if name != "last_metrics":
            return None  # there are no users and companies
        found: dict[str, dict[str, Json]] = {}
        with self._registry.store.read() as connection:
            for row in report_rows.series(connection, Owner("task", self._id)):
                found.setdefault(_hash(row.title), {})[_hash(row.name)] = {
                    "metric": row.title, "variant": row.name, "value": row.last,
                    "min_value": row.low, "max_value": row.high,
                }  # fmt: skip
        return found


def _value(values: Values, kind: str, name: str) -> float | str | None:
    """Return the last value of a metric; or of a parameter its number, else its text."""
    if kind == "metrics":
        metric = values.metrics.get(name)
        return None if metric is None else metric.last
    text = values.parameters.get(name)
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _hash(text: str) -> str:
    """Return a title or series as ClearML names it in ``last_metrics``."""
    return md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


def _time(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1_000_000, UTC)
