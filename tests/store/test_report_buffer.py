"""P1, P5, P11, P13 for reported scalars: they wait a second, and none is lost."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from localreg import InputModel, Registry, Task
from localreg.errors import ClosedRegistryError, ReadOnlyRegistryError, StorageFullError
from localreg.store.events import refolding


def wait_for(condition, seconds=60):
    """Wait until another process makes a condition true; fail after a minute."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


def report_and_wait(root, flush):
    import sys

    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        model = InputModel(name="m")
        for step in range(100):
            model.report_scalar("t", "s", step, step)
        if flush:
            model.flush()
        print("reported", flush=True)
        sys.stdin.read(1)


@pytest.fixture
def model(tmp_path):
    with Registry(tmp_path / "r", durability="fast"):
        yield InputModel.import_model("s3://bucket/m.pt", name="m")


def points(model):
    return model.get_reported_scalars().get("t", {}).get("s", {"x": [], "y": []})


@pytest.mark.parametrize("flush", [True, False])
def test_a_kill_loses_only_reports_of_the_last_second(flush, model, tmp_path, children):
    child = children.start(report_and_wait, tmp_path / "r", flush)
    assert child.stdout.readline() == "reported\n"
    if not flush:  # it is written without a call of flush
        wait_for(lambda: points(model)["x"])
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert points(model) == {"x": list(range(100)), "y": [float(step) for step in range(100)]}


def report_and_end(root, way):
    """Report in a process that ends without closing the registry."""
    import multiprocessing
    import os

    from localreg import InputModel, Registry, use_registry

    def report(steps):
        model = InputModel(name="m")
        for step in steps:
            model.report_scalar("t", "s", step, step)

    if way == "with":
        with Registry(root, durability="fast"):
            report(range(100))
        return
    use_registry(root, durability="fast")
    if way == "plain":
        report(range(100))
        return
    report(range(50))
    if way == "fork":
        child = os.fork()
        if child == 0:
            report(range(50, 100))
            raise SystemExit(0)
        assert os.waitpid(child, 0)[1] == 0
        return
    process = multiprocessing.get_context(way).Process(target=report, args=(range(50, 100),))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("way", ["with", "plain", "fork", "multiprocessing"])
