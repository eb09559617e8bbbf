"""What a call costs, counted without a clock: a busy machine finds the same.

tests/guarantees/test_costs.py has the table: for each call, the most it may cost.

    python tests/support/costs.py         # prints what each call of the table costs now
    python tests/support/costs.py WORD    # those whose name has the word
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[1] / "guarantees" / "test_costs.py"
WARM = 3  # calls that fill caches before one is counted; memory, of long calls, needs one
_MARK = "/costs of localreg"  # a path that is not there: a look at it stands in the log of strace
# The memory of a process and its threads: how often they ask differs from run to run.
_UNSTEADY = frozenset({
    "brk", "clock_gettime", "clone", "clone3", "exit", "futex", "getrandom", "madvise", "mmap",
    "mprotect", "mremap", "munmap", "rseq", "rt_sigaction", "rt_sigprocmask", "sched_yield",
    "set_robust_list",
})  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one call costs; None where that is not counted.

    Attributes:
        statements: what SQLite is given; an `executemany` is one.
        python_calls: of functions written in Python, in all threads.
        system_calls: without those for memory and threads.
        megabytes: the most memory of Python's that it holds at once.
        modules: those that a fresh process imports, beyond an interpreter that does nothing.
    """

    statements: int | None = None
    python_calls: int | None = None
    system_calls: int | None = None
    megabytes: float | None = None
    modules: int | None = None

    def beyond(self, most):
        """Return, as text, each count that is greater than `most` allows."""
        allowed = asdict(most)
        return [
            f"{each.replace('_', ' ')}: {found:,.10g}, at most {allowed[each]:,}"
            for each, found in asdict(self).items()
            if found is not None and allowed[each] is not None and found > allowed[each]
        ]


class Table:
    """The calls and processes whose cost has an upper bound.

    Attributes:
        calls: by name, a function that prepares a call in an empty folder, and the bounds.
        processes: by name, the code of a fresh process with its arguments, and the bounds.
    """

    def __init__(self):
        self.calls, self.processes = {}, {}

    def at_most(self, **most):
        """Add a call: the decorated function prepares it, yields it, and cleans up after it.

        It is given an empty folder. What it yields is called a few times before it is counted, so
        it has to do the same each time.
        """

        def add(prepare):
            name = prepare.__name__.replace("_", " ")
            assert name not in self.calls, name
            self.calls[name] = contextmanager(prepare), Cost(**most)
            return prepare

        return add

    def process(self, name, code, *, modules, system_calls):
        """Add the code of a fresh process; it finds a folder with one model in `sys.argv[1]`."""
        assert name not in self.processes, name
        self.processes[name] = code, Cost(modules=modules, system_calls=system_calls)


def counted(prepare, most):
    """Count what a call does in this process, of what `most` names."""
    return Cost(
        statements=_run(prepare, _statements) if most.statements is not None else None,
        python_calls=_run(prepare, _python_calls) if most.python_calls is not None else None,
        megabytes=_least_megabytes(prepare, most.megabytes),
    )


def _least_megabytes(prepare, most):
    """Return what a call holds, counted again if that is too much.

    Python's table of interned strings belongs to no call. In a process with many tests it grows now
    and then, at once by megabytes.
    """
    if most is None:
        return None
    found = _run(prepare, _megabytes, 1)
    return found if found <= most else min(found, _run(prepare, _megabytes, 1))


def _run(prepare, count, warm=WARM):
    with count() as found, _ready(prepare, warm) as call:
        gc.collect()
        gc.disable()
        try:
            return found(call)
        finally:
            gc.enable()


@contextmanager
def _ready(prepare, warm=WARM):
    """Yield a call that is prepared, and was made a few times."""
    with tempfile.TemporaryDirectory() as folder, _alone(folder), prepare(Path(folder)) as call:
        for _ in range(warm):
            call()
        yield call


