"""P31, P32: registries that met in any way hold what the rules say, the same everywhere.

Random operations are done on two to five registries. Between them they meet: by merges, bundles,
copies of their folder that go on, and older copies that come back. After each meeting the registry
is compared with the small model of the rules (tests/carry/rules_model.py), folded over its events.
"""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, suppress

import pytest
from carry.rules_model import AmbiguousError, MissingError, differences
from support.proofs import TIMES
from support.random_registries import CHANGES, Operations, Place, copy_of
from support.rules_of_registries import check_by_rules, shown_by

from localreg.errors import AmbiguousReferenceError, BundleError, LocalregError, ModelNotFoundError
from localreg.store.events.arriving import take_in
from localreg.store.events.refolding import refold
from localreg.store.rows import logged_rows
from localreg.values.frozen import replace

HARD = ("lost", "same", "kept", "ambiguous", "contested", "flipped", "killed", "copy", "roll_back")
MEETINGS = {
    "merge": 6, "merge_and_renumber": 1, "part": 4, "part_with_aliases": 1, "copies": 1,
    "everything": 2, "since_event": 2, "since_bundle": 3, "copy": 1, "keep_copy": 2, "roll_back": 1,
    "push": 2, "pull": 1, "undo": 3, "killed_merge": 1,
}  # fmt: skip
REMOTE = "f" * 32


class Remote:
    """Gives events their positions, as a remote will: all that have none, at head + 1."""

    def __init__(self):
        self.events = []
        self.origins = {}

    def pull(self, place: Place):
        """Let a registry take in all events with their positions."""
        return _take_in(place, self.events, self.origins)

    def push(self, place: Place, *, reply: bool):
        """Take what has no position; without `reply` the registry does not learn of it."""
        self.pull(place)
        with place.registry._chain.first.store.read() as connection:
            fresh = [e for e in logged_rows.all_events(connection) if e.position is None]
            self.origins |= dict(connection.execute("SELECT id, name FROM origin").fetchall())
        head = self.events[-1].position if self.events else 0
        in_order = sorted(fresh, key=lambda each: (each.lamport, each.event_id))
        placed = [replace(each, remote=REMOTE, position=head + 1) for each in in_order]
        self.events += placed
        if reply:
            _take_in(place, placed, self.origins)


def _take_in(place, events, origins):
    with place.registry._chain.first.store.write() as change:
        return take_in(change, events, origins, same_order=True)


