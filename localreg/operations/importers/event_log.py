"""The events that an import writes: those that are not here yet, of an origin of their own.

Their ids are computed from what they say, and the times are those of the source. So twice is once,
and registries that imported the same can meet. The event that creates a task or model has its id,
so that it must never say anything else: only what cannot change in the source belongs into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from localreg.store.events.change import canonical
from localreg.store.events.registers import ALIAS_KINDS, WAS, register_of
from localreg.values.frozen import replace
from localreg.values.ids import ID_LENGTH, alias_id
from localreg.values.records import LoggedEvent, WeightsRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json


def derived_id(*parts: str) -> str:
    """Return the id that some texts have in every registry."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_LENGTH]


def project_of(name: str) -> Json:
    """Return a project as events name it."""
    # The id that a project has whose event did not come: the same in every registry.
    return {"id": alias_id(name, "", ""), "name": name}


_COLUMNS = ("name", "type", "comment", "parent", "framework", "archived", "task")


class EventLog:
    """The events that a source writes here, after those that are here already.

    Attributes:
        events: the new ones.
    """

    def __init__(self, origin: str, actor: str, held: Mapping[str, list[LoggedEvent]]) -> None:
        """Begin after the events that are here.

        Args:
            origin: id of the origin that the events get.
            actor: who made them, for people.
            held: the events that are here, by the task, model or alias that they are about.
        """
        self.events: list[LoggedEvent] = []
        self._origin = origin
        self._actor = actor
        self._held = {
            subject: [each for each in events if each.origin == origin]
            for subject, events in held.items()
        }
        # After all that is here of them: what was changed here meanwhile stays.
        self._lamport = max(
            (each.lamport for events in held.values() for each in events), default=0
        )
        known = [each for events in self._held.values() for each in events]
        self._number = max((each.seq for each in known), default=0)
        self._stamp = max((each.stamp for each in known), default=0)

    def unit(self, subject: str) -> Unit:
        """Return the events on one task, model or alias."""
        return Unit(self, subject, self._held.get(subject, []))

    def add(
        self,
        kind: str,
        subject: str,
        field: str | None,
        payload: Json,
        at: int,
        event_id: str | None,
    ) -> str:
        """Add an event; return its id, which is computed from what it says unless it is given."""
        self._number += 1
        self._lamport += 1
        self._stamp = max(self._stamp, at)
        content = [self._origin, self._number, self._lamport, kind, subject, field, payload, at]
        made = event_id or derived_id("event", canonical(content))
        self.events.append(
            LoggedEvent(
                made, self._origin, self._number, self._lamport, self._stamp, at, self._actor, kind,
                1, subject, field, payload,
            )
        )  # fmt: skip
        return made


class Unit:
    """The events of a source on one task, model or alias."""

    def __init__(self, log: EventLog, subject: str, held: list[LoggedEvent]) -> None:
        self._log = log
        self._subject = subject
        self._ids = {each.event_id for each in held}
        self._tags = {each.field for each in held if each.kind.endswith(".tag")}
        self._first: Json | None = None
        self._last: dict[str, tuple[str, object]] = {}
        self._revisions: list[Json] = []
        for each in held:
            if each.kind == "model.weights_added":
                self._revisions.append(each.payload["new"] | {"id": each.event_id})
            if each.event_id == subject:
                self._note_first(each.payload)
                continue
            register = register_of(each.kind, each.field, each.payload)
            if register is not None:
                self._last[register] = each.event_id, each.payload.get("new")

    def create(self, kind: str, payload: Json, at: int) -> bool:
        """Write the event that creates the subject; return False if it is here."""
        if self._first is not None:
            return False
        self._log.add(kind, self._subject, None, payload, at, self._subject)
        self._note_first(payload)
        return True

    def _note_first(self, payload: Json) -> None:
        """Note the values that the first event sets."""
        self._first = payload
        for column in _COLUMNS:
            self._last[f"column/{column}"] = self._subject, payload.get(column)
        self._last["run"] = self._subject, payload.get("run")
        self._last["project"] = self._subject, payload.get("project")

    def write(self, kind: str, payload: Json, at: int, *, field: str | None = None) -> None:
        """Write an event, unless the register has the value by an event of this source."""
        register = register_of(kind, field, payload)
        assert register is not None
        # An alias has no event that creates it.
        unwritten = None if kind in ALIAS_KINDS else self._subject
        was, old = self._last.get(register, (unwritten, None))
        if register in self._last and old == payload["new"]:
            return
        known = _old(kind, old) | payload | {WAS: was}
        event_id = self._log.add(kind, self._subject, field, known, at, None)
        self._last[register] = event_id, payload["new"]

    def add_tag(self, kind: str, tag: str, at: int) -> None:
        """Write that a tag was added, unless it was by an event of this source."""
        born = (self._first or {}).get("tags", ())
        if tag not in born and tag not in self._tags:
            payload = {"old": False, "new": True, "system": False}
            self._log.add(kind, self._subject, tag, payload, at, None)

    def add_revision(self, record: WeightsRecord, at: int) -> str | None:
        """Write that weights were added, unless these were by an event of this source.

        Returns:
            The id of the revision if it is new, else None.
        """
        new = replace(record, revision=len(self._revisions) + 1, at=at).payload()
        for each in self._revisions:
            if all(each[part] == new[part] for part in ("digest", "url", "tree", "kept")):
                return None
        last = self._revisions[-1] if self._revisions else None
        old = None if last is None else {"revision": last["id"], "number": last["revision"]}
        was = self._subject if last is None else last["id"]
        known = {"old": old, "new": new, "iteration": None, "task": None, WAS: was}
        revision = self._log.add("model.weights_added", self._subject, None, known, at, None)
        self._revisions.append(new | {"id": revision})
        return revision

    def add_weights(self, payload: Json, revision_id: str, at: int) -> None:
        """Write that weights were added, unless they were by an event of this source."""
        if revision_id in self._ids:
            return
        was, old = self._last.get("served", (self._subject, None))
        known = {"old": old} | payload | {WAS: was}
        self._log.add("model.weights_added", self._subject, None, known, at, revision_id)
        self._last["served"] = revision_id, payload["new"]


def _old(kind: str, old: object) -> Json:
    """Return what an event says of the value before, where people read it."""
    if kind == "task.state":
        return {"old": old or {"status": "in_progress", "reason": None, "ended": None}}
    if kind == "task.design":
        return {"old": old or {"config": "", "labels": {}}}
    if kind == "task.configuration":
        found = old[0] if isinstance(old, list) else None
        return {"old": None if found is None else hashlib.sha256(found.encode()).hexdigest()}
    if kind == "task.artifact":
        return {"old": old["digest"] if isinstance(old, dict) else None}
    return {"old": old}
