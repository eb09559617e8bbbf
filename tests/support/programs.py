"""The fixture `program`: a script whose arguments another library parses, run and run again.

The script prints what it works with as JSON, on its last line (`SHOW`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from localreg import Task
from localreg.cli.main import main

SHOW = """
import json
def show(**values):
    print(json.dumps(values, default=str))
"""


class Program:
    """A script.

    Attributes:
        path: of the script.
        shown, errors: what the last run wrote to stdout and stderr.
        code: the exit code of the last run.
    """

    def __init__(self, path, text, output):
        self.path = path
        self._output = output
        self.shown, self.errors, self.code = "", "", 0
        path.write_text(SHOW + text)

    def run(self, *words, runner=("-m", "localreg.run"), stdin=None, **variables):
        """Run the script; return what it showed, None if it showed nothing.

        Args:
            words: of the command line.
            runner: how Python runs it.
            stdin: what it can read.
            variables: of the environment.
        """
        done = subprocess.run(
            [sys.executable, *runner, self.path.name, *words],
            cwd=self.path.parent, capture_output=True, text=True, input=stdin, timeout=120,
            env=os.environ | variables,
        )  # fmt: skip
        self.code, self.shown, self.errors = done.returncode, done.stdout, done.stderr
        return _values(self.shown)

    def again(self, values=(), *added, configurations=(), of=None):
        """Run a copy of a task with other values; return what the script showed, and the copy.

        Args:
            values: parameters to set, ``{"Args/lr": "0.5"}``.
            added: to the command line.
            configurations: files of configurations to set, by name.
            of: the task; the last one if None.
        """
        options = [f"--set-param={name}={value}" for name, value in dict(values).items()]
        options += [f"--set-config={name}={file}" for name, file in dict(configurations).items()]
        self._output.readouterr()
        assert main(["task", "clone", (of or self.task()).id, *options]) == 0
        copy = Task.get_task(self._output.readouterr().out.strip())
        self.code = main(["task", "run", copy.id, *(("--", *added) if added else ())])
        self.shown, self.errors = self._output.readouterr()
        return _values(self.shown), copy

    def task(self):
        """Return the last task, None without any."""
        tasks = Task.get_tasks()
        return max(tasks, key=lambda each: each._row().created) if tasks else None

    def parameters(self, task=None, section="Args"):
        """Return the parameters of a section of a task, the last one if None."""
        found = (task or self.task()).get_parameters(cast=True)
        start = f"{section}/"
        return {
            name.removeprefix(start): value
            for name, value in found.items()
            if name.startswith(start)
        }


def _values(out):
    found = re.search(r"\{.*$", out.strip().rpartition("\n")[2])  # after a prompt
    return json.loads(found[0]) if found else None


@pytest.fixture
def program(tmp_path, localreg_registry, capfd):
    """Return a function that writes a script, and returns a `Program`."""
    return lambda text, name="train.py": Program(tmp_path / name, text, capfd)
