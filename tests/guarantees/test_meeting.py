"""P31, P32, P44: registries that met in any way hold what the rules say, the same everywhere.

Random operations are done on two to five registries. Between them they meet: by merges, bundles,
copies of their folder that go on, older copies that come back, and a remote with a mirror, of which
older copies come back, too. After each meeting the registry
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
from carry.rules_model import AmbiguousError, MissingError, differences, is_alias
from support.contents import rows
from support.fleet_checks import check_remote
from support.proofs import TIMES
from support.random_registries import CHANGES, Operations, Place, copy_of
from support.rules_of_registries import check_by_rules, shown_by

from localreg import Model, Registry
from localreg.errors import (
    AmbiguousReferenceError,
    BundleError,
    EventConflictError,
    GateError,
    LocalregError,
    ModelNotFoundError,
    RemoteChangedError,
)
from localreg.operations.remotes import names, resetting
from localreg.store.events.refolding import refold

MEETINGS = {
    "merge": 6, "merge_and_renumber": 1, "part": 4, "part_with_aliases": 1, "copies": 1,
    "everything": 2, "since_event": 2, "since_bundle": 3, "copy": 1, "keep_copy": 2, "roll_back": 1,
    "undo": 3, "killed_merge": 1, "push": 3, "pull": 2, "force": 1, "killed_push": 1, "clone": 1,
    "to_mirror": 1, "keep_remote": 2, "restore_remote": 2,
}  # fmt: skip
OF_REMOTES = {
    "push", "pull", "force", "killed_push", "clone", "to_mirror", "keep_remote", "restore_remote",
}  # fmt: skip
HARD = (
    "lost", "same", "kept", "ambiguous", "contested", "flipped", "killed", "copy", "roll_back",
    "forced", "was reset", "held", "accepted", *MEETINGS,
)  # fmt: skip


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
        # Some fleets have no remote: they are faster, and all of them can merge. In the others all
        # meet at the remote more often.
        kind = self.chance.choice(["no remote", "a remote", "a remote that is restored"])
        without = {
            "no remote": OF_REMOTES, "a remote": {"restore_remote"}, "a remote that is restored": {}
        }[kind]  # fmt: skip
        self.meetings = {
            name: often * (3 if name in OF_REMOTES else 1)
            for name, often in MEETINGS.items()
            if name not in without
        }
        self.remotes = {name: folder / name for name in ("origin", "mirror")}
        self.kept_remotes: list = []
        self.restored = False
        self.reached: Counter[str] = Counter()
        self.kept: list[Place] = []
        self.bundles: list = []
        self.made = 0
        self.trail: list[str] = []

    def step(self) -> None:
        """Do something, and check what came of it."""
        place = self.chance.choice(self.places)
        if self.chance.random() < 0.06:
            name = self.chance.choice(["publish_in_both", "protect_in_both"])
            self.trail.append(name)
            other = self.chance.choice([each for each in self.places if each is not place])
            getattr(self.operations, name)(place, other)
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
        except EventConflictError:
            assert self.restored, "the places of one remote never differ, unless it was restored"
            self.reached["other order"] += 1
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
        check_references(place.registry, view, self.reached)
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
        self.run_and_kill(code, place.root, other.root)

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

    def attach(self, place, name="origin"):
        """Add a remote to a registry that does not have it; the first one orders its events."""
        there = {each.name for each in place.registry.remotes()}
        for each in ("origin", name):
            if each not in there:
                names.add(place.registry._chain, each, self.remotes[each])
                there.add(each)

    def exchange(self, place, call, name="origin"):
        """Push or pull; if the remote was restored, take it as it is now, and do it again."""
        self.attach(place, name)
        before = check_by_rules(place.root)
        try:
            return call()
        except RemoteChangedError:
            assert self.restored
            after = check_by_rules(place.root)
            assert (after.state(), after.positions) == (before.state(), before.positions)
            self.reset(place, name)
            return call()

    def reset(self, place, name):
        resetting.reset(place.registry._chain, name)
        self.reached["was reset"] += 1

    def push(self, place, other):
        self.exchange(place, place.registry.push)
        assert self.exchange(place, place.registry.push).events == 0, "twice is once"
        self.check_remote("origin")

    def pull(self, place, other):
        self.exchange(place, place.registry.pull)

    def force(self, place, other):
        """What lost is what the remote has afterwards, if somebody insists."""
        both = sorted({*place.ids("model")} & {*other.ids("model")})
        if both:
            model = self.chance.choice(both)
            for each, text in ((other, "theirs"), (place, "mine")):
                Model(model, registry=each.registry).comment = text
            self.exchange(other, other.registry.push)
        found = self.exchange(place, lambda: place.registry.push(force=True))
        self.reached["forced"] += bool(found.forced)
        assert not place.registry.push(force=True).forced

    def killed_push(self, place, other):
        """A process that pushes is killed anywhere."""
        self.exchange(place, place.registry.pull)
        code = (
            "import sys; from localreg import Registry; here = Registry(sys.argv[1])\n"
            "import localreg.operations.remotes.pushing; here.models(limit=1)\n"
            "print(flush=True); here.push()"
        )
        self.run_and_kill(code, place.root)
        self.check_remote("origin")

    def to_mirror(self, place, other):
        self.exchange(place, lambda: place.registry.push("mirror"), "mirror")
        self.check_remote("mirror")

    def clone(self, place, other):
        """A clone shows what a registry shows that has sent everything."""
        self.exchange(place, place.registry.push)
        made = self.target("clone")
        Registry.clone(self.remotes["origin"], made).close()
        view = check_by_rules(made)
        assert view.state() == check_by_rules(place.root).state()
        assert view.positions == check_by_rules(place.root).positions
        if len(self.places) < 5:
            self.places.append(Place(made))

    def keep_remote(self, place, other):
        self.attach(place)
        self.kept_remotes.append(self.target("kept remote"))
        shutil.copytree(self.remotes["origin"], self.kept_remotes[-1])

    def restore_remote(self, place, other):
        if self.kept_remotes:
            shutil.rmtree(self.remotes["origin"])
            shutil.copytree(self.chance.choice(self.kept_remotes), self.remotes["origin"])
            self.restored = True

    def check_remote(self, name):
        """Check that each event is there once, and none before what it knew."""
        events = check_remote(self.remotes[name], ())
        return {row["event_id"] for row in events}

    def run_and_kill(self, code, *arguments):
        """Run a program; after it printed a line, kill it at any moment."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            child.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                child.wait(self.chance.random() / 20)
            child.kill()
        self.reached["killed"] += child.returncode != 0

    def undo(self, place, other):
        rows = place.registry.db.query("SELECT event_id FROM event ORDER BY pk DESC LIMIT 6")
        place.registry.undo(self.chance.choice([row["event_id"] for row in rows] or ["none"]))

    def finish(self) -> None:
        """Let all meet all: then all hold the same, and a refold changes nothing."""
        self.trail.append("finish")
        if "push" in self.meetings:
            self.send_all()
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
            if "push" not in self.meetings:  # else some bytes are at the remote only
                assert place.registry.verify().ok
        with place.registry._chain.first.store.write() as change:
            refold(change.connection)
        assert _shown(place) == first[1], "refold gives the same"
        for place in self.places:
            place.registry.close()

    def send_all(self) -> None:
        """Push from all to the remote; a clone shows the same then."""
        for _ in range(2):
            for place in self.places:
                self.exchange(place, place.registry.push)
                here = {
                    event_id for (event_id,) in rows(place.registry, "SELECT event_id FROM event")
                }
                assert here <= self.check_remote("origin"), "all is there"
        made = self.target("clone")
        Registry.clone(self.remotes["origin"], made).close()
        self.places.append(Place(made))


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
    passed = passed_here(place.registry)
    held = held_by_rules(after, passed) - held_by_rules(before, passed)
    lines = [each for each in found.differences if each.startswith("held: ")]
    assert len(lines) == len(held), (lines, held)
    if lost & made_here or by_rules.contested or held:
        assert found.conflict
    if found.conflict:
        contested = {name for name, unit in after.models.items() if unit.contested}
        assert by_rules.lost & made_here or contested or held
    aliases = {name for name, (was, _) in by_rules.aliases.items() if was}
    said = [each for each in found.differences if " wait on " not in each and each not in lines]
    said = [each for each in said if " waits on " not in each]
    where = re.compile(r".* (was (removed|restored) by .*|is .* now)")
    said = [each for each in said if not where.fullmatch(each)]
    if (
        by_rules.in_effect
        | by_rules.contested
        | by_rules.ambiguous
        | by_rules.other.keys()
        | aliases
        | by_rules.gates
    ):
        assert said, by_rules
    registers = {name for name in met if is_alias(after.events[name])}
    if said and not registers and not after.ambiguous():
        different = by_rules.lost | by_rules.in_effect | by_rules.kept | by_rules.contested
        assert different or by_rules.other or by_rules.aliases, (said, by_rules)


