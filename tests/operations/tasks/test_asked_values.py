"""Values that are set for a run: the script gets them, or the run fails and says which it ignored.

A record never says 0.05 while 0.1 was used.
"""

from __future__ import annotations

import subprocess
import sys
from enum import Enum

import pytest

from localreg import Task
from localreg.cli.main import main
from localreg.operations.tasks import asked
from localreg.values.checks import check_name

INIT = "task = Task.init(project_name='vision', task_name='train')\n"
PARSER = (
    "import argparse, sys\nfrom localreg import Task\n"
    "parser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=0.1)\n"
)


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a script, and returns a task that runs it."""

    def script(text, **values):
        path = tmp_path / "train.py"
        path.write_text(text)
        task = Task.create("vision", "train", script=path, working_directory=tmp_path)
        task.set_parameters(values)
        return task

    return script


def run_again(task, *words):
    """Run `localreg task run`; return its exit code."""
    return main(["task", "run", task.id, *words])


WAYS = {
    "all of it given": f"{PARSER}{INIT}args = parser.parse_args(sys.argv[1:])\n",
    "a list that is equal": f"{PARSER}{INIT}args = parser.parse_args([*sys.argv[1:]])\n",
    "before init": f"{PARSER}args = parser.parse_args()\n{INIT}",
    "given before init": f"{PARSER}args = parser.parse_args(sys.argv[1:])\n{INIT}",
    "copied before init": (
        f"{PARSER}old = parser.parse_args()\nargs = argparse.Namespace(**vars(old))\n{INIT}"
    ),
    "known": f"{PARSER}{INIT}args, _ = parser.parse_known_args()\n",
    "known before init": f"{PARSER}args, _ = parser.parse_known_args()\n{INIT}",
    "intermixed": f"{PARSER}{INIT}args = parser.parse_intermixed_args()\n",
    "known intermixed": f"{PARSER}{INIT}args, _ = parser.parse_known_intermixed_args()\n",
    "a namespace": f"{PARSER}{INIT}args = argparse.Namespace()\nparser.parse_args(None, args)\n",
    "a class as namespace": (
        f"{PARSER}{INIT}class args: pass\nparser.parse_args(namespace=args)\n"
    ),
    "a parent": (
        f"{PARSER}{INIT}first = argparse.ArgumentParser(add_help=False)\n"
        "first.add_argument('--lr', type=float, default=0.3)\nfirst.parse_known_args()\n"
        "args = argparse.ArgumentParser(parents=[first]).parse_args()\n"
    ),
    "a subclass": (
        f"{PARSER}{INIT}class Mine(argparse.ArgumentParser):\n"
        "    def parse_args(self, args=None, namespace=None):\n"
        "        return super().parse_args(args, namespace)\n"
        "    def parse_known_args(self, args=None, namespace=None):\n"
        "        return super().parse_known_args(['--lr', '0.2'], namespace)\n"
        "parser = Mine()\nparser.add_argument('--lr', type=float)\nargs = parser.parse_args()\n"
    ),
    "left out by default": (
        f"{PARSER}{INIT}parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)\n"
        "parser.add_argument('--lr', type=float)\nargs = parser.parse_args()\n"
    ),
    "without following it": (
        f"{PARSER}task = Task.init(auto_connect_arg_parser=False)\n"
        "args = task.connect(parser.parse_args())\n"
    ),
    "read from the task": (
        f"{PARSER}{INIT}args = argparse.Namespace(lr=task.get_parameter('Args/lr', cast=True))\n"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_argument_is_taken_however_it_is_parsed(script, way, capfd):
    """The script gets 0.05 however it parses, before `Task.init` and after it."""
    task = script(f"{WAYS[way]}print('used', args.lr)\n", **{"Args/lr": 0.05})
    code = run_again(task)
    assert (code, capfd.readouterr().out) == (0, "used 0.05\n"), task.status_reason
    assert (task.status, task.get_parameters()) == ("completed", {"Args/lr": "0.05"})


def test_options_that_a_library_takes_when_it_is_imported_are_not_arguments(script, tmp_path):
    """An installed module may look for options of its own; a module of the user is the script's."""
    library = tmp_path / "venv" / "site-packages" / "library.py"
    library.parent.mkdir(parents=True)
    library.write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--human')\n"
        "parser.parse_known_args()\n"
    )
    own = (
        PARSER.replace("from localreg import Task\n", "") + "args, _ = parser.parse_known_args()\n"
    )
    (tmp_path / "own.py").write_text(own)
    task = script(
        f"import sys\nfrom localreg import Task\n{INIT}"
        f"sys.path.append({str(library.parent)!r})\nimport library, own\n"
    )
    assert run_again(task) == 0
    assert task.get_parameters() == {"Args/lr": "0.1"}


