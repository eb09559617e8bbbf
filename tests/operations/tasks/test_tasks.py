"""Tasks: make and find them, their status, their input and output models."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support.new_models import imported

from localreg import InputModel, Model, Registry, Task
from localreg.errors import InvalidValueError, ModelNotFoundError, TaskNotFoundError
from localreg.operations.models import adding, recording
from localreg.operations.tasks import lifecycle

# make and find tasks -------------------------------------------------------------------


def test_init_starts_a_task_and_makes_it_the_current_one(registry):
    assert Task.current_task() is None
    task = Task.init("vision", "train", "testing", ["b", "a"])
    assert re.fullmatch("[0-9a-f]{32}", task.id)
    assert task.task_id == task.id
    assert (task.name, task.get_project_name(), task.status) == ("train", "vision", "in_progress")
    assert task.get_tags() == ["a", "b"]
    assert Task.current_task() == task
    assert registry.db.execute("SELECT type FROM task").fetchall() == [("testing",)]


def test_init_again_with_the_same_names_is_the_same_task(registry):
    task = Task.init(project_name="vision", task_name="train")
    assert Task.init(project_name="vision", task_name="train") == task
    assert registry.db["task"].count == 1


def test_blanks_around_names_are_ignored(registry):
    task = Task.init(project_name=" vision", task_name="train\n")
    assert (task.name, task.get_project_name()) == ("train", "vision")
    assert Task.init(project_name=" vision", task_name="train\n") == task
    assert Task.init(project_name="vision", task_name="train") == task


@pytest.mark.parametrize("other", [("vision", "other"), ("audio", "train"), (None, "train")])
def test_init_with_other_names_starts_another_task(other, registry):
    task = Task.init("vision", "train")
    second = Task.init(*other)
    assert second != task
    assert Task.current_task() == second


def test_create_neither_starts_the_task_nor_makes_it_current(registry):
    task = Task.create("vision", "train", "inference")
    assert (task.name, task.get_project_name(), task.status) == ("train", "vision", "created")
    assert Task.current_task() is None
    assert Task.create("vision", "train") != task


def test_a_task_needs_neither_project_nor_name(registry):
    task = Task.create()
    assert (task.project, task.get_project_name(), task.comment) == (None, None, None)
    assert task.name
    assert task.get_tags() == []


def test_a_task_and_a_model_of_one_project_have_one_project_id(registry):
    assert Task.create("vision", "t").project == imported("m", project="vision").project


def test_get_task_finds_by_id_and_ignores_the_rest(registry):
    task = Task.create("vision", "train")
    assert Task.get_task(task.id) == task
    assert Task.get_task(task_id=f" {task.id} ", project_name="x", task_name="y") == task


def test_get_task_finds_the_newest_of_a_name(registry):
    first, second = Task.create("vision", "train"), Task.create("audio", "train")
    assert Task.get_task(task_name="train") == second
    assert Task.get_task(project_name="vision", task_name="train") == first
    first.set_comment("changed")
    assert Task.get_task(task_name="train") == first


def test_get_task_raises_for_an_unknown_id(registry):
    """Decision 52."""
    with pytest.raises(TaskNotFoundError) as raised:
        Task.get_task("f" * 32)
    assert isinstance(raised.value, LookupError)


@pytest.mark.parametrize(
    "search",
    [
        {"task_name": "Train"},
        {"task_name": "trai"},
        {"task_name": "train", "project_name": "audio"},
        {"task_name": ""},
        {"task_name": "train", "tags": ["a"]},
        {"project_name": "vision", "task_filter": {"status": ["failed"]}},
    ],
)
def test_get_task_returns_none_when_no_task_matches(search, registry):
    """Decision 52."""
    Task.create("vision", "train")
    assert Task.get_task(**search) is None


def test_get_task_needs_an_id_or_a_filter(registry):
    with pytest.raises(InvalidValueError, match="task_name"):
        Task.get_task()
    Task.create("vision", "first")
    last = Task.create("vision", "last")
    assert Task.get_task(project_name="vision") == last


def test_task_cannot_be_called(registry):
    with pytest.raises(InvalidValueError, match=r"Task\.init"):
        Task()


def test_handles_on_one_task_are_equal_and_have_one_hash(registry):
    task = Task.create(task_name="train")
    assert len({task, Task.get_task(task.id)}) == 1
    assert task != Task.create(task_name="train")
    assert task != task.id
    assert task.id in repr(task)


# status ------------------------------------------------------------------------------------


def test_close_completes_the_task_which_is_no_longer_current(registry):
    task = Task.init("vision", "train")
    task.close()
    assert task.status == "completed"
    assert Task.current_task() is None
    events = registry.history()
    task.close()
    assert registry.history() == events


def test_after_close_init_starts_a_new_task(registry):
    task = Task.init("vision", "train")
    task.close()
    assert Task.init("vision", "train") != task


def test_closing_another_task_leaves_the_current_one(registry):
    other, task = Task.create(task_name="other"), Task.init(task_name="train")
    other.close()
    assert Task.current_task() == task


def test_publish_is_permanent_and_idempotent(registry):
    task = Task.create(task_name="train")
    assert task.published is False
    task.publish()
    assert (task.published, task.status) == (True, "published")
    events = registry.history()
    task.publish()
    assert registry.history() == events
    task.close()
    assert task.status == "published"


def test_the_comment_is_set_and_cleared(registry):
    task = Task.create(task_name="train")
    task.set_comment("größe\n")
    assert task.comment == "größe\n"
    assert Task.get_task(task.id).comment == "größe\n"
    for nothing in (None, ""):
        task.set_comment("x")
        task.set_comment(nothing)
        assert task.comment is None


# configuration and labels ------------------------------------------------------------------


def test_the_model_configuration_of_a_task(registry):
    task = Task.create(task_name="train")
    assert (task.get_model_config_text(), task.get_model_config_dict()) == ("", {})
    task.set_model_config(config_text="a = 1\r\n")
    assert task.get_model_config_text() == "a = 1\r\n"
    assert task.get_model_config_dict() == {"a": 1}
    task.set_model_config(config_dict={"b": [1]})
    assert task.get_model_config_text() == '{\n  "b": [\n    1\n  ]\n}'
    with pytest.raises(ValueError, match="config_dict"):
        task.set_model_config("a = 1", {"a": 1})
    assert task.get_model_config_dict() == {"b": [1]}


def test_a_text_that_is_not_a_configuration_has_no_dict(registry):
    task = Task.create(task_name="train")
    task.set_model_config(config_text="as good as it gets")
    with pytest.raises(ValueError, match="config"):
        task.get_model_config_dict()


def test_the_label_enumeration_of_a_task(registry):
    task = Task.create(task_name="train")
    assert task.get_labels_enumeration() == {}
    task.set_model_label_enumeration({"background": 0, "person": 1})
    assert task.get_labels_enumeration() == {"background": 0, "person": 1}
    task.set_model_config(config_text="a = 1")
    assert task.get_labels_enumeration() == {"background": 0, "person": 1}
    task.set_model_label_enumeration({})
    assert task.get_labels_enumeration() == {}
    assert task.get_model_config_text() == "a = 1"


# input and output models -------------------------------------------------------------------


def test_connect_returns_the_model_and_refuses_what_it_cannot_record(registry):
    task, model = Task.create(task_name="train"), imported("a")
    assert task.connect(model, "backbone") is model
    for other in (None, "a", [1], 5, Model(model.id), task):
        with pytest.raises(InvalidValueError, match="mutable must be"):
            task.connect(other)
    assert task.input_models_id == {"backbone": model.id}


def test_set_input_model_takes_an_id_or_the_newest_of_a_name(registry):
    task = Task.create(task_name="train")
    old, new = imported("a", project="p"), InputModel.import_model("s3://b/x.pt", name="a")
    task.set_input_model(old.id)
    assert task.input_models_id == {"a": old.id}
    task.set_input_model(model_name="a", name="by name")
    assert task.input_models_id == {"a": old.id, "by name": new.id}
    task.set_input_model(new.id, model_name="ignored", name="a")
    assert task.input_models_id == {"a": new.id, "by name": new.id}


@pytest.mark.parametrize("wrong", [{"model_id": "f" * 32}, {"model_name": "A"}])
def test_set_input_model_raises_when_there_is_none(wrong, registry):
    task = Task.create(task_name="train")
    imported("a")
    with pytest.raises(ModelNotFoundError):
        task.set_input_model(**wrong)
    with pytest.raises(InvalidValueError, match="model_id or a model_name"):
        task.set_input_model()
    assert task.input_models_id == {}


def test_remove_input_models_ignores_unknown_names(registry):
    task = Task.create(task_name="train")
    for name in "abc":
        imported(name).connect(task)
    task.remove_input_models(["a", "c", "never there"])
    assert list(task.input_models_id) == ["b"]


def test_remove_input_models_is_one_change(registry):
    task = Task.create(task_name="train")
    for name in "abc":
        imported(name).connect(task)
    with pytest.raises(InvalidValueError, match="models_to_remove"):
        task.remove_input_models(["a", 7])
    with pytest.raises(InvalidValueError, match="models_to_remove"):
        task.remove_input_models("abc")
    assert list(task.input_models_id) == ["a", "b", "c"]
    task.remove_input_models(["a", "b"])
    assert len({entry.at for entry in registry.history(limit=2)}) == 1


def test_models_is_a_list_that_also_answers_by_name(registry):
    task = Task.create(task_name="train")
    first, second = imported("first"), imported("second")
    second.connect(task)
    first.connect(task)
    inputs = task.models["input"]
    assert [model.id for model in inputs] == [second.id, first.id]
    assert (inputs[0], inputs[-1], inputs["first"]) == (second, first, first)
    assert inputs[:1] == [second]
    assert inputs.keys() == ["second", "first"]
    assert len(inputs) == 2
    assert first in inputs
    assert {type(model) for model in inputs} == {Model}
    with pytest.raises(ModelNotFoundError, match=r"'other'.*second, first"):
        inputs["other"]
    with pytest.raises(IndexError):
        inputs[2]
    assert len(task.models["output"]) == 0


def test_output_models_are_those_that_the_task_made(registry, tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"weights")
    task = Task.create("vision", "train")
    chain = registry._chain
    made = adding.add_model(
        chain, file, recording.describe(name="made"), task=lifecycle.task(chain.first, task.id)
    )
    assert task.output_models_id == {"made": made}
    assert task.models["output"]["made"].original_task == task.id
    assert Model(made).project == task.project
    assert Model(made).task == task.id
    assert task.input_models_id == {}


# two registries ----------------------------------------------------------------------------


def test_handles_of_two_registries_do_not_mix(registry, tmp_path):
    model, task = imported("a"), Task.create(task_name="train")
    with Registry(tmp_path / "other", durability="fast") as other:
        foreign_task, foreign_model = Task.create(task_name="other"), imported("b")
        for connect in (
            lambda: model.connect(foreign_task),
            lambda: foreign_task.connect(model),
            lambda: foreign_model.connect(task),
        ):
            with pytest.raises(InvalidValueError, match="registry") as raised:
                connect()
            assert str(registry.path) in str(raised.value)
            assert str(other.path) in str(raised.value)
        with pytest.raises(ModelNotFoundError):
            foreign_task.set_input_model(model.id)
        with pytest.raises(InvalidValueError, match=str(registry.path)):
            other.set_alias(model, "prod")
        with pytest.raises(TaskNotFoundError):
            Task.get_task(task.id)
        assert (task.input_models_id, foreign_task.input_models_id) == ({}, {})
        assert (model.aliases, foreign_model.aliases) == ([], [])


def test_an_empty_model_may_be_connected_anywhere(registry, tmp_path):
    empty = InputModel.empty(config_text="a = 1")
    with Registry(tmp_path / "other", durability="fast"):
        task = Task.create(task_name="other")
        empty.connect(task)
        assert task.get_model_config_text() == "a = 1"


def test_handles_keep_their_registry_when_another_is_current(registry, tmp_path):
    model, task = imported("a"), Task.create(task_name="train")
    with Registry(tmp_path / "other", durability="fast"):
        model.comment = "c"
        model.connect(task)
        assert (model.comment, model.task) == ("c", task.id)
        assert InputModel.query_models() == []
        assert Model(model.id, registry=registry) == model


def test_every_class_method_takes_a_registry(registry, tmp_path):
    other = Registry(tmp_path / "other", durability="fast")
    model = imported("a", registry=other)
    task = Task.create(task_name="train", registry=other)
    assert InputModel.query_models() == []
    assert InputModel.query_models(registry=other) == [model]
    assert InputModel(name="a", registry=other) == model
    assert InputModel.load_model("s3://bucket/a.pt", registry=other) == model
    assert Task.get_task(task.id, registry=other) == task
    started = Task.init(task_name="started", registry=other)
    assert Task.get_task(task_name="started", registry=other) == started
    assert InputModel.remove(model.id, registry=other) is True
    assert registry.history() == []
    other.close()


def test_arguments_of_other_types_are_named(registry):
    """Also while a task runs with which the names are compared."""
    task = Task.init("p", "t")
    array = np.array([[1.0, 2.0]])
    for argument, call in {
        "task_name": lambda: Task.init("p", array),
        "project_name": lambda: Task.init(array, "t"),
        "artifact_names": lambda: task.delete_artifacts(array),
        "additional_return_fields": lambda: Task.query_tasks(additional_return_fields=1),
    }.items():
        with pytest.raises(InvalidValueError, match=argument):
            call()
