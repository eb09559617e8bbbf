"""`localreg task`: listing, showing, copying, running and removing tasks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import InputModel, Model, OutputModel, Task
from localreg.cli.main import main

SCRIPT = """
import argparse, os, sys
from localreg import InputModel, Task

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--mode", default="train")
args = parser.parse_args()
task = Task.init(project_name="vision", task_name="train")
args = parser.parse_args()
settings = task.connect({"steps": 2})
config = task.connect_configuration({"width": 1}, name="net")
model = InputModel(name="first")
model.connect(task, name="backbone")
open("result.txt", "w").write(open(model.get_weights()).read())
print(args.lr, settings["steps"], config["width"], os.getcwd(), flush=True)
if args.mode == "exit":
    sys.exit(7)
if args.mode == "raise":
    raise RuntimeError("on purpose")
if args.mode == "kill":
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def run(registry, capfd):
    """Run a command; give exit code, stdout, stderr, those of its children with them."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def models(registry, tmp_path):
    """Two models whose weights say which one they are."""
    found = {}
    for name in ("first", "second"):
        file = tmp_path / f"{name}.txt"
        file.write_text(f"weights of {name}")
        found[name] = registry.add(file, name)
    return found


@pytest.fixture
def trained(models, tmp_path):
    """A task that a script has run, in its folder."""
    script = tmp_path / "work" / "train.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "train.py", "--lr", "0.5"], check=True, cwd=script.parent,
        capture_output=True,
    )  # fmt: skip
    return Task.get_task(project_name="vision", task_name="train")


def result(trained):
    return (Path(trained.get_script()["working_dir"]) / "result.txt").read_text()


# the whole way -----------------------------------------------------------------------------


def test_a_copy_with_another_input_model_uses_the_other_weights(run, trained, models):
    assert trained.status == "completed"
    assert result(trained) == "weights of first"
    code, out, err = run("task", "clone", trained.id[:8], "--set-input", "backbone=second")
    assert (code, err) == (0, "")
    copy = Task.get_task(out.strip())
    assert (copy.status, copy.parent) == ("created", trained.id)
    code, out, _ = run("task", "run", copy.id[:8])
    assert code == 0
    assert result(trained) == "weights of second"
    assert copy.status == "completed"
    assert copy.input_models_id == {"backbone": models["second"].id}
    assert trained.input_models_id == {"backbone": models["first"].id}
    assert Model(models["second"].id).task == copy.id


def test_a_copy_runs_with_other_values(run, trained, tmp_path):
    file = tmp_path / "net.json"
    file.write_text('{"width": 9}')
    code, out, _ = run(
        "task", "clone", trained.id, "-n", "wider", "--set-param", "Args/lr=0.25",
        "--set-param", "steps=5", "--set-config", f"net={file}",
    )  # fmt: skip
    copy = Task.get_task(out.strip())
    assert (code, copy.name) == (0, "wider")
    assert copy.get_parameters(cast=True)["General/steps"] == 5
    code, out, _ = run("task", "run", copy.id)
    assert (code, out.split()[:3]) == (0, ["0.25", "5", "9"])


def test_a_parameter_is_found_in_whichever_section_it_is(run, trained):
    copy = Task.get_task(run("task", "clone", trained.id, "--set-param", "lr=2")[1].strip())
    assert copy.get_parameter("Args/lr") == "2"
    copy.set_parameter("Other/lr", 1)
    code, _, err = run("task", "clone", copy.id, "--set-param", "lr=3")
    assert code == 1
    assert "Args/lr or Other/lr" in err
    assert len(Task.get_tasks()) == 2


def test_it_runs_as_it_ran_with_what_is_added(run, trained):
    folder = trained.get_script()["working_dir"]
    assert run("task", "run", trained.id)[1].split() == ["0.5", "2", "1", folder]
    assert run("task", "run", trained.id, "--", "--lr", "3")[1].split()[0] == "3.0"
    assert trained.get_parameter("Args/lr") == "3.0"
    assert len(Task.get_tasks()) == 1


def test_an_input_that_the_task_does_not_have_is_a_remark(run, trained):
    code, _, err = run("task", "clone", trained.id, "--set-input", "head=second")
    assert code == 0
    assert "no input model 'head': it has backbone" in err


def test_a_parameter_that_the_task_does_not_have_is_a_remark(run, trained):
    code, _, err = run("task", "clone", trained.id, "--set-param", "lr=3", "--set-param", "rl=3")
    assert code == 0
    assert "no parameter 'General/rl': it has Args/lr, Args/mode, General/steps." in err
    assert err.count("no parameter") == 1


def test_an_unknown_status_is_wrong_usage(run, registry):
    code, _, err = run("task", "ls", "--status", "complete")
    assert (code, "'completed'" in err) == (2, True)


def test_nothing_is_copied_when_an_argument_is_wrong(run, trained, tmp_path):
    assert run("task", "clone", trained.id, "--set-input", "backbone=nothing")[0] == 3
    assert run("task", "clone", trained.id, "--set-input", "backbone")[0] == 2
    assert run("task", "clone", trained.id, "--set-config", f"net={tmp_path}/none")[0] == 2
    assert run("task", "clone", trained.id, "--set-param", "=1")[0] == 2
    assert run("task", "clone", trained.id, "--set-input", "  =second")[0] == 1
    assert len(Task.get_tasks()) == 1


# how it leaves -----------------------------------------------------------------------------


def test_the_scripts_exit_code_is_the_commands_and_fails_the_task(run, trained):
    assert run("task", "run", trained.id, "--", "--mode", "exit")[0] == 7
    assert (trained.status, trained.status_reason) == ("failed", "exit code 7")


def test_an_error_fails_the_task_with_the_reason(run, trained):
    code, _, err = run("task", "run", trained.id, "--", "--mode", "raise")
    assert code == 1
    assert "RuntimeError: on purpose" in err
    assert trained.status == "failed"
    assert "RuntimeError: on purpose" in trained.status_reason


def test_a_killed_script_leaves_the_task_aborted(run, trained):
    assert run("task", "run", trained.id, "--", "--mode", "kill")[0] == 128 + 9
    assert trained.status == "aborted"
    assert "SIGKILL" in trained.status_reason


def test_a_script_that_starts_no_task_still_ends_the_task(run, registry, tmp_path):
    script = tmp_path / "plain.py"
    script.write_text("import sys\nsys.exit(int(sys.argv[1]))\n")
    for code, status in (("0", "completed"), ("3", "failed")):
        task = Task.create("p", "t", script=script)
        assert run("task", "run", task.id, "--", code)[0] == int(code)
        assert task.status == status


def test_a_module_is_run_as_a_module_again(run, registry, tmp_path, monkeypatch):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "other.py").write_text("value = 5\n")
    (package / "train.py").write_text(
        "from localreg import Task\nfrom .other import value\n"
        "Task.init(task_name='t')\nprint(__name__, value, flush=True)\n"
    )
    subprocess.run([sys.executable, "-m", "pack.train"], check=True, cwd=tmp_path)
    task = Task.get_task(task_name="t")
    assert run("task", "run", task.id)[:2] == (0, "__main__ 5\n" * 2)
    assert task.status == "completed"


POOL = """
import multiprocessing
from localreg import Task

