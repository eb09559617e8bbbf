"""Undo takes back one change, or says what changed since, or which command does it."""

from __future__ import annotations

import io
import json

import pytest
from support.command_line import run_cli
from support.new_models import imported

from localreg import Model, OutputModel, Registry, Task
from localreg.errors import (
    AmbiguousReferenceError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PublishedError,
    ReadOnlyRegistryError,
    UndoError,
)
from localreg.operations.carry import undo
from localreg.operations.models import edits
from localreg.operations.tasks import artifacts
from localreg.store.events.arriving import take_in
from localreg.store.events.fold import KINDS
from localreg.store.events.refolding import refold
from localreg.values.ids import new_id
from localreg.values.records import LoggedEvent

TABLES = ("model", "model_tag", "metadata", "alias", "weights", "task", "task_tag", "parameter",
          "configuration", "artifact", "writer", "addition", "claim")  # fmt: skip


@pytest.fixture
def model(registry):
    return imported("net", project="vision", registry=registry)


@pytest.fixture
def task(registry):
    task = Task.init(project_name="vision", task_name="train")
    yield task
    task.close()


def state(registry):
    """Return the rows of the state tables."""
    found = {}
    for table in TABLES:
        rows = registry.db.conn.execute(f"SELECT * FROM {table}").fetchall()
        found[table] = sorted(map(repr, map(tuple, rows)))
    return found


def check_refolded(registry):
    """Check that the events give the same rows when they are judged and folded again."""
    before = state(registry)
    with registry._chain.first.store.write() as change:
        refold(change.connection)
    assert state(registry) == before


def event(registry, number=0):
    return registry.history()[number].event_id


def test_without_an_event_the_last_change_is_undone(registry, model):
    model.tags = ["a"]
    done = registry.undo()
    assert (done.text, done.inverse, done.subject) == ("tagged a", "untagged a", model.id)
    assert model.tags == []
    check_refolded(registry)


def test_an_undo_can_be_undone(registry, model):
    """And so on."""
    model.comment = "first"
    model.comment = "second"
    for wanted in ("first", "second", "first"):
        registry.undo()
        assert model.comment == wanted
    check_refolded(registry)


def test_an_event_is_named_by_its_first_digits(registry, model):
    model.set_metadata("a", 1)
    model.set_metadata("b", 2)
    before = event(registry, 1)
    done = registry.undo(before[:8].upper())
    assert (done.event_id, done.by) == (before, event(registry))
    assert model.get_all_metadata_casted().keys() == {"b"}


