"""How tasks start and end, and what is recorded of a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from localreg import Registry, Task
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.run_facts import packages
from localreg.store.rows import task_rows

BEGIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background have it ignored
from pathlib import Path
from localreg import Task, use_registry
use_registry({root!r}, durability="fast")
task = Task.init(project_name="p", task_name="train")
print(task.id, flush=True)
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script with a task, and returns the task and the process."""
    root = tmp_path / "r"
    Registry(root, durability="fast").close()

    def run(code, *arguments, kill=None):
        script = tmp_path / "train.py"
        script.write_text(BEGIN.format(root=str(root)) + code)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", script, *arguments], cwd=tmp_path, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        task_id = process.stdout.readline().strip()
        if kill:
            process.send_signal(kill)
        output, errors = process.communicate(timeout=60)
        with Registry(root, durability="fast") as registry:
            task = Task.get_task(task_id, registry=registry)
            return task, task.status, task.status_reason, task.get_script(), errors, output

    return run


def test_when_a_script_ends_its_task_is_completed(run):
    task, status, reason, *_ = run("task.report_single_value('v', 1)")
    assert (status, reason) == ("completed", None)
    page = task._registry.root / "reports" / "tasks" / f"{task.id}.html"
    assert "completed" in page.read_text(encoding="utf-8")


def test_when_a_script_raises_its_task_is_failed_with_the_reason(run):
    _, status, reason, _, errors, _ = run("raise ValueError('no such data')")
    assert status == "failed"
    assert reason.endswith("ValueError: no such data")
    assert "train.py" in reason
    assert "ValueError: no such data" in errors, "Python still says so itself"


def test_when_a_script_is_interrupted_its_task_is_failed(run):
    _, status, reason, *_ = run("import time\ntime.sleep(60)", kill=signal.SIGINT)
    assert (status, reason) == ("failed", "interrupted by the user")


def test_a_script_that_is_interrupted_ends_by_the_signal(tmp_path):
    """As without a task: a shell ends a loop only if the program in it died of the signal."""
    code = f"{BEGIN.format(root=str(tmp_path / 'r'))}raise KeyboardInterrupt"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)
    assert run.returncode == -signal.SIGINT


def test_when_a_script_is_killed_its_task_is_aborted(run):
    _, status, reason, *_ = run("sys.stdin.read()", kill=signal.SIGKILL)
    assert status == "aborted"
    assert "died without reporting an end" in reason


def test_a_process_with_the_number_of_a_dead_one_does_not_run_its_task(registry):
    """Processes of one number differ in when they started."""
    task = Task.init("p", "t")
    place = lifecycle.place(task._registry, task.id)
    assert place["since"]
    with task._registry.store.write() as change:
        earlier = place | {"since": str(int(place["since"]) - 1)}
        task_rows.set_place(change.connection, task.id, earlier)
    assert task.status == "aborted"


@pytest.mark.parametrize("readonly", [False, True])
def test_a_search_by_status_finds_a_killed_task_aborted(tmp_path, readonly):
    """Also if no one has read its status since, and where that cannot be recorded."""
    root = tmp_path / "r"
    code = f"{BEGIN.format(root=str(root))}import os; os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)
    with Registry(root, durability="fast") as registry:
        live = Task.init("p", "live")
        with Registry(root, durability="fast", readonly=readonly) as registry:

            def names(*statuses):
                found = Task.get_tasks(task_filter={"status": statuses}, registry=registry)
                return [task.name for task in found]

            assert names("in_progress") == ["live"]
            assert names("aborted") == ["train"]
            assert set(names("aborted", "in_progress")) == {"live", "train"}
            assert names("completed") == []
            aborted = Task.get_task(
                task_name="train", task_filter={"status": ["aborted"]}, registry=registry
            )
            assert aborted.status == "aborted"
        live.close()


def test_a_task_whose_process_runs_is_in_progress(registry):
    task = Task.init(task_name="train")
    assert task.status == "in_progress"
    assert Task.create(task_name="other").status == "created"


def test_a_forked_child_does_not_end_its_parents_task(run):
    code = """
import os
child = os.fork()
if child == 0:
    task.report_single_value("child", 1)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(task.status)
"""
    _, status, _, _, errors, output = run(code)
    assert errors == ""
    assert output.split() == ["in_progress"]
    assert status == "completed"


