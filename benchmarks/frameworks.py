"""Automatic logging: `import torch` and training steps, with a task and without.

Budget: at most 1 % more, in processor time of all threads, so that other programs do not count. A
save is shown, too: it keeps the bytes, so it has no budget.

Needs PyTorch: run it in the environment of `.ci/long frameworks`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, fresh_processes, median, ratio, take_turns
from localreg import Task

BUDGET = 1.01
IMPORT = """
import time
{}
started = time.process_time()
import torch
print(time.process_time() - started)
"""
TASK = 'from localreg import Task\ntask = Task.init(task_name="train")'
STEPS = 2_000


QUICK = ("--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=15)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    if importlib.util.find_spec("torch") is None:
        print("frameworks is left out: torch is not installed", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LOCALREG_HOME"] = os.path.join(folder, "registry")
        with fresh_processes():
            imports = take_turns(
                {"raw": imported(""), "ours": imported(TASK)}, options.rounds, warm=2
            )
        work = Training(Path(folder))
        steps = take_turns(
            {"raw": work.steps, "ours": within_task(work.steps)}, options.rounds, warm=2
        )
        saves = take_turns(
            {"raw": work.save, "ours": within_task(work.save)}, options.rounds, warm=2
        )
    findings = [
        compared("import torch", imports),
        compared(f"{STEPS:,} steps of a small net", steps),
        compared("torch.save of 4 MB", saves, budget=False),
    ]
    yield Table("With a task (localreg), and without one (raw)", findings)


def compared(what: str, taken: dict[str, list[float]], *, budget: bool = True) -> Finding:
    """Return the row of one comparison."""
    found = ratio(taken["ours"], taken["raw"])
    return Finding(
        what,
        median(taken["ours"]),
        median(taken["raw"]),
        found,
        f"{BUDGET:.2f}" if budget else "",
        found <= BUDGET if budget else None,
    )


def imported(before: str) -> Case:
    """Return a case that imports torch in a fresh process, after some other code."""

    def case() -> float:
        command = [sys.executable, "-c", IMPORT.format(before)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout.splitlines()[0])

    return case


def within_task(work: Callable[[], float]) -> Case:
    """Return a case that does its work while a task runs; the task's own time does not count."""

    def case() -> float:
        task = Task.init(task_name="train")
        try:
            return work()
        finally:
            task.close()

    return case


class Training:
    """A small net that is trained on random numbers, by one thread."""

    def __init__(self, folder: Path) -> None:
        import torch  # type: ignore[import-not-found]  # too large for most environments

        torch.set_num_threads(1)
        self._torch = torch
        self._path = folder / "net.pt"
        self._net = torch.nn.Sequential(
            torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        self._optimizer = torch.optim.SGD(self._net.parameters(), lr=0.01)
        self._inputs, self._targets = torch.randn(64, 64), torch.randint(10, (64,))
        self._large = torch.zeros(1_000_000)

    def steps(self) -> float:
        """Train for some steps, and return how long it took."""
        loss_of = self._torch.nn.functional.cross_entropy
        started = time.process_time()
        for _ in range(STEPS):
            self._optimizer.zero_grad()
            loss_of(self._net(self._inputs), self._targets).backward()
            self._optimizer.step()
        return time.process_time() - started

    def save(self) -> float:
        """Save some weights, and return how long it took."""
        self._large += 1  # other bytes each time
        started = time.perf_counter()
        self._torch.save(self._large, self._path)
        return time.perf_counter() - started
