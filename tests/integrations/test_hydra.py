"""Overrides and configurations of hydra are recorded, and used when a task is run again."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

CONFIG = """
defaults:
  - db: mysql
  - _self_
lr: 0.1
name: ${db.driver}-run
layers: [1, 2]
hydra:
  run:
    dir: outputs/run
  job:
    chdir: true
"""

SCRIPT = """
import os
import hydra
from omegaconf import DictConfig, OmegaConf
from clearml import Task

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    task = Task.init("vision", "hydra")
    assert OmegaConf.is_struct(cfg)
    show(cwd=os.path.basename(os.getcwd()), **OmegaConf.to_container(cfg, resolve=True))
    if cfg.lr > 9:
        raise ValueError("too large")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def train(program, tmp_path):
    folder = tmp_path / "conf" / "db"
    folder.mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (folder / "mysql.yaml").write_text("driver: mysql\nuser: me\n")
    (folder / "postgres.yaml").write_text("driver: postgres\nuser: me\nport: 5\n")
    return program(SCRIPT)


def test_overrides_and_configuration_are_recorded_and_those_of_the_task_are_used(train, tmp_path):
    first = train.run("db=postgres", "++db.user=you", "+seed=3", "~layers")
    assert train.code == 0, train.errors
    assert first == {
        "cwd": "run", "lr": 0.1, "name": "postgres-run", "seed": 3,
        "db": {"driver": "postgres", "user": "you", "port": 5},
    }  # fmt: skip
    task = train.task()
    assert task.get_parameters(cast=True) == {
        "Hydra/db": "postgres", "Hydra/db.user": "you", "Hydra/seed": "3", "Hydra/~layers": None,
        "Hydra/_allow_omegaconf_edit_": False,
    }  # fmt: skip
    text = task.get_configuration_object("OmegaConf")
    assert "name: ${db.driver}-run" in text
    assert "hydra" not in text
    assert task.get_script()["working_dir"] == str(tmp_path)
    train.run("lr=0.3", LOCALREG_HOME="localreg")  # that of the working directory at the start
    assert train.task().get_parameters()["Hydra/lr"] == "0.3"

    again, copy = train.again(of=task)  # nothing was changed
    assert (again, copy.status) == (first, "completed"), train.errors
    assert copy.get_configuration_object("OmegaConf") == text

    new = {"Hydra/db.user": "her", "Hydra/lr": "0.5", "Hydra/db": "mysql"}
    again, copy = train.again(new, of=task)
    assert again == {
        "cwd": "run", "lr": 0.5, "name": "mysql-run", "seed": 3,
        "db": {"driver": "mysql", "user": "her"},
    }  # fmt: skip
    assert copy.get_parameters()["Hydra/lr"] == "0.5"
    assert "lr: 0.5" in copy.get_configuration_object("OmegaConf")

    # What is added to the command line of this run wins.
    again, copy = train.again({"Hydra/seed": "4", "Hydra/lr": "0.5"}, "lr=0.7", of=task)
    assert (again["lr"], again["seed"]) == (0.7, 4)
    assert copy.get_parameters()["Hydra/lr"] == "0.7"


def test_a_configuration_that_was_set_is_the_one_of_the_script(train, tmp_path):
    train.run("lr=0.2")
    first = train.task()
    new = tmp_path / "new.yaml"
    new.write_text("lr: 0.9\nname: ${db.driver}!\ndb:\n  driver: lite\n")
    expected = {"cwd": "run", "lr": 0.9, "name": "lite!", "db": {"driver": "lite"}}
    again, copy = train.again(configurations={"OmegaConf": new}, of=first)
    assert (again, copy.status) == (expected, "completed"), train.errors
    assert "driver: lite" in copy.get_configuration_object("OmegaConf")

    # As in ClearML, the flag also makes the configuration count, and not the overrides.
    flag = {"Hydra/_allow_omegaconf_edit_": "True", "Hydra/lr": "0.3"}
    again, copy = train.again(flag, of=copy)
    assert (again, copy.status) == (expected, "completed"), train.errors

    new.write_text("lr: [")
    shown, copy = train.again(configurations={"OmegaConf": new}, of=first)
    assert (shown, train.code, copy.status) == (None, 1, "failed")
    assert "the configuration OmegaConf of the task is not one of the script" in train.errors


