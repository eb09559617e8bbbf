"""The events that an import writes: those that are not here yet, of an origin of their own.

Their ids are computed from what they say, and the times are those of the source. So twice is once,
and registries that imported the same can meet. The event that creates a task or model has its id,
so that it must never say anything else: only what cannot change in the source belongs into it.

What is written of a register (`store/events/registers.py`):

- If its value is by this source, an event that replaces it, unless the value is the same.
- If it was changed here, nothing, unless the source says another thing than it said before: then an
  event that follows what it said before. So that one loses against the change here, and whoever
  imports reads so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from localreg.errors import InvalidValueError
from localreg.store.events.judging import judge
from localreg.store.events.registers import ALIAS, ALIAS_KINDS, SERVED, WAS, register_of
from localreg.values.canonical import canonical
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
        origin: id of the origin that they get.
        events: the new ones.
    """

    def __init__(
        self, origin: str, maker: str, actor: str, held: Mapping[str, list[LoggedEvent]]
    ) -> None:
        """Begin after the events that are here.

        Args:
            origin: id of the origin that the events get.
            maker: who made the events that create something. It never changes in a source.
            actor: who made the others, for people.
            held: the events that are here, by the task, model or alias that they are about.
        """
        self.origin = origin
        self.events: list[LoggedEvent] = []
        self._maker = maker
        self._actor = actor
        self._held = held
        # After all that is here of them: what was changed here meanwhile stays.
        self._lamport = max(
            (each.lamport for events in held.values() for each in events), default=0
        )
        known = [each for events in held.values() for each in events if each.origin == origin]
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
        """Add an event; return its id, which is computed from what it says unless it is given.

        Raises:
            InvalidValueError: it says what cannot be written, such as half of a character.
        """
        self._number += 1
        self._lamport += 1
        self._stamp = max(self._stamp, at)
        content = [self.origin, self._number, self._lamport, kind, subject, field, payload, at]
        try:
            made = event_id or derived_id("event", canonical(content))
        except (ValueError, RecursionError) as error:  # a surrogate, a huge number, NaN, a circle
            raise InvalidValueError(f"{kind} {str(error)[:100]}", argument=kind) from error
        actor = self._maker if event_id == subject else self._actor
        self.events.append(
            LoggedEvent(
                made, self.origin, self._number, self._lamport, self._stamp, at, actor, kind,
                1, subject, field, payload,
            )
        )  # fmt: skip
        return made