def test_script_arguments_commit_and_packages_are_recorded(run, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "other.py").write_text("a = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", tmp_path, "add", "other.py"], check=True)
    subprocess.run(["git", "-C", tmp_path, *identity, "commit", "-qm", "first"], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin",
                    "https://me:hunter2@example.org/repo.git"], check=True)  # fmt: skip
    (tmp_path / "other.py").write_text("a = 2\n")
    task, _, _, script, errors, _ = run("pass", "--lr", "0.1")
    assert errors == ""
    assert script["entry_point"] == str(tmp_path / "train.py")
    assert script["working_dir"] == str(tmp_path)
    assert script["arguments"] == ["--lr", "0.1"]
    assert script["binary"] == sys.executable
    assert len(script["version_num"]) == 40
    assert "+a = 2" in script["diff"]
    assert script["repository"] == "https://***@example.org/repo.git"
    with Registry(task._registry.root, durability="fast") as registry:
        run_task = Task.get_task(task.id, registry=registry)
        assert run_task.get_requirements()["numpy"]
        events = "\n".join(str(each.payload) for each in registry.history())
    assert "hunter2" not in events
    assert str(tmp_path) not in events, "no event holds a path of this machine"


def test_packages_are_those_that_importlib_knows():
    assert packages() == {each.name: each.version for each in distributions()}


