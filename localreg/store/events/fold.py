"""Apply events to the state tables.

Each kind of event has a function in model_fold.py or task_fold.py, which changes the tables. None
reads a clock, makes an id or reads a file, so the same events always give the same tables. Kinds
and versions that this localreg does not know stay in the log and are not applied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from localreg.store.events import model_fold, task_fold
from localreg.store.rows import model_rows
from localreg.store.rows.state_tables import StateTables
from localreg.values.records import LoggedEvent, StateChange

Applied = StateChange | LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.state import State

    Fold = Callable[[State, Applied], None]

Connection = sqlite3.Connection

# These events have the id of what they create, which is the first writer of its registers.
CREATING = frozenset({"project.created", "model.created", "task.created"})

KINDS: dict[tuple[str, int], Fold] = {
    ("project.created", 1): model_fold.project_created,
    ("model.created", 1): model_fold.created,
    ("model.removed", 1): model_fold.removed,
    ("model.restored", 1): model_fold.restored,
    ("model.changed", 1): model_fold.changed,
    ("model.published", 1): model_fold.published,
    ("model.moved", 1): model_fold.moved,
    ("model.renumbered", 1): model_fold.moved,
    ("model.released", 1): model_fold.released,
    ("model.tag", 1): model_fold.tagged,
    ("model.metadata", 1): model_fold.described,
    ("model.design", 1): model_fold.designed,
    ("model.weights", 1): model_fold.weights_served,
    ("model.weights_added", 1): model_fold.weights_added,
    ("model.weights_chosen", 1): model_fold.weights_chosen,
    ("model.weights_dropped", 1): model_fold.weights_dropped,
    ("model.weights_kept", 1): model_fold.weights_kept,
    ("model.weights_uploaded", 1): model_fold.weights_uploaded,
    # Not "model.": a download shows what the bytes are, and does not change the model.
    ("weights.fetched", 1): model_fold.weights_served,
    ("alias.set", 1): model_fold.alias_set,
    ("alias.protected", 1): model_fold.alias_protected,
    ("model.signed", 1): model_fold.signed,
    ("task.created", 1): task_fold.created,
    ("task.changed", 1): task_fold.changed,
    ("task.state", 1): task_fold.ended,
    ("task.design", 1): task_fold.design,
    ("task.model", 1): task_fold.model,
    ("task.moved", 1): task_fold.moved,
    ("task.tag", 1): task_fold.tagged,
    ("task.run", 1): task_fold.run,
    ("task.parameter", 1): task_fold.parameter,
    ("task.configuration", 1): task_fold.configuration,
    ("task.artifact", 1): task_fold.artifact,
    ("task.removed", 1): task_fold.removed,
}
# What an event says beside what it sets: it counts whether the event is in effect or lost.
ALWAYS: dict[tuple[str, int], Fold] = {
    ("model.moved", 1): model_fold.claimed,
    ("model.renumbered", 1): model_fold.claimed,
    ("alias.set", 1): model_fold.alias_named,
}
# What happens instead to an event whose outcome is "kept".
KEPT: dict[tuple[str, int], Fold] = {("model.weights_added", 1): model_fold.weights_not_served}
# These set stamp and time themselves; after every other event on a model, `finish` does.
_COMPLETE = frozenset({"model.created", "model.removed", "model.restored"})


# An event in effect of one of these is the last change of its model, until the next one.
MOVING = frozenset((kind, v) for kind, v in KINDS if kind.startswith("model."))


def apply(state: State, event: Applied, outcome: str | None = None) -> bool:
    """Apply one event; return False if it only says something, without an effect.

    Args:
        outcome: None if it is in effect; else "same", "lost" or "kept" (see `judging.py`).
    """
    key = event.kind, event.v
    if key in ALWAYS:
        ALWAYS[key](state, event)
    if outcome is None:
        fold = KINDS.get(key)
    else:
        fold = KEPT.get(key) if outcome == "kept" else None
    if fold is None:
        return False
    fold(state, event)
    return True


class Folding:
    """Applies events that were made here, in order; `finish` ends a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._state = StateTables(connection)
        self._touched: dict[str, tuple[int, int]] = {}

    def apply(self, change: StateChange) -> None:
        """Apply one event, which is in effect."""
        if not apply(self._state, change):
            return
        when = change.stamp, change.at
        if change.kind == "alias.set":
            old, new = change.payload["old"], change.payload["new"]
            if old is not None:
                self._touch(old, (change.stamp - 1, change.at))
            if new is not None:
                self._touch(new, when)
        elif change.kind.startswith("model.") and change.kind not in _COMPLETE:
            self._touch(change.subject, when)

    def _touch(self, model_id: str, when: tuple[int, int]) -> None:
        self._touched[model_id] = max(when, self._touched.get(model_id, when))

    def finish(self) -> None:
        """Set stamp and time of every model that the events changed."""
        for subject, (stamp, at) in self._touched.items():
            model_rows.touch(self._connection, subject, stamp, at)
        self._touched.clear()
