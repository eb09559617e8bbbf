"""P31: what the rules say of remotes, shown with the small model."""

from __future__ import annotations

import itertools
import random

import pytest
from carry.rules_registry import RefusedError, alias_key
from carry.rules_remotes import ChangedError, Remote, clone, known, pull, push, pushing, reset
from carry.rules_world import World, check_remote

LINE = ("p", "m")


@pytest.fixture
def world():
    return World(random.Random(1), 0)


@pytest.fixture
def remote():
    return Remote("r")


@pytest.fixture
def two(world, remote):
    """Two registries that hold the same model p/m:1; the remote has it."""
    laptop = world.born("laptop")
    laptop.create_model(LINE, comment=None, task=None)
    push(laptop, remote)
    return laptop, clone(remote, world.born("server"))


def ids(remote):
    return [event.id for _, event in remote.rows()]


def first_model(registry):
    return next(iter(registry.view.models))


def check_same(remote, *registries):
    """Check that registries and a clone show the same, and that the remote has each event once."""
    check_remote(remote)
    for _ in range(2):
        for each in registries:
            push(each, remote)
    for each in registries:
        assert each.log.keys() == set(ids(remote))
        assert each.view.state() == registries[0].view.state()
        assert each.positions == registries[0].positions


@pytest.mark.parametrize("killed_after", range(6))
def test_a_push_that_is_killed_anywhere_is_finished_by_the_next_one(two, remote, killed_after):
    laptop, server = two
    mine = laptop.create_model(LINE)
    for _ in itertools.islice(pushing(laptop, remote), killed_after):
        pass
    push(laptop, remote)
    assert ids(remote).count(mine.id) == 1
    check_same(remote, laptop, server)


@pytest.mark.parametrize("seed", range(40))
def test_pushes_at_the_same_time_send_each_event_once(world, two, remote, seed):
    """Some of them from one registry; replies are lost, and events are made in between."""
    chance = random.Random(seed)
    steps = []
    for number in range(6):
        registry = two[number % 2]
        registry.create_model(LINE)
        steps.append(pushing(registry, remote, lost=chance.randrange(3)))
    while steps:
        each = chance.choice(steps)
        if next(each, None) is None or chance.random() < 0.05:
            steps.remove(each)
        if chance.random() < 0.2:
            chance.choice(two).set(
                "model.changed",
                first_model(two[0]),
                "comment",
                str(len(ids(remote)) + chance.random()),
            )
        check_remote(remote)
    check_same(remote, *two)


def test_of_writers_that_race_for_an_alias_one_wins(world, two, remote):
    laptop, server = two
    models = [each.create_model(LINE).subject for each in two]
    events = [each.set_alias(LINE, "prod", model) for each, model in zip(two, models, strict=True)]
    push(server, remote)
    push(laptop, remote)
    check_same(remote, laptop, server)
    assert [laptop.view.outcome(each) for each in events] == ["lost", None]
    assert laptop.view.alias(LINE, alias_key(LINE, "prod")) == models[1]


def test_force_replaces_what_won(two, remote):
    laptop, server = two
    model = first_model(laptop)
    server.set("model.changed", model, "comment", "theirs")
    push(server, remote)
    mine = laptop.set("model.changed", model, "comment", "mine")
    push(laptop, remote, force=True)
    check_same(remote, laptop, server)
    assert server.unit(model).value("comment") == "mine"
    assert server.view.outcome(mine) == "lost", "it stays in the history"


def test_what_came_by_stick_reaches_the_remote_and_every_clone(world, two, remote):
    """The third machine never sees the remote."""
    laptop, server = two
    third = world.born("third")
    made = third.create_model(("q", "m"))
    laptop.take_in(third.bundle({made.subject}))
    laptop.take_in(third.bundle({made.subject}))
    push(laptop, remote)
    server.take_in(third.bundle())
    check_same(remote, laptop, server)
    assert made.subject in clone(remote, world.born("clone")).view.models


def test_a_mirror_gets_everything_and_orders_nothing(world, two, remote):
    laptop, server = two
    mirror = Remote("mirror")
    model = first_model(laptop)
    laptop.set("model.changed", model, "comment", "laptop")
    push(laptop, mirror)
    server.set("model.changed", model, "comment", "server")
    push(server, remote)
    push(laptop, remote)
    push(laptop, mirror)
    push(server, mirror)
    check_remote(mirror)
    assert set(ids(mirror)) == set(ids(remote))
    assert laptop.unit(model).value("comment") == "server", "as the first remote orders it"
    other = clone(mirror, world.born("clone of the mirror"))
    assert other.unit(model).value("comment") == "laptop"
    with pytest.raises(RefusedError):
        other.merge(laptop)


def test_a_restored_remote_is_refused_until_it_is_reset_and_then_gets_what_it_lacks(two, remote):
    laptop, server = two
    mine = laptop.create_model(LINE)
    push(laptop, remote)
    remote.restore(1)
    push(server, remote)  # was not further than this
    server.create_model(LINE)
    push(server, remote)
    before = laptop.view.state()
    for call in (pull, push):
        with pytest.raises(ChangedError):
            call(laptop, remote)
    assert laptop.view.state() == before
    with pytest.raises(RefusedError):  # one of them has places that are not those of the remote
        server.merge(laptop)
    reset(laptop, remote)
    assert mine.id not in ids(remote)
    check_same(remote, laptop, server)
    server.merge(laptop)


def test_a_restored_remote_is_seen_also_if_it_ends_with_the_same_event_again(world, two, remote):
    """The event f is new, and all that was lost was sent again to the same commits."""
    laptop, server = two
    other = clone(remote, world.born("other"))
    for each in (laptop, server):
        each.create_model(LINE)
        push(each, remote)
    pull(other, remote)
    remote.restore(1)
    reset(laptop, remote)
    new = laptop.create_model(("q", "f"))
    push(laptop, remote)
    reset(server, remote)
    push(server, remote)
    place, event = remote.rows()[-1]
    assert known(other, remote).last == (place, event.id)
    with pytest.raises(ChangedError):
        pull(other, remote)
    reset(other, remote)
    assert new.id in other.log


def test_places_that_came_by_a_merge_are_not_believed_if_the_remote_lacks_them(two, remote):
    """Otherwise these events would never be sent again."""
    laptop, server = two
    mine = laptop.create_model(LINE)
    push(laptop, remote)
    server.merge(laptop)
    remote.restore(1)
    with pytest.raises(ChangedError):
        push(server, remote)
    reset(server, remote)
    push(server, remote)
    assert mine.id in ids(remote)
    reset(laptop, remote)
    check_same(remote, laptop, server)


def test_places_of_a_remote_that_is_gone_are_forgotten_by_a_reset(world, two, remote):
    """Also where they came by a merge, and the first remote of the registry is another one."""
    laptop, _ = two
    third = world.born("third")
    third.merge(laptop)
    remote.replace("new")
    push(third, remote)
    assert third.ordering == "r"
    reset(third, remote)
    reset(laptop, remote)
    check_same(remote, third, laptop)
    assert third.ordering == "new"
