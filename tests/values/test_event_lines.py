"""P18, P25: events come out of a bundle as they went in, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.errors import BundleError
from localreg.values.event_lines import event_line, read_events
from localreg.values.frozen import values
from localreg.values.records import LoggedEvent

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
COUNTS = st.integers(0, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)  # fmt: skip
EVENTS = st.builds(
    LoggedEvent,
    event_id=IDS, origin=IDS, seq=COUNTS, lamport=COUNTS, stamp=st.integers(0, 2**50),
    at=st.integers(-(2**50), 2**50), actor=NAMES, kind=st.just("model.tag"), v=COUNTS, subject=IDS,
    field=st.none() | NAMES, payload=st.dictionaries(TEXTS, JSON, max_size=3),
)  # fmt: skip
EVENT = LoggedEvent(
    "a" * 32, "b" * 32, 1, 2, 3, 4, "anna@laptop", "model.tag", 1, "c" * 32, "t", {}
)


@given(st.lists(EVENTS, max_size=5), st.integers(1, 50))
def test_events_come_back_however_the_bytes_are_cut(events, size):
    data = b"".join(map(event_line, events))
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert list(read_events(pieces, "events")) == events


@pytest.mark.parametrize(
    ("name", "value"),
    [("event_id", "A" * 32), ("event_id", "a" * 31), ("origin", 7), ("seq", -1), ("seq", True),
     ("lamport", 2**63), ("stamp", -1), ("stamp", 1.5), ("at", 10**18), ("actor", "a\0"),
     ("actor", "a" * 5_000), ("kind", "model"), ("kind", "model.tag\n"), ("v", "1"),
     ("subject", ""), ("field", ["a"]), ("field", "a\0b"), ("payload", []), ("payload", None),
     ("position", 7), ("remote", "d" * 32)],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_line_and_key(name, value):
    good = event_line(EVENT)
    bad = json.dumps(values(EVENT) | {name: value}).encode() + b"\n"
    with pytest.raises(BundleError, match=f"events, line 2: .*{name}"):
        list(read_events([good + bad], "events"))


@pytest.mark.parametrize(
    "line",
    [b"[]", b"7", b"null", b"{}", b"{", b"", b'{"event_id":"\\ud800"}', b"[" * 100_000,
     b"9" * 5_000, b"\xff", event_line(EVENT)[:-2]],
)  # fmt: skip
def test_what_is_no_event_is_an_error(line):
    with pytest.raises(BundleError, match="events, line 1"):
        list(read_events([line + b"\n"], "events"))


@pytest.mark.parametrize("payload", [b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\ud800"}'])
def test_what_no_database_holds_is_refused(payload):
    line = event_line(EVENT).replace(b'"payload":{}', b'"payload":' + payload)
    with pytest.raises(BundleError, match="holds what no event holds"):
        list(read_events([line], "events"))


def test_more_properties_are_ignored():
    line = json.dumps(values(EVENT) | {"more": 1}).encode() + b"\n"
    assert list(read_events([line], "events")) == [EVENT]


def test_a_line_without_its_end_is_cut_short():
    with pytest.raises(BundleError, match="cut short"):
        list(read_events([event_line(EVENT)[:-1]], "events"))
