"""Record how the tasks of a process end when the process ends, and why they failed."""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import traceback
from contextlib import suppress

from localreg import log, operations
from localreg.api import ambient
from localreg.api.tasks import recording
from localreg.errors import LocalregError
from localreg.values.records import Owner
from localreg.values.secrets import masked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

    from localreg.registry import Chain

_FILE = re.compile(r'File "([^"]+)"')
REASON_LIMIT = 4_000  # characters of the end of a traceback


def install() -> None:
    """Install the hooks; later calls do nothing."""
    if hasattr(sys.excepthook, "localreg_original"):
        return
    original = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        try:
            original(kind, error, trace)  # first: what it prints is in the log of the task
        finally:
            for chain, task_id in ambient.tasks():
                end(chain, task_id, "failed", reason_of(error))

    excepthook.localreg_original = original  # type: ignore[attr-defined]  # marks the hook
    sys.excepthook = excepthook
    _watch_threads()
    _watch_exit()
    atexit.register(_end_all)


def _watch_threads() -> None:
    """Record that the tasks of a thread failed when an exception ends it."""
    original = threading.excepthook

    def excepthook(facts: threading.ExceptHookArgs) -> None:
        if facts.exc_value is not None and not isinstance(facts.exc_value, SystemExit):
            for chain, task_id in ambient.tasks(own=True):
                end(chain, task_id, "failed", reason_of(facts.exc_value))
                ambient.drop_task(chain.first, task_id)
        original(facts)

    threading.excepthook = excepthook


def _watch_exit() -> None:
    """Remember what `sys.exit` is called with; exit hooks do not get it."""
    original = sys.exit

    def leave(status: object = None, /) -> NoReturn:
        ambient.set_exit_status(status)
        original(status)  # type: ignore[arg-type]  # passes on any value

    sys.exit = leave  # does the same, and the status is known


def reason_of(error: BaseException) -> str:
    """Return the end of the traceback of an error.

    It goes into the event log, so secrets in URLs and folders of this machine are removed.
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user"
    text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    text = masked_text(text)
    text = _FILE.sub(lambda path: f'File "{os.path.basename(path[1])}"', text)  # noqa: PTH119
    return text[-REASON_LIMIT:].strip()


def end(chain: Chain, task_id: str, status: str, reason: str | None = None) -> None:
    """Record that a task ended, if this process runs it; errors are logged.

    A child process or rank that failed is named in the log of the task. A rank makes it "failed".
    """
    try:
        if operations.tasks.lifecycle.runs_here(chain.first, task_id):
            _write(chain, task_id)
            rank = operations.tasks.ranks.rank_here(chain.first, task_id)
            if rank and status == "failed":  # rank 0 has not come yet
                reason = f"rank {rank}: {reason}"
            operations.tasks.lifecycle.end_task(chain.first, task_id, status, reason)
            operations.reports.pages.write_reported(chain, also=task_id)
        elif not operations.tasks.lifecycle.ran_here(chain.first, task_id):
            _write(chain, task_id)
            if status == "failed" and ambient.first_time(f"failure {os.getpid()} {task_id}"):
                _record_failure(chain, task_id, str(reason))
    except LocalregError as error:
        log.warning("the end of task %s was not recorded: %s", task_id, error)


def _write(chain: Chain, task_id: str) -> None:
    """Write what this process has reported, and what waits."""
    ambient.record_changes(chain.first, task_id)
    recording.finish(task_id)
    ambient.finish_uploads(chain.first)
    operations.reports.writing.flush(chain.first)


def _record_failure(chain: Chain, task_id: str, reason: str) -> None:
    """Record that this process failed, and not the one that runs the task."""
    owner, level = Owner("task", task_id), 40  # ERROR of logging
    rank = operations.tasks.ranks.rank_here(chain.first, task_id)
    name = f"process {os.getpid()}" if rank is None else f"rank {rank}"
    operations.reports.writing.report_text(chain, owner, f"{name} failed: {reason}", level)
    if rank is not None:
        operations.tasks.ranks.fail(chain.first, task_id, rank, reason)


def _end_all() -> None:
    error = _last_error()
    status, reason = _verdict(error)
    for chain, task_id in ambient.tasks():
        end(chain, task_id, status, reason)
        # Python may still print, such as warnings, and cannot start the thread that writes it.
        ambient.drop_task(chain.first, task_id)
    if isinstance(error, KeyboardInterrupt):
        _die_of_sigint()


def _die_of_sigint() -> None:
    """Let Python end by SIGINT, as it does after Ctrl-C, so that a loop of the shell ends too.

    Python does so if the last text that it executed was interrupted. The modules that the end of a
    task imports execute texts, such as named tuples, and so hide the interruption.
    """
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")


def _last_error() -> BaseException | None:
    """Return the error that ended the script; an interactive session goes on after an error."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) and not hasattr(sys, "ps1") else None


def _verdict(error: BaseException | None) -> tuple[str, str | None]:
    """Return status and reason of the tasks that are open when the process ends."""
    if error is not None:
        return "failed", reason_of(error)
    code = ambient.exit_status()
    if code is None or code == 0:
        return "completed", None
    reason = f"exit code {code}" if isinstance(code, int) else str(code)
    return "failed", masked_text(reason)[:REASON_LIMIT]
