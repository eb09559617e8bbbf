"""The command `python -m benchmarks`."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from types import ModuleType

from benchmarks import machine
from benchmarks.measure import Table, json_of, text_of

USAGE = """python -m benchmarks [--quick] [--json]            the table of speed
       python -m benchmarks NAME ... [--quick] [--json]   these benchmarks
       python -m benchmarks NAME [OPTION ...]             one, with options of its own
       python -m benchmarks --all | --list"""


def main() -> None:
    """Print the table of speed, or run the benchmarks that are named and print their tables."""
    parser = argparse.ArgumentParser(
        usage=USAGE, description="Measure localreg.", add_help=False, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="small: whether it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="print JSON at the end")
    parser.add_argument("--all", action="store_true", help="run all benchmarks: that takes hours")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("-h", "--help", action="store_true", help="with a NAME: its own options")
    options, words = parser.parse_known_args()
    known = dict(_benchmarks())
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    own = words[len(names) :]
    for name in names:
        if name not in known:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(known)}")
    if options.help and not names:
        parser.print_help()
    elif options.list:
        for name, summary in known.items():
            print(f"{name:16}{summary}")
    elif (own or options.help) and len(names) != 1:
        parser.error(f"{' '.join(own)}: options of a benchmark need the name of one benchmark")
    elif options.help:
        if module := _module(names[0]):
            _parser(module).print_help()
    elif names or options.all:
        report(names or list(known), own, quick=options.quick, as_json=options.json)
    else:
        speed(list(known), quick=options.quick, as_json=options.json)


def report(names: list[str], own: list[str], *, quick: bool, as_json: bool) -> None:
    """Run benchmarks, and print each table when it is ready, or all as JSON."""
    found = []
    before = machine.facts()
    if not as_json:
        print(machine.described(before))
    for name in names:
        if module := _module(name):
            for table in _tables(module, [*(module.QUICK if quick else ()), *own]):
                found.append({"benchmark": name, **json_of(table)})
                if not as_json:
                    print(f"\n{text_of(table)}", flush=True)
    _end(before, found, as_json=as_json)


def speed(names: list[str], *, quick: bool, as_json: bool) -> None:
    """Run the benchmarks that have rows of the table of speed, and print that."""
    before = machine.facts()
    rows = []
    for name in names:
        if (module := _module(name)) and hasattr(module, "SPEED"):
            for table in _tables(module, module.QUICK if quick else module.SPEED):
                found = [replace(each, what=each.row) for each in table.findings if each.row]
                rows += found
                if found:  # it takes long: what is known is shown
                    print(text_of(Table(name, found)), file=sys.stderr)
    table = Table("Each beside the least that is possible (raw); other programs as well", rows)
    if not as_json:
        print(f"{machine.described(before)}\n\n{text_of(table)}")
    _end(before, [{"benchmark": "speed", **json_of(table)}], as_json=as_json)


def _end(before: dict[str, object], tables: list[dict[str, object]], *, as_json: bool) -> None:
    """Print the load at the end; or, as JSON, everything."""
    if as_json:
        print(json.dumps({"machine": before, "after": machine.load(), "tables": tables}, indent=1))
    else:
        print(f"\nload at the end: {machine.load()}")


def _benchmarks() -> Iterator[tuple[str, str]]:
    """Yield the name of each benchmark, and the first line of what it says of itself."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code = ast.parse(file.read_bytes())
        if any(isinstance(each, ast.FunctionDef) and each.name == "measured" for each in code.body):
            yield file.stem, (ast.get_docstring(code) or "").partition("\n")[0]


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        print(f"{name} is left out: {error.name} is not installed", file=sys.stderr)
        return None


def _parser(module: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {module.__name__.replace('.', ' ')}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_options(parser)
    return parser


def _tables(module: ModuleType, words: Sequence[str]) -> Iterator[Table]:
    started = time.perf_counter()
    yield from module.measured(_parser(module).parse_args(words))
    print(f"{module.__name__}: {time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