def test_errors_are_those_of_hydra(train):
    train.run("lr=0.2")
    _, copy = train.again({"Hydra/lr": "{"})
    assert (train.code, copy.status) == (1, "failed")
    assert "parameter Hydra/lr of the task is '{', which the script's parser" in train.errors

    train.run("lr=10")
    assert train.code == 1
    lines = [each for each in train.errors.splitlines() if each.startswith("  File")]
    assert len(lines) == 1, train.errors  # hydra removes its own lines, and finds none of ours
    task = train.task()
    assert (task.status, "too large" in task.status_reason) == ("failed", True)

    for words in (["--help"], ["--cfg", "job"], ["nothing=1"], ["--version"]):
        train.run(*words)
        assert "localreg" not in train.errors
        assert train.code == (1 if words == ["nothing=1"] else 0)


def test_each_job_of_a_multirun_has_a_task_and_is_run_again_alone(train):
    train.run("--multirun", "lr=0.2,0.3,11", "+seed=1")
    assert train.code == 1
    tasks = sorted(type(train.task()).get_tasks(), key=lambda each: each._row().created)
    assert [each.get_parameters()["Hydra/lr"] for each in tasks] == ["0.2", "0.3", "11"]
    assert [each.status for each in tasks] == ["completed", "completed", "failed"]
    assert "lr: 0.2" in tasks[0].get_configuration_object("OmegaConf")
    again, copy = train.again(of=tasks[0])
    assert (again["lr"], copy.status) == (0.2, "completed"), train.errors
    again, copy = train.again({"Hydra/lr": "0.25"}, of=tasks[2])
    assert (again["lr"], copy.status) == (0.25, "completed"), train.errors
    assert copy.get_parameters()["Hydra/lr"] == "0.25"


STRUCTURED = """
import dataclasses
import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from clearml import Task

@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    steps: int = 3

@dataclasses.dataclass
class Config:
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    name: str = "a"

ConfigStore.instance().store(name="config", node=Config)
task = Task.init("vision", "structured", auto_connect_frameworks={"hydra": FRAMEWORK})

@hydra.main(version_base=None, config_name="config")
def main(cfg):
    show(**OmegaConf.to_container(cfg))

main()
task.connect(OmegaConf.create({"later": {"a": 1}}), name="Later")
"""


def test_structured_configurations_keep_their_types(program, tmp_path):
    train = program(STRUCTURED.replace("FRAMEWORK", "True"))
    train.run("optimizer.lr=0.5")
    assert train.code == 0, train.errors
    assert train.task().get_parameters() == {
        "Hydra/optimizer.lr": "0.5", "Hydra/_allow_omegaconf_edit_": "False", "Later/later/a": "1",
    }  # fmt: skip
    new = tmp_path / "new.yaml"
    new.write_text("optimizer:\n  steps: '7'\n")
    again, copy = train.again(configurations={"OmegaConf": new})
    assert again == {"optimizer": {"lr": 0.5, "steps": 7}, "name": "a"}, train.errors
    assert copy.status == "completed", (copy.status_reason, train.errors)
    assert OmegaConf.create(copy.get_configuration_object("OmegaConf")) == again
    new.write_text("optimizer:\n  steps: many\n")
    train.again(configurations={"OmegaConf": new})
    assert train.code == 1
    assert "steps" in train.errors

    # A multirun that one task runs is run again as one.
    train.run("--multirun", "optimizer.steps=1,2")
    task = train.task()
    assert task.get_parameters()["Hydra/optimizer.steps"] == "1,2"
    _, copy = train.again({"Hydra/optimizer.lr": "0.9"})
    assert "#1 : optimizer.steps=2 ++optimizer.lr=0.9" in train.shown
    assert copy.status == "completed"

    train = program(STRUCTURED.replace("FRAMEWORK", "False"))
    train.run("optimizer.lr=0.5")
    assert train.task().get_parameters() == {"Later/later/a": "1"}
    assert train.task().get_configuration_object("OmegaConf") is None


def test_without_the_shim_the_job_that_runs_is_recorded(program):
    text = STRUCTURED.replace("from clearml", "from localreg").replace("task = Task", "later = 0 #")
    text = text.replace("    show(", "    Task.init('vision', 'plain')\n    show(")
    train = program(text.replace("main()\ntask.connect", "main()\n#"))
    train.run("optimizer.lr=0.5", runner=())
    assert train.code == 0, train.errors
    assert train.task().get_parameters()["Hydra/optimizer.lr"] == "0.5"
    assert "lr: 0.5" in train.task().get_configuration_object("OmegaConf")
    again, copy = train.again({"Hydra/optimizer.lr": "0.6"})
    assert (again["optimizer"]["lr"], copy.status) == (0.6, "completed"), train.errors