def work(job):
    task = Task.get_task(task_id=job[0])
    task.report_scalar("work", "all", job[1], job[1])
    task.flush()

if __name__ == "__main__":
    task = Task.init(task_name="pool")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(work, [(task.id, number) for number in range(3)])
"""


def test_a_script_with_a_pool_is_run_again(run, registry, tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    task = Task.create("p", "pool", script=script)
    assert run("task", "run", task.id)[0] == 0
    assert task.status == "completed"
    assert task.get_reported_scalars()["work"]["all"]["y"] == [0.0, 1.0, 2.0]


def test_a_missing_script_interpreter_or_task_is_a_clear_error(run, trained, registry):
    script = Path(trained.get_script()["entry_point"])
    script.rename(script.with_name("other.py"))
    code, _, err = run("task", "run", trained.id)
    assert code == 3
    assert f"does not exist: {script}" in err
    script.with_name("other.py").rename(script)
    code, _, err = run("task", "run", trained.id, "--python", "/no/python")
    assert (code, trained.status) == (3, "failed")
    assert "/no/python" in err
    code, _, err = run("task", "run", Task.create("p", "t").id)
    assert code == 1
    assert "no script" in err
    assert run("task", "run", "abcdef")[0] == 3


def test_a_task_that_runs_is_not_run_twice(run, registry, tmp_path):
    script = "from localreg import Task\nprint(Task.init(task_name='t').id, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        task_id = running.stdout.readline().strip()
        code, _, err = run("task", "run", task_id)
        assert code == 5
        assert "is in progress" in err
        running.communicate("\n")


def test_ending_the_command_ends_the_script(registry, tmp_path):
    """As a scheduler does; and both killed at once, the task is found aborted."""
    script = tmp_path / "wait.py"
    script.write_text(
        "import sys\nfrom localreg import Task\n"
        "print(Task.init(task_name='t').id, flush=True)\nsys.stdin.read()\n"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        task = Task.create("p", "t", script=script)
        with subprocess.Popen(
            [sys.executable, "-m", "localreg.cli", "task", "run", task.id],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        ) as command:  # fmt: skip
            assert command.stdout.readline().strip() == task.id
            if number == signal.SIGTERM:
                command.send_signal(number)
                assert command.wait() == 128 + number
            else:
                os.killpg(command.pid, signal.SIGKILL)
                assert command.wait() == -signal.SIGKILL
                until = time.monotonic() + 10
                while task.status == "in_progress" and time.monotonic() < until:
                    pass  # the killed script's parent is gone: who reaps it takes a moment
        assert task.status == "aborted"


# listing, showing, removing ----------------------------------------------------------------


def test_ls_takes_filters(run, registry):
    a = Task.create("p", "train-1", "training")
    b = Task.create("p", "eval", "testing")
    c = Task.create("q", "train-2")
    a.add_tags(["x"])
    b.add_tags(["x", "y"])
    c.mark_failed(status_reason="why")
    everything = run("task", "ls", "-q")[1].split()
    assert everything == [c.id, b.id, a.id]
    assert run("task", "ls", "-q", "-p", "p")[1].split() == [b.id, a.id]
    assert run("task", "ls", "-q", "-t", "x", "-t", "-y")[1].split() == [a.id]
    assert run("task", "ls", "-q", "--status", "failed")[1].split() == [c.id]
    assert run("task", "ls", "-q", "--name", "train*")[1].split() == [c.id, a.id]
    code, out, err = run("task", "ls", "-q", "-l", "1")
    assert (code, out.split()) == (0, [c.id])
    assert "-l 0 shows all" in err
    assert run("task", "ls", "-p", "q")[1].split("\t")[:4] == [
        "train-2", "q", "training", "failed",
    ]  # fmt: skip
    assert [each["id"] for each in json.loads(run("task", "ls", "--json")[1])] == everything
    assert run("task", "ls", "-q", "p/*")[1].split() == [b.id, a.id]
    assert run("task", "ls", "-q", "q/train-2")[1].split() == [c.id]
    assert run("task", "ls", "-q", "--sort", "name")[1].split() == [b.id, a.id, c.id]
    assert run("task", "ls", "-q", "--sort", "+created")[1].split() == [a.id, b.id, c.id]
    assert run("task", "ls", "--sort", "size")[0] == 2
    assert "No tasks match" in run("task", "ls", "-p", "none")[2]


def test_a_sweep_is_a_table_of_runs(run, registry):
    """Sorted by a metric, with the parameters that differ and how long each run took."""
    tasks = []
    for lr, accuracy in ((0.1, 0.5), (0.01, 0.9), (1.0, None)):
        task = Task.create("sweep", "train")
        task.set_parameters({"Args/lr": lr, "Args/epochs": 10})
        if accuracy is not None:
            task.get_logger().report_scalar("val", "accuracy", accuracy, 1)
            task.mark_completed()
        tasks.append(task)
    registry._chain.first.store.flush()
    code, out, err = run("task", "ls", "--header", "--sort", "metric:val/accuracy", "--columns",
                         "task,status,duration,params,id")  # fmt: skip
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        ["TASK", "val/accuracy", "STATUS", "DURATION", "lr", "ID"],
        ["train", "0.9", "completed", "0", "0.01", tasks[1].id[:8]],
        ["train", "0.5", "completed", "0", "0.1", tasks[0].id[:8]],
    ]
    by_lr = run("task", "ls", "-q", "--sort", "+param:lr")[1].split()
    assert by_lr == [tasks[1].id, tasks[0].id, tasks[2].id]
    assert run("task", "ls", "-q", "--sort", "param:Args/lr")[1].split() == by_lr[::-1]
    assert run("task", "ls", "-q", "-m", "lr<0.5", "-m", "metric:val/accuracy>=0.9")[1].split() == [
        tasks[1].id
    ]
    assert run("task", "ls", "-q", "-m", "param:Args/lr=1.0")[1].split() == [tasks[2].id]
    assert run("task", "ls", "-q", "-m", "metric:val/accuracy=0.50")[1].split() == [tasks[0].id]
    values = json.loads(run("task", "ls", "--json", "--sort", "metric:val/accuracy")[1])
    assert [each["metrics"]["val/accuracy"]["last"] for each in values] == [0.9, 0.5]
    err = run("task", "ls", "--sort", "metric:val/acc")[2]
    assert "Only tasks that have the metric 'val/acc' are listed. Similar ones are" in err


def test_ls_finds_a_killed_task_aborted(run, registry):
    script = (
        "import os\nfrom localreg import Task\nTask.init(task_name='t')\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert len(run("task", "ls", "-q", "--status", "aborted")[1].split()) == 1


def test_a_killed_task_is_shown_aborted_where_that_cannot_be_recorded(run, tmp_path, monkeypatch):
    """In an upstream registry, which is read-only, as `Task.status` shows it."""
    script = (
        "import os, sys\nfrom localreg import Task, use_registry\nuse_registry(sys.argv[1])\n"
        "print(Task.init(task_name='t').id, flush=True)\nos.kill(os.getpid(), 9)"
    )
    upstream = str(tmp_path / "upstream")
    task_id = subprocess.run(
        [sys.executable, "-c", script, upstream], check=False, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.setenv("LOCALREG_UPSTREAM", upstream)
    assert run("task", "ls")[1].split("\t")[3] == "aborted"
    assert run("task", "ls", "-q", "--status", "aborted")[1].split() == [task_id]
    for arguments in (("ls", "--json"), ("show", task_id, "--json")):
        shown = json.loads(run("task", *arguments)[1])
        shown = shown[0] if isinstance(shown, list) else shown
        assert shown["status"] == "aborted", arguments
        assert "died without reporting an end" in shown["reason"]


def test_show_has_one_line_for_each_parameter(registry):
    """The second line of a text would look like another parameter."""
    task = Task.create(task_name="t")
    task.set_parameter("Args/note", "a\nArgs/lr = 5")
    model = OutputModel(task, name="net")
    registry._chain.first.store.flush()
    for arguments in (("task", "show", task.id), ("show", model.id)):
        code, out, err = run_cli(*arguments)
        assert (code, err) == (0, "")
        assert "Args/note = a⏎Args/lr = 5" in out


def test_show_prints_what_is_recorded(run, trained, models):
    code, out, _ = run("task", "show", trained.id[:6])
    assert code == 0
    for part in ("vision/train", "completed", "Args/lr = 0.5", "backbone: first:1", "train.py"):
        assert part in out
    values = json.loads(run("task", "show", trained.id, "--json")[1])
    assert values["id"] == trained.id
    assert values["inputs"] == {"backbone": models["first"].id}
    assert values["arguments"] == ["--lr", "0.5"]
    assert values["configurations"] == ["net"]
    assert values["ended"] is not None


@pytest.mark.parametrize("reference", ["abc", "zzzzzz", "f" * 32])
def test_an_unknown_task_is_exit_code_3(run, registry, reference):
    assert run("task", "show", reference)[0] == 3


def test_rm_removes_tasks_and_keeps_models_without_the_option(run, registry, tmp_path):
    file = tmp_path / "w.pt"
    file.write_bytes(b"w")
    for options, there in ((("--models",), False), ((), True)):
        task = Task.create("p", "t")
        model = run("add", file, "-q", "--task", task.id)[1].strip()
        assert run("task", "rm", *options, task.id[:8])[0] == 0
        assert Task.get_tasks() == []
        assert bool(Model.query_models()) is there
        if there:
            assert InputModel(model).original_task == task.id


def test_help_is_there(run):
    code, out, _ = run("task", "--help")
    assert code == 0
    assert all(name in out for name in ("ls", "show", "clone", "run", "rm"))
