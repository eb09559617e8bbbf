"""`localreg history`: events with their ids and origins, aliases over time, and conflicts."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from support.command_line import run_cli
from support.meetings import bring_events, name_origin
from support.new_models import imported

from localreg import Model, OutputModel, Registry, Task
from localreg.operations.models import history
from localreg.operations.models.history import HistoryEntry, shown_once
from localreg.registry import open_registry
from localreg.store.rows import arrival_rows


@pytest.fixture
def pair(tmp_path):
    """Two registries: the second is a copy of the first one, with an origin named "laptop"."""
    with Registry(tmp_path / "here", durability="fast") as here:
        here.add(io.BytesIO(b"1"), "net", "p", filename="w")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    with (
        Registry(tmp_path / "here", durability="fast") as here,
        Registry(tmp_path / "there", durability="fast") as there,
    ):
        name_origin(there, "laptop")
        yield here, there


def lines(*arguments):
    code, out, err = run_cli(*arguments)
    assert (code, err) == (0, "")
    return [line.split("\t") for line in out.splitlines()]


def test_a_line_has_the_digits_of_its_event(pair):
    here, _ = pair
    here.model("p/net").tags = ["a"]
    last = here.history(limit=1)[0]
    of_model = lines("-R", here.path, "history", "p/net")[0]
    assert of_model[2:] == ["", last.event_id[:8], "tagged a"]
    of_all = lines("-R", here.path, "history")[0]
    assert of_all[2:] == ["", last.event_id[:8], last.subject[:8], "tagged a"]
    assert of_all[1] == last.actor
    assert run_cli("-R", here.path, "undo", of_all[3])[0] == 0


def test_a_change_of_another_registry_names_it(pair):
    here, there = pair
    there.model("p/net").tags = ["theirs"]
    bring_events(there, here)
    row = lines("-R", here.path, "history", "p/net")[0]
    assert (row[2], row[4]) == ("laptop", "tagged theirs")
    shown = json.loads(run_cli("-R", here.path, "history", "-l", "1", "--json")[1])[0]
    assert (shown["origin"], shown["outcome"]) == ("laptop", None)
    assert shown["arrived"] is not None
    assert len(shown["event_id"]) == 32
    entry = here.history(limit=1)[0]
    assert (entry.origin, entry.arrived.isoformat()) == ("laptop", shown["arrived"])


def test_a_change_that_is_not_in_effect_says_so(pair):
    """Lost, the same, and weights that are kept."""
    here, there = pair
    here.model("p/net").comment = "ours"
    there.model("p/net").comment = "theirs"
    here.model("p/net").set_metadata("rank", 1)
    there.model("p/net").set_metadata("rank", 1)
    bring_events(there, here)
    texts = [row[4] for row in lines("-R", here.path, "history", "p/net")]
    assert len([each for each in texts if each.endswith(" (lost: not in effect)")]) == 1
    assert len([each for each in texts if each.endswith(" (it was so already)")]) == 1
    outcomes = {each.outcome for each in here.history()}
    assert outcomes == {None, "lost", "same"}


def test_conflicts_are_what_lost_and_what_arrivals_said(pair):
    here, there = pair
    assert run_cli("-R", here.path, "history", "--conflicts") == (
        0, "", "No conflicts: all that came from other registries agrees with what was here.\n",
    )  # fmt: skip
    here.model("p/net").comment = "ours"
    there.model("p/net").comment = "theirs"
    bring_events(there, here)
    with here._chain.first.store.write() as change:
        arrival_rows.record(change.connection, change.at, "/stick", 1, ["lost: p/net:1 comment"])
    losing, arrived = lines("-R", here.path, "history", "--conflicts")
    lost = next(each for each in here.history() if each.outcome == "lost")
    assert losing[1:] == [lost.actor, lost.event_id[:8], lost.line]
    assert arrived[1:] == ["/stick", "", "lost: p/net:1 comment"]
    found = json.loads(run_cli("-R", here.path, "history", "--conflicts", "--json")[1])
    assert [each["event_id"] for each in found["losing"]] == [lost.event_id]
    assert found["arrivals"][0]["differences"] == ["lost: p/net:1 comment"]
    assert len(lines("-R", here.path, "history", "--conflicts", "-l", "1")) == 2


def test_contested_models_are_conflicts(pair):
    here, there = pair
    here.model("p/net").comment = "x"
    for each, config in ((here, {"a": 1}), (there, {"a": 2})):
        model = each.model("p/net")
        with each._chain.first.store.write() as change:
            design = {"config": json.dumps(config), "labels": {}}
            payload = {"old": {"config": "", "labels": {}}, "new": design}
            change.record("model.design", model.id, payload)
        model.publish()
    bring_events(there, here)
    rows = lines("-R", here.path, "history", "--conflicts")
    assert rows[0] == ["now", "", "", "contested: p/net:1 was published with different content"]
    found = json.loads(run_cli("-R", here.path, "history", "--conflicts", "--json")[1])
    assert found["contested"] == ["p/net:1"]


def test_a_damaged_arrival_is_an_error_that_names_it(pair):
    here, _ = pair
    with here._chain.first.store.write() as change:
        change.connection.execute("INSERT INTO arrival VALUES (1, 1, 'x', 1, '{')")
    code, out, err = run_cli("-R", here.path, "history", "--conflicts")
    assert (code, out) == (4, "")
    assert "differences must be a list of texts" in err


@pytest.fixture
def served(tmp_path):
    """A registry whose alias "prod" pointed to several models, one of which is removed."""
    with Registry(tmp_path / "registry", durability="fast") as registry:
        one, two, three = (
            registry.add(io.BytesIO(b"%d" % number), "net", "p", filename="w")
            for number in range(3)
        )
        for model in (one, two, three):
            registry.set_alias(model, "prod")
        registry.remove_alias(three, "prod")
        registry.set_alias(one, "prod")
        registry.set_alias(imported("other", registry=registry), "prod")
        Model.remove(two)
        yield registry


def test_an_alias_says_who_served_when(served):
    rows = lines("-R", served.path, "history", "p/net", "--alias", "prod")
    names = [row[3] for row in rows]
    removed = names[3]
    assert names == ["p/net:1", "none", "p/net:3", removed, "p/net:1"]
    assert removed.endswith(" (removed)")
    assert {row[0] for row in rows} == {"p/net@prod"}
    assert [row[2] for row in rows] == ["now", *(row[1] for row in rows[:-1])]
    events = [each for each in served.history() if each.kind == "alias.set"]
    assert [row[5] for row in rows] == [each.event_id[:8] for each in events[1:]]


def test_an_alias_of_every_name(served):
    rows = lines("-R", served.path, "history", "--alias", "prod")
    assert [row[0] for row in rows] == ["other@prod"] + ["p/net@prod"] * 5
    assert len(lines("-R", served.path, "history", "--alias", "prod", "-l", "2")) == 2
    shown = json.loads(
        run_cli("-R", served.path, "history", "p/net:3", "--alias", "prod", "--json")[1]
    )
    assert [each["ref"] for each in shown][:3] == ["p/net:1", None, "p/net:3"]
    assert shown[0]["until"] is None
    assert shown[1]["until"] == shown[0]["from"]


def test_an_alias_of_models_that_are_all_gone(served):
    for model in served.models(project="p"):
        Model.remove(model)
    rows = lines("-R", served.path, "history", "p/net", "--alias", "prod")
    assert all(row[3] == "none" or row[3].endswith("(removed)") for row in rows)


def test_a_move_that_lost_served_nothing(pair):
    here, there = pair
    there.set_alias("p/net", "prod")
    model = here.add(io.BytesIO(b"2"), "net", "p", filename="w")
    here.set_alias(model, "prod")
    bring_events(there, here)
    assert len(lines("-R", here.path, "history", "--alias", "prod")) == 1


def test_an_alias_that_never_was(served):
    code, out, err = run_cli("-R", served.path, "history", "p/net", "--alias", "best")
    assert (code, out) == (3, "")
    assert "p/net: no alias 'best' was ever set" in err
    assert run_cli("-R", served.path, "history", "q/x", "--alias", "prod")[0] == 3


def test_options_that_exclude_each_other(served):
    for more in (["p/net"], ["--alias", "prod"]):
        assert run_cli("-R", served.path, "history", "--conflicts", *more)[0] == 2


def test_a_comment_that_a_run_replaced_at_once_is_shown_once(registry, tmp_path):
    """On one line, and with the first digits of ids; JSON has every change."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    task = Task.create("p", "train")
    model = OutputModel(task, name="net")
    model.update_weights(tmp_path / "w.pt")
    task.comment = "first"
    task.comment = "a\nb"
    code, out, err = run_cli("history")
    assert code == 0, err
    lines = [line.split("\t") for line in out.splitlines()]
    comments = [line[-1] for line in lines if line[-1].startswith("comment: ")]
    snapshot = f"'snapshot w.pt stored ⏎ Created by task id: {task.id[:8]}'"
    assert comments == ["comment: 'a ⏎ b'", f"comment: {snapshot}"]
    assert "\\n" not in out
    assert task.id not in out
    changes = json.loads(run_cli("history", "--json")[1])
    assert [each["field"] for each in changes].count("comment") == 3


