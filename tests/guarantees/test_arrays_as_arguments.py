"""P18: an array, a list or a frame for any argument is taken, or refused by the argument's name.

`if value` and `value == ""` raise "truth value is ambiguous" for arrays, from inside of localreg.
"""

from __future__ import annotations

import inspect
import io

import numpy as np
import pandas as pd
import pytest
from support.sessions import SMALL, STORES

from localreg import InputModel, Logger, Model, OutputModel, Registry, StorageManager, Task
from localreg.api import ambient
from localreg.errors import LocalregError

VALUES = (np.array([1, 2]), [1, 2], pd.DataFrame({"a": [1, 2]}))
KINDS = (InputModel, Model, OutputModel, Task, Logger, Registry, StorageManager)
# They start a browser or another process, read this one's arguments, wait, or are of `enum`.
LEFT_OUT = {"export_images", "execute_remotely", "wait_for_status", "TaskTypes"}
GIVEN = {  # for the other arguments that a call needs
    "weights_url": "s3://bucket/a.pt", "url": "s3://bucket/a.pt", "remote_url": "s3://bucket/a.pt",
    "title": "t", "series": "s", "value": 1.0, "values": [1, 2], "matrix": [[1, 2]],
    "scatter": [[1, 2]], "mode": "lines", "key": "k", "metadata": {"a": 1}, "name": "n",
    "alias": "best", "tags": ["a"], "names": ["n"], "parameters": {"a": 1}, "mutable": {"a": 1},
    "configuration": {"a": 1}, "enumeration": {"a": 1}, "artifact_object": {"a": 1},
    "artifact_name": "n", "config_text": "a = 1", "label_enumeration": {"a": 1},
    "project": "p", "project_name": "p", "task_name": "t", "comment": "c", "parent": None,
    "msg": "m", "figure": None, "media": "text", "upload_uri": None, "uri": None, "count": 1,
    "expect": None, "labels": {"a": 1}, "xlabels": None, "packages": ["numpy"],
    "task_data": {"name": "t"}, "session_folder_zip": STORES / SMALL,
}  # fmt: skip


def calls():
    """Return the public functions with arguments, and constructors, by name."""
    found, seen = {}, set()
    for kind in KINDS:
        names = [each for each in dir(kind) if each[0] != "_" and each not in LEFT_OUT]
        for name in [*names, "__init__"]:
            static = inspect.getattr_static(kind, name)
            function = getattr(static, "__func__", static)
            if isinstance(static, property) or not callable(function) or function in seen:
                continue  # inherited ones are tested once
            seen.add(function)
            if name == "__init__" or len(inspect.signature(getattr(kind, name)).parameters) > 0:
                found[f"{kind.__name__}.{name}"] = (kind, name)
    return found


CALLS = calls()


@pytest.fixture(autouse=True)
def _own_state():
    """What holds for the process, such as settings of `Logger`, is as before after each test."""
    with ambient.isolated():
        yield


@pytest.fixture
def fresh(registry, tmp_path, monkeypatch):
    """Return a function that returns an object of a class, with a model and a task for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALREG_TASK_ID", "")  # `debug_simulate_remote_task` sets it

    def make(kind):
        model = registry.add(io.BytesIO(b"weights"), "m", filename="m.bin")
        task = Task.create("p", "t", registry=registry)
        objects = {
            Model: model,
            InputModel: InputModel(model.id),
            OutputModel: OutputModel(task),
            Task: task,
            Logger: task.get_logger(),
            Registry: registry,
            StorageManager: StorageManager,
        }
        return objects[kind], {
            "model": model, "model_id": model.id, "ref": model, "reference": model.id,
            "task": task, "task_id": task.id, "source_task": task, "source": io.BytesIO(b"w"),
            "path": tmp_path / "new", "models": model, "base_model_id": model.id,
            "folder": tmp_path / "out", "registry": registry,
        }  # fmt: skip

    return make


def arguments_of(kind, name):
    function = kind if name == "__init__" else getattr(kind, name)
    parameters = list(inspect.signature(function).parameters.values())
    if name != "__init__" and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    # What comes after named ones is ignored, as by `Logger.report_text`.
    return [
        each
        for place, each in enumerate(parameters)
        if not (place and each.kind == each.VAR_POSITIONAL)
    ]


def problem_with(fresh, kind, name, wanted, value):
    """Return what is wrong with the answer to a value for an argument, or None."""
    parameters = arguments_of(kind, name)
    subject, objects = fresh(kind)
    function = kind if name == "__init__" else getattr(subject, name)
    values = {
        each.name: value if each.name == wanted.name
        else objects.get(each.name, GIVEN.get(each.name))
        for each in parameters
        if each.name == wanted.name or each.default is each.empty
    }  # fmt: skip
    several = [each.name for each in parameters if each.kind is each.VAR_POSITIONAL]
    extra = [values.pop(each) for each in several if each in values]
    values.pop("kwargs", None)
    try:
        made = function(*extra, **values)
    except LocalregError:
        return None
    except TypeError as error:
        return None if wanted.name in str(error) else f"TypeError: {error}"
    except Exception as error:  # noqa: BLE001  (any other error is what the test looks for)
        return f"{type(error).__name__}: {error}"
    if isinstance(made, Task):
        made.close()
    return None


@pytest.mark.parametrize("call", CALLS)
def test_every_argument_takes_an_array_or_refuses_it(call, fresh):
    kind, name = CALLS[call]
    found = {
        f"{wanted.name}={type(value).__name__}": problem
        for wanted in arguments_of(kind, name)
        for value in VALUES
        if (problem := problem_with(fresh, kind, name, wanted, value))
    }
    assert found == {}
