"""A new process with a new registry, or with one that is asked, beside `sqlite3`.

The time is the whole process's, from its start to its end; the raw rows are fresh processes too,
which make, or open, a database with the same schema, rows and durability. Budget: 1.3 of raw for
the new one, 1.5 for the other.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import peers
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
    take_turns,
)
from benchmarks.raw_sqlite import DATABASE, PROJECT, Sample
from benchmarks.register import into
from localreg import Registry

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

# The same by other programs: a script that makes a store with one model.
_FILE = """
import os, sys
os.environ.update(HOME=sys.argv[1], DO_NOT_TRACK="1", BENTOML_DO_NOT_TRACK="1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.chdir(sys.argv[1])
open("net.pt", "wb").write(b"weights")
"""
OTHERS = {
    "diskcache": """
import diskcache
with diskcache.Cache("store") as cache:
    cache["net"] = b"weights"
""",
    "modelstore": """
from modelstore import ModelStore
store = ModelStore.from_file_system(root_directory=os.getcwd(), create_directory=True)
store.upload("net", model="net.pt")
""",
    "bentoml": """
import bentoml
with bentoml.models.create("net") as made:
    open(made.path_of("net.pt"), "wb").write(b"weights")
""",
    "mlflow": """
from mlflow import MlflowClient
client = MlflowClient("sqlite:///store.db")
client.create_registered_model("net", tags={"a": "1"})
client.create_model_version("net", "s3://bucket/net.pt")
""",
}
OTHERS = {name: _FILE + code for name, code in OTHERS.items()}


QUICK = ("--rounds", "3")
SPEED = ("--rounds", "15")


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
        finding("new registry + first model", taken, "new", 1.3),
        finding("open + query", taken, "query", 1.5),
    ]
    yield Table(f"A fresh process (`python -c pass`: {median(taken['pass'])})", findings)


def compare(folder: Path, rounds: int) -> Rounds:
    """Return the seconds of each kind of process."""
    existing = folder / "existing"
    with Registry(existing) as registry:
        register = into(registry)
        for number in range(MODELS):
            register(Sample(number))
    others = {
        name: in_fresh_folder(folder, partial(_other, python, code))
        for name, code in OTHERS.items()
        if (python := peers.python_with(name))
    }
    return take_turns(
        {
            "pass": process("-c", "pass"),
            "new": in_fresh_folder(folder, lambda place: process("-c", NEW, str(place))()),
            "raw new": in_fresh_folder(folder, lambda place: process("-c", RAW_NEW, str(place))()),
            "query": process("-c", QUERY, str(existing)),
            "raw query": process("-c", RAW_QUERY, str(existing)),
            **others,
        },
        rounds,
        warm=2,
    )


def _other(python: str, code: str, folder: Path) -> float:
    return process("-c", code, str(folder), python=python)()


def finding(what: str, taken: Rounds, name: str, most: float) -> Finding:
    """Return how one kind of process compares with its raw one."""
    ours, raw = taken[name], taken[f"raw {name}"]
    times = ratio(ours, raw)
    others = {each: ratio(taken[each], raw) for each in OTHERS if each in taken and name == "new"}
    return Finding(
        what, median(ours), median(raw), times, f"<= {most}", times <= most, others, what
    )
