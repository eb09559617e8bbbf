"""The state of a model: decisions 20 to 24, 44 and 45 of localreg/guide/decisions.md."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.new_models import imported

from localreg import InputModel, Model, Registry, Task
from localreg.errors import EmptyModelError, InvalidValueError, ModelNotFoundError

URL = "s3://bucket/model.pt"


# decision 20: published models -------------------------------------------------------------


def test_name_tags_comment_and_metadata_of_a_published_model_stay_open(registry):
    model = imported("a", create_as_published=True)
    model.name, model.project, model.comment, model.tags = "b", "vision", "c", ["t"]
    model.set_metadata("k", "v")
    model.set_all_metadata({"k2": "v2"})
    model.archive()
    assert (model.name, model.project_name, model.comment, model.tags) == (
        "b",
        "vision",
        "c",
        ["t"],
    )
    assert model.get_all_metadata().keys() == {"k2"}
    assert model.archived
    assert model.published


def test_weights_configuration_and_labels_have_no_setters(registry):
    model = imported("a", create_as_published=True)
    for name in ("url", "config_text", "config_dict", "labels", "framework", "published"):
        with pytest.raises(AttributeError):
            setattr(model, name, None)


# decision 21: archive, unarchive and publish -----------------------------------------------

STATES = {
    "publish": ("published", True),
    "archive": ("archived", True),
    "unarchive": ("archived", False),
}


@pytest.mark.parametrize("change", STATES)
def test_archive_unarchive_and_publish_are_idempotent(change, registry):
    model = imported("a")
    if change == "unarchive":
        model.archive()
    assert getattr(model, change)() is None
    events = model.history()
    assert getattr(model, change)() is None
    assert model.history() == events
    name, value = STATES[change]
    assert getattr(model, name) is value


@pytest.mark.parametrize("change", STATES)
def test_archive_unarchive_and_publish_of_a_removed_model_raise(change, registry):
    model = imported("a")
    InputModel.remove(model)
    with pytest.raises(ModelNotFoundError, match=model.id):
        getattr(model, change)()


def test_archived_is_a_read_only_property(registry):
    model = imported("a")
    assert model.archived is False
    with pytest.raises(AttributeError):
        model.archived = True


def test_an_archived_model_is_hidden_and_still_works(registry):
    model, task = imported("a"), Task.create(task_name="train")
    model.archive()
    assert InputModel.query_models() == []
    with pytest.raises(ModelNotFoundError):
        InputModel(name="a")
    assert InputModel(model.id).archived
    model.connect(task)
    model.publish()
    assert (model.task, model.published) == (task.id, True)


# decision 22: the empty model --------------------------------------------------------------


def test_everything_of_an_empty_model_is_unset(registry):
    model = InputModel.empty()
    assert model.id == "empty"
    assert (model.tags, model.system_tags, model.labels) == ([], [], {})
    assert (model.get_all_metadata(), model.get_all_metadata_casted()) == ({}, {})
    assert (model.get_metadata("k"), model.get_metadata_casted("k")) == (None, None)
    assert (model.config_text, model.config_dict) == ("", {})
    for name in ("name", "project", "project_name", "comment", "framework", "url", "task"):
        assert getattr(model, name) is None, name
    assert model.original_task is None
    assert (model.published, model.archived) == (False, False)


NEEDS_A_RECORD = {
    "name": lambda model: setattr(model, "name", "n"),
    "project": lambda model: setattr(model, "project", "p"),
    "comment": lambda model: setattr(model, "comment", "c"),
    "tags": lambda model: setattr(model, "tags", ["t"]),
    "system_tags": lambda model: setattr(model, "system_tags", ["t"]),
    "add_tags": lambda model: model.add_tags("t"),
    "remove_tags": lambda model: model.remove_tags("t"),
    "set_metadata": lambda model: model.set_metadata("k", "v"),
    "set_all_metadata": lambda model: model.set_all_metadata({"k": "v"}),
    "publish": lambda model: model.publish(),
    "archive": lambda model: model.archive(),
    "unarchive": lambda model: model.unarchive(),
    "version": lambda model: model.version,
    "ref": lambda model: model.ref,
    "aliases": lambda model: model.aliases,
    "history": lambda model: model.history(),
}


@pytest.mark.parametrize("use", NEEDS_A_RECORD.values(), ids=NEEDS_A_RECORD)
def test_an_empty_model_cannot_be_changed_or_looked_up(use, registry):
    with pytest.raises(EmptyModelError, match="empty") as raised:
        use(InputModel.empty())
    assert isinstance(raised.value, ValueError)
    assert registry.history() == []


def test_connecting_an_empty_model_copies_its_design_and_stores_no_input(registry):
    task = Task.create(task_name="train")
    InputModel.empty(config_text="a = 1", label_enumeration={"x": 1}).connect(task)
    assert task.input_models_id == {}
    assert task.get_model_config_text() == "a = 1"
    assert task.get_labels_enumeration() == {"x": 1}


def test_an_empty_model_stores_nothing_and_needs_no_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    assert InputModel.empty(config_dict={"a": 1}).config_dict == {"a": 1}
    assert not (tmp_path / "home").exists()


# decision 23: setters ----------------------------------------------------------------------


def test_name_comment_tags_and_system_tags_are_settable(registry):
    model = imported("a")
    model.name, model.comment, model.tags, model.system_tags = "b", "c", ["y", "x"], ["s"]
    fresh = InputModel(model.id)
    assert (fresh.name, fresh.comment) == ("b", "c")
    assert (fresh.tags, fresh.system_tags) == (["x", "y"], ["s"])


def test_project_is_set_by_id_or_by_name(registry):
    vision = imported("a", project="vision").project
    model = imported("b")
    model.project = vision
    assert (model.project, model.project_name) == (vision, "vision")
    model.project = "audio"
    assert (model.project_name, model.project == vision) == ("audio", False)
    model.project = "vision"
    assert model.project == vision
    model.project = None
    assert (model.project, model.project_name) == (None, None)
    model.project = "vision"
    model.project = ""
    assert model.project is None


def test_a_comment_is_cleared_by_none_and_by_an_empty_text(registry):
    model = imported("a", comment="c")
    model.comment = None
    assert model.comment is None
    model.comment = "d"
    model.comment = ""
    assert model.comment is None


def test_tags_are_cleared_by_an_empty_list(registry):
    model = imported("a", tags=["x"])
    model.tags = []
    assert model.tags == []


# decision 24: freshness --------------------------------------------------------------------

CHANGE = """
import sys
from localreg import InputModel
model = InputModel(sys.argv[1])
model.name, model.project, model.comment = "renamed", "vision", "by another process"
model.tags, model.system_tags = ["t"], ["s", "package"]
model.set_metadata("k", 1)
model.publish()
model.archive()
"""


def in_another_process(script, *arguments):
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, env=os.environ.copy())


def test_a_change_by_another_process_is_seen_at_the_next_read(registry):
    model = imported("a")
    first_look = (model.name, model.project, model.comment, model.tags, model.system_tags)
    assert first_look == ("a", None, None, [], [])
    in_another_process(CHANGE, model.id)
    assert (model.name, model.project_name, model.comment) == (
        "renamed",
        "vision",
        "by another process",
    )
    assert (model.tags, model.system_tags) == (["t"], ["archived", "package", "s"])
    assert model.get_metadata("k") == "1"
    assert (model.published, model.archived) == (True, True)


def test_two_handles_always_show_the_same_values(registry):
    first = imported("a")
    second = Model(first.id)
    first.comment = "c"
    first.set_metadata("k", "v")
    assert (second.comment, second.get_metadata("k")) == ("c", "v")


def test_a_model_that_was_removed_raises_at_the_next_read(registry):
    model = imported("a")
    handle = InputModel(model.id)
    InputModel.remove(model)
    reads = [
        name
        for name in dir(InputModel)
        if isinstance(getattr(InputModel, name), property)
        and name not in ("id", "archived_tag")  # the same for every model
    ]
    assert len(reads) >= 20
    for name in reads:
        with pytest.raises(ModelNotFoundError, match=model.id):
            getattr(handle, name)
    for read in (handle.get_all_metadata, lambda: handle.get_metadata("k"), handle.get_weights):
        with pytest.raises(ModelNotFoundError, match=model.id):
            read()
    assert handle.id == model.id


def test_handles_on_one_model_are_equal_and_have_one_hash(registry):
    model = imported("a")
    same = {model, InputModel(model.id), Model(model.id)}
    assert len(same) == 1
    assert model != imported("b")
    assert model != model.id
    with Registry(registry.path, durability="fast") as again:
        assert Model(model.id, registry=again) == model


# decision 44: .task ------------------------------------------------------------------------


def test_task_is_the_one_connected_last(registry):
    model = imported("a")
    first, second = Task.create(task_name="first"), Task.create(task_name="second")
    model.connect(first)
    model.connect(second)
    assert Model(model.id).task == second.id
    model.connect(first)
    assert Model(model.id).task == first.id
    first.remove_input_models(["a"])
    assert model.task == second.id
    second.remove_input_models(["a"])
    assert model.task is None


def test_a_connection_by_another_process_counts(registry):
    model, task = imported("a"), Task.create(task_name="train")
    script = (
        "import sys; from localreg import InputModel, Task; "
        "InputModel(sys.argv[1]).connect(Task.get_task(sys.argv[2]))"
    )
    in_another_process(script, model.id, task.id)
    assert model.task == task.id
    assert model.original_task is None


# decision 45: system tags ------------------------------------------------------------------


def test_archived_and_package_are_shown_as_system_tags(registry):
    model = imported("a", is_package=True)
    assert model.system_tags == ["package"]
    model.archive()
    assert model.system_tags == ["archived", "package"]
    assert model.tags == []


def test_setting_system_tags_archives_and_marks_a_package(registry, tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"packed")
    model = InputModel.import_model(archive)
    model.system_tags = ["mine", "archived", "package"]
    assert model.archived
    assert model.system_tags == ["archived", "mine", "package"]
    assert model.get_weights_package(extract_archive=False) == [archive]
    model.system_tags = []
    assert model.archived is False
    assert model.system_tags == []
    with pytest.raises(ValueError, match="not a package"):
        model.get_weights_package()


def test_plain_tags_named_package_and_archived_are_not_states(registry):
    model = imported("a", tags=["package", "archived"])
    assert model.tags == ["archived", "package"]
    assert model.system_tags == []
    assert model.archived is False


# extensions --------------------------------------------------------------------------------


def test_add_tags_and_remove_tags_keep_the_other_tags(registry):
    model = imported("a", tags=["x", "y"])
    model.add_tags("z", "x")
    assert model.tags == ["x", "y", "z"]
    model.remove_tags("y", "never there")
    assert model.tags == ["x", "z"]
    model.add_tags()
    model.remove_tags()
    assert model.tags == ["x", "z"]
    with pytest.raises(InvalidValueError, match="tags"):
        model.add_tags(["a", "list"])
    assert model.tags == ["x", "z"]
