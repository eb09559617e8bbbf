"""What importing costs, beyond an interpreter that does nothing.

Budget: 5 ms for ``import localreg``, 25 ms for ``from localreg import InputModel``, and neither
imports a module of a third party.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import (
    Finding,
    Table,
    difference,
    fresh_processes,
    median,
    process,
    ratio,
    seconds,
    take_turns,
)

NOTHING = "pass"
STATEMENTS = {
    "import localreg": 0.005,
    "from localreg import InputModel": 0.025,
    "from localreg import Registry": None,
    "import sqlite3": None,
}
TOP = 30
EXPLAINED_RUNS = 7


QUICK = ("--rounds", "3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--explain", action="store_true", help="list the modules and their time")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with fresh_processes():
        yield from compare(options.rounds)
        if options.explain:
            explain("from localreg import InputModel")


def compare(rounds: int) -> Iterator[Table]:
    """Measure the statements against `pass`, and yield the table."""
    taken = take_turns(
        {code: process("-c", code) for code in (NOTHING, *STATEMENTS)}, rounds, warm=2
    )
    empty = taken.pop(NOTHING)
    findings = []
    for code, budget in STATEMENTS.items():
        beyond = difference(taken[code], empty)
        findings.append(
            Finding(
                code,
                f"+{seconds(max(beyond, 0.0))}",
                median(empty),
                ratio(taken[code], empty),
                "" if budget is None else f"+{seconds(budget)}",
                None if budget is None else beyond <= budget,
            )
        )
    for code in list(STATEMENTS)[:2]:
        strangers = third_party(code)
        findings.append(
            Finding(
                f"third-party modules of {code}",
                ", ".join(strangers) or "none",
                budget="none",
                met=not strangers,
            )
        )
    yield Table("Imports: what they add to `python -c pass` (raw), and their ratio", findings)


def third_party(code: str) -> list[str]:
    """Return the top-level modules that `code` imports and that are not Python's or ours."""
    tell = "import sys; before = set(sys.modules)\n{}\nprint(*(set(sys.modules) - before))"
    output = subprocess.run(
        [sys.executable, "-c", tell.format(code)], check=True, capture_output=True, text=True
    ).stdout
    packages = {name.partition(".")[0] for name in output.split()}
    return sorted(packages - sys.stdlib_module_names - {"localreg"})


def explain(code: str, *arguments: str) -> None:
    """Print which modules take the time of `code`: of themselves, and with what they import."""
    runs = [_import_times(code, *arguments) for _ in range(EXPLAINED_RUNS)]
    before = _import_times(NOTHING)
    own = {
        name: [statistics.median(run[name][kind] for run in runs if name in run) for kind in (0, 1)]
        for name in runs[0]
        if name not in before
    }
    total = sum(alone for alone, _ in own.values()) / 1e3
    print(f"\n{code.strip()}: {len(own)} modules, {total:.1f} ms")
    print("(-X importtime, medians, µs; it costs time of its own)\n   own  with  module")
    for name, (alone, whole) in sorted(own.items(), key=lambda item: -item[1][0])[:TOP]:
        print(f"{alone:6.0f}{whole:6.0f}  {name}")


def _import_times(code: str, *arguments: str) -> dict[str, tuple[int, int]]:
    """Return the microseconds of each module: its own, and with those that it imports first."""
    report = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    lines = (line.removeprefix("import time:").split("|") for line in report.splitlines()[1:])
    return {name.strip(): (int(alone), int(whole)) for alone, whole, name in lines}
