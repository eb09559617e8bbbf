"""Pages of a task that runs, written again and again."""

from __future__ import annotations

import threading
import time

from localreg import log, operations
from localreg.errors import LocalregError
from localreg.registry import Chain

_SHARE = 50  # a page takes at most one second of so many


class Renewal:
    """Writes the pages of what a process reports, in a thread, until `stop`.

    Args:
        chain: of the task.
        task_id: the task, which this process runs.
        seconds: how often.

    Attributes:
        seconds: how often.
    """

    def __init__(self, chain: Chain, task_id: str, seconds: float) -> None:
        self._chain = chain
        self._task_id = task_id
        self.seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="localreg-pages", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, when a page that it writes is complete."""
        self._over.set()
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """False when it has stopped, or the task has ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        pause = self.seconds
        while not self._over.wait(pause):
            began = time.monotonic()
            try:
                if not operations.tasks.lifecycle.runs_here(self._chain.first, self._task_id):
                    return
                operations.reports.pages.write_reported(self._chain, also=self._task_id)
            except LocalregError as error:
                log.info("pages are not written any more: %s", error)
                return
            pause = max(self.seconds, _SHARE * (time.monotonic() - began))


def start(chain: Chain, task_id: str) -> Renewal | None:
    """Write the pages of a task again and again; return None if the setting is off."""
    seconds = operations.reports.pages.renewal(chain.first)
    return None if seconds is None else Renewal(chain, task_id, seconds)
