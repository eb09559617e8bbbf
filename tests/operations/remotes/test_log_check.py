"""Each row of a remote is looked at: its place, its id, its content."""

from __future__ import annotations

import json

import pytest

from localreg.operations.remotes.log_check import RowCheck
from localreg.values.ids import new_id
from localreg.values.remote_format import COLUMNS, GC_BEGIN, GC_END, REPORTED

FIRST = "a" * 32


def row(position, n, **changed):
    values = {
        "position": position, "n": n, "event_id": new_id(), "origin": "0" * 32,
        "origin_name": "laptop", "seq": 1, "lamport": 1, "stamp": 1, "time": 1, "actor": "ann@pc",
        "kind": "project.created", "v": 1, "subject": "0" * 32, "field": None,
        "payload": '{"name":"vision"}',
    }  # fmt: skip
    values |= changed
    if values["kind"] == "project.created":
        values["subject"] = values["event_id"]
    return tuple(values[name] for name in COLUMNS)


def checked(*rows):
    check = RowCheck()
    return list(check.problems([list(rows[:2]), list(rows[2:])])), check


def test_a_sound_log_has_no_problems():
    """Versions without rows are of compactions."""
    problems, check = checked(row(1, 0), row(1, 1), row(2, 0), row(5, 0), row(5, 1), row(5, 2))
    assert problems == []
    assert (check.events, check.commits) == (6, 3)


FAULTS = {
    "a gap": (row(2, 2), "commit 2 has no row 1"),
    "twice one place": (row(2, 0), "commit 2 has row 0 twice"),
    "a commit without its first row": (row(3, 1), "commit 3 begins with row 1"),
    "no place": (row(None, 0), "no place"),
    "an id twice": (row(2, 1, event_id=FIRST), f"event {FIRST} is there twice, again in commit 2"),
    "no id": (row(2, 1, event_id="x"), "has no id"),
    "no JSON": (row(2, 1, payload="{"), "is not JSON"),
    "no text": (row(2, 1, payload=None), "is not JSON"),
    "no event": (row(2, 1, payload="{}"), "(in commit 2)"),
    "a strange time": (row(2, 1, time="now"), "(in commit 2)"),
    "a note without content": (row(2, 1, kind=GC_BEGIN, payload="[]"), "has no content"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_row_that_cannot_be_is_named(name):
    fault, text = FAULTS[name]
    problems, _ = checked(row(1, 0, event_id=FIRST), row(2, 0), fault)
    assert len(problems) == 1
    assert text in problems[0]


def test_collections_that_did_not_end_are_known():
    begun, ended = new_id(), new_id()
    digests = json.dumps({"digests": []})
    problems, check = checked(
        row(1, 0, event_id=begun, kind=GC_BEGIN, payload=digests),
        row(2, 0, event_id=ended, kind=GC_BEGIN, payload=digests),
        row(3, 0, kind=GC_END, payload=json.dumps({"begin": ended})),
        row(4, 0, kind=GC_END, payload=json.dumps({"begin": [begun]})),
    )
    assert problems == []
    assert check.collections == {begun}
    assert check.events == 0


def test_the_newest_reports_of_an_owner_count():
    def note(owner, digest):
        return {
            "kind": REPORTED, "subject": owner, "field": "model",
            "payload": json.dumps({"digest": digest, "size": 5}),
        }  # fmt: skip

    one, other = new_id(), new_id()
    _, check = checked(
        row(1, 0, **note(one, "a" * 64)),
        row(1, 1, **note(other, "b" * 64)),
        row(2, 0, **note(one, "c" * 64)),
    )
    assert check.reports == {"c" * 64: 5, "b" * 64: 5}
