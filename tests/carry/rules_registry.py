"""Registries of the small model: they write events, meet, are copied and packed.

The rules of the fold are in `rules_model.py`. Here is what makes and carries events: which `was` an
operation gives, what a merge takes, what a bundle holds. Remotes are in `rules_remotes.py`.

What the rules leave open, and what is decided here:

- A number that is given back or claimed is written by whoever renumbers: of the claimants of a
  number the first in order keeps it; the others that are there (also if removed) take the next free
  ones; those that are elsewhere now give it back.
- A bundle that leaves events out says so, and a registry that lacks some of them refuses it.
- Each registry trusts some keys. What it accepted of others, since the model passes the gate by its
  own keys, is known to it alone.
- The move to another number, and what creates, adds, drops or publishes, cannot be undone. A move
  is undone to the old number, whose claim never ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from carry.rules_model import (
    Differences,
    Event,
    Line,
    Unit,
    View,
    differences,
    is_alias,
    project_name,
    register_of,
    unit_of,
)

CAN_BE_UNDONE = frozenset({
    "model.changed", "model.moved", "model.metadata", "model.design", "model.weights_chosen",
    "model.tag", "model.removed", "model.restored", "alias.set", "alias.protected",
    "task.changed", "task.moved", "task.parameter", "task.tag",
})  # fmt: skip
CONTENT = frozenset({
    "model.design", "model.weights_added", "model.weights_chosen", "model.weights_dropped",
    "model.weights",
})  # fmt: skip
NOT_REPEATED = frozenset({"old", "new", "was", "gate", "override"})
Ranges = dict[str, tuple[int, str]]


class RefusedError(Exception):
    """The operation is not possible; nothing was written."""


def alias_key(line: Line, alias: str) -> str:
    """Return the id of the unit of an alias."""
    return f"alias {line[0]}/{line[1]}@{alias}"


def known_ranges(events: Iterable[Event]) -> Ranges:
    """Return for each origin the highest seq without a gap, and the sha256 of the ids up to it."""
    by_origin: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        by_origin.setdefault(event.origin, []).append((event.seq, event.id))
    found = {}
    for origin, numbered in by_origin.items():
        have = {seq for seq, _ in numbered}
        top = 0
        while top + 1 in have:
            top += 1
        found[origin] = top, _digest(numbered, top)
    return found


def _digest(numbered: Iterable[tuple[int, str]], top: int) -> str:
    ids = [key for seq, key in sorted(numbered) if seq <= top]
    return hashlib.sha256("".join(ids).encode()).hexdigest()


@dataclass
class Bundle:
    """Events on their way.

    Attributes:
        events: in the order of arrival of the registry that wrote them.
        positions, ordering: the positions that they have, and the remote that gave them.
        whole: False if it has only some units.
        ranges: what the registry that wrote it held (rule 23).
        needs: ids of the events of its units that it leaves out.
    """

    events: list[Event]
    positions: dict[str, int]
    ordering: str | None
    whole: bool = True
    ranges: Ranges = field(default_factory=dict)
    needs: frozenset[str] = frozenset()


class Registry:
    """A set of events, in order of arrival.

    Attributes:
        origin: stands in the events that it writes. A copy has the same one.
        wrong_by: how much its clock is wrong.
        log: the events by id, in order of arrival.
        arrived, positioned: the ticks of the clock when an event came, and got its position.
        ordering: the id of the remote whose positions it holds.
        remotes: what it knows of each remote; `orders` is that of the one that orders it.
        trusts: the signers whose signatures count here.
        accepted: aliases that others set without knowing the gate, with the model and the gate that
            it passes here.
        view: what it shows; kept up to date by folding the touched units again.
    """

    def __init__(self, name: str, new_id: Callable[[], str], tick: Callable[[], int]):
        self.name, self._new_id, self._tick = name, new_id, tick
        self.origin = new_id()
        self.wrong_by = 0
        self.log: dict[str, Event] = {}
        self.arrived: dict[str, int] = {}
        self.positions: dict[str, int] = {}
        self.positioned: dict[str, int] = {}
        self.ordering: str | None = None
        self.remotes: dict[int, Any] = {}
        self.orders: Any = None
        self.trusts: set[str] = set()
        self.accepted: set[tuple[str, str, str]] = set()
        self.view = View([], {})

    def copy(self, name: str) -> Registry:
        """Return what `cp -a` makes: the same, with the same origin."""
        made = Registry(name, self._new_id, self._tick)
        made.origin, made.ordering = self.origin, self.ordering
        made.trusts, made.accepted = set(self.trusts), set(self.accepted)
        made.remotes = deepcopy(self.remotes)
        made.orders = next((e for e in made.remotes.values() if not e.mirror), None)
        made.log, made.arrived = dict(self.log), dict(self.arrived)
        made.positions, made.positioned = dict(self.positions), dict(self.positioned)
        made.view = View(list(made.log.values()), made.positions)
        return made

    def as_of(self, tick: int) -> View:
        """Return what the registry showed at a tick (rule 28)."""
        events = [each for key, each in self.log.items() if self.arrived[key] <= tick]
        return View(events, {k: n for k, n in self.positions.items() if self.positioned[k] <= tick})

    def unit(self, subject: str) -> Unit:
        """Return the unit of a subject; an empty one if it has no events."""
        return self.view.units.get(subject) or Unit()

    # Writing

    def write(self, kind: str, subject: str, name: str | None = None, /, **payload: Any) -> Event:
        """Write an event; a write of a register names the write that it replaces."""
        key = self._new_id()
        return self._write(key, kind, subject or key, name, payload)

    def _write(self, key: str, kind: str, subject: str, name: str | None, payload: Any) -> Event:
        checked = payload.pop("checked", False)
        event = Event(
            id=key,
            origin=self.origin,
            seq=1 + max((e.seq for e in self.log.values() if e.origin == self.origin), default=0),
            lamport=1 + max((e.lamport for e in self.log.values()), default=0),
            at=self._tick() + self.wrong_by,
            kind=kind,
            subject=subject,
            field=name,
            payload=payload,
            known=frozenset(self.log),
            checked=checked,
        )
        register = register_of(event)
        if register is not None:
            writers = self.unit(subject).register(register).writers
            payload.setdefault("was", min(writers, key=str))
        self._insert([event], {})
        return event

    def _insert(self, events: Iterable[Event], positions: dict[str, int]) -> None:
        """Take events in, and fold the units again that they touch."""
        now = self._tick()
        touched = set()
        for event in events:
            self.log[event.id] = event
            self.arrived[event.id] = now
            touched.add(unit_of(event))
        for key, position in positions.items():
            if key in self.log and self.positions.get(key) != position:
                self.positions[key], self.positioned[key] = position, now
                touched.add(unit_of(self.log[key]))
        self.view = self.view.with_units(touched, self.log.values(), self.positions)

    def create_model(
        self, line: Line, *, tags=(), metadata=None, digest: str | None = None, **values: Any
    ) -> Event:
        """Create the next version of a line."""
        weights = [{"digest": digest, "url": None}] if digest else []
        return self.write(
            "model.created",
            "",
            name=line[1],
            project=self._project(line[0]),
            version=self.view.next_number(line),
            tags=list(tags),
            metadata=metadata or {},
            weights=weights,
            config="",
            labels={},
            **values,
        )

    def _project(self, name: str) -> dict[str, str] | None:
        """Return a project as payloads name it; create it if there is none of this name."""
        if not name:
            return None
        ids = self.view.project_ids(name)
        return {"id": ids[0] if ids else self.write("project.created", "", name=name).id,
                "name": name}  # fmt: skip

    def move(self, model: str, line: Line) -> Event:
        """Make a model the next version of another line."""
        new = {"project": self._project(line[0]), "name": line[1],
               "version": self.view.next_number(line)}  # fmt: skip
        return self.write("model.moved", model, old=self._place_of(model), new=new)

    def renumber(self, model: str, number: int | None = None) -> Event:
        """Give a model another number of its line, which no model was ever given."""
        old = self._place_of(model)
        free = self.view.next_number((project_name(old["project"]), old["name"]))
        if number is not None and number < free:
            raise RefusedError("claimed before")
        new = old | {"version": free if number is None else number}
        return self.write("model.renumbered", model, old=old, new=new)

    def _place_of(self, model: str) -> dict[str, Any]:
        project, name, number = self.unit(model).value("line")
        return {"project": self._project(project), "name": name, "version": number}

    def release(self, model: str, project: str, name: str, number: int) -> Event:
        """Give back a number of a model that is removed or elsewhere."""
        if self.unit(model).here == (project, name, number):
            raise RefusedError("it is there")
        place = {"project": self._project(project), "name": name, "version": number}
        return self.write("model.released", model, **place)

    def settle(self, project: str, name: str, number: int) -> None:
        """Make a number name one model again (`--renumber`): the first claimant keeps it."""
        for model in self.view.claimants((project, name), number)[1:]:
            if self.unit(model).value("line") == (project, name, number):
                self.renumber(model)
            else:
                self.release(model, project, name, number)

    def set_alias(
        self, line: Line, alias: str, model: str | None, override: str | None = None
    ) -> Event:
        """Point an alias of a line at a model that passes its gate, or at none."""
        key = alias_key(line, alias)
        old = self.view.alias(line, key)
        if old == model and not self.held(line, key):
            raise RefusedError("it is so")
        passed = self.passing(self.unit(key).gate, self.unit(key).value("gate"), model, override)
        return self.write(
            "alias.set", key, alias, project=line[0] or None, name=line[1], old=old, new=model,
            **passed,
        )  # fmt: skip

    def protect(
        self,
        line: Line,
        alias: str,
        conditions: list[str] | None,
        override: str | None = None,
        **was: str,
    ) -> Event:
        """Give an alias a gate, which the model that it points to passes; None for no gate."""
        key = alias_key(line, alias)
        old = self.unit(key).value("gate")
        if old == conditions:
            raise RefusedError("it is so")
        target = self.view.alias(line, key)
        self.passing("", conditions, target, override)
        gate = self.write(
            "alias.protected", key, alias, project=line[0] or None, name=line[1], old=old,
            new=conditions, **was,
        )  # fmt: skip
        if conditions is not None and target is not None:
            self.set_alias(line, alias, target, override)
        return gate

    def passing(
        self,
        gate: str | None,
        conditions: list[str] | None,
        model: str | None,
        override: str | None = None,
    ) -> dict[str, Any]:
        """Return what the event says that sets an alias: the gate that the model passes."""
        if conditions is None or model is None:
            return {}
        if self.passes(model, conditions):
            return {"gate": gate, "checked": True}
        if override is None:
            raise RefusedError("it does not pass the gate")
        return {"gate": gate, "override": override, "checked": True}

    def passes(self, model: str, conditions: list[str]) -> bool:
        """Return True if a model has all that a gate wants."""
        unit = self.unit(model)
        served = unit.value("served")
        digest = unit.value(f"bytes {served}") if served else None
        by = {signer for of, _, signer in unit.signatures.values() if of == digest}
        has = {
            "signed": digest is not None and bool(by & self.trusts),
            "published": bool(unit.publications) and not unit.contested,
        }
        return all(has[each] for each in conditions)

    def held(self, line: Line, key: str) -> bool:
        """Return True if an alias leads to no model here, since nobody looked at its gate."""
        found = key, self.view.alias(line, key), self.unit(key).gate
        return self.view.held(line, key) and found not in self.accepted

    def accept(self) -> None:
        """Look at each alias that is held if its model passes the gate here."""
        for key, events in self.view.events.items():
            if not is_alias(events):
                continue
            line = project_name(events[0].payload["project"]), events[0].payload["name"]
            if self.held(line, key):
                unit, model = self.unit(key), self.view.alias(line, key)
                if self.passes(model, unit.value("gate")):
                    self.accepted.add((key, model, unit.gate))

    def sign(self, model: str, signer: str, signature: str) -> Event:
        """Add a signature of what a model serves."""
        unit = self.unit(model)
        served = unit.value("served")
        digest = unit.value(f"bytes {served}") if served else None
        if digest is None or unit.removed:
            raise RefusedError("nothing to sign")
        if (digest, signature, signer) in unit.signatures.values():
            raise RefusedError("it is so")
        payload = {"digest": digest, "signature": signature, "signer": signer, "size": 1}
        return self.write("model.signed", model, **payload)

    def set(self, kind: str, subject: str, name: str | None, new: Any, **values: Any) -> Event:
        """Write a register of a model or task."""
        unit = self.unit(subject)
        probe = Event("", "", 0, 0, 0, kind, subject, name, {"new": new, **values})
        old = unit.value(register_of(probe) or "")
        self._check_content(kind, unit)
        if new == old:
            raise RefusedError("it is so")
        return self.write(kind, subject, name, old=old, new=new, **values)

    def add_weights(self, model: str, digest: str) -> Event:
        """Add a revision, which is served from now on."""
        self._check_content("model.weights_added", self.unit(model))
        return self.write("model.weights_added", model, new={"digest": digest, "url": None})

    def choose_weights(self, model: str, revision: str) -> Event:
        """Serve another revision."""
        unit = self.unit(model)
        self._check_content("model.weights_chosen", unit)
        if revision not in unit.revisions or revision == unit.value("served"):
            raise RefusedError("no such revision, or it is served")
        old = {"revision": unit.value("served")}
        return self.write("model.weights_chosen", model, old=old, new={"revision": revision})

    def drop_weights(self, model: str, revision: str) -> Event:
        """Drop a revision that is not served."""
        unit = self.unit(model)
        self._check_content("model.weights_dropped", unit)
        if revision not in unit.revisions or revision == unit.value("served"):
            raise RefusedError("no such revision, or it is served")
        return self.write("model.weights_dropped", model, revision=revision)

    def serve_other_bytes(self, model: str, kind: str, digest: str) -> Event:
        """Record what the URL of the served revision serves (`kind`: for the first time or now)."""
        unit = self.unit(model)
        revision = unit.value("served")
        old = unit.value(f"bytes {revision}")
        self._check_content(kind, unit)
        if revision is None or old == digest or (kind == "weights.fetched") != (old is None):
            raise RefusedError("nothing to record")
        return self.write(kind, model, old=old, new=digest, revision=revision)

    def _check_content(self, kind: str, unit: Unit) -> None:
        if kind in CONTENT and unit.publications:
            raise RefusedError("published")

    def publish(self, model: str, revision: str | None = None) -> Event:
        """Publish what is served; a contested model can be published again, with any revision."""
        unit = self.unit(model)
        if unit.publications and not unit.contested:
            raise RefusedError("published")
        chosen = revision or unit.value("served")
        digest = unit.value(f"bytes {chosen}") if chosen else None
        return self.write("model.published", model, digest=digest, revision=chosen,
                          over=[each.id for each in unit.publications],
                          **unit.value("design"))  # fmt: skip

    def tag(self, kind: str, subject: str, tag: str, on: bool) -> Event:
        """Add a tag, or drop the additions of it that are seen here."""
        live = self.unit(subject).additions.get((tag, False), set())
        if bool(live) == on:
            raise RefusedError("it is so")
        payload = {"old": not on, "new": on, "system": False}
        if not on:
            payload["adds"] = sorted(live)
        return self.write(kind, subject, tag, **payload)

    def remove(self, subject: str, *, restore: bool = False) -> Event:
        """Remove a model or task; or show a removed model again."""
        unit = self.unit(subject)
        if unit.removed != restore or unit.created is None:
            raise RefusedError("it is so")
        return self.write(
            f"{unit.created.kind[:-8]}.{'restored' if restore else 'removed'}", subject
        )

    def create_task(self, name: str, project: str = "") -> Event:
        """Create a task."""
        return self.write("task.created", "", name=name, project=self._project(project),
                          type="training", status="created", comment=None, parent=None, tags=[],
                          run={})  # fmt: skip

    def set_state(self, task: str, status: str, ended: int | None, concluded: bool) -> Event:
        """Set the state of a task; `concluded` if somebody says so who is not the task."""
        new = {"status": status, "reason": None, "ended": ended}
        unit = self.unit(task)
        if concluded and unit.value("state")["ended"] is not None:
            raise RefusedError("it has ended")
        if new == unit.value("state"):
            raise RefusedError("it is so")
        return self.write("task.state", task, old=unit.value("state"), new=new, concluded=concluded)

    def undo(self, event: Event) -> Event:
        """Write the inverse of an event (rule 27)."""
        unit, payload = self.view.units[unit_of(event)], event.payload
        if event.kind not in CAN_BE_UNDONE:
            raise RefusedError("this kind cannot be undone")
        if event.kind in ("model.tag", "task.tag"):
            return self._undo_tag(event, unit)
        if event.kind in ("model.removed", "model.restored"):
            flags = [e for e in self.view.events[event.subject] if "model.re" in e.kind]
            last = [e for e in flags if e.kind in ("model.removed", "model.restored")][-1]
            if last is not event:
                raise RefusedError("changed since")
            return self.remove(event.subject, restore=event.kind == "model.removed")
        register = unit.register(register_of(event) or "")
        if event.id not in register.writers:
            raise RefusedError("changed since")
        self._check_content(event.kind, unit)
        old = payload["old"]
        if event.kind == "alias.protected":
            line = project_name(payload["project"]), payload["name"]
            return self.protect(line, str(event.field), old, was=event.id)
        if event.kind == "model.weights_chosen" and old["revision"] not in unit.revisions:
            raise RefusedError("dropped since")
        kept = {k: v for k, v in payload.items() if k not in NOT_REPEATED}
        if event.kind == "alias.set":
            kept |= self.passing(unit.gate, unit.value("gate"), old)
        return self.write(event.kind, event.subject, event.field, old=payload["new"], new=old,
                          was=event.id, **kept)  # fmt: skip

    def _undo_tag(self, event: Event, unit: Unit) -> Event:
        tag = str(event.field), False
        live = unit.additions.get(tag, set())
        payload = {"old": event.payload["new"], "new": event.payload["old"], "system": False}
        if event.payload["new"]:
            if event.id not in live:
                raise RefusedError("changed since")
            payload["adds"] = [event.id]
        elif live:
            raise RefusedError("changed since")
        return self.write(event.kind, event.subject, event.field, **payload)

    # Meeting

    def take_in(self, bundle: Bundle, *, certain: bool = False) -> Differences:
        """Take what is lacking here; return what is different now.

        Args:
            bundle: what comes.
            certain: the positions were seen at the remote; others are compared with what was.
        """
        positions = bundle.positions
        other = bundle.ordering and self.ordering and bundle.ordering != self.ordering
        if other or not (certain or self._may_have(positions)):
            if bundle.whole:
                raise RefusedError("these events have another order")
            positions = {}
        elif positions:
            self.ordering = bundle.ordering
        lacking = bundle.needs - self.log.keys()
        if lacking:
            raise RefusedError(f"lacks {lacking}")
        new = [each for each in bundle.events if each.id not in self.log]
        before = self.view
        if any(each.origin == self.origin for each in new):
            self.origin = self._new_id()  # another registry wrote them: a copy of this one went on
        self._insert(new, positions)
        self.accept()
        return differences(before, self.view)

    def _may_have(self, positions: dict[str, int]) -> bool:
        """Return True if positions do not contradict those here, and what was seen at the remote.

        Up to the cursor all rows are here, so that no other event can have a place there.
        """
        seen = (self.orders.cursor + 1) * 1_000 if self.orders else 0
        taken = {position: key for key, position in self.positions.items()}
        return all(
            self.positions.get(key) == position
            or (key not in self.positions and position not in taken and position >= seen)
            for key, position in positions.items()
        )

    def forget_places(self) -> None:
        """Have no positions any more (a reset)."""
        touched = {unit_of(self.log[key]) for key in self.positions}
        self.positions.clear()
        self.positioned.clear()
        self.view = self.view.with_units(touched, self.log.values(), self.positions)

    def bundle(self, subjects: Iterable[str] | None = None, events: Iterable[Event] | None = None):
        """Return a bundle of all, of some units (no aliases), or of some events only."""
        held = list(self.log.values())
        if subjects is not None:
            held = [each for each in held if unit_of(each) in set(subjects)]
        packed = held if events is None else [each for each in held if each in set(events)]
        return Bundle(
            packed,
            {each.id: self.positions[each.id] for each in held if each.id in self.positions},
            self.ordering,
            whole=subjects is None,
            ranges=known_ranges(self.log.values()),
            needs=frozenset(each.id for each in held) - {each.id for each in packed},
        )

    def with_tasks(self, models: Iterable[str]) -> set[str]:
        """Return models and the tasks that made them: the units of a partial bundle."""
        tasks = {self.unit(each).value("task") for each in models}
        return {*models, *(each for each in tasks if each)}

    def beyond(self, ranges: Ranges) -> list[Event]:
        """Return the events that a registry with these ranges may lack."""
        by_origin: dict[str, list[tuple[int, str]]] = {}
        for event in self.log.values():
            by_origin.setdefault(event.origin, []).append((event.seq, event.id))
        tops = {}
        for origin, numbered in by_origin.items():
            top, digest = ranges.get(origin, (0, ""))
            tops[origin] = top if _digest(numbered, top) == digest else 0
        return [each for each in self.log.values() if each.seq > tops[each.origin]]

    def after(self, event: Event) -> list[Event]:
        """Return the events that arrived after an event."""
        keys = list(self.log)
        return [self.log[key] for key in keys[keys.index(event.id) + 1 :]]

    def merge(self, other: Registry, *, part: float = 1.0) -> Differences:
        """Take all that another registry holds; `part` of it if the merge is interrupted."""
        bundle = other.bundle()
        bundle.events = bundle.events[: round(part * len(bundle.events))]
        return self.take_in(bundle)

    def take_aliases(self, bundle: Bundle, source: Registry) -> None:
        """Set the aliases of another registry, where what is set here is known there."""
        for key, unit in source.view.units.items():
            events = source.view.events[key]
            if not is_alias(events):
                continue
            line = project_name(events[0].payload["project"]), events[0].payload["name"]
            target = source.view.alias(line, key)
            expected = self.unit(key).register("alias").writers <= {None, *unit.outcomes}
            there = target in self.view.models and self.unit(target).here is not None
            there = there and self.unit(target).here[:2] == line
            if expected and there and self.view.alias(line, key) != target:
                with suppress(RefusedError):  # it does not pass the gate here
                    self.set_alias(line, str(events[0].field), target)

    def copy_in(self, bundle: Bundle, project: str) -> None:
        """Make models of one's own from those of a bundle; those that were made are found again."""
        seen = View(bundle.events, bundle.positions)
        made = {
            unit.created.payload.get("copied_from"): key for key, unit in self.view.models.items()
        }
        for model, unit in seen.models.items():
            if unit.here is None:
                continue
            if model not in made:
                served = unit.value("served")
                digest = unit.value(f"bytes {served}") if served else None
                line = project, unit.here[1]
                made[model] = self.create_model(line, digest=digest, copied_from=model).id
            copy = self.unit(made[model])
            bytes_of = copy.value(f"bytes {copy.value('served')}")
            for digest, signature, signer in unit.signatures.values():
                if digest == bytes_of:
                    with suppress(RefusedError):  # it has this one
                        self.sign(made[model], signer, signature)
