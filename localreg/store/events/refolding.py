"""Fold the events of a model, task, project or alias again, from the first one.

That is done when events arrive from another registry, and when a removed model is restored. A unit
is emptied, its events are judged in their order (`judging.py`), and those in effect are applied.
No unit reads another. The rows of a model or task keep their integer keys, because reported values
refer to them.
"""

from __future__ import annotations

import sqlite3

from localreg.store.events import model_fold
from localreg.store.events.fold import Folding, moves_time
from localreg.store.events.judging import KEPT, Judged, judge
from localreg.store.rows import event_rows, model_rows, report_rows, task_rows, writer_rows
from localreg.values.records import LoggedEvent, StateChange

Connection = sqlite3.Connection

_MODEL_TABLES = ("metadata", "model_tag", "design", "weights")
_TASK_TABLES = (
    "task_model", "task_tag", "task_design", "configuration", "parameter", "artifact",
)  # fmt: skip


def refold(connection: Connection) -> None:
    """Empty the state tables and apply every event again.

    Args:
        connection: in a write transaction.
    """
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for table in (*_MODEL_TABLES, *_TASK_TABLES):
        connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    for table in ("alias", "alias_event", "addition", "writer", "claim", "tombstone", "project_id"):
        connection.execute(f"DELETE FROM {table}")
    for owner in ("model", "task"):
        connection.execute(
            f"DELETE FROM {owner} WHERE id NOT IN "
            f"(SELECT subject FROM event WHERE kind = '{owner}.created')"
        )
    connection.execute("DELETE FROM project WHERE pk > 0")
    for subject in event_rows.subjects(connection):
        refold_unit(connection, subject)
    report_rows.touch_reported(connection)


def refold_unit(connection: Connection, subject: str) -> None:
    """Fold all events on a model, task, project or alias again.

    Args:
        connection: in a write transaction.
        subject: its id.
    """
    logged = sorted(event_rows.of_unit(connection, subject), key=lambda each: each.event.order)
    if not logged:
        return
    events = [each.event for each in logged]
    judged = judge(events)
    event_rows.set_outcomes(
        connection,
        [
            (outcome, each.pk)
            for each, outcome in zip(logged, judged.outcomes, strict=True)
            if outcome != each.outcome
        ],
    )
    _empty(connection, subject)
    folding = Folding(connection)
    for event, outcome in zip(events, judged.outcomes, strict=True):
        if event.kind not in ("model.removed", "task.removed", "model.restored"):
            folding.apply(_change(event), outcome)
    for register, writers in judged.writers.items():
        if writers != (subject,):
            writer_rows.set_writers(connection, subject, register, writers)
    if judged.publications:
        _publish(connection, subject, events, judged)
    settle_times(connection, _models_named(events))
    if events[0].kind.startswith("task."):
        _settle_task(connection, subject, events, judged)
    if judged.removed:
        last = [each for each in events if each.kind.endswith(".removed")][-1]
        folding.apply(_change(last))


def _change(event: LoggedEvent) -> StateChange:
    return StateChange(
        event.kind, event.v, event.subject, event.field, event.payload, event.stamp, event.at,
        event.event_id,
    )  # fmt: skip


def _empty(connection: Connection, subject: str) -> None:
    for owner, tables in (("model", _MODEL_TABLES), ("task", _TASK_TABLES)):
        row = connection.execute(f"SELECT pk FROM {owner} WHERE id = ?", (subject,)).fetchone()
        for table in tables if row else ():
            connection.execute(f"DELETE FROM {table} WHERE {owner} = ?", row)
    connection.execute("DELETE FROM tombstone WHERE id = ?", (subject,))
    connection.execute("DELETE FROM claim WHERE model = ?", (subject,))
    connection.execute("DELETE FROM addition WHERE subject = ?", (subject,))
    connection.execute("DELETE FROM writer WHERE subject = ?", (subject,))


def _publish(
    connection: Connection, model_id: str, events: list[LoggedEvent], judged: Judged
) -> None:
    """Give a model the content of the first of its publications; say if they differ."""
    first = next(each for each in events if each.event_id == judged.publications[0])
    if first.kind == "model.published":
        model_fold.fix(connection, model_id, first.payload)
    connection.execute("UPDATE model SET contested = ? WHERE id = ?", (judged.contested, model_id))


def _models_named(events: list[LoggedEvent]) -> set[str]:
    """Return the models whose time of change may be another one."""
    named: set[str] = set()
    for each in events:
        if each.kind == "alias.set":
            named |= {each.payload["old"], each.payload["new"]} - {None}
        elif each.kind == "model.created":
            named.add(each.subject)
    return named


def publications(connection: Connection, model_id: str) -> list[str]:
    """Return ids of the publications of a model that no later one replaces, in their order."""
    logged = event_rows.of_unit(connection, model_id)
    return list(
        judge(sorted((each.event for each in logged), key=lambda each: each.order)).publications
    )


def settle_times(connection: Connection, models: set[str]) -> None:
    """Set stamp and time of models to those of the last change in effect.

    An alias that names a model, and what was reported to it, count as changes.
    """
    for model_id in sorted(models):
        times = [
            (each.event.stamp, each.event.at)
            for each in event_rows.of_unit(connection, model_id)
            if each.outcome in (None, KEPT) and moves_time(each.event.kind, each.event.v)
        ]
        if times:
            times += event_rows.alias_changes(connection, model_id)
            reported = report_rows.last_report(connection, "model", model_id)
            times += [] if reported is None else [reported]
            model_rows.touch(connection, model_id, *max(times))


def _settle_task(
    connection: Connection, task_id: str, events: list[LoggedEvent], judged: Judged
) -> None:
    last = max(
        (event.stamp, event.at)
        for event, outcome in zip(events, judged.outcomes, strict=True)
        if outcome is None
    )
    reported = report_rows.last_report(connection, "task", task_id)
    task_rows.touch(connection, task_id, *max(last, reported or last))
