"""Events that arrive, in an empty log and in a grown one, beside `executemany`.

No remote and no bundle is read: this is what taking in costs alone, which checks each event,
inserts it, and folds what it touches. Raw: one `executemany` into localreg's table of events, with
its indexes and foreign keys; nothing is checked or folded. The last row is what a push does at its
end: events that are here get their places in the order of a remote. On a busy machine the seconds
of the processor say more than those of the clock, so they are compared.

    python -m benchmarks arrivals [--events N] [--more N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import fleet_events
from benchmarks.measure import Finding, Table, median, ratio, take_turns
from localreg.registry import OpenRegistry, open_registry
from localreg.store.events.arriving import take_in
from localreg.store.rows.arriving_rows import INSERT
from localreg.values.records import LoggedEvent

Row = tuple[Any, ...]
Work = Callable[[OpenRegistry, Sequence[Row], int], float]
REMOTE = "f" * 32
BUDGET = 1.5


QUICK = ("--events", "2000", "--more", "200", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--events", type=int, default=200_000, help="in the grown registry")
    parser.add_argument("--more", type=int, default=10_000, help="that come then")
    parser.add_argument("--rounds", type=int, default=3)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    rows = fleet_events.rows(options.events + options.more)
    old, new = list(islice(rows, options.events)), list(rows)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ours, raw = place / "ours", place / "raw"
        taken = take_turns(
            {"ours": lambda: _fresh(ours, old, taking), "raw": lambda: _fresh(raw, old, inserting)},
            options.rounds,
            warm=0,
        )
        grown = place / "grown"
        more = take_turns(
            {
                "ours": lambda: _grown(ours, grown, new, taking),
                "raw": lambda: _grown(raw, grown, new, inserting),
                "places": lambda: _grown(ours, grown, old[-options.more :], placing),
            },
            options.rounds,
            warm=0,
        )
    findings = [
        _finding(f"{options.events:,} events, empty log", taken["ours"], taken["raw"]),
        _finding(f"{options.more:,} more events", more["ours"], more["raw"]),
        _finding(f"{options.more:,} places", more["places"], more["raw"]),
    ]
    yield Table("Taking in events: seconds of the processor", findings)


def _finding(what: str, ours: Sequence[float], raw: Sequence[float]) -> Finding:
    found = ratio(ours, raw)
    return Finding(what, median(ours), median(raw), found, f"<= {BUDGET}", found <= BUDGET)


def _fresh(root: Path, rows: Sequence[Row], work: Work) -> float:
    shutil.rmtree(root, ignore_errors=True)
    with closing(open_registry(root)) as registry:
        return work(registry, rows, 1)


def _grown(source: Path, root: Path, rows: Sequence[Row], work: Work) -> float:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(source, root)
    with closing(open_registry(root)) as registry:
        return work(registry, rows, 10**9)


def taking(registry: OpenRegistry, rows: Sequence[Row], first: int) -> float:
    """Take in events without places."""
    started = time.process_time()
    with registry.store.write() as change:
        take_in(change, _events(rows, None), {str(row[1]): str(row[2]) for row in rows})
    return time.process_time() - started


def placing(registry: OpenRegistry, rows: Sequence[Row], first: int) -> float:
    """Let events that are here have places."""
    started = time.process_time()
    with registry.store.write() as change:
        take_in(change, _events(rows, first), {})
    return time.process_time() - started


def inserting(registry: OpenRegistry, rows: Sequence[Row], first: int) -> float:
    """Insert the rows of events, and nothing more."""
    with closing(sqlite3.connect(registry.root / "registry.db", isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA synchronous = NORMAL")
        started = time.process_time()
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany("INSERT OR IGNORE INTO actor (name) VALUES (?)", {(r[7],) for r in rows})
        names = {(row[1], row[2]) for row in rows}
        raw.executemany("INSERT OR IGNORE INTO origin (id, name) VALUES (?, ?)", names)
        actors = dict(raw.execute("SELECT name, pk FROM actor"))
        origins = dict(raw.execute("SELECT id, pk FROM origin"))
        raw.executemany(
            INSERT,
            (
                (event_id, origins[origin], seq, 1, lamport, stamp, at, actors[actor], kind, v,
                 subject, field, payload, 1, None, None, None)
                for event_id, origin, _, seq, lamport, stamp, at, actor, kind, v, subject, field,
                payload in rows
            ),
        )  # fmt: skip
        raw.execute("COMMIT")
        return time.process_time() - started


def _events(rows: Sequence[Row], first: int | None) -> Iterator[LoggedEvent]:
    for number, row in enumerate(rows):
        (event_id, origin, _, seq, lamport, stamp, at, actor, kind, v, subject, field,
         payload) = row  # fmt: skip
        place = (None, None) if first is None else (REMOTE, first + number)
        yield LoggedEvent(
            event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
            json.loads(payload), *place,
        )  # fmt: skip
