"""What the machine does: processor, memory, network, disks, and NVIDIA's GPUs.

Linux is read from ``/proc``, without a library; other systems by psutil where it is installed. GPUs
are read by pynvml (nvidia-ml-py) where that is installed and finds a driver. The names are those of
ClearML.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Protocol
else:
    Protocol = object

_MEGA, _GIGA = 1024**2, 1024**3
_SECTOR = 512  # bytes, whatever the disk has
# Devices whose bytes are those of others, or of no disk.
_NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")


class Machine(Protocol):
    """Reads what a machine does now."""

    def levels(self) -> dict[str, float]:
        """Return what can be averaged, such as the use of the processor in percent."""

    def totals(self) -> dict[str, float]:
        """Return counters in megabytes since some start; their growth is a rate."""

    def slow(self) -> dict[str, float]:
        """Return what takes longer to read, and changes slowly."""


def is_readable() -> bool:
    """Return True if `machines` finds something; imports nothing."""
    return sys.platform.startswith("linux") or find_spec("psutil") is not None


def machines(*, of_processes: bool) -> list[Machine]:
    """Return what can be read here: this machine, and its GPUs.

    Args:
        of_processes: the memory in use is that of this process and its children, and not of all.
    """
    found: list[Machine] = []
    if sys.platform.startswith("linux"):
        found.append(Linux(of_processes=of_processes))
    elif (psutil := _module("psutil")) is not None:
        found.append(Psutil(psutil, of_processes=of_processes))
    nvml = _module("pynvml")
    if nvml is not None:
        gpus = Gpus.found_by(nvml, os.environ)
        found.extend([] if gpus is None else [gpus])
    return found


def _module(name: str) -> Any:  # noqa: ANN401
    try:
        return import_module(name)
    except ImportError:
        return None


def tree_memory(pid: int, sizes: Mapping[int, tuple[int, int]]) -> int:
    """Return the memory of a process and its children, in the unit of the sizes.

    A child shares what it had when it was forked, so only what it has more than its parent counts.

    Args:
        sizes: parent and memory of each process.
    """
    children: dict[int, list[int]] = {}
    for each, (parent, _) in sizes.items():
        children.setdefault(parent, []).append(each)
    found, todo = sizes[pid][1], [pid]
    while todo:
        parent = todo.pop()
        for each in children.get(parent, ()):
            found += max(0, sizes[each][1] - sizes[parent][1])
            todo.append(each)
    return found


class Linux:
    """Reads ``/proc``.

    Args:
        of_processes: see `machines`.
        root: where it is.
        pid: of the process whose memory counts.
    """

    def __init__(
        self, *, of_processes: bool, root: Path = Path("/proc"), pid: int | None = None
    ) -> None:
        self._root = root
        self._of_processes = of_processes
        self._pid = os.getpid() if pid is None else pid
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._busy: tuple[int, int] | None = None

    def levels(self) -> dict[str, float]:
        """See `Machine`."""
        before, self._busy = self._busy, self._times()
        if before is None or self._busy[1] <= before[1]:
            return {}
        busy, total = (now - then for now, then in zip(self._busy, before, strict=True))
        return {"cpu_usage": 100 * busy / total}

    def _times(self) -> tuple[int, int]:
        """Return the time in which processors worked, and all time."""
        first = (self._root / "stat").read_text().split("\n", 1)[0]
        numbers = [int(each) for each in first.split()[1:9]]  # "guest" is a part of "user"
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)  # idle, and waiting for disks

    def totals(self) -> dict[str, float]:
        """See `Machine`."""
        return dict((*self._network(), *self._transfers()))

    def _network(self) -> Iterator[tuple[str, float]]:
        lines = [each.partition(":") for each in self._lines("net/dev")[2:]]
        numbers = [rest.split() for name, _, rest in lines if name.strip() != "lo"]
        if lines:
            yield "network_tx_mbs", sum(int(each[8]) for each in numbers) / _MEGA
            yield "network_rx_mbs", sum(int(each[0]) for each in numbers) / _MEGA

    def _transfers(self) -> Iterator[tuple[str, float]]:
        disks = dict(self._disks())
        if disks:
            read = sum(int(numbers[5]) for numbers in disks.values())
            written = sum(int(numbers[9]) for numbers in disks.values())
            yield "io_read_mbs", read * _SECTOR / _MEGA
            yield "io_write_mbs", written * _SECTOR / _MEGA

    def _lines(self, name: str) -> list[str]:
        """Return the lines of a file; none where there is no such file, as in some sandboxes."""
        try:
            return (self._root / name).read_text().splitlines()
        except FileNotFoundError:
            return []

    def _disks(self) -> Iterator[tuple[str, list[str]]]:
        """Yield name and numbers of each disk, which come before those of its partitions."""
        disk = None
        for line in self._lines("diskstats"):
            numbers = line.split()
            name = numbers[2]
            if name.startswith(_NO_DISKS) or (disk and _is_partition(name, disk)):
                continue
            disk = name
            yield name, numbers

    def slow(self) -> dict[str, float]:
        """See `Machine`."""
        memory = dict(self._memory())
        used = memory["MemTotal"] - memory["MemAvailable"]
        if self._of_processes:
            used = tree_memory(self._pid, dict(self._processes())) * self._page
        return {
            "memory_used_gb": used / _GIGA,
            "memory_free_gb": memory["MemAvailable"] / _GIGA,
            **_disk_free(),
        }

    def _memory(self) -> Iterator[tuple[str, int]]:
        for line in (self._root / "meminfo").read_text().splitlines():
            name, _, number = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                yield name, int(number.split()[0]) * 1024

    def _processes(self) -> Iterator[tuple[int, tuple[int, int]]]:
        for each in self._root.iterdir():
            if each.name.isdecimal():
                try:
                    facts = (each / "stat").read_text().rpartition(")")[2].split()
                except OSError:  # it ended
                    continue
                yield int(each.name), (int(facts[1]), int(facts[21]))


def _is_partition(name: str, disk: str) -> bool:
    return name.startswith(disk) and name.removeprefix(disk).removeprefix("p").isdecimal()


class Psutil:
    """Reads by psutil.

    Args:
        psutil: the module.
        of_processes: see `machines`.
    """

    def __init__(self, psutil: Any, *, of_processes: bool) -> None:  # noqa: ANN401
        self._psutil = psutil
        self._of_processes = of_processes
        self._is_first = True

    def levels(self) -> dict[str, float]:
        """See `Machine`."""
        usage, first = float(self._psutil.cpu_percent()), self._is_first
        self._is_first = False
        return {} if first else {"cpu_usage": usage}  # it has nothing to compare with

    def totals(self) -> dict[str, float]:
        """See `Machine`."""
        net, disk = self._psutil.net_io_counters(), self._psutil.disk_io_counters()
        found = {}
        if net is not None:
            found["network_tx_mbs"] = net.bytes_sent / _MEGA
            found["network_rx_mbs"] = net.bytes_recv / _MEGA
        if disk is not None:
            found["io_read_mbs"] = disk.read_bytes / _MEGA
            found["io_write_mbs"] = disk.write_bytes / _MEGA
        return found

    def slow(self) -> dict[str, float]:
        """See `Machine`."""
        memory = self._psutil.virtual_memory()
        used = tree_memory(os.getpid(), self._processes()) if self._of_processes else memory.used
        return {
            "memory_used_gb": used / _GIGA,
            "memory_free_gb": memory.available / _GIGA,
            **_disk_free(),
        }

    def _processes(self) -> dict[int, tuple[int, int]]:
        this = self._psutil.Process()
        found = {}
        for each in [this, *this.children(recursive=True)]:
            try:
                found[each.pid] = (each.ppid(), each.memory_info().rss)
            except self._psutil.Error:  # it ended
                continue
        return found


def _disk_free() -> dict[str, float]:
    total, used, free = shutil.disk_usage(Path.home())
    return {"disk_free_percent": 100 * free / (used + free)} if total else {}


class Gpus:
    """Reads NVIDIA's GPUs.

    Args:
        nvml: the module pynvml, which was started.
        wanted: numbers or UUIDs of those that this process may use; None for all.
    """

    def __init__(self, nvml: Any, wanted: frozenset[str] | None) -> None:  # noqa: ANN401
        self._nvml = nvml
        found = [
            (number, nvml.nvmlDeviceGetHandleByIndex(number))
            for number in range(nvml.nvmlDeviceGetCount())
        ]
        mine = [each for each in found if wanted is None or self._names(*each) & wanted]
        self._gpus = mine or found

    @classmethod
    def found_by(cls, nvml: Any, environment: Mapping[str, str]) -> Gpus | None:  # noqa: ANN401
        """Return the GPUs that this process may use, None if no driver is found."""
        named = environment.get("NVIDIA_VISIBLE_DEVICES") or ""
        if named in ("", "all"):
            named = environment.get("CUDA_VISIBLE_DEVICES") or "all"
        wanted = frozenset(each.strip() for each in named.split(","))
        try:
            nvml.nvmlInit()
            gpus = cls(nvml, None if named == "all" else wanted)
        except nvml.NVMLError:
            return None
        return gpus if gpus._gpus else None

    def _names(self, number: int, gpu: Any) -> set[str]:  # noqa: ANN401
        uuid = self._nvml.nvmlDeviceGetUUID(gpu)
        return {str(number), uuid.decode() if isinstance(uuid, bytes) else str(uuid)}

    def levels(self) -> dict[str, float]:
        """See `Machine`."""
        found: dict[str, float] = {}
        for number, gpu in self._gpus:
            for name, value in self._values(gpu):
                found[f"gpu_{number}_{name}"] = value
        return found

    def _values(self, gpu: Any) -> Iterator[tuple[str, float]]:  # noqa: ANN401
        nvml = self._nvml
        reads: tuple[tuple[str, Callable[[], float]], ...] = (
            ("temperature", lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
            ("utilization", lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
            ("power_draw", lambda: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
        )
        for name, read in reads:
            try:
                yield name, float(read())
            except nvml.NVMLError:  # this GPU does not say
                continue
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(gpu)
        except nvml.NVMLError:
            return
        yield "mem_used_gb", memory.used / _GIGA
        yield "mem_free_gb", (memory.total - memory.used) / _GIGA
        yield "mem_usage", 100 * memory.used / memory.total if memory.total else 0.0

    def totals(self) -> dict[str, float]:
        """See `Machine`."""
        return {}

    def slow(self) -> dict[str, float]:
        """See `Machine`."""
        return {}
