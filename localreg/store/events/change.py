"""A write transaction, which records events and applies them at once."""

from __future__ import annotations

import json
import sqlite3

from localreg.store.events.fold import Folding
from localreg.store.rows.checked_values import LARGEST, damaged_row
from localreg.values.ids import new_id, now
from localreg.values.records import Json, StateChange

_canonical = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
).encode


class Change:
    """An open write transaction.

    All its events have one group number. Each subject gets one stamp in it, which is greater than
    every stamp before, even if the clock went back.

    Attributes:
        connection: for reading, and for writing the tables that have no events.
        at: what the clock said when the transaction began, microseconds: the time of its events.
        last_event: the id of the last event that was recorded; empty before the first one.
    """

    def __init__(self, connection: sqlite3.Connection, registry_id: str, actor: str) -> None:
        self.connection = connection
        self.at = now()
        self.last_event = ""
        self._registry_id = registry_id
        self._actor_name = actor
        self._actor = 0
        self._group = 0
        self._seq = 0
        self._stamp = 0
        self._stamps: dict[str, int] = {}
        self._folding = Folding(connection)

    def record(
        self, kind: str, subject: str, payload: Json, *, field: str | None = None, v: int = 1
    ) -> int:
        """Write an event and apply it.

        Args:
            kind: what changes, such as ``model.tag``.
            subject: id of the model, task or project.
            payload: old and new values, as JSON values.
            field: the alias, metadata key, tag or column that changes, if there is one.
            v: the version of the kind's payload.

        Returns:
            The stamp of the change.
        """
        stamp = self.stamp(subject)
        self._seq += 1
        self.last_event = new_id()
        text = _canonical(payload)
        self.connection.execute(
            "INSERT INTO event (event_id, registry_id, seq, grp, stamp, at, actor, kind, v, "
            "subject, field, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self.last_event, self._registry_id, self._seq, self._group, stamp, self.at,
             self._actor, kind, v, subject, field, text),
        )  # fmt: skip
        self._folding.apply(StateChange(kind, v, subject, field, payload, stamp, self.at))
        return stamp

    def stamp(self, subject: str) -> int:
        """Return the stamp of all changes of `subject` in this transaction."""
        if not self._stamps:
            self._begin()
        stamp = self._stamps.get(subject)
        if stamp is None:
            self._stamp += 1
            stamp = self._stamps[subject] = self._stamp
        return stamp

    def finish(self) -> None:
        """Set stamp and time of the changed models; call it once, before the commit."""
        self._folding.finish()

    def _begin(self) -> None:
        """Read the last numbers of the log; only a transaction with events needs them."""
        # The greatest stamp of a group need not be that of its last event.
        seq, events, models, tasks, actor = self.connection.execute(
            "SELECT max(seq), max(stamp), (SELECT max(stamp) FROM model), "
            "(SELECT max(stamp) FROM task), (SELECT pk FROM actor WHERE name = :actor) "
            "FROM event WHERE registry_id = :id AND seq >= "
            "(SELECT grp FROM event WHERE registry_id = :id ORDER BY seq DESC LIMIT 1)",
            {"id": self._registry_id, "actor": self._actor_name},
        ).fetchone()
        for name, found in (("seq", seq), ("stamp", events), ("stamp", models), ("stamp", tasks)):
            if found is not None and (type(found) is not int or found > LARGEST):
                raise damaged_row("event", "last", name, f"must be below 2^62, not {found!r:.40}")
        self._seq = seq or 0
        self._group = self._seq + 1
        self._stamp = max(self.at - 1, events or 0, models or 0, tasks or 0)
        self._actor = actor or self._new_actor()

    def _new_actor(self) -> int:
        cursor = self.connection.execute("INSERT INTO actor (name) VALUES (?)", (self._actor_name,))
        return int(cursor.lastrowid or 0)
