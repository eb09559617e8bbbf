"""Keeping weights: one large file, the same again, and folders of many small ones.

Beside it, in the same run and in an order shuffled each round: hashing alone
(`hashlib.file_digest`, the floor: what is kept is hashed), copying with and without syncing, and
``cp``; and for a folder that is known, ``find``. All of localreg's is durable: synced to disk when
the call returns.

    python -m benchmarks ingest [--size MIB] [--files N] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns
from benchmarks.peers import Program, running
from localreg import Registry

LARGER = 100 * 1024  # bytes of each of many files
TRUSTED_AFTER = 2.5  # seconds: a file that just changed is not known by its status

_PEAK = """
import resource, sys
from localreg import Registry
with Registry(sys.argv[1]) as registry:
    registry.add(sys.argv[2], "peak")
    assert registry.verify(full=True).ok
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


# The same by other programs, which sync nothing.
OTHERS = {
    "mlflow": Program(
        "mlflow",
        """
import mlflow, shutil
mlflow.set_tracking_uri("sqlite:///store.db")
log = mlflow.log_artifacts if os.path.isdir(arguments[0]) else mlflow.log_artifact
def call(folder):
    with mlflow.start_run() as run:
        started = clock()
        log(arguments[0])
        taken = clock() - started
    shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))
    return taken
""",
    ),
    "wandb": Program(
        "wandb",
        """
import wandb
def call(folder):
    run = wandb.init(project="p", dir=folder)
    started = clock()
    artifact = wandb.Artifact("net", "model")
    (artifact.add_dir if os.path.isdir(arguments[0]) else artifact.add_file)(arguments[0])
    run.log_artifact(artifact)
    run.finish()
    return clock() - started
""",
    ),
}


QUICK = ("--size", "8", "--files", "20", "--rounds", "1")
SPEED = ("--rounds", "3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument(
        "--files", type=int, default=2000, help="how many of 100 KiB; ten times as many of 1 KiB"
    )
    parser.add_argument("--rounds", type=int, default=5)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        yield from _large(place, options.size, options.rounds)
        yield from _many(place, options.files, LARGER, options.rounds, 1.3)
        yield from _many(place, 10 * options.files, 1024, options.rounds, 1.2)


def _large(place: Path, size: int, rounds: int) -> Iterator[Table]:
    source, other = place / "large.bin", place / "other.bin"
    with source.open("wb") as writer:
        for _ in range(size):
            writer.write(os.urandom(2**20))
    shutil.copyfile(source, other)
    os.sync()
    time.sleep(TRUSTED_AFTER)
    known = Registry(place / "known")
    known.add(source, "m")

    def fresh() -> float:
        with tempfile.TemporaryDirectory(dir=place) as folder, Registry(folder) as registry:
            return _seconds(lambda: registry.add(source, "m"))

    def other_path() -> float:
        inode = other.stat().st_ino
        with known.db.conn as connection:  # as if it had never been seen; the first file still is
            connection.execute("DELETE FROM known_file WHERE inode = ?", (inode,))
        return _seconds(lambda: known.add(other, "m"))

    cases: dict[str, Case] = {
        "digest": lambda: _seconds(lambda: _digest(source)),
        "copy": lambda: _copied(place, lambda target: shutil.copyfile(source, target)),
        "cp": lambda: _copied(place, lambda target: subprocess.run(["cp", source, target])),
        "copy, synced": lambda: _copied(place, lambda target: _synced_copy(source, target)),
        "add": fresh,
        "same path": lambda: _seconds(lambda: known.add(source, "m")),
        "other path": other_path,
    }
    with running(OTHERS, source) as others:
        taken = take_turns(cases | others, rounds)
    blobs = sum(path.stat().st_size for path in (place / "known" / "blobs").rglob("*/*/*"))
    copies = blobs // source.stat().st_size
    known.close()
    peak = _peak(place, source)
    digest = taken["digest"]
    yield Table(
        f"{size} MiB beside hashing it alone ({rounds} rounds)",
        [
            _beside("hashlib.file_digest", digest, digest),
            _beside("shutil.copyfile", taken["copy"], digest),
            _beside("cp", taken["cp"], digest),
            _beside("shutil.copyfile and fsync", taken["copy, synced"], digest),
            replace(
                _beside("add, durable", taken["add"], digest, 1.0),
                peers={name: ratio(taken[name], digest) for name in others},
                row=f"add {size} MiB, hashed and durable",
            ),
            _beside(f"another path, same bytes ({copies} blob)", taken["other path"], digest, 1.1),
            Finding("the same path again", median(taken["same path"]), budget="1 ms",
                    met=statistics.median(taken["same path"]) <= 1e-3,
                    row="the same path again"),
            Finding("peak memory of add and verify", f"{peak:.0f} MB", budget="150 MB",
                    met=peak <= 150),
        ],
    )  # fmt: skip


