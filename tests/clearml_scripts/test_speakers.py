"""Libraries that report to ClearML by themselves report to localreg, with the real libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.frameworks import must_be_installed
from support.offline_programs import run_offline

from localreg import Task

SPEAKERS = Path(__file__).parent / "speakers"

must_be_installed("torch")


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Return a function that runs a program in a new folder, and returns the only task."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(name):
        done = run_offline(SPEAKERS / f"{name}.py", timeout=300)
        assert done.returncode == 0, done.stderr
        call.errors = done.stderr
        (task,) = Task.get_tasks()
        assert task.status == "completed"
        return task

    return call


def steps(task):
    """Return the iterations of each scalar series, by title and series."""
    return {
        (title, series): points["x"]
        for title, found in task.get_reported_scalars().items()
        for series, points in found.items()
    }


def plots_of(registry):
    rows = registry.db.execute("SELECT title, series, iteration, kind FROM plot ORDER BY title")
    return rows.fetchall()


def test_the_trainer_of_transformers(run):
    task = run("transformers_trainer")
    assert (task.get_project_name(), task.name) == ("language", "tiny gpt")
    found = steps(task)
    assert found["train", "loss"] == [2, 4, 6, 8]
    assert found["eval", "loss"] == [4, 8]
    single = task.get_reported_single_values()
    assert single["epoch"] == 2
    assert single["train_loss"] > 0
    parameters = task.get_parameters()
    assert parameters["Transformers/num_train_epochs"] == "2"
    assert task.get_configuration_object_as_dict("Model Configuration")["n_embd"] == 8
    assert sorted(task.output_models_id) == ["checkpoint-4", "checkpoint-8"]
    last = task.models["output"]["checkpoint-8"]
    assert last.framework == "PyTorch"
    files = {path.name for path in Path(last.get_weights_package(return_path=True)).iterdir()}
    assert {"config.json", "model.safetensors", "trainer_state.json"} <= files


def test_the_tracker_of_accelerate(run, registry):
    task = run("accelerate_tracker")
    assert (task.get_project_name(), task.name) == ("accelerated", "loop")
    assert list(steps(task).values()) == [[0, 1, 2], [0, 1, 2]]
    assert task.get_reported_single_values() == {"final": 0.5}
    assert task.get_configuration_object_as_dict("General") == {"lr": 0.1, "layers": 2}
    assert plots_of(registry) == [
        ("picture", "train", 1, "media"), ("table/rows", "train", 2, "table"),
    ]  # fmt: skip


def test_the_logger_of_ignite(run, registry):
    task = run("ignite_logger")
    assert (task.get_project_name(), task.name) == ("ignite", "engine")
    found = steps(task)
    assert found["training", "loss"] == [1, 2, 3, 4, 5, 6]
    assert found["lr", "0"] == [1, 2, 3, 4, 5, 6]
    assert found["grads_norm/weight", ""] == [1, 2, 3, 4, 5, 6]
    assert {(title, kind) for title, _, _, kind in plots_of(registry)} == {
        ("weights_bias", "surface"), ("weights_weight", "surface"),
    }  # fmt: skip
    (model,) = task.models["output"]  # n_saved=1
    assert model.framework == "PyTorch"
    assert Path(model.get_weights()).stat().st_size > 0


def test_a_module_of_lightning(run):
    task = run("lightning_trainer")
    found = steps(task)
    assert found["train", "loss"] == list(range(8))
    assert task.get_parameters()["TB_hparams/width"] == "2"
    (model,) = task.models["output"]
    assert (model.name, model.framework) == ("module - best", "PyTorch")
    checkpoint = Path("checkpoints/best.ckpt").read_bytes()
    assert Path(model.get_weights()).read_bytes() == checkpoint


def test_the_callbacks_of_ultralytics(run, registry):
    must_be_installed("ultralytics")
    task = run("ultralytics_callbacks")
    assert (task.get_project_name(), task.name, task.get_tags()) == (
        "runs/detect", "tiny", ["Ultralytics"],
    )  # fmt: skip
    assert task.get_parameters()["General/lr0"] == "0.01"
    assert task.get_reported_single_values() == {"fitness": 0.4}
    assert steps(task)["train", "train/box_loss"] == [1]
    assert {title for title, *_ in plots_of(registry)} == {"Mosaic", "Validation", "results"}
    (model,) = task.models["output"]
    assert Path(model.get_weights()).read_bytes() == b"weights"
    assert Path("run/best.pt").exists()
