"""What commands cost in registries of 1,000 to 1,000,000 models: time and memory.

Each command is a process of its own. Beside a number of models stands a fifth as many blobs, ten
times as many points of one series, a tenth as many changes of one model, a hundredth as many
revisions of one model's weights, and as many tasks. "ratio" is the time beside that in the smallest
registry. The budget of commands that look at a few things is 2; those that look at everything may
grow as the registry does, and have none; both have 150 MB.

    python -m benchmarks growth [--models N ...] [--rounds N] [--keep DIR] [--only WORD]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.large_registry import CHANGED, REPORTED, REVISED
from benchmarks.measure import Finding, Table, fresh_processes, ratio, seconds
from benchmarks.raw_sqlite import PROJECT

QUICK = ("--models", "100", "1000", "--rounds", "1")
INTERACTIVE, MEMORY = 2.0, 150  # times that of the smallest registry; MB
_PYTHON = """
import sys
from localreg import InputModel, OutputModel, Registry, Task
with Registry(sys.argv[1]) as registry:
    {}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A command, or a few lines of Python.

    Attributes:
        whole: it looks at the whole registry.
        again: it makes something once, which another row measures; it is run first without a clock.
    """

    what: str
    words: tuple[str, ...] = ()
    code: str = ""
    whole: bool = False
    again: bool = False

    def command(self, home: Path) -> list[str]:
        """Return what is run."""
        if self.code:
            return [sys.executable, "-c", _PYTHON.format(self.code), str(home)]
        words = [str(home.with_name(each[1:])) if each.startswith("=") else each
                 for each in self.words]  # fmt: skip
        return [sys.executable, "-m", "localreg", "-R", str(home), *words]


def _cli(command: str, *, whole: bool = False, again: bool = False) -> Work:
    return Work(command, tuple(command.split()), whole=whole, again=again)


WORKS = (
    Work("open", code="pass"),
    Work("a query", code=f"print(*InputModel.query_models(project_name={PROJECT!r}, "
         "tags=['baseline'], max_results=20))"),
    Work("a scalar of a series with many", code=f"InputModel(name={REPORTED!r}, "
         f"project={PROJECT!r}).report_scalar('loss', 'train', 1.0, 10**9)"),
    Work("the same at an iteration that was passed", code=f"InputModel(name={REPORTED!r}, "
         f"project={PROJECT!r}).report_scalar('loss', 'train', 1.0, 5)"),
    Work(
        "one more of many revisions",
        code=f"OutputModel(Task.get_task(project_name={PROJECT!r}, task_name='revising'), "
        f"base_model_id=registry.model({PROJECT + '/' + REVISED!r}).id)"
        ".update_weights(register_uri='s3://bucket/new/net.pt')",
    ),
    _cli("ls"),
    _cli("ls -l 20 -t baseline -m seed=7"),
    _cli("ls --sort name"),
    _cli("ls --sort created"),
    _cli("ls --sort metric:metric/s0"),
    _cli("ls --sort meta:accuracy"),
    _cli(f"ls {PROJECT}/detector-00001*"),
    _cli("ls -m metric:metric/s0>0.999"),
    _cli("ls --signed"),
    Work(
        "complete a name, a key and a metric",
        code="from localreg.operations.finding import completion as c; "
        f"[each(registry._chain, text) for each, text in ((c.references, {PROJECT + '/det'!r}), "
        "(c.model_names, 'det'), (c.metadata_keys, 'a'), (c.metrics, 'met'), (c.events, 'abc'))]",
    ),
    _cli(f"show {PROJECT}/detector-000001:3"),
    _cli(f"show {PROJECT}/{CHANGED}"),
    _cli(f"show {PROJECT}/{REVISED}"),
    _cli(f"show {PROJECT}/{REPORTED}"),
    _cli(f"history {PROJECT}/{CHANGED}"),
    _cli("history"),
    _cli(f"tag {PROJECT}/detector-000001:3 NEW"),
    _cli(f"meta {PROJECT}/detector-000001:3 depth=NEW"),
    _cli(f"alias {PROJECT}/detector-000001:3 NEW"),
    _cli(f"lineage {PROJECT}/detector-000001:3"),
    _cli(f"path {PROJECT}/detector-000001:3"),
    _cli("task ls"),
    _cli(f"scalars {PROJECT}/{REPORTED}", whole=True),
    _cli(f"report {PROJECT}/{CHANGED}"),
    _cli(f"report {PROJECT}/{REPORTED}", whole=True),
    _cli(f"export {PROJECT}/detector-000001:3 -o -"),
    _cli(f"export {PROJECT}/{CHANGED} -o -", whole=True),
    _cli("search detector-000001", again=True),
    Work(
        "search, which makes its index",
        code="import os; from localreg.cli.main import main; "
        "os.path.exists(index := sys.argv[1] + '/search.db') and os.unlink(index); "
        "main(['-R', sys.argv[1], 'search', 'detector-000001'])",
        whole=True,
    ),
    _cli("doctor", whole=True),  # it checks the whole database, and looks at every file
    _cli("ls -l 0 --json", whole=True),
    _cli("ls -l 0", whole=True),
    _cli("history -l 0 --json", whole=True),
    _cli("verify", whole=True),
    _cli("gc", whole=True),
    _cli("du", whole=True),
    _cli("cache ls", whole=True),
    _cli("site", whole=True),
)  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--models", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="where registries are found and left")
    parser.add_argument("--only", help="only commands with this text")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    os.environ["LOCALREG_AUTO_RENDER"] = "0"  # pages are measured alone
    with tempfile.TemporaryDirectory() as folder, fresh_processes():
        place = options.keep or Path(folder)
        homes = [place / f"{models}-models" / "registry" for models in sorted(options.models)]
        for models, home in zip(sorted(options.models), homes, strict=True):
            if not home.exists():
                home.parent.mkdir(parents=True, exist_ok=True)
                _build(home, models)
        works = [each for each in WORKS if (options.only or "") in each.what]
        for title, whole in (("a few things", False), ("everything", True)):
            found = [grown(each, homes, options.rounds) for each in works if each.whole == whole]
            sizes = " -> ".join(f"{models:,}" for models in sorted(options.models))
            yield Table(f"Commands that look at {title}: {sizes} models", [a for a, _ in found])
            yield Table("The same: time of the processor, and most memory", [b for _, b in found])


def _build(home: Path, models: int) -> None:
    """Make a registry in a process of its own: a child begins with the peak of its parent."""
    code = "import sys; from benchmarks.large_registry import *; build(Path(sys.argv[1]), "
    command = [sys.executable, "-c", f"{code}Sizes.of({models}))", str(home)]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True)


def grown(work: Work, homes: Sequence[Path], rounds: int) -> tuple[Finding, Finding]:
    """Return the times of a command, and its processor time and memory, in each registry."""
    runs: dict[Path, list[Run]] = {home: [] for home in homes}
    for home in homes if work.again else homes[:1]:
        run(work.command(home))  # compiles, and reads from the disk, what all need
    for _ in range(rounds):
        for home in homes:  # the last takes long, so that the order does not matter
            runs[home].append(run(work.command(home)))
    first, last = ([each.seconds for each in runs[home]] for home in (homes[0], homes[-1]))
    busy, busiest = ([each.cpu for each in runs[home]] for home in (homes[0], homes[-1]))
    times = ratio(last, first)
    memory = [max(each.megabytes for each in runs[home]) for home in homes]
    medians = [seconds(statistics.median(each.seconds for each in runs[home])) for home in homes]
    taken = Finding(
        work.what,
        _arrows(medians),
        "",
        times,
        "" if work.whole else f"<= {INTERACTIVE:.0f}",
        None if work.whole else times <= INTERACTIVE,
    )
    processors = [seconds(statistics.median(each.cpu for each in runs[home])) for home in homes]
    spent = Finding(
        work.what,
        _arrows(processors),
        _arrows([f"{each:.0f} MB" for each in memory]),
        ratio(busiest, busy),
        f"{MEMORY} MB",
        memory[-1] <= MEMORY,
    )
    return taken, spent


def _arrows(texts: Sequence[str]) -> str:
    return " -> ".join(texts)


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took: seconds, those of the processor, and the most memory."""

    seconds: float
    cpu: float
    megabytes: float


def run(command: Sequence[str]) -> Run:
    """Run a command to its end, and return what it took.

    Raises:
        SystemExit: it failed.
    """
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as child,
    ):
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        taken = time.perf_counter() - started
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{command} failed with exit code {child.returncode}: {said.read()}")
    return Run(taken, used.ru_utime + used.ru_stime, used.ru_maxrss * 1_024 / 1e6)
