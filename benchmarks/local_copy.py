"""Local copies of weights that are here: kept ones, fetched ones, unpacked ones.

Beside it a bare lookup in SQLite and a `stat`, which is the floor, and pooch and huggingface_hub
where they are installed. pooch is asked without a digest: with one it hashes the file each time.

    python -m benchmarks local_copy [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.download import served
from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns, timed
from localreg import InputModel, Registry

CALLS = 2_000
SIZE = 64 * 2**20
BUDGET = 40e-6


QUICK = ("--rounds", "2")


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
    ours: dict[str, Case] = {
        "kept": timed(kept.get_local_copy, CALLS),
        "fetched": timed(fetched.get_local_copy, CALLS),
        "unpacked package": timed(tree.get_local_copy, CALLS),
    }
    raw = sqlite3.connect(place / "raw.db")
    raw.execute("CREATE TABLE file (name TEXT PRIMARY KEY, path TEXT, size INTEGER)")
    raw.execute("INSERT INTO file VALUES ('m', ?, ?)", (str(file), SIZE))
    raw.commit()

    def lookup() -> str:
        path, size = raw.execute("SELECT path, size FROM file WHERE name = ?", ("m",)).fetchone()
        assert os.stat(path).st_size == size  # noqa: PTH116  (the floor)
        return str(path)

    taken = take_turns(
        {"lookup and stat": timed(lookup, CALLS)} | ours | _peers(place, url), rounds
    )
    raw.close()
    floor = taken["lookup and stat"]
    yield Table(
        f"a warm local copy, each call ({rounds} rounds of {CALLS:,})",
        [
            Finding(
                name,
                median(times),
                median(floor),
                ratio(times, floor),
                "40 µs" if name in ours else "",
                statistics.median(times) <= BUDGET if name in ours else None,
            )
            for name, times in taken.items()
        ],
    )


def _peers(place: Path, url: str) -> dict[str, Case]:
    found: dict[str, Case] = {}
    if importlib.util.find_spec("pooch"):
        import pooch

        pooch.get_logger().setLevel("ERROR")
        found["pooch, no digest"] = timed(
            lambda: pooch.retrieve(
                f"{url}/p.bin", known_hash=None, path=place / "pooch", fname="p.bin"
            ),
            CALLS,
        )
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import hf_hub_download

        hf_hub_download("me/model", "h.bin", cache_dir=place / "hub", endpoint=url)
        found["huggingface_hub, local files only"] = timed(
            lambda: hf_hub_download(
                "me/model", "h.bin", cache_dir=place / "hub", local_files_only=True
            ),
            CALLS,
        )
    return found