def test_a_comment_that_somebody_replaces_later_stays(registry):
    """The times are those of the changes, not of the list."""
    entries = [
        HistoryEntry(
            seq=number, at=datetime.fromtimestamp(seconds, UTC), actor="a@b", subject="0" * 32,
            kind="model.changed", field="comment", payload={"old": old, "new": new},
            text=f"{old} to {new}", event_id=f"{number:032x}", origin="here", outcome=outcome,
        )
        for number, seconds, old, new, outcome in (
            (4, 70, "three", "four", None), (3, 69, "two", "three", "lost"),
            (2, 60, "one", "two", None), (1, 0, None, "one", None),
        )
    ]  # fmt: skip
    assert list(shown_once(entries)) == entries


def test_a_registry_without_changes_says_so(registry):
    said = "Nothing was changed in this registry yet.\n"
    assert run_cli("-R", registry.path, "history") == (0, "", said)
    assert run_cli("-R", registry.path, "history", "--json") == (0, "[]\n", "")


def test_a_long_history_is_read_in_parts_and_printed_whole(tmp_path):
    """Those of all models, and those of one; the comment of each change stays."""
    with Registry(tmp_path / "registry", durability="fast") as registry:
        model = imported("net")
        with registry._chain.first.store.write() as change:
            for number in range(history.AT_ONCE * 2):
                payload = {"old": str(number), "new": str(number + 1), "was": None}
                change.record("model.changed", model.id, payload, field="framework")
        ids = [each.event_id for each in registry.history()]
        assert len(set(ids)) == history.AT_ONCE * 2 + 1
        assert [each.event_id for each in model.history()] == ids
        shown = [each[-3] for each in lines("-R", registry.path, "history", "-l", "0")]
        assert shown == [each[:8] for each in ids]
        of_model = run_cli("-R", registry.path, "history", model.id, "-l", "0", "--json")[1]
        assert [each["event_id"] for each in json.loads(of_model)] == ids


