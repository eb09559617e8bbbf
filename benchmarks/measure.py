"""What the benchmarks share: taking turns, medians, ratios, and tables."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Case = Callable[[], float]
Rounds = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of a table: what was found, and what was wanted.

    Attributes:
        what: the thing measured.
        ours, raw: times, or whatever the title says, as text; "" where there is none.
        ratio: ours by raw, as the budget counts it; None where it does not. A `Ratio` is shown
            with its quartiles.
        budget: the wanted value in words; "" when there is none.
        met: whether it was met; None when there is no budget.
        peers: the same ratio of other programs, by name.
        row: the row of the table of speed that it is; "" if it is none.
    """

    what: str
    ours: str
    raw: str = ""
    ratio: float | None = None
    budget: str = ""
    met: bool | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    row: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """What one benchmark found of one thing.

    Attributes:
        title: what was measured, and how much of it.
        findings: the rows.
    """

    title: str
    findings: Sequence[Finding]


class Ratio(float):
    """The median of the ratios of some rounds, with their quartiles `low` and `high`."""

    low: float
    high: float

    def __new__(cls, ratios: Iterable[float]) -> Ratio:
        """Make one of at least one ratio."""
        found = sorted(ratios)
        made = super().__new__(cls, statistics.median(found))
        made.low, made.high = found[0], found[-1]
        if len(found) > 1:
            made.low, _, made.high = statistics.quantiles(found, n=4, method="inclusive")
        return made

    @property
    def inverse(self) -> Ratio:
        """The ratio the other way round."""
        turned = super().__new__(Ratio, 1 / self)
        turned.low, turned.high = 1 / self.high, 1 / self.low
        return turned


def take_turns(cases: Mapping[str, Case], rounds: int, *, warm: int = 1) -> Rounds:
    """Return the seconds of each case, one value a round.

    Args:
        cases: by name, what does its work and returns how many seconds that took. Set-up that
            is not to be counted stays outside of what it returns.
        rounds: how often each one runs, in an order shuffled for each round.
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


def process(*arguments: str, python: str = sys.executable) -> Case:
    """Return a case that runs a fresh interpreter, from its start to its end.

    Args:
        arguments: of the interpreter, such as ``"-c", "pass"``.
        python: the interpreter; what one of another environment says goes nowhere.
    """
    command = [python, *arguments]
    errors = None if python == sys.executable else subprocess.DEVNULL

    def case() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=errors)
        return time.perf_counter() - started

    return case


def in_fresh_folder(parent: Path, work: Callable[[Path], float]) -> Case:
    """Return a case that gives `work` a new folder below `parent`, deleted after it."""

    def case() -> float:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            return work(Path(folder))

    return case


def ratio(ours: Sequence[float], raw: Sequence[float]) -> Ratio:
    """Return the median of the rounds' ratios, with its quartiles."""
    return Ratio(one / other for one, other in zip(ours, raw, strict=True))


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


def text_of(table: Table) -> str:
    """Return a table as text: each row with its budget and whether that was met."""
    header = ("", "localreg", "raw", "ratio", "", "budget", "", "")
    rows = [
        (
            each.what,
            each.ours,
            each.raw,
            "" if each.ratio is None else f"{each.ratio:.2f}",
            "({:.2f} to {:.2f})".format(*quartiles)
            if (quartiles := _quartiles(each.ratio))
            else "",
            each.budget,
            {True: "met", False: "missed", None: ""}[each.met],
            ", ".join(f"{name} {_short(times)}" for name, times in each.peers.items()),
        )
        for each in table.findings
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [table.title]
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def json_of(table: Table) -> dict[str, object]:
    """Return a table for JSON: times as text, ratios as numbers with their quartiles."""
    rows = [
        {
            "what": each.what,
            "localreg": each.ours or None,
            "raw": each.raw or None,
            "ratio": each.ratio,
            "quartiles": [each.ratio.low, each.ratio.high]
            if isinstance(each.ratio, Ratio)
            else None,
            "budget": each.budget or None,
            "met": each.met,
            "peers": {name: float(times) for name, times in each.peers.items()},
            "row": each.row or None,
        }
        for each in table.findings
    ]
    return {"title": table.title, "rows": rows}


def _short(times: float) -> str:
    """Return a ratio with two digits that count.

    >>> _short(0.0214), _short(1.234), _short(117.3)
    ('0.021', '1.2', '117')
    """
    return f"{times:.2g}" if times < 100 else f"{times:.0f}"


def _quartiles(ratio: float | None) -> tuple[float, float] | None:
    return (ratio.low, ratio.high) if isinstance(ratio, Ratio) else None
