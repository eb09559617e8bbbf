"""Bundles beside `tar`: to a file, from a file, and through a pipe.

A registry of 1,000 models with 5 GB of weights is exported and imported by the command line, as a
user does it, each time in new processes. Beside it GNU tar packs and unpacks the same blobs on the
same disk, and everything that it wrote is synced at the end, as localreg does; tar checks nothing.
On a busy machine the processor's time says more than that of the clock: localreg hashes all bytes.
Before each measurement all that waits for the disk is written. Each registry that came out of the
pipe is verified, byte by byte.

    python -m benchmarks bundles [--models N] [--megabytes N] [--rounds N] [--folder DIR]

--quick takes 200 MB. Room for four times the weights is needed below the folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, fresh_processes, median, ratio, take_turns

RATIO = 1.3  # times tar, each way
MEMORY = 150  # MB, of each process
COMPARED = {
    "export": "tar cf",
    "import": "tar xf",
    "export to a pipe": "tar c",
    "import from a pipe": "tar x",
}

# In a process of its own: what starts the measured processes must be small, since the kernel
# counts its memory as theirs until they begin.
_FILL = """
import os, pathlib, sys
from localreg import Registry
place, models, size = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Registry(place / "registry") as registry:
    for number in range(models):
        new = place / f"{number}.bin"
        new.write_bytes(os.urandom(size))
        registry.add(new, f"line {number % 100}", project="bench", mode="move")
"""


class Processes:
    """Runs processes one after the other or in a pipe, and keeps what they used.

    Attributes:
        memory: the most of each, in KiB, by name.
        seconds: of the processor, likewise.
    """

    def __init__(self) -> None:
        self.memory: dict[str, list[int]] = {}
        self.seconds: dict[str, list[float]] = {}

    def run(self, *commands: list[str], names: tuple[str, ...]) -> None:
        """Run commands, each reading what the one before it writes, and wait for all of them."""
        children = []
        output: int = subprocess.DEVNULL
        for number, command in enumerate(commands):
            last = number == len(commands) - 1
            child = subprocess.Popen(
                command, stdin=output, stdout=subprocess.DEVNULL if last else subprocess.PIPE
            )
            if output >= 0:
                os.close(output)
            if child.stdout is not None:
                output = os.dup(child.stdout.fileno())
                child.stdout.close()
            children.append(child)
        for name, child in zip(names, children, strict=True):
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{child.args!r} failed with exit code {child.returncode}")
            self.memory.setdefault(name, []).append(used.ru_maxrss)
            self.seconds.setdefault(name, []).append(used.ru_utime + used.ru_stime)


QUICK = ("--models", "20", "--megabytes", "20", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--megabytes", type=int, default=5_000, help="of all weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="on the disk to measure")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, fresh_processes():
        place = Path(folder)
        size = options.megabytes * 1_000_000 // options.models
        subprocess.run(
            [sys.executable, "-c", _FILL, folder, str(options.models), str(size)], check=True
        )
        yield from _measure(place, options.models, options.megabytes, options.rounds)


def _measure(place: Path, models: int, megabytes: int, rounds: int) -> Iterator[Table]:
    registry, blobs = place / "registry", place / "registry" / "blobs"
    bundle, packed = place / "bundle.tar", place / "packed.tar"
    new, unpacked = place / "new", place / "unpacked"
    processes = Processes()
    localreg = [sys.executable, "-m", "localreg", "-R"]
    packs = ["tar", "-c", "-C", str(blobs), "-f"]
    unpacks = ["tar", "-x", "-C", str(unpacked), "-f"]

    def clear() -> None:
        for each in (new, unpacked):
            shutil.rmtree(each, ignore_errors=True)

    def timed(*commands: list[str], names: tuple[str, ...], sync: tuple[str, ...] = ()) -> float:
        os.sync()
        started = time.perf_counter()
        processes.run(*commands, names=names)
        if sync:
            subprocess.run(["sync", *sync], check=True)
        return time.perf_counter() - started

    def export() -> float:
        bundle.unlink(missing_ok=True)
        command = [*localreg, str(registry), "export", "--all", "-q", "-o", str(bundle)]
        return timed(command, names=("export",))

    def import_() -> float:
        clear()
        return timed([*localreg, str(new), "import", "-q", str(bundle)], names=("import",))

    def pipe() -> float:
        clear()
        taken = timed(
            [*localreg, str(registry), "export", "--all", "-q", "-o", "-"],
            [*localreg, str(new), "import", "-q", "-"],
            names=("export to a pipe", "import from a pipe"),
        )
        processes.run([*localreg, str(new), "verify", "--full"], names=("verify --full of it",))
        return taken

    def tar_packs() -> float:
        packed.unlink(missing_ok=True)
        return timed([*packs, str(packed), "."], names=("tar cf",), sync=(str(packed),))

    def tar_unpacks() -> float:
        clear()
        unpacked.mkdir()
        return timed([*unpacks, str(packed)], names=("tar xf",), sync=("-f", str(unpacked)))

    def tar_pipe() -> float:
        clear()
        unpacked.mkdir()
        return timed(
            [*packs, "-", "."],
            [*unpacks, "-"],
            names=("tar c", "tar x"),
            sync=("-f", str(unpacked)),
        )

    pairs: list[tuple[str, Case, Case]] = [
        ("export to a file, tar cf", export, tar_packs),
        ("import from a file, tar xf", import_, tar_unpacks),
        ("export | import, tar c | tar x", pipe, tar_pipe),
    ]
    findings = []
    for name, ours, tar in pairs:
        if ours is pipe:  # room for others
            bundle.unlink()
            packed.unlink()
        taken = take_turns({"ours": ours, "tar": tar}, rounds, warm=0)
        found, bare = taken["ours"], taken["tar"]
        each = sorted(one / other for one, other in zip(found, bare, strict=True))
        findings.append(
            Finding(
                f"{name} ({each[0]:.2f} to {each[-1]:.2f})",
                median(found), median(bare), ratio(found, bare), f"{RATIO} x",
                statistics.median(each) <= RATIO,
            )
        )  # fmt: skip
    for name, beside in COMPARED.items():
        most = max(processes.memory[name]) * 1_024 / 1_000_000
        findings.append(
            Finding(f"memory: {name}", f"{most:.0f} MB", budget=f"{MEMORY} MB", met=most < MEMORY)
        )
        found, bare = processes.seconds[name], processes.seconds[beside]
        findings.append(
            Finding(f"processor: {name}, {beside}", median(found), median(bare), ratio(found, bare))
        )
    yield Table(f"{models:,} models, {megabytes:,} MB ({rounds} rounds)", findings)
