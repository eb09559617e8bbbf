"""A write transaction, which records events and applies them at once.

An event that is recorded here is the last one of its unit in every order, so it need not be judged:
it replaces what the tables hold now. `refolding.py` does the same from all events of a unit.
"""

from __future__ import annotations

import sqlite3

from localreg.store.events.fold import CREATING, Folding
from localreg.store.events.registers import WAS, register_of
from localreg.store.rows import origin_rows, writer_rows
from localreg.store.rows.checked_values import LARGEST, damaged_row
from localreg.values.canonical import canonical
from localreg.values.ids import new_id, now
from localreg.values.records import Json, StateChange

# The greatest stamp of a group need not be that of its last event.
_LAST = (
    "SELECT o.pk, (SELECT max(seq) FROM event WHERE origin = o.pk), "
    "(SELECT max(lamport) FROM event), (SELECT max(stamp) FROM event WHERE pk >= "
    "(SELECT grp FROM event WHERE pk = (SELECT max(pk) FROM event))), "
    "(SELECT max(stamp) FROM model), (SELECT max(stamp) FROM task), "
    "(SELECT pk FROM actor WHERE name = ?), (SELECT max(pk) FROM event) "
    f"FROM origin o WHERE o.id = {origin_rows.OWN_ID}"
)

# After these, all events of the model are folded again.
REFOLDED = frozenset({"model.restored"})


class Change:
    """An open write transaction.

    All its events have one group. Each subject gets one stamp in it, which is greater than
    every stamp before, even if the clock went back.

    Attributes:
        connection: for reading, and for writing the tables that have no events.
        at: what the clock said when the transaction began, microseconds: the time of its events.
        last_event: the id of the last event that was recorded; empty before the first one.
    """

    def __init__(self, connection: sqlite3.Connection, actor: str) -> None:
        self.connection = connection
        self.at = now()
        self.last_event = ""
        self._actor_name = actor
        self._actor = 0
        self._origin = 0
        self._group = 0
        self._seq = 0
        self._lamport = 0
        self._stamp = 0
        self._stamps: dict[str, int] = {}
        self._folding = Folding(connection)

    def record(
        self,
        kind: str,
        subject: str,
        payload: Json,
        *,
        field: str | None = None,
        v: int = 1,
        event_id: str | None = None,
    ) -> int:
        """Write an event and apply it.

        Args:
            kind: what changes, such as ``model.tag``.
            subject: id of the model, task, project or alias.
            payload: old and new values, as JSON values. If it writes a register, the id of the
                event that it replaces is added, unless it is there: that of one of its writers.
            field: the alias, metadata key, tag or column that changes, if there is one.
            v: the version of the kind's payload.
            event_id: the id of the event; a new one by default, and that of `subject` for an event
                that creates it.

        Returns:
            The stamp of the change.
        """
        stamp = self.stamp(subject)
        if kind == "alias.set":  # the model that the alias leaves has the stamp before
            self._stamp += 1
            stamp = self._stamps[subject] = self._stamp
        self._seq += 1
        self._lamport += 1
        if event_id is None:
            event_id = subject if kind in CREATING and v == 1 else new_id()
        register = register_of(kind, field, payload)
        writers: list[str] = []
        if register is not None:
            first = None if kind.startswith("alias.") else subject
            writers = writer_rows.writers(self.connection, subject, register, first)
            payload = {WAS: writers[-1] if writers else None} | payload
        self.connection.execute(
            "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, "
            "subject, field, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (event_id, self._origin, self._seq, self._group, self._lamport, stamp, self.at,
             self._actor, kind, v, subject, field, canonical(payload)),
        )  # fmt: skip
        self.last_event = event_id
        change = StateChange(kind, v, subject, field, payload, stamp, self.at, event_id)
        if kind in REFOLDED:
            from localreg.store.events.refolding import refold_unit  # for few kinds

            self._folding.finish()
            refold_unit(self.connection, subject)
        else:
            self._folding.apply(change)
        if register is not None:
            kept = writers if payload.get("concluded") else []
            writer_rows.set_writers(self.connection, subject, register, [*kept, event_id])
        return stamp

    def took_in(self, event_id: str) -> None:
        """Note that events of other registries were written; the next one is made after them.

        Args:
            event_id: of the last one.
        """
        self.last_event = event_id
        self._stamps.clear()

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
        found = self.connection.execute(_LAST, (self._actor_name,)).fetchone()
        if found is None:
            raise origin_rows.no_own()
        self._origin, seq, lamport, stamp, models, tasks, actor, last = found
        for name, found in (
            ("seq", seq), ("lamport", lamport), ("stamp", stamp), ("stamp", models),
            ("stamp", tasks),
        ):  # fmt: skip
            if found is not None and (type(found) is not int or found > LARGEST):
                raise damaged_row("event", "last", name, f"must be below 2^62, not {found!r:.40}")
        self._seq = seq or 0
        self._group = (last or 0) + 1
        self._lamport = lamport or 0
        self._stamp = max(self.at - 1, stamp or 0, models or 0, tasks or 0)
        self._actor = actor or self._new_actor()

    def _new_actor(self) -> int:
        cursor = self.connection.execute("INSERT INTO actor (name) VALUES (?)", (self._actor_name,))
        return int(cursor.lastrowid or 0)
