"""What the benchmarks share: taking turns, medians, ratios, and the table at the end.

Each script beside this one measures one group of the budgets of the design and runs alone::

    python benchmarks/import_time.py      # what importing costs; --explain lists the modules
    python benchmarks/fresh_registry.py   # a fresh process: a new registry, an existing one
    python benchmarks/fixture.py          # the pytest fixture
    python benchmarks/register.py         # registering models, one transaction each
    python benchmarks/query.py            # queries, from 10,000 to 1,000,000 models
    python benchmarks/records.py          # the values of 10,000 models, beside a dump
    python benchmarks/contention.py       # eight processes registering at once
    python benchmarks/ingest.py           # keeping 1 GiB, and packages of many files
    python benchmarks/download.py         # fetching 1 GiB over loopback
    python benchmarks/clouds.py           # 1 GiB to and from an S3 server, beside obstore
    python benchmarks/local_copy.py       # local copies of what is here
    python benchmarks/package_copies.py   # folders of packages: looking at them, making them
    python benchmarks/reports.py          # scalars, and pages beside Plotly's own
    python benchmarks/overview.py         # the overview of 100,000 models, beside a dump
    python benchmarks/frameworks.py       # automatic logging: import torch, steps, a save
    python benchmarks/arrivals.py         # events that arrive, beside executemany of their rows
    python benchmarks/bundles.py          # export and import beside tar: 5 GB, file and pipe
    python benchmarks/migrating.py        # runs of MLflow, beside its own client
    python benchmarks/remotes.py          # clone, pull and push beside deltalake and SQLite

The rules that bind them:

- "Raw" is what a careful person would write by hand for the one purpose on `sqlite3`, with the
  schema, the rows and the durability of localreg (raw_sqlite.py). It checks nothing, translates
  no error and knows no other purpose, so it is a floor and no rival.
- Machines are shared and noisy. What is compared takes turns in one run, in an order shuffled
  anew each round; every number is a median; a ratio is the median of the rounds' own ratios, so
  that what slows a whole round down cancels out. Quote ratios: times are one machine's.
- Fresh processes find their bytecode compiled, as an installed package has it, whatever the
  environment says: it is kept in a temporary directory of its own (`fresh_processes`).
- Everything happens in temporary directories, which are deleted. Nothing here asserts: a budget
  that is missed says so in its row.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Case = Callable[[], float]
Rounds = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of a table: what was found, and what was wanted.

    Attributes:
        what: the thing measured.
        ours, raw: seconds, or whatever the title says; None where there is none.
        ratio: ours by raw, as the budget counts it; None where it does not.
        budget: the wanted value in words; "" when there is none.
        met: whether it was met; None when there is no budget.
    """

    what: str
    ours: str
    raw: str = ""
    ratio: float | None = None
    budget: str = ""
    met: bool | None = None


def take_turns(cases: Mapping[str, Case], rounds: int, *, warm: int = 1) -> Rounds:
    """Return the seconds of each case, one value a round.

    Args:
        cases: by name, what does its work and returns how many seconds that took. Set-up that
            is not to be counted stays outside of what it returns.
        rounds: how often each one runs, in an order shuffled anew each round.
        warm: rounds before that, which do not count.
    """
    taken: Rounds = {name: [] for name in cases}
    names = list(cases)
    for turn in range(-warm, rounds):
        random.shuffle(names)
        for name in names:
            seconds = cases[name]()
            if turn >= 0:
                taken[name].append(seconds)
    return taken


def timed(work: Callable[[], object], calls: int = 1) -> Case:
    """Return a case that calls `work` and takes the mean of `calls` calls."""

    def case() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            work()
        return (time.perf_counter() - started) / calls

    return case


@contextmanager
def fresh_processes() -> Iterator[None]:
    """Let processes started inside the block compile each module once, into a temporary place.

    Without, an environment with ``PYTHONDONTWRITEBYTECODE`` would measure the compiler.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def process(*arguments: str) -> Case:
    """Return a case that runs a fresh interpreter, from its start to its end.

    Args:
        arguments: of the interpreter, such as ``"-c", "pass"``.
    """
    command = [sys.executable, *arguments]

    def case() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    return case


def in_fresh_folder(parent: Path, work: Callable[[Path], float]) -> Case:
    """Return a case that gives `work` a new folder below `parent`, deleted after it."""

    def case() -> float:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            return work(Path(folder))

    return case


def ratio(ours: Sequence[float], raw: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(ours, raw, strict=True))


def difference(ours: Sequence[float], raw: Sequence[float]) -> float:
    """Return the median of the rounds' differences."""
    return statistics.median(one - other for one, other in zip(ours, raw, strict=True))


def seconds(value: float) -> str:
    """Return a time in the unit that fits it.

    >>> seconds(0.0000123), seconds(0.0123), seconds(12.3)
    ('12 µs', '12 ms', '12 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            scaled = value / size
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.2g} {unit}"
    raise AssertionError


def median(values: Sequence[float]) -> str:
    """Return the median of some times as text."""
    return seconds(statistics.median(values))


def print_table(title: str, findings: Sequence[Finding]) -> None:
    """Print findings as a table, each with its budget and whether that was met."""
    header = ("", "localreg", "raw", "ratio", "budget", "")
    rows = [
        (
            each.what,
            each.ours,
            each.raw,
            "" if each.ratio is None else f"{each.ratio:.2f}",
            each.budget,
            {True: "met", False: "missed", None: ""}[each.met],
        )
        for each in findings
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    print(f"\n{title}")
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())
