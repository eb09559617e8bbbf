"""Fold the events of a model, task, project or alias again, from the first one.

That is done when events arrive from another registry, and when a removed model is restored. A unit
is emptied, its events are judged in their order (`judging.py`), and those in effect are applied.
No unit reads another. The rows of a model or task keep their integer keys, because reported values
refer to them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from localreg.store.events import model_fold
from localreg.store.events.fold import ALWAYS, KINDS, MOVING, apply
from localreg.store.events.judging import LOST, Judged, judge
from localreg.store.events.registers import ALIAS_KINDS
from localreg.store.rows import (
    event_rows,
    model_rows,
    project_rows,
    report_rows,
)
from localreg.store.rows.event_rows import Logged
from localreg.store.rows.folded_rows import Folded, FoldedRows
from localreg.values.frozen import replace
from localreg.values.records import LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.state import State

Connection = sqlite3.Connection
Verdict = tuple[LoggedEvent, "str | None"]

_MODEL_TABLES = ("metadata", "model_tag", "design", "weights", "signature")
_TASK_TABLES = (
    "task_model", "task_tag", "task_design", "configuration", "parameter", "artifact",
)  # fmt: skip
# They are applied at the end, if at all.
_REMOVALS = frozenset({"model.removed", "task.removed"})
_RELEASING = frozenset({"model.released", "model.renumbered"})
_LAST = _REMOVALS | {"model.restored", "model.published"}


def refold(connection: Connection) -> None:
    """Empty the state tables and apply every event again.

    Args:
        connection: in a write transaction.
    """
    connection.execute("PRAGMA defer_foreign_keys = ON")
    # What was found out here is no event; it stays, by the names of projects.
    passed = connection.execute(
        "SELECT g.name, g.alias, g.model, g.gate, p.name FROM gate_passed g "
        "JOIN project p ON p.pk = g.project"
    ).fetchall()
    for table in (*_MODEL_TABLES, *_TASK_TABLES):
        connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    for table in (
        "alias",
        "gate",
        "gate_passed",
        "alias_event",
        "addition",
        "writer",
        "claim",
        "tombstone",
        "project_id",
    ):
        connection.execute(f"DELETE FROM {table}")
    for owner in ("model", "task"):
        connection.execute(
            f"DELETE FROM {owner} WHERE id NOT IN "
            f"(SELECT subject FROM event WHERE kind = '{owner}.created')"
        )
    connection.execute("DELETE FROM project WHERE pk > 0")
    rows = FoldedRows(connection)
    for subject, logged in units(connection, event_rows.subjects(connection)):
        fold_unit(rows, subject, logged)
    rows.write()
    connection.executemany(
        "INSERT INTO gate_passed (project, name, alias, model, gate) "
        "SELECT pk, ?, ?, ?, ? FROM project WHERE name = ?",
        passed,
    )
    report_rows.touch_reported(connection)


def refold_unit(connection: Connection, subject: str) -> None:
    """Fold all events on a model, task, project or alias again.

    Args:
        connection: in a write transaction.
        subject: its id.
    """
    rows = FoldedRows(connection)
    for about, logged in units(connection, [subject]):
        fold_unit(rows, about, logged)
    rows.write()


def units(connection: Connection, subjects: Sequence[str]) -> Iterator[tuple[str, list[Logged]]]:
    """Yield each subject with its events, in the order in which they are folded."""
    for subject, logged in event_rows.of_units(connection, subjects):
        yield subject, sorted(logged, key=lambda each: each.event.order)


def fold_unit(
    rows: FoldedRows, subject: str, logged: Sequence[Logged], *, fresh: bool = False
) -> tuple[Judged, Folded]:
    """Judge the events of a subject, and replace what its tables have of it.

    Args:
        rows: what was folded; the caller writes it. Before an alias it must be written.
        subject: id of the model, task, project or alias.
        logged: all its events, sorted by their order.
        fresh: True if none of them was folded before.

    Returns:
        What the events come to; their outcomes are recorded.
    """
    connection = rows.connection
    events = [each.event for each in logged]
    judged = judge(events)
    outcomes = [
        (outcome, each.pk)
        for each, outcome in zip(logged, judged.outcomes, strict=True)
        if outcome != each.outcome
    ]
    if outcomes:  # of most units none
        event_rows.set_outcomes(connection, outcomes)
    rows.begin(subject, fresh=fresh)
    if not fresh:
        _empty_alias(rows, events)
    if judged.begun:
        _apply(rows, events, judged)
    kinds = {event.kind for event in events}
    topics = {kind.partition(".")[0] for kind in kinds}
    verdicts = [*zip(events, judged.outcomes, strict=True)]
    if "model" in topics:
        _settle_model(rows, subject, verdicts, fresh=fresh)
        if not judged.removed and kinds & _RELEASING:
            rows.claim_own_number()
    if "task" in topics:
        _settle_task(rows, subject, verdicts, fresh=fresh)
    if judged.begun and judged.removed:
        removals = [each for each in events if each.kind in _REMOVALS and each.v == 1]
        apply(rows, removals[-1])
    elif judged.begun and rows.is_forgotten():
        model_fold.removed(rows, events[-1])
    folded = rows.end()
    if "alias" in topics and fresh:
        _raise_times(connection, verdicts)
    elif "alias" in topics:
        rows.write()
        settle_times(connection, _models_named(events))
    if "project" in topics:
        project_rows.settle(connection, subject)
    return judged, folded


def _empty_alias(rows: FoldedRows, events: Sequence[LoggedEvent]) -> None:
    for event in events:
        if event.kind in ALIAS_KINDS and event.v == 1:
            rows.empty_alias(event.payload["project"], event.payload["name"], str(event.field))
            return


def _apply(rows: FoldedRows, events: Sequence[LoggedEvent], judged: Judged) -> None:
    """Apply the events of a unit in their order, without publications and removals."""
    for event, outcome in zip(events, judged.outcomes, strict=True):
        if event.kind in _LAST or (outcome is not None and _has_no_effect(event, outcome)):
            continue
        if judged.revived and _drops(event) in judged.revived:
            continue
        apply(rows, event, outcome)
    subject = events[0].subject
    rows.set_writers(
        {register: each for register, each in judged.writers.items() if each != (subject,)}
    )
    if judged.publications:
        _publish(rows, subject, events, judged)


def _drops(event: LoggedEvent) -> str | None:
    """Return the revision that an event drops, or None."""
    drops = event.kind == "model.weights_dropped" and event.v == 1
    return str(event.payload["revision"]) if drops else None


def _has_no_effect(event: LoggedEvent, outcome: str) -> bool:
    return outcome != "kept" and (event.kind, event.v) not in ALWAYS


def _publish(state: State, model_id: str, events: Sequence[LoggedEvent], judged: Judged) -> None:
    """Give a model the content of the first of its publications; record if they differ."""
    by_id = {each.event_id: each for each in events}
    shown = by_id[judged.publications[0]]
    if shown.kind == "model.published":
        model_fold.published(state, shown)
        revision = shown.payload["revision"]
        if judged.named_bytes is not None:
            source = by_id[judged.named_bytes]
            model_fold.weights_served(state, _as_served(source, revision))
    if judged.contested:
        state.change("model", model_id, {"contested": 1})


def _as_served(event: LoggedEvent, revision: str) -> LoggedEvent:
    """Return the change that sets the bytes of a revision to those that an event names."""
    payload = event.payload
    if event.kind == "model.created":
        payload = payload["weights"][0]
    elif event.kind == "model.weights_added":
        payload = payload["new"]
    digest = payload["new"] if event.kind in ("model.weights", "weights.fetched") else None
    served = payload | {"revision": revision, "new": digest or payload["digest"]}
    return replace(event, payload=served)


def _models_named(events: Sequence[LoggedEvent]) -> list[str]:
    """Return the models that alias events name."""
    return sorted(
        {
            model_id
            for each in events
            if each.kind == "alias.set" and each.v == 1
            for model_id in (each.payload["old"], each.payload["new"])
            if model_id is not None
        }
    )


def _raise_times(connection: Connection, judged: Iterable[Verdict]) -> None:
    """Set stamp and time of the models that new alias events name, if these are later."""
    latest: dict[str, tuple[int, int]] = {}
    for event, outcome in judged:
        if event.kind == "alias.set" and event.v == 1 and outcome != LOST:
            old, new = event.payload["old"], event.payload["new"]
            for model_id, stamp in ((old, event.stamp - 1), (new, event.stamp)):
                if model_id is not None:
                    when = stamp, event.at
                    latest[model_id] = max(when, latest.get(model_id, when))
    for model_id, when in latest.items():
        model_rows.touch_later(connection, model_id, *when)


def publications(connection: Connection, model_id: str) -> list[str]:
    """Return ids of the publications of a model that no later one replaces, in their order."""
    for _, logged in units(connection, [model_id]):
        return list(judge([each.event for each in logged]).publications)
    return []


def settle_times(connection: Connection, models: Sequence[str]) -> None:
    """Set stamp and time of models to those of the last change in effect."""
    for model_id, logged in event_rows.of_units(connection, models):
        times = _times_of_model((each.event, each.outcome) for each in logged)
        if times:
            times += _later_times(connection, "model", model_id)
            model_rows.touch(connection, model_id, *max(times))


def _times_of_model(verdicts: Iterable[Verdict]) -> list[tuple[int, int]]:
    return [
        (event.stamp, event.at)
        for event, outcome in verdicts
        if outcome != LOST and (event.kind, event.v) in MOVING
    ]


def _later_times(connection: Connection, owner: str, subject: str) -> list[tuple[int, int]]:
    """Return stamp and time of what counts as a change of a model or task beside its events.

    That is what was reported to it; and of a model, an alias that names it.
    """
    named = event_rows.alias_changes(connection, subject) if owner == "model" else []
    reported = report_rows.last_report(connection, owner, subject)
    return named if reported is None else [*named, reported]


def _settle_model(
    rows: FoldedRows, model_id: str, verdicts: Iterable[Verdict], *, fresh: bool
) -> None:
    """Set stamp and time of a model to those of its last change in effect."""
    times = _times_of_model(verdicts)
    if times:
        if not fresh or rows.is_named(model_id):
            times += _later_times(rows.connection, "model", model_id)
        rows.touch("model", *max(times))


def _settle_task(
    rows: FoldedRows, task_id: str, verdicts: Iterable[Verdict], *, fresh: bool
) -> None:
    """Set stamp and time of a task to those of its last change in effect, or report."""
    times = [
        (event.stamp, event.at)
        for event, outcome in verdicts
        if outcome != LOST and (event.kind, event.v) in KINDS
    ]
    if times:
        if not fresh:
            times += _later_times(rows.connection, "task", task_id)
        rows.touch("task", *max(times))
