"""Ten unchanged ClearML programs, without a network: what they record.

They are in clearml_programs/, each begins with its ``from clearml import …``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.offline_programs import BLOCKED, run_offline

import localreg
from localreg import InputModel, Model, Task

PROGRAMS = Path(__file__).parent / "programs"
makes_models = pytest.mark.skipif(
    "OutputModel" not in localreg.__all__, reason="OutputModel is written elsewhere"
)


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Return a function that runs a program in a new folder and returns its task by name."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(program, task_name=None, *arguments):
        done = run_offline(program, *arguments, options=("-W", "error"))
        assert done.returncode == 0, done.stdout + done.stderr
        task = Task.get_task(task_name=task_name) if task_name else None
        if task is not None:
            assert task.status == "completed"
            assert task.get_script()["entry_point"] == str(program)
        call.output = done.stdout
        return task

    return call


def program(name):
    path = PROGRAMS / f"{name}.py"
    assert "from clearml import " in path.read_text(encoding="utf-8")
    return path


def test_there_are_ten_and_each_has_a_test():
    names = sorted(path.stem for path in PROGRAMS.glob("*.py"))
    assert len(names) == 10
    assert all(f'"{name}"' in Path(__file__).read_text(encoding="utf-8") for name in names)


def test_the_network_is_blocked(tmp_path):
    script = tmp_path / "asks.py"
    script.write_text("import socket\nsocket.create_connection(('127.0.0.1', 9))\n")
    assert run_offline(script).returncode == BLOCKED


@makes_models
def test_model_upload(run):
    task = run(program("model_upload"), "model upload")
    model = Model.query_models(model_name="line")[0]
    assert task.models["output"][0] == model
    assert list(task.output_models_id.values()) == [model.id]
    assert (model.original_task, model.framework, model.tags) == (
        task.id, "ScikitLearn", ["linear"],
    )  # fmt: skip
    assert model.config_dict == {"inputs": 1, "outputs": 1}
    assert model.get_metadata_casted("points") == 20
    uploaded = Path("line.pkl").read_bytes()
    Path("line.pkl").unlink()  # it was not deleted, and is not needed
    assert Path(model.get_weights()).read_bytes() == uploaded
    assert len(model.revisions()) == 3
    assert model.get_reported_single_values()["loss"] < 1
    assert len(task.get_reported_scalars()["loss"]["train"]["y"]) == 3
    assert task.get_parameters(cast=True) == {"General/epochs": 3, "General/rate": 0.05}


def test_import_and_connect(run):
    Path("pretrained.pt").write_bytes(b"pretrained weights")
    task = run(program("import_and_connect"), "fine-tune")
    (model,) = Model.query_models()
    assert (model.name, model.framework, model.tags) == ("pretrained", "PyTorch", ["base"])
    assert model.url == Path("pretrained.pt").absolute().as_uri()
    assert task.input_models_id == {"backbone": model.id}
    assert model.task == task.id
    assert f"Using model id: {model.id}" in task.comment
    assert task.get_tags() == ["fine"]
    assert task.get_model_config_text() == "layers = 2\n"
    assert task.get_labels_enumeration() == {"background": 0, "cat": 1}
    assert task.get_reported_single_values() == {"bytes": 18.0}
    assert "starts from pretrained with {'layers': 2}" in run.output


def test_query_models(run):
    task = run(program("query_models"), "query")
    assert task.task_type == "data_processing"
    assert task.artifacts["found"].get() == {
        "any": ["wolf", "tiger", "lion"],
        "without": ["wolf", "lion"],
        "all": ["lion"],
        "published": ["wolf"],
        "archived": ["fox"],
        "metadata": ["tiger"],
    }
    assert InputModel(name="wolf").published


@makes_models
def test_label_enumeration(run):
    task = run(program("label_enumeration"), "labels")
    model = InputModel(name="classifier")
    assert model.labels == {"background": 0, "cat": 1, "dog": 2, "fox": 3}
    assert task.get_labels_enumeration() == model.labels
    assert (model.published, model.framework) == (True, "ONNX")
    assert Path(model.get_weights()).read_bytes() == b"weights"


def test_configuration(run):
    Path("train.yaml").write_text("epochs: 3\nrate: 0.1\n")
    task = run(program("configuration"), "configuration")
    assert task.get_configuration_object_as_dict("network") == {
        "layers": [128, 64], "dropout": {"rate": 0.1, "where": "head"},
    }  # fmt: skip
    assert task.get_configuration_object("training") == "epochs: 3\nrate: 0.1\n"
    assert task.get_configuration_object("note") == "free text\n"
    assert task.get_model_config_dict() == {"kind": "mlp", "layers": [128, 64]}
    assert task.get_parameters(cast=True) == {"data/batch_size": 16, "data/shuffle": True}
    assert "2 lines of configuration" in run.output


def test_logger_reporting(run, registry):
    Path("note.txt").write_text("a note")
    task = run(program("logger_reporting"), "reporting")
    scalars = task.get_reported_scalars()
    assert sorted(scalars["loss"]) == ["train", "valid"]
    assert scalars["loss"]["train"]["x"] == list(range(10))
    assert task.get_last_iteration() == 9
    assert task.get_reported_single_values() == {"best": 0.1}
    plots = {title for (title,) in registry.db.execute("SELECT DISTINCT title FROM plot")}
    assert plots == {
        "weights", "vector", "confusion", "points", "points 3d", "surface", "lines", "table",
        "picture", "media", "plotly",
    }  # fmt: skip
    assert registry.db.execute("SELECT text FROM message").fetchall() == [
        ("all of it is reported",)
    ]


@makes_models
def test_model_reporting(run):
    task = run(program("model_reporting"), "evaluate")
    best = Model.query_models(order_by="metrics.val/acc")
    assert [model.name for model in best] == ["outgoing", "incoming"]
    assert [model.name for model in Model.query_models(order_by="metrics.top-1")] == [
        "outgoing", "incoming",
    ]  # fmt: skip
    for model, value in zip(best, (0.9, 0.8), strict=True):
        assert model.get_reported_single_values() == {"top-1": value}
        assert model.get_reported_scalars()["val"]["acc"]["x"] == [0, 1, 2]
    assert task.input_models_id == {"base": best[1].id}
    assert best[0].original_task == task.id
    assert "taken as 'base' by task evaluate" in repr(best[1].lineage())


def test_several_tasks(run):
    run(program("several_tasks"))
    tasks = {task.name: task for task in Task.get_tasks(project_name="sweep")}
    assert sorted(tasks) == ["copy", "planned", "run 0", "run 1", "run 2"]
    assert {name: task.status for name, task in tasks.items()} == {
        "run 0": "completed", "run 1": "failed", "run 2": "completed", "planned": "created",
        "copy": "created",
    }  # fmt: skip
    assert tasks["run 1"].status_reason == "it diverged"
    for number in range(3):
        task = tasks[f"run {number}"]
        assert task.get_parameters(cast=True) == {"sweep/number": number}
        assert task.get_reported_scalars()["score"]["test"]["y"] == [number * 2]
        assert task.get_tags() == [f"number-{number}"]
    assert tasks["copy"].get_parameters() == {"sweep/number": "7"}
    assert tasks["copy"].parent == tasks["planned"].id
    assert Path("finished.txt").read_text() == "run 0\nrun 2"


@makes_models
def test_packages(run):
    task = run(program("packages"), "packages")
    model = InputModel(name="packaged")
    assert "package" in model.system_tags
    assert [Path(each).name for each in model.get_weights_package()] == ["graph.pb", "variables"]
    assert Path("saved_model/graph.pb").exists()
    assert task.artifacts["entries"].get() == ["graph.pb", "variables"]
    folder = Path(task.artifacts["folder"].get_local_copy())
    assert (folder / "variables" / "index").read_bytes() == b"variables"
    assert "graph.pb" in run.output


def test_artifacts_and_arguments(run):
    Path("note.txt").write_text("a note")
    task = run(program("artifacts_and_arguments"), "artifacts", "--epochs", "4", "--quiet")
    assert task.get_parameters(cast=True) == {
        "Args/epochs": 4, "Args/rate": 0.1, "Args/quiet": True,
        "augment/flip": False, "augment/crop/width": 10, "General/seed": 5,
    }  # fmt: skip
    assert np.array_equal(task.artifacts["values"].get(), np.linspace(0, 0.1, 4))
    assert task.artifacts["values"].metadata == {"unit": "none"}
    assert task.artifacts["summary"].get()["epochs"] == 4
    assert Path(task.artifacts["note"].get_local_copy()).read_text() == "a note"


def test_a_clone_of_a_program_runs_with_other_values(run):
    Path("note.txt").write_text("a note")
    task = run(program("artifacts_and_arguments"), "artifacts", "--epochs", "4")
    copy = Task.clone(task)
    copy.set_parameter("Args/epochs", 6)
    done = subprocess.run(
        [sys.executable, "-m", "localreg.cli", "task", "run", copy.id],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert copy.status == "completed"
    assert copy.get_parameter("Args/epochs", cast=True) == 6
    assert task.get_parameter("Args/epochs", cast=True) == 4
