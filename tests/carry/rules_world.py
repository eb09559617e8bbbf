"""Random registries of the small model, and what must hold for them after every step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from carry.rules_model import (
    AmbiguousError,
    Event,
    MissingError,
    Unit,
    View,
    fixed_by,
    is_alias,
    project_name,
    register_of,
    revision_of,
    unit_of,
)
from carry.rules_registry import CONTENT, RefusedError, Registry
from carry.rules_remotes import (
    IN_A_COMMIT,
    ChangedError,
    Remote,
    clone,
    pull,
    push,
    pushing,
    reset,
    write_again,
)

SIGNERS = ("ann", "ben")
LINES = [("p", "m"), ("p", "n"), ("q", "m"), ("", "m")]
HARD = (
    "lost", "same", "kept", "ambiguous", "contested", "forked", "flipped", "conflict", "forced",
    "cloned", "restored", "was reset", "held", "accepted", "overridden",
)  # fmt: skip
"""The cases that a long run must reach; "forked": copies with one origin that both went on."""


class World:
    """Two to five registries and two remotes, on which random operations are done.

    Args:
        chance: chooses everything.
        count: the number of registries at the start.
    """

    def __init__(self, chance: random.Random, count: int):
        self.chance = chance
        self.clock = 0
        self.reached: Counter[str] = Counter()
        self.remotes = [Remote("r1"), Remote("r2")]
        self.registries = [self.born(f"host{each}") for each in range(count)]
        self.copies: list[Registry] = []
        self.pushes: list[tuple[Registry, Remote, Iterator[str]]] = []
        self.moments: list[tuple[Registry, int, dict]] = []

    def born(self, name: str) -> Registry:
        """Return an empty registry, whose clock may be wrong."""
        made = Registry(name, self.new_id, self.tick)
        made.wrong_by = self.chance.choice([0, 0, 10_000, -10_000])
        made.trusts = {each for each in SIGNERS if self.chance.random() < 0.5}
        return made

    def new_id(self) -> str:
        """Return an id; their order is random."""
        self.clock += 1
        return f"{self.chance.randrange(16):x}{self.clock:05d}"

    def tick(self) -> int:
        """Return the next time of the clock that all share."""
        self.clock += 1
        return self.clock

    def one(self, among):
        """Choose one of them."""
        found = sorted(among, key=str)
        if not found:
            raise RefusedError("there is none")
        return self.chance.choice(found)

    def registry(self) -> Registry:
        """Choose a registry."""
        return self.chance.choice(self.registries)

    def step(self, name: str) -> None:
        """Do one operation, if it is possible."""
        try:
            getattr(self, name)()
        except RefusedError:
            self.reached["refused"] += 1
        self.reached[name] += 1

    def do(self, registry: Registry, operation, *arguments, **named):
        """Let a registry take something in; check what changed by it."""
        before, held = registry.view, set(registry.log)
        found = operation(*arguments, **named)
        assert held <= registry.log.keys(), "an acknowledged event is gone"
        old, new = before.outcomes(), registry.view.outcomes()
        came = [registry.log[key] for key in new.keys() - old.keys()]
        self.reached["flipped"] += any((old[key] == "lost") != (new[key] == "lost") for key in old)
        check_references(before, registry.view, came)
        check_publications(before, registry.view)
        return found

    # Changes

    def model(self, registry: Registry) -> str:
        return self.one(registry.view.models)

    def task(self, registry: Registry) -> str:
        return self.one(tasks(registry))

    def add(self):
        registry = self.registry()
        registry.create_model(
            self.one(LINES),
            tags=self.one([[], ["a"], ["a", "b"]]),
            metadata=self.one([{}, {"k": ["1", "int"]}]),
            digest=self.one(["d1", "d2", None]),
            task=self.one([*tasks(registry), None]),
            comment=None,
            archived=False,
            published=self.chance.random() < 0.05,
        )

    def change(self):
        registry = self.registry()
        model = self.model(registry)
        kind, field, values = self.one([
            ("model.changed", "comment", ["x", "y", None]),
            ("model.changed", "archived", [True, False]),
            ("model.metadata", "k", [["1", "int"], ["2", "int"], None]),
            ("model.metadata", "l", [["1", "int"], ["2", "int"], None]),
            ("model.design", None, [{"config": each, "labels": {}} for each in "xy"]),
        ])  # fmt: skip
        registry.set(kind, model, field, self.one(values))

    def tag(self):
        registry = self.registry()
        registry.tag("model.tag", self.model(registry), self.one("ab"), self.one([True, False]))

    def move(self):
        registry = self.registry()
        model = self.model(registry)
        if registry.unit(model).here is None:
            raise RefusedError("removed")
        registry.move(model, self.one(LINES))

    def renumber(self):
        registry = self.registry()
        model = self.model(registry)
        here = registry.unit(model).here
        if here is None:
            raise RefusedError("removed")
        free = registry.view.next_number(here[:2])
        registry.renumber(model, self.one([None, free, free + 2]))

    def release(self):
        registry = self.registry()
        model = self.model(registry)
        registry.release(model, *self.one(registry.unit(model).claims))

    def settle(self):
        registry = self.registry()
        number = self.one(registry.view.ambiguous())
        registry.settle(*number)
        assert number not in registry.view.ambiguous()

    def alias(self):
        registry = self.registry()
        line = self.one(LINES)
        there = [k for k, u in registry.view.models.items() if u.here and u.here[:2] == line]
        reason = self.one(["urgent", None, None])
        alias, model = self.one(["prod", "beta"]), self.one([*there, None])
        event = registry.set_alias(line, alias, model, reason)
        assert not registry.held(line, event.subject), "what is set here is not held here"

    def protect(self):
        registry = self.registry()
        line, alias = self.one(LINES), self.one(["prod", "beta"])
        wanted = self.one([["signed"], ["published"], ["signed", "published"], None])
        event = registry.protect(line, alias, wanted, self.one(["urgent", None]))
        assert not registry.held(line, event.subject), "what is set here is not held here"

    def protect_meanwhile(self):
        """One gives an alias a gate, and another one sets it without knowing that."""
        a, b = self.registry(), self.registry()
        both = self.one(a.view.models.keys() & b.view.models.keys())
        if a is b or a.unit(both).here is None or b.unit(both).here != a.unit(both).here:
            raise RefusedError("not the same in both")
        line = a.unit(both).here[:2]
        with suppress(RefusedError):
            a.sign(both, self.one(SIGNERS), "s1")
        a.protect(line, "prod", self.one([["signed"], ["published"]]), "urgent")
        b.set_alias(line, "prod", both, "urgent")
        self.do(a, a.merge, b)

    def sign(self):
        registry = self.registry()
        registry.sign(self.model(registry), self.one(SIGNERS), self.one(["s1", "s2"]))

    def trust(self):
        """Whom a registry trusts is its own matter, and changes no event."""
        registry = self.registry()
        registry.trusts ^= {self.one(SIGNERS)}
        registry.accept()

    def remove(self):
        registry = self.registry()
        registry.remove(self.one([self.model(registry), self.task(registry)]))

    def restore(self):
        registry = self.registry()
        registry.remove(self.model(registry), restore=True)

    def weights(self):
        registry = self.registry()
        model = self.model(registry)
        match self.one("abcde"):
            case "a" | "b":
                registry.add_weights(model, self.one(["d1", "d2", "d3"]))
            case "c":
                registry.choose_weights(model, self.one(registry.unit(model).revisions))
            case "d":
                registry.drop_weights(model, self.one(registry.unit(model).revisions))
            case "e":
                kind = self.one(["model.weights", "weights.fetched"])
                registry.serve_other_bytes(model, kind, self.one(["d1", "d4"]))

    def publish(self):
        registry = self.registry()
        model = self.model(registry)
        registry.publish(model, self.one([None, *registry.unit(model).revisions]))

    def publish_in_both(self):
        a, b = self.registry(), self.registry()
        both = self.one(a.view.models.keys() & b.view.models.keys())
        a.add_weights(both, "d4")
        a.publish(both)
        b.publish(both)
        self.do(a, a.merge, b)

    def make_task(self):
        self.registry().create_task(self.one("st"), self.one(["", "p"]))

    def run_task(self):
        registry = self.registry()
        task = self.task(registry)
        match self.one("abcd"):
            case "a":
                registry.set_state(task, "completed", self.one([1, 2]), False)
            case "b":
                registry.set_state(task, self.one(["in_progress", "created"]), None, False)
            case "c":
                registry.set_state(task, "aborted", self.one([3, 4]), True)
            case "d":
                registry.set(
                    "task.parameter", task, "lr", self.one([["1", "int"], None]), section="Args"
                )

    def undo(self):
        registry = self.registry()
        recent = list(registry.log.values())[-8:]
        registry.undo(self.one([e for e in recent if e.kind != "project.created"]))

    # Meetings

    def merge(self):
        self.do(a := self.registry(), a.merge, self.registry())

    def merge_all(self):
        for a in self.registries:
            for b in self.registries:
                if a.ordering == b.ordering:
                    self.do(a, a.merge, b)

    def interrupted_merge(self):
        self.do(a := self.registry(), a.merge, self.registry(), part=self.chance.random())

    def partial_bundle(self):
        """A part, and all later, gives the same as all at once."""
        source, target = self.registry(), self.registry()
        bundle = source.bundle(source.with_tasks({self.model(source), self.model(source)}))
        at_once = target.copy("other")
        self.do(target, target.take_in, bundle)
        try:
            at_once.merge(source)
        except RefusedError:
            return  # their remotes differ: the part came without positions
        by_part = target.copy("other")
        by_part.merge(source)
        assert by_part.view.state() == at_once.view.state()
        assert by_part.positions == at_once.positions

    def bundle_with_aliases(self):
        source, target = self.registry(), self.registry()
        bundle = source.bundle(source.with_tasks(source.view.models))
        self.do(target, target.take_in, bundle)
        target.take_aliases(bundle, source)
        count = len(target.log)
        target.take_aliases(bundle, source)
        assert len(target.log) == count, "twice is once"

    def copies_of_models(self):
        source, target = self.registry(), self.registry()
        bundle = source.bundle(source.with_tasks({self.model(source)}))
        target.copy_in(bundle, "copied")
        count = len(target.log)
        target.copy_in(bundle, "copied")
        assert len(target.log) == count, "twice is once"

    def since_bundle(self):
        """A bundle of what lies beyond the known ranges holds all that the other side lacks."""
        source, target = self.registry(), self.registry()
        ranges = target.bundle().ranges
        sent = source.beyond(ranges)
        assert {e.id for e in sent} >= source.log.keys() - target.log.keys()
        self.reached["sent less"] += len(sent) < len(source.log)
        at_once = target.copy("other")
        self.do(target, target.take_in, source.bundle(events=sent))
        at_once.merge(source)
        assert at_once.view.state() == target.view.state()

    def since_old_bundle(self):
        """The other side went on, or was rolled back, since it wrote its bundle."""
        old, source, target = self.registry(), self.registry(), self.registry()
        self.do(target, target.take_in, source.bundle(events=source.beyond(old.bundle().ranges)))

    def since_event(self):
        source, target = self.registry(), self.registry()
        event = self.one(source.log.values())
        self.do(target, target.take_in, source.bundle(events=source.after(event)))

    def twice(self):
        a, b = self.registry(), self.registry()
        self.do(a, a.merge, b)
        state, source = a.view.state(), b.view.state()
        found = a.merge(b)
        assert not found.came
        assert (a.view.state(), b.view.state()) == (state, source)

    # Copies, roll-backs, remotes

    def copy(self):
        """A copy that goes on, with the same origin; sometimes it is noticed."""
        source = self.registry()
        made = source.copy(source.name + "'")
        if self.one([True, False, False]):
            made.origin = self.new_id()
        if len(self.registries) < 5:
            self.registries.append(made)
        else:
            self.registries[self.chance.randrange(5)] = made

    def keep_copy(self):
        self.copies.append(self.registry().copy("old"))

    def roll_back(self):
        number = self.chance.randrange(len(self.registries))
        if not self.copies:
            raise RefusedError("there is no copy")
        self.registries[number] = self.chance.choice(self.copies[-3:]).copy("rolled back")

    def remote(self) -> Remote:
        """Choose a remote; the first one more often."""
        return self.remotes[self.chance.choice([0, 0, 0, 0, 0, 1])]

    def pull(self):
        a = self.registry()
        self.do(a, pull, a, self.remote())

    def push(self):
        a, remote = self.registry(), self.remote()
        self.do(a, push, a, remote, reply=self.one([True, True, False]))
        check_remote(remote)

    def begin_push(self):
        """Begin a push, whose steps come between other operations; it may be killed in between."""
        a, remote = self.registry(), self.remote()
        steps = pushing(a, remote, force=self.chance.random() < 0.3, lost=self.one([0, 1, 2]))
        self.pushes.append((a, remote, steps))

    def go_on(self):
        """Take a step of some pushes; of one it may be the last."""
        if not self.pushes:
            raise RefusedError("there is none")
        for a, remote, steps in self.chance.choices(self.pushes, k=5):
            try:
                self.reached[self.do(a, next, steps, None)] += 1
            except RefusedError:
                steps.close()
            check_remote(remote)
        killed = self.chance.choice(self.pushes)[2]
        if killed.gi_frame is None or self.chance.random() < 0.2:
            killed.close()
            self.pushes = [each for each in self.pushes if each[2] is not killed]

    def force(self):
        """With --force the values that lost are those of the remote afterwards."""
        a, b, remote = self.registry(), self.registry(), self.remote()
        both = self.one(a.view.models.keys() & b.view.models.keys())
        self.do(b, push, b, remote)
        b.set("model.changed", both, "comment", self.one("xyz"))
        self.do(b, push, b, remote)
        a.set("model.changed", both, "comment", self.one("xyz"))
        self.do(a, pull, a, remote)
        made = write_again(a)
        self.do(a, push, a, remote)
        for event in made:
            assert a.unit(event.subject).value(register_of(event)) == event.payload["new"]
        self.reached["forced"] += bool(made)
        check_remote(remote)

    def clone(self):
        """A clone of a remote shows what a registry shows that has nothing of its own to send."""
        a, remote = self.registry(), self.remote()
        self.do(a, push, a, remote)
        made = clone(remote, self.born("clone"))
        if a.log.keys() == made.log.keys() and a.ordering == remote.table:
            assert made.view.state() == a.view.state()
            assert made.positions == a.positions
            self.reached["cloned"] += 1
        if len(self.registries) < 5:
            self.registries.append(made)

    def restore_remote(self):
        """Somebody restores an older copy of a remote, or an empty one."""
        remote = self.remote()
        if self.chance.random() < 0.6:
            raise RefusedError("rarely")
        if self.chance.random() < 0.2:
            remote.replace(self.new_id())
        else:
            remote.restore(self.chance.randrange(remote.head + 1))
        self.reached["restored"] += 1

    def reset(self):
        """Take a remote as it is now, if it is not what it was."""
        a, remote = self.registry(), self.remote()
        try:
            self.do(a, pull, a, remote)
        except ChangedError:
            state = a.copy("before").view.state()
            assert a.view.state() == state, "a refusal changes nothing"
            self.take_as_it_is(a, remote)

    def take_as_it_is(self, a: Registry, remote: Remote) -> None:
        held = set(a.log)
        reset(a, remote)
        assert held <= a.log.keys(), "an acknowledged event is gone"
        self.moments = [each for each in self.moments if each[0] is not a]
        self.reached["was reset"] += 1

    def remember(self):
        """Keep what a registry shows now, to ask it for that moment later."""
        a = self.registry()
        self.moments.append((a, self.clock, a.view.state()))

    # What must hold

    def check(self) -> None:
        """Check every registry."""
        seen_ids: dict[str, Event] = {}
        numbered: dict[tuple[str, int], str] = {}
        for registry in self.registries:
            view = registry.view
            again = View(registry.log.values(), registry.positions)
            assert view.state() == again.state(), "refold gives the same"
            for name, events in view.events.items():
                check_unit(view.units[name], events)
                if is_alias(events):
                    self.check_gate(registry, name, events)
            for model, unit in view.models.items():
                if unit.here is not None:
                    assert model in view.claimants(unit.here[:2], unit.here[2])
            for event in registry.log.values():
                assert seen_ids.setdefault(event.id, event) is event
                first = numbered.setdefault((event.origin, event.seq), event.id)
                self.reached["forked"] += first != event.id and first in registry.log
            for outcome in view.outcomes().values():
                self.reached[outcome or "in effect"] += 1
            self.reached["ambiguous"] += bool(view.ambiguous())
            self.reached["contested"] += any(unit.contested for unit in view.models.values())

    def check_gate(self, registry: Registry, key: str, events: list[Event]) -> None:
        """Whom an alias with a gate leads to was compared with that gate by who set it, or here."""
        unit, view = registry.view.units[key], registry.view
        line = project_name(events[0].payload["project"]), events[0].payload["name"]
        model = view.alias(line, key)
        if unit.gate is None or model is None:
            assert not registry.held(line, key)
            return
        if registry.held(line, key):
            self.reached["held"] += 1
            return
        if (key, model, unit.gate) in registry.accepted:
            self.reached["accepted"] += 1
            return
        sets = [e for e in events if e.kind == "alias.set" and unit.outcomes[e.id] is None]
        last = sets[-1]
        assert last.payload["new"] == model
        assert last.checked
        self.reached["overridden"] += "override" in last.payload
        assert unit.gate in last.known, "nobody passes a gate that they do not know"

    def finish(self) -> None:
        """Let all meet all: registries of one ordering hold the same at the end."""
        for registry, tick, state in self.moments:
            assert registry.as_of(tick).state() == state
        for _ in range(5):  # from one remote to the other, and back
            for each in self.registries:
                self.send_all(each)
        for ordering in (None, *(each.table for each in self.remotes)):
            group = [each for each in self.registries if each.ordering == ordering]
            for _ in range(2):
                for a in group:
                    for b in group:
                        a.merge(b)
            for each in group:
                assert each.view.state() == group[0].view.state(), "merges converge"
                assert each.positions == group[0].positions
            if group:
                self.settle_alike(group[0].copy("x"), group[0].copy("y"))
        for remote in self.remotes:
            check_remote(remote)
            cloned = clone(remote, self.born("clone"))
            for each in self.registries:
                if each.ordering == remote.table:
                    assert cloned.view.state() == each.view.state(), "clones show the same"
                    assert cloned.positions == each.positions

    def send_all(self, registry: Registry) -> None:
        """Push all to the remote that orders a registry, and to the other one if it knows it."""
        for remote in self.remotes:
            if registry.ordering == remote.table or id(remote) in registry.remotes:
                try:
                    push(registry, remote)
                except ChangedError:
                    self.take_as_it_is(registry, remote)
                    push(registry, remote)
                ids = [event.id for _, event in remote.rows()]
                assert registry.log.keys() <= set(ids), "all is there"
        if registry.ordering not in (None, *(each.table for each in self.remotes)):
            self.take_as_it_is(registry, self.remotes[0])  # its places are those of no remote
            push(registry, self.remotes[0])

    def settle_alike(self, a: Registry, b: Registry) -> None:
        """Two that hold the same and both renumber agree afterwards."""
        for each in (a, b):
            for number in sorted(each.view.ambiguous()):
                each.settle(*number)
        a.merge(b)
        assert not a.view.ambiguous()


def tasks(registry: Registry) -> list[str]:
    """Return the ids of the tasks of a registry."""
    created = {key: unit.created for key, unit in registry.view.units.items()}
    return [key for key, event in created.items() if event and event.kind == "task.created"]


def check_unit(unit: Unit, events: list[Event]) -> None:
    """Check the order of the events of a unit, and that what is lost had a rival."""
    ids, seen = {each.id for each in events}, set()
    for event in events:
        assert event.known & ids <= seen, "an event stands before one that it knew"
        seen.add(event.id)
    for event in events:
        if unit.outcomes[event.id] == "lost":
            rivals = [each for each in events if conflict(unit, event, each)]
            assert any(
                a.id not in b.known and b.id not in a.known
                for a in rivals
                for b in rivals
                if a is not b
            ), "an event is lost though all writers knew each other"


def conflict(unit: Unit, event: Event, other: Event) -> bool:
    """Return True if two events write the same: a register, or what a publication fixes."""
    if event.kind in CONTENT | {"weights.fetched"} and unit.publications:
        return other.kind in CONTENT | {"model.published", "weights.fetched"}
    on = revision_of(event)
    if on is not None and event.kind != "model.weights_chosen":
        return on == (revision_of(other) or other.payload.get("revision", other.id))
    served = ("model.weights_added", "model.weights_chosen", "model.weights_dropped")
    if event.kind in served:
        return other.kind in served
    return register_of(event) == register_of(other)


def check_references(before: View, after: View, came: list[Event]) -> None:
    """No reference comes to mean another model, but by an event that says so."""
    moved = {each.subject for each in came if each.kind in ("model.renumbered", "model.released")}
    for model, unit in before.models.items():
        for project, name, number in unit.claims:
            try:
                was = before.resolve((project, name), number)
                now = after.resolve((project, name), number)
            except (MissingError, AmbiguousError):
                continue
            assert was == now or moved & {was, model}, "a number means another model"
    aliases = {each.subject for each in came if each.kind == "alias.set"}
    for key, events in before.events.items():
        if is_alias(events):
            line = project_name(events[0].payload["project"]), events[0].payload["name"]
            was, now = before.alias(line, key), after.alias(line, key)
            if was and now and was != now:
                assert key in aliases or positions_moved(before, after, key)


def positions_moved(before: View, after: View, key: str) -> bool:
    """Return True if events of a unit got positions."""
    ids = {each.id for each in before.events[key]}
    return any(before.positions.get(each) != after.positions.get(each) for each in ids)


def check_publications(before: View, after: View) -> None:
    """A published model serves the same, or is contested, or was published again."""
    for model, unit in before.models.items():
        if unit.publications and not unit.contested:
            fixed = fixed_by(unit.publications[0])
            now = after.models[model]
            again = [
                e for e in after.events[model] if e.kind == "model.published" and e.payload["over"]
            ]
            if not now.contested and not [e for e in again if e.id not in unit.outcomes]:
                shown = fixed_by(now.publications[0])
                assert (shown["digest"], shown["config"]) == (fixed["digest"], fixed["config"])
                revision = now.value("served")
                assert revision in now.revisions or revision is None
                if revision and fixed["digest"]:
                    assert now.value(f"bytes {revision}") == fixed["digest"]


def check_remote(remote: Remote) -> None:
    """At the remote a value changes only by an event that knew its writer."""
    rows = remote.rows()
    events = [event for _, event in rows]
    positions = {event.id: place for place, event in rows}
    assert len(positions) == len(events), "exactly once"
    assert all(place % IN_A_COMMIT < IN_A_COMMIT - 1 for place in positions.values())
    held: dict[str, set[str]] = {}
    for event in events:
        held.setdefault(unit_of(event), set()).add(event.id)
    seen: set[str] = set()
    for event in events:
        missing = (event.known & held[unit_of(event)]) - seen
        assert not missing, "an event stands before one that it knew"
        seen.add(event.id)
    values: dict[tuple[str, str], set[str]] = {}
    whole = View(events, positions)
    for event in events:
        register = register_of(event)
        if register is None or whole.outcome(event) is not None:
            continue
        key = unit_of(event), register
        if key in values and register not in ("served", "design"):  # a publication may fix these
            assert values[key] & event.known, "a value changed by an event that did not know it"
        concluded = event.payload.get("concluded")
        values[key] = {event.id} | (values.get(key, {event.subject}) if concluded else set())
        # A further writer of the same value is known in its place.
        values[key] |= {
            each.id
            for each in whole.events[unit_of(event)]
            if register_of(each) == register and whole.outcome(each) == "same"
        }


OPERATIONS = [
    "add", "change", "tag", "move", "renumber", "release", "settle", "alias", "protect",
    "protect_meanwhile", "sign", "trust", "remove", "restore", "weights", "publish",
    "publish_in_both", "make_task", "run_task", "undo", "merge", "merge_all", "interrupted_merge",
    "partial_bundle", "bundle_with_aliases", "copies_of_models", "since_bundle", "since_old_bundle",
    "since_event", "twice", "copy", "keep_copy", "roll_back", "pull", "push", "begin_push", "go_on",
    "force", "clone", "restore_remote", "reset", "remember",
]  # fmt: skip