def _many(place: Path, files: int, size: int, rounds: int, budget: float) -> Iterator[Table]:
    """Measure a package of many files; what is made stays until the end.

    ext4 avoids the numbers of files that were deleted in the last minutes: to make files then takes
    up to ten times as long.
    """
    source = place / f"{files} files"
    source.mkdir()
    for number in range(files):
        folder = source / f"{number % 50:02}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05}.bin").write_bytes(os.urandom(size))
    os.sync()
    time.sleep(TRUSTED_AFTER)
    known = Registry(tempfile.mkdtemp(dir=place))
    known.add(source, "m")

    def add() -> float:
        with Registry(tempfile.mkdtemp(dir=place)) as registry:
            return _after_sync(lambda: registry.add(source, "m"))

    def copy(*, synced: bool) -> float:
        target = Path(tempfile.mkdtemp(dir=place)) / "target"

        def work() -> None:
            subprocess.run(["cp", "-r", source, target], check=True)
            if synced:
                subprocess.run(["sync", "-f", target], check=True)

        return _after_sync(work)

    cases: dict[str, Case] = {
        "cp": lambda: copy(synced=False),
        "cp, synced": lambda: copy(synced=True),
        "add": add,
        "find": lambda: _seconds(lambda: _list(source)),
        "again": lambda: _seconds(lambda: known.add(source, "m")),
    }
    with running(OTHERS if size == LARGER else {}, source) as others:
        taken = take_turns(cases | others, rounds)
    known.close()
    yield Table(
        f"{files:,} files of {size // 1024} KiB as a package ({rounds} rounds)",
        [
            _beside("cp -r, not on disk", taken["cp"], taken["cp, synced"]),
            _beside("cp -r and sync", taken["cp, synced"], taken["cp, synced"]),
            replace(
                _beside("add, durable, beside cp -r and sync", taken["add"], taken["cp, synced"],
                        budget),
                peers={name: ratio(taken[name], taken["cp, synced"]) for name in others},
                row=f"add {files:,} files of {size // 1024} KiB, beside cp -r and sync",
            ),
            _beside("add, durable, beside cp -r alone", taken["add"], taken["cp"]),
            replace(
                _beside("the same again beside find -ls", taken["again"], taken["find"], 3),
                row=f"the same {files:,} files again, beside find -ls",
            ),
        ],
    )  # fmt: skip


def _after_sync(work: Callable[[], object]) -> float:
    """Return how long something takes when the disk has nothing else to write."""
    os.sync()
    return _seconds(work)


def _list(folder: Path) -> None:
    subprocess.run(["find", folder, "-ls"], check=True, stdout=subprocess.DEVNULL)


def _beside(
    what: str, taken: list[float], floor: list[float], budget: float | None = None
) -> Finding:
    found = ratio(taken, floor)
    told = "" if budget is None else f"{budget} x"
    met = None if budget is None else found <= budget
    return Finding(what, median(taken), median(floor), found, told, met)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _digest(path: Path) -> None:
    with path.open("rb") as reader:
        hashlib.file_digest(reader, "sha256")


def _copied(place: Path, copy: Callable[[Path], object]) -> float:
    target = place / "target"
    taken = _seconds(lambda: copy(target))
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    return taken


def _synced_copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    _sync(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _peak(place: Path, source: Path) -> float:
    """Return the most memory that a fresh process took to keep and verify a file, in MB."""
    command = [sys.executable, "-c", _PEAK, str(place / "peak"), str(source)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / 1e6
