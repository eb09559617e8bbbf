"""Take in events that other registries made: by import, merge and pull.

They are checked, inserted in the order in which they come, and every unit that they touch is folded
again. So the same events give the same tables, in whatever order and however often they come. What
is different afterwards is returned: it is computed from the touched units before and after.

All of it is in one transaction. New units are folded in memory, some thousand events at a time,
while more events come: those that begin among these. A unit of which something was here, or that
goes on after it was folded, is read and folded at the end, and aliases last: they name models. What
is new is read from the tables then. So the memory does not grow with the number of events, apart
from the ids of units that are folded at the end.

Events that are here and only get their places in the order of a remote let their unit be folded
again if it stands in another order now: nothing that a unit comes to depends on the places alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from localreg.errors import EventConflictError
from localreg.store.events.change import Change
from localreg.store.events.fold import KINDS
from localreg.store.events.judging import KEPT, LOST, Judged, judge
from localreg.store.events.refolding import fold_unit, units
from localreg.store.events.registers import ALIAS_KINDS, SERVED, register_of
from localreg.store.events.shapes import checked_texts
from localreg.store.rows import (
    arriving_rows,
    logged_rows,
    origin_rows,
    remote_rows,
)
from localreg.store.rows.arriving_rows import EventPlace, Number, UnitState
from localreg.store.rows.event_rows import Connection, Logged
from localreg.store.rows.folded_rows import TABLES, Folded, FoldedRows
from localreg.store.rows.known_schema import SchemaObject
from localreg.store.rows.loading import drop_indexes, large_cache, make_indexes
from localreg.values.arrivals import (
    AliasMoved,
    Ambiguous,
    Arrival,
    Claimed,
    Contested,
    GateChanged,
    InEffect,
    Lost,
    Moved,
    NumberChanged,
    Removed,
    Restored,
    Side,
    Waiting,
    WeightsKept,
    line_text,
    part_name,
    shown_name,
    value_text,
)
from localreg.values.frozen import replace
from localreg.values.records import LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.arrivals import Difference

_AT_ONCE = 1_000
_KEPT = 10_000
_CHARACTERS = 2_000_000  # of the payloads of kept events: as objects they take 5 times that
_UNITS = 1_000  # of one statement
# Kinds of events that name blobs.
_NAMING = frozenset(
    {"model.created", "model.weights_added", "model.weights", "model.weights_kept",
     "model.signed", "weights.fetched", "task.artifact"}
)  # fmt: skip
_REMOVING = frozenset({"model.removed", "model.restored", "task.removed"})
_CONTENT = frozenset(
    {"model.design", "model.weights", "model.weights_chosen", "model.weights_dropped"}
)


def take_in(
    change: Change,
    events: Iterable[LoggedEvent],
    origins: Mapping[str, str],
    *,
    same_order: bool = False,
    again: Sequence[str] = (),
    at_once: int = _AT_ONCE,
    kept: int = _KEPT,
) -> Arrival:
    """Take in events of other registries, in an open write transaction.

    Events that are here already are skipped. If one has the registry's own origin, and is not here,
    the registry was copied or restored: it gets another origin for its next events.

    Args:
        change: the transaction. After an error it must be rolled back.
        events: whole units are best: events of a model that did not come wait for it.
        origins: the names of the registries that made them, by id.
        same_order: refuse events that another remote has ordered, or that this one cannot have
            ordered so. Otherwise they come without these places.
        again: subjects that are folded again in any case, since the places of their events were
            taken away in this transaction; aliases last.
        at_once: how many events are checked and inserted together; so many are a large arrival.
        kept: how many wait in memory to be folded together, at most.

    Raises:
        InvalidEventError: an event is malformed.
        EventConflictError: an event is here with other content, or in another order.
    """
    change.finish()
    taking = _Taking(change, origins, same_order=same_order, again=again, kept=kept)
    rest = iter(events)
    batch = list(islice(rest, at_once))
    if len(batch) < at_once:
        taking.insert(batch)
        return taking.fold()
    with large_cache(change.connection):
        taking.drop_indexes()
        while batch:
            taking.insert(batch)
            batch = list(islice(rest, at_once))
        return taking.fold()


def losses(
    connection: Connection, subjects: Sequence[str], event_ids: Collection[str]
) -> dict[str, Lost]:
    """Return what some changes, which are not in effect, lost to; by the ids of their events.

    Args:
        subjects: what they are changes of.
    """
    naming = _Naming(connection)
    found = {}
    for subject, logged in units(connection, subjects):
        judged = judge([each.event for each in logged])
        ref = arriving_rows.ref_of(connection, subject)
        unit = _Unit(naming, subject, logged, judged, set(), ref)
        for each, outcome in zip(logged, judged.outcomes, strict=True):
            event_id = each.event.event_id
            if outcome == LOST and event_id in event_ids and not _is_silent(each.event):
                loss = unit.loss(each)
                if loss is not None:
                    found[event_id] = loss
    return found


class _Naming:
    """Names models and registries for people."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names_by_id = logged_rows.origins(connection)

    def ref(self, model_id: str) -> str:
        """Return the reference that means a model alone; its first digits if it is not here."""
        ref = arriving_rows.ref_of(self._connection, model_id)
        if ref is None:
            return model_id[:8]
        shared = arriving_rows.shares_a_number(self._connection, model_id)
        return f"{ref}~{model_id[:8]}" if shared else ref

    def origin_name(self, origin: str) -> str:
        """Return the name of an origin."""
        if origin not in self._names_by_id:  # it came just now
            self._names_by_id = logged_rows.origins(self._connection)
        return self._names_by_id.get(origin, origin[:8])


