"""Other programs that localreg stands beside, each in an environment that has it.

The variable BENCHMARK_PEERS names further interpreters, separated as in PATH; this one is the
first. A program that none of them has is left out, and so is one that fails, which is said.

A program is code that defines `call(folder)`: it does its work in an empty folder, and returns the
seconds that count, by `clock()`. It runs in a process of its own, which is asked once a round, so
that it takes turns with the others; importing it and its first call do not count. It is offline,
and finds no home.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Case

VARIABLE = "BENCHMARK_PEERS"
PACKAGES = (
    "aim", "bentoml", "boto3", "clearml", "deltalake", "diskcache", "huggingface-hub", "mlflow",
    "modelstore", "numpy", "obstore", "plotly", "pooch", "requests", "sqlite-utils", "tensorboardX",
    "trackio", "wandb",
)  # fmt: skip
_PROBE = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
_WORKER = """
import os, sys, tempfile
from time import perf_counter as clock
code, home, *arguments = sys.argv[1:]
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # a program that prints
exec(code)
for _ in sys.stdin:
    with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as folder:
        print(call(folder), file=answers)
"""


@dataclass(frozen=True, slots=True)
class Program:
    """Another program.

    Attributes:
        package: the name by which it is installed.
        code: what defines `call`; it finds what `running` is given in the list `arguments`.
    """

    package: str
    code: str


def python_with(package: str) -> str | None:
    """Return the first interpreter that has a package."""
    return next((python for python, has in _installed().items() if package in has), None)


def versions() -> dict[str, str]:
    """Return the versions of the packages that one of the interpreters has."""
    found: dict[str, str] = {}
    for has in _installed().values():
        found = has | found
    return dict(sorted(found.items()))


@functools.cache
def _installed() -> dict[str, dict[str, str]]:
    found = {}
    for python in (sys.executable, *filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))):
        done = subprocess.run(
            [python, "-c", _PROBE, *PACKAGES], check=True, capture_output=True, text=True
        )
        found[python] = json.loads(done.stdout)
    return found


@contextmanager
def running(programs: Mapping[str, Program], *arguments: object) -> Iterator[dict[str, Case]]:
    """Start programs, and yield the case of each that works.

    Args:
        programs: by the name that their rows have.
        arguments: what all of them are given, as text.
    """
    words = [str(each) for each in arguments]
    found: dict[str, Case] = {}
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, program in programs.items():
                if (python := python_with(program.package)) is None:
                    continue
                home = Path(folder, name)
                home.mkdir()
                process = _started(python, program, home, words)
                processes.append(process)
                case = _case(process, home)
                try:
                    case()
                except RuntimeError as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
                else:
                    found[name] = case
            yield found
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def _started(python: str, program: Program, home: Path, words: list[str]) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "HOME": str(home), "TMPDIR": str(home), "DO_NOT_TRACK": "1",
        "WANDB_MODE": "offline", "WANDB_SILENT": "true",
        "CLEARML_OFFLINE_MODE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRACKIO_DIR": str(home), "BENTOML_DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }  # fmt: skip
    with (home / "said").open("w") as said:
        return subprocess.Popen(
            [python, "-c", _WORKER, program.code, str(home), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            text=True, bufsize=1, cwd=home, env=environment,
        )  # fmt: skip


def _case(process: subprocess.Popen[str], home: Path) -> Case:
    def case() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("again\n")
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            lines = (home / "said").read_text(errors="replace").split("\n")
            raise RuntimeError(next(filter(str.strip, reversed(lines)), "it ended"))
        return float(answer)

    return case
