"""Apply events to the state tables.

Each kind of event has a function in model_fold.py or task_fold.py, which changes the tables. None
reads a clock, makes an id or reads a file, so the same events always give the same tables. Kinds
and versions that this localreg does not know stay in the log and are not applied.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from localreg.store.events import model_fold, task_fold
from localreg.store.rows import model_rows, report_rows
from localreg.values.records import StateChange

Connection = sqlite3.Connection
Fold = Callable[[Connection, StateChange], None]

# The order in which `refold` empties them: a table comes before those that it refers to.
STATE_TABLES = (
    "task_model", "task_tag", "task_design", "configuration", "parameter", "artifact", "task",
    "alias", "metadata", "model_tag", "tag", "design", "weights", "tombstone", "model",
    "version_counter", "project",
)  # fmt: skip
# Reported values have no events. They refer to models and tasks by their integer keys.
REPORT_TABLES = ("series", "single", "plot", "message", "reported")

KINDS: dict[tuple[str, int], Fold] = {
    ("project.created", 1): model_fold.project_created,
    ("model.created", 1): model_fold.created,
    ("model.removed", 1): model_fold.removed,
    ("model.restored", 1): model_fold.restored,
    ("model.changed", 1): model_fold.changed,
    ("model.moved", 1): model_fold.moved,
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
    ("alias.dropped", 1): model_fold.alias_dropped,
    ("task.created", 1): task_fold.created,
    ("task.changed", 1): task_fold.changed,
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
# These set stamp and time themselves; after every other event on a model, `finish` does.
_COMPLETE = frozenset({"model.created", "model.removed", "model.restored"})


class Folding:
    """Applies events in order; `finish` ends a group, that is a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._touched: dict[str, tuple[int, int]] = {}

    def apply(self, change: StateChange) -> None:
        """Apply one event."""
        fold = KINDS.get((change.kind, change.v))
        if fold is None:
            return
        fold(self._connection, change)
        if change.kind.startswith(("model.", "alias.")) and change.kind not in _COMPLETE:
            self._touched[change.subject] = change.stamp, change.at

    def finish(self) -> None:
        """Set stamp and time of every model that the group changed."""
        for subject, (stamp, at) in self._touched.items():
            model_rows.touch(self._connection, subject, stamp, at)
        self._touched.clear()


def refold(connection: Connection) -> None:
    """Empty the state tables and apply every event again.

    Args:
        connection: in a write transaction.
    """
    # The owners get the same keys again. Until then the keys in the report tables are negative, so
    # that no reported value is deleted together with its owner.
    connection.execute("PRAGMA defer_foreign_keys = ON")
    _negate_owners(connection)
    for table in STATE_TABLES:
        connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    connection.execute("INSERT INTO project VALUES (0, '', '', 0)")
    folding = Folding(connection)
    group = None
    rows = connection.execute(
        "SELECT registry_id, grp, kind, v, subject, field, payload, stamp, at "
        "FROM event ORDER BY pk"
    )
    for registry_id, grp, kind, v, subject, field, payload, stamp, at in rows:
        if group != (registry_id, grp):
            folding.finish()
            group = (registry_id, grp)
        folding.apply(StateChange(kind, v, subject, field, json.loads(payload), stamp, at))
    folding.finish()
    _negate_owners(connection)
    report_rows.touch_reported(connection)


def _negate_owners(connection: Connection) -> None:
    for table in REPORT_TABLES:
        connection.execute(f"UPDATE {table} SET model = -model, task = -task")
