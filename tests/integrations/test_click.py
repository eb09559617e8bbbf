"""Arguments that click parses are recorded, and overridden when a task is run again."""

from __future__ import annotations

import sys

import click
from click.testing import CliRunner

from localreg import Registry, Task, clearml_shim
from localreg.api import ambient
from localreg.cli.main import main
from localreg.integrations import hook

COMMAND = """
import enum
import click
from clearml import Task

class Mode(enum.Enum):
    fast = 1
    slow = 2

class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

class Points(click.ParamType):
    name = "point"
    def convert(self, value, param, ctx):
        return value if isinstance(value, Point) else Point(*map(int, value.split(",")))

@click.command()
@click.option("--lr", type=float, default=0.1)
@click.option("--epochs", type=click.IntRange(1, 9), default=3)
@click.option("--layers", multiple=True, type=int)
@click.option("--size", nargs=2, type=int, default=(1, 2))
@click.option("--pair", nargs=2, multiple=True, type=str)
@click.option("--mode", type=click.Choice(Mode), default=Mode.fast)
@click.option("--shout/--no-shout")
@click.option("--out", type=click.Path(), default=None)
@click.option("--upper", "case", flag_value="upper", default=True)
@click.option("--lower", "case", flag_value="lower")
@click.option("-v", "verbose", count=True)
@click.option("--point", type=Points(), default=Point(0, 0))
@click.option("--api-token", default="")
@click.argument("files", nargs=-1)
@click.pass_context
def train(context, lr, mode, point, api_token, **others):
    task = Task.init("vision", "train")
    source = context.get_parameter_source("size").name
    show(lr=lr, mode=mode.name, point=[point.x, point.y], source=source, **others)

if __name__ == "__main__":
    train()
"""


def test_values_are_recorded_and_the_function_gets_those_of_the_task(program):
    train = program(COMMAND)
    words = ["--lr", "0.2", "--layers", "1", "--layers", "2", "-vv", "--point", "1,2", "a", "b"]
    first = train.run(*words)
    assert train.code == 0, train.errors
    assert train.parameters() == {
        "lr": 0.2, "epochs": 3, "layers": (1, 2), "size": (1, 2), "pair": (), "mode": "fast",
        "shout": False, "out": None, "case": "upper", "verbose": 2, "point": "1,2",
        "api_token": "", "files": ("a", "b"),
    }  # fmt: skip

    again, copy = train.again()  # nothing was changed
    assert again == first
    assert copy.status == "completed"

    new = {
        "Args/lr": "0.5", "Args/layers": "[7, 8, 9]", "Args/size": "[3, 4]", "Args/mode": "slow",
        "Args/shout": "true", "Args/out": "there", "Args/case": "lower", "Args/verbose": "3",
        "Args/pair": '[["x", "y"]]', "Args/point": "5,6", "Args/files": '["c"]',
    }  # fmt: skip
    again, copy = train.again(new)
    assert (train.code, copy.status) == (0, "completed"), train.errors
    assert again == {
        "lr": 0.5, "epochs": 3, "layers": [7, 8, 9], "size": [3, 4], "pair": [["x", "y"]],
        "mode": "slow", "shout": True, "out": "there", "case": "lower", "verbose": 3,
        "point": [5, 6], "files": ["c"], "source": "COMMANDLINE",
    }  # fmt: skip
    assert first["source"] == "DEFAULT"
    assert train.parameters(copy)["lr"] == 0.5
    assert train.parameters(copy)["layers"] == (7, 8, 9)

    # What is added to the command line of this run wins.
    again, copy = train.again({"Args/lr": "0.5", "Args/epochs": "5"}, "--lr=0.7", "-v", "d")
    assert (again["lr"], again["epochs"], again["verbose"]) == (0.7, 5, 3)
    assert again["files"] == ["a", "b", "d"]
    assert train.parameters(copy)["lr"] == 0.7


