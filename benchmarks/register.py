"""Registering models, one transaction each, beside the same rows by hand.

Each has a project, three tags, five entries of metadata, and its event.

Budget: 0.85 of the models a second that hand-written sqlite3 registers with the same rows and
durability, 0.75 without syncing; and flat: as fast with 10,000 models there as with none. For that
a fresh registry takes turns with the grown one, since the machine of a minute ago was another one.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

from benchmarks.measure import Finding, Rounds, Table, median, ratio, take_turns, timed
from benchmarks.peers import Program, running
from benchmarks.raw_sqlite import DATABASE, PROJECT, RawWriter, Sample, differences, make
from localreg import InputModel, Registry

Register = Callable[[Sample], object]
Durability = Literal["full", "fast"]
BUDGETS = {"full": 0.85, "fast": 0.75}
FLAT = 1.3
AT_ONCE = 25
# The same by other programs: 25 models, each with its tags, in a store with one.
_MLFLOW = """
from itertools import count
from mlflow import MlflowClient
client, numbers = MlflowClient("sqlite:///store.db"), count()
tags = {"baseline": "1", "quantised": "1", "verified": "1", "accuracy": "0.91", "epochs": "12"}
client.create_registered_model("first")
def call(folder):
    started = clock()
    for _ in range(25):
        name = f"detector-{next(numbers)}"
        client.create_registered_model(name, tags=tags)
        VERSION
    return (clock() - started) / 25
"""
OTHERS = {
    "mlflow, model": Program("mlflow", _MLFLOW.replace("VERSION", "")),
    "mlflow, model and version": Program(
        "mlflow",
        _MLFLOW.replace("VERSION", 'client.create_model_version(name, "s3://bucket/net.pt")'),
    ),
    "bentoml": Program(
        "bentoml",
        """
import bentoml
from itertools import count
numbers = count()
def call(folder):
    started = clock()
    for _ in range(25):
        with bentoml.models.create(f"detector-{next(numbers)}", labels={"baseline": "1"}):
            pass
    return (clock() - started) / 25
""",
    ),
}
OTHER_ROUNDS = 5


QUICK = ("--models", "100")
SPEED = ("--models", "2000")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--durability", choices=("full", "fast"), action="append")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    for durability in options.durability or ("full", "fast"):
        with tempfile.TemporaryDirectory() as folder:
            yield from measure(Path(folder), durability, options.models)


def measure(folder: Path, durability: Durability, models: int) -> Iterator[Table]:
    """Grow two registries side by side, then two fresh ones with them, and print the tables."""
    others = _others(folder) if durability == "full" else {}
    with ExitStack() as stack:
        grown = _pair(stack, folder / "grown", durability)
        growth = in_turns(grown, 0, models)
        fresh = _pair(stack, folder / "fresh", durability)
        tenth = max(models // 10, AT_ONCE)
        late = in_turns({f"{who}, grown": register for who, register in grown.items()}
                        | {f"{who}, fresh": register for who, register in fresh.items()},
                        models, models + tenth)  # fmt: skip
    tables = [
        replace(
            speed(f"models 1 to {models:,}", growth["localreg"], growth["raw"], durability),
            peers=others,
            row=f"register one by one, {durability}",
        ),
        speed(f"models 1 to {tenth:,}", late["localreg, fresh"], late["raw, fresh"], durability),
        speed(
            f"models {models:,} to {models + tenth:,}",
            late["localreg, grown"],
            late["raw, grown"],
            durability,
        ),
    ]
    yield Table(f"durability {durability}: time of a model; ratio: models/s of both", tables)
    yield Table(
        f"durability {durability}: growth, a model after {models:,} others to one of the first",
        [flatness(late)],
    )
    for difference in differences(
        f"{folder}/grown/localreg/{DATABASE}", f"{folder}/grown/raw/{DATABASE}"
    ):
        print(f"not the same rows: {difference}", file=sys.stderr)


def in_turns(registers: dict[str, Register], start: int, stop: int) -> Rounds:
    """Register the samples from `start` to `stop` in each, a few at once.

    Returns:
        Seconds of a model, one value for each turn. The first model of all, which makes the
        project and the tags, has a turn of its own.
    """
    taken: Rounds = {name: [] for name in registers}
    order = list(registers)
    turns = [1, *range(AT_ONCE, stop - start, AT_ONCE)]
    for first, last in zip([0, *turns], [*turns, stop - start], strict=True):
        samples = [Sample(number) for number in range(start + first, start + last)]
        random.shuffle(order)
        for name in order:
            register = registers[name]
            started = time.perf_counter()
            for sample in samples:
                register(sample)
            taken[name].append((time.perf_counter() - started) / len(samples))
    return taken


def _others(folder: Path) -> dict[str, float]:
    """Return the share of other programs: their models a second to those of raw."""
    (folder / "beside").mkdir()
    with (
        closing(RawWriter(make(f"{folder}/beside", durable=True), durable=True)) as writer,
        running(OTHERS) as others,
    ):
        numbers = count()

        def raw() -> float:
            return timed(lambda: writer.register(Sample(next(numbers))), AT_ONCE)()

        taken = take_turns({"raw": raw, **others}, OTHER_ROUNDS)
    return {name: ratio(taken["raw"], taken[name]) for name in others}


def speed(what: str, ours: list[float], raw: list[float], durability: Durability) -> Finding:
    """Return how fast localreg is beside raw."""
    share, budget = ratio(raw, ours), BUDGETS[durability]
    return Finding(what, median(ours), median(raw), share, f">= {budget}", share >= budget)


def flatness(taken: Rounds) -> Finding:
    """Return how much slower the grown registries are than the fresh ones."""
    ours = ratio(taken["localreg, grown"], taken["localreg, fresh"])
    raw = ratio(taken["raw, grown"], taken["raw, fresh"])
    return Finding("growth", f"{ours:.2f}", f"{raw:.2f}", ours, f"<= {FLAT}", ours <= FLAT)


def _pair(stack: ExitStack, folder: Path, durability: Durability) -> dict[str, Register]:
    registry = stack.enter_context(closing(Registry(folder / "localreg", durability=durability)))
    (folder / "raw").mkdir()
    durable = durability == "full"
    writer = RawWriter(
        make(f"{folder}/raw", durable=durable),
        durable=durable,
        actor=registry._chain.first.store.actor(),
    )
    stack.enter_context(closing(writer))
    return {"localreg": into(registry), "raw": writer.register}


def into(registry: Registry) -> Register:
    """Return what registers a sample in a registry."""

    def register(sample: Sample) -> object:
        return InputModel.import_model(
            sample.url,
            name=sample.name,
            project=PROJECT,
            tags=sample.tags,
            metadata=sample.metadata,
            registry=registry,
        )

    return register