def passed_here(registry):
    """Return the aliases whose gates were passed here, though not when they were set."""
    found = registry.db.execute(
        "SELECT p.name, g.name, g.alias, g.model, g.gate FROM gate_passed g "
        "JOIN project p ON p.pk = g.project"
    )
    return {tuple(row) for row in found}


def held_by_rules(view, passed):
    """Return the aliases that lead to no model, with the model and the gate."""
    found = set()
    for key, events in view.events.items():
        if is_alias(events):
            unit, line = view.units[key], (events[0].payload["project"], events[0].payload["name"])
            named = (*line, events[0].field, unit.value("alias"), unit.gate)
            if view.held(line, key) and named not in passed:
                found.add(named)
    return found


def check_references(registry, view, reached):
    """Check that each reference names what the rules say, or fails."""
    passed = passed_here(registry)
    held = held_by_rules(view, passed)

    def named(text):
        try:
            return registry.model(text).id
        except GateError:
            return "held"
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
        if is_alias(events):
            line = events[0].payload["project"], events[0].payload["name"]
            text = "/".join(each for each in line if each) + f"@{events[0].field}"
            unit = view.units[key]
            is_held = (*line, events[0].field, unit.value("alias"), unit.gate) in held
            expected = "held" if is_held else by_rules(view.alias, line, key)
            assert named(text) == expected, text
            reached["accepted"] += view.held(line, key) and not is_held
            reached["held"] += is_held


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
