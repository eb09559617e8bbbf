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
    AmbiguousReferenceError,
    ConflictError,
    InvalidValueError,
    SourceNotFoundError,
    TaskNotFoundError,
)
from localreg.filesystem.temporary_owners import owner_mark
from localreg.operations.finding.references import PREFIX_MINIMUM
from localreg.operations.finding.upstream import Found, asked
from localreg.operations.tasks import lifecycle, parameters
from localreg.operations.tasks.parameters import Key, split_key
from localreg.operations.tasks.run_facts import Run
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen
from localreg.values.records import Json, MetadataValue

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


def look_up_task(registry: OpenRegistry, reference: object) -> Found:
    """Return the task that `resolve_task` finds, in a registry or the first upstream that has it.

    Raises:
        TaskNotFoundError: none has it.
        AmbiguousReferenceError: one has several.
    """

    def look(each: OpenRegistry) -> str | None:
        try:
            return resolve_task(each, reference)
        except TaskNotFoundError:
            if not registry.upstream:
                raise
            return None

    for each, task_id in asked(registry, look):
        if task_id is not None:
            return Found(each, task_id)
    return Found(registry, resolve_task(registry, reference))  # which raises


def resolve_task(registry: OpenRegistry, reference: object) -> str:
    """Return the id of a task, given whole or by its first 6 or more digits.

    Raises:
        TaskNotFoundError: there is none.
        AmbiguousReferenceError: there are several.
    """
    text = check_text("task", reference, limit=4_096, nul=False, empty=False).strip()
    with registry.store.read() as connection:
        if task_rows.task(connection, text) is not None:
            return text
        prefix = len(text) >= PREFIX_MINIMUM and set(text) <= set("0123456789abcdef")
        hits = model_rows.with_prefix(connection, "task", text) if prefix else []
    if not hits:
        raise TaskNotFoundError(
            f"there is no task {text!r:.60}; give its id, or the first {PREFIX_MINIMUM} or more "
            "digits of it (`localreg task ls`)",
            reference=text,
        )
    if len(hits) > 1:
        raise AmbiguousReferenceError(
            f"{text!r} begins the ids of several tasks: {', '.join(hits[:10])}",
            reference=text,
            hits=tuple(hits),
        )
    return hits[0]


def texts_as_values(
    registry: OpenRegistry, task_id: str, given: Mapping[str, str]
) -> parameters.Values:
    """Return parameters given as texts, each of the type that a task has it as.

    Args:
        given: by ``section/name``; a name alone is the parameter of that name which the task has,
            in whichever section, and one of "General" when it has none.

    Raises:
        InvalidValueError: several sections have a parameter of the name.
        TaskNotFoundError: it is gone.
    """
    there = parameters.parameters(registry, task_id)
    values: parameters.Values = {}
    for path, text in given.items():
        key = _meant(path, there)
        values[key] = MetadataValue(text, there[key].type if key in there else "str")
    return values


def _meant(path: str, there: Mapping[Key, object]) -> Key:
    key = split_key(path)
    if key in there:
        return key
    named = [each for each in there if each.name == path]
    if len(named) > 1:
        raise InvalidValueError(
            f"{path!r} may be {' or '.join(each.path for each in named)}; give one of them",
            argument="parameter",
        )
    return named[0] if named else key


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
