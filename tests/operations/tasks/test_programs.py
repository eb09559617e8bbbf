"""What runs is recorded as what can be run: scripts, folders, archives, modules, code."""

from __future__ import annotations

import subprocess
import sys
import zipapp

import pytest

from localreg import Task
from localreg.cli.main import main

CODE = """
import sys
from localreg import Task
task = Task.init(project_name="p", task_name="train")
settings = task.connect({"lr": 0.1})
print(settings["lr"], *sys.argv[1:], __name__, flush=True)
"""
WORDS = ["a", "--b=c"]


@pytest.fixture
def files(registry, tmp_path, monkeypatch):
    """The code as a script, folder, archive, package and console script."""
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "package", "above/package", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("train.py", "folder/__main__.py", "package/__main__.py", "package/part.py"):
        (tmp_path / name).write_text(CODE)
    (tmp_path / "folder/other.py").write_text("")
    (tmp_path / "folder/__main__.py").write_text(f"import other\n{CODE}")
    (tmp_path / "package/__init__.py").write_text("x = 1\n")
    (tmp_path / "package/__main__.py").write_text(f"from . import x\n{CODE}")
    zipapp.create_archive(tmp_path / "folder", tmp_path / "app.pyz")
    console = tmp_path / "bin/train"
    console.write_text(f"#!{sys.executable}\n{CODE}")
    console.chmod(0o755)
    return tmp_path


PROGRAMS = {
    "script": [sys.executable, "train.py"],
    "folder": [sys.executable, "folder"],
    "folder with a slash": [sys.executable, "./folder/"],
    "archive": [sys.executable, "app.pyz"],
    "package": [sys.executable, "-m", "package"],
    "module": [sys.executable, "-m", "package.part"],
    "code": [sys.executable, "-W", "error", "-c", CODE],
    "console script": ["bin/train"],
    "script by localreg.run": [sys.executable, "-m", "localreg.run", "train.py"],
    "folder by localreg.run": [sys.executable, "-m", "localreg.run", "folder"],
    "archive by localreg.run": [sys.executable, "-m", "localreg.run", "app.pyz"],
    "module by localreg.run": [sys.executable, "-m", "localreg.run", "-m", "package"],
    "code by localreg.run": [sys.executable, "-m", "localreg.run", "-c", CODE],
}


@pytest.mark.parametrize("how", PROGRAMS)
def test_it_runs_again_as_it_ran(files, how, capfd, monkeypatch):
    """With other values and the same arguments, from another working directory."""
    first = subprocess.run([*PROGRAMS[how], *WORDS], check=True, capture_output=True, text=True)
    assert first.stdout == "0.1 a --b=c __main__\n", first.stderr
    task = Task.get_task(task_name="train")
    assert task.get_script()["arguments"] == WORDS
    copy = Task.clone(task)
    copy.set_parameter("lr", 0.05)
    monkeypatch.chdir("/")
    code = main(["task", "run", copy.id])
    out, err = capfd.readouterr()
    assert (code, out, copy.status) == (0, "0.05 a --b=c __main__\n", "completed"), err
    again = copy.get_script()
    assert [again[key] for key in ("entry_point", "arguments", "working_dir")] == [
        task.get_script()[key] for key in ("entry_point", "arguments", "working_dir")
    ]
    assert main(["task", "run", copy.id]) == 0, "what a re-run records can be run, too"


def test_a_folder_and_an_archive_are_recorded_as_they_are(files):
    for name in ("folder", "app.pyz"):
        subprocess.run([sys.executable, name], check=True, capture_output=True)
        assert Task.get_task(task_name="train").get_script()["entry_point"] == str(files / name)


@pytest.mark.parametrize("stdin", [CODE, f"__file__ = 'no such file'\n{CODE}"])
def test_code_from_a_pipe_cannot_be_run_again(files, stdin, capfd):
    subprocess.run([sys.executable, "-"], input=stdin, text=True, check=True, capture_output=True)
    task = Task.get_task(task_name="train")
    assert main(["task", "run", task.id]) == 1
    assert "has no script recorded" in capfd.readouterr().err


def test_the_arguments_of_a_notebook_are_not_recorded(files):
    """They are those of its kernel."""
    code = f"get_ipython = None\n{CODE}"
    words = [sys.executable, "-", "-f", "kernel.json"]
    subprocess.run(words, input=code, text=True, check=True, capture_output=True)
    assert Task.get_task(task_name="train").get_script()["arguments"] == []


@pytest.mark.parametrize("words", [["empty"], ["-m", "no_such"], ["broken.pyz"], ["none.py"], []])
def test_what_cannot_be_run_is_refused(files, words):
    (files / "empty").mkdir()
    (files / "broken.pyz").write_bytes(b"PK\3\4")
    ran = subprocess.run(
        [sys.executable, "-m", "localreg.run", *words], capture_output=True, text=True, check=False
    )
    assert ran.returncode in (1, 2)
    assert ran.stderr
    assert "localreg/run.py" not in ran.stderr or "SyntaxError" in ran.stderr


WORKERS = """
import multiprocessing
def work(number):
    from clearml import Task
    return number + 1
if __name__ == "__main__":
    from clearml import Task
    task = Task.init(project_name="p", task_name="train")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [1, 2]))
"""


@pytest.mark.parametrize("what", ["folder", "app.pyz"])
def test_workers_of_a_folder_or_archive_import_it(files, what):
    (files / "folder/__main__.py").write_text(WORKERS)
    (files / "app.pyz").unlink()
    zipapp.create_archive(files / "folder", files / "app.pyz")
    ran = subprocess.run(
        [sys.executable, "-m", "localreg.run", what], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert ran.stdout == "[2, 3]\n"
