"""Arguments that typer parses are recorded, and overridden when a task is run again."""

from __future__ import annotations

SCRIPT = """
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional
import typer
from typer.testing import CliRunner
from clearml import Task

class Mode(str, Enum):
    fast = "fast-net"
    slow = "slow-net"

app = typer.Typer()

@app.callback()
def shared(verbose: bool = False):
    pass

@app.command()
def train(
    data: Path,
    lr: Annotated[float, typer.Option(min=0, help="The rate.")] = 0.1,
    layers: Annotated[Optional[list[int]], typer.Option()] = None,
    size: tuple[int, str] = (1, "a"),
    mode: Mode = Mode.fast,
    other: Mode = Mode.slow,
    shout: bool = False,
    api_key: Annotated[str, typer.Option(prompt=True, hide_input=True)] = "none",
):
    CliRunner().invoke(app, ["test", "--level", "3"])
    Task.init("vision", "typer")
    show(data=data, is_path=isinstance(data, Path), lr=lr, layers=layers, size=size, mode=mode.name,
         other=other.name, shout=shout, api_key=api_key)

@app.command()
def test(level: int = 1):
    Task.init("vision", "typer")
    show(level=level)

if __name__ == "__main__":
    app()
"""


def test_values_are_recorded_and_the_function_gets_those_of_the_task(program):
    app = program(SCRIPT)
    first = app.run("--verbose", "train", "d", "--lr", "0.2", "--layers", "3", "--shout",
                    "--mode", "slow-net", "--api-key", "x")  # fmt: skip
    assert app.code == 0, app.errors
    found = app.parameters()
    assert list(found.pop("train/layers")) == [3]  # a tuple in older versions
    assert found == {
        "verbose": True, "train": True, "test": False, "train/data": "d", "train/lr": 0.2,
        "train/size": (1, "a"), "train/mode": "slow-net",
        "train/other": "slow-net", "train/shout": True, "train/api_key": "x",
    }  # fmt: skip

    again, copy = app.again()
    assert (again, copy.status) == (first, "completed"), app.errors

    new = {
        "data": "e", "lr": "0.5", "layers": "[7, 8]", "size": '[2, "b"]', "mode": "fast-net",
        "shout": "False",
    }  # fmt: skip
    again, copy = app.again({f"Args/train/{name}": value for name, value in new.items()})
    assert (app.code, copy.status) == (0, "completed"), app.errors
    assert again == {
        "data": "e", "is_path": True, "lr": 0.5, "layers": [7, 8], "size": [2, "b"],
        "mode": "fast", "other": "slow", "shout": False, "api_key": "x",
    }  # fmt: skip

    again, _ = app.again({"Args/train/lr": "0.5"}, "--lr=0.7")
    assert again["lr"] == 0.7

    for value in ("-1", "many"):
        _, copy = app.again({"Args/train/lr": value})
        assert (app.code, copy.status) == (1, "failed")
        text = " ".join(app.errors.split())  # typer draws a box
        assert f"Args/train/lr of the task is '{value}', which the script's parser" in text

    again, _ = app.again({"Args/train": "False", "Args/test": "True", "Args/test/level": "5"})
    assert again == {"level": 5}, app.errors


SINGLE = """
import typer
from localreg import Task

def main(name: str, count: int = 1):
    Task.init("vision", "single")
    show(name=name, count=count)

typer.run(main)
"""


def test_a_single_function_without_the_shim(program):
    main = program(SINGLE)
    main.run("a", "--count", "2", runner=())
    assert main.code == 0, main.errors
    assert main.parameters() == {"name": "a", "count": 2}
    again, _ = main.again({"Args/count": "3"})
    assert again == {"name": "a", "count": 3}, main.errors
    for words in (["--help"], ["a", "--count", "x"], []):
        ran = [main.run(*words), main.code, main.errors]
        assert "localreg" not in main.errors
        assert ran == [main.run(*words, runner=()), main.code, main.errors]