@pytest.mark.parametrize("connect", ["vars(args)", "{'lr': args.lr, 'n': 1}"])
def test_what_the_script_connects_of_its_arguments_follows_them(script, capfd, connect):
    """What an earlier run recorded of them does not replace them."""
    text = f"{PARSER}{INIT}args = parser.parse_args()\nprint(task.connect({connect})['lr'])\n"
    task = script(text)
    assert run_again(task, "--", "--lr", "0.1") == 0
    for name, used in (("Args/lr", "0.05"), ("General/lr", "0.02")):
        copy = Task.clone(task)
        copy.set_parameter(name, used)
        capfd.readouterr()
        assert run_again(copy) == 0
        assert capfd.readouterr().out == f"{used}\n"
        assert copy.get_parameter("General/lr") == used


def test_an_argument_of_a_subcommand_is_taken(script, capfd):
    task = script(
        f"{PARSER}{INIT}commands = parser.add_subparsers(dest='command')\n"
        "fit = commands.add_parser('fit')\nfit.add_argument('--epochs', type=int, default=1)\n"
        "fit.add_argument('--kind', type=int, choices=[1, 2], default=None)\n"
        "args = parser.parse_args(['fit'] if len(sys.argv) < 2 else None)\n"
        "print(args.command, args.epochs, args.kind)\n",
        **{"Args/epochs": "7", "Args/command": "fit"},
    )
    code = run_again(task, "--", "fit", "--kind", "2")
    assert (code, capfd.readouterr().out) == (0, "fit 7 2\n"), task.status_reason


@pytest.mark.parametrize("word", ["--lr=3", "--l=3", "-r3"])
def test_an_option_that_is_added_wins(script, capfd, word):
    """Also if it is shortened, or its value is in the same word."""
    task = script(
        PARSER.replace("'--lr'", "'-r', '--lr'") + INIT + "print(parser.parse_args().lr)\n",
        **{"Args/lr": 0.05},
    )
    assert run_again(task, "--", word) == 0
    assert capfd.readouterr().out == "3.0\n"
    assert task.get_parameters() == {"Args/lr": "3.0"}


IGNORED = {
    "other words": (
        f"{PARSER}{INIT}parser.parse_args(['--lr', '0.3'])\n",
        {"Args/lr": 0.05},
        "parameter Args/lr",
    ),
    "another parser": (f"{PARSER}{INIT}lr = sys.argv[1:]\n", {"Args/lr": 1}, "parameter Args/lr"),
    "a wrong name": (f"{PARSER}{INIT}parser.parse_args()\n", {"Args/lrr": 1}, "parameter Args/lrr"),
    "no connect": (f"{PARSER}{INIT}", {"General/lr": 1}, "parameter General/lr"),
    "another section": (
        f"{PARSER}{INIT}task.connect({{'lr': 1}}, name='Mine')\n",
        {"General/lr": 1},
        "parameter General/lr",
    ),
    "closed by the script": (f"{PARSER}{INIT}task.close()\n", {"General/x": 1}, "General/x"),
    "marked by the script": (
        f"{PARSER}{INIT}task.mark_completed()\n", {"General/x": 1}, "General/x",
    ),
    "no task": ("pass", {"Args/lr": 1}, "parameter Args/lr"),
}  # fmt: skip


