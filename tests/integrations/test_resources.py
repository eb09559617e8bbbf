"""What a task uses of the machine becomes scalars, with ClearML's titles and names."""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from localreg import Registry, Task, use_registry
from localreg.api import ambient
from localreg.errors import InvalidValueError
from localreg.integrations.machine import Gpus, Linux, Psutil, machines, tree_memory
from localreg.integrations.resources import Frequencies, Monitor
from localreg.values.metrics import GPU, MACHINE

GIGA = 1024**3


class Reader:
    """Reads what it is given."""

    def __init__(self, levels=(), totals=(), slow=()):
        self.now = {"levels": dict(levels), "totals": dict(totals), "slow": dict(slow)}

    def levels(self):
        return dict(self.now["levels"])

    def totals(self):
        return dict(self.now["totals"])

    def slow(self):
        return dict(self.now["slow"])


class Reports:
    """A recorder that keeps scalars."""

    def __init__(self):
        self.seen = []
        self.iteration = 0

    def last_iteration(self):
        return self.iteration

    def scalar(self, title, series, value, iteration):
        self.seen.append((title, series, value, iteration))


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def run(reports):
    """Return a function that lets a monitor step at the seconds that are given."""
    clock = [0.0]

    def run(reader, seconds, **times):
        if not hasattr(run, "monitor"):
            find = lambda: [reader]  # noqa: E731
            run.monitor = Monitor(reports, Frequencies(**times), find, lambda: clock[0])
        for clock[0] in seconds:
            run.monitor.step()
        return reports.seen

    return run


def test_averages_and_rates_are_reported_at_the_iteration_of_the_script(reports, run):
    reader = Reader({"cpu_usage": 50, "gpu_0_utilization": 7}, {"io_read_mbs": 100}, {"free": 5})
    assert run(reader, [0.5, 10]) == []
    reader.now["levels"]["cpu_usage"] = 80.0006
    reader.now["totals"]["io_read_mbs"] = 159
    reports.iteration = 12
    assert run(reader, [30]) == [
        (MACHINE, "cpu_usage", 60, 12),
        (GPU, "gpu_0_utilization", 7, 12),
        (MACHINE, "io_read_mbs", 2, 12),
        (MACHINE, "free", 5, 12),
    ]
    reports.seen.clear()
    reader.now["totals"]["io_read_mbs"] = 0  # the counter began again
    assert run(reader, [40, 59.9]) == []
    reports.iteration = 20
    assert run(reader, [60])[0] == (MACHINE, "cpu_usage", 80.001, 20)
    assert (MACHINE, "io_read_mbs", 0, 20) in reports.seen


def test_a_short_task_without_iterations_reports_nothing(run):
    assert run(Reader({"cpu_usage": 1}), range(180)) == []


def test_without_iterations_the_axis_has_seconds(reports, run):
    reader = Reader({"cpu_usage": 1})
    run(reader, range(0, 245, 5))
    assert [iteration for *_, iteration in reports.seen] == [180, 210, 240]
    reports.iteration = 3  # the script has begun to report
    run(reader, [270, 300])
    assert [iteration for *_, iteration in reports.seen[3:]] == [3, 3]


def test_iterations_that_come_late_do_not_change_the_axis(reports, run):
    reader = Reader({"cpu_usage": 1})
    run(reader, [190, 1790])
    reports.iteration = 3
    run(reader, [1830, 1860])
    assert [iteration for *_, iteration in reports.seen] == [190, 1790, 1830, 1860]


def test_the_times_can_be_chosen(reports, run):
    times = {"first_report_sec": 2, "report_frequency_sec": 5}
    run(Reader({"cpu_usage": 1}), range(10), **times, wait_for_first_iteration_to_start_sec=1)
    assert [iteration for *_, iteration in reports.seen] == [2, 7]


def test_what_cannot_be_read_ends_the_thread_with_one_warning(reports, caplog):
    class Broken(Reader):
        def levels(self):
            raise OSError("no /proc here")

    monitor = Monitor(reports, Frequencies(sample_frequency_per_sec=1000), lambda: [Broken()])
    monitor.start()
    monitor._thread.join(30)
    monitor.stop()
    assert [each.message for each in caplog.records] == [
        "what the task uses of the machine is not reported any more: OSError: no /proc here"
    ]