def test_packages_are_read_however_they_are_installed(tmp_path, monkeypatch):
    """Wheels, eggs in a folder or in a file; broken installations are left out."""
    files = {
        "wheel-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: a.Wheel\nVersion: 1.0 \n"
        "Summary: x\n Name: y\n\nName: text\nVersion: 7\n",
        "egg.egg-info/PKG-INFO": "version: 2\r\nname:\tegg\r\n\r\ntext",
        "file.egg-info": "Name: file\nVersion: 3",
        "empty.dist-info/METADATA": "",
        "nameless.dist-info/METADATA": "Version: 4\n\nName: text\n",
        "without_version.dist-info/METADATA": "Name: without_version\n\nVersion: 5\n",
        "cut.dist-info/RECORD": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert packages() == {"a.Wheel": "1.0", "egg": "2", "file": "3"}


def test_a_with_block_that_raises_fails_its_task(tmp_path):
    begun = []

    def fail():
        with Registry(tmp_path / "r", durability="fast"):
            begun.append(Task.init(task_name="train").id)
            raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        fail()
    with Registry(tmp_path / "r", durability="fast"):
        task = Task.get_task(begun[0])
        assert task.status == "failed"
        assert task.status_reason.endswith("ValueError: no data")
        second = Task.init(task_name="second")
    with Registry(tmp_path / "r", durability="fast"):
        assert Task.get_task(second.id).status == "completed"


def test_mark_methods_set_status_and_reason(registry):
    task = Task.create(task_name="train")
    task.mark_started()
    assert task.status == "in_progress"
    task.mark_failed(status_reason="bad", status_message="data")
    assert (task.status, task.status_reason) == ("failed", "bad\ndata")
    task.mark_completed(status_message="after all")
    assert (task.status, task.get_status_message()) == ("completed", "after all")
    task.mark_stopped()
    assert (task.get_status(), task.status_reason) == ("stopped", None)


def test_init_continues_an_earlier_task_when_asked(registry):
    Task.init(project_name="p", task_name="first run", continue_last_task=True).close()
    first = Task.init(project_name="p", task_name="train")
    first.close()
    again = Task.init(project_name="p", task_name="train", continue_last_task=True)
    assert (again.id, again.status) == (first.id, "in_progress")
    again.close()
    by_id = Task.init(reuse_last_task_id=first.id)
    assert by_id.id == first.id
    by_id.close()
    new = Task.init(project_name="p", task_name="train")
    assert new.id != first.id, "nothing is overwritten"
    same = Task.init(project_name="p", task_name="train")
    assert same.id == new.id, "it runs"


def test_a_queue_is_said_to_be_missing(registry, caplog):
    caplog.set_level("INFO")
    Task.create(task_name="t").execute_remotely("gpu")
    assert "no queue 'gpu'" in caplog.text


def test_setters_of_a_task(registry):
    task = Task.create("p", "train", task_type=Task.TaskTypes.testing)
    other = Task.create("p", "other")
    assert task.task_type == "testing"
    task.name = "renamed"
    task.comment = "why"
    task.tags = ["b", "a"]
    task.add_tags("c")
    task.remove_tags(["a"])
    task.parent = other
    task.output_uri = "/data/models"
    task.move_to_project(new_project_name="q")
    task.set_packages(["numpy==2.0", "plotly >= 6"])
    assert (task.name, task.comment, task.tags) == ("renamed", "why", ["b", "c"])
    assert (task.parent, task.get_project_name()) == (other.id, "q")
    assert task.output_uri == "file:///data/models"
    assert task.get_requirements() == {"numpy": "2.0", "plotly": ">= 6"}
    for step in (3, 7, 5):
        task.report_scalar("t", "s", 1, step)
    assert task.get_last_iteration() == 7
    task.get_logger().report_histogram("h", "s", values=[1, 2], iteration=9)
    assert task.get_last_iteration() == 9
    assert task.is_current_task() is False
    task.project  # noqa: B018
    texts = [each.text for each in registry.history()]
    assert "moved to project q" in texts
    assert "tagged c" in texts


def test_create_records_a_script_to_run(registry, tmp_path):
    task = Task.create(
        "p", "later", script=tmp_path / "train.py", packages=["numpy"], repo="https://x.org/r",
        argparse_args=[("lr", "0.1")],
    )  # fmt: skip
    assert task.get_script()["entry_point"] == str(tmp_path / "train.py")
    assert task.get_script()["repository"] == "https://x.org/r"
    assert task.get_parameters() == {"Args/lr": "0.1"}
    assert task.status == "created"


def test_clearml_methods_that_do_nothing_are_accepted_and_logged_once(
    registry, caplog, monkeypatch
):
    caplog.set_level("INFO")
    for _ in range(2):
        Task.add_requirements("numpy", "2.0")
        Task.force_requirements_env_freeze()
        Task.ignore_requirements("torch")
        Task.set_random_seed(7)
        Task.set_credentials(key="a", secret="hunter2")
        Task.set_offline(True)
    assert caplog.text.count("Task.add_requirements") <= 1
    assert "hunter2" not in caplog.text
    assert Task.is_offline() is True
    Task.set_offline(False)
    assert Task.is_offline() is False
    assert Task.running_locally() is True
    task = Task.init(task_name="train")
    assert task.is_main_task() is True
    task.set_base_docker("nvidia/cuda:12.4")
    task.reload()
    task.report_single_value("v", 1)
    assert task.get_reported_single_value("v") == 1.0
    assert task.get_reported_single_value("w") is None
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    assert Task.running_locally() is False


# what a review found -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("sys.exit('no data')", "no data"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", "exit code 2"),
        ("sys.excepthook = lambda *_: None\nraise ValueError('hidden')", "hidden"),
        ("raise ValueError('a\\udc80b')", "a\\udc80b"),
        ("raise ValueError('https://me:hunter2@x.org/a?b=hunter2')", "https://***@x.org/a?b=***"),
    ],
)
def test_the_reason_of_a_failure_is_recorded(code, expected, run):
    _, status, reason, *_ = run(code)
    assert status == "failed"
    assert expected in reason
    assert "hunter2" not in reason


def test_exit_code_0_completes_the_task(run):
    assert run("sys.exit(0)")[1] == "completed"


def test_a_second_task_does_not_end_the_first(registry):
    first = Task.init(task_name="first")
    second = Task.init(task_name="second")
    assert (first.status, second.status) == ("in_progress", "in_progress")
    second.close()
    assert Task.current_task() == first
    third = Task.init(task_name="third")
    first.close()
    assert Task.current_task() == third
    third.close()
    assert Task.current_task() is None


def test_all_open_tasks_are_completed_at_the_end(run):
    task, status, *_ = run("Task.init(task_name='second')")
    assert status == "completed"
    with Registry(task._registry.root, durability="fast") as registry:
        assert {each.status for each in Task.get_tasks(registry=registry)} == {"completed"}


def test_init_works_after_the_current_task_was_removed(registry):
    task = Task.init(task_name="train")
    Task.get_task(task.id).delete()
    assert Task.init(task_name="train").id != task.id


