"""Arguments that jsonargparse parses are recorded, and overridden when a task is run again."""

from __future__ import annotations

import pytest

SCRIPT = """
import dataclasses
from typing import Dict, List, Optional
from jsonargparse import ArgumentParser
from clearml import Task

@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: List[float] = dataclasses.field(default_factory=lambda: [0.9, 0.99])

class Base:
    pass

class Net(Base):
    def __init__(self, hidden: int = 8, act: str = "relu", batch: int = 1):
        self.values = ["Net", hidden, act, batch]

class Wide(Base):
    def __init__(self, width: int = 100, batch: int = 1):
        self.values = ["Wide", width, batch]

class Cli:
    # As LightningCLI does it: commands, classes with arguments, links, files.
    def __init__(self):
        self.parser = ArgumentParser()
        self.parser.add_argument("--config", action="config")
        self.parser.add_argument("--seed", type=int, default=1)
        commands = self.parser.add_subcommands()
        for name in ("fit", "test"):
            command = ArgumentParser()
            command.add_argument("--config", action="config")
            command.add_argument("--optimizer", type=Optimizer, default=Optimizer())
            command.add_subclass_arguments(Base, "model")
            command.add_argument("--batch", type=int, default=32)
            command.add_argument("--name", type=Optional[str], default=None)
            command.add_argument("--table", type=Dict[str, int], default={"a": 1})
            command.link_arguments("batch", "model.init_args.batch")
            commands.add_subcommand(name, command)
        self.config = self.parser.parse_args()
        objects = self.parser.instantiate_classes(self.config)
        found = objects[objects.subcommand]
        Task.init("vision", "json")
        show(command=objects.subcommand, seed=objects.seed, lr=found.optimizer.lr,
             betas=found.optimizer.betas, model=found.model.values, name=found.name,
             table=found.table)

if __name__ == "__main__":
    Cli()
"""


def test_values_are_recorded_and_the_script_gets_those_of_the_task(program, tmp_path):
    train = program(SCRIPT)
    (tmp_path / "config.yaml").write_text("seed: 7\nfit:\n  optimizer:\n    betas: [0.1]\n")
    words = ["--config=config.yaml", "fit", "--model=Net", "--model.hidden=9", "--optimizer.lr=1"]
    first = train.run(*words)
    assert train.code == 0, train.errors
    assert first == {
        "command": "fit", "seed": 7, "lr": 1.0, "betas": [0.1], "model": ["Net", 9, "relu", 32],
        "name": None, "table": {"a": 1},
    }  # fmt: skip
    found = train.parameters()
    assert found.pop("config") == [str(tmp_path / "config.yaml")]
    assert found == {
        "seed": 7, "subcommand": "fit", "fit.optimizer.lr": 1.0, "fit.optimizer.betas": [0.1],
        "fit.model.class_path": "__main__.Net", "fit.model.init_args.hidden": 9,
        "fit.model.init_args.act": "relu", "fit.model.init_args.batch": 32, "fit.batch": 32,
        "fit.name": None, "fit.table": {"a": 1}, "fit.config": None,
    }  # fmt: skip
    task = train.task()

    again, copy = train.again()
    assert (again, copy.status) == (first, "completed"), train.errors

    new = {
        "seed": "8", "fit.optimizer.lr": "0.5", "fit.optimizer.betas": "[1, 2]", "fit.batch": "64",
        "fit.model.init_args.hidden": "4", "fit.name": "new", "fit.table": '{"b": 2}',
    }  # fmt: skip
    again, copy = train.again({f"Args/{name}": value for name, value in new.items()}, of=task)
    assert (train.code, copy.status) == (0, "completed"), (train.errors, copy.status_reason)
    assert again == {
        "command": "fit", "seed": 8, "lr": 0.5, "betas": [1.0, 2.0],
        "model": ["Net", 4, "relu", 64], "name": "new", "table": {"b": 2},
    }  # fmt: skip
    assert train.parameters(copy)["fit.model.init_args.batch"] == 64

    other = {"Args/fit.model.class_path": "__main__.Wide", "Args/fit.model.init_args.width": "5"}
    again, copy = train.again(other, of=task)
    assert (again["model"], copy.status) == (["Wide", 5, 32], "completed"), train.errors

    # What is added to the command line of this run wins, also what a file says.
    (tmp_path / "more.yaml").write_text("optimizer:\n  betas: [3]\n")
    values = {"Args/fit.optimizer.lr": "0.5", "Args/fit.batch": "16"}
    again, copy = train.again(values, "--optimizer.lr=0.7", of=task)
    assert (again["lr"], again["model"][-1]) == (0.7, 16), train.errors
    values = {"Args/fit.optimizer.betas": "[4]", "Args/seed": "9"}
    again, copy = train.again(values, "--config=more.yaml", of=task)
    assert (again["betas"], again["seed"]) == ([3.0], 9), train.errors

    _, copy = train.again({"Args/config": "more.yaml"}, of=task)
    assert (train.code, copy.status) == (1, "failed")
    assert "Args/config of the task is 'more.yaml', which the script's parser" in train.errors


@pytest.mark.parametrize(("name", "value"), [
    ("seed", "many"), ("fit.optimizer.lr", "x"), ("fit.model.init_args.hidden", "x"),
    ("fit.model.class_path", "__main__.Optimizer"),
])  # fmt: skip
def test_a_value_that_the_parser_refuses_is_an_error_that_names_the_parameter(program, name, value):
    train = program(SCRIPT)
    train.run("fit", "--model=Net")
    _, copy = train.again({f"Args/{name}": value})
    assert (train.code, copy.status) == (1, "failed")
    assert f"parameter Args/{name} of the task is '{value}', which the script's" in train.errors


FUNCTION = """
from jsonargparse import CLI
from localreg import Task

def main(lr: float = 0.1, api_token: str = "x"):
    Task.init("vision", "function")
    show(lr=lr)

if __name__ == "__main__":
    CLI(main)
"""


def test_errors_are_those_of_jsonargparse_and_a_plain_run_can_be_run_again(program):
    train = program(FUNCTION)
    for words in (["--help"], ["--lr=x"], ["--nothing=1"]):
        ran = [train.run(*words), train.code, train.errors]
        assert "localreg" not in train.errors
        assert ran == [train.run(*words, runner=()), train.code, train.errors]
    train.run("--lr=0.2", runner=())
    assert train.code == 0, train.errors
    again, copy = train.again()
    assert (again, copy.status) == ({"lr": 0.2}, "completed"), train.errors
    assert train.parameters(copy) == {"config": None, "lr": 0.2, "api_token": "x"}
    again, copy = train.again({"Args/lr": "0.5"}, of=copy)
    assert again == {"lr": 0.5}, train.errors


def test_without_the_shim_what_a_caller_keeps_is_recorded(program):
    text = FUNCTION.replace("    CLI(main)\n", KEPT)
    train = program(text)
    train.run("--optimizer.lr=0.2", runner=())
    assert train.code == 0, train.errors
    assert train.parameters() == {"optimizer.lr": 0.2}


KEPT = """
    from jsonargparse import ArgumentParser
    parser = ArgumentParser()
    parser.add_argument("--optimizer.lr", type=float, default=0.1)
    args = parser.parse_args()
    main(args.optimizer.lr)
"""
