"""Which registry and task count in a thread, a coroutine, a pool and a worker process."""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from localreg import InputModel, Logger, OutputModel, Registry, Task, current_registry
from localreg.api import ambient
from localreg.errors import InvalidValueError, NoTaskError


def opened(path):
    return Registry(path, durability="fast")


def in_thread(function, *arguments):
    """Return what a function returns in a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function, *arguments).result()


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Work in a folder with a ``.localreg``, while no registry is named; return the folder."""
    monkeypatch.delenv("LOCALREG_HOME")
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("LOCALREG_TASK_RUNNING", raising=False)
    here = tmp_path / "work"
    opened(here / ".localreg").close()
    monkeypatch.chdir(here)
    return here


# blocks ------------------------------------------------------------------------------------


def test_a_block_in_a_thread_is_not_current_in_the_main_thread_or_another(registry, tmp_path):
    entered, go_on = threading.Event(), threading.Event()

    def work():
        with opened(tmp_path / "thread") as mine:
            entered.set()
            go_on.wait(60)
            return current_registry().path == mine.path

    with ThreadPoolExecutor(2) as threads:
        threads.submit(int).result()  # the second thread may start now or later
        working = threads.submit(work)
        assert entered.wait(60)
        assert current_registry().path == registry.path
        assert threads.submit(lambda: current_registry().path).result() == registry.path
        go_on.set()
        assert working.result()


def test_a_pool_sees_the_block_of_the_thread_that_started_it(registry, tmp_path):
    def work():
        with opened(tmp_path / "thread"), ThreadPoolExecutor(2) as inner:
            return inner.submit(lambda: current_registry().path).result()

    assert in_thread(work) == tmp_path / "thread"


def test_a_pool_sees_the_block_of_the_coroutine_that_started_it(registry, tmp_path):
    async def work(path, wait):
        with opened(path), ThreadPoolExecutor(2) as inner:
            await wait()
            return inner.submit(lambda: current_registry().path).result() == path

    async def main():
        wait = asyncio.Barrier(2).wait
        return await asyncio.gather(work(tmp_path / "a", wait), work(tmp_path / "b", wait))

    assert asyncio.run(main()) == [True, True]


def test_a_block_in_a_coroutine_is_not_current_in_another(registry, tmp_path):
    async def work(path, inside, others_inside):
        with opened(path) as mine:
            inside.set()
            await others_inside.wait()
            assert current_registry().path == mine.path
            assert await asyncio.to_thread(lambda: current_registry().path) == mine.path

    async def idle(inside, also_inside):
        await inside.wait()
        await also_inside.wait()
        return current_registry().path

    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        found = await asyncio.gather(
            work(tmp_path / "a", first, second),
            work(tmp_path / "b", second, first),
            idle(first, second),
        )
        return found[-1]

    assert asyncio.run(main()) == registry.path


def test_a_coroutine_sees_the_block_that_it_was_started_in(tmp_path):
    async def look():
        return current_registry().path

    async def main():
        with opened(tmp_path / "a"):
            return await asyncio.create_task(look())

    assert asyncio.run(main()) == tmp_path / "a"
    with opened(tmp_path / "b"):
        assert asyncio.run(look()) == tmp_path / "b"