@pytest.mark.parametrize("way", IGNORED)
def test_a_run_that_ignores_a_value_fails(script, way, capfd, caplog):
    """Its status and its reason say so, and `task run` leaves with 1."""
    text, values, reason = IGNORED[way]
    task = script(text, **values)
    assert run_again(task) == 1
    assert task.status == "failed"
    assert reason in task.status_reason
    assert "never took" in capfd.readouterr().err + caplog.text


def test_a_configuration_and_an_input_model_must_be_taken_too(script, registry, tmp_path, capfd):
    weights = tmp_path / "weights.bin"
    weights.write_text("w")
    model = registry.add(weights, "net")
    taken = "from localreg import InputModel\nInputModel(name='net').connect(task, name='base')\n"
    configured = "task.connect_configuration({'a': 1}, name='net')\n"
    for text, left in (
        ("", ["configuration net", "input model base"]),
        (taken, ["configuration net"]),
        (taken + configured, []),
    ):
        task = script(PARSER + INIT + text)
        task.set_configuration_object("net", config_dict={"a": 2})
        task.set_input_model(model.id, name="base")
        assert run_again(task) == (1 if left else 0)
        reason = task.status_reason or ""
        assert [
            name for name in ("configuration net", "input model base") if name in reason
        ] == left
    capfd.readouterr()


def test_a_copy_that_ignores_a_value_fails_however_it_was_set(script, capfd):
    """Set by `task clone`, by Python, in a copy of a copy; and each time that it runs."""
    first = script(
        f"{PARSER}{INIT}parser.parse_args(['--lr', '0.1'])\ntask.set_parameter('a', 1)\n"
    )
    assert run_again(first) == 0
    copies = []
    assert main(["task", "clone", first.id, "--set-param", "Args/lr=0.05"]) == 0
    copies.append(Task.get_task(capfd.readouterr().out.strip()))
    by_python = Task.clone(first)
    by_python.set_parameter("Args/lr", 0.05)
    copies += [by_python, Task.clone(by_python)]
    for copy in copies:
        assert [run_again(copy), run_again(copy)] == [1, 1]
        assert "parameter Args/lr." in copy.status_reason
    by_python.delete_parameter("Args/lr")
    assert run_again(by_python) == 0
    assert by_python.status == "completed"


def test_what_the_script_set_itself_and_remarks_about_a_run_are_not_asked_for(script):
    task = script(f"{PARSER}{INIT}task.set_parameter('General/best', 3)\n")
    assert run_again(task) == 0
    task.set_parameter("General/remark", "good")
    assert run_again(task) == 0
    task.set_parameter("General/best", 4)
    assert run_again(task) == 0, "the script sets it again"
    assert task.get_parameter("General/best") == "3"


def test_without_localreg_task_run_the_hook_is_too_late_for_early_arguments(script, tmp_path):
    """`LOCALREG_TASK_ID` with plain Python: the record has what was used, and the run failed."""
    task = script(f"{PARSER}args = parser.parse_args()\n{INIT}", **{"Args/lr": 0.05})
    subprocess.run(
        [sys.executable, "-c", f"import os; os.environ['LOCALREG_TASK_ID'] = {task.id!r}\n"
         + (tmp_path / "train.py").read_text()],
        check=True, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert task.get_parameters() == {"Args/lr": "0.1"}
    assert task.status == "failed"
    assert "parameter Args/lr" in task.status_reason


# the first run -----------------------------------------------------------------------------

FIRST = {
    "before": f"{PARSER}args = parser.parse_args()\n{INIT}",
    "in a function": (
        f"{PARSER}def main():\n    args = parser.parse_args()\n    start()\n"
        f"def start():\n    {INIT}main()\n"
    ),
    "given": f"{PARSER}{INIT}parser.parse_args(sys.argv[1:])\n",
    "known": f"{PARSER}{INIT}parser.parse_known_args()\n",
}


@pytest.mark.parametrize("way", FIRST)
def test_a_first_run_records_its_arguments(tmp_path, registry, way):
    """With plain Python, and if they were parsed before `Task.init`."""
    (tmp_path / "train.py").write_text(FIRST[way])
    words = [sys.executable, "-W", "error", "train.py", "--lr", "0.5"]
    subprocess.run(words, check=True, cwd=tmp_path)
    assert Task.get_task(task_name="train").get_parameters(cast=True) == {"Args/lr": 0.5}


def test_arguments_of_what_starts_the_script_are_not_recorded(tmp_path, registry):
    """Such as those of `python -m trace`, which parses its own."""
    (tmp_path / "train.py").write_text(f"from localreg import Task\n{INIT}")
    words = [sys.executable, "-m", "trace", "--ignore-dir=/", "--count", "--summary"]
    words += ["--coverdir", str(tmp_path), "train.py"]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True)
    assert Task.get_task(task_name="train").get_parameters() == {}


