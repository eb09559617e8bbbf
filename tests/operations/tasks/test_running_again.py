"""Tasks that run again: decisions 22 and 34 of localreg/guide/decisions.md."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.new_models import imported

from localreg import InputModel, Task
from localreg.errors import ModelNotFoundError, TaskNotFoundError


@pytest.fixture
def task(registry):
    return Task.create(project_name="vision", task_name="train")


@pytest.fixture
def rerun(task, monkeypatch):
    """Return a function that starts the task again, as another process would."""

    def start():
        monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
        return Task.init(project_name="vision", task_name="train")

    return start


def test_init_returns_the_task_that_localreg_task_id_names(registry, task, rerun):
    again = rerun()
    assert again == task
    assert Task.current_task() == task
    assert registry.db["task"].count == 1


def test_localreg_task_id_overrides_the_names_in_the_script(registry, task, monkeypatch):
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    assert Task.init(project_name="other", task_name="other") == task
    assert (task.name, task.get_project_name()) == ("train", "vision")
    assert registry.db["task"].count == 1


def test_an_unknown_task_is_an_error_that_names_it(registry, monkeypatch):
    monkeypatch.setenv("LOCALREG_TASK_ID", "f" * 32)
    with pytest.raises(TaskNotFoundError, match="f" * 32):
        Task.init(task_name="train")
    assert registry.history() == []


@pytest.mark.parametrize("how", ["model.connect", "task.connect"])
def test_connect_uses_the_model_of_the_task_instead_of_the_scripts(how, task, rerun):
    code, chosen = imported("code"), imported("chosen", tags=["chosen"])
    task.set_input_model(chosen.id, name="backbone")
    running = rerun()
    if how == "model.connect":
        assert code.connect(running, name="backbone") is None
    else:
        assert running.connect(code, name="backbone") is code
    # The very object becomes the other model: the code that made it goes on with it.
    assert code.id == chosen.id
    assert code.tags == ["chosen"]
    assert running.input_models_id == {"backbone": chosen.id}
    assert chosen.task == running.id


def test_without_a_name_connect_looks_for_the_default_name_of_the_scripts_model(task, rerun):
    code, chosen = imported("code"), imported("chosen")
    task.set_input_model(chosen.id, name="code")
    running = rerun()
    code.connect(running)
    assert code.id == chosen.id
    assert running.input_models_id == {"code": chosen.id}


def test_ignore_remote_overrides_keeps_the_scripts_model(task, rerun):
    code, chosen = imported("code"), imported("chosen")
    code_id = code.id
    task.set_input_model(chosen.id, name="backbone")
    running = rerun()
    code.connect(running, name="backbone", ignore_remote_overrides=True)
    assert code.id == code_id
    assert running.input_models_id == {"backbone": code_id}


def test_a_name_that_the_task_does_not_have_keeps_the_scripts_model(task, rerun, caplog):
    code, chosen = imported("code"), imported("chosen")
    code_id = code.id
    task.set_input_model(chosen.id, name="backbone")
    running = rerun()
    code.connect(running, name="head")
    assert code.id == code_id
    assert "'head'" in caplog.text
    assert "backbone" in caplog.text
    assert running.input_models_id == {"backbone": chosen.id, "head": code_id}


def test_a_task_without_input_models_gets_the_scripts(task, rerun):
    code = imported("code")
    code_id = code.id
    running = rerun()
    code.connect(running)
    assert running.input_models_id == {"code": code_id}


def test_an_empty_model_becomes_the_tasks_model(task, rerun):
    """Decision 22: "a model can be assigned later"."""
    chosen = imported("chosen", config_text="chosen = 1")
    task.set_input_model(chosen.id, name="backbone")
    model = InputModel.empty(config_text="empty = 1")
    model.connect(rerun(), name="backbone")
    assert model == chosen
    assert model.config_text == "chosen = 1"


def test_an_empty_model_without_a_name_is_connected_as_input_model(task, rerun):
    chosen = imported("chosen")
    task.set_input_model(chosen.id, name="Input Model")
    model = InputModel.empty()
    model.connect(rerun())
    assert model == chosen


def test_only_the_task_that_localreg_task_id_names_overrides_the_script(registry, task, rerun):
    other = Task.create(task_name="other")
    code, chosen = imported("code"), imported("chosen")
    code_id = code.id
    for each in (task, other):
        each.set_input_model(chosen.id, name="backbone")
    rerun()
    code.connect(other, name="backbone")
    assert code.id == code_id
    assert other.input_models_id == {"backbone": code_id}


def test_without_localreg_task_id_the_scripts_model_replaces_the_tasks(task, caplog):
    code, before = imported("code"), imported("before")
    task.set_input_model(before.id, name="backbone")
    code.connect(task, name="backbone")
    assert task.input_models_id == {"backbone": code.id}
    assert before.id in caplog.text


def test_an_input_model_that_was_removed_is_an_error(task, rerun):
    code, chosen = imported("code"), imported("chosen")
    task.set_input_model(chosen.id, name="backbone")
    InputModel.remove(chosen, force=True)
    running = rerun()
    with pytest.raises(ModelNotFoundError, match=chosen.id):
        code.connect(running, name="backbone")


SCRIPT = """
from localreg import InputModel, Task
task = Task.init(project_name="vision", task_name="train")
model = InputModel.import_model("s3://bucket/code.pt", name="code")
model.connect(task, name="backbone")
print(task.id, model.name)
"""


def test_a_script_is_run_again_with_another_model(registry):
    def run(**variables):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            check=True, capture_output=True, text=True, env=os.environ | variables,
        )  # fmt: skip
        return done.stdout.split()

    task_id, name = run()
    assert name == "code"
    Task.get_task(task_id).set_input_model(imported("chosen").id, name="backbone")
    assert run(LOCALREG_TASK_ID=task_id) == [task_id, "chosen"]
    assert registry.db["task"].count == 1


# connect, locally --------------------------------------------------------------------------


def test_the_tasks_configuration_and_labels_come_from_the_first_model_that_has_them(task):
    imported("bare").connect(task)
    assert (task.get_model_config_text(), task.get_labels_enumeration()) == ("", {})
    imported("first", config_text="a = 1", label_enumeration={"x": 1}).connect(task)
    imported("second", config_text="b = 2", label_enumeration={"y": 2}).connect(task)
    assert task.get_model_config_text() == "a = 1"
    assert task.get_labels_enumeration() == {"x": 1}


def test_connecting_the_same_model_again_warns_of_no_replacement(task, caplog):
    model = imported("a")
    model.connect(task)
    model.connect(task)
    assert caplog.text == ""
    assert task.input_models_id == {"a": model.id}


def test_only_task_connect_adds_the_model_to_the_tasks_comment(task):
    model = imported("a")
    model.connect(task)
    assert task.comment is None
    task.connect(model)
    assert task.comment == f"Using model id: {model.id}"
    task.set_comment("before")
    task.connect(model)
    assert task.comment == f"before\nUsing model id: {model.id}"