SPAWN = """
import multiprocessing
def work(number):
    from localreg import Task
    Task.current_task().report_single_value(f"worker {number}", number)
    return 1
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(work, range(4)) == [1] * 4
"""


def test_workers_that_import_the_script_report_to_its_task(run):
    task, status, _, _, errors, _ = run(SPAWN)
    assert errors == ""
    assert status == "completed"
    with Registry(task._registry.root, durability="fast") as registry:
        assert len(Task.get_tasks(registry=registry)) == 1
        values = Task.get_task(task.id, registry=registry).get_reported_single_values()
    assert values == {f"worker {number}": float(number) for number in range(4)}


def test_a_child_process_does_not_end_the_task_that_is_run_again(run):
    code = """
import os, subprocess
os.environ["LOCALREG_TASK_ID"] = task.id
part = '''
from localreg import Task, use_registry
use_registry({root!r}, durability="fast")
task = Task.init(task_name="a part")
task.report_single_value("part", 1)
print(task.id)
'''.format(root=str(task._registry.root))
done = subprocess.run([sys.executable, "-c", part], capture_output=True, text=True, check=True)
assert done.stdout.strip() == task.id, done
assert task.status == "in_progress"
"""
    _, status, reason, _, errors, _ = run(code)
    assert (status, reason, errors) == ("completed", None, "")


def test_events_hold_no_secrets_and_no_undecodable_arguments(run, registry):
    assert run("pass", b"\xff")[1] == "completed"
    task = Task.create("p", "t", repo="https://me:hunter2@x.org/r.git")
    task.set_packages(["foo @ git+https://hunter2@x.org/a"])
    events = "\n".join(str(each.payload) for each in registry.history())
    assert "hunter2" not in events


GUARDED = """
import multiprocessing, sys
from localreg import Logger, OutputModel, Task
def work(number):
    task = Task.current_task()
    Logger.current_logger().report_scalar("work", f"part {number}", number, iteration=1)
    return task.id, OutputModel(name=f"part {number}").task
def leave():
    print(Task.current_task())
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    task = Task.init(project_name="p", task_name="train")
    print(task.id, flush=True)
    with context.Pool(2) as pool:
        assert pool.map(work, range(4)) == [(task.id, task.id)] * 4
        pool.close()
        pool.join()
    task.close()
    worker = context.Process(target=leave)
    worker.start()
    worker.join()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_have_the_current_task_of_their_parent(method, tmp_path, monkeypatch):
    root = tmp_path / "r"
    Registry(root, durability="fast").close()
    monkeypatch.setenv("LOCALREG_HOME", str(root))
    script = tmp_path / "train.py"
    script.write_text(GUARDED)
    ran = subprocess.run(
        [sys.executable, "-W", "error", script, method],
        cwd=tmp_path, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    task_id, after = ran.stdout.split()
    assert after == "None", "a task that ended is not current"
    with Registry(root, durability="fast") as registry:
        task = Task.get_task(task_id, registry=registry)
        assert task.status == "completed"
        assert set(task.get_reported_scalars()["work"]) == {f"part {each}" for each in range(4)}
        assert len(task.output_models_id) == 4


def test_asking_for_the_current_task_in_a_worker_makes_no_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "not there"))
    script = tmp_path / "train.py"
    script.write_text(
        GUARDED.partition("if __name__")[0]
        + "if __name__ == '__main__':\n"
        + "    from localreg import Registry\n"
        + "    with Registry('r', durability='fast'):\n"
        + "        Task.init(task_name='train')\n"
        + "        worker = multiprocessing.get_context('spawn').Process(target=leave)\n"
        + "        worker.start()\n"
        + "        worker.join()\n"
    )
    ran = subprocess.run(
        [sys.executable, script], cwd=tmp_path, text=True, capture_output=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "None\n"), ran.stderr
    assert not (tmp_path / "not there").exists()


def test_get_output_log_web_page_writes_the_page(registry):
    task = Task.create(task_name="train")
    task.report_single_value("accuracy", 0.97)
    url = task.get_output_log_web_page()
    assert url == (task._registry.root / "reports" / "tasks" / f"{task.id}.html").as_uri()
    assert "0.97" in Path(url.removeprefix("file://")).read_text(encoding="utf-8")
