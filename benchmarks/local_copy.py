"""Local copies of weights that are here: kept ones, fetched ones, unpacked ones.

Beside it a bare lookup in SQLite and a `stat`, which is the floor. pooch is asked without a digest:
with one it hashes the file each time. Budgets: 15 µs for weights that are kept, 25 µs for those of
an upstream registry, 30 µs for `StorageManager.get_local_copy`.

    python -m benchmarks local_copy [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.download import served
from benchmarks.measure import (
    Case,
    Finding,
    Rounds,
    Table,
    median,
    ratio,
    seconds,
    take_turns,
    timed,
)
from benchmarks.peers import Program, running
from localreg import InputModel, Model, Registry, StorageManager

CALLS = 2_000
SIZE = 64 * 2**20
FLOOR = "lookup and stat"
BUDGETS = {"kept": 15e-6, "with an upstream": 25e-6, "StorageManager": 30e-6}
_LOOP = """
def call(folder):
    started = clock()
    for _ in range(200):
        copy()
    return (clock() - started) / 200
"""
OTHERS = {
    "pooch, no digest": Program(
        "pooch",
        """
import pooch
pooch.get_logger().setLevel("ERROR")
def copy():
    pooch.retrieve(f"{arguments[0]}/p.bin", known_hash=None, path="pooch", fname="p.bin")
"""
        + _LOOP,
    ),
    "huggingface_hub, local files only": Program(
        "huggingface-hub",
        """
from huggingface_hub import hf_hub_download
hf_hub_download("me/model", "h.bin", cache_dir="hub", endpoint=arguments[0])
def copy():
    hf_hub_download("me/model", "h.bin", cache_dir="hub", local_files_only=True)
"""
        + _LOOP,
    ),
    "clearml": Program(
        "clearml",
        """
from clearml import StorageManager
def copy():
    StorageManager.get_local_copy(f"{arguments[0]}/c.bin")
"""
        + _LOOP,
    ),
}


QUICK = ("--rounds", "2")
SPEED = ("--rounds", "5")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=9)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = place / "weights.bin"
        file.write_bytes(os.urandom(SIZE))
        package = place / "package"
        package.mkdir()
        for number in range(100):
            (package / f"{number}.bin").write_bytes(os.urandom(1_000))
        with served(file) as url, Registry(place / "registry") as registry:
            yield from _measure(place, registry, url, file, package, options.rounds)


def _measure(
    place: Path, registry: Registry, url: str, file: Path, package: Path, rounds: int
) -> Iterator[Table]:
    kept, tree = registry.add(file, "kept"), registry.add(package, "package")
    fetched = InputModel.import_model(f"{url}/fetched.bin", name="fetched")
    managed = f"{url}/managed.bin"
    StorageManager.get_local_copy(managed)
    raw = sqlite3.connect(place / "raw.db")
    raw.execute("CREATE TABLE file (name TEXT PRIMARY KEY, path TEXT, size INTEGER)")
    raw.execute("INSERT INTO file VALUES ('m', ?, ?)", (str(file), SIZE))
    raw.commit()

    def lookup() -> str:
        path, size = raw.execute("SELECT path, size FROM file WHERE name = ?", ("m",)).fetchone()
        assert os.stat(path).st_size == size  # noqa: PTH116  (the floor)
        return str(path)

    with _with_upstream(place) as above, running(OTHERS, url) as others:
        ours: dict[str, Case] = {
            "kept": timed(kept.get_local_copy, CALLS),
            "with an upstream": timed(above.get_local_copy, CALLS),
            "StorageManager": timed(lambda: StorageManager.get_local_copy(managed), CALLS),
            "fetched": timed(fetched.get_local_copy, CALLS),
            "unpacked package": timed(tree.get_local_copy, CALLS),
        }
        taken = take_turns({FLOOR: timed(lookup, CALLS)} | ours | others, rounds)
    raw.close()
    yield Table(
        f"a warm local copy, each call ({rounds} rounds of {CALLS:,})",
        [
            _finding(name, taken, {each: ratio(taken[each], taken[FLOOR]) for each in others})
            for name in taken
        ],
    )


def _finding(name: str, taken: Rounds, others: Mapping[str, float]) -> Finding:
    times, floor, most = taken[name], taken[FLOOR], BUDGETS.get(name)
    made = Finding(name, median(times), median(floor), ratio(times, floor))
    if most is None:
        return made
    return replace(
        made,
        budget=f"<= {seconds(most)}",
        met=statistics.median(times) <= most,
        peers=others if name == "kept" else {},
        row=f"a warm local copy, {name}",
    )


@contextmanager
def _with_upstream(place: Path) -> Iterator[Model]:
    """Yield a model of an upstream registry, of which a registry is asked."""
    file = place / "shared.bin"
    file.write_bytes(b"weights")
    # Not `with Registry(…)`: another registry is current.
    with closing(Registry(place / "upstream")) as upstream:
        upstream.add(file, "shared")
    with closing(Registry(place / "downstream", upstream=[place / "upstream"])) as registry:
        yield registry.model("shared")