def test_no_one_waits_for_a_program_that_reads_a_history_slowly(tmp_path):
    """On network file systems a read would keep all others from writing."""
    registry = open_registry(tmp_path / "registry", durability="fast", journal="truncate")
    with Registry(tmp_path / "registry", durability="fast") as other:
        model = imported("net")
        with other._chain.first.store.write() as change:
            for number in range(history.AT_ONCE + 1):
                change.record("model.changed", model.id, {"old": "", "new": str(number)}, field="x")
        entries = history.changes(registry)
        first = next(entries)
        with closing(sqlite3.connect(tmp_path / "registry" / "registry.db", timeout=0)) as third:
            third.execute("UPDATE setting SET value = value")
            third.commit()
        model.tags = ["meanwhile"]
        rest = list(entries)
        assert len({each.event_id for each in (first, *rest)}) == history.AT_ONCE + 2
        assert "meanwhile" not in {each.field for each in rest}
    registry.close()


def test_comments_that_may_be_replaced_do_not_wait_for_ever(registry):
    """Only what came within five seconds, and not more than are read at once."""

    def entry(number, seconds):
        return HistoryEntry(
            seq=number, at=datetime.fromtimestamp(seconds, UTC), actor="a@b",
            subject=f"{number:032x}", kind="model.changed", field="comment",
            payload={"old": "a", "new": "b"}, text="", event_id="0" * 32, origin="o", outcome=None,
        )  # fmt: skip

    for step, most in ((6, 1), (0, history.AT_ONCE)):
        given = 0

        def entries(step=step):
            nonlocal given
            for number in range(3 * history.AT_ONCE, 0, -1):
                given += 1
                yield entry(number, 1_000 + number * step)

        for taken, _ in enumerate(shown_once(entries())):
            assert given - taken <= most + 1
        assert taken + 1 == given == 3 * history.AT_ONCE
