"""Apply the events of tasks to a state; see fold.py."""

from __future__ import annotations

import json
from collections.abc import Sequence

from localreg.values.records import LoggedEvent, StateChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.state import State

Applied = StateChange | LoggedEvent

TASK_COLUMNS = frozenset({"name", "comment", "published", "parent", "type", "progress"})


def created(state: State, event: Applied) -> None:
    """Insert a task; if it has a row, that one keeps its key."""
    task = event.payload
    state.create(
        "task",
        event.subject,
        (
            state.project(task["project"], event.at), task["name"], task["type"], task["status"],
            None, False, None, task["comment"], task["parent"], _text(task.get("run") or {}),
            event.at, None, event.at, event.stamp,
        ),
    )  # fmt: skip
    state.born_with("task", event.subject, task["tags"], False, event.stamp)


def ended(state: State, event: Applied) -> None:
    """Set status, reason and end of a task."""
    new = event.payload["new"]
    columns = {each: new[each] for each in ("status", "reason", "ended")}
    state.change("task", event.subject, columns)
    _touch(state, event)


def changed(state: State, event: Applied) -> None:
    """Set one column of a task."""
    if event.field in TASK_COLUMNS:
        state.change("task", event.subject, {str(event.field): event.payload["new"]})
        _touch(state, event)


def design(state: State, event: Applied) -> None:
    """Set the model configuration and the label enumeration of a task."""
    new = event.payload["new"]
    state.put("task_design", event.subject, (), (new["config"], _text(new["labels"])))
    _touch(state, event)


def model(state: State, event: Applied) -> None:
    """Set or drop the model that a task has under a name."""
    new = event.payload["new"]
    key = event.payload["role"], event.field
    _set_row(state, event, "task_model", key, None if new is None else (new, event.stamp))


def moved(state: State, event: Applied) -> None:
    """Move a task to another project, or to none."""
    project = state.project(event.payload["new"], event.at)
    state.change("task", event.subject, {"project": project})
    _touch(state, event)


def tagged(state: State, event: Applied) -> None:
    """Add a tag, or drop its additions that the event saw."""
    tag = state.tag(str(event.field), bool(event.payload["system"]))
    if event.payload["new"]:
        state.add_tag("task", event.subject, tag, event.event_id)
    else:
        state.drop_tag("task", event.subject, tag, event.payload["adds"])
    _touch(state, event)


def run(state: State, event: Applied) -> None:
    """Set the facts of how a task runs."""
    state.change("task", event.subject, {"run": _text(event.payload["new"])})
    _touch(state, event)


def parameter(state: State, event: Applied) -> None:
    """Set or drop a parameter; the field is its name, the payload has its section."""
    key = event.payload["section"], event.field
    _set_row(state, event, "parameter", key, event.payload["new"])


def configuration(state: State, event: Applied) -> None:
    """Set or drop a configuration."""
    _set_row(state, event, "configuration", (event.field,), event.payload["new"])


def artifact(state: State, event: Applied) -> None:
    """Set or drop an artifact."""
    new = event.payload["new"]
    values = None
    if new is not None:
        blob = state.blob(new["digest"], new["size"], new["total"], event.at)
        values = blob, new["filename"], new["kind"], _text(new["details"]), event.at
    _set_row(state, event, "artifact", (event.field,), values)


def removed(state: State, event: Applied) -> None:
    """Delete a task, with all rows that refer to it."""
    state.delete_task(event.subject)


def _set_row(
    state: State,
    event: Applied,
    table: str,
    key: tuple[object, ...],
    values: Sequence[object] | None,
) -> None:
    """Set the row of a key to the new values of an event, or delete it if there are none."""
    if values is None:
        state.drop(table, event.subject, key)
    else:
        state.put(table, event.subject, key, values)
    _touch(state, event)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _touch(state: State, event: Applied) -> None:
    state.touch_task(event.subject, event.stamp, event.at)
