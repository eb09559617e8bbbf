"""Python processes that a script starts have its `clearml` and its task."""

from __future__ import annotations

import subprocess
import sys

import pytest

from localreg import Task

# Starts child.py in a way that the test gives, within a task.
PARENT = """
import os, subprocess, sys
from clearml import Task

if __name__ == "__main__":
    task = Task.init("p", "parent")
    here = os.path.dirname(os.path.abspath(__file__))
    python, child, arguments = sys.executable, os.path.join(here, "child.py"), sys.argv[2:]
    exec(sys.argv[1])
    task.get_logger().report_scalar("loss", "parent", 1.0, iteration=1)
    print("parent", task.id, flush=True)
"""
CHILD = """
import json, os, sys
from clearml import Logger, Task

current = Task.current_task()
task = Task.init("p", *sys.argv[1:])
Logger.current_logger().report_scalar("loss", f"child {sys.argv[1:]}", 2.0, iteration=1)
task.connect({"a": 1}, name="Child")
print("child", task.id, current and current.id, Task.__module__, flush=True)
task.close()
"""
BORN = "localreg.api.tasks.task"

WAYS = {
    "run": "subprocess.run([python, child, 'parent'], check=True)",
    "Popen": "assert subprocess.Popen([python, child, 'parent']).wait() == 0",
    "check_output": "print(subprocess.check_output([python, child, 'parent'], text=True))",
    "python3 of the PATH": (
        "os.environ['PATH'] = os.path.dirname(python) + os.pathsep + os.environ['PATH']\n"
        "subprocess.run(['python3', child, 'parent'], check=True)"
    ),
    "other names": "subprocess.run([python, child, 'child'], check=True)",
    "system": "assert os.system(f'{python} {child} parent') == 0",
    "spawn": "assert os.spawnv(os.P_WAIT, python, [python, child, 'parent']) == 0",
    "posix_spawn": (
        "pid = os.posix_spawn(python, [python, child, 'parent'], os.environ)\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    ),
    "fork and exec": (
        "pid = os.fork()\n"
        "if pid == 0: os.execv(python, [python, child, 'parent'])\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    ),
    "module": "subprocess.run([python, '-m', 'child', 'parent'], check=True, cwd=here)",
    "code": "subprocess.run([python, '-c', open(child).read(), 'parent'], check=True)",
    "other folder": "subprocess.run([python, child, 'parent'], check=True, cwd='/')",
    "environment that keeps ours": (
        "environment = {name: os.environ[name] for name in os.environ if name != 'PATH'}\n"
        "subprocess.run([python, child, 'parent'], check=True, env=environment)"
    ),
    "grandchild": (
        "code = f'import subprocess; subprocess.run([{python!r}, {child!r}, \"parent\"])'\n"
        "subprocess.run([python, '-c', code], check=True, cwd='/')"
    ),
    "thread": (
        "import threading\n"
        "thread = threading.Thread(\n"
        "    target=subprocess.run, args=([python, child, 'parent'],), kwargs={'check': True})\n"
        "thread.start()\n"
        "thread.join()"
    ),
}


@pytest.fixture
def ran(tmp_path, registry):
    """Return a function that runs PARENT, and returns what it and its children printed."""

    def run(way, *, shim=True, child=CHILD, **options):
        parent = PARENT
        if not shim:
            parent, child = (
                each.replace("from clearml", "from localreg") for each in (parent, child)
            )
        (tmp_path / "parent.py").write_text(parent)
        (tmp_path / "child.py").write_text(child)
        runner = ["-W", "error", "-m", "localreg.run"] if shim else ["-W", "error"]
        done = subprocess.run(
            [sys.executable, *runner, "parent.py", way],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, **options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [line.split() for line in done.stdout.splitlines() if line], done.stderr

    return run


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_child_reports_to_the_task_of_its_parent(way, ran):
    lines, errors = ran(way)
    parent = lines[-1][1]
    assert lines == [["child", parent, parent, BORN], ["parent", parent]]
    task = Task.get_task(parent)
    assert len(Task.get_tasks()) == 1
    assert (task.name, task.status, task.status_reason) == ("parent", "completed", None)
    assert {len(each["y"]) for each in task.get_reported_scalars()["loss"].values()} == {1}
    assert len(task.get_reported_scalars()["loss"]) == 2
    assert task.get_parameters() == {"Child/a": "1"}
    assert ("localreg.run" in errors) is (way == WAYS["other names"])  # that is not done silently


@pytest.mark.parametrize("way", ["run", "other folder", "grandchild"])
def test_a_child_of_a_script_that_imports_localreg_has_its_task(way, ran):
    lines, _ = ran(WAYS[way], shim=False)
    parent = lines[-1][1]
    assert lines == [["child", parent, parent, BORN], ["parent", parent]]
    assert len(Task.get_tasks()) == 1
