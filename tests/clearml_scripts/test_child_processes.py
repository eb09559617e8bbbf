"""P13: Python processes that a script starts have its `clearml` and its task."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localreg import Registry, Task
from localreg.api import ambient
from localreg.clearml_shim.children import sitecustomize
from localreg.store.rows import report_rows
from localreg.values import settings

# Starts child.py in a way that the test gives, within a task.
PARENT = """
import os, subprocess, sys
from clearml import Task

if __name__ == "__main__":
    task = Task.init("p", "parent")
    here = os.path.dirname(os.path.abspath(__file__))
    python, child, arguments = sys.executable, os.path.join(here, "child.py"), sys.argv[2:]
    exec(sys.argv[1])
    assert task.status == "in_progress"
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


def log_of(task):
    _, registry, owner = task._owned()
    with registry.store.read() as connection:
        return [each.text for each in report_rows.messages(connection, owner, 100)[0]]


@pytest.fixture
def ran(tmp_path, registry):
    """Return a function that runs PARENT, and returns what it and its children printed."""

    def run(way, *arguments, shim=True, child=CHILD, **options):
        parent = PARENT
        if not shim:
            parent, child = (
                each.replace("from clearml", "from localreg") for each in (parent, child)
            )
        (tmp_path / "parent.py").write_text(parent)
        (tmp_path / "child.py").write_text(child)
        runner = ["-W", "error", "-m", "localreg.run"] if shim else ["-W", "error"]
        done = subprocess.run(
            [sys.executable, *runner, "parent.py", way, *arguments],
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


def test_a_child_in_another_folder_finds_the_registry_of_its_parent(ran, tmp_path):
    """Nothing names it, and it is not in or above that folder."""
    environment = {name: os.environ[name] for name in os.environ if name != settings.HOME}
    with Registry(tmp_path / ".localreg", durability="fast"):
        lines, _ = ran(WAYS["other folder"], env=environment)
        parent = lines[-1][1]
        assert lines == [["child", parent, parent, BORN], ["parent", parent]]
        assert [task.id for task in Task.get_tasks()] == [parent]


@pytest.mark.parametrize("way", ["run", "other folder", "grandchild"])
def test_a_child_of_a_script_that_imports_localreg_has_its_task(way, ran):
    lines, _ = ran(WAYS[way], shim=False)
    parent = lines[-1][1]
    assert lines == [["child", parent, parent, BORN], ["parent", parent]]
    assert len(Task.get_tasks()) == 1


# pools -------------------------------------------------------------------------------------

POOLS = """
import concurrent.futures, multiprocessing, sys
from clearml import Logger, Task

def work(number):
    current = Task.current_task()
    task = Task.init("p", "pool") if number % 2 else Task.init()
    Logger.current_logger().report_scalar("work", f"{sys.argv[1]} {number}", number, 0)
    task.close()
    return current.id, task.id

def pool(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        yield from pool.map(work, range(4), chunksize=1)

def executor(method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        yield from pool.map(work, range(4))

def joblib(backend):
    from joblib import Parallel, delayed
    yield from Parallel(n_jobs=2, backend=backend)(delayed(work)(each) for each in range(4))

if __name__ == "__main__":
    task = Task.init("p", "pool")
    found = list(globals()[sys.argv[1]](sys.argv[2]))
    assert found == [(task.id, task.id)] * 4, (task.id, found)
    assert task.status == "in_progress"
"""


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("pool", "fork"), ("pool", "spawn"), ("pool", "forkserver"),
        ("executor", "fork"), ("executor", "spawn"), ("executor", "forkserver"),
        ("joblib", "loky"), ("joblib", "multiprocessing"),
    ],
)  # fmt: skip
def test_workers_of_a_pool_have_the_task(kind, way, registry, tmp_path):
    (tmp_path / "pools.py").write_text(POOLS)
    done = subprocess.run(
        [sys.executable, "-m", "localreg.run", "pools.py", kind, way],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [task] = Task.get_tasks()
    assert task.status == "completed"
    assert {name: each["y"] for name, each in task.get_reported_scalars()["work"].items()} == {
        f"{kind} {number}": [number] for number in range(4)
    }


def test_a_library_can_start_the_script_again_for_other_ranks(registry, tmp_path):
    """As Lightning does: it reads how Python was started from the main module."""
    (tmp_path / "relaunch.py").write_text(
        "import __main__, os, subprocess, sys\n"
        "from clearml import Task\n"
        "if 'LOCAL_RANK' in os.environ:\n"
        "    print(Task.init('p', 'again').id)\n"
        "    sys.exit()\n"
        "task = Task.init('p', 'first')\n"
        "spec = __main__.__spec__\n"
        "what = [os.path.abspath(sys.argv[0])] if spec is None else ['-m', spec.name]\n"
        "words = [sys.executable, *what, *sys.argv[1:]]\n"
        "environment = os.environ | {'LOCAL_RANK': '1'}\n"
        "assert subprocess.check_output(words, env=environment, text=True) == task.id + '\\n'\n"
    )
    for words in (["relaunch.py"], ["-m", "relaunch"]):
        done = subprocess.run(
            [sys.executable, "-m", "localreg.run", *words, "--lr", "1"],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert [task.name for task in Task.get_tasks()] == ["first"] * 2


# how they end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code", "line"),
    [
        ("sys.exit(3)", 3, "failed: exit code 3"),
        ("raise KeyError('no data')", 1, "KeyError: 'no data'"),
        ("os.kill(os.getpid(), 9)", -9, None),
        ("os._exit(4)", 4, None),
        ("pass", 0, None),
    ],
)
def test_the_end_of_a_child_is_not_that_of_the_task(ending, code, line, ran):
    child = f"import os, sys\nfrom clearml import Task\nTask.current_task()\n{ending}\n"
    lines, _ = ran(f"assert subprocess.run([python, child]).returncode == {code}", child=child)
    task = Task.get_task(lines[-1][1])
    assert (task.status, task.status_reason) == ("completed", None)
    failures = [text for text in log_of(task) if "failed: " in text]
    assert len(failures) == (line is not None)
    assert line is None or line in failures[0]


@pytest.mark.parametrize("asks", ["Task.current_task()", "Task.init('p', 'parent')"])
def test_what_a_child_prints_is_once_in_the_log(asks, ran):
    """Also a line that it does not end. What other programs print cannot be seen."""
    child = f"from clearml import Task\n{asks}\nprint('one')\nprint('two', end='', flush=True)\n"
    way = (
        "print('before')\n"
        "sys.stdout.flush()\n"
        "subprocess.run([python, child], check=True)\n"
        "os.system('echo three')\n"
        "print('after')"
    )
    lines, _ = ran(way, child=child)
    text = log_of(Task.get_task(lines[-1][1]))
    found = [line for line in text if line in ("before", "one", "two", "three", "after")]
    assert sorted(found) == ["after", "before", "one", "two"]
    assert found.index("one") < found.index("two")


def test_the_page_of_a_task_says_how_it_ended_also_if_only_a_child_reported(registry, tmp_path):
    child = "from clearml import Logger; Logger.current_logger().report_scalar('a', 'b', 1, 1)"
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\nfrom clearml import Task\n"
        "print(Task.init('p', 't', auto_connect_streams=False).id)\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "localreg.run", "parent.py"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {settings.AUTO_RENDER: "1"},
    )  # fmt: skip
    page = registry.path / "reports/tasks" / f"{done.stdout.strip()}.html"
    text = page.read_text(encoding="utf-8")
    assert "completed" in text
    assert "in_progress" not in text


