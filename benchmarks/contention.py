"""Eight processes that register into one registry at once.

Each has registered one model before, so that what is imported for the first one is not counted.

Budget: no error, nothing lost, 0.65 of the models a second of eight raw writers, and no call that
waits for more than 0.1 s.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Empty
from typing import Literal

from benchmarks.measure import Finding, Table, ratio, seconds
from benchmarks.raw_sqlite import DATABASE, RawWriter, Sample, make
from benchmarks.register import into
from localreg import LocalregError, Registry

Durability = Literal["full", "fast"]
BUDGET_SHARE = 0.65
BUDGET_WAIT = 0.1
RAW, OURS = "raw", "localreg"
_BEFORE = 10_000_000  # numbers from here on are of the models that are registered before


@dataclass(frozen=True, slots=True)
class Work:
    """What one process did.

    Attributes:
        started, ended: on the clock that all processes share.
        waits: seconds of each call that succeeded.
        errors: what the others raised.
    """

    started: float
    ended: float
    waits: list[float]
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all processes of one round did together.

    Attributes:
        rate: models a second.
        waits: seconds of each call.
        errors: what was raised.
        lost: models that were acknowledged and are not there.
    """

    rate: float
    waits: list[float]
    errors: list[str]
    lost: int


SPEED = ("--rounds", "3")
QUICK = ("--processes", "2", "--models", "20", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--models", type=int, default=200, help="of each process")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--durability", choices=("full", "fast"), action="append")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    for durability in options.durability or ("full", "fast"):
        outcomes: dict[str, list[Outcome]] = {OURS: [], RAW: []}
        for _ in range(options.rounds):
            for who in random.sample([OURS, RAW], 2):
                outcomes[who].append(together(who, durability, options.processes, options.models))
        yield Table(
            f"{options.processes} processes x {options.models} models, durability {durability}",
            findings(outcomes[OURS], outcomes[RAW], f"{options.processes} writers, {durability}"),
        )


def together(who: str, durability: Durability, processes: int, models: int) -> Outcome:
    """Let processes register into a fresh registry at once, and return what came of it."""
    context = multiprocessing.get_context("spawn")  # as processes of a user's are: unrelated
    with tempfile.TemporaryDirectory() as folder:
        if who == OURS:
            Registry(folder, durability=durability).close()
        else:
            make(folder, durable=durability == "full")
        barrier = context.Barrier(processes)
        queue: multiprocessing.Queue[Work] = context.Queue()
        crowd = [
            context.Process(
                target=register,
                args=(who, folder, durability, number * models, models, barrier, queue),
            )
            for number in range(processes)
        ]
        for each in crowd:
            each.start()
        works = [_next(queue, crowd) for _ in crowd]
        for each in crowd:
            each.join()
        waits = [wait for work in works for wait in work.waits]
        lasted = max(work.ended for work in works) - min(work.started for work in works)
        errors = [error for work in works for error in work.errors]
        return Outcome(len(waits) / lasted, waits, errors, processes + len(waits) - there(folder))


def _next(queue: multiprocessing.Queue[Work], crowd: Sequence[BaseProcess]) -> Work:
    """Return what the next process tells.

    Raises:
        SystemExit: one of them died.
    """
    while True:
        try:
            return queue.get(timeout=1)
        except Empty:
            if any(each.exitcode for each in crowd):
                for each in crowd:
                    each.kill()
                raise SystemExit("a process died; what it wrote stands above") from None


def register(
    who: str,
    folder: str,
    durability: Durability,
    first: int,
    models: int,
    barrier: Barrier,
    queue: multiprocessing.Queue[Work],
) -> None:
    """Register models from `first` on, once all processes are ready, and tell of it."""
    if who == OURS:
        registry = Registry(folder, durability=durability)
        with closing(registry):
            queue.put(_register(into(registry), first, models, barrier))
    else:
        writer = RawWriter(f"{folder}/{DATABASE}", durable=durability == "full")
        with closing(writer):
            queue.put(_register(writer.register, first, models, barrier))


def _register(
    register_one: Callable[[Sample], object], first: int, models: int, barrier: Barrier
) -> Work:
    waits: list[float] = []
    errors: list[str] = []
    register_one(Sample(_BEFORE + first))
    barrier.wait()
    started = time.monotonic()
    for number in range(first, first + models):
        before = time.monotonic()
        try:
            register_one(Sample(number))
        except (LocalregError, sqlite3.Error) as error:
            errors.append(f"{type(error).__name__}: {error}")
        else:
            waits.append(time.monotonic() - before)
    return Work(started, time.monotonic(), waits, errors)


def there(folder: str) -> int:
    """Return how many models are complete: with their event, weights, tags and metadata."""
    with closing(sqlite3.connect(Path(folder, DATABASE))) as connection:
        row = connection.execute(
            "SELECT count(*) FROM model m "
            "WHERE (SELECT count(*) FROM event WHERE subject = m.id) = 1 "
            "AND (SELECT count(*) FROM weights WHERE model = m.pk) = 1 "
            "AND (SELECT count(*) FROM model_tag WHERE model = m.pk) = 3 "
            "AND (SELECT count(*) FROM metadata WHERE model = m.pk) = 5"
        ).fetchone()
    return int(row[0])


def findings(ours: list[Outcome], raw: list[Outcome], row: str) -> list[Finding]:
    """Return the rows of the table."""
    share = ratio([each.rate for each in ours], [each.rate for each in raw])
    worst = max(max(each.waits) for each in ours)
    errors = [error for each in ours for error in each.errors]
    lost = sum(each.lost for each in ours)
    for error in sorted(set(errors)):
        print(f"{errors.count(error)} x {error}", file=sys.stderr)
    return [
        Finding(
            "models/s",
            f"{statistics.median(each.rate for each in ours):,.0f}",
            f"{statistics.median(each.rate for each in raw):,.0f}",
            share, f">= {BUDGET_SHARE}", share >= BUDGET_SHARE, row=row,
        ),
        Finding(
            "median wait of a call",
            seconds(statistics.median(wait for each in ours for wait in each.waits)),
            seconds(statistics.median(wait for each in raw for wait in each.waits)),
        ),
        Finding(
            "worst wait of a call",
            seconds(worst),
            seconds(max(max(each.waits) for each in raw)),
            budget=f"<= {seconds(BUDGET_WAIT)}", met=worst <= BUDGET_WAIT,
            row=f"{row}: worst wait of a call",
        ),
        Finding(
            "errors", str(len(errors)), str(sum(len(each.errors) for each in raw)),
            budget="0", met=not errors, row=f"{row}: errors",
        ),
        Finding(
            "lost models", str(lost), str(sum(each.lost for each in raw)),
            budget="0", met=lost == 0, row=f"{row}: lost models",
        ),
    ]  # fmt: skip