class _Taking(_Naming):
    """One arrival, while it is taken in."""

    def __init__(
        self,
        change: Change,
        origins: Mapping[str, str],
        *,
        same_order: bool,
        again: Sequence[str],
        kept: int,
    ) -> None:
        super().__init__(change.connection)
        self._change = change
        self._names = origins
        self._same_order = same_order
        self._before = arriving_rows.last_key(self._connection)
        self._own = origin_rows.own(self._connection)
        self._remote = remote_rows.ordering_table(self._connection)
        self._seen = remote_rows.last_place(self._connection)
        self._again = again
        self._origins: dict[str, int] = {}
        self._actors: dict[str, int] = {}
        self._aliases: set[str] = set()  # of new events
        # New events that are not folded yet, by unit, and the units that begin among them. There
        # may be a million: no list of all of them is held. Those of `_late` are read at the end.
        self._kept: dict[str, list[Logged]] = {}
        self._begun: set[str] = set()
        self._most_kept = kept
        self._kept_count = 0
        self._kept_characters = 0
        self._kept_digests: list[str] = []
        # True while each kept event has a greater place than the one before, as from a remote.
        self._kept_in_order, self._kept_place = True, -1
        self._late: dict[str, None] = {}
        self._is_creating = False  # True if an event came that may have made a model or task
        # What was dropped: indexes of the log, and of other tables.
        self._dropped: tuple[list[SchemaObject], list[SchemaObject]] = ([], [])
        self._moved: dict[str, None] = {}  # subjects of events that got a position
        self._placed = array("q")  # the keys of these events
        self._events = 0
        self._copied = False
        self._rows = FoldedRows(self._connection)
        self._projects: dict[int, str] = {}
        self._contested: dict[str, Contested] = {}  # new models
        self._differences: list[Difference] = []
        # Aliases whose models were removed or moved away: the models, and what they were.
        self._left: dict[tuple[str, str, str], tuple[str, str]] = {}
        # Version numbers whose claims changed, with the models that began and ceased to claim them.
        self._numbers: dict[Number, tuple[set[str], set[str]]] = {}
        self._released: dict[tuple[Number, str], Side] = {}

    def drop_indexes(self) -> None:
        """Drop indexes until all events are here, if the log is empty: they are made at the end."""
        if self._before == 0:
            self._dropped = (
                drop_indexes(self._connection, ["event"]), drop_indexes(self._connection, TABLES)
            )  # fmt: skip

    def insert(self, events: Sequence[LoggedEvent]) -> None:
        """Check events, and insert those that are not here."""
        connection, at = self._connection, self._change.at
        texts = checked_texts(events)
        known = arriving_rows.known_events(connection, [event.event_id for event in events])
        actors = self._actor_keys({event.actor for event in events})
        rows: list[tuple[object, ...]] = []
        came: list[LoggedEvent] = []
        positions: list[tuple[object, ...]] = []
        fresh: dict[str, tuple[LoggedEvent, str]] = {}
        group = self._before + 1
        for event, text in zip(events, texts, strict=True):
            remote, position = self._place(event)
            event_id = event.event_id
            if event_id in fresh:
                _check_same(event, _content(event, text), _content(*fresh[event_id]))
                continue
            if event_id in known:
                pk, its_remote, its_position, *rest = known[event_id]
                _check_same(event, _content(event, text), tuple(rest))
                if position is None or (its_remote, its_position) == (remote, position):
                    continue
                if its_position is not None:
                    if pk <= self._before:  # of one that came twice, the first place counts
                        self._refuse(event)
                elif self._is_possible(event):
                    positions.append((remote, position, at, pk))
                    self._moved[event.subject] = None
                    self._placed.append(pk)
                    if pk > self._before:  # what is kept of it has no position
                        self._late[event.subject] = None
                continue
            if not self._is_possible(event):
                remote = position = None
            origin = self._origin(event.origin)
            if origin == self._own:
                self._copied = True
            if position != event.position:
                event = replace(event, remote=remote, position=position)
            came.append(event)
            rows.append(
                (event_id, origin, event.seq, group, event.lamport, event.stamp, event.at,
                 actors[event.actor], event.kind, event.v, event.subject, event.field, text, at,
                 remote, position, None if position is None else at)
            )  # fmt: skip
            fresh[event_id] = event, text
        if rows:
            last = arriving_rows.insert(connection, rows)
            self._kept_characters += sum(len(text) for _, text in fresh.values())
            self._note_came(came, last)
        if positions:
            arriving_rows.set_positions(connection, positions)

    def _actor_keys(self, names: set[str]) -> dict[str, int]:
        new = names.difference(self._actors)
        if new:
            self._actors |= arriving_rows.actor_keys(self._connection, new)
        return self._actors

    def _note_came(self, came: Sequence[LoggedEvent], last: int) -> None:
        """Note events that were inserted; `last` is the key of the last one."""
        self._events += len(came)
        self._change.took_in(came[-1].event_id)
        kept, late, place = self._kept, self._late, self._kept_place
        for pk, event in enumerate(came, last - len(came) + 1):
            subject = event.subject
            if event.event_id == subject:
                self._begun.add(subject)
            if event.kind in _NAMING and event.v == 1:
                self._kept_digests += _digests(event)
            elif event.kind in ALIAS_KINDS:
                self._aliases.add(subject)
                late[subject] = None
            if subject in late:
                continue
            logged = Logged(pk, None, False, event)
            if event.position is None or event.position <= place:
                self._kept_in_order = False
            else:
                place = event.position
            if subject in kept:
                kept[subject].append(logged)
            else:
                kept[subject] = [logged]
        self._kept_place = place
        self._kept_count += len(came)
        if self._kept_count >= self._most_kept or self._kept_characters >= _CHARACTERS:
            self._fold_kept()

    def _fold_kept(self) -> None:
        """Fold the kept units of which nothing was here before; the others are late.

        A unit whose first event, which has its id, is not among these was folded already, or waits.
        """
        found = {each: logged for each, logged in self._kept.items() if each not in self._late}
        older = found.keys() - self._begun
        if self._before:
            older |= arriving_rows.subjects_until(self._connection, [*found], self._before)
        self._is_creating |= bool(self._begun)
        self._late |= dict.fromkeys(each for each in found if each in older)
        self._rows.expect(self._kept_digests)
        self._rows.expect_models([*found])
        for subject, logged in found.items():
            if subject not in older:
                if len(logged) > 1 and not self._kept_in_order:
                    logged.sort(key=_order)
                self._fold_new(subject, logged, fresh=True)
        self._rows.write()
        self._kept = {}
        self._begun.clear()
        self._kept_count = self._kept_characters = 0
        self._kept_digests = []
        self._kept_in_order, self._kept_place = True, -1

    def _place(self, event: LoggedEvent) -> tuple[str | None, int | None]:
        """Return remote and position of an event, as they are kept here."""
        if event.position is None:
            return None, None
        if self._remote is None:
            self._remote = event.remote
        if event.remote != self._remote:
            self._refuse(event)
            return None, None
        return event.remote, event.position

    def _is_possible(self, event: LoggedEvent) -> bool:
        """Return True if an event that has no place here can have that which it came with.

        All events up to the last place that was seen of the remote are here, each with its place.
        """
        if event.position is None or event.remote != self._remote or event.position > self._seen:
            return True
        self._refuse(event)
        return False

    def _refuse(self, event: LoggedEvent) -> None:
        """Raise if the order of an event must be that of here; else its place does not count."""
        if self._same_order:
            raise _other_order(event)

    def _origin(self, origin: str) -> int:
        key = self._origins.get(origin)
        if key is None:
            name = self._names.get(origin)
            sound = type(name) is str and 0 < len(name) <= 200 and name.isprintable()
            key = origin_rows.key(self._connection, origin, str(name) if sound else origin[:8])
            self._origins[origin] = key
        return key

    def fold(self) -> Arrival:
        """Fold all touched units again; return what came and what is different."""
        connection = self._connection
        if self._copied:
            origin_rows.mint(connection, origin_rows.name_of(connection, self._own))
        self._fold_kept()
        # Units with new events are late if others were here.
        again = [each for each in self._again if each not in self._late]
        known = frozenset(again)
        placed = [e for e in self._moved if e not in self._late and e not in known]
        moved = again + self._in_other_order(placed)
        remote_rows.note_refolded(connection, moved)
        log, others = self._dropped
        make_indexes(connection, log)
        aliases = [each for each in self._late if each in self._aliases]
        late = [each for each in self._late if each not in self._aliases]
        for subject, logged in units(connection, [*late, *moved]):
            if _alias_of(logged) is None:
                self._fold_late(subject, logged)
            else:
                aliases.append(subject)
        self._rows.write()
        # After the models, whose references they name.
        for subject, logged in units(connection, aliases):
            self._fold_late(subject, logged)
        self._rows.write()
        make_indexes(connection, others)
        models, tasks = self._new()
        for alias, (model_id, ref) in self._left.items():
            if arriving_rows.alias_of(connection, *alias) == model_id:
                self._differences.append(AliasMoved(_alias_name(alias), ref, None))
        for number, (begun, ceased) in self._numbers.items():
            self._compare_number(number, begun, ceased)
        return Arrival(
            events=self._events,
            folded=bool(self._events or again or placed),
            models=models,
            tasks=tasks,
            differences=(*self._contested.values(), *self._differences),
        )

    def _in_other_order(self, subjects: Sequence[str]) -> list[str]:
        """Return those of some units whose events stand in another order than before.

        They got only positions. Nothing else that a unit comes to depends on these, except the id
        that a project shows: it is that of the first of several units.
        """
        placed = frozenset(self._placed)
        found: dict[str, None] = {}
        for start in range(0, len(subjects), _UNITS):
            places: dict[str, list[EventPlace]] = {}
            some = subjects[start : start + _UNITS]
            for each in arriving_rows.places(self._connection, some):
                places.setdefault(each.subject, []).append(each)
            for subject, now in places.items():
                before = [
                    replace(each, position=None) if each.pk in placed else each for each in now
                ]
                changed = _in_order(before) != _in_order(now)
                if changed or any(each.kind == "project.created" for each in now):
                    found[subject] = None
        return [*found]

    def _fold_new(self, subject: str, logged: Sequence[Logged], *, fresh: bool) -> None:
        """Fold a unit of which nothing was here before; `fresh`: it was not folded before."""
        judged, folded = fold_unit(self._rows, subject, logged, fresh=fresh)
        self._note_new(subject, logged, judged, folded)

    def _fold_late(self, subject: str, logged: Sequence[Logged]) -> None:
        """Fold a unit of which something was here, or that came in several parts."""
        connection = self._connection
        if all(each.pk > self._before for each in logged):
            self._fold_new(subject, logged, fresh=subject in self._aliases)
            return
        new = {each.event.event_id for each in logged if each.pk > self._before}
        alias = _alias_of(logged)
        target = None if alias is None else arriving_rows.alias_of(connection, *alias)
        gate = None if alias is None else arriving_rows.gate_of(connection, *alias)
        before = arriving_rows.state_of(connection, subject)
        named = arriving_rows.aliases_of(connection, subject)
        judged, folded = fold_unit(self._rows, subject, logged)
        after = UnitState(self._ref(folded.line), folded.removed, folded.contested, folded.claims)
        unit = _Unit(self, subject, logged, judged, new, after.ref)
        self._differences += unit.outcomes()
        self._differences += unit.whereabouts(before, after)
        if alias is not None and target is not None:
            self._compare_alias(alias, target)
        if alias is not None and gate is not None:
            self._compare_gate(alias, gate, logged)
        if judged.contested and (not before.contested or new.intersection(judged.publications)):
            self._differences.append(unit.contested())
        for gone in named:
            if after.removed or folded.line is None or gone[:2] != self._line(folded.line):
                self._left[gone] = subject, before.ref or subject[:8]
        self._note_claims(subject, before, after, unit)
        waiting = unit.waiting()
        if waiting is not None:
            self._differences.append(waiting)

    def _line(self, line: Number) -> tuple[str, str]:
        """Return project and name of a model."""
        project, name, _ = line
        if project not in self._projects:
            self._projects[project] = arriving_rows.project_name(self._connection, project)
        return self._projects[project], name

    def _ref(self, line: Number | None) -> str | None:
        """Return the reference of a model."""
        return None if line is None else arriving_rows.reference_of(*self._line(line), line[2])

    def _note_new(
        self, subject: str, logged: Sequence[Logged], judged: Judged, folded: Folded
    ) -> None:
        """Note if a model of which nothing was here is contested."""
        if judged.begun and judged.contested and folded.line is not None:
            new = {each.event.event_id for each in logged}
            unit = _Unit(self, subject, logged, judged, new, self._ref(folded.line))
            self._contested[subject] = unit.contested()
        else:
            self._contested.pop(subject, None)

    def _new(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return references of the models, and ids of the tasks, that are new here.

        The numbers that these models claim, where others do or did, are noted.
        """
        models: list[str] = []
        tasks: list[str] = []
        if self._is_creating:
            made = arriving_rows.made_after(self._connection, self._before)
            while some := [*islice(made, _UNITS)]:
                models += [each.ref for each in some if each.ref is not None]
                tasks += [each.id for each in some if each.ref is None]
                self._note_new_claims([each.id for each in some if each.ref is not None])
        for number, (begun, _) in self._numbers.items():
            claimants = [each for each, *_ in arriving_rows.claimants(self._connection, number)]
            known = arriving_rows.known_events(self._connection, claimants)
            begun.update(each for each, (pk, *_) in known.items() if pk > self._before)
        return tuple(models), tuple(tasks)

    def _note_new_claims(self, models: Sequence[str]) -> None:
        for number, model_id in arriving_rows.shared_claims_of(self._connection, models):
            self._numbers.setdefault(number, (set(), set()))[0].add(model_id)

    def _note_claims(self, subject: str, before: UnitState, after: UnitState, unit: _Unit) -> None:
        for number in sorted(after.claims - before.claims):
            self._numbers.setdefault(number, (set(), set()))[0].add(subject)
        for number in sorted(before.claims - after.claims):
            self._numbers.setdefault(number, (set(), set()))[1].add(subject)
            side = unit.releasing()
            if side is not None:
                self._released[number, subject] = side

    def _compare_number(self, number: Number, begun: set[str], ceased: set[str]) -> None:
        """Note that a version number is ambiguous now, or that of another model."""
        found = arriving_rows.claimants(self._connection, number)
        claims = tuple(Claimed(*each) for each in found)
        now = {each.model for each in claims}
        before = (now - begun) | ceased
        ref = arriving_rows.number_text(self._connection, number)
        if len(now) > 1 and now != before:
            self._differences.append(Ambiguous(ref, claims))
        elif len(now) == len(before) == 1 and now != before:
            (old,) = before
            name, at = self._made(old)
            by = self._released.get((number, old))
            self._differences.append(NumberChanged(ref, Claimed(old, name, at), claims[0], by))

    def _made(self, model_id: str) -> tuple[str, int | None]:
        """Return in which registry a model was made, and when."""
        row = arriving_rows.known_events(self._connection, [model_id]).get(model_id)
        return ("", None) if row is None else (self.origin_name(row[3]), row[7])

    def _compare_alias(self, alias: tuple[str, str, str], old: str) -> None:
        new = arriving_rows.alias_of(self._connection, *alias)
        if new != old:
            name = _alias_name(alias)
            to = None if new is None else self.ref(new)
            self._differences.append(AliasMoved(name, self.ref(old), to))

    def _compare_gate(
        self, alias: tuple[str, str, str], old: str, logged: Sequence[Logged]
    ) -> None:
        new = arriving_rows.gate_of(self._connection, *alias)
        made = {each.event.event_id: each.event.payload["new"] for each in logged}
        before, now = made.get(old), None if new is None else made.get(new)
        if before != now:
            self._differences.append(GateChanged(_alias_name(alias), before, now))


class _Unit:
    """A unit of which something was here, after it was folded again: what is different in it."""

    def __init__(
        self,
        taking: _Naming,
        subject: str,
        logged: Sequence[Logged],
        judged: Judged,
        new: set[str],
        ref: str | None,
    ) -> None:
        self._taking = taking
        self._subject = subject
        self._logged = logged
        self._judged = judged
        self._new = new
        self._by_id = {each.event.event_id: each for each in logged}
        self._ref = ref or self._name_of_task() or subject[:8]

    def outcomes(self) -> list[Difference]:
        """Return the changes whose outcome is another one than before, or which came and lost."""
        found: list[Difference] = []
        for each, outcome in zip(self._logged, self._judged.outcomes, strict=True):
            event = each.event
            new = event.event_id in self._new
            if (outcome == each.outcome and not new) or _is_silent(event):
                continue
            if outcome == LOST:
                loss = self.loss(each)
                found += [] if loss is None else [loss]
            elif outcome == KEPT:
                found.append(WeightsKept(self._ref, self._side(each)))
            elif each.outcome == LOST and not new:
                found.append(InEffect(self._part(event), self._side(each)))
        return found

    def loss(self, logged: Logged) -> Lost | None:
        """Return what a change that is not in effect lost to; None if its value is there now."""
        winner = self._winner(logged.event)
        if winner is not None and _is_same(winner.event, logged.event):
            return None
        other = None if winner is None else self._side(winner)
        return Lost(self._part(logged.event), self._side(logged), other)

    def contested(self) -> Contested:
        """Return the difference that the model was published with different content."""
        sides = [self._side(self._by_id[each]) for each in self._judged.publications]
        return Contested(self._ref, tuple(sides))

    def whereabouts(self, before: UnitState, after: UnitState) -> list[Difference]:
        """Return if the model was removed, restored, moved or renamed."""
        if before.ref is None or after.ref is None:
            return []
        found: list[Difference] = []
        if before.ref != after.ref:
            found.append(Moved(before.ref, after.ref))
        if before.removed != after.removed:
            kind = "model.removed" if after.removed else "model.restored"
            events = [each for each in self._logged if each.event.kind == kind]
            # A removal that stands before the creation has no effect: that order was forged.
            last = (events or self._logged)[-1]
            by = replace(self._side(last), value=self._subject[:8])
            made = Removed if after.removed else Restored
            found.append(made(after.ref, by))
        return found

    def waiting(self) -> Waiting | None:
        """Return how many changes came of a model that is removed."""
        if not self._judged.removed:
            return None
        removals = [n for n, each in enumerate(self._logged) if each.event.kind in _REMOVING]
        # A removal that came together with changes may have known those that stand before it.
        came = self._logged[removals[-1]].event.event_id in self._new
        count = sum(
            each.event.event_id in self._new
            and each.event.kind not in _REMOVING
            and (each.event.kind, each.event.v) in KINDS
            for each in self._logged[removals[-1] if came else 0 :]
        )
        return Waiting(self._ref, count) if count else None

    def releasing(self) -> Side | None:
        """Return the last new event that released a number."""
        for each in reversed(self._logged):
            if each.event.event_id in self._new and each.event.kind in (
                "model.renumbered",
                "model.released",
            ):
                return self._side(each)
        return None

    def _winner(self, event: LoggedEvent) -> Logged | None:
        """Return the event whose value the register has that another one did not get."""
        judged = self._judged
        if event.kind in _CONTENT and judged.publications:
            winner = judged.publications[0]
        else:
            register = register_of(event.kind, event.field, event.payload)
            if event.kind == "model.weights_dropped":
                register = SERVED
            winner = judged.writers.get(register or "", (self._subject,))[-1]
        found = self._by_id.get(winner)
        return None if found is None or found.event is event else found

    def _side(self, logged: Logged) -> Side:
        event = logged.event
        value = value_text(event)
        if event.kind == "alias.set":
            new = event.payload["new"]
            value = "none" if new is None else self._taking.ref(new)
        origin = self._taking.origin_name(event.origin)
        return Side(event.event_id, event.actor, origin, logged.own, event.at, value)

    def _part(self, event: LoggedEvent) -> str:
        """Return what an event changes, for people."""
        if event.kind in ALIAS_KINDS:
            alias = _alias_of([self._by_id[event.event_id]])
            assert alias is not None
            name = _alias_name(alias)
            return name if event.kind == "alias.set" else f"{name} {part_name(event)}"
        return f"{self._ref} {part_name(event)}"

    def _name_of_task(self) -> str | None:
        created = self._by_id.get(self._subject)
        if created is None or created.event.v != 1:
            return None
        if created.event.kind not in ("task.created", "model.created"):
            return None
        if created.event.kind == "model.created":  # nothing of it is here
            return line_text(created.event.payload)
        return f"task {shown_name(created.event.payload['name'])}"


def _in_order(places: Iterable[EventPlace]) -> list[int]:
    """Return the keys of events in the order in which they are folded."""
    return [each.pk for each in sorted(places, key=lambda each: each.order)]


def _content(event: LoggedEvent, text: str) -> tuple[object, ...]:
    """Return what is the same of an event in all registries, apart from its id."""
    return (
        event.origin, event.seq, event.lamport, event.stamp, event.at, event.actor, event.kind,
        event.v, event.subject, event.field, text,
    )  # fmt: skip


def _check_same(event: LoggedEvent, content: tuple[object, ...], here: tuple[object, ...]) -> None:
    if content != here:
        raise EventConflictError(
            f"event {event.event_id} ({shown_name(event.kind)}) is here with other content, "
            "so one of the two registries was forged or damaged. Nothing was taken; look with "
            "`localreg verify` in both",
            event_id=event.event_id,
        )


def _is_silent(event: LoggedEvent) -> bool:
    """Return True if no decision of anybody is lost together with an event."""
    return event.kind == "weights.fetched" or bool(event.payload.get("concluded"))


def _is_same(winner: LoggedEvent, lost: LoggedEvent) -> bool:
    """Return True if the value is now what the event that lost wanted: somebody set it again."""
    return (winner.kind, winner.field) == (lost.kind, lost.field) and (
        "new" in lost.payload and winner.payload.get("new") == lost.payload["new"]
    )


def _alias_of(logged: Sequence[Logged]) -> tuple[str, str, str] | None:
    """Return project, name and alias, if a unit is one."""
    for each in logged:
        event = each.event
        if event.kind in ALIAS_KINDS and event.v == 1:
            return event.payload["project"], event.payload["name"], str(event.field)
    return None


def _alias_name(alias: tuple[str, str, str]) -> str:
    project, name, text = alias
    return shown_name(f"{project}/{name}@{text}" if project else f"{name}@{text}")


def _digests(event: LoggedEvent) -> list[str]:
    """Return the digests of the blobs that an event of a kind in `_NAMING` names."""
    payload = event.payload
    match event.kind:
        case "model.created":
            found = [each["digest"] for each in payload["weights"]]
        case "model.weights_added" | "task.artifact":
            found = [payload["new"]["digest"]] if payload["new"] else []
        case "model.weights_kept":
            found = [payload["digest"]]
        case "model.signed":
            found = [payload["signature"]]
        case _:
            found = [payload["new"]]
    return [digest for digest in found if digest is not None]


def _order(logged: Logged) -> tuple[bool, int, int, str]:
    return logged.event.order


def _other_order(event: LoggedEvent) -> EventConflictError:
    return EventConflictError(
        f"event {event.event_id} ({shown_name(event.kind)}) has a place in the order of remote "
        f"{event.remote}, and this registry follows another order. Nothing was taken; export the "
        "models that you want, and import them, or reset one remote",
        event_id=event.event_id,
    )