def test_a_script_that_executes_itself_again_continues_its_task(ran):
    way = (
        "if 'AGAIN' not in os.environ:\n"
        "    os.environ['AGAIN'] = task.id\n"
        "    os.execv(python, [python, *sys.argv])\n"
        "assert os.environ['AGAIN'] == task.id\n"
        "subprocess.run([python, child, 'parent'], check=True)"
    )
    lines, _ = ran(way)
    parent = lines[-1][1]
    assert lines == [["child", parent, parent, BORN], ["parent", parent]]
    assert [task.status for task in Task.get_tasks()] == ["completed"]


LATE = """
import sys
from clearml import Task

task = Task.current_task()
print("ready", flush=True)
sys.stdin.read()  # until the parent has ended
task.get_logger().report_scalar("late", "child", 1.0, 0)
task.flush()
with open(int(sys.argv[1]), "w") as pipe:
    print(task.id, Task.init("p", "late").id, file=pipe)
"""


def test_a_child_that_outlives_its_parent_keeps_the_task_and_can_begin_another(ran):
    ended, written = os.pipe()  # it has an end also if the child fails
    way = (
        "pipe, written = subprocess.PIPE, int(arguments[0])\n"
        "late = subprocess.Popen(\n"
        "    [python, child, str(written)], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL,\n"
        "    pass_fds=[written])\n"
        "assert late.stdout.readline() == b'ready\\n'\n"
        "late.returncode = 0  # no one waits for it; its stdin is closed after the task has ended"
    )
    with open(ended) as reader:
        try:
            lines, _ = ran(way, str(written), child=LATE, pass_fds=[written])
        finally:
            os.close(written)
        first, second = reader.read().split()
    assert lines == [["parent", first]]
    assert first != second
    assert Task.get_task(first).status == "completed"
    assert "late" in Task.get_task(first).get_reported_scalars()
    assert Task.get_task(second).name == "late"