def test_a_value_that_the_parser_refuses_is_an_error_that_names_the_parameter(program):
    train = program(COMMAND)
    train.run()
    first = train.task()
    for name, value, text in [
        ("epochs", "12", "Args/epochs of the task is '12', which the script's parser refuses: 12"),
        ("mode", "quick", "Args/mode of the task is 'quick', which the script's parser refuses"),
        ("point", "x", "Args/point of the task is 'x', which the script's parser refuses: invalid"),
        ("shout", "perhaps", "Args/shout of the task is 'perhaps', which the script's parser"),
    ]:
        shown, copy = train.again({f"Args/{name}": value}, of=first)
        assert (shown, train.code, copy.status) == (None, 1, "failed")
        assert text in train.errors
        assert "click/core.py" not in train.errors.rpartition("InvalidValueError")[2]

    _, copy = train.again({"Args/lrr": "1"}, of=first)  # the script has no such option
    assert (train.code, copy.status) == (1, "failed")
    assert "Args/lrr" in copy.status_reason, train.errors


GROUP = """
import click
from clearml import Task

@click.group(invoke_without_command=True)
@click.option("--debug/--no-debug", default=False)
@click.pass_context
def cli(context, debug):
    context.obj = {"debug": debug}

@cli.command()
@click.option("--lr", type=float, default=0.1)
@click.option("--seed", type=int, required=True)
@click.pass_obj
def train(obj, lr, seed):
    Task.init("vision", "group")
    show(command="train", lr=lr, seed=seed, **obj)

@cli.command("test")
@click.option("--weights", required=True)
@click.pass_obj
def evaluate(obj, weights):
    Task.init("vision", "group")
    show(command="test", weights=weights, **obj)

@cli.group(chain=True)
@click.option("--name", prompt=True)
def image(name):
    Task.init("vision", "chain", task_type="testing")

@image.command()
@click.option("--radius", type=int, default=1)
def blur(radius):
    return "blur", radius

@image.command()
def flip():
    return "flip"

@image.result_callback()
def done(results, name):
    show(results=results, name=name)

if __name__ == "__main__":
    cli()
"""


def test_commands_of_groups_and_chains(program):
    cli = program(GROUP)
    cli.run("--debug", "train", "--seed", "3")
    assert cli.code == 0, cli.errors
    assert cli.parameters() == {
        "cli/debug": True, "train": True, "test": False, "image": False, "train/lr": 0.1,
        "train/seed": 3,
    }  # fmt: skip
    trained = cli.task()

    again, _ = cli.again({"Args/train/lr": "0.5", "Args/cli/debug": "False"}, "--seed", "4")
    assert again == {"command": "train", "lr": 0.5, "seed": 4, "debug": False}

    # Another command is chosen; its own values come from the task.
    other = {"Args/train": "False", "Args/test": "True"}
    again, copy = cli.again({**other, "Args/test/weights": "w.pt"}, of=trained)
    assert again == {"command": "test", "weights": "w.pt", "debug": True}, cli.errors
    assert cli.parameters(copy)["test"] is True
    assert cli.parameters(copy)["train"] is False
    again, _ = cli.again(other, "--weights", "v.pt", of=trained)
    assert again == {"command": "test", "weights": "v.pt", "debug": True}, cli.errors

    shown = cli.run("image", "blur", "flip", "blur", "--radius", "5", stdin="cat\n")
    assert shown == {"results": [["blur", 1], "flip", ["blur", 5]], "name": "cat"}
    assert cli.parameters() == {
        "cli/debug": False, "train": False, "test": False, "image": True, "image/name": "cat",
        "blur": True, "flip": True, "blur-2": True, "blur/radius": 1, "blur-2/radius": 5,
    }  # fmt: skip
    again, _ = cli.again({"Args/blur-2/radius": "7"})  # the prompt is answered by the task
    assert again == {"results": [["blur", 1], "flip", ["blur", 7]], "name": "cat"}


