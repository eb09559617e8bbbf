"""The rules by which registries meet, as a small model: read it to understand them.

It is pure Python, reads nothing of localreg, and prefers few words to speed. The product is
compared with it (tests/guarantees/test_meeting.py). `rules_registry.py` beside it has registries
that write such events, merge them and pack them into bundles, `rules_remotes.py` push and pull.

**Events.** A registry is a set of events in their order of arrival. What it shows is the fold of
its events. An event has an id that is never given twice, and the event that creates a thing has
the thing's id. `lamport` is larger than that of every event that its writer held.

**Order.** Events are folded in the order of (position, those without one last; lamport; event id).
A position is a number that a remote gave. Times, origins and numbers within an origin order
nothing. So an event of one's own is always last, until others arrive.

**Units.** Events of one subject are folded together, and by themselves: a model, a task, an alias
of a line, a project name. A line is a project and a name.

**Registers.** A register is a value that is replaced as a whole: the line and number of a model,
one metadata entry, the revision that is served, the target of an alias. A write names the write
that it replaces (`was`). It takes effect if that one is among the writers of the register.
Otherwise it is `same` if the value is the new one already (then it is a further writer), or else
`lost`. So nothing is overwritten by somebody who did not see it. A thing that is created is the
first writer of all its registers. Before its first write an alias has no writer, and `was` is
None.

**Tags** are sets of additions. A drop names the additions that it saw. So an addition that
somebody else made in the meantime stays.

**Signatures** are added, each for itself, and never dropped. One says which bytes it is of. Each
registry says for itself whom it trusts, so trust is no part of the fold.

**Gates.** An alias has a second register: what a model must have for it. Who points the alias at a
model looks if the model has that, and names the gate in the event (`gate`; with `override` if it
has not). The two registers are folded apart. The alias is held while the event that set it names
another gate than the one in effect: then it was set by somebody who did not know the gate.

**Claims.** A model claims each number that it was ever given, until it gives the number back. Two
claimants of one number make it ambiguous, also if one is removed or was moved away: a reference
never comes to mean other bytes in silence.

What the rules leave open, and what is decided here:

- Before the event that creates a thing, all events of its unit are lost. They come into effect
  when it arrives. Whole units travel, so this is rare.
- Values are compared with projects by name: the same project may have several ids.
- After a publication, a revision that is added is kept and not served; every other change of the
  content is lost, even if it sets what is there. What a first download shows, and what bytes the
  registry keeps from now on, is lost if the publication says that they are others.
- A model that was created as published has its creation as a publication.
- A publication brings back the revision that it names, if it was dropped before, and fixes its
  digest while it shows. So a publication wins over a drop in both orders.
- Publications differ by digest, configuration and labels; also by revision if the digest is not
  known. One that says the same as an earlier live one is `same`; two that differ are both in
  effect, and the model is contested.
- A second drop of a revision is `same`. What happens to a revision after its drop is lost.
- Bytes that the registry keeps are kept also if they were known. An upload of other bytes than
  those of the revision is lost.
- Removals and restorations have no register: the last in order decides, and none is lost.
- A state that somebody concluded from outside ("its process is gone") leaves the writers before it
  in place, for a write that is an end and was not concluded itself.
- The claims of a model are folded in the order of its events; a later event can claim again what
  an earlier one gave back. The place of a claimant is that of the event by which it claims. Where
  a model is now, it has a claim, even if another registry gave the number back in the meantime.
- `updated` is the largest time of the events that are not lost.
- The gate that an alias passed is that of the event in effect. One that sets the alias to what it
  is already, without knowing of it, is `same`, and the gate that it names does not count.
- The origin that a reference names (`p/m:4~laptop`) is that of the event that created the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Line = tuple[str, str]
"""The name of a project, empty for no project, and a name."""
Number = tuple[str, str, int]
"""A line and a number in it: what ``p/m:4`` names."""


@dataclass(frozen=True)
class Event:
    """One change.

    Two attributes are for tests only. `known`: the ids of all events that its writer held.
    `checked`: the writer looked if a model passes the gate of an alias, or overrode it.
    """

    id: str
    origin: str
    seq: int
    lamport: int
    at: int
    kind: str
    subject: str
    field: str | None
    payload: dict[str, Any]
    known: frozenset[str] = field(default=frozenset(), compare=False)
    checked: bool = field(default=False, compare=False)

    def __hash__(self) -> int:
        return hash(self.id)


def place(event: Event, position: int | None) -> tuple[float, int, str]:
    """Return where an event stands in the order of the fold."""
    return (float("inf") if position is None else position, event.lamport, event.id)


def in_order(events: Iterable[Event], positions: dict[str, int]) -> list[Event]:
    """Return events in the order of the fold."""
    return sorted(events, key=lambda each: place(each, positions.get(each.id)))


def unit_of(event: Event) -> str:
    """Return the name of the unit: projects of one name are one, everything else goes by its id."""
    return f"project {event.payload['name']}" if event.kind == "project.created" else event.subject


# Registers


@dataclass
class Register:
    """A value, and the ids of the writes that set it to this value.

    Attributes:
        value: what it holds.
        writers: a write that replaces one of these takes effect.
        before: the writers before a state that was concluded from outside.
    """

    value: Any
    writers: set[str | None]
    before: set[str | None] = field(default_factory=set)

    def write(self, event: Event, new: Any) -> str | None:
        """Apply a write; return its outcome."""
        if event.payload["was"] in self.writers:
            self.value, self.writers = new, {event.id}
            return None
        if new == self.value:
            self.writers.add(event.id)
            return "same"
        return "lost"


def register_of(event: Event) -> str | None:
    """Return the name of the register that an event writes; None if it writes none."""
    payload, name = event.payload, event.field
    match event.kind:
        case "alias.set":
            return "alias"
        case "alias.protected":
            return "gate"
        case "model.changed" | "task.changed":
            return name
        case "model.moved" | "model.renumbered":
            return "line"
        case "model.metadata":
            return f"metadata {name}"
        case "model.design" | "task.design":
            return "design"
        case "model.weights_added" | "model.weights_chosen":
            return "served"
        case "model.weights" | "weights.fetched" | "model.weights_kept":
            return f"bytes {payload['revision']}"
        case "model.weights_uploaded":
            return f"url {payload['revision']}"
        case "task.state" | "task.run":
            return event.kind.removeprefix("task.")
        case "task.moved":
            return "project"
        case "task.parameter":
            return f"parameter {payload['section']}/{name}"
        case "task.configuration" | "task.artifact":
            return f"{event.kind.removeprefix('task.')} {name}"
        case "task.model":
            return f"{payload['role']} {name}"
    return None


def new_value(event: Event) -> Any:
    """Return the value that an event gives to its register."""
    match event.kind:
        case "model.moved" | "model.renumbered":
            return line_and_number(event.payload["new"])
        case "model.weights_added":
            return event.id
        case "model.weights_chosen":
            return event.payload["new"]["revision"]
        case "model.weights_kept":
            return event.payload["digest"]  # the registry keeps the bytes that a URL serves
        case "model.weights_uploaded":
            return event.payload["url"]
        case "task.moved":
            return project_name(event.payload["new"])
    return event.payload["new"]


def revision_of(event: Event) -> str | None:
    """Return the revision that an event serves, or whose bytes or URL it sets; None for others."""
    if event.kind == "model.weights_chosen":
        return event.payload["new"]["revision"]
    register = register_of(event) or ""
    return event.payload["revision"] if register.startswith(("bytes ", "url ")) else None


def first_value(created: Event, register: str) -> Any:
    """Return the value that the event which creates a thing gives to a register."""
    payload = created.payload
    kind, _, name = register.partition(" ")
    match kind:
        case "line":
            return line_and_number(payload)
        case "project":
            return project_name(payload["project"])
        case "metadata":
            return payload["metadata"].get(name)
        case "design" if created.kind == "model.created":
            return {"config": payload["config"], "labels": payload["labels"]}
        case "served":
            return created.id if payload["weights"] else None
        case "bytes" | "url":
            first = payload["weights"] if name == created.id else []
            return first[0]["digest" if kind == "bytes" else "url"] if first else None
        case "state":
            return {"status": payload["status"], "reason": None, "ended": None}
        case "design" | "parameter" | "configuration" | "artifact" | "input" | "output":
            return None
    return payload.get(register)


def line_and_number(values: dict[str, Any]) -> Number:
    """Return project name, name and number out of a payload."""
    return project_name(values["project"]), values["name"], values["version"]


def project_name(project: dict[str, Any] | str | None) -> str:
    """Return the name of a project out of a payload; empty for no project."""
    return project["name"] if isinstance(project, dict) else project or ""


# The fold of a unit


@dataclass
class Unit:
    """What the events of one unit come to.

    Attributes:
        created: the event that created the model or task; None for an alias, and if it is not here.
        outcomes: of each event by its id: None if it is in effect, "same", "lost" or "kept".
        additions: the live additions of each tag (name, system).
        revisions: ids of the revisions that are there.
        publications: the live publications in order.
        numbers: the event by which the model claims each (project, name, number) that it was given.
        released: the numbers that it gave back.
        signatures: by the event that recorded each: of which bytes it is, its file and its signer.
        gate: the event in effect that says what a model must have for an alias; None for nothing.
        passed: the gate that is named by the event in effect which set the alias.
        waiting: events that are in effect on a removed thing, made after its removal in order.
    """

    created: Event | None = None
    registers: dict[str, Register] = field(default_factory=dict)
    outcomes: dict[str, str | None] = field(default_factory=dict)
    removed: bool = False
    additions: dict[tuple[str, bool], set[str]] = field(default_factory=dict)
    revisions: set[str] = field(default_factory=set)
    publications: list[Event] = field(default_factory=list)
    numbers: dict[Number, Event] = field(default_factory=dict)
    released: set[Number] = field(default_factory=set)
    signatures: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    gate: str | None = None
    passed: str | None = None
    waiting: list[str] = field(default_factory=list)
    updated: int = 0

    def register(self, name: str) -> Register:
        """Return a register."""
        return self.registers.setdefault(name, self.unwritten(name))

    def unwritten(self, name: str) -> Register:
        """Return a register as it was created."""
        first = self.created
        return Register(first_value(first, name), {first.id}) if first else Register(None, {None})

    def value(self, name: str) -> Any:
        """Return the value of a register."""
        return self.register(name).value

    @property
    def here(self) -> Number | None:
        """Where a model is now: project, name and number; None if it is removed."""
        return None if self.removed or self.created is None else self.value("line")

    @property
    def claims(self) -> dict[Number, Event]:
        """The numbers that a model claims: those that it did not give back, and where it is."""
        return {
            number: event
            for number, event in self.numbers.items()
            if number not in self.released or number == self.here
        }

    @property
    def tags(self) -> set[tuple[str, bool]]:
        """The tags that have a live addition."""
        return {tag for tag, live in self.additions.items() if live}

    @property
    def contested(self) -> bool:
        """True if live publications differ."""
        return any(_content(each) != _content(self.publications[0]) for each in self.publications)


def fold(events: list[Event]) -> Unit:
    """Fold the events of one unit.

    Args:
        events: in order.
    """
    unit = Unit()
    for event in events:
        outcome = _apply(unit, event)
        unit.outcomes[event.id] = outcome
        _claim(unit, event)
        if outcome != "lost":
            unit.updated = max(unit.updated, event.at)
            if unit.removed and event.kind not in ("model.removed", "task.removed"):
                unit.waiting.append(event.id)
    return unit


def _apply(unit: Unit, event: Event) -> str | None:
    """Apply an event; return its outcome."""
    payload = event.payload
    if event.kind in ("model.created", "task.created"):
        unit.created = event
        for system, key in ((False, "tags"), (True, "system_tags")):
            for tag in payload.get(key, ()):
                unit.additions.setdefault((tag, system), set()).add(event.id)
        if payload.get("weights"):
            unit.revisions.add(event.id)
        if payload.get("published"):
            unit.publications.append(event)
        return None
    if unit.created is None and event.kind.startswith(("model.", "task.", "weights.")):
        return "lost"
    match event.kind:
        case "model.removed" | "task.removed":
            unit.removed = True
            return None
        case "model.restored" | "task.restored":
            unit.removed, unit.waiting = False, []
            return None
        case "model.tag" | "task.tag":
            return _tag(unit, event)
        case "model.published":
            return _publish(unit, event)
        case "model.weights_dropped":
            return _drop(unit, event)
        case "task.state":
            return _state(unit, event)
        case "model.signed":
            signed = payload["digest"], payload["signature"], payload["signer"]
            unit.signatures[event.id] = signed
            return None
        case "alias.set" | "alias.protected":
            return _of_alias(unit, event)
    name = register_of(event)
    if name is None:
        return None
    if event.kind == "model.weights_added":
        unit.revisions.add(event.id)
        for part, value in (("bytes", payload["new"]["digest"]), ("url", payload["new"]["url"])):
            unit.registers[f"{part} {event.id}"] = Register(value, {event.subject})
        if unit.publications or unit.register(name).write(event, event.id) == "lost":
            return "kept"
        return None
    if unit.publications and event.kind in (
        "model.design", "model.weights_chosen", "model.weights"
    ):  # fmt: skip
        return "lost"
    on = revision_of(event)
    if on is not None and on not in unit.revisions:
        return "lost"
    if event.kind in ("weights.fetched", "model.weights_kept"):
        published = [fixed_by(each) for each in unit.publications]
        digests = {each["digest"] for each in published if each["revision"] == payload["revision"]}
        if digests - {None, new_value(event)}:
            return "lost"
    if event.kind == "model.weights_uploaded" and payload["digest"] is not None:
        known = unit.value(f"bytes {payload['revision']}")
        if known != payload["digest"]:
            return "lost"
    outcome = unit.register(name).write(event, new_value(event))
    return None if (event.kind, outcome) == ("model.weights_kept", "same") else outcome


def _of_alias(unit: Unit, event: Event) -> str | None:
    """Point an alias at a model, or say what a model must have for it."""
    outcome = unit.register(register_of(event) or "").write(event, event.payload["new"])
    if outcome is None and event.kind == "alias.set":
        unit.passed = event.payload.get("gate")
    elif outcome is None:
        unit.gate = None if event.payload["new"] is None else event.id
    return outcome


def is_alias(events: list[Event]) -> bool:
    """Return True if a unit is an alias."""
    return events[0].kind in ("alias.set", "alias.protected")


def _tag(unit: Unit, event: Event) -> None:
    """An addition is live until a drop names it."""
    live = unit.additions.setdefault((str(event.field), bool(event.payload.get("system"))), set())
    if event.payload["new"]:
        live.add(event.id)
    else:
        live.difference_update(event.payload["adds"])


def _publish(unit: Unit, event: Event) -> str | None:
    """The first of the live publications fixes revision, digest and design."""
    same = any(_content(each) == _content(event) for each in unit.publications)
    over = set(event.payload["over"])
    unit.publications = [each for each in unit.publications if each.id not in over] + [event]
    fixed, shown = fixed_by(event), fixed_by(unit.publications[0])
    if fixed["revision"] is not None:
        unit.revisions.add(fixed["revision"])
    if shown["digest"] is not None:
        unit.register(f"bytes {shown['revision']}").value = shown["digest"]
    unit.register("served").value = shown["revision"]
    unit.register("design").value = {"config": shown["config"], "labels": shown["labels"]}
    return "same" if same and not over else None


def fixed_by(publication: Event) -> dict[str, Any]:
    """Return digest, revision, config and labels that a publication fixes.

    It may be the event that creates the model.
    """
    payload = publication.payload
    if publication.kind == "model.published":
        return payload
    first = payload["weights"][0]["digest"] if payload["weights"] else None
    revision = publication.id if payload["weights"] else None
    return {"digest": first, "revision": revision} | first_value(publication, "design")


def _content(publication: Event) -> str:
    """Return what a publication fixes, as text that can be compared."""
    fixed = fixed_by(publication)
    bytes_of = fixed["digest"] or fixed["revision"]
    return json.dumps([bytes_of, fixed["config"], fixed["labels"]], sort_keys=True)


def _drop(unit: Unit, event: Event) -> str | None:
    """Drop a revision, but not one that is served or belongs to a published model."""
    revision = event.payload["revision"]
    if unit.publications or revision == unit.value("served"):
        return "lost"
    if revision not in unit.revisions:
        return "same"
    unit.revisions.discard(revision)
    return None


def _state(unit: Unit, event: Event) -> str | None:
    """Set the state of a task. What was concluded from outside gives way to the real end."""
    register = unit.register("state")
    concluded = bool(event.payload.get("concluded"))
    real_end = event.payload["new"]["ended"] is not None and not concluded
    before = register.writers | register.before
    if real_end and event.payload["was"] in register.before:
        register.writers = before
    outcome = register.write(event, event.payload["new"])
    if outcome is None:
        register.before = before if concluded else set()
    return outcome


def _claim(unit: Unit, event: Event) -> None:
    """Claim the number that an event names, whatever its outcome; give back what it releases."""
    named = released = None
    match event.kind:
        case "model.created":
            named = event.payload
        case "model.moved":
            named = event.payload["new"]
        case "model.renumbered":
            named, released = event.payload["new"], event.payload["old"]
        case "model.released":
            released = event.payload
    if released is not None:
        unit.released.add(line_and_number(released))
    if named is not None:
        number = line_and_number(named)
        if number in unit.released or number not in unit.numbers:
            unit.numbers[number] = event
        unit.released.discard(number)


# References


class MissingError(Exception):
    """The reference names no model, or one that is gone."""


class AmbiguousError(Exception):
    """The number has several claimants: `claimants` are their ids in order."""

    def __init__(self, claimants: list[str]):
        self.claimants = claimants
        super().__init__(claimants)


class View:
    """What a set of events shows.

    Attributes:
        units: each unit by its name.
        positions: of the events that have one.
    """

    def __init__(self, events: Iterable[Event], positions: dict[str, int]):
        self.positions = dict(positions)
        self.events: dict[str, list[Event]] = {}
        for event in in_order(events, positions):
            self.events.setdefault(unit_of(event), []).append(event)
        self.units = {name: fold(found) for name, found in self.events.items()}

    def with_units(
        self, touched: set[str], events: Iterable[Event], positions: dict[str, int]
    ) -> View:
        """Return the view with some units folded again: nothing in one reads another."""
        again = View([each for each in events if unit_of(each) in touched], positions)
        again.events = self.events | again.events
        again.units = self.units | again.units
        return again

    @property
    def models(self) -> dict[str, Unit]:
        """The models by id, also those that are removed."""
        return {
            name: unit
            for name, unit in self.units.items()
            if unit.created is not None and unit.created.kind == "model.created"
        }

    def outcome(self, event: Event) -> str | None:
        """Return what became of an event."""
        return self.units[unit_of(event)].outcomes[event.id]

    def outcomes(self) -> dict[str, str | None]:
        """Return what became of each event, by its id."""
        return {key: out for unit in self.units.values() for key, out in unit.outcomes.items()}

    def claimants(self, line: Line, number: int) -> list[str]:
        """Return the ids of the models that claim a number, in the order of their claims."""
        found = [
            (self._place(unit.claims[*line, number]), name)
            for name, unit in self.models.items()
            if (*line, number) in unit.claims
        ]
        return [name for _, name in sorted(found)]

    def ambiguous(self) -> set[Number]:
        """Return all numbers that several models claim."""
        claims = [each for unit in self.models.values() for each in unit.claims]
        return {each for each in claims if claims.count(each) > 1}

    def next_number(self, line: Line) -> int:
        """Return 1 + the largest number that any event ever named in a line."""
        named = [n[2] for unit in self.models.values() for n in unit.numbers if n[:2] == line]
        return 1 + max(named, default=0)

    def resolve(self, line: Line, number: int, hint: str = "", names: dict[str, str] | None = None):
        """Return the id of the model that `p/m:4` or `p/m:4~hint` names.

        Args:
            line, number: what the reference names.
            hint: the name of an origin, or the first digits of an id.
            names: the names of origins.

        Raises:
            AmbiguousError: if several models claim the number.
            MissingError: if none claims it, or it is removed or moved.
        """
        found = self.claimants(line, number)
        if hint:
            origins = {each: self.models[each].created.origin for each in found}
            found = [
                each
                for each in found
                if each.startswith(hint)
                or origins[each].startswith(hint)
                or (names or {}).get(origins[each]) == hint
            ]
        if len(found) > 1:
            raise AmbiguousError(found)
        if not found or self.models[found[0]].here != (*line, number):
            raise MissingError(f"{line}:{number}")
        return found[0]

    def latest(self, line: Line) -> str:
        """Return the id of the model that `p/m` names: the highest number, of equals the last.

        Archived models come after all others.

        Raises:
            MissingError: if the line has no model.
        """
        found = [
            (not unit.value("archived"), unit.here[2], self._place(unit.claims[unit.here]), name)
            for name, unit in self.models.items()
            if unit.here is not None and unit.here[:2] == line
        ]
        if not found:
            raise MissingError(str(line))
        return max(found)[-1]

    def alias(self, line: Line, key: str) -> str | None:
        """Return the id of the model that an alias names; None if it is gone or elsewhere.

        Args:
            line: the line of the alias.
            key: the id of its unit.
        """
        target = self.units[key].value("alias") if key in self.units else None
        model = self.models.get(target) if target else None
        there = model is not None and model.here is not None and model.here[:2] == line
        return target if there else None

    def held(self, line: Line, key: str) -> bool:
        """Return True if an alias was set without knowing its gate.

        Args:
            line: the line of the alias.
            key: the id of its unit.
        """
        unit = self.units.get(key)
        if unit is None or unit.gate is None or self.alias(line, key) is None:
            return False
        return unit.passed != unit.gate

    def project_ids(self, name: str) -> list[str]:
        """Return the ids of a project; the first one shows."""
        return [each.subject for each in self.events.get(f"project {name}", ())]

    def _place(self, event: Event) -> tuple[float, int, str]:
        return place(event, self.positions.get(event.id))

    def state(self) -> dict[str, Any]:
        """Return all that the view shows, to compare views."""
        found: dict[str, Any] = {}
        for name, unit in self.units.items():
            found[name] = {
                "registers": {
                    key: (each.value, sorted(map(str, each.writers)))
                    for key, each in unit.registers.items()
                    if each != unit.unwritten(key)
                },
                "outcomes": unit.outcomes,
                "removed": unit.removed,
                "tags": {key: sorted(live) for key, live in unit.additions.items() if live},
                "revisions": sorted(unit.revisions),
                "publications": [each.id for each in unit.publications],
                "claims": {key: each.id for key, each in unit.claims.items()},
                "numbers": {key: each.id for key, each in unit.numbers.items()},
                "signatures": unit.signatures,
                "gate": (unit.gate, unit.passed),
                "updated": unit.updated,
                "projects": [e.id for e in self.events[name] if e.kind == "project.created"],
            }
        return found


# What an arrival changed


@dataclass
class Differences:
    """What is different after events arrived, as merge and import print it.

    Attributes:
        came: how many events came.
        lost: ids of events that were in effect, or came, and are lost now.
        in_effect: ids of events that were lost and are in effect now.
        aliases: of each alias unit that moved, the model before and after; None for none.
        gates: aliases that had a gate, and have another one now, or none.
        ambiguous: numbers that became ambiguous.
        contested: models that became contested.
        other: numbers that named a model and name another one now: before and after.
        kept: ids of revisions that came and are not served.
        waiting: events that came and are in effect on a removed thing.
    """

    came: int
    lost: set[str]
    in_effect: set[str]
    aliases: dict[str, tuple[str | None, str | None]]
    gates: set[str]
    ambiguous: set[Number]
    contested: set[str]
    other: dict[Number, tuple[str, str]]
    kept: set[str]
    waiting: set[str]


def differences(before: View, after: View) -> Differences:
    """Return what is different between two views of one registry."""
    old, new = before.outcomes(), after.outcomes()
    lost = {key for key, out in new.items() if out == "lost"}
    was_lost = {key for key, out in old.items() if out == "lost"}
    aliases, gates = {}, set()
    for name, events in after.events.items():
        if is_alias(events):
            was = before.units[name].value("gate") if name in before.units else None
            if was is not None and was != after.units[name].value("gate"):
                gates.add(name)
            line = project_name(events[0].payload["project"]), events[0].payload["name"]
            targets = before.alias(line, name), after.alias(line, name)
            if targets[0] != targets[1]:
                aliases[name] = targets
    numbers = {each for unit in after.models.values() for each in unit.claims}
    named = {each: (_named(before, each), _named(after, each)) for each in numbers}
    contested = {name for name, unit in after.models.items() if unit.contested}
    return Differences(
        came=len(new.keys() - old.keys()),
        lost=lost - was_lost,
        in_effect=was_lost - lost,
        aliases=aliases,
        gates=gates,
        ambiguous=after.ambiguous() - before.ambiguous(),
        contested=contested - {name for name, unit in before.models.items() if unit.contested},
        other={
            each: pair for each, pair in named.items() if None not in pair and pair[0] != pair[1]
        },
        kept={key for key, out in new.items() if out == "kept" and old.get(key, "") != "kept"},
        waiting={each for unit in after.units.values() for each in unit.waiting} - old.keys(),
    )


def _named(view: View, claim: Number) -> str | None:
    try:
        return view.resolve(claim[:2], claim[2])
    except (MissingError, AmbiguousError):
        return None
