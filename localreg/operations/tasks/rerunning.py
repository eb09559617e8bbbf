"""Run the script of a task again in a child process, for `localreg task run`.

The parent waits for it: a scheduler gets the script's own exit code, and a task ends even if the
script is killed or never calls `Task.init`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from localreg.errors import (
    ConflictError,
    InvalidValueError,
    SourceNotFoundError,
)
from localreg.operations.tasks import asked, lifecycle
from localreg.operations.tasks.run_facts import Run, this_process
from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.frozen import Frozen
from localreg.values.records import Json

RUNNER = "localreg.run"
# Those to end that only this process gets, of those that the system has.
_PASSED_ON = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Command(Frozen):
    """How a task's script is started.

    Attributes:
        words: the command line.
        folder: the working directory.
        environment: variables added to the environment of this process.
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
    stdout: int | None = None,
) -> int:
    """Run the script of a task in a child process, and return its exit code.

    Args:
        python: the interpreter; the recorded one when None.
        extra: arguments after the recorded ones.
        environment: variables added to the environment of this process.
        stdout: the number of the file that the script's stdout goes to; that of this process when
            None.

    Returns:
        The exit code; 128 plus its number when a signal ended the script, as in shells; 1 if it
        ended well and did not use all that was set for it.

    Raises:
        SourceNotFoundError: the script, its folder or the interpreter does not exist.
        ConflictError: the task is running already.
    """
    command = prepare(registry, task_id, python=python, extra=extra, environment=environment)
    # Until the script calls Task.init, the process on record is this one, so that the task becomes
    # "aborted" if both processes are killed before that.
    lifecycle.start_task(registry, task_id, Run({}, this_process()), again=True)
    try:
        code = _call(command, stdout)
    except OSError as error:
        reason = f"{command.words[0]} could not be started: {error.strerror}"
        lifecycle.end_task(registry, task_id, "failed", reason)
        raise SourceNotFoundError(
            f"{reason}; choose another interpreter with --python", reference=command.words[0]
        ) from error
    _record_end(registry, task_id, code)
    if code == 0 and asked.unused(lifecycle.place(registry, task_id)):
        return 1
    return code if code >= 0 else 128 - code


def prepare(
    registry: OpenRegistry,
    task_id: str,
    *,
    python: str | None,
    extra: Sequence[str],
    environment: Mapping[str, str],
) -> Command:
    """Return the command that runs the script of a task; see `run_task`."""
    found = lifecycle.settled(registry, task_id)
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
    if found.status == "in_progress":
        raise ConflictError(
            f"task {task_id} is in progress, here or on another machine; "
            "`localreg task clone` makes a copy to run"
        )
    program = _program(place, task_id)
    folder = str(place.get("folder") or ".")
    if not os.path.isdir(folder):  # noqa: PTH112
        raise SourceNotFoundError(
            f"the working directory of task {task_id} does not exist: {folder}", reference=folder
        )
    interpreter = python or str(place.get("executable") or sys.executable)
    plain = [] if place.get("clearml") else ["--plain"]
    arguments = [str(each) for each in place.get("arguments", [])]
    added = ["--added", str(len(extra))] if extra else []
    words = (interpreter, "-m", RUNNER, *plain, *added, *program, *arguments, *extra)
    return Command(words, folder, environment)


def _program(place: Json, task_id: str) -> list[str]:
    """Return the script, module or code of a task as command-line words."""
    for option, kind in (("-m", "module"), ("-c", "code")):
        if place.get(kind):
            return [option, str(place[kind])]
    script = place.get("script")
    if not script:
        raise InvalidValueError(
            f"task {task_id} has no script recorded on this machine: it ran in a notebook, from a "
            "pipe or on another machine; record one by Task.create(script=...)",
            argument="task",
        )
    if not os.path.exists(str(script)):  # noqa: PTH110  (a file, a folder or an archive)
        raise SourceNotFoundError(
            f"the script of task {task_id} does not exist: {script}", reference=str(script)
        )
    return [str(script)]


def _call(command: Command, stdout: int | None) -> int:
    """Run a command to its end and return its exit code; pass signals to end on to it."""
    environment = os.environ | command.environment
    with subprocess.Popen(
        command.words, cwd=command.folder, env=environment, stdout=stdout
    ) as child:
        # A terminal sends SIGINT to the child as well; the others reach only this process.
        kept = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        for number in _PASSED_ON:
            kept[number] = signal.signal(number, lambda got, _: child.send_signal(got))
        try:
            return child.wait()
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def _record_end(registry: OpenRegistry, task_id: str, code: int) -> None:
    """Record how the script ended, unless it has recorded that itself."""
    if code < 0:
        name = signal.Signals(-code).name
        lifecycle.end_task(registry, task_id, "aborted", f"its process was killed by {name}")
    elif code:
        lifecycle.end_task(registry, task_id, "failed", f"its process ended with exit code {code}")
    else:
        lifecycle.end_task(registry, task_id, "completed")