def test_a_block_may_end_in_another_context_than_it_began(tmp_path, monkeypatch):
    """Fixtures that are generators run so under pytest-asyncio."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    home = opened(tmp_path / "home").path
    inner = opened(tmp_path / "inner")
    contextvars.copy_context().run(inner.__enter__)
    assert current_registry().path == inner.path
    contextvars.copy_context().run(inner.__exit__, None, None, None)
    assert current_registry().path == home

    async def begin():
        return opened(tmp_path / "async").__enter__()

    async def look():
        return current_registry().path

    async def end(block):
        block.__exit__(None, None, None)

    with asyncio.Runner() as runner:
        runner.get_loop()
        block = runner.run(begin(), context=contextvars.Context())
        assert runner.run(look(), context=contextvars.Context()) == block.path
        runner.run(end(block), context=contextvars.Context())
    assert current_registry().path == home
    assert in_thread(look_and_close, opened(tmp_path / "thread")) == home


def look_and_close(block):
    with block:
        block.close()
        return current_registry().path


# tasks -------------------------------------------------------------------------------------


def test_init_in_another_thread_begins_a_task_of_its_own(registry):
    outer = Task.init(project_name="p", task_name="t")

    def work():
        assert Task.current_task() == outer
        mine = Task.init(project_name="p", task_name="t")
        assert mine != outer
        assert Task.current_task() == mine == Task.init(project_name="p", task_name="t")
        Logger.current_logger().report_scalar("a", "b", 1.0, 0)
        assert OutputModel(name="out").task == mine.id
        assert InputModel.import_model("s3://b/a.pt").name == "Imported by t"
        mine.close()
        assert Task.current_task() == outer
        return mine

    mine = in_thread(work)
    assert Task.current_task() == outer
    assert (outer.get_reported_scalars(), mine.status) == ({}, "completed")
    assert mine.get_reported_scalars()["a"]["b"]["y"] == [1.0]


def test_init_in_another_coroutine_begins_a_task_of_its_own(registry):
    async def work(number, all_began):
        task = Task.init(task_name="trial")
        all_began.append(number)
        while len(all_began) < 3:
            await asyncio.sleep(0)
        Logger.current_logger().report_scalar("a", "b", number, 0)
        assert Task.current_task() == task == Task.init(task_name="trial")
        task.close()
        return task

    async def main():
        began = []
        return await asyncio.gather(*(work(number, began) for number in range(3)))

    tasks = asyncio.run(main())
    values = [task.get_reported_scalars()["a"]["b"]["y"] for task in tasks]
    assert values == [[0.0], [1.0], [2.0]]
    assert Task.current_task() is None


def test_a_task_of_a_thread_is_not_current_in_the_main_thread(registry):
    task = in_thread(lambda: Task.init(task_name="t"))
    assert Task.current_task() is None
    with pytest.raises(NoTaskError):
        OutputModel(name="out")
    task.close()


def test_tasks_of_threads_end_when_the_process_ends(tmp_path, children):
    def begin(home):
        import threading

        from localreg import Task, use_registry

        use_registry(home, durability="fast")
        found = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: found.append(Task.init(task_name="t").id))
            thread.start()
            thread.join()
        return found

    begun = children.run(begin, tmp_path / "home")
    with opened(tmp_path / "home"):
        assert [Task.get_task(each).status for each in begun] == ["completed", "completed"]


def test_a_task_whose_thread_raises_has_failed(tmp_path, children):
    def raise_in_a_thread(home):
        import threading

        from localreg import Task, use_registry

        use_registry(home, durability="fast")
        threading.excepthook = lambda _: None  # print nothing
        outer = Task.init(task_name="outer")
        found = []

        def work():
            found.append(Task.init(task_name="t").id)
            raise ValueError("no batch is left")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return [found[0], outer.id]

    mine, outer = children.run(raise_in_a_thread, tmp_path / "home")
    with opened(tmp_path / "home"):
        assert Task.get_task(mine).status == "failed"
        assert "no batch is left" in Task.get_task(mine).get_status_message()
        assert Task.get_task(outer).status == "completed"


@pytest.fixture
def nothing_parsed(registry):
    """Forget what argparse parses; the registry is current."""
    with ambient.isolated(), registry:
        yield


@pytest.mark.usefixtures("nothing_parsed")
def test_arguments_that_a_thread_parses_are_recorded_in_its_own_task(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.1"])
    outer = Task.init(task_name="outer")

    def work():
        mine = Task.init(task_name="inner")
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float)
        parser.parse_args()
        mine.close()
        return mine

    assert in_thread(work).get_parameters() == {"Args/lr": "0.1"}
    assert outer.get_parameters() == {}


def test_closing_a_registry_ends_the_tasks_of_all_threads_in_it(tmp_path):
    with opened(tmp_path / "a"):
        task = in_thread(lambda: Task.init(task_name="t"))
    with opened(tmp_path / "a"):
        assert Task.get_task(task.id).status == "completed"


# the working directory ---------------------------------------------------------------------


def test_the_registry_of_a_running_task_stays_current_after_chdir(nowhere, tmp_path, monkeypatch):
    """Hydra, and scripts with scratch folders, change the directory after Task.init."""
    task = Task.init(task_name="t")
    elsewhere = tmp_path / "elsewhere"
    opened(elsewhere / ".localreg").close()
    monkeypatch.chdir(elsewhere)
    assert Task.current_task() == task
    model = OutputModel(name="out")
    assert model.task == task.id
    assert in_thread(Task.current_task) == task
    with opened(tmp_path / "other") as other:
        assert current_registry().path == other.path
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "named"))
    assert InputModel.import_model("s3://b/a.pt")
    assert Task.current_task() is None
    monkeypatch.delenv("LOCALREG_HOME")
    task.close()
    assert current_registry().path == elsewhere / ".localreg"


def test_a_worker_process_finds_the_task_of_its_parent_after_chdir(nowhere, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os, sys\n"
        "from localreg import Task\n"
        "def look(_):\n"
        "    task = Task.current_task()\n"
        "    return task and task.id\n"
        "if __name__ == '__main__':\n"
        "    task = Task.init(task_name='t')\n"
        "    os.chdir(sys.argv[1])\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(look, [0]) == [task.id])\n"
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path], check=True, capture_output=True, text=True, cwd=nowhere
    )
    assert done.stdout == "True\n", done.stderr


def test_a_relative_home_names_the_same_directory_after_chdir_and_in_children(
    nowhere, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOCALREG_HOME", "mine")
    monkeypatch.setenv("LOCALREG_UPSTREAM", os.pathsep.join(["up", str(tmp_path / "abs")]))
    for each in (nowhere / "up", tmp_path / "abs"):
        opened(each).close()
    model = InputModel.import_model("s3://b/a.pt", name="a")
    monkeypatch.chdir(tmp_path)
    assert current_registry().path == nowhere / "mine"
    assert InputModel.query_models() == [model]
    script = "from localreg import Registry as R; r = R(); print(r.path, *r.upstream)"
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == [
        str(nowhere / "mine"), str(nowhere / "up"), str(tmp_path / "abs")
    ]  # fmt: skip


@pytest.mark.parametrize("variable", ["LOCALREG_HOME", "LOCALREG_UPSTREAM"])
def test_a_relative_directory_in_a_deleted_working_directory_is_an_error_that_says_so(
    variable, nowhere, tmp_path, monkeypatch
):
    monkeypatch.setenv(variable, "mine")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InvalidValueError, match=rf"{variable}.*working directory was deleted"):
        InputModel.query_models()
