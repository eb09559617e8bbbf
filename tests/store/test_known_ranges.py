"""What another registry lacks is found from one number and one digest for each origin."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.proofs import TIMES

from localreg.registry import open_registry
from localreg.store.events.arriving import take_in
from localreg.store.rows import logged_rows
from localreg.store.rows.known_ranges import held, known_ranges, lacking
from localreg.values.records import LoggedEvent

A, B = "a" * 32, "b" * 32


def event(origin, seq, n=0):
    """Return an event; `n` makes another one of the same number."""
    event_id = f"{origin[:1]}{seq:015x}{n:016x}"
    return LoggedEvent(
        event_id, origin, seq, seq + 1, 1, 1, "anna@host", "later.kind", 1, origin, None, {}
    )


@pytest.fixture
def holding(tmp_path):
    """Return a function that makes a registry with some events."""
    made = []

    def make(events):
        place = open_registry(tmp_path / str(len(made)), durability="fast")
        made.append(place)
        with place.store.write() as change:
            take_in(change, events, {})
        return place

    yield make
    for place in made:
        place.close()


def ranges(place):
    with place.store.read() as connection:
        return known_ranges(connection)


def missing(place, theirs):
    """Return the ids of what another registry lacks, in the order in which they came."""
    with place.store.read() as connection:
        return [each.event_id for each in lacking(connection, theirs)]


def test_a_range_ends_before_the_first_gap(holding):
    place = holding([event(A, n) for n in (1, 2, 3, 5, 6)])
    other = holding([event(A, n) for n in (3, 2, 1)])
    assert ranges(place)[A][0] == 3
    assert ranges(place)[A] == ranges(other)[A]


def test_what_is_beyond_the_range_is_lacking(holding):
    place = holding([event(A, n) for n in (1, 2, 3, 5)] + [event(B, 1)])
    other = holding([event(A, 1), event(A, 2)])
    assert missing(place, ranges(other)) == [
        each.event_id for each in (event(A, 3), event(A, 5), event(B, 1))
    ]
    # One digest does not say that the other registry has more: both events are sent.
    assert len(missing(other, ranges(place))) == 2


def test_nothing_is_lacking_in_a_registry_with_the_same(holding):
    events = [event(A, 1), event(A, 2), event(A, 2, 1), event(B, 1)]
    place, other = holding(events), holding(events[::-1])
    assert ranges(place)[A] == ranges(other)[A]
    assert missing(place, ranges(other)) == []


def test_two_events_of_one_number_send_all_of_the_origin(holding):
    place = holding([event(A, 1), event(A, 2), event(A, 2, 1), event(B, 1)])
    other = holding([event(A, 1), event(A, 2), event(B, 1)])
    everything = [event(A, 1), event(A, 2), event(A, 2, 1)]
    assert missing(place, ranges(other)) == [each.event_id for each in everything]
    assert missing(other, ranges(place)) == [each.event_id for each in everything[:2]]


def test_a_registry_without_events_lacks_all(holding):
    place, empty = holding([event(A, 2), event(B, 1)]), holding([])
    assert missing(place, ranges(empty)) == [event(A, 2).event_id, event(B, 1).event_id]
    assert missing(empty, ranges(place)) == []


def test_an_own_origin_without_events_is_in_no_way(holding):
    place = holding([event(A, 1)])
    with place.store.read() as connection:
        assert set(held(connection, {A: (7, "0" * 64), "f" * 32: (1, "0" * 64)})) == set()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15 * TIMES, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_that_another_registry_lacks_is_forgotten(tmp_path_factory, seed):
    chance = random.Random(seed)
    everything = [event(origin, seq, n) for origin in (A, B) for seq in range(1, 7) for n in (0, 1)]
    held_by = [chance.sample(everything, chance.randint(0, len(everything))) for _ in range(2)]
    folder = tmp_path_factory.mktemp("ranges")
    places = [open_registry(folder / str(n), durability="fast") for n in range(2)]
    for place, events in zip(places, held_by, strict=True):
        with place.store.write() as change:
            take_in(change, events, {})
    sent = missing(places[0], ranges(places[1]))
    lacked = {e.event_id for e in held_by[0]} - {e.event_id for e in held_by[1]}
    assert lacked <= set(sent)
    with places[0].store.read() as connection:
        came = [each.event_id for each in logged_rows.all_events(connection)]
    assert sent == [each for each in came if each in set(sent)]
    for place in places:
        place.close()