SWEEP = """
import subprocess, sys
from clearml import Task

Task.init("p", "sweep")
for number in "12":
    subprocess.run([sys.executable, "child.py", "--number", number], check=True)
"""
PARSES = """
import argparse
from clearml import Task

parser = argparse.ArgumentParser()
parser.add_argument("--number")
number = parser.parse_args().number
Task.current_task().get_logger().report_scalar("number", number, 1, 1)
Task.init("p", "sweep")
"""


def test_the_arguments_of_children_are_theirs_when_the_task_is_run_again(registry, tmp_path):
    """A task keeps one value, each child has its own. What is set for the run counts for all."""
    (tmp_path / "sweep.py").write_text(SWEEP)
    (tmp_path / "child.py").write_text(PARSES)
    run = [sys.executable, "-m", "localreg.run", "sweep.py"]
    subprocess.run(run, cwd=tmp_path, check=True)
    [task] = Task.get_tasks()
    assert task.get_parameters() == {"Args/number": "2"}
    plain, changed = Task.clone(task, name="plain"), Task.clone(task, name="changed")
    changed.set_parameter("Args/number", "7")
    for each, used in ((plain, {"1", "2"}), (changed, {"7"})):
        subprocess.run([sys.executable, "-m", "localreg", "task", "run", each.id], check=True)
        assert set(each.get_reported_scalars()["number"]) == used


# who is disturbed, and who is not -----------------------------------------------------------


def test_a_child_sees_its_own_python(ran, tmp_path):
    """Its path and its `sitecustomize` are as before; the variable is not."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import builtins\nbuiltins.chained = 1\n")
    shows = (
        "import builtins, json, os, sys\n"
        "site = sys.modules.get('sitecustomize')\n"
        "print(json.dumps([sys.path, sys.argv, hasattr(builtins, 'chained'), sys.flags.no_site,\n"
        "    os.environ.get('PYTHONPATH')]))\n"
    )
    way = (
        "import json\n"
        "def run(): return json.loads(subprocess.check_output([python, child, 'a']))\n"
        "site = os.path.join(here, 'site')\n"
        "with_ours = run()\n"
        "folder = os.environ.pop('PYTHONPATH')\n"
        "without = run()\n"
        "assert with_ours == [*without[:4], folder], (with_ours, without)\n"
        "os.environ['PYTHONPATH'] = os.pathsep.join([folder, site])\n"
        "with_ours = run()\n"
        "os.environ['PYTHONPATH'] = site\n"
        "without = run()\n"
        "assert with_ours[2] and with_ours[:4] == without[:4], (with_ours, without)"
    )
    ran(way, child=shows)


def test_a_broken_sitecustomize_of_the_user_is_shown_as_without_localreg(ran, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import no_such_module\n")
    way = (
        "site = os.path.join(here, 'site')\n"
        "def run(*folders):\n"
        "    environment = os.environ | {'PYTHONPATH': os.pathsep.join(folders)}\n"
        "    return subprocess.run([python, '-c', ''], env=environment, capture_output=True)\n"
        "with_ours, without = run(os.environ['PYTHONPATH'], site), run(site)\n"
        "assert with_ours.stderr == without.stderr != b'', (with_ours, without)\n"
        "assert with_ours.returncode == without.returncode"
    )
    ran(way)


def test_a_python_that_cannot_have_localreg_runs_as_before(ran, tmp_path):
    """One without localreg, and flags that leave out what makes `clearml` importable."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    way = (
        "def run(*words): return subprocess.run(words, capture_output=True, text=True)\n"
        "bare = os.path.join(here, 'bare', 'bin', 'python')\n"
        "for words in ([bare], [python, '-I'], [python, '-E'], [python, '-S'], [python, '-IS']):\n"
        "    done = run(*words, '-c', 'print(1)')\n"
        "    assert (done.returncode, done.stdout, done.stderr) == (0, '1\\n', ''), (words, done)\n"
        "    done = run(*words, '-c', 'import clearml')\n"
        "    assert done.stderr.endswith(\"No module named 'clearml'\\n\"), (words, done.stderr)\n"
        "    code = 'from importlib import util; assert not util.find_spec(\"clearml\")'\n"
        "    assert run(*words, '-c', code).returncode == 0\n"
        "code = 'from localreg import Task; print(Task.current_task().id)'\n"
        "assert run(python, '-E', '-c', code).stdout == task.id + '\\n'\n"
        "done = subprocess.run([python, '-c', 'import clearml'], env={}, capture_output=True)\n"
        "assert b\"No module named 'clearml'\" in done.stderr"
    )
    ran(way)