class Fleet:
    """Registries that meet.

    Args:
        chance: chooses everything.
        folder: where they are.
        site: serves some of the weights.
    """

    def __init__(self, chance: random.Random, folder, site):
        self.chance, self.folder = chance, folder
        self.operations = Operations(chance, folder, site)
        self.places = [Place(folder / f"r{each}") for each in range(chance.randrange(2, 4))]
        self.remote = Remote()
        # A bundle that leaves out what the other side has leaves out its positions, too.
        without = self.chance.choice([("push", "pull"), ("since_event", "since_bundle")])
        self.meetings = {name: often for name, often in MEETINGS.items() if name not in without}
        self.reached: Counter[str] = Counter()
        self.kept: list[Place] = []
        self.bundles: list = []
        self.made = 0
        self.trail: list[str] = []

    def step(self) -> None:
        """Do something, and check what came of it."""
        place = self.chance.choice(self.places)
        if self.chance.random() < 0.03:
            self.trail.append("publish_in_both")
            other = self.chance.choice([each for each in self.places if each is not place])
            self.operations.publish_in_both(place, other)
            return
        if self.chance.random() < 0.75:
            name = self.chance.choices(list(CHANGES), CHANGES.values())[0]
            self.trail.append(name)
            self.operations.step(place, name)
            return
        name = self.chance.choices(list(self.meetings), self.meetings.values())[0]
        self.trail.append(name)
        before = check_by_rules(place.root)
        other = self.chance.choice([each for each in self.places if each is not place])
        try:
            getattr(self, name)(place, other)
            self.reached[name] += 1
        except BundleError:
            if name not in ("since_event", "since_bundle"):  # what it leaves out is lacking here
                raise
            self.reached["refused"] += 1
        except LocalregError:
            if name not in ("undo", "part", "copies", "part_with_aliases"):
                raise
        if place not in self.places:
            return  # rolled back
        self.check(place, before)

    def check(self, place: Place, before):
        """Compare a registry with the rules."""
        view = check_by_rules(place.root)
        old, new = before.outcomes(), view.outcomes()
        assert old.keys() <= new.keys(), "an acknowledged event is gone"
        self.reached["flipped"] += any((old[k] == "lost") != (new[k] == "lost") for k in old)
        self.reached.update(out or "in effect" for out in new.values())
        self.reached["ambiguous"] += bool(view.ambiguous())
        self.reached["contested"] += any(unit.contested for unit in view.models.values())
        check_references(place.registry, view)
        return view

    def target(self, name: str = "b.tar"):
        """Return a new path."""
        self.made += 1
        return self.folder / f"{self.made}-{name}"

    def merge(self, place, other):
        before = check_by_rules(place.root)
        if self.chance.random() < 0.2:
            planned = place.registry.merge(other.root, dry_run=True)
            assert check_by_rules(place.root).state() == before.state()
            found = place.registry.merge(other.root)
            assert planned.events == found.events
        else:
            found = place.registry.merge(other.root)
        after = check_by_rules(place.root)
        check_report(place, before, after, found)
        assert place.registry.merge(other.root).events == 0, "twice is once"

    def killed_merge(self, place, other):
        """A process that merges is killed anywhere."""
        code = (
            "import sys; from localreg import Registry; here = Registry(sys.argv[1])\n"
            "here.models(limit=1); print(flush=True); here.merge(sys.argv[2])"
        )
        command = [sys.executable, "-c", code, str(place.root), str(other.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            child.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                child.wait(self.chance.random() / 20)
            child.kill()
        self.reached["killed"] += child.returncode != 0

    def merge_and_renumber(self, place, other):
        place.registry.merge(other.root, renumber=True)
        assert not check_by_rules(place.root).ambiguous()

    def part(self, place, other):
        path = self.target()
        ids = other.ids("model")
        some = self.chance.sample(ids, min(len(ids), self.chance.randrange(1, 4)))
        other.registry.export(*some, path=path)
        place.registry.import_bundle(path)
        assert place.registry.import_bundle(path).events == 0, "twice is once"

    def part_with_aliases(self, place, other):
        path = self.target()
        other.registry.export(*other.ids("model"), path=path)
        place.registry.import_bundle(path, aliases=True)

    def copies(self, place, other):
        path = self.target()
        other.registry.export(*other.ids("model")[:2], path=path)
        place.registry.import_bundle(path, project="copied")
        count = len(place.ids("model"))
        place.registry.import_bundle(path, project="copied")
        assert len(place.ids("model")) == count, "twice is once"

    def everything(self, place, other):
        path = self.target()
        other.registry.export(everything=True, path=path)
        self.bundles.append(path)
        place.registry.import_bundle(path)
        merged = copy_of(place, self.target("merged"))
        assert merged.registry.merge(other.root).events == 0
        merged.registry.close()

    def since_event(self, place, other):
        path = self.target()
        events = [row["event_id"] for row in other.registry.db.query("SELECT event_id FROM event")]
        if events:
            other.registry.export(everything=True, since=self.chance.choice(events), path=path)
            place.registry.import_bundle(path)

    def since_bundle(self, place, other):
        """Leave out what a bundle holds, of this registry or of another one, now or before."""
        if self.chance.random() < 0.5 or not self.bundles:
            known = self.target()
            place.registry.export(everything=True, path=known)
            self.bundles.append(known)
            fresh = True
        else:
            known = self.chance.choice(self.bundles)
            fresh = False
        path = self.target()
        other.registry.export(everything=True, since=known, path=path)
        try:
            place.registry.import_bundle(path)
        except BundleError:
            assert not fresh, "nothing is left out that this registry lacks"
            raise
        if fresh:
            assert place.registry.merge(other.root).events == 0

    def copy(self, place, other):
        made = copy_of(place, self.target("copy"))
        if len(self.places) < 5:
            self.places.append(made)
        else:
            made.registry.close()

    def keep_copy(self, place, other):
        self.kept.append(copy_of(place, self.target("kept")))
        self.kept[-1].registry.close()

    def roll_back(self, place, other):
        if self.kept:
            place.registry.close()
            shutil.rmtree(place.root)
            shutil.copytree(self.chance.choice(self.kept).root, place.root, symlinks=True)
            self.places[self.places.index(place)] = Place(place.root)

    def push(self, place, other):
        self.remote.push(place, reply=self.chance.random() < 0.7)

    def pull(self, place, other):
        self.remote.pull(place)

    def undo(self, place, other):
        rows = place.registry.db.query("SELECT event_id FROM event ORDER BY pk DESC LIMIT 6")
        place.registry.undo(self.chance.choice([row["event_id"] for row in rows] or ["none"]))

    def finish(self) -> None:
        """Let all meet all: then all hold the same, and a refold changes nothing."""
        self.trail.append("finish")
        for _ in range(2):
            for place in self.places:
                for other in self.places:
                    if place is not other:
                        place.registry.merge(other.root)
        first = None
        for place in self.places:
            view = self.check(place, check_by_rules(place.root))
            shown = _shown(place)
            first = first or (view.state(), shown)
            for unit, found in view.state().items():
                assert found == first[0].get(unit), (place.root, view.positions)
            assert view.state().keys() == first[0].keys()
            for part, found in shown.items():
                assert found == first[1][part], part
            if "push" not in self.meetings:  # bytes do not come with events from `Remote`
                assert place.registry.verify().ok
        with place.registry._chain.first.store.write() as change:
            refold(change.connection)
        assert _shown(place) == first[1], "refold gives the same"
        for place in self.places:
            place.registry.close()


def _shown(place):
    with closing(sqlite3.connect(place.root / "registry.db")) as connection:
        return shown_by(connection)


def check_report(place, before, after, found):
    """Check what a merge says that it brought, and that it tells of conflicts."""
    by_rules = differences(before, after)
    assert found.events == by_rules.came
    made_here = {
        row["event_id"]
        for row in place.registry.db.query("SELECT event_id FROM event WHERE arrived IS NULL")
    }
    old = {event.id for events in before.events.values() for event in events}
    met = {name for name in before.units if {e.id for e in after.events[name]} - old}
    lost = {
        event.id
        for name in met
        for event in after.events[name]
        if event.id in by_rules.lost
        and event.kind != "weights.fetched"
        and not event.payload.get("concluded")
    }
    if lost & made_here or by_rules.contested:
        assert found.conflict
    if found.conflict:
        contested = {name for name, unit in after.models.items() if unit.contested}
        assert by_rules.lost & made_here or contested
    aliases = {name for name, (was, _) in by_rules.aliases.items() if was}
    said = [each for each in found.differences if " wait on " not in each]
    said = [each for each in said if " waits on " not in each]
    where = re.compile(r".* (was (removed|restored) by .*|is .* now)")
    said = [each for each in said if not where.fullmatch(each)]
    if (
        by_rules.in_effect
        | by_rules.contested
        | by_rules.ambiguous
        | by_rules.other.keys()
        | aliases
    ):
        assert said, by_rules
    registers = {name for name in met if after.events[name][0].kind == "alias.set"}
    if said and not registers and not after.ambiguous():
        different = by_rules.lost | by_rules.in_effect | by_rules.kept | by_rules.contested
        assert different or by_rules.other or by_rules.aliases, (said, by_rules)


def check_references(registry, view):
    """Check that each reference names what the rules say, or fails."""

    def named(text):
        try:
            return registry.model(text).id
        except AmbiguousReferenceError:
            return "ambiguous"
        except ModelNotFoundError:
            return "missing"

    def by_rules(resolve, *arguments):
        try:
            return resolve(*arguments) or "missing"
        except AmbiguousError:
            return "ambiguous"
        except MissingError:
            return "missing"

    lines = {number[:2] for unit in view.models.values() for number in unit.numbers}
    for line in lines:
        text = "/".join(each for each in line if each)
        assert named(text) == by_rules(view.latest, line), text
    for number in {number for unit in view.models.values() for number in unit.numbers}:
        text = "/".join(each for each in number[:2] if each) + f":{number[2]}"
        assert named(text) == by_rules(view.resolve, number[:2], number[2]), text
        for model in view.claimants(number[:2], number[2]):
            expected = by_rules(view.resolve, number[:2], number[2], model[:10])
            assert named(f"{text}~{model[:10]}") == expected, text
    for key, events in view.events.items():
        if events[0].kind == "alias.set":
            line = events[0].payload["project"], events[0].payload["name"]
            text = "/".join(each for each in line if each) + f"@{events[0].field}"
            assert named(text) == by_rules(view.alias, line, key), text


def run(seed, folder, site, steps):
    """Let registries meet at random; return what was reached."""
    fleet = Fleet(random.Random(seed), folder, site)
    try:
        for _ in range(steps):
            fleet.step()
        fleet.finish()
    except Exception as error:
        raise AssertionError(f"seed {seed}, in {folder}: {fleet.trail[-12:]}: {error}") from error
    return fleet.reached + fleet.operations.done


@pytest.mark.long
def test_registries_that_meet_hold_what_the_rules_say(tmp_path, site, monkeypatch):
    monkeypatch.setenv("LOCALREG_AUTO_RENDER", "0")
    first = 0 if TIMES == 1 else random.SystemRandom().randrange(10**9)
    reached: Counter[str] = Counter()
    for seed in range(first, first + 3 * TIMES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        reached += run(seed, folder, site, 60)
        shutil.rmtree(folder)
    print({key: count for key, count in reached.items() if ":" not in key})
    if TIMES > 1:
        assert not [each for each in HARD if not reached[each]]
