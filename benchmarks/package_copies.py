"""Local copies of packages: the look at a folder each time, and making it.

Beside the look, `os.scandir` and an `lstat` of each file, which is the floor. Beside making a
folder, only linking the same files. Folders are made in the file system's own time: nothing waits
for the disk, as a folder that a power failure loses is made again.

    python -m benchmarks package_copies [--files N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns, timed
from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.operations.weights.package_copies import existing_folder
from localreg.store.rows import tree_rows

BUDGETS = {10: 3.0, 1_000: 2.0}  # times the floor
WARM = 60e-6  # seconds for `get_local_copy` of 10 files
IN_FOLDER = 50  # files in each folder of a large package


QUICK = ("--files", "200", "--rounds", "2")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--files", type=int, default=20_000, help="of the package that is made")
    parser.add_argument("--rounds", type=int, default=9)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder, Registry(f"{folder}/registry") as registry:
        place = Path(folder)
        for files in BUDGETS:
            yield from _look(place, registry, files, options.rounds)
        yield from _make(place, registry, options.files, min(options.rounds, 5))


def _package(place: Path, files: int) -> Path:
    folder = place / f"{files} files"
    for number in range(files):
        above = folder / (f"part {number // IN_FOLDER}" if files > IN_FOLDER else "")
        above.mkdir(parents=True, exist_ok=True)
        (above / f"{number}.bin").write_bytes(b"%d of %d" % (number, files))
    return folder


def _look(place: Path, registry: Registry, files: int, rounds: int) -> Iterator[Table]:
    model = registry.add(_package(place, files), f"look {files}")
    folder = str(model.get_local_copy(raise_on_error=True))
    single = registry.add(next(Path(folder).rglob("0.bin")), "single")
    first, digest = registry._chain.first, model.digest
    assert digest is not None

    def floor() -> None:
        left = [folder]
        while left:
            with os.scandir(left.pop()) as found:
                for each in found:
                    if each.is_dir(follow_symlinks=False):
                        left.append(each.path)
                    else:
                        each.stat(follow_symlinks=False)

    def look() -> None:
        with first.store.one_statement() as connection:
            entries = tree_rows.entries(connection, digest)
        assert existing_folder(first, digest, entries) is not None

    calls = max(10_000 // files, 20)
    cases: dict[str, Case] = {
        "scandir and lstat": timed(floor, calls),
        "rows, scandir and lstat": timed(look, calls),
        "get_local_copy": timed(model.get_local_copy, calls),
        "get_local_copy of a single file": timed(single.get_local_copy, calls),
    }
    taken = take_turns(cases, rounds)
    bare = taken["scandir and lstat"]
    findings = []
    for name, times in taken.items():
        budget, met = "", None
        if name == "rows, scandir and lstat":
            budget, met = f"{BUDGETS[files]:.0f} x", ratio(times, bare) <= BUDGETS[files]
        elif name == "get_local_copy" and files == min(BUDGETS):
            budget, met = "60 µs", statistics.median(times) <= WARM
        findings.append(Finding(name, median(times), median(bare), ratio(times, bare), budget, met))
    yield Table(f"a look at a folder of {files:,} files ({rounds} rounds of {calls:,})", findings)


def _make(place: Path, registry: Registry, files: int, rounds: int) -> Iterator[Table]:
    model = registry.add(_package(place, files), "made")
    folder = Path(str(model.get_local_copy(raise_on_error=True)))
    names = [str(each.relative_to(folder)) for each in sorted(folder.rglob("*")) if each.is_file()]
    other = place / "linked"

    def ours() -> float:
        remove_tree(folder)
        started = time.perf_counter()
        model.get_local_copy(raise_on_error=True)
        return time.perf_counter() - started

    def linked() -> float:
        remove_tree(other)
        other.mkdir()
        for above in {os.path.dirname(name) for name in names}:  # noqa: PTH120  (the floor)
            (other / above).mkdir(exist_ok=True)
        started = time.perf_counter()
        for name in names:
            os.link(f"{folder}/{name}", f"{other}/{name}")
        return time.perf_counter() - started

    ours()
    taken = take_turns({"links": linked, "get_local_copy": ours}, rounds)
    bare, made = taken["links"], taken["get_local_copy"]
    yield Table(
        f"making a folder of {files:,} files ({rounds} rounds)",
        [
            Finding(
                "get_local_copy", median(made), median(bare), ratio(made, bare), "1 s",
                statistics.median(made) <= 1.0,
            )
        ],
    )  # fmt: skip
