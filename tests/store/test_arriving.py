"""Events of other registries are taken in: the same events give the same tables everywhere."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from contextlib import suppress
from itertools import count, permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.proofs import TIMES
from support.signed_models import record_gate, record_signature

from localreg.errors import EventConflictError, InvalidEventError, LocalregError
from localreg.operations.models import aliases, designs, edits, removal, revisions
from localreg.operations.models.importing import import_model
from localreg.operations.models.recording import describe
from localreg.operations.tasks import lifecycle
from localreg.registry import Chain, open_registry
from localreg.store.events import refolding
from localreg.store.events.arriving import take_in
from localreg.store.events.fold import KINDS
from localreg.store.events.model_fold import MODEL_COLUMNS
from localreg.store.events.shapes import _COLUMNS, _MODEL, _SHAPES, _WEIGHTS
from localreg.store.events.task_fold import TASK_COLUMNS
from localreg.store.rows import logged_rows, model_rows, remote_rows, report_rows, task_rows
from localreg.values.frozen import replace
from localreg.values.ids import alias_id, new_id
from localreg.values.records import LoggedEvent, ModelRecord, WeightsRecord

# What the events come to, without the keys that depend on the order of arrival.
STATE = {
    "model": "SELECT m.id, p.name, m.name, m.version, m.comment, m.framework, m.package, "
    "m.published, m.contested, m.archived, m.task, m.parent, m.created, m.updated, m.birth, "
    "m.stamp FROM model m JOIN project p ON p.pk = m.project",
    "project": "SELECT id, name, created FROM project",
    "project_id": "SELECT i.id, p.name FROM project_id i JOIN project p ON p.pk = i.project",
    "claim": "SELECT p.name, c.name, c.number, c.model, c.released FROM claim c "
    "JOIN project p ON p.pk = c.project",
    "tombstone": "SELECT t.id, p.name, t.name, t.version, t.stamp FROM tombstone t "
    "JOIN project p ON p.pk = t.project",
    "design": "SELECT m.id, d.config, d.labels FROM design d JOIN model m ON m.pk = d.model",
    "weights": "SELECT m.id, w.id, w.revision, w.url, b.digest, w.filename, w.pinned, w.kept, "
    "w.uploaded, w.current, w.package, w.tree, w.archive, w.archive_size, w.at FROM weights w "
    "JOIN model m ON m.pk = w.model LEFT JOIN blob b ON b.pk = w.blob",
    "signature": "SELECT m.id, s.id, s.digest, b.digest, b.size, s.signer, s.at FROM signature s "
    "JOIN model m ON m.pk = s.model JOIN blob b ON b.pk = s.blob",
    "alias": "SELECT p.name, a.name, a.alias, a.model, a.gate, a.override FROM alias a "
    "JOIN project p ON p.pk = a.project",
    "gate": "SELECT p.name, g.name, g.alias, g.conditions, g.event FROM gate g "
    "JOIN project p ON p.pk = g.project",
    "alias_event": "SELECT * FROM alias_event",
    "model_tag": "SELECT m.id, t.name, t.system, x.stamp, x.born FROM model_tag x "
    "JOIN model m ON m.pk = x.model JOIN tag t ON t.pk = x.tag",
    "addition": "SELECT a.subject, t.name, t.system, a.event FROM addition a "
    "JOIN tag t ON t.pk = a.tag",
    "metadata": "SELECT m.id, x.key, x.value, x.type FROM metadata x "
    "JOIN model m ON m.pk = x.model",
    "task": "SELECT t.id, p.name, t.name, t.type, t.status, t.reason, t.published, t.comment, "
    "t.parent, t.run, t.created, t.ended, t.updated, t.stamp FROM task t "
    "JOIN project p ON p.pk = t.project",
    "parameter": "SELECT t.id, x.section, x.name, x.value, x.type FROM parameter x "
    "JOIN task t ON t.pk = x.task",
    "task_tag": "SELECT t.id, g.name, x.born FROM task_tag x JOIN task t ON t.pk = x.task "
    "JOIN tag g ON g.pk = x.tag",
    "writer": "SELECT * FROM writer",
    "event": "SELECT event_id, outcome FROM event",
}  # fmt: skip
_folders = count()


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def state(place):
    """Return what the events of a registry come to, by table."""
    with place.store.read() as connection:
        return {name: sorted(connection.execute(sql), key=repr) for name, sql in STATE.items()}


def events(place, after=0):
    """Return the events of a registry, in the order of their arrival."""
    with place.store.read() as connection:
        return list(logged_rows.all_events(connection, after))


def origins(place):
    with place.store.read() as connection:
        return logged_rows.origins(connection)


def take(place, sent, names=None, **how):
    """Let events come to a registry."""
    with place.store.write() as change:
        return take_in(change, sent, names or {}, **how)


def merge(place, other):
    """Let all events of another registry come."""
    return take(place, events(other), origins(other))


def assert_refolds(place):
    """Check that folding all events again gives the same."""
    before = state(place)
    with place.store.write() as change:
        refolding.refold(change.connection)
    assert state(place) == before


@pytest.fixture
def places(tmp_path):
    """Return a function that opens registries."""
    opened = []

    def make(name=None):
        place = open_registry(tmp_path / (name or str(next(_folders))), durability="fast")
        opened.append(place)
        return place

    yield make
    for place in opened:
        place.close()


def model(place, name="net", project="vision", **facts):
    url = f"s3://bucket/{new_id()}.pt"
    return import_model(Chain(place), url, describe(name=name, project=project, **facts)).model


def record(place, kind, subject, payload, field=None):
    with place.store.write() as change:
        change.record(kind, subject, payload, field=field)
        return change.last_event


def ref(place, model_id):
    with place.store.read() as connection:
        row = model_rows.model_row(connection, model_id)
    return None if row is None else row.ref


@pytest.fixture
def pair(places):
    """Return two registries that have one model, and its id."""
    here, there = places("here"), places("there")
    made = model(here)
    merge(there, here)
    return here, there, made


def test_events_come_once(pair):
    here, there, _ = pair
    assert state(here) == state(there)
    again = merge(there, here)
    assert (again.events, again.folded, again.models, again.lines) == (0, False, (), ())
    assert state(here) == state(there)


def test_what_is_new_is_returned(places):
    here, there = places(), places()
    model(here, tags=["a"])
    task = lifecycle.create_task(here, name="train", project="vision")
    arrival = merge(there, here)
    assert arrival.events == len(events(here))
    assert (arrival.models, arrival.tasks) == (("vision/net:1",), (task,))
    assert arrival.folded
    assert arrival.differences == ()
    assert not arrival.conflict


def fetched(made, digest, **more):
    return {
        "revision": made, "old": None, "new": digest, "size": 1, "tree": False, "total": None,
        "archive": None, "archive_size": None, "filename": "a.pt",
    } | more  # fmt: skip


def test_events_keep_all_but_their_arrival(pair):
    here, there, _ = pair
    sent, came = events(here), events(there)
    assert sorted(sent, key=lambda each: each.event_id) == sorted(
        came, key=lambda each: each.event_id
    )
    with there.store.read() as connection:
        assert connection.execute(
            "SELECT count(*) FROM event WHERE arrived IS NULL"
        ).fetchone() == (0,)
        assert set(logged_rows.origins(connection)) >= {each.origin for each in sent}


def test_the_next_local_event_stands_last(pair):
    here, there, made = pair
    edits.set_comment(there, made, "a")
    last = events(there)[-1]
    assert last.lamport > max(each.lamport for each in events(here))
    with there.store.write() as change:
        take_in(change, [replace(e, lamport=e.lamport + 1_000) for e in ()], {})
        change.record("model.changed", made, {"old": "a", "new": "b"}, field="comment")
    assert events(there)[-1].lamport == last.lamport + 1


def test_an_event_recorded_after_an_arrival_in_one_transaction_stands_last(pair):
    here, there, made = pair
    for text in "abc":
        edits.set_comment(here, made, text)
    with there.store.write() as change:
        change.record("model.changed", made, {"old": None, "new": "x"}, field="framework")
        take_in(change, events(here), origins(here))
        change.record("model.changed", made, {"old": None, "new": "y"}, field="framework")
    own = [each for each in events(there) if each.origin == own_origin(there)]
    assert own[-1].lamport > max(each.lamport for each in events(here))
    assert own[-1].stamp > max(each.stamp for each in events(here))
    assert_refolds(there)


def own_origin(place):
    with place.store.read() as connection:
        return connection.execute("SELECT value FROM setting WHERE name = 'origin'").fetchone()[0]


# Differences


def test_a_lost_change_is_named_with_both_sides(pair):
    here, there, made = pair
    edits.set_comment(there, made, "theirs")
    edits.set_metadata(here, made, "k", 1)
    edits.set_comment(here, made, "mine")  # so this one is later
    arrival = merge(here, there)
    (lost,) = arrival.differences
    assert (lost.side.value, lost.side.own) == ("'mine'", True)
    assert (lost.winner.value, lost.winner.own) == ("'theirs'", False)
    assert lost.line.startswith("lost: vision/net:1 comment → 'mine' (")
    assert f"{lost.side.event_id[:8]}): it is 'theirs' by " in lost.line
    assert arrival.conflict
    other = merge(there, here)
    assert other.lines == arrival.lines
    assert not other.conflict  # no change of that registry lost
    assert state(here) == state(there)
    assert merge(here, there).lines == ()
    metadata = next(each for each in events(here) if each.kind == "model.metadata")
    assert state(here)["model"][0][-1] == metadata.stamp  # the last change in effect


def test_a_moved_alias_is_named(pair):
    here, there, made = pair
    other = model(here)
    aliases.set_alias(Chain(here), made, "prod")
    merge(there, here)
    aliases.set_alias(Chain(here), other, "prod")
    arrival = merge(there, here)
    assert "vision/net@prod: vision/net:1 → vision/net:2" in arrival.lines
    aliases.remove_alias(here, other, "prod")
    assert merge(there, here).lines == ("vision/net@prod: vision/net:2 → none",)
    assert state(here) == state(there)


def test_an_alias_that_lost_names_what_it_points_to(pair):
    here, there, made = pair
    other = model(there)
    merge(here, there)
    aliases.set_alias(Chain(here), made, "prod")
    aliases.set_alias(Chain(there), other, "prod")
    lines = merge(here, there).lines + merge(there, here).lines
    (lost, *_) = [line for line in lines if line.startswith("lost")]
    assert lost.startswith("lost: vision/net@prod → vision/net:")
    assert "it is vision/net:" in lost
    assert state(here) == state(there)  # also when the models changed


def test_a_lost_change_that_was_made_again_is_not_named(pair):
    here, there, made = pair
    other = model(there)
    merge(here, there)
    aliases.set_alias(Chain(here), made, "prod")
    edits.set_comment(there, made, "x")
    aliases.set_alias(Chain(there), other, "prod")  # later: it loses
    merge(there, here)
    aliases.set_alias(Chain(there), other, "prod")  # now it knows the other one
    arrival = merge(here, there)
    assert arrival.lines == ("vision/net@prod: vision/net:1 → vision/net:2",)
    assert not arrival.conflict


def test_an_alias_of_a_model_that_went_away_names_none(pair):
    here, there, made = pair
    other = model(here, name="other")
    aliases.set_alias(Chain(here), made, "prod")
    aliases.set_alias(Chain(here), other, "prod")
    aliases.set_alias(Chain(here), made, "free")
    merge(there, here)
    # As on an older machine: without dropping the aliases of the model first.
    record(there, "model.removed", made, {})
    new = line(1, "third")
    record(there, "model.moved", other, {"old": line(1, "other"), "new": new})
    arrival = merge(here, there)
    removed, *rest = sorted(arrival.lines)
    assert removed.startswith("vision/net:1 was removed by ")
    assert removed.endswith(f"; `localreg restore {made[:8]}` brings it back")
    assert rest == [
        "vision/net@free: vision/net:1 → none",
        "vision/net@prod: vision/net:1 → none",
        "vision/other:1 is vision/third:1 now",
        "vision/other@prod: vision/other:1 → none",
    ]
    assert not arrival.conflict


def test_an_alias_of_a_model_that_comes_too_names_it(pair):
    here, there, made = pair
    aliases.set_alias(Chain(here), made, "prod")
    merge(there, here)
    other = model(there)
    aliases.set_alias(Chain(there), other, "prod")
    sent = sorted(events(there), key=lambda each: each.kind != "alias.set")
    arrival = take(here, sent, origins(there))
    assert arrival.lines == ("vision/net@prod: vision/net:1 → vision/net:2",)


def test_a_gate_comes_before_after_or_without_its_alias(places):
    """An alias may have a gate and point to nothing, and the other way round."""
    here = places()
    made = model(here)
    gate = record_gate(here, ("vision", "net"), "prod", ["signed", "accuracy>=0.9"])
    record_gate(here, ("vision", "net"), "alone", ["scanned"])
    aliases.set_alias(Chain(here), made, "free")
    payload = {"project": "vision", "name": "net", "old": None, "new": made, "gate": gate}
    record(here, "alias.set", alias_id("vision", "net", "prod"), payload, "prod")
    sent, whole = events(here), state(here)
    assert len(whole["gate"]) == len(whole["alias"]) == 2
    for order in (sent, sent[::-1]):
        there = places()
        take(there, order, origins(here))
        assert state(there) == whole
        apart = places()
        for event in order:
            take(apart, [event], origins(here))
        assert state(apart) == whole
        assert_refolds(apart)


def test_gates_that_two_set_are_a_conflict_and_the_same_everywhere(pair):
    here, there, made = pair
    record_gate(here, ("vision", "net"), "prod", ["signed"])
    merge(there, here)
    first = record_gate(there, ("vision", "net"), "prod", ["scanned"])
    record(here, "future.change", made, {})  # so that what follows stands later in the order
    others = [
        record_gate(here, ("vision", "net"), "prod", conditions)
        for conditions in (["signed", "published"], None)
    ]
    arrivals = merge(here, there), merge(there, here)
    assert state(here) == state(there)
    assert state(here)["gate"] == [("vision", "net", "prod", '["scanned"]', first)]
    (who,) = {each.actor for each in events(here)}
    lost = [
        f"lost: vision/net@prod gate → {text} ({who}, {event[:8]}): it is scanned by {who}, "
        f"{first[:8]}"
        for text, event in zip(["signed, published", "none"], others, strict=True)
    ]
    assert arrivals[0].lines == (*lost,)
    assert arrivals[1].lines == (*lost,)
    assert [each.conflict for each in arrivals] == [True, False]
    record_gate(there, ("vision", "net"), "prod", None)
    assert merge(here, there).lines == ("vision/net@prod gate: scanned → none",)


def test_a_gate_of_any_length_is_said_in_a_line(pair):
    here, there, _ = pair
    record_gate(here, ("vision", "net"), "prod", ["signed"])
    merge(there, here)
    record_gate(there, ("vision", "net"), "prod", [f"{n}{'x' * 300}>=1" for n in range(100_000)])
    (line,) = merge(here, there).lines
    assert line.startswith("vision/net@prod gate: signed → ")
    assert line.endswith(" and 99,990 more")
    assert len(line) < 3_000


def test_a_gate_of_an_alias_that_moved_meanwhile_is_no_conflict(pair):
    """The gate and the target of an alias are apart; who reads the alias compares them."""
    here, there, made = pair
    gate = record_gate(here, ("vision", "net"), "prod", ["signed"])
    aliases.set_alias(Chain(there), made, "prod")
    for arrival in (merge(here, there), merge(there, here)):
        assert (arrival.lines, arrival.conflict) == ((), False)
    assert state(here) == state(there)
    assert state(here)["alias"] == [("vision", "net", "prod", made, None, None)]
    assert state(here)["gate"] == [("vision", "net", "prod", '["signed"]', gate)]
    assert_refolds(here)


def test_signatures_come_each_by_itself(pair):
    """Two keys, two machines, the same file twice: nothing of that is a conflict."""
    here, there, made = pair
    names = {
        record_signature(place, made, data, digest="d" * 64)
        for place, data in ((here, b"one"), (there, b"two"), (there, b"both"), (here, b"both"))
    }
    merge(here, there)
    assert {row[3] for row in state(here)["signature"]} == names
    assert merge(there, here).lines == ()
    assert state(here) == state(there)
    assert [row[3] for row in state(here)["signature"]].count(digest_of(b"both")) == 2
    assert_refolds(here)


def test_a_signature_that_comes_before_its_model_waits_for_it(places):
    here, there = places(), places()
    made = model(here)
    record_signature(here, made, b"one", digest="d" * 64)
    *rest, last = events(here)
    take(there, [last], origins(here))
    assert state(there)["signature"] == []
    take(there, rest, origins(here))
    assert state(there) == state(here)


def test_a_number_that_two_gave_is_ambiguous(pair):
    here, there, _ = pair
    mine, theirs = model(here), model(there)
    arrival = merge(here, there)
    (line,) = arrival.lines
    assert line.startswith("vision/net:2 is ambiguous: ")
    assert mine[:8] in line
    assert theirs[:8] in line
    assert not arrival.conflict
    assert merge(here, there).lines == ()
    assert merge(there, here).lines == (line,)


def test_a_number_that_another_model_has_now_is_named(pair):
    here, there, _ = pair
    mine, theirs = model(here), model(there)
    line = {"project": {"id": "a" * 32, "name": "vision"}, "name": "net"}
    record(
        there, "model.renumbered", theirs,
        {"old": line | {"version": 2}, "new": line | {"version": 7}},
    )  # fmt: skip
    arrival = merge(there, here)
    assert arrival.lines == ()
    other = model(there)  # number 8
    record(
        there, "model.renumbered", mine,
        {"old": line | {"version": 2}, "new": line | {"version": 9}},
    )  # fmt: skip
    record(
        there, "model.renumbered", other,
        {"old": line | {"version": 8}, "new": line | {"version": 2}},
    )  # fmt: skip
    moved, line = merge(here, there).lines
    assert moved == "vision/net:2 is vision/net:9 now"
    assert line.startswith(f"vision/net:2 was {mine[:8]}")
    assert f"is {other[:8]}" in line
    assert "renumbered by" in line


def weights_added(place, made):
    payload = WeightsRecord(revision=2, url=f"s3://bucket/{new_id()}.pt").payload()
    return record(place, "model.weights_added", made, {"old": None, "new": payload})


def test_weights_that_two_added_are_kept(pair):
    here, there, made = pair
    weights_added(here, made)
    weights_added(there, made)
    lines = [*merge(here, there).lines, *merge(there, here).lines]
    assert any(line.startswith("weights kept, not served: vision/net:1") for line in lines)
    assert state(here) == state(there)
    with here.store.read() as connection:
        assert len(model_rows.weights(connection, made)) == 3


def test_two_publications_contest_a_model(pair):
    here, there, made = pair
    designs.set_design(here, made, config_text="a = 1") if hasattr(designs, "set_design") else None
    record(here, "model.design", made, {"old": None, "new": {"config": "a", "labels": {}}})
    edits.publish(here, made)
    edits.publish(there, made)
    arrival = merge(here, there)
    assert arrival.conflict
    assert any(line.startswith("contested: vision/net:1 was published") for line in arrival.lines)
    merge(there, here)
    assert state(here) == state(there)
    edits.publish(here, made)  # says which one
    assert merge(there, here).lines == ()
    assert state(here) == state(there)


def test_changes_of_a_removed_model_wait(pair):
    here, there, made = pair
    edits.set_comment(here, made, "a")
    edits.set_tags(here, made, ["t"])
    removal.remove_model(there, made, delete_weights=False)
    assert merge(there, here).lines == ("2 changes wait on removed vision/net:1",)
    assert ref(there, made) is None
    removal.restore_model(Chain(there), made)
    assert ref(there, made) == "vision/net:1"
    merge(here, there)
    assert state(here) == state(there)


def test_changes_before_a_removal_that_comes_too_do_not_wait(pair):
    here, there, made = pair
    edits.set_comment(here, made, "a")
    removal.remove_model(here, made, delete_weights=False)
    (line,) = merge(there, here).lines
    assert line.startswith("vision/net:1 was removed by ")
    assert ref(there, made) is None
    removal.restore_model(Chain(here), made)
    (line,) = merge(there, here).lines
    assert line.startswith("vision/net:1 was restored by ")


def test_a_change_that_had_lost_takes_effect(places):
    # Its place in a remote's order is before that of the other one.
    here, there = places(), places()
    made = model(here)
    merge(there, here)
    edits.set_comment(here, made, "mine")
    edits.set_comment(there, made, "theirs")
    merge(here, there)
    (lost,) = [row for row in state(here)["event"] if row[1] == "lost"]
    ordered = sorted(events(here), key=lambda each: each.event_id == lost[0])
    moved = [each for each in ordered if each.lamport < 3] + [
        each for each in reversed(ordered) if each.lamport >= 3
    ]
    numbered = [
        replace(each, remote="e" * 32, position=number) for number, each in enumerate(moved)
    ]
    arrival = take(here, numbered)
    assert arrival.events == 0
    assert any(line.startswith("now in effect: vision/net:1 comment") for line in arrival.lines)
    assert any(line.startswith("lost: vision/net:1 comment") for line in arrival.lines)
    assert_refolds(here)


# Keys and reports


def test_a_model_that_is_folded_again_keeps_its_reports(pair):
    here, there, made = pair
    with there.store.write() as change:
        (pk,) = change.connection.execute("SELECT pk FROM model WHERE id = ?", (made,)).fetchone()
        report_rows.add_points(change.connection, "model", pk, "loss", "train", [(1, 0.5, 10**18)])
    before = reported(there)
    edits.set_comment(here, made, "a")
    merge(there, here)
    assert reported(there) == before
    assert ref(there, made) == "vision/net:1"


def reported(place):
    with place.store.read() as connection:
        return connection.execute(
            "SELECT m.id, m.pk, s.title, s.name, x.iteration, x.value FROM scalar x "
            "JOIN series s ON s.pk = x.series JOIN model m ON m.pk = s.model"
        ).fetchall()


def test_a_removed_model_comes_again(pair):
    here, there, made = pair
    removal.remove_model(here, made, delete_weights=False)
    merge(there, here)
    assert state(here) == state(there)
    assert ref(there, made) is None
    removal.restore_model(Chain(there), made)
    merge(here, there)
    assert state(here) == state(there)
    assert ref(here, made) == "vision/net:1"


def test_a_publication_brings_back_the_weights_that_it_names(pair):
    here, there, made = pair
    second = weights_added(here, made)
    merge(there, here)
    edits.set_comment(here, made, "later in order")
    record(here, "model.weights_chosen", made, {"old": None, "new": {"revision": made}})
    edits.publish(here, made)  # the first weights
    record(there, "model.weights_dropped", made, {"revision": made})
    merge(here, there)
    merge(there, here)
    assert state(here) == state(there)
    with there.store.read() as connection:
        assert model_rows.current_weights(connection, made).id == made
        assert {each.id for each in model_rows.weights(connection, made)} == {made, second}


def test_a_publication_fixes_the_bytes_that_it_names(pair):
    here, there, made = pair
    record(there, "weights.fetched", made, fetched(made, "a" * 64))
    for text in "xyz":  # later in order
        edits.set_comment(here, made, text)
    record(here, "weights.fetched", made, fetched(made, "b" * 64, size=2, filename="b.pt"))
    edits.publish(here, made)
    merge(here, there)
    merge(there, here)
    assert state(here) == state(there)
    with there.store.read() as connection:
        found = model_rows.current_weights(connection, made)
    assert (found.digest, found.size, found.filename) == ("b" * 64, 2, "b.pt")


def test_a_project_of_two_ids_has_that_of_the_first_event(places):
    here, there = places(), places()
    model(here), model(there)
    merge(here, there), merge(there, here)
    assert state(here) == state(there)
    assert len(state(here)["project_id"]) == 2
    assert len(state(here)["project"]) == 2  # and "no project"


# Origins


def test_a_copy_gets_another_origin_when_it_meets_its_own(places, tmp_path):
    here = places("first")
    made = model(here)
    before = own_origin(here)
    here.close()
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    here, there = places("first"), places("second")
    edits.set_comment(here, made, "a")
    edits.set_comment(there, made, "b")
    arrival = merge(there, here)
    assert arrival.events == 1
    assert own_origin(there) != before
    assert own_origin(here) == before
    edits.set_comment(there, made, "c")
    assert events(there)[-1].origin == own_origin(there)
    merge(here, there)
    assert state(here) == state(there)


def test_the_name_of_an_origin_is_kept_if_it_can_be_shown(places):
    here = places()
    made = model(here)
    sent = events(here)
    for name, kept in [
        ("laptop", "laptop"),
        ("a\nb", sent[0].origin[:8]),
        ("", sent[0].origin[:8]),
    ]:
        there = places()
        take(there, sent, {sent[0].origin: name})
        assert origins(there)[sent[0].origin] == kept
    assert made


def test_a_registry_that_went_back_gets_another_origin(pair):
    # Its events after the backup are in another registry, and it numbers new ones again.
    here, there, made = pair
    before = own_origin(here)
    (last,) = events(here)[-1:]
    forgotten = replace(
        last, event_id=new_id(), kind="model.changed", field="comment", seq=last.seq + 1,
        lamport=last.lamport + 1, payload={"old": None, "new": "x", "was": made},
    )  # fmt: skip
    take(there, [forgotten])
    take(here, [replace(last)])  # it is here
    assert own_origin(here) == before
    merge(here, there)
    assert own_origin(here) != before
    assert state(here) == state(there)


def test_times_of_own_changes_in_the_same_transaction_do_not_hide_later_ones(pair):
    here, there, made = pair
    edits.set_comment(here, made, "a")
    *rest, last = events(here)
    later = replace(last, stamp=last.stamp + 10**12)
    with there.store.write() as change:
        change.record("model.changed", made, {"old": None, "new": "x"}, field="framework")
        take_in(change, [*rest, later], {})
    assert state(there)["model"][0][-1] == later.stamp
    assert_refolds(there)


# Numbers


def line(version, name="net"):
    return {"project": {"id": "a" * 32, "name": "vision"}, "name": name, "version": version}


def claims(place, made):
    """Return (name, number, released) of all claims of a model."""
    return [row[1:3] + row[4:5] for row in state(place)["claim"] if row[3] == made]


def test_a_model_that_is_restored_claims_its_number_again(pair):
    here, there, made = pair
    removal.remove_model(there, made, delete_weights=False)
    merge(here, there)
    edits_before = events(here)
    record(there, "model.released", made, line(1))
    assert claims(there, made) == [("net", 1, 1)]
    for text in "ab":
        model(here, name=text)  # so that the restoration is later
    removal.restore_model(Chain(here), made)
    assert len(events(here)) > len(edits_before)
    merge(here, there)
    merge(there, here)
    assert claims(here, made) == claims(there, made) == [("net", 1, 0)]
    assert state(here) == state(there)


def test_a_number_that_was_released_can_be_claimed_again(pair):
    here, there, made = pair
    record(here, "model.moved", made, {"old": line(1), "new": line(1, "other")})
    record(here, "model.released", made, line(1))
    assert claims(here, made) == [("net", 1, 1), ("other", 1, 0)]
    record(here, "model.moved", made, {"old": line(1, "other"), "new": line(1)})
    record(here, "model.moved", made, {"old": line(1), "new": line(1, "third")})
    assert ("net", 1, 0) in claims(here, made)
    merge(there, here)
    assert state(here) == state(there)
    assert_refolds(there)


# Hostile events


def test_the_same_id_with_other_content_takes_nothing(pair):
    here, there, made = pair
    edits.set_comment(here, made, "a")
    *_, last = events(here)
    fresh = new_event(last, field="framework")
    before = state(there)
    for changed in (
        replace(events(there)[-1], at=7),
        replace(events(there)[-1], payload=events(there)[-1].payload | {"comment": "x"}),
        replace(events(there)[-1], actor="else"),
    ):
        with pytest.raises(EventConflictError, match="other content") as caught:
            take(there, [fresh, changed])
        assert caught.value.event_id == changed.event_id
        assert changed.event_id in str(caught.value)
    with pytest.raises(EventConflictError):
        take(there, [fresh, replace(fresh, seq=99)])  # twice in one arrival
    assert state(there) == before


def new_event(like, **facts):
    return replace(like, event_id=new_id(), **facts)


FIELDS = {
    "event_id": ["", "x" * 32, "A" * 32, None, 7],
    "origin": ["", None, "g" * 32],
    "seq": [-1, 2**60 + 1, 1.0, True, None],
    "lamport": [-1, 2**60 + 1, 2**63, 2**64, "1"],
    "stamp": [-1, 2**60 + 1, None],
    "at": [2**60, -(2**60), None, 1.5],
    "actor": [None, 3, "a\0b", "x" * 5_000, "\ud800"],
    "kind": [None, "", "x" * 200, "no dot", "a.\n"],
    "v": [-1, 2**40, None, "1", True],
    "subject": ["", "../../etc/passwd", "0" * 31, None],
    "field": [7, "x" * 5_000, "a\0b", "\ud800"],
    "payload": [None, [], "text", 7, {"a": float("nan")}, {"a": "\ud800"}, {"a": b"x"}, {1: {2}}],
    "remote": ["x", 7],
    "position": [1, -1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, found in FIELDS.items() for value in found]
)
def test_an_event_with_a_wrong_value_takes_nothing(pair, name, value):
    here, there, made = pair
    edits.set_comment(here, made, "a")
    last = events(here)[-1]
    before = state(there)
    with pytest.raises(InvalidEventError) as caught:
        take(there, [new_event(last, field="framework"), replace(last, **{name: value})])
    if name != "event_id":
        assert last.event_id in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state(there) == before


def nested(levels):
    found = value = {}
    for _ in range(levels):
        value["a"] = {}
        value = value["a"]
    return found


@pytest.mark.parametrize("levels", [150, 500, 100_000])
def test_a_payload_that_is_too_deep_takes_nothing(pair, levels):
    here, there, made = pair
    last = events(here)[-1]
    with pytest.raises(InvalidEventError, match=r"levels|JSON"):
        take(there, [new_event(last, kind="model.later", payload=nested(levels), subject=made)])


@pytest.mark.parametrize("kind", ["model.later", "later.kind", "model.changed"])
def test_kinds_and_versions_of_a_newer_localreg_are_kept(pair, kind):
    here, there, made = pair
    v = 2 if kind == "model.changed" else 1
    last = events(here)[-1]
    unknown = new_event(last, kind=kind, v=v, subject=made, payload=nested(50), field=None)
    assert take(there, [unknown]).events == 1
    assert events(there)[-1] == unknown
    assert_refolds(there)


HERE = "c" * 32  # stands for the model or task


def test_newer_versions_of_all_kinds_do_no_harm(pair):
    here, there, made = pair
    second = weights_added(there, made)
    record(there, "model.weights_chosen", made, {"old": None, "new": {"revision": made}})
    record(there, "model.weights_dropped", made, {"revision": second})
    record(there, "weights.fetched", made, fetched(made, "a" * 64))
    other = events(here)
    edits.publish(there, made)
    last = events(there)[-1]
    task = lifecycle.create_task(there, name="train")
    for kind, _ in KINDS:
        subject = task if kind.startswith("task.") else made
        for about in (subject, new_id()):
            newer = new_event(last, kind=kind, v=2, subject=about, payload={}, field=None)
            take(there, [newer])
            if about != subject:  # it has the id of what it creates, and comes first
                take(there, [replace(newer, event_id=new_id(), subject=newer.event_id)])
                take(there, [new_event(newer, v=2)])
    assert other
    assert ref(there, made) == "vision/net:1"
    assert_refolds(there)


def sound_payloads():
    """Return a sound event of each kind, as (kind, field, payload)."""
    project = {"id": "b" * 32, "name": "vision"}
    line = {"project": project, "name": "net", "version": 4}
    design = {"config": "c", "labels": {"cat": 1}}
    digest = "d" * 64
    revision = WeightsRecord(revision=2, digest=digest, size=3, current=False).payload()
    artifact = {
        "digest": digest, "size": 1, "total": None, "filename": "a", "kind": "file", "details": {},
    }  # fmt: skip
    was = {"was": HERE}
    task = {
        "name": "t", "type": "training", "status": "created", "comment": None, "parent": None,
        "tags": ["a"], "run": {}, "project": project,
    }  # fmt: skip
    born = ModelRecord(
        id="0" * 32, name="net", version=1, labels={"a": 1}, metadata={}, tags=("t",),
        weights=(WeightsRecord(digest=digest, size=3),),
    )  # fmt: skip
    return [
        ("project.created", None, {"name": "other"}),
        ("model.created", None, born.payload()),
        ("model.removed", None, {}),
        ("model.restored", None, {}),
        ("model.changed", "comment", was | {"new": "x"}),
        ("model.published", None, design | {"digest": digest, "revision": HERE, "over": []}),
        ("model.moved", None, was | {"old": line, "new": line}),
        ("model.renumbered", None, was | {"old": line, "new": line}),
        ("model.released", None, line),
        ("model.tag", "t", {"new": True, "system": False}),
        ("model.tag", "t", {"new": False, "system": False, "adds": [HERE]}),
        ("model.metadata", "k", was | {"new": ["1", "int"]}),
        ("model.design", None, was | {"new": design}),
        ("model.weights", None, was | fetched(HERE, digest)),
        ("model.weights_added", None, was | {"new": revision}),
        ("model.weights_chosen", None, was | {"new": {"revision": HERE}}),
        ("model.weights_dropped", None, {"revision": HERE}),
        ("model.weights_kept", None, was | fetched(HERE, digest) | {"digest": digest}),
        ("model.weights_uploaded", None, was | {
            "revision": HERE, "url": "s3://b/x", "digest": None, "archive": None,
            "archive_size": None, "made": True,
        }),
        ("weights.fetched", None, was | fetched(HERE, digest)),
        ("alias.set", "prod", was | {"project": "vision", "name": "net", "old": None,
                                     "new": HERE, "gate": HERE, "override": "it is urgent"}),
        ("alias.protected", "prod", was | {"project": "vision", "name": "net", "old": None,
                                           "new": ["signed", "accuracy>=0.9"]}),
        ("model.signed", None, {"digest": digest, "signature": "e" * 64, "size": 3, "signer": ""}),
        ("task.created", None, task),
        ("task.changed", "name", was | {"new": "x"}),
        ("task.state", None, was | {"new": {"status": "failed", "reason": None, "ended": 5},
                                    "concluded": True}),
        ("task.design", None, was | {"new": design}),
        ("task.model", "in", was | {"role": "input", "new": HERE}),
        ("task.moved", None, was | {"new": project}),
        ("task.tag", "t", {"new": True, "system": False}),
        ("task.tag", "t", {"new": False, "system": True, "adds": [HERE]}),
        ("task.run", None, was | {"new": {"a": 1}}),
        ("task.parameter", "lr", was | {"section": "Args", "new": ["1", "int"]}),
        ("task.configuration", "c", was | {"new": ["text"]}),
        ("task.artifact", "a", was | {"new": artifact}),
        ("task.removed", None, {}),
    ]  # fmt: skip


def event_of(kind, field, payload, subject=None):
    """Return an event of a kind about `subject`, which it names as writer and revision."""
    event_id = new_id()
    if subject is not None:
        text = json.dumps(payload).replace(HERE, subject)
        payload = json.loads(text)
    if kind.endswith(".created"):
        subject = event_id
    elif kind.startswith("alias."):
        subject = alias_id(payload["project"], payload["name"], field)
    return LoggedEvent(
        event_id, "0" * 32, 1, 100, 100, 100, "eve@host", kind, 1, subject, field, payload
    )


def test_every_kind_has_a_shape_and_an_example():
    kinds = {kind for kind, v in KINDS if v == 1}
    assert set(_SHAPES) == kinds
    assert {kind for kind, *_ in sound_payloads()} == kinds


def test_shapes_have_all_columns_and_members():
    assert {name[6:] for name in _COLUMNS if name.startswith("model ")} == MODEL_COLUMNS
    assert {name[5:] for name in _COLUMNS if name.startswith("task ")} == TASK_COLUMNS
    assert set(_WEIGHTS) == set(WeightsRecord().payload())
    record_ = ModelRecord(id="0" * 32, name="m", labels={}, metadata={})
    assert set(_MODEL) == set(record_.payload())


@pytest.mark.parametrize("example", sound_payloads(), ids=lambda each: each[0])
def test_a_sound_event_of_every_kind_is_taken(pair, example):
    _, there, made = pair
    kind, field, payload = example
    task = lifecycle.create_task(there, name="train")
    subject = task if kind.startswith("task.") else made
    event = event_of(kind, field, payload, subject)
    assert take(there, [event]).events == 1
    (outcome,) = [row[1] for row in state(there)["event"] if row[0] == event.event_id]
    assert outcome == _LOST.get(kind)
    assert_refolds(there)


# The only weights of a model are served, so they are not dropped. Of the events on the alias, the
# one that they say they replace is not there.
_LOST = {"model.weights_dropped": "lost", "alias.set": "lost", "alias.protected": "lost"}
WRONG = [None, 7, -1, 2**70, 1.5, True, "", "x", "a\0b", [], [1], {}, {"a": 1}, ["a", "a"], [[]]]


def places_of(value, path=()):
    """Yield the path of every member of a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from places_of(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield (*path, number)
            yield from places_of(inner, (*path, number))


def with_value(value, path, new):
    """Return a copy of a JSON value with another one at a path; `...` removes it."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


@pytest.mark.parametrize("example", sound_payloads(), ids=lambda each: each[0])
def test_a_payload_of_any_shape_is_refused_or_kept(pair, example):
    """Nothing but our own errors comes of it, and what is taken can be folded and read."""
    _, there, made = pair
    kind, field, payload = example
    task = lifecycle.create_task(there, name="train")
    subject = task if kind.startswith("task.") else made
    tried = refused = 0
    for path in list(places_of(payload)):
        for new in (*WRONG, ...):
            changed = with_value(payload, path, new)
            if kind.startswith("alias.") and not all(
                type(changed.get(name)) is str for name in ("project", "name")
            ):
                continue
            event = event_of(kind, field, changed, subject)
            tried += 1
            try:
                with there.store.write() as change:
                    take_in(change, [event], {})
                    read(change.connection, event.subject)
                    raise RefusedError
            except RefusedError:
                pass
            except InvalidEventError:
                refused += 1
    assert refused >= tried // 4 or not payload
    assert_refolds(there)


def read(connection, subject):
    """Read all of a model or task, which checks every value."""
    model_rows.record(connection, subject)
    if task_rows.task(connection, subject) is not None:
        task_rows.tags(connection, subject)
        task_rows.design(connection, subject)
        task_rows.artifacts(connection, subject)
        task_rows.configurations(connection, subject)
        task_rows.parameters(connection, subject)
        for role in ("input", "output"):
            task_rows.models(connection, subject, role)


class RefusedError(Exception):
    """Ends a transaction, so that nothing is kept."""


def test_numbers_that_would_not_leave_room_are_refused(pair):
    here, there, made = pair
    last = events(here)[-1]
    top = new_event(last, subject=made, kind="model.later", payload={}, lamport=2**60,
                    stamp=2**60, seq=2**60)  # fmt: skip
    take(there, [top])
    edits.set_comment(there, made, "a")  # there is room for the next one
    assert events(there)[-1].lamport == 2**60 + 1
    assert_refolds(there)


def test_two_projects_of_one_forged_id_are_two(pair):
    _, there, _ = pair
    payload = ModelRecord(id="", name="n", version=1, labels={}, metadata={}).payload()
    for name in ("one", "two"):
        project = {"id": "f" * 32, "name": name}
        take(there, [event_of("model.created", None, payload | {"project": project})])
    assert [row[1] for row in state(there)["project"]].count("two") == 1
    assert_refolds(there)


def test_events_of_a_model_that_did_not_come_wait_for_it(places):
    here, there = places(), places()
    made = model(here)
    edits.set_comment(here, made, "a")
    edits.set_tags(here, made, ["t"])
    sent = events(here)
    created = next(each for each in sent if each.event_id == made)
    take(there, [each for each in sent if each is not created])
    assert ref(there, made) is None
    arrival = take(there, [created])
    assert arrival.models == ("vision/net:1",)
    assert state(here) == state(there)


def test_other_orders_are_refused_or_ignored(pair):
    """A merge refuses them; what comes as a part has the place that it has here, or none."""
    here, there, made = pair
    first, second = "1" * 32, "2" * 32
    sent = [replace(each, remote=first, position=n) for n, each in enumerate(events(here), 5)]
    take(there, sent)
    with there.store.read() as connection:
        assert connection.execute(
            "SELECT count(*) FROM event WHERE remote = ? AND positioned IS NOT NULL", (first,)
        ).fetchone() == (len(sent),)
    edits.set_comment(here, made, "a")
    other = replace(events(here)[-1], remote=second, position=1)
    with pytest.raises(EventConflictError, match="another order"):
        take(there, [other], same_order=True)
    take(there, [other])
    assert events(there)[-1].position is None
    elsewhere = replace(sent[0], position=99)
    with pytest.raises(EventConflictError, match="another order"):
        take(there, [elsewhere], same_order=True)
    take(there, [elsewhere])
    assert events(there)[0].position == sent[0].position


def test_a_place_that_the_remote_cannot_have_given_is_refused_or_ignored(pair):
    """All rows up to the last one that was seen are here: no other event has a place there."""
    here, there, made = pair
    table = "1" * 32
    sent = [replace(each, remote=table, position=n) for n, each in enumerate(events(here), 5)]
    with there.store.write() as change:
        remote = remote_rows.insert(change.connection, "origin", "/x", table, mirror=False)
    with pytest.raises(EventConflictError, match="another order"):
        take(there, [replace(sent[0], remote="2" * 32)], same_order=True)
    take(there, sent)
    with there.store.write() as change:
        last = (sent[-1].event_id, sent[-1].position)
        remote_rows.advance(change.connection, remote.pk, 0, None, None, last)
    edits.set_comment(here, made, "a")
    new = events(here)[-1]
    for place in (3, sent[-1].position):
        late = replace(new, remote=table, position=place)
        with pytest.raises(EventConflictError, match="another order"):
            take(there, [late], same_order=True)
    take(there, [late])
    assert events(there)[-1].position is None
    with pytest.raises(EventConflictError, match="another order"):
        take(there, [late], same_order=True)
    take(there, [replace(new, remote=table, position=sent[-1].position + 1)], same_order=True)
    assert events(there)[-1].position == sent[-1].position + 1


# Any order


class World:
    """Some registries with the same models, that go their own ways."""

    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.places = [
            open_registry(folder / f"{next(_folders)}", durability="fast")
            for _ in range(self.random.randint(2, 3))
        ]
        first = self.places[0]
        self.models = [model(first, tags=["a"]) for _ in range(2)]
        self.tasks = [lifecycle.create_task(first, name="train", project="vision")]
        for place in self.places[1:]:
            merge(place, first)

    def close(self):
        for place in self.places:
            place.close()

    def act(self, place):
        """Do one thing of a user; it may be refused."""
        choose, made = self.random.choice, self.random.choice(self.models)
        task = choose(self.tasks)
        actions = [
            lambda: edits.set_comment(place, made, choose(["x", "y", None])),
            lambda: edits.set_metadata(place, made, "k", choose([1, 2])),
            lambda: edits.set_tags(place, made, choose([[], ["a"], ["a", "b"], ["b"]])),
            lambda: edits.move(place, made, choose(["vision", "audio", None])),
            lambda: edits.publish(place, made),
            lambda: aliases.set_alias(Chain(place), made, "prod"),
            lambda: aliases.remove_alias(place, made, "prod"),
            lambda: revisions.restore_weights(place, made, choose([1, 2])),
            lambda: weights_added(place, made) if self.is_draft(place, made) else None,
            lambda: removal.remove_model(place, made, delete_weights=False),
            lambda: removal.restore_model(Chain(place), made),
            lambda: self.models.append(model(place)),
            lambda: lifecycle.end_task(place, task, choose(["completed", "failed"])),
            lambda: lifecycle.end_task(place, task, "aborted", concluded=True),
            lambda: lifecycle.set_comment(place, task, choose("xy")),
            lambda: lifecycle.set_task(place, task, "name", choose("xy")),
        ]
        with suppress(LocalregError):  # such as a removed model
            choose(actions)()

    def is_draft(self, place, made):
        with place.store.read() as connection:
            row = model_rows.model_row(connection, made)
        return row is not None and not row.published


SEEDS = st.integers(0, 2**32)
SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@given(seed=SEEDS)
@settings(max_examples=8 * TIMES, **SLOW)
def test_registries_that_met_hold_the_same(tmp_path_factory, seed):
    world = World(tmp_path_factory.mktemp("world"), seed)
    try:
        for _ in range(world.random.randint(5, 30)):
            place = world.random.choice(world.places)
            if world.random.random() < 0.2:
                merge(place, world.random.choice(world.places))
            else:
                world.act(place)
        for place in world.places:
            assert_refolds(place)
        for place, other in permutations(world.places, 2):
            merge(place, other)
        for place, other in permutations(world.places, 2):
            merge(place, other)
        first, *others = map(state, world.places)
        for other in others:
            for table, rows in first.items():
                assert other[table] == rows, table
        # Whatever the order, and in pieces.
        sent = events(world.places[0])
        world.random.shuffle(sent)
        place = open_registry(tmp_path_factory.mktemp("any"), durability="fast")
        cut = world.random.randint(0, len(sent))
        for some in (sent[:cut], sent[cut:], sent[: cut // 2]):
            take(place, some)
        assert state(place) == first
        assert_refolds(place)
        place.close()
    finally:
        world.close()