class Unit:
    """The events of a source on one task, model or alias.

    Attributes:
        is_foreign: True if the source did not create what has this id here.
        is_removed: True if it was removed here.
    """

    def __init__(self, log: EventLog, subject: str, held: list[LoggedEvent]) -> None:
        self._log = log
        self._subject = subject
        own = [each for each in held if each.origin == log.origin]
        judged = judge(held)
        self.is_removed = judged.removed
        self._ids = {each.event_id for each in own}
        self.is_foreign = subject not in self._ids and any(
            each.event_id == subject for each in held
        )
        self._tags = {each.field for each in own if each.kind.endswith(".tag")}
        self._first: Json | None = None
        # By register: event and value. What the source said last, and what of it is in effect.
        self._last: dict[str, tuple[str, object]] = {}
        self._effective: dict[str, tuple[str, object]] = {}
        self._changed_here: set[str] = set()
        self._revisions = [*_revisions_of(held)]
        self._kept = {each.payload["revision"] for each in own if each.kind == _KEPT}
        for each in own:
            if each.event_id == subject:
                self._note_first(each.payload)
                continue
            register = register_of(each.kind, each.field, each.payload)
            if register is not None:
                self._last[register] = each.event_id, each.payload.get("new")
                if each.event_id in judged.writers.get(register, ()):
                    self._effective[register] = self._last[register]
        for register, writers in judged.writers.items():
            if not self._ids.intersection(writers):
                self._changed_here.add(register)
        self._alias = self._target(held, judged.writers.get(ALIAS, ()))

    @staticmethod
    def _target(held: list[LoggedEvent], writers: Sequence[str]) -> str | None:
        targets = {each.event_id: each.payload["new"] for each in held if each.kind == "alias.set"}
        return targets[writers[-1]] if writers else None

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
        """Write an event, unless the value of its register is to stay as it is."""
        register = register_of(kind, field, payload)
        assert register is not None
        # An alias has no event that creates it.
        unwritten = None if kind in ALIAS_KINDS else self._subject
        held = self._effective.get(register) or self._last.get(register)
        was, old = held or (unwritten, None)
        if old == payload["new"]:
            return
        known = _old(kind, old) | payload | {WAS: was}
        event_id = self._log.add(kind, self._subject, field, known, at, None)
        self._last[register] = event_id, payload["new"]
        if register not in self._changed_here:
            self._effective[register] = self._last[register]

    def alias(self) -> tuple[str | None, bool]:
        """Return the model that the alias points to here, and True if that was changed here."""
        return self._alias, ALIAS in self._changed_here

    def add_tag(self, kind: str, tag: str, at: int) -> None:
        """Write that a tag was added, unless it was by an event of this source."""
        born = (self._first or {}).get("tags", ())
        if tag not in born and tag not in self._tags:
            payload = {"old": False, "new": True, "system": False}
            self._log.add(kind, self._subject, tag, payload, at, None)

    def add_revision(self, record: WeightsRecord, at: int) -> tuple[str, bool]:
        """Write that weights were added, or are kept from now on, unless that is here.

        Returns:
            The id of the revision that has these bytes, and True if the registry keeps them.
        """
        number = max((each["revision"] for each in self._revisions), default=0) + 1
        new = replace(record, revision=number, at=at).payload()
        for each in self._revisions:
            if each["id"] in self._ids and _are_same(each, new):
                is_kept = each["kept"] or each["id"] in self._kept
                if new["kept"] and not is_kept:
                    self._keep(each, new, at)
                return str(each["id"]), is_kept or record.kept
        mine = [each for each in self._revisions if each["id"] in self._ids]
        old = {"revision": mine[-1]["id"], "number": mine[-1]["revision"]} if mine else None
        was = mine[-1]["id"] if mine else self._subject
        if SERVED in self._effective:
            was, _ = self._effective[SERVED]
        payload = {"old": old, "new": new, "iteration": None, "task": None, WAS: was}
        revision = self._log.add("model.weights_added", self._subject, None, payload, at, None)
        if SERVED not in self._changed_here:
            self._effective[SERVED] = revision, None
        self._ids.add(revision)
        self._revisions.append(new | {"id": revision})
        return revision, record.kept

    def _keep(self, held: Json, new: Json, at: int) -> None:
        """Write that the registry has the bytes of a revision that was elsewhere until now."""
        parts = ("digest", "size", "tree", "total", "archive", "archive_size", "filename")
        payload = {part: new[part] for part in parts} | {
            "revision": held["id"],
            "number": held["revision"],
            WAS: self._subject,
        }
        self._log.add(_KEPT, self._subject, None, payload, at, None)

    def add_weights(self, payload: Json, revision_id: str, at: int) -> None:
        """Write that weights were added, unless they were by an event of this source."""
        if revision_id in self._ids:
            return
        was, old = self._last.get(SERVED, (self._subject, None))
        known = {"old": old} | payload | {WAS: was}
        self._log.add("model.weights_added", self._subject, None, known, at, revision_id)
        self._last[SERVED] = revision_id, payload["new"]


_KEPT = "model.weights_kept"


def _revisions_of(held: list[LoggedEvent]) -> Iterator[Json]:
    """Yield the weights that a model has, whoever added them, each with the id of its revision."""
    for each in held:
        if each.kind == "model.weights_added":
            yield each.payload["new"] | {"id": each.event_id}
        elif each.kind == "model.created":
            for weights in each.payload["weights"]:
                yield weights | {"id": each.event_id}


def _are_same(held: Json, new: Json) -> bool:
    """Return True if two revisions are the same bytes, or the same unknown bytes."""
    if held["digest"] is None and new["digest"] is None:
        return bool(held["url"] == new["url"])
    return (held["digest"], held["tree"]) == (new["digest"], new["tree"])


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