def test_the_end_of_a_process_writes_waiting_reports(way, model, tmp_path, children):
    """The parent writes what waited at a fork; the child writes only its own reports."""
    process = children.start(
        report_and_end, tmp_path / "r", {"multiprocessing": "fork"}.get(way, way)
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    assert points(model)["x"] == list(range(100))


def report_in_crowd(number, barrier, root):
    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        model = InputModel(name="m")
        barrier.wait()
        for step in range(2_000):
            model.report_scalar("t", f"process {number}", step, step)
            model.report_scalar("t", "shared", number, step * 8 + number)
        model.report_matrix("m", f"process {number}", [[number]])
        model.report_single_value(f"value {number}", number)


def test_eight_processes_report_to_one_model(model, tmp_path, children):
    children.crowd(8, report_in_crowd, tmp_path / "r")
    found = model.get_reported_scalars()["t"]
    assert len(found["shared"]["x"]) == 16_000
    for number in range(8):
        assert found[f"process {number}"]["x"] == list(range(2_000))
    assert len(model.get_reported_single_values()) == 8
    last = model.get_last_scalar_metrics()["t"]["shared"]
    assert (last["min"], last["max"]) == (0.0, 7.0)


def test_threads_report_to_one_model(model):
    def report(number):
        for step in range(3_000):
            model.report_scalar("t", "s", number, step * 8 + number)

    threads = [threading.Thread(target=report, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert points(model)["x"] == list(range(24_000))


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as writer, suppress(OSError):
        while writer.write(bytes(4096)):
            pass


def test_a_full_disk_is_logged_and_reports_are_written_once_there_is_space(small_disk, caplog):
    disk = small_disk("-t", "tmpfs", "-o", "size=4m", "tmpfs")
    with Registry(disk / "r", durability="fast"):
        model = InputModel.import_model("s3://bucket/m.pt", name="m")
        ballast = disk / "ballast"
        fill(ballast)
        for step in range(15_000):
            model.report_scalar("t", "s", step, step)
        with pytest.raises(StorageFullError):
            model.flush()
        ballast.unlink()
        model.report_scalar("t", "s", 0.0, 15_000)
        assert points(model)["x"] == list(range(15_001))


def test_with_too_many_waiting_points_the_caller_writes_them(model, tmp_path):
    """So an endless loop of reports does not fill the memory."""
    from localreg.store.rows import report_buffer

    for step in range(report_buffer.MOST + 100):
        model.report_scalar("t", "s", step, step)
    buffer = model._reports_to()[0].first.store.buffer
    assert buffer._count < report_buffer.MOST
    with buffer._writing:  # the thread may be writing just now
        pass
    with Registry(tmp_path / "r", durability="fast") as other:
        assert points(InputModel(model.id, registry=other))["x"]
    assert len(points(model)["x"]) == report_buffer.MOST + 100


def test_reports_to_a_removed_model_are_logged_and_the_others_are_written(model, caplog):
    other = InputModel.import_model("s3://bucket/n.pt", name="n")
    model.report_scalar("t", "s", 1, 0)
    other.report_scalar("t", "s", 1, 0)
    InputModel.remove(model)
    other.flush()
    assert points(other) == {"x": [0], "y": [1.0]}
    assert f"reports to model {model.id} are lost" in caplog.text


def test_a_closed_or_read_only_registry_takes_no_reports(model, tmp_path):
    with Registry(tmp_path / "r", readonly=True) as reading:
        with pytest.raises(ReadOnlyRegistryError):
            InputModel(model.id, registry=reading).report_scalar("t", "s", 1, 0)
        assert points(InputModel(model.id, registry=reading)) == {"x": [], "y": []}
    registry = Registry(tmp_path / "r", durability="fast")
    mine = InputModel(model.id, registry=registry)
    mine.report_scalar("t", "s", 1, 0)
    registry.close()
    assert points(model)["x"] == [0]
    with pytest.raises(ClosedRegistryError):
        mine.report_scalar("t", "s", 1, 1)


def test_refolding_keeps_reports_and_their_order(model, registry):
    other = InputModel.import_model("s3://bucket/n.pt", name="n", registry=registry)
    first = InputModel.import_model("s3://bucket/a.pt", name="a", registry=registry)
    with registry:
        task = Task.create(task_name="train")
    other.report_scalar("t", "s", 1, 0)
    other.report_matrix("m", "s", [[1]])
    other.flush()
    task.report_single_value("v", 1)
    first.add_tags("x")
    before = [(each.id, each._row().updated) for each in registry.models()]
    task_before = task._row()
    with registry._chain.first.store.write() as change:
        refolding.refold(change.connection)
    assert [(each.id, each._row().updated) for each in registry.models()] == before
    assert task._row() == task_before
    assert points(other)["x"] == [0]
    assert task.get_reported_single_values() == {"v": 1.0}


def ends_with_pages(root, render):
    import os

    os.environ["LOCALREG_AUTO_RENDER"] = render
    from localreg import InputModel, Task, use_registry

    use_registry(root, durability="fast")
    InputModel(name="m").report_scalar("t", "s", 1, 0)
    task = Task.init(task_name="train")
    task.report_single_value("v", 1)
    if render == "close":
        task.close()
        os._exit(0)  # what is written by now is Task.close's
    return task.id


@pytest.mark.parametrize("render", ["1", "0", "close"])
def test_pages_of_reports_are_written_at_the_end_of_a_process(render, model, tmp_path, children):
    process = children.start(ends_with_pages, tmp_path / "r", render)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    pages = sorted(
        str(each.relative_to(tmp_path / "r" / "reports").parent)
        for each in (tmp_path / "r").rglob("reports/*/*.html")
    )
    assert pages == ([] if render == "0" else ["models", "tasks"])


def test_a_page_that_cannot_be_written_does_not_fail_the_task(tmp_path, caplog):
    with Registry(tmp_path / "r", durability="fast"):
        (tmp_path / "r" / "reports").write_text("in the way")
        task = Task.init(task_name="train")
        task.report_single_value("v", 1)
        task.close()
        assert task.status == "completed"
    assert "pages of reports could not be written" in caplog.text


def test_no_thread_of_the_buffer_stays_after_close(tmp_path):
    before = threading.active_count()
    with Registry(tmp_path / "r", durability="fast"):
        InputModel.import_model("s3://bucket/m.pt", name="m").report_scalar("t", "s", 1, 0)
        assert threading.active_count() == before + 1
    wait_for(lambda: threading.active_count() == before)
