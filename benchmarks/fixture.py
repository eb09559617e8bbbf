"""What the pytest fixture costs a test, once a first one has imported everything.

`localreg_registry` makes a registry with ``durability="fast"``, enters it and leaves it; the raw
row makes the file from the same schema and closes it. Budget: 10 ms.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Finding, Table, in_fresh_folder, median, ratio, seconds, take_turns
from benchmarks.raw_sqlite import PROJECT, TAGS, make
from localreg import InputModel, Registry

BUDGET = 0.010


QUICK = ("--rounds", "5")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=200)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        taken = take_turns(
            {
                "raw": in_fresh_folder(place, raw),
                "fixture": in_fresh_folder(place, fixture),
                "used": in_fresh_folder(place, used),
            },
            options.rounds,
            warm=5,
        )
    findings = [
        Finding(
            what, median(taken[name]), median(taken["raw"]), ratio(taken[name], taken["raw"]),
            f"<= {seconds(BUDGET)}", statistics.median(taken[name]) <= BUDGET,
        )
        for name, what in (
            ("fixture", "the fixture"),
            ("used", "the fixture, a model imported and found in it"),
        )
    ]  # fmt: skip
    yield Table('The pytest fixture (durability="fast") after the first', findings)


def fixture(folder: Path) -> float:
    """Do what the fixture does for a test that does nothing."""
    started = time.perf_counter()
    with Registry(folder / "localreg", durability="fast"):
        pass
    return time.perf_counter() - started


def used(folder: Path) -> float:
    """Do what the fixture does for a test that registers a model and looks for it."""
    started = time.perf_counter()
    with Registry(folder / "localreg", durability="fast"):
        InputModel.import_model("s3://bucket/a.pt", name="a", project=PROJECT, tags=TAGS)
        InputModel.query_models(tags=["baseline"])
    return time.perf_counter() - started


def raw(folder: Path) -> float:
    """Make the file, and close it."""
    started = time.perf_counter()
    make(str(folder), durable=False)
    return time.perf_counter() - started
