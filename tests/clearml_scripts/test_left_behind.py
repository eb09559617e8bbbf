"""Programs leave behind what ClearML records by itself: each runs unchanged, without a network.

What is expected is what the SDK 2.1.12 sends to its server for the same program, by its sources
and documentation, in the words of localreg. Where localreg differs on purpose, a comment says so.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from support.offline_programs import run_offline
from support.skips import NO_FRAMEWORK

from localreg import Task

PROGRAMS = Path(__file__).parent / "left_behind"


class Left:
    """What a program leaves: its task by name, and only what is given of it.

    Args:
        project, name: of the task.
        arguments: of the program.
        needs: a library that is not in every environment.
        facts: see `facts_of`; what is not given must be empty.
    """

    def __init__(self, project, name, arguments="", needs=None, **facts):
        self.project, self.name, self.needs, self.facts = project, name, needs, facts
        self.arguments = arguments.split()


def facts_of(task, registry):
    """Return what is recorded of a task, without what is empty.

    - parameters, single (values), artifacts (their types), configurations (their texts);
    - scalars: the iterations of each series;
    - plots: title, series, iteration and kind;
    - inputs, outputs: by their names on the task, the model's name, framework and revisions;
    - log: the lines.
    """
    task.flush()
    owner = (task.id,)

    def rows(sql):
        return registry.db.execute(f"{sql} = (SELECT pk FROM task WHERE id = ?)", owner).fetchall()

    models = {
        role: {
            name: (model.name, model.framework, len(model.revisions()))
            for name, model in zip(ids, task.models[role], strict=True)
        }
        for role, ids in (("input", task.input_models_id), ("output", task.output_models_id))
    }
    facts = {
        "type": "" if task.task_type == "training" else task.task_type,
        "tags": task.get_tags(),
        "comment": task.comment,
        "parameters": task.get_parameters(),
        "configurations": dict(rows("SELECT name, text FROM configuration WHERE task")),
        "labels": task.get_labels_enumeration(),
        "scalars": {
            title: {series: points["x"] for series, points in found.items()}
            for title, found in task.get_reported_scalars().items()
            if not title.startswith(":monitor:")  # of the machine, in a long task
        },
        "single": task.get_reported_single_values(),
        "artifacts": {name: each.type for name, each in task.artifacts.items()},
        "plots": set(rows("SELECT title, series, iteration, kind FROM plot WHERE task")),
        "inputs": models["input"],
        "outputs": models["output"],
        "log": [text for _, text in sorted(rows("SELECT stamp, text FROM message WHERE task"))],
    }
    return {name: fact for name, fact in facts.items() if fact}


PROGRAM = {
    "connect_in_place": Left(
        "settings", "in place",
        # What is added to the dict after `connect` is not seen: ClearML copies it, too.
        parameters={
            "General/lr": "0.1", "General/layers": "[64, 32]", "General/optimizer/name": "sgd",
            "General/optimizer/momentum": "0.9",
        },
        configurations={"network": '{\n  "depth": 2,\n  "blocks": {\n    "first": 8\n  }\n}'},
        single={"used": 0.1 * 0.9},
    ),
    "connect_objects": Left(
        "settings", "objects",
        parameters={
            "optimizer/lr": "0.1", "optimizer/name": "adam", "data/batch": "32",
            "data/shuffle": "True", "model/width": "128", "model/activation": "",
        },
    ),
    "configuration_files": Left(
        "settings", "files", tags=["one", "two"],
        configurations={
            "train": '{"epochs": 3}', "General": '{"epochs": 3}', "note": "free = text\n",
            "shape": '{\n  "height": 2\n}',
        },
        labels={"cat": 1, "dog": 2},
        log=['{"epochs": 3}'],
    ),
    "argparse_options": Left(
        "parsers", "argparse", "--mode fast train --epochs 2",
        parameters={
            "Args/lr": "0.1", "Args/mode": "fast", "Args/amp": "False", "Args/sizes": "[1, 2]",
            "Args/command": "train", "Args/epochs": "2",
        },
        log=["0.1 2"],
    ),
    "click_commands": Left(
        "parsers", "click", "train --lr 0.5 3",
        parameters={
            "Args/main/verbose": "False", "Args/train": "True", "Args/train/lr": "0.5",
            "Args/train/name": "net", "Args/train/epochs": "3",
        },
        log=["1.5 net"],
    ),
    "typer_app": Left(
        "parsers", "typer", "3 --amp",
        parameters={"Args/epochs": "3", "Args/lr": "0.1", "Args/amp": "True"},
        log=["3 0.1 True"],
    ),
    "fire_commands": Left(
        "parsers", "fire", "3 --lr=0.5",
        parameters={"Args/epochs": "3", "Args/lr": "0.5", "Args/name": "net"},
        log=["3 0.5 net"],
    ),
    "hydra_app": Left(
        "parsers", "hydra", "db.port=81",
        parameters={"Hydra/db.port": "81", "Hydra/_allow_omegaconf_edit_": "False"},
        configurations={"OmegaConf": "lr: 0.1\ndb:\n  user: root\n  port: 81\n"},
        log=["0.1 root"],
    ),
    "jsonargparse_cli": Left(
        "parsers", "jsonargparse", "--epochs 2",
        # The parser itself has the option `config`.
        parameters={"Args/epochs": "2", "Args/lr": "0.1", "Args/config": ""},
        log=["2 0.1"],
    ),
    "absl_flags": Left(
        "parsers", "absl", "--lr 0.5",
        parameters={"TF_DEFINE/lr": "0.5", "TF_DEFINE/mode": "fast"},
        log=["0.5 fast"],
    ),
    "artifact_files": Left(
        "artifacts", "files",
        artifacts={
            "folder": "package", "path": "package", "pictures": "package",
            "also pictures": "package", "file": "file", "missing": "text",
        },
        log=[
            "artifact 'missing': there is no file, folder or match 'plots/none.md' here, so the "
            "text itself is stored; check the path, or give a pathlib.Path to have an error instead"
        ],
    ),
    "artifact_values": Left(
        "artifacts", "values",
        parameters={"General/color": "RED", "General/nothing": ""},
        artifacts={
            "dict": "json", "list": "json", "array": "numpy", "frame": "pandas",
            "picture": "image", "text": "text", "number": "json", "samples": "pandas",
        },
    ),
    "joblib_models": Left(
        "models", "joblib", single={"score": 1.0},
        outputs={"classifier": ("joblib - classifier", "ScikitLearn", 1)},
    ),
    "safetensors_checkpoints": Left(
        # ClearML does not know this library. Saved again is the next revision.
        "models", "safetensors",
        outputs={
            "last": ("safetensors - last", "NumPy", 3), "best": ("safetensors - best", "NumPy", 1),
        },
    ),
    "onnx_export": Left(
        "models", "onnx", outputs={"identity": ("onnx - identity", "ONNX", 1)}
    ),
    "torch_checkpoints": Left(
        "models", "torch", needs="torch",
        outputs={
            "epoch_0": ("torch - epoch_0", "PyTorch", 1),
            "epoch_1": ("torch - epoch_1", "PyTorch", 1),
            "last": ("torch - last", "PyTorch", 2),
            # One of ClearML's frameworks, too; its patch says PyTorch.
            "script": ("torch - script", "TorchScript", 1),
        },
    ),
    "xgboost_training": Left(
        "boosting", "xgboost", needs="xgboost",
        scalars={"train": {"logloss": [0, 1, 2]}},
        outputs={"booster": ("xgboost - booster", "XGBoost", 1)},
        log=["[0]\ttrain-logloss:0.68704", "[1]\ttrain-logloss:0.68279",
             "[2]\ttrain-logloss:0.67983"],
    ),
    "lightgbm_training": Left(
        "boosting", "lightgbm", needs="lightgbm",
        parameters={
            "General/metric": "binary_logloss", "General/objective": "binary",
            "General/verbose": "-1",
        },
        scalars={"train": {"binary_logloss": [0, 1, 2]}},
        outputs={"booster": ("lightgbm - booster", "LightGBM", 1)},
    ),
    "catboost_training": Left(
        "boosting", "catboost", needs="catboost",
        scalars={"learn": {"Logloss": [1, 2, 3]}, "validation": {"Logloss": [1, 2, 3]}},
        outputs={"model": ("catboost - model", "CatBoost", 1)},
    ),
    "keras_training": Left(
        "models", "keras", needs="keras",
        outputs={
            "whole": ("keras - whole", "Keras", 1),
            "only.weights": ("keras - only.weights", "Keras", 1),
        },
    ),
    "transformers_pretrained": Left(
        "models", "transformers", needs="transformers",
        outputs={"tiny": ("transformers - tiny", "PyTorch", 1)},
    ),
    "tensorboard_writer": Left(
        "boards", "tensorboardX",
        scalars={"loss": {"train": [0, 1, 2]}, "accuracy": {"accuracy": [0, 1, 2]}},
        plots={
            ("Histograms", "weights", 1, "plotly"), ("Images", "picture", 2, "media"),
            ("Images", "figure", 2, "media"), ("note", "text_summary", 2, "media"),
        },
    ),
    "torch_tensorboard": Left(
        "boards", "torch tensorboard", needs="torch",
        parameters={"TB_hparams/lr": "0.1"},
        scalars={"losses": {"train": [0, 1], "valid": [0, 1]}, "final": {"final": [0]}},
    ),
    "matplotlib_figures": Left(
        "boards", "matplotlib",
        plots={
            ("curve", "plot", 0, "plotly"), ("curve/1", "plot", 0, "plotly"),
            ("bars", "plot", 0, "plotly"), ("own", "figure", 3, "plotly"),
        },
    ),
    "console_output": Left(
        "console", "output",
        log=["one", "two", "100%", "INFO:training:started", "reported", "an error", "True"],
    ),
    "child_processes": Left(
        "children", "all",
        scalars={"work": {"done": [0, 1, 2, 3]}},
        single={"subprocess": 1.0},
        log=["printed by a child"],
    ),
    "joblib_workers": Left("children", "loky", scalars={"work": {"done": [0, 1, 2, 3]}}),
    "task_facts": Left(
        "facts", "properties", type="data_processing", tags=["late"], comment="a comment",
        parameters={"properties/accuracy": "0.5", "properties/owner": "me"},
    ),
    "exported_task": Left(
        "export", "original", tags=["kept"], parameters={"General/lr": "0.1"}
    ),
    "storage": Left("storage", "local", artifacts={"listed": "json"}),
    "dataset_versions": Left("data", "use", log=["['0.csv', '1.csv'] changed", ""]),
    "media": Left(
        "media", "media",
        plots={
            *(("picture", "series", number, "media") for number in range(3)),
            ("file", "note", 1, "media"), ("stream", "html", 1, "media"),
            ("link", "video", 1, "media"), ("table", "rows", 1, "table"),
            ("matrix", "cm", 1, "matrix"),
        },
    ),
    "resumed": Left("resume", "train", scalars={"loss": {"train": [0, 1, 2, 3]}}),
}  # fmt: skip


def test_there_are_thirty_and_more():
    assert sorted(PROGRAM) == sorted(path.stem for path in PROGRAMS.glob("*.py"))
    assert len(PROGRAM) >= 30


@pytest.mark.parametrize("name", PROGRAM)
def test_a_program_leaves_what_clearml_records(name, registry, tmp_path, monkeypatch):
    expected = PROGRAM[name]
    if expected.needs and importlib.util.find_spec(expected.needs) is None:
        pytest.skip(NO_FRAMEWORK)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    program = PROGRAMS / f"{name}.py"
    assert "from clearml import " in program.read_text(encoding="utf-8")
    done = run_offline(program, *expected.arguments, timeout=300)
    assert done.returncode == 0, done.stderr
    task = Task.get_task(project_name=expected.project, task_name=expected.name)
    assert task.status == "completed"
    facts = facts_of(task, registry)
    if name == "dataset_versions":  # the id of the data set
        assert list(facts.pop("parameters")) == ["Datasets/train"]
    if name == "transformers_pretrained":  # its progress bars have times
        assert any("Writing model shards: 100%" in line for line in facts.pop("log"))
    assert facts == expected.facts