PROC = {
    "stat": "cpu  100 0 50 800 40 5 5 0 30 0\ncpu0 1 1 1\n",
    "meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB\n",
    "net/dev": "Inter-|  Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n"
    "  eth0: 3145728 1 0 0 0 0 0 0 1048576 1 0\n wlan0: 1048576 0 0 0 0 0 0 0 0 0\n",
    "diskstats": "8 0 sda 1 0 2048 0 1 0 4096 0 0\n8 1 sda1 1 0 2048 0 1 0 4096 0 0\n"
    "7 0 loop0 1 0 999 0 1 0 999 0 0\n259 0 nvme0n1 1 0 2048 0 1 0 0 0 0\n"
    "259 1 nvme0n1p1 1 0 2048 0 1 0 0 0 0\n65 0 sdaa 1 0 2048 0 1 0 0 0 0\n",
    "7/stat": "7 (a) b) R 1 " + "0 " * 18 + "0 1000 0",
    "8/stat": "8 (child) R 7 " + "0 " * 18 + "0 1500 0",
    "9/stat": "9 (other) R 1 " + "0 " * 18 + "0 9999 0",
}


@pytest.fixture
def proc(tmp_path):
    for name, text in PROC.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "10").mkdir()  # a process that has ended meanwhile
    return tmp_path


def test_linux_is_read_without_a_library(proc):
    machine = Linux(of_processes=True, root=proc, pid=7)
    assert machine.levels() == {}
    (proc / "stat").write_text("cpu  160 0 50 820 50 5 5 10 30 0\n")
    assert machine.levels() == {"cpu_usage": 70.0}
    assert machine.totals() == {
        "network_tx_mbs": 1, "network_rx_mbs": 4, "io_read_mbs": 3, "io_write_mbs": 2,
    }  # fmt: skip
    found = machine.slow()
    page = os.sysconf("SC_PAGE_SIZE")
    assert found["memory_used_gb"] == pytest.approx(1500 * page / GIGA)
    assert found["memory_free_gb"] == 2
    assert 0 <= found["disk_free_percent"] <= 100
    assert Linux(of_processes=False, root=proc, pid=7).slow()["memory_used_gb"] == 6


def test_what_a_sandbox_does_not_show_is_not_reported(proc):
    (proc / "diskstats").unlink()
    machine = Linux(of_processes=False, root=proc, pid=7)
    assert machine.totals() == {"network_tx_mbs": 1, "network_rx_mbs": 4}
    (proc / "net" / "dev").unlink()
    assert machine.totals() == {}
    assert machine.slow()["memory_used_gb"] == 6


def test_a_child_counts_with_what_it_has_more_than_its_parent():
    sizes = {1: (0, 100), 2: (1, 130), 3: (1, 90), 4: (2, 150), 5: (9, 1000)}
    assert tree_memory(1, sizes) == 100 + 30 + 0 + 20


def test_psutil_reads_the_same():
    readers = [Psutil(psutil, of_processes=True), *machines(of_processes=True)[:1]]
    for reader in readers:
        reader.levels()
    first, second = ({**each.levels(), **each.totals(), **each.slow()} for each in readers)
    wanted = {"network_rx_mbs", "network_tx_mbs", "memory_used_gb", "memory_free_gb"}
    assert wanted <= set(first) & set(second)
    assert first["memory_used_gb"] == pytest.approx(second["memory_used_gb"], rel=0.2)
    assert first["disk_free_percent"] == pytest.approx(second["disk_free_percent"], abs=5)