def test_a_command_or_another_run_in_a_child_is_not_of_the_task(ran, tmp_path):
    """`localreg` looks where it is started; `localreg.run` and `localreg task run` are runs."""
    way = (
        "run = [python, '-m', 'localreg.run']\n"
        "command = [python, '-m', 'localreg']\n"
        "other = os.path.join(here, 'other')\n"
        "here = os.environ.pop('LOCALREG_HOME')\n"
        "os.mkdir(other)\n"
        "def said(*words):\n"
        "    return subprocess.check_output([*command, *words], cwd=other, text=True)\n"
        "said('init', '.localreg')\n"
        "assert said('task', 'ls') == ''\n"
        "os.environ['LOCALREG_HOME'] = here\n"
        "subprocess.run([*run, child, 'parent'], check=True)\n"
        "first = [each.id for each in Task.get_tasks() if each.id != task.id]\n"
        "subprocess.run([*command, 'task', 'run', first[0]], check=True)"
    )
    lines, _ = ran(way)
    parent = lines[-1][1]
    [(_, own, current, _), again, _] = lines
    assert (current, again[1]) == ("None", own) != ("None", parent)
    assert {task.id: task.status for task in Task.get_tasks()} == {
        parent: "completed", own: "completed",
    }  # fmt: skip


def test_tests_that_a_script_runs_have_registries_of_their_own(ran, tmp_path):
    (tmp_path / "test_it.py").write_text(
        "from localreg import Task\n"
        "def test_it(localreg_registry):\n"
        "    assert Task.current_task() is None\n"
        "    Task.init('p', 'parent').close()\n"
        "    assert len(Task.get_tasks()) == 1\n"
    )
    ran("subprocess.run([python, '-m', 'pytest', '-q', 'test_it.py'], check=True)")
    assert len(Task.get_tasks()) == 1


@pytest.mark.parametrize("change", ["started", "dead"])
def test_the_task_of_another_process_with_the_same_number_is_not_joined(change, registry):
    """As when the variable is still there and its process is not, or the number is used again."""
    task = Task.init("p", "t")
    task_id, mark, started, program, root = os.environ[settings.TASK_RUNNING].split(":", 4)
    if change == "started":
        started = str(int(started) + 1)
    else:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        mark = f"{mark.rpartition('-')[0]}-{ended.pid}"
    variable = ":".join([task_id, mark, started, program, root])
    code = (
        "from localreg import Task\nassert Task.current_task() is None\n"
        "print(Task.init('p', 't').id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {settings.TASK_RUNNING: variable},
    )  # fmt: skip
    assert done.stdout.strip() != task.id
    assert len(Task.get_tasks()) == 2


def test_a_process_names_its_current_task_to_its_children(registry):
    """Also after an inner one has ended, and in a block with a state of its own."""

    def named():
        return os.environ.get(settings.TASK_RUNNING, "").partition(":")[0]

    before = named()
    outer = Task.init("p", "outer")
    inner = Task.init("p", "inner")
    assert named() == inner.id
    inner.close()
    assert named() == outer.id
    with ambient.isolated():
        assert named() == ""
        assert Task.current_task() is None
        assert Task.init("p", "outer", registry=registry) != outer
    assert named() == outer.id
    outer.close()
    assert named() == before


def test_what_any_python_may_run_is_written_for_all():
    """Python 2 and the first versions of Python 3 read it, too."""
    source = Path(sitecustomize.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 4))
    new = (ast.AnnAssign, ast.JoinedStr, ast.NamedExpr, ast.Nonlocal, ast.Starred, ast.AsyncFor)
    assert not [each for each in ast.walk(tree) if isinstance(each, new)]
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    assert functions
    for each in functions:
        arguments = each.args
        assert each.returns is None
        assert not [one for one in (*arguments.args, *arguments.kwonlyargs) if one.annotation]
        assert not arguments.kwonlyargs
    assert source.isascii()
