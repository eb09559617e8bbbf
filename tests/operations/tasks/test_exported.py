"""`Task.export_task` and `Task.import_task`: a task as ClearML's dict."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest

from localreg import InputModel, Task
from localreg.errors import InvalidValueError, TaskNotFoundError
from localreg.values.clearml_task import read_task

# As `Task.export_task` of the SDK 2.1.12 returns it of a task on a server.
FROM_A_SERVER = {
    "id": "0123456789abcdef0123456789abcdef",
    "name": "train",
    "user": "d" * 32,
    "company": "c" * 32,
    "type": "training",
    "status": "completed",
    "comment": "first try",
    "created": datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
    "started": datetime(2024, 5, 1, 12, 30, 5),
    "completed": datetime(2024, 5, 1, 13, 0),
    "parent": "a" * 32,
    "project": "e" * 32,
    "output": {"destination": "https://files.example.org"},
    "execution": {
        "parameters": {},
        "model_desc": {"design": "layers = 3"},
        "model_labels": {"cat": 1, "dog": 2},
    },
    "container": {"image": "python:3.11"},
    "models": {"input": [{"name": "base", "model": "b" * 32}], "output": []},
    "script": {
        "binary": "python3.11",
        "repository": "https://anna:secret@github.com/anna/cats.git",
        "tag": "",
        "branch": "main",
        "version_num": "4f1d2c",
        "entry_point": "train.py",
        "working_dir": "src",
        "requirements": {
            "pip": "# Python 3.11.7 (main, May  9 2026) [GCC 12.2.0]\n\nnumpy == 2.0.1\ntorch\n",
            "conda": "",
        },
        "diff": "diff --git a/train.py b/train.py\n",
    },
    "tags": ["cats", "v2"],
    "system_tags": ["development"],
    "hyperparams": {
        "Args": {
            "lr": {"section": "Args", "name": "lr", "value": "0.1", "type": "float",
                   "description": "step"},
            "resume": {"section": "Args", "name": "resume", "value": "", "description": ""},
            "steps": {"section": "Args", "name": "steps", "value": "[1, 2]", "type": "list/int"},
        },
        "properties": {"owner": {"section": "properties", "name": "owner", "value": "anna"}},
    },
    "configuration": {"net": {"name": "net", "type": "dictionary", "value": "a {\n  b = 1\n}"}},
    "runtime": {"progress": "100"},
    "project_name": "vision/cats",
    "session_api_version": "2.31",
}  # fmt: skip


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


def settings_of(task):
    """Return what an export has that is neither of the one task nor of its time."""
    found = task.export_task()
    for own in ("id", "status", "created", "started", "completed", "last_update"):
        found.pop(own)
    return found


def full_task():
    model = InputModel.import_model("s3://bucket/base.pt", name="base")
    task = Task.create("vision/cats", "train", task_type="testing", packages=["numpy==2.0.1"])
    task.set_comment("first")
    task.add_tags(["a", "b"])
    task.set_parameters({"Args/lr": 0.1, "General/seed": None, "General/steps": [1, 2]})
    task.set_configuration_object("net", config_dict={"layers": 3})
    task.set_model_label_enumeration({"cat": 1})
    task.set_model_config(config_text="x = 1")
    task.connect(model)
    return task


def test_what_is_exported_comes_back_the_same():
    task = full_task()
    made = Task.import_task(json.loads(json.dumps(task.export_task())))
    assert made.id != task.id
    assert made.status == "created"
    assert settings_of(made) == settings_of(task)
    assert made.get_parameters(cast=True) == task.get_parameters(cast=True)
    assert made.get_configuration_object_as_dict("net") == {"layers": 3}
    assert made.input_models_id == task.input_models_id


def test_an_export_has_the_layout_of_clearml():
    found = full_task().export_task()
    assert found["hyperparams"]["Args"]["lr"] == {
        "section": "Args", "name": "lr", "value": "0.1", "type": "float", "description": "",
    }  # fmt: skip
    assert "type" not in found["hyperparams"]["General"]["seed"]
    assert found["configuration"]["net"]["name"] == "net"
    assert found["execution"]["model_labels"] == {"cat": 1}
    assert found["script"]["requirements"] == {"pip": "numpy == 2.0.1"}
    assert found["project_name"] == "vision/cats"
    assert datetime.fromisoformat(found["created"]).tzinfo is UTC


def test_what_a_server_exported_is_imported():
    task = Task.import_task(FROM_A_SERVER)
    assert (task.name, task.task_type, task.status) == ("train", "training", "created")
    assert task.get_project_name() == "vision/cats"
    assert task.get_tags() == ["cats", "v2"]
    assert task.comment == "first try"
    assert task.get_parameters(cast=True) == {
        "Args/lr": 0.1, "Args/resume": None, "Args/steps": [1, 2], "properties/owner": "anna",
    }  # fmt: skip
    assert task.get_configuration_object("net") == "a {\n  b = 1\n}"
    assert task.get_labels_enumeration() == {"cat": 1, "dog": 2}
    script = task.get_script()
    assert script["repository"] == "https://***@github.com/anna/cats.git"
    assert (script["version_num"], script["entry_point"]) == ("4f1d2c", "train.py")
    assert script["diff"] == FROM_A_SERVER["script"]["diff"]
    assert script["python"] == "3.11.7"
    assert task.get_requirements() == {"numpy": "2.0.1", "torch": ""}
    assert task.input_models_id == {}  # that model is not here


def test_times_of_an_export_are_read_with_and_without_their_zone():
    found = read_task(FROM_A_SERVER, "task_data")
    assert (found.created, found.started) == (1_714_566_600_000_000, 1_714_566_605_000_000)


def test_models_that_are_here_become_inputs():
    model = InputModel.import_model("s3://bucket/base.pt", name="base")
    data = FROM_A_SERVER | {"models": {"input": [{"name": "base", "model": model.id}]}}
    assert Task.import_task(data).input_models_id == {"base": model.id}


def test_a_target_gets_the_settings_and_loses_others():
    target = full_task()
    assert Task.import_task(FROM_A_SERVER, target) == target
    assert set(target.get_parameters()) == {
        "Args/lr", "Args/resume", "Args/steps", "properties/owner",
    }  # fmt: skip
    assert target.get_tags() == ["cats", "v2"]
    assert target.name == "train"
    assert target.get_configuration_object("net") == "a {\n  b = 1\n}"


def test_an_update_keeps_what_the_dict_does_not_have():
    target = full_task()
    change = {"hyperparams": {"Args": {"lr": {"value": "0.5", "type": "float"}}}}
    assert target.update_task(change) is True
    found = target.get_parameters(cast=True)
    assert found == {"Args/lr": 0.5, "General/seed": None, "General/steps": [1, 2]}
    assert target.get_tags() == ["a", "b"]
    assert target.comment.startswith("first")
    assert Task.import_task(change, target.id, update=True).get_parameters(cast=True) == found


def test_importing_into_itself_makes_no_event(registry):
    target = full_task()
    before = len(list(registry.history()))
    Task.import_task(target.export_task(), target)
    assert len(list(registry.history())) == before


def test_parameters_of_old_servers_are_read():
    task = Task.import_task(
        {"name": "old", "execution": {"parameters": {"Args/lr": "1", "b": "2"}}}
    )
    assert task.get_parameters() == {"Args/lr": "1", "General/b": "2"}


def test_an_unknown_type_is_custom():
    assert Task.import_task({"type": "dataset_import"}).task_type == "custom"


def test_the_dict_is_not_changed():
    given = copy.deepcopy(FROM_A_SERVER)
    Task.import_task(given)
    assert given == FROM_A_SERVER


def test_an_error_names_the_part_and_nothing_is_imported(registry):
    broken = copy.deepcopy(FROM_A_SERVER)
    broken["hyperparams"]["Args"]["lr"]["value"] = [1]
    before = len(list(registry.history()))
    with pytest.raises(InvalidValueError, match=r"task_data\.hyperparams\.Args\.lr\.value must be"):
        Task.import_task(broken)
    with pytest.raises(TaskNotFoundError):
        Task.import_task(FROM_A_SERVER, "f" * 32)
    assert len(list(registry.history())) == before