class Nvml:
    """Two GPUs; the second does not say its power."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return number

    def nvmlDeviceGetUUID(self, gpu):  # noqa: N802
        return f"GPU-{gpu}".encode()

    def nvmlDeviceGetTemperature(self, gpu, kind):  # noqa: N802
        return 60 + gpu

    def nvmlDeviceGetUtilizationRates(self, gpu):  # noqa: N802
        self.gpu = 90
        return self

    def nvmlDeviceGetPowerUsage(self, gpu):  # noqa: N802
        if gpu == 1:
            raise self.NVMLError
        return 250_000

    def nvmlDeviceGetMemoryInfo(self, gpu):  # noqa: N802
        self.used, self.total = 2 * GIGA, 8 * GIGA
        return self


def test_gpus():
    gpus = Gpus.found_by(Nvml(), {})
    assert gpus.levels() == {
        "gpu_0_temperature": 60, "gpu_0_utilization": 90, "gpu_0_power_draw": 250,
        "gpu_0_mem_used_gb": 2, "gpu_0_mem_free_gb": 6, "gpu_0_mem_usage": 25,
        "gpu_1_temperature": 61, "gpu_1_utilization": 90,
        "gpu_1_mem_used_gb": 2, "gpu_1_mem_free_gb": 6, "gpu_1_mem_usage": 25,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "numbers"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, {"1"}),
        ({"NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": "GPU-0"}, {"0"}),
        ({"NVIDIA_VISIBLE_DEVICES": "0, 1"}, {"0", "1"}),
        ({"CUDA_VISIBLE_DEVICES": "7"}, {"0", "1"}),  # of another numbering
    ],
)
def test_only_the_gpus_of_the_task_are_read(environment, numbers):
    levels = Gpus.found_by(Nvml(), environment).levels()
    assert {name.split("_")[1] for name in levels} == numbers


def test_without_a_driver_there_are_no_gpus():
    class Absent(Nvml):
        def nvmlInit(self):  # noqa: N802
            raise self.NVMLError

    assert Gpus.found_by(Absent(), {}) is None


def watching():
    return [each for each in threading.enumerate() if each.name == "localreg-resources"]


def test_a_task_reports_what_it_uses(registry):
    at_once = {
        "sample_frequency_per_sec": 100,
        "seconds_from_start": 0,
        "report_frequency_sec": 0,
        "wait_for_first_iteration_to_start_sec": 0,
    }
    task = Task.init(task_name="t", auto_resource_monitoring=at_once)
    assert len(watching()) == 1
    deadline = time.monotonic() + 60
    wanted = {"cpu_usage", "memory_used_gb", "io_write_mbs", "disk_free_percent"}
    found = {}
    while not wanted <= set(found) and time.monotonic() < deadline:
        task.flush()
        found = task.get_reported_scalars().get(MACHINE, {})
    assert wanted <= set(found)
    assert found["memory_used_gb"]["y"][-1] > 0
    task.get_logger().report_scalar(MACHINE, "cpu_usage", 1, 500)
    assert task.get_last_iteration() == 0  # seconds are no iterations
    task.close()
    assert watching() == []


@pytest.mark.parametrize("given", [False, {}])
def test_nothing_is_read_if_it_is_not_wanted(registry, given):
    task = Task.init(task_name="t", auto_resource_monitoring=given)
    assert watching() == []
    task.close()


def test_a_task_that_is_started_again_has_one_thread(registry):
    Task.init(task_name="t")
    task = Task.init(task_name="t")
    assert len(watching()) == 1
    task.close()
    assert watching() == []


def left_in_a_closed_registry(folder):
    with Registry(folder):
        Task.init(task_name="t")


def left_in_a_block(folder):
    with ambient.isolated():
        registry = use_registry(folder)
        Task.init(task_name="t")
    registry.close()


def deleted(folder):
    with Registry(folder):
        task = Task.init(task_name="t")
        Task.get_task(task.id).delete()
        assert watching() == []


@pytest.mark.parametrize("leave", [left_in_a_closed_registry, left_in_a_block, deleted])
def test_a_task_that_is_not_closed_leaves_no_thread(leave, tmp_path, monkeypatch):
    """Tests of users often do not close their tasks; each would go on reading until the end."""
    monkeypatch.delenv("LOCALREG_AUTO_RENDER", raising=False)
    leave(tmp_path / "registry")
    assert {each.name for each in threading.enumerate()} & {
        "localreg-resources",
        "localreg-pages",
    } == set()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (5, "auto_resource_monitoring must be a bool or a dict, not 5"),
        ({"often": 1}, "has no option 'often'; it has sample_frequency_per_sec, "),
        ({"report_frequency_sec": "x"}, "report_frequency_sec must be a number"),
        ({"first_report_sec": -1}, "first_report_sec must be seconds, not -1"),
        ({"sample_frequency_per_sec": 0}, "sample_frequency_per_sec must be more than 0, not 0"),
    ],
)
def test_other_options_are_refused(registry, given, named):
    with pytest.raises(InvalidValueError, match=named):
        Task.init(task_name="t", auto_resource_monitoring=given)


def test_the_times_of_later_tasks_can_be_set(registry):
    assert Task.set_resource_monitor_iteration_timeout(0, 0, 1)
    times = {"report_frequency_sec": 0, "sample_frequency_per_sec": 100}
    task = Task.init(task_name="t", auto_resource_monitoring=times)
    deadline = time.monotonic() + 60
    while not task.get_reported_scalars() and time.monotonic() < deadline:
        task.flush()
    assert MACHINE in task.get_reported_scalars()
    task.close()
    Task.set_resource_monitor_iteration_timeout()