CHANGES = {
    "a comment": lambda r, m: setattr(m, "comment", "new"),
    "archived": lambda r, m: m.archive(),
    "metadata": lambda r, m: m.set_metadata("rank", 3),
    "a tag": lambda r, m: setattr(m, "tags", ["x"]),
    "a system tag": lambda r, m: setattr(m, "system_tags", ["s"]),
    "an alias": lambda r, m: r.set_alias(m, "prod"),
    "a name": lambda r, m: setattr(m, "name", "other"),
    "a project": lambda r, m: setattr(m, "project", "elsewhere"),
    "a design": lambda r, m: setattr(m, "config_dict", {"a": 1}),
    "labels": lambda r, m: setattr(m, "labels", {"cat": 0}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_model_is_as_before(registry, task, what):
    """And as after it when the undo is undone: what people see of a model, apart from times."""
    model = OutputModel(task, name="net")

    def seen():
        record = json.loads(run_cli("-R", registry.path, "show", model.id, "--json")[1])
        return {key: value for key, value in record.items() if key != "updated"}

    before = seen()
    CHANGES[what](registry, model)
    after = seen()
    assert after != before
    for wanted in (before, after, before):
        registry.undo(next(each.event_id for each in registry.history() if each.subject != task.id))
        assert seen() == wanted
    check_refolded(registry)


def test_older_weights_are_served_again(registry, task, write_file):
    model = OutputModel(task, name="net")
    for number in range(3):
        model.update_weights(str(write_file(f"w{number}.pt", f"weights {number}")))
    added = [each.event_id for each in model.history() if each.kind == "model.weights_added"]
    registry.undo(added[0])
    assert [each.current for each in model.revisions()] == [False, True, False]
    check_refolded(registry)
    with pytest.raises(UndoError, match="it was replaced since: restored weights 2"):
        registry.undo(added[1])
    registry.undo(event(registry))
    assert [each.current for each in model.revisions()] == [False, False, True]
    with pytest.raises(UndoError, match="had no weights before"):
        registry.undo(added[2])
    model.update_weights(str(write_file("w3.pt", "weights 3")))
    check_refolded(registry)


def test_a_tag_that_another_call_added_too_stays(registry, model):
    """Undo drops its own addition only."""
    model.tags = ["a"]
    first = event(registry)
    _add_again(registry, model, "a")
    registry.undo(first)
    assert model.tags == ["a"]
    with pytest.raises(UndoError, match="the tag was dropped since"):
        registry.undo(first)
    registry.undo(_second_addition(registry))
    assert model.tags == []
    check_refolded(registry)


def _add_again(registry, model, tag):
    """Add a tag that is there, as another registry would that does not know of it."""
    with registry._chain.first.store.write() as change:
        change.record(
            "model.tag", model.id, {"old": False, "new": True, "system": False}, field=tag
        )


def _second_addition(registry):
    return next(each.event_id for each in registry.history() if each.text == "tagged a")


def test_a_tag_that_was_added_again_is_not_added_twice(registry, model):
    model.tags = ["a"]
    model.tags = []
    dropped = event(registry)
    model.tags = ["a"]
    with pytest.raises(UndoError, match="the tag was added again since"):
        registry.undo(dropped)


def test_what_changed_since_is_named(registry, model):
    """With its text, who did it, and its id."""
    model.comment = "first"
    undone = event(registry)
    model.comment = "second"
    with pytest.raises(UndoError) as raised:
        registry.undo(undone)
    error = raised.value
    assert (error.event, isinstance(error, ConflictError)) == (undone, True)
    assert f"event {undone[:8]} (comment: none → 'first') cannot be undone" in str(error)
    assert "it was replaced since: comment: 'first' → 'second' by " in str(error)
    assert event(registry)[:8] in str(error)
    assert model.comment == "second"


def test_an_alias_goes_back_to_where_it_was(registry):
    first, second = (
        registry.add(io.BytesIO(each), "net", "p", filename="w") for each in (b"1", b"2")
    )
    registry.set_alias(first, "prod")
    set_first = event(registry)
    registry.set_alias(second, "prod")
    registry.undo()
    assert registry.model("p/net@prod") == first
    registry.undo()
    registry.undo()
    Model.remove(second)
    with pytest.raises(UndoError):
        registry.undo(set_first)
    check_refolded(registry)
    taken = next(e.event_id for e in registry.history() if e.kind == "alias.set")
    with pytest.raises(UndoError, match="to which the alias pointed, was removed or moved"):
        registry.undo(taken)


@pytest.mark.parametrize("old", [..., None, 7, "x", [], [1, 2], {}, {"config": 1}], ids=repr)
def test_a_change_of_a_stranger_has_any_old_value(registry, model, task, old):
    """It is undone, or refused with an error of ours; nothing else can come of it."""
    given = {} if old is ... else {"old": old}
    events = [
        ("model.changed", model.id, "comment", {"new": "x"}),
        ("model.changed", model.id, "archived", {"new": True}),
        ("model.metadata", model.id, "k", {"new": ["1", "int"]}),
        ("model.design", model.id, None, {"new": {"config": "x", "labels": {}}}),
        ("model.weights_chosen", model.id, None, {"new": {"revision": model.id}}),
        ("task.changed", task.id, "comment", {"new": "x"}),
        ("task.parameter", task.id, "lr", {"section": "Args", "new": ["1", "int"]}),
        ("task.configuration", task.id, "c", {"new": ["x"]}),
        ("task.design", task.id, None, {"new": {"config": "x", "labels": {}}}),
        ("task.model", task.id, "in", {"role": "input", "new": model.id}),
    ]
    for number, (kind, subject, field, payload) in enumerate(events):
        event_id = new_id()
        stranger = LoggedEvent(
            event_id, "0" * 32, number + 1, 100 + number, 100, 100, "eve@host", kind, 1, subject,
            field, {"was": subject, **payload, **given},
        )  # fmt: skip
        with registry._chain.first.store.write() as change:
            take_in(change, [stranger], {})
        before = state(registry)
        try:
            registry.undo(event_id)
        except UndoError:
            assert state(registry) == before
        registry.history()
    assert registry.verify(full=True).ok


def test_what_the_same_call_changed_too_is_named(registry, model):
    """Each part of a call is undone by itself: here the aliases that a move drops."""
    registry.set_alias(model, "prod")
    model.name = "other"
    done = registry.undo()
    assert done.text == "moved from vision/net to vision/other"
    ((dropped, text),) = done.others
    assert text == "alias prod dropped"
    registry.undo(dropped)
    assert registry.model("vision/net@prod") == model
    check_refolded(registry)


def test_what_a_task_recorded(registry, task):
    """Parameters, configurations with their text, tags, names, models and artifacts."""
    task.set_parameter("lr", 0.1)
    task.set_parameter("lr", 0.2)
    registry.undo()
    assert task.get_parameter("General/lr") == "0.1"
    task.connect_configuration({"a": 1}, name="data")
    task.set_configuration_object("data", config_text="new")
    old = task.get_configuration_object("data")
    registry.undo()
    before = task.get_configuration_object("data")
    assert before != old
    registry.undo()
    assert task.get_configuration_object("data") == old == "new"
    task.upload_artifact("rows", {"a": 1})
    task.upload_artifact("rows", {"a": 2})
    registry.undo()
    assert task.artifacts["rows"].get() == {"a": 1}
    task.add_tags(["night"])
    registry.undo()
    assert task.get_tags() == []
    task.set_comment("note")
    registry.undo()
    assert not task.comment
    check_refolded(registry)


def test_an_artifact_whose_bytes_are_gone_does_not_come_back(registry, task):
    """And one that is needed again is not collected."""
    task.upload_artifact("rows", {"a": 1})
    artifacts.drop_artifact(registry._chain.first, task.id, "rows")
    dropped = event(registry)
    registry.undo(dropped)
    registry.gc(grace_seconds=0, dry_run=False)
    assert task.artifacts["rows"].get() == {"a": 1}
    artifacts.drop_artifact(registry._chain.first, task.id, "rows")
    again = event(registry)
    registry.gc(grace_seconds=0, dry_run=False)
    with pytest.raises(UndoError, match="are gone"):
        registry.undo(again)


def made(registry, kind):
    """Return the newest event of a kind."""
    return next(each.event_id for each in registry.history() if each.kind == kind)


def test_what_has_no_inverse_names_the_command(registry, task, write_file):
    model = registry.add(write_file("w.pt"), "net", "vision")
    digits = model.id[:8]
    for kind, remedy in [
        ("model.created", f"`localreg rm {digits}`"),
        ("project.created", "does not count"),
        ("task.created", f"`localreg task rm {task.id[:8]}`"),
    ]:
        with pytest.raises(UndoError, match=remedy):
            registry.undo(made(registry, kind))
    Model.remove(model, delete_weights_file=False)
    with pytest.raises(UndoError, match=f"`localreg restore {digits}`"):
        registry.undo()
    registry.restore(model.id)
    with pytest.raises(UndoError, match=f"`localreg rm {digits}`"):
        registry.undo()
    model.tags = ["a"]
    model.publish()
    with pytest.raises(UndoError, match="what is published stays"):
        registry.undo()


def test_content_of_a_published_model_stays(registry, task):
    model = OutputModel(task, name="net")
    model.config_dict = {"a": 1}
    changed = made(registry, "model.design")
    model.publish()
    with pytest.raises(PublishedError):
        registry.undo(changed)


def test_a_change_of_a_removed_model_waits_for_its_restore(registry, model):
    model.comment = "note"
    changed = event(registry)
    Model.remove(model)
    with pytest.raises(UndoError, match=f"`localreg restore {model.id[:8]}` first"):
        registry.undo(changed)
    registry.restore(model.id)
    registry.undo(changed)
    assert registry.model(model.id).comment in ("", None)


def test_a_dry_run_changes_nothing(registry, model, tmp_path):
    """Also where nothing can be written."""
    model.comment = "note"
    before = state(registry), registry.history()
    done = registry.undo(dry_run=True)
    assert (done.text, done.by) == ("comment: none → 'note'", None)
    assert (state(registry), registry.history()) == before
    with Registry(registry.path, readonly=True) as reader:
        assert reader.undo(dry_run=True).text == done.text
        with pytest.raises(ReadOnlyRegistryError):
            reader.undo()


@pytest.mark.parametrize("digits", ["12345", "zzzzzz", "f" * 32, ""])
def test_an_unknown_event_is_an_error(registry, model, digits):
    with pytest.raises(NotFoundError, match="there is no event"):
        registry.undo(digits)


def test_something_else_than_text_is_no_event(registry, model):
    with pytest.raises(InvalidValueError, match="event must be a str"):
        registry.undo(7)


def test_digits_of_several_events_are_an_error(registry, model):
    with registry._chain.first.store.write() as change:
        for each in "ab":
            payload = {"old": False, "new": True, "system": False}
            change.record("model.tag", model.id, payload, field=each, event_id="c0ffee" + each * 26)
    with pytest.raises(AmbiguousReferenceError, match="several events begin with c0ffee"):
        registry.undo("c0ffee")
    assert registry.undo("c0ffeeb").text == "tagged b"


def test_an_empty_registry_has_nothing_to_undo(registry):
    with pytest.raises(NotFoundError, match="nothing was changed"):
        registry.undo()


def test_the_command(registry, model):
    registry.set_alias(model, "prod")
    edits.rename(registry._chain.first, model.id, "other")
    root = registry.path
    registry.close()
    code, out, err = run_cli("-R", root, "undo", "--dry-run")
    assert (code, out[:11]) == (0, "Would undo:")
    assert "The same call also changed: alias prod dropped (localreg undo " in err
    code, out, _ = run_cli("-R", root, "undo")
    assert code == 0
    assert out.startswith("Undone: vision/net:1: moved from vision/net to vision/other (")
    assert out.endswith("Now: moved from vision/other to vision/net\n")
    code, out, _ = run_cli("-R", root, "undo", "--json")
    assert json.loads(out)["text"] == "moved from vision/other to vision/net"
    code, _, err = run_cli("-R", root, "undo", model.id[:8])
    assert code == 5
    assert "cannot be undone: remove the model with `localreg rm" in err
    assert run_cli("-R", root, "undo", "abcdef")[0] == 3


def test_every_kind_of_event_is_undone_or_names_what_to_do():
    known = {kind for kind, _ in KINDS}
    assert {kind for kind, _ in undo._RULES} | set(undo._CANNOT) == known
