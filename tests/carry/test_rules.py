"""P31, P44: the rules by which registries meet hold for random registries of the small model."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from carry.rules_model import AmbiguousError, MissingError
from carry.rules_registry import RefusedError, alias_key
from carry.rules_remotes import Remote, pull, push
from carry.rules_world import HARD, OPERATIONS, World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.proofs import TIMES

LINE = ("p", "m")
OFTEN = {
    "add": 4, "change": 4, "alias": 3, "weights": 4, "publish": 2, "merge": 3, "run_task": 3,
    "push": 2, "begin_push": 2, "go_on": 4, "protect": 3, "protect_meanwhile": 2, "sign": 2,
}  # fmt: skip


class Meetings(RuleBasedStateMachine):
    """Random operations, chosen by hypothesis; everything is checked after each one."""

    world = None

    @initialize(chance=st.randoms(use_true_random=False), count=st.integers(2, 5))
    def begin(self, chance, count):
        self.world = World(chance, count)

    @rule(name=st.sampled_from(OPERATIONS))
    def step(self, name):
        self.world.step(name)

    @invariant()
    def check(self):
        if self.world is not None:
            self.world.check()

    def teardown(self):
        if self.world is not None:
            self.world.finish()


TestMeetings = Meetings.TestCase
TestMeetings.settings = settings(settings.default, stateful_step_count=40)


@pytest.mark.long
def test_long_random_runs_reach_all_hard_cases():
    first = 0 if TIMES == 1 else random.SystemRandom().randrange(10**9)
    names = [name for name in OPERATIONS for _ in range(OFTEN.get(name, 1))]
    reached: Counter[str] = Counter()
    for seed in range(first, first + 80 * TIMES):
        chance = random.Random(seed)
        world = World(chance, chance.randrange(2, 6))
        trail = []
        try:
            for _ in range(60):
                trail.append(chance.choice(names))
                world.step(trail[-1])
                world.check()
            world.finish()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {trail}") from error
        reached += world.reached
    print(dict(reached))
    assert not [each for each in (*HARD, "sent less", *OPERATIONS) if not reached[each]]


@pytest.fixture
def world():
    return World(random.Random(1), 0)


@pytest.fixture
def two(world):
    """Two registries that hold the same model p/m:1, with weights, a tag and metadata."""
    laptop = world.born("laptop")
    laptop.create_model(
        LINE, tags=["a"], metadata={"k": ["1", "int"]}, digest="d1", comment=None, task=None
    )
    server = world.born("server")
    server.merge(laptop)
    return laptop, server


def meet(*registries):
    for a in registries:
        for b in registries:
            a.merge(b)
    assert all(a.view.state() == registries[0].view.state() for a in registries)
    return registries[0].view


def first_model(registry):
    return next(iter(registry.view.models))


def outcomes(view, *events):
    return [view.outcome(each) for each in events]


def test_of_two_writes_that_did_not_see_each_other_the_first_in_order_wins(two):
    laptop, server = two
    model = first_model(laptop)
    mine = laptop.set("model.metadata", model, "k", ["2", "int"])
    theirs = server.set("model.metadata", model, "k", ["3", "int"])
    view = meet(laptop, server)
    assert sorted(map(str, outcomes(view, mine, theirs))) == ["None", "lost"]
    lost = mine if view.outcome(mine) else theirs
    late = server.set("model.metadata", model, "k", lost.payload["new"])
    assert meet(laptop, server).outcome(late) is None


def test_two_writes_of_one_value_are_the_same_and_either_can_be_replaced(two):
    model = first_model(two[0])
    both = [each.set("model.metadata", model, "k", ["2", "int"]) for each in two]
    for number in (0, 1):
        copies = [each.copy("copy") for each in two]
        after = copies[number].set("model.metadata", model, "k", ["3", "int"])
        view = meet(*copies)
        assert sorted(map(str, outcomes(view, *both))) == ["None", "same"]
        assert view.outcome(after) is None


def test_a_value_that_was_changed_and_changed_back_is_not_the_same_write(two):
    """Comparing values would let the write of the server take effect unseen."""
    laptop, server = two
    model = first_model(laptop)
    for value in ("2", "1"):
        laptop.set("model.metadata", model, "k", [value, "int"])
    for _ in range(3):  # so that the server's write is last in order
        server.create_model(("q", "other"))
    theirs = server.set("model.metadata", model, "k", ["9", "int"])
    assert meet(laptop, server).outcome(theirs) == "lost"


def test_two_models_of_one_number_are_ambiguous_until_one_is_renumbered(two):
    laptop, server = two
    mine, theirs = (each.create_model(LINE) for each in two)
    assert laptop.view.resolve(LINE, 2) == mine.subject
    view = meet(laptop, server)
    with pytest.raises(AmbiguousError) as caught:
        view.resolve(LINE, 2)
    assert set(caught.value.claimants) == {mine.subject, theirs.subject}
    assert view.latest(LINE) == caught.value.claimants[1]
    names = {laptop.origin: "laptop", server.origin: "server"}
    assert view.resolve(LINE, 2, "laptop", names) == mine.subject
    assert view.resolve(LINE, 2, theirs.id) == theirs.subject
    server.remove(theirs.subject)
    with pytest.raises(AmbiguousError):
        meet(laptop, server).resolve(LINE, 2)
    server.remove(theirs.subject, restore=True)
    meet(laptop, server)
    for each in two:
        each.settle(*LINE, 2)
    view = meet(laptop, server)
    assert [view.resolve(LINE, number) for number in (2, 3)] == caught.value.claimants
    assert view.next_number(LINE) == 4


def test_a_number_is_never_given_again_also_after_removal_move_and_renumbering(two):
    laptop, _ = two
    model = first_model(laptop)
    laptop.renumber(model, 7)
    with pytest.raises(RefusedError):
        laptop.renumber(model, 1)
    laptop.remove(model)
    assert laptop.create_model(LINE).payload["version"] == 8
    with pytest.raises(MissingError):
        laptop.view.resolve(LINE, 7)
    with pytest.raises(MissingError):
        laptop.view.resolve(LINE, 1)


def test_a_model_claims_the_number_where_it_is_though_another_registry_gave_it_up(two):
    laptop, server = two
    model = first_model(laptop)
    laptop.remove(model)
    server.merge(laptop)
    laptop.release(model, *LINE, 1)
    server.remove(model, restore=True)
    assert meet(laptop, server).resolve(LINE, 1) == model


def test_an_alias_names_no_model_that_moved_away_or_is_removed(two):
    laptop, server = two
    model = first_model(laptop)
    key = alias_key(LINE, "prod")
    laptop.set_alias(LINE, "prod", model)
    server.move(model, ("q", "m"))
    view = meet(laptop, server)
    assert view.alias(LINE, key) is None
    late = laptop.create_model(LINE)
    laptop.set_alias(LINE, "prod", late.subject)
    assert meet(laptop, server).alias(LINE, key) == late.subject


def test_a_tag_that_was_added_again_elsewhere_survives_a_drop(two):
    laptop, server = two
    model = first_model(laptop)
    server.tag("model.tag", model, "a", False)
    server.tag("model.tag", model, "a", True)
    for _ in range(3):  # so that the laptop's drop is last in order
        laptop.create_model(("q", "other"))
    laptop.tag("model.tag", model, "a", False)
    assert ("a", False) in meet(laptop, server).units[model].tags
    laptop.tag("model.tag", model, "a", False)
    assert ("a", False) not in meet(laptop, server).units[model].tags


def test_weights_that_lost_are_kept(two):
    laptop, server = two
    model = first_model(laptop)
    added = [
        each.add_weights(model, digest) for each, digest in zip(two, ("d2", "d3"), strict=True)
    ]
    view = meet(laptop, server)
    assert sorted(map(str, outcomes(view, *added))) == ["None", "kept"]
    assert view.units[model].revisions == {model, added[0].id, added[1].id}
    assert view.outcome(next(e for e in added if e.id == view.units[model].value("served"))) is None


@pytest.mark.parametrize("late", [0, 1])
def test_publishing_wins_over_a_drop_in_both_orders(two, late):
    laptop, server = two
    model = first_model(laptop)
    laptop.add_weights(model, "d2")
    meet(laptop, server)
    two[late].create_model(("q", "other"))  # what this one writes is later in order
    laptop.drop_weights(model, model)
    server.choose_weights(model, model)
    server.publish(model)
    unit = meet(laptop, server).units[model]
    assert unit.value("served") == model
    assert unit.value(f"bytes {model}") == "d1"
    assert model in unit.revisions


def test_publications_that_differ_are_contested_until_somebody_publishes_again(two):
    laptop, server = two
    model = first_model(laptop)
    server.add_weights(model, "d2")
    for each in two:
        each.publish(model)
    unit = meet(laptop, server).units[model]
    assert unit.contested
    laptop.publish(model)
    unit = meet(laptop, server).units[model]
    assert not unit.contested
    assert not server.unit(model).contested


def test_publications_of_the_same_are_one(two):
    laptop, server = two
    model = first_model(laptop)
    both = [each.publish(model) for each in two]
    view = meet(laptop, server)
    assert not view.units[model].contested
    assert sorted(map(str, outcomes(view, *both))) == ["None", "same"]


def test_what_a_looker_concluded_gives_way_to_the_real_end(two):
    laptop, server = two
    task = laptop.create_task("train").subject
    server.merge(laptop)
    for late in (laptop, server):
        late.create_model(("q", "other"))
        copies = laptop.copy("a"), server.copy("b")
        copies[0].set_state(task, "completed", 5, False)
        copies[1].set_state(task, "aborted", 4, True)
        assert meet(*copies).units[task].value("state")["status"] == "completed"


def test_only_the_last_of_removals_counts_and_changes_wait(two):
    laptop, server = two
    model = first_model(laptop)
    laptop.remove(model)
    server.create_model(("q", "other"))
    change = server.set("model.changed", model, "comment", "x")
    assert laptop.merge(server).waiting == {change.id}
    laptop.remove(model, restore=True)
    assert laptop.unit(model).value("comment") == "x"


def test_merge_reports_what_is_different(two):
    laptop, server = two
    model = first_model(laptop)
    server.create_model(("q", "other"))
    mine = laptop.set_alias(LINE, "prod", model)
    theirs = server.set_alias(LINE, "prod", server.create_model(LINE).subject)
    found = server.merge(laptop)
    assert found.came == 1
    assert found.lost == {theirs.id}
    assert found.aliases == {mine.subject: (theirs.payload["new"], model)}
    laptop.create_model(LINE)
    assert laptop.merge(server).ambiguous == {(*LINE, 2)}


def test_an_event_that_lost_takes_effect_when_the_remote_orders_it_first(two):
    laptop, server = two
    model = first_model(laptop)
    remote = Remote("r")
    push(laptop, remote)
    first = laptop.set("model.changed", model, "comment", "first")
    server.create_model(("q", "other"))
    late = server.set("model.changed", model, "comment", "late")
    assert laptop.merge(server).lost == {late.id}
    push(server, remote)
    found = pull(laptop, remote)
    assert (found.lost, found.in_effect) == ({first.id}, {late.id})
    push(laptop, remote)
    pull(server, remote)
    assert laptop.view.state() == server.view.state()


def test_times_order_nothing(two):
    laptop, server = two
    model = first_model(laptop)
    laptop.wrong_by, server.wrong_by = 1_000, 0
    first = laptop.set("model.changed", model, "comment", "first")
    server.create_model(("q", "other"))
    late = server.set("model.changed", model, "comment", "late")
    assert late.at < first.at
    assert outcomes(meet(laptop, server), first, late) == [None, "lost"]


def test_events_after_a_lost_reply_are_pushed_once(two):
    laptop, _ = two
    remote = Remote("r")
    push(laptop, remote, reply=False)
    laptop.create_model(LINE)
    push(laptop, remote)
    assert [event.id for _, event in remote.rows()] == list(laptop.log)


def test_registries_that_two_remotes_order_do_not_merge(two):
    laptop, server = two
    push(laptop, Remote("r"))
    push(server, Remote("s"))
    with pytest.raises(RefusedError):
        laptop.merge(server)
    event = server.create_model(LINE)
    laptop.take_in(server.bundle({event.subject}))
    assert event.id in laptop.log


def test_a_copy_that_went_on_is_sent_whole_and_gets_another_origin(two):
    laptop, server = two
    server.merge(laptop)
    copy = laptop.copy("copy")
    laptop.create_model(LINE)
    event = copy.create_model(LINE)
    assert copy.bundle().ranges.keys() == laptop.bundle().ranges.keys()
    assert event in copy.beyond(laptop.bundle().ranges)
    origin = laptop.origin
    laptop.merge(copy)
    assert laptop.origin != origin


def test_a_bundle_that_leaves_out_what_is_lacking_here_is_refused(two, world):
    laptop, _ = two
    event = list(laptop.log.values())[-1]
    laptop.set("model.changed", first_model(laptop), "comment", "x")
    bundle = laptop.bundle(events=laptop.after(event))
    with pytest.raises(RefusedError):
        world.born("empty").take_in(bundle)


def test_a_change_is_undone_until_it_was_replaced(two):
    laptop, server = two
    model = first_model(laptop)
    change = laptop.set("model.changed", model, "comment", "x")
    server.merge(laptop)
    laptop.undo(change)
    assert laptop.unit(model).value("comment") is None
    with pytest.raises(RefusedError):
        laptop.undo(change)
    server.set("model.changed", model, "comment", "y")
    with pytest.raises(RefusedError):
        server.undo(change)
    tag = server.tag("model.tag", model, "b", True)
    server.undo(tag)
    assert ("b", False) not in server.unit(model).tags


def test_a_registry_shows_what_it_showed_at_a_time(two, world):
    laptop, server = two
    moments = []
    remote = Remote("r")
    for each in range(3):
        server.set("model.changed", first_model(server), "comment", str(each))
        laptop.set("model.changed", first_model(laptop), "comment", str(-each))
        laptop.merge(server)
        moments.append((world.clock, laptop.view.state()))
        push(server, remote)
        pull(laptop, remote)
        moments.append((world.clock, laptop.view.state()))
    for tick, state in moments:
        assert laptop.as_of(tick).state() == state


def test_projects_of_one_name_are_one(world):
    a, b = world.born("a"), world.born("b")
    made = [each.create_model(LINE) for each in (a, b)]
    view = meet(a, b)
    assert set(view.project_ids("p")) == {each.payload["project"]["id"] for each in made}
    assert set(view.claimants(LINE, 1)) == {each.subject for each in made}


def test_models_copied_in_twice_are_found_again(two, world):
    laptop, _ = two
    other = world.born("other")
    for _ in range(2):
        other.copy_in(laptop.bundle(), "mine")
    assert other.view.resolve(("mine", "m"), 1) != first_model(laptop)
    assert len(other.view.models) == 1
