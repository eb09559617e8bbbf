"""Remotes: clone, pull and push, beside what deltalake and SQLite do alone.

Raw clone: one query of the whole table by deltalake, ordered, and one executemany of the rows into
a table of events with localreg's indexes; nothing is checked or folded. Raw pull: one HEAD of the
newest commit. Raw push: a fresh handle of the table and one strict append of the same events.

    python -m benchmarks remotes [--events N] [--commit ROWS] [--rounds N] [--only clone|pull|push]

The clones are from a directory; pull and push are against SeaweedFS over loopback, started here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import obstore
from arro3.core import Array, DataType, Schema
from arro3.core import Table as Rows
from deltalake import CommitProperties, DeltaTable, QueryBuilder, write_deltalake
from obstore.store import from_url

from benchmarks import fleet_events
from benchmarks.measure import Case, Finding, Table, fresh_processes, ratio, seconds, take_turns
from localreg import Registry
from localreg.blobs.remote_store.store import open_remote
from localreg.operations.remotes import compaction, names
from localreg.registry import Chain, open_registry
from localreg.store.rows.known_schema import known_objects
from localreg.values.remote_format import COLUMNS

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.servers.object_servers import SeaweedFS

_HERE = str(Path(__file__).parents[1])
_CLONE = """
import sys, time
from localreg.operations.remotes.cloning import clone
started = time.perf_counter()
clone(sys.argv[1], sys.argv[2])
print(time.perf_counter() - started)
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""
_RAW_CLONE = """
import sys
sys.path[:0] = [sys.argv[3]]
from benchmarks.remotes import raw_clone
print(raw_clone(sys.argv[1], sys.argv[2]))
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


# What a raw clone inserts, in the order of its statement.
_INSERTED = (
    "position", "event_id", "seq", "lamport", "stamp", "time", "kind", "v", "subject", "field",
    "payload", "origin",
)  # fmt: skip

QUICK = ("--events", "2000", "--commit", "200", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--commit", type=int, default=2_000, help="events in a commit")
    parser.add_argument("--rounds", type=int, default=3, help="of clones")
    parser.add_argument("--only", choices=("clone", "pull", "push"))


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if options.only in (None, "clone"):
            yield from _clones(place, options.events, options.commit, options.rounds)
        if options.only in (None, "pull", "push"):
            with _bucket(place / "server") as url:
                if options.only != "push":
                    yield from _pulls(place, url)
                if options.only != "pull":
                    yield from _pushes(place, url)


# clones ---------------------------------------------------------------------------------------


def _clones(place: Path, events: int, commit: int, rounds: int) -> Iterator[Table]:
    remote = place / "remote"
    fill(str(remote), events, commit)
    cases: dict[str, Case] = {
        "raw": _in_process(_RAW_CLONE, remote, place / "raw"),
        "log": _in_process(_CLONE, remote, place / "log"),
    }
    taken = take_turns(cases, rounds, warm=0)
    chain = Chain(open_registry(place / "maker", durability="fast"))
    names.add(chain, "origin", str(remote))
    started = time.perf_counter()
    compaction.compact(chain, "origin")
    compacting = time.perf_counter() - started
    chain.close()
    shutil.rmtree(place / "maker")
    cases = {
        "raw": cases["raw"],
        "log": _without_checkpoint(remote, cases["log"]),
        "checkpoint": cases["log"],
    }
    later = take_turns(cases, rounds, warm=0)
    rows = [
        ("log", f"clone of {events:,} events", taken, 1.5),
        ("log", "the same, the table compacted", later, 1.5),
        ("checkpoint", "the same, with a checkpoint", later, 0.3),
    ]
    findings = [
        Finding(
            what, seconds(statistics.median(of[name])), seconds(statistics.median(of["raw"])),
            ratio(of[name], of["raw"]), f"<= {budget}", ratio(of[name], of["raw"]) <= budget,
        )
        for name, what, of, budget in rows
    ]  # fmt: skip
    yield Table(
        f"Clones, commits of {commit:,} events; compacting took {compacting:.0f} s", findings
    )


def fill(url: str, events: int, commit: int) -> None:
    """Make a remote with events of a fleet."""
    store = open_remote(url)
    store.create()
    rows = fleet_events.rows(events)
    version = store.head().version
    while some := list(islice(rows, commit)):
        version += 1
        store.append(some, version)


def raw_clone(url: str, folder: str) -> float:
    """Read a table by deltalake and write its rows to SQLite; return the seconds."""
    database = Path(folder) / "raw.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        started = time.perf_counter()
        for each in known_objects():
            if each.table == "event" and each.kind != "trigger":
                connection.execute(each.sql)
        connection.execute("BEGIN")
        query = (
            QueryBuilder()
            .register("events", DeltaTable(f"{url}/events"))
            .execute(
                f"select {', '.join(map(_selected, COLUMNS))} from events order by position, n"
            )
        )
        for batch in query:
            columns = (batch.column(number).to_pylist() for number in range(batch.num_columns))
            by_name = dict(zip(COLUMNS, columns, strict=True))
            connection.executemany(
                "INSERT INTO event (position, event_id, origin, seq, grp, lamport, stamp, at, "
                "actor, kind, v, subject, field, payload, arrived, remote, positioned) "
                "VALUES (?, ?, 1, ?, 1, ?, ?, ?, 1, ?, ?, ?, ?, ?, 1, ?, 1)",
                zip(*(by_name[name] for name in _INSERTED), strict=True),
            )
        connection.execute("COMMIT")
        return time.perf_counter() - started


def _selected(column: str) -> str:
    return f"arrow_cast({column}, 'Int64') as {column}" if column == "time" else column


def _in_process(program: str, remote: Path, target: Path) -> Case:
    """Return a case that clones in a process of its own, and deletes the clone."""

    def case() -> float:
        with fresh_processes():
            done = subprocess.run(
                [sys.executable, "-c", program, str(remote), str(target), _HERE],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        shutil.rmtree(target)
        taken, peak = done.stdout.split()
        print(f"{target.name}: {float(taken):.1f} s, {int(peak) // 1024} MiB", file=sys.stderr)
        return float(taken)

    return case


def _without_checkpoint(remote: Path, case: Case) -> Case:
    """Return a case that runs another one while the checkpoints are not there."""

    def run() -> float:
        (remote / "checkpoint").rename(remote / "hidden")
        try:
            return case()
        finally:
            (remote / "hidden").rename(remote / "checkpoint")

    return run


# pull and push --------------------------------------------------------------------------------


@contextmanager
def _bucket(folder: Path) -> Iterator[str]:
    folder.mkdir()
    server = SeaweedFS(folder)
    try:
        bucket = server.bucket()
        os.environ.update(bucket.environment)
        yield bucket.url
    finally:
        server.stop()


def _pulls(place: Path, bucket: str) -> Iterator[Table]:
    url = f"{bucket}/pulled"
    fill(url, 5_000, 500)
    _add(place / "puller", url)
    with Registry(place / "puller") as registry:
        registry.pull()
        store = from_url(bucket, client_options={"allow_http": True})
        newest = f"pulled/events/_delta_log/{open_remote(url).head().version:020}.json"
        taken = take_turns(
            {
                "head": _timed(lambda: obstore.head(store, newest)),
                "pull": _timed(registry.pull),
            },
            50,
            warm=3,
        )
    found = ratio(taken["pull"], taken["head"])
    finding = Finding(
        "pull with nothing new", seconds(statistics.median(taken["pull"])),
        seconds(statistics.median(taken["head"])), found, "<= 5", found <= 5,
    )  # fmt: skip
    yield Table("Pull, beside one HEAD of the newest commit", [finding])


def _pushes(place: Path, bucket: str) -> Iterator[Table]:
    url = f"{bucket}/pushed"
    fill(url, 5_000, 100)
    raw_url = f"{bucket}/raw"
    fill(raw_url, 5_000, 100)
    _add(place / "pusher", url)
    with Registry(place / "pusher") as registry:
        registry.pull()
        model = registry.add(_weights(place), name="net", project="vision")
        registry.push()
        number = iter(range(10**9))

        def push() -> float:
            model.set_metadata("step", str(next(number)), "int")
            started = time.perf_counter()
            registry.push()
            return time.perf_counter() - started

        row = next(fleet_events.rows(1))

        def append() -> float:
            started = time.perf_counter()
            raw_append(raw_url, row)
            return time.perf_counter() - started

        taken = take_turns({"push": push, "raw": append}, 60, warm=3)
    found = ratio(taken["raw"], taken["push"])
    finding = Finding(
        "commits a second", f"{1 / statistics.median(taken['push']):.1f}",
        f"{1 / statistics.median(taken['raw']):.1f}", found, ">= 0.8", found >= 0.8,
    )  # fmt: skip
    yield Table("Push of one event, beside a strict append by deltalake", [finding])


def _add(root: Path, url: str) -> None:
    chain = Chain(open_registry(root))
    names.add(chain, "origin", url)
    chain.close()


def raw_append(url: str, row: tuple[object, ...]) -> None:
    """Append a row by deltalake alone, if nobody else does."""
    table = DeltaTable(f"{url}/events", storage_options={"aws_conditional_put": "etag"})
    values = dict(zip(COLUMNS, (table.version() + 1, 0, *row), strict=True))
    schema = Schema.from_arrow(table.schema().to_arrow())
    arrays = []
    for name in COLUMNS:
        kind = schema.field(name).type
        plain = DataType.int64() if name == "time" else kind
        array = Array([values[name]], plain)
        arrays.append(array.cast(kind) if name == "time" else array)
    write_deltalake(
        table,
        Rows(arrays, schema=schema),
        mode="append",
        commit_properties=CommitProperties(max_commit_retries=0),
    )


def _weights(place: Path) -> Path:
    path = place / "net.pt"
    path.write_bytes(b"weights" * 1_000)
    return path


def _timed(work: Callable[[], object]) -> Case:
    def case() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return case
