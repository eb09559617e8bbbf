"""The command `python -m benchmarks`."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from benchmarks import machine
from benchmarks.measure import Table, json_of, text_of


def main() -> None:
    """Run the benchmarks that are named, or all of them, and print their tables."""
    parser = argparse.ArgumentParser(
        usage="python -m benchmarks [NAME ...] [--quick] [--json] [--list]",
        description="Measure localreg. After the name of one benchmark its own options may follow.",
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="small: whether it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="print JSON at the end")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    options, words = parser.parse_known_args()
    known = dict(_benchmarks())
    if options.list:
        for name, summary in known.items():
            print(f"{name:16}{summary}")
        return
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    own = words[len(names) :]
    for name in names:
        if name not in known:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(known)}")
    if own and len(names) != 1:
        parser.error(f"{' '.join(own)}: options of a benchmark need the name of one benchmark")
    report(names or list(known), own, quick=options.quick, as_json=options.json)


def report(names: list[str], own: list[str], *, quick: bool, as_json: bool) -> None:
    """Run benchmarks, and print each table when it is ready, or all as JSON."""
    found = []
    before = machine.facts()
    if not as_json:
        print(machine.described(before))
    for name in names:
        started = time.perf_counter()
        for table in _tables(name, own, quick=quick):
            found.append({"benchmark": name, **json_of(table)})
            if not as_json:
                print(f"\n{text_of(table)}", flush=True)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if as_json:
        print(json.dumps({"machine": before, "after": machine.load(), "tables": found}, indent=1))
    else:
        print(f"\nload at the end: {machine.load()}")


def _benchmarks() -> Iterator[tuple[str, str]]:
    """Yield the name of each benchmark, and the first line of what it says of itself."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code = ast.parse(file.read_bytes())
        if any(isinstance(each, ast.FunctionDef) and each.name == "measured" for each in code.body):
            yield file.stem, (ast.get_docstring(code) or "").partition("\n")[0]


def _tables(name: str, own: list[str], *, quick: bool) -> Iterator[Table]:
    try:
        module = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        print(f"{name} is left out: {error.name} is not installed", file=sys.stderr)
        return
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_options(parser)
    yield from module.measured(parser.parse_args([*(module.QUICK if quick else ()), *own]))


if __name__ == "__main__":
    main()