@contextmanager
def _alone(folder):
    """Let no page be written for its own sake, and no registry be used but those of a folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCALREG_AUTO_RENDER", "0")
        environment.setenv("LOCALREG_HOME", f"{folder}/registry")
        # gc looks through a folder there, in which all registries of a user may have local copies.
        environment.setattr(tempfile, "tempdir", str(folder))
        yield


@contextmanager
def _statements():
    from support import statements

    with statements.counted() as count:

        def found(call):
            count.clear()
            call()
            return count.total()

        yield found


@contextmanager
def _python_calls():
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    def found(call):
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        return count

    yield found


@contextmanager
def _megabytes():
    def found(call):
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    yield found


def system_calls(names, folder):
    """Return how many calls of the system each of some calls of the table makes.

    One process prepares and makes them all, under strace.
    """
    log = folder / "calls"
    words = ["strace", "-f", "-qq", "-o", str(log), sys.executable, __file__, "--traced", *names]
    subprocess.run(words, check=True, timeout=300)
    found, name = Counter(), None
    for line in log.read_text(errors="replace").splitlines():
        if _MARK in line:
            name = re.findall(rf"{_MARK}/([^\"]*)", line)[0]
        elif name and (match := re.match(r"\d+ +(\w+)\(", line)) and match[1] not in _UNSTEADY:
            found[name] += 1
    return {name: found[name] for name in names}


def process_cost(code, registry, folder):
    """Count what a fresh process does beyond an interpreter that does nothing."""
    (modules, calls), (no_modules, no_calls) = (
        _process(each, registry, folder) for each in (code, "pass")
    )
    return Cost(modules=modules - no_modules, system_calls=calls - no_calls)


def _process(code, registry, folder):
    """Return the number of modules and of calls of the system of a process, bytecode compiled."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    counting = f"import atexit, sys\natexit.register(lambda: print(len(sys.modules)))\n{code}"
    log = folder / "calls"
    for words in ([], ["strace", "-f", "-qq", "-o", str(log)]):  # the first compiles
        done = subprocess.run(
            [*words, sys.executable, "-c", counting, str(registry)],
            env=environment, check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    calls = re.findall(r"^\d+ +(\w+)\(", log.read_text(errors="replace"), re.MULTILINE)
    return int(done.stdout.split()[-1]), sum(each not in _UNSTEADY for each in calls)


def _table():
    spec = importlib.util.spec_from_file_location("costs_of_calls", TABLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.COSTS


def _make_traced_calls(names):
    """Make some calls of the table, each between two marks."""
    calls = _table().calls
    for name in names:
        with _ready(calls[name][0]) as call:
            os.access(f"{_MARK}/{name}", os.F_OK)
            call()
            os.access(f"{_MARK}/", os.F_OK)


def _main(word=""):
    """Print what the calls and processes of the table cost now, as JSON."""
    table = _table()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        traced = [name for name, (_, most) in table.calls.items() if most.system_calls is not None]
        system = system_calls([name for name in traced if word in name], place)
        for name, (prepare, most) in table.calls.items():
            if word in name:
                cost = asdict(counted(prepare, most)) | {"system_calls": system.get(name)}
                print(name, json.dumps({each: found for each, found in cost.items() if found}))
        registry = make_registry(place / "registry")
        for name, (code, _) in table.processes.items():
            if word in name:
                print(name, json.dumps(asdict(process_cost(code, registry, place))))


def make_registry(root):
    """Make a registry of one model, for fresh processes; return its root."""
    from localreg import InputModel, Registry

    with Registry(root, durability="fast") as registry:
        InputModel.import_model("s3://bucket/net.pt", name="net", tags=["a"], registry=registry)
    return root


if __name__ == "__main__":
    sys.path.insert(0, str(TABLE.parents[1]))
    if sys.argv[1:2] == ["--traced"]:
        _make_traced_calls(sys.argv[2:])
    else:
        _main(*sys.argv[1:])
