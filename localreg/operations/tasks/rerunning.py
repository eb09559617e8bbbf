"""Running the script of a task again, in a process of its own: for `localreg task`.

Whoever starts it waits for the end: a scheduler sees the script's own exit code, and a task whose
process was killed, or never got to `Task.init`, does not stay open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localreg.errors import (
    ConflictError,
    InvalidValueError,
    SourceNotFoundError,
)
from localreg.filesystem.temporary_owners import owner_mark
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.run_facts import Run
from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.frozen import Frozen
from localreg.values.records import Json

RUNNER = "localreg.run"


class Order(Frozen):
    """How a task's script is started.

    Attributes:
        words: the command line.
        folder: the working directory.
        environment: what is set beside the environment of this process.
    """

    words: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


def run_task(
    registry: OpenRegistry,
    task_id: str,
    *,
    python: str | None = None,
    extra: Sequence[str] = (),
    environment: Mapping[str, str],
) -> int:
    """Run the script of a task in a child process, and return its exit code.

    Args:
        python: the interpreter; the recorded one when None.
        extra: arguments behind the recorded ones.
        environment: what the child finds in its environment beside what this process has.

    Returns:
        128 and the signal's number when a signal ended it, as shells have it.

    Raises:
        TaskNotFoundError: the task is gone.
        InvalidValueError: no script is recorded.
        SourceNotFoundError: the script, its folder or the interpreter is gone.
        ConflictError: the task runs already.
    """
    order = prepare(registry, task_id, python=python, extra=extra, environment=environment)
    # Until the child takes it up, it is this process that runs it: killed both, it is aborted.
    place: Json = {"process": owner_mark()}
    lifecycle.take_up(registry, task_id, Run({}, place))
    try:
        code = _call(order)
    except OSError as error:
        reason = f"{order.words[0]} could not be started: {error.strerror}"
        lifecycle.end_task(registry, task_id, "failed", reason)
        raise SourceNotFoundError(
            f"{reason}; give another one with --python", reference=order.words[0]
        ) from error
    _settle(registry, task_id, code)
    return code if code >= 0 else 128 - code


def prepare(
    registry: OpenRegistry,
    task_id: str,
    *,
    python: str | None,
    extra: Sequence[str],
    environment: Mapping[str, str],
) -> Order:
    """Return how the script of a task is started; see `run_task`."""
    found = lifecycle.settled(registry, task_id)
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
    if found.status == "in_progress":
        raise ConflictError(
            f"task {task_id} runs already, or ran on a machine that cannot be asked; "
            "`localreg task clone` makes another one to run"
        )
    what = _what(place, task_id)
    folder = str(place.get("folder") or ".")
    if not os.path.isdir(folder):  # noqa: PTH112
        raise SourceNotFoundError(
            f"the working directory of task {task_id} is gone: {folder}", reference=folder
        )
    interpreter = python or str(place.get("executable") or sys.executable)
    plain = [] if place.get("clearml") else ["--plain"]
    arguments = [str(each) for each in place.get("arguments", [])]
    added = ["--added", str(len(extra))] if extra else []
    words = (interpreter, "-m", RUNNER, *plain, *added, *what, *arguments, *extra)
    return Order(words, folder, environment)


def _what(place: Json, task_id: str) -> list[str]:
    """Return what is run, as the words of a command line."""
    if place.get("module"):
        return ["-m", str(place["module"])]
    script = place.get("script")
    if not script:
        raise InvalidValueError(
            f"no script of task {task_id} is recorded on this machine: it began in a notebook, "
            "from a pipe or elsewhere; Task.create(script=...) records one",
            argument="task",
        )
    if not Path(str(script)).is_file():
        raise SourceNotFoundError(
            f"the script of task {task_id} is gone: {script}", reference=str(script)
        )
    return [str(script)]


def _call(order: Order) -> int:
    """Run a command to its end; who asks this process to end asks the child."""
    environment = os.environ | order.environment
    with subprocess.Popen(order.words, cwd=order.folder, env=environment) as child:
        # A terminal sends SIGINT to the child as well; the others reach this process alone.
        kept = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        for number in (signal.SIGTERM, signal.SIGHUP):
            kept[number] = signal.signal(number, lambda got, _: child.send_signal(got))
        try:
            return child.wait()
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def _settle(registry: OpenRegistry, task_id: str, code: int) -> None:
    """Record how a child left, unless it has said so itself."""
    if code < 0:
        name = signal.Signals(-code).name
        lifecycle.end_task(registry, task_id, "aborted", f"its process was ended by {name}")
    elif code:
        lifecycle.end_task(registry, task_id, "failed", f"its process left with exit code {code}")
    else:
        lifecycle.end_task(registry, task_id, "completed")
