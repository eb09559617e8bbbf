"""Arguments that fire parses are recorded, and overridden when a task is run again."""

from __future__ import annotations

import fire.core
import pytest

from localreg.integrations import hook

FUNCTION = """
import fire
from clearml import Task

class Point:
    def __init__(self, x=0):
        self.x = x

@fire.decorators.SetParseFns(mode=str.upper, epochs=int)
def train(lr, *files, epochs=3, mode="FAST", debug=False, point=Point(), **others):
    Task.init("vision", "fire")
    fire.Fire(lambda *again, **more: None)  # the same command line, which is recorded once
    show(lr=lr, files=files, epochs=epochs, mode=mode, debug=debug, x=point.x, others=others)

if __name__ == "__main__":
    fire.Fire(train)
"""


def test_values_are_recorded_and_the_function_gets_those_of_the_task(program):
    train = program(FUNCTION)
    first = train.run("0.1", "a", "7", "--debug", "--mode=slow", "--seed=1")
    assert train.code == 0, train.errors
    found = train.parameters()
    assert found.pop("point").startswith("<__main__.Point object")
    assert found == {
        "lr": 0.1, "files": ["a", 7], "epochs": 3, "mode": "SLOW", "debug": True, "seed": 1,
    }  # fmt: skip

    again, copy = train.again()  # nothing was changed
    assert again == first
    assert copy.status == "completed", copy.status_reason

    new = {"lr": "0.5", "files": '["b"]', "epochs": "5", "mode": "other", "debug": "False",
           "seed": "2"}  # fmt: skip
    again, copy = train.again({f"Args/{name}": value for name, value in new.items()})
    assert (train.code, copy.status) == (0, "completed"), train.errors
    assert again == {
        "lr": 0.5, "files": ["b"], "epochs": 5, "mode": "OTHER", "debug": False, "x": 0,
        "others": {"seed": 2},
    }  # fmt: skip
    assert train.parameters(copy)["lr"] == 0.5

    # What is added to the command line of this run wins.
    again, copy = train.again(
        {"Args/epochs": "5", "Args/seed": "3"}, "--epochs", "8", "--mode", "x"
    )
    assert (again["epochs"], again["mode"], again["others"]) == (8, "X", {"seed": 3})
    assert train.parameters(copy)["epochs"] == 8

    _, copy = train.again({"Args/epochs": "many"})
    assert (train.code, copy.status) == (1, "failed")
    assert "Args/epochs of the task is 'many', which the script's parser refuses" in train.errors
    assert "fire/core.py" not in train.errors.rpartition("InvalidValueError")[2]


CLASS = """
import asyncio
import fire
from clearml import Task

class Data:
    def load(self, path="x"):
        show(path=path)
        Task.init("vision", "data")

class Trainer:
    def __init__(self, seed=0):
        self.seed = seed
        self.data = Data()
        self.done = []

    def fit(self, lr=0.1):
        self.done.append(["fit", lr])
        return self

    async def test(self, batch=8):
        Task.init("vision", "trainer")
        fire.Fire(lambda lr=1: lr, command=["--lr=9"])
        show(seed=self.seed, done=self.done, batch=batch)

if __name__ == "__main__":
    fire.Fire(Trainer)
"""


def test_classes_groups_and_chained_calls(program):
    train = program(CLASS)
    shown = train.run("--seed=4", "fit", "--lr", "0.2", "-", "test", "16")
    assert shown == {"seed": 4, "done": [["fit", 0.2]], "batch": 16}, train.errors
    assert train.parameters() == {
        "seed": 4, "fit": True, "fit/lr": 0.2, "fit.test": True, "fit.test/batch": 16,
    }  # fmt: skip
    again, copy = train.again({"Args/seed": "5", "Args/fit/lr": "0.7", "Args/fit.test/batch": "1"})
    assert again == {"seed": 5, "done": [["fit", 0.7]], "batch": 1}, train.errors
    assert copy.status == "completed"
    again, copy = train.again({"Args/fit.test/batches": "1"})  # there is no such argument
    assert (train.code, copy.status) == (1, "failed")

    train.run("data", "load", "there")
    assert train.parameters() == {"seed": 0, "data.load": True, "data.load/path": "there"}


@pytest.mark.parametrize("words", [["--help"], ["fit", "--rate=1"], ["fot"], []])
def test_help_errors_and_exit_codes_are_those_of_fire(program, words):
    train = program(CLASS)
    ran = [train.run(*words), train.code, train.errors]
    assert "localreg" not in ran[2]
    plain = "import sys, types, runpy; sys.modules['clearml'] = types.SimpleNamespace(Task=None)"
    text = f"{plain}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    assert ran == [train.run(*words, runner=("-c", text)), train.code, train.errors]


def test_without_the_shim_the_function_that_runs_is_recorded(program):
    text = FUNCTION.replace("from clearml", "from localreg")
    train = program(text.replace("fire.Fire(train)", "fire.Fire({'train': train})"))
    train.run("train", "0.3", runner=())
    assert train.code == 0, train.errors
    assert train.parameters()["train/lr"] == 0.3
    again, copy = train.again({"Args/train/lr": "0.5"})
    assert again["lr"] == 0.5, train.errors
    assert train.parameters(copy)["train/lr"] == 0.5


def test_what_is_patched_is_restored():
    names = ("_Fire", "_CallAndUpdateTrace", "_MakeParseFn")
    before = [getattr(fire.core, name) for name in names]
    hook.install(lambda: None, object(), parsers_only=True)
    assert all(getattr(fire.core, name) not in before for name in names)
    hook.keep_parsers(False)
    hook.uninstall()
    assert [getattr(fire.core, name) for name in names] == before