def test_importing_localreg_imports_no_argparse_and_patches_nothing():
    code = (
        "import sys, localreg\nassert 'argparse' not in sys.modules\n"
        "import argparse\nassert argparse.ArgumentParser.parse_args.__module__ == 'argparse'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# values ------------------------------------------------------------------------------------


class Color(Enum):
    RED = 1
    GREEN = 2


def test_none_is_stored_as_an_empty_text_and_an_enum_as_its_name(task):
    """Decision 53."""
    task.set_parameters({"none": None, "color": Color.RED, "some": [Color.GREEN, 1]})
    assert task.get_parameters() == {
        "General/none": "", "General/color": "RED", "General/some": '["GREEN", 1]',
    }  # fmt: skip
    assert task.get_parameter("none", cast=True) is None
    task.set_parameter("other", None)
    assert (task.get_parameter("other"), task.get_parameter("other", cast=True)) == ("", None)

    class Settings:
        color = Color.GREEN
        seed = None

    task.connect(Settings, name="Mine")
    assert task.get_parameter("Mine/color") == "GREEN"
    assert task.get_parameter("Mine/seed") == ""


def test_of_a_name_with_and_without_its_section_the_last_wins(task):
    """Decision 53."""
    task.set_parameters({"General/lr": 1, "lr": 2})
    assert task.get_parameters() == {"General/lr": "2"}
    task.set_parameters({"lr": 2, "General/lr": 3})
    assert task.get_parameters() == {"General/lr": "3"}


def test_a_member_of_an_enum_and_a_bool_come_back_or_are_refused(registry, monkeypatch):
    task = Task.create(task_name="train")
    task.set_parameters({"color": "GREEN", "flag": "0", "seed": None})
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    run = Task.init(task_name="train")
    given = {"color": Color.RED, "flag": True, "seed": 1}
    assert run.connect(given) == {"color": Color.GREEN, "flag": False, "seed": None}
    for name, value in (("color", "BLUE"), ("flag", "no")):
        run.set_parameters({name: value})
        with pytest.raises(ValueError, match=f"{name}.*{value}"):
            run.connect({"color": Color.RED, "flag": True})


def test_the_notes_name_kinds_and_names():
    """A name of any kind is one that a task can have, and the reason stays short."""
    left = [f"{asked.PARAMETER} Args/{number}" for number in range(1_000)]
    assert len(asked.reason(left)) < 600
    assert check_name("kind", asked.INPUT) == "input model"


def test_a_name_that_the_connected_dict_does_not_have_is_said(script, capfd):
    """It is added, as in ClearML; it may be mistyped, so the run says so."""
    task = script(
        f"from localreg import Task\n{INIT}print(task.connect({{'lr': 0.1, 'opt': {{'b': 1}}}}))\n",
        **{"General/rl": 0.05, "General/opt/b": 2},
    )
    assert run_again(task) == 0
    out, err = capfd.readouterr()
    assert out == "{'lr': 0.1, 'opt': {'b': 2}, 'rl': 0.05}\n"
    assert [line for line in err.splitlines() if "check the name" in line] == [
        "General/rl was set for this run, and what the script connects has no such name: it is "
        "added; check the name"
    ]
