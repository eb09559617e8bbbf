"""A new process with a new registry, or with one that is asked, beside `sqlite3`.

The time is the whole process's, from its start to its end; the raw rows are fresh processes too,
which make, or open, a database with the same schema, rows and durability. Budget: at most twice
raw, and 0.1 s for the new one.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.import_time import explain
from benchmarks.measure import (
    Finding,
    Rounds,
    Table,
    fresh_processes,
    in_fresh_folder,
    median,
    process,
    ratio,
    seconds,
    take_turns,
)
from benchmarks.raw_sqlite import DATABASE, PROJECT, Sample
from benchmarks.register import into
from localreg import Registry

BUDGET_RATIO = 2.0
BUDGET_SECONDS = 0.1
MODELS = 100

# What a user's script would be.
NEW = f"""
import sys
from localreg import InputModel, Registry
with Registry(sys.argv[1]):
    InputModel.import_model(
        "s3://bucket/weights/00000000.pt", name="detector-000000", project={PROJECT!r},
        tags={Sample(0).tags!r}, metadata={Sample(0).metadata!r},
    )
"""
QUERY = """
import sys
from localreg import InputModel, Registry
with Registry(sys.argv[1]):
    [each.id for each in InputModel.query_models(tags=["baseline"], max_results=20)]
"""
# The same by hand, with no module but those it needs.
RAW_NEW = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from raw_sqlite import RawWriter, Sample, make
writer = RawWriter(make(sys.argv[1], durable=True), durable=True)
writer.register(Sample(0))
writer.close()
"""
RAW_QUERY = f"""
import sqlite3, sys
connection = sqlite3.connect(f"{{sys.argv[1]}}/{DATABASE}", isolation_level=None)
connection.execute("PRAGMA synchronous = FULL")
sql = (
    "SELECT m.id FROM model_tag d INDEXED BY model_tag_newest "
    "CROSS JOIN model m ON m.pk = d.model WHERE d.tag = "
    "(SELECT pk FROM tag WHERE name = ? AND system = 0) AND m.archived = 0 "
    "ORDER BY d.stamp DESC LIMIT 20"
)
connection.execute(sql, ("baseline",)).fetchall()
connection.close()
"""


QUICK = ("--rounds", "3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--explain", action="store_true", help="list the modules and their time")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with fresh_processes(), tempfile.TemporaryDirectory() as folder:
        taken = compare(Path(folder), options.rounds)
        if options.explain:
            explain(QUERY, f"{folder}/existing")
    findings = [
        finding("new registry + first model", taken, "new", BUDGET_SECONDS),
        finding("existing registry: open + query", taken, "query", math.inf),
    ]
    yield Table(f"A fresh process (`python -c pass`: {median(taken['pass'])})", findings)


def compare(folder: Path, rounds: int) -> Rounds:
    """Return the seconds of each kind of process."""
    existing = folder / "existing"
    with Registry(existing) as registry:
        register = into(registry)
        for number in range(MODELS):
            register(Sample(number))
    return take_turns(
        {
            "pass": process("-c", "pass"),
            "new": in_fresh_folder(folder, lambda place: process("-c", NEW, str(place))()),
            "raw new": in_fresh_folder(folder, lambda place: process("-c", RAW_NEW, str(place))()),
            "query": process("-c", QUERY, str(existing)),
            "raw query": process("-c", RAW_QUERY, str(existing)),
        },
        rounds,
        warm=2,
    )


def finding(what: str, taken: Rounds, name: str, most: float) -> Finding:
    """Return how one kind of process compares with its raw one."""
    ours, raw = taken[name], taken[f"raw {name}"]
    times = ratio(ours, raw)
    met = times <= BUDGET_RATIO and statistics.median(ours) <= most
    budget = f"<= {BUDGET_RATIO:.0f}" + (f" and {seconds(most)}" if most < math.inf else "")
    return Finding(what, median(ours), median(raw), times, budget, met)