def test_help_errors_and_exit_codes_are_those_of_click(program):
    cli = program(GROUP)
    for words in (["--help"], ["train"], ["train", "--seed", "x"], ["tran"], ["--no"]):
        ran = [cli.run(*words, runner=("-m", "localreg.run")), cli.code, cli.errors]
        assert ran[1] == (0 if words == ["--help"] else 2)
        assert "localreg" not in ran[2]
        assert ran == [cli.run(*words, runner=("-c", PLAIN)), cli.code, cli.errors]
    assert cli.task() is None


# Without localreg: `from clearml import Task` is not reached by any of these.
PLAIN = """
import runpy, sys, types
sys.modules["clearml"] = types.SimpleNamespace(Task=None)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

PARSED_BEFORE = """
import sys
import click
from click.testing import CliRunner
from localreg import Task

@click.command()
@click.option("--lr", type=float, default=0.1)
def other(lr):
    click.echo(lr)

@click.group()
@click.option("--name", default="a")
def cli(name):
    pass

@cli.command()
@click.option("--lr", type=float, default=0.1)
def train(lr):
    CliRunner().invoke(other, sys.argv[1:])
    CliRunner().invoke(other, ["--lr", "9"])
    Task.init("vision", "before")
    CliRunner().invoke(other, ["--lr", "8"])
    other.main(["--lr", "7"], standalone_mode=False)
    show(lr=lr)

cli(sys.argv[1:])
"""


def test_without_the_shim_the_command_that_runs_is_recorded_and_others_are_not(program):
    cli = program(PARSED_BEFORE)
    cli.run("--name", "b", "train", "--lr", "0.3", runner=())
    assert cli.code == 0, cli.errors
    assert cli.parameters() == {"cli/name": "b", "train": True, "train/lr": 0.3}
    again, copy = cli.again({"Args/train/lr": "0.5"})
    assert again == {"lr": 0.5}, cli.errors
    assert cli.parameters(copy) == {"cli/name": "b", "train": True, "train/lr": 0.5}


METHODS = [
    (click.Command, "parse_args"),
    (click.Group, "parse_args"),
    (click.Parameter, "handle_parse_result"),
]


def test_parsers_are_patched_by_the_shim_and_restored(localreg_registry, monkeypatch):
    originals = [vars(owner)[name] for owner, name in METHODS]
    seen = []

    @click.command()
    @click.option("--lr", default=0.1)
    def command(lr):
        seen.append(lr)

    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.4"])
    with ambient.isolated(), Registry(localreg_registry.path):  # nothing was parsed yet
        watch_and_restore(command, monkeypatch)
    assert [vars(owner)[name] for owner, name in METHODS] == originals
    assert hook.installed() is None
    assert seen == [0.4, 0.4]


def watch_and_restore(command, monkeypatch):
    originals = [vars(owner)[name] for owner, name in METHODS]
    clearml_shim.install()
    try:
        assert [vars(owner)[name] for owner, name in METHODS] != originals
        CliRunner().invoke(command, ["--lr", "0.4"])  # equal to the command line, and not it
        with monkeypatch.context() as other:  # our own commands are no script
            other.setattr(sys, "argv", ["localreg", "ls", "--limit", "1"])
            assert main() == 0
        task = Task.init(task_name="nothing")
        assert task.get_parameters() == {}
        task.close()
        command(standalone_mode=False)
        task = Task.init(task_name="first", auto_connect_arg_parser={"lr": False})
        assert task.get_parameters() == {}
        task.close()
        task = Task.init(task_name="second")
        assert task.get_parameters() == {"Args/lr": "0.4"}
        task.close()
        assert [vars(owner)[name] for owner, name in METHODS] != originals
    finally:
        clearml_shim.uninstall()


def test_a_command_of_localreg_itself_is_not_recorded(registry, tmp_path):
    """`localreg demo` makes tasks while it runs."""
    assert main(["demo", "--home", str(tmp_path / "demo")]) == 0
    with Registry(tmp_path / "demo"):
        for task in Task.get_tasks():
            assert [each for each in task.get_parameters() if each.startswith("Args/")] == []
