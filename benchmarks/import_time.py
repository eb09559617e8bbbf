"""What importing costs, beside an interpreter that does nothing.

Budget: 1.0, 1.3 and 1.8 times that, to one decimal; and no module of a third party is imported.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import peers
from benchmarks.measure import (
    Finding,
    Table,
    fresh_processes,
    median,
    process,
    ratio,
    take_turns,
)

NOTHING = "pass"
STATEMENTS = {
    "import localreg": 1.0,
    "from localreg import InputModel": 1.3,
    "from localreg import Registry": 1.8,
    "import sqlite3": None,
}
OTHERS = ("diskcache", "sqlite-utils", "huggingface-hub", "clearml", "mlflow")
TOP = 30
EXPLAINED_RUNS = 7


QUICK = ("--rounds", "3")
SPEED = ("--rounds", "15")


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
    cases = {code: process("-c", code) for code in (NOTHING, *STATEMENTS)}
    for package in OTHERS:
        if python := peers.python_with(package):
            cases[package] = process("-c", f"import {package.replace('-', '_')}", python=python)
    taken = take_turns(cases, rounds, warm=2)
    empty = taken.pop(NOTHING)
    others = {name: ratio(taken[name], empty) for name in OTHERS if name in taken}
    findings = []
    for code, budget in STATEMENTS.items():
        times = ratio(taken[code], empty)
        findings.append(
            Finding(
                code,
                median(taken[code]),
                median(empty),
                times,
                "" if budget is None else f"<= {budget}",
                None if budget is None else round(times, 1) <= budget,
                others if code == "import localreg" else {},
                "" if budget is None else code,
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
    yield Table("Imports, beside `python -c pass`", findings)


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
