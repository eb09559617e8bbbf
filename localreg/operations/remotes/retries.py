"""The waits between tries of a commit, when others write to a remote, too."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from localreg.errors import RemoteBusyError
from localreg.store.rows.remote_rows import RemoteRow

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 2.0  # seconds between two tries
PATIENCE = 300.0  # seconds of tries that fail


class Retries:
    """The waits between tries: longer each time, and never the same as those of others.

    Args:
        clock: returns seconds.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        remote: RemoteRow,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._remote = remote
        self._clock = clock
        self._sleep = sleep
        self._random = random.Random()  # not that of the program, which it may have seeded
        self.restart()

    def restart(self) -> None:
        """Begin with the shortest wait, after a success."""
        self._seconds = _FIRST_WAIT
        self._end: float | None = None  # known since the first try that failed

    def wait(self) -> None:
        """Wait until the next try.

        Raises:
            RemoteBusyError: there was none that succeeded for too long.
        """
        now = self._clock()
        if self._end is None:  # before it, bytes were sent, which may take hours
            self._end = now + PATIENCE
        if now > self._end:
            raise RemoteBusyError(
                f"others wrote to the remote {self._remote.name} ({self._remote.url}) before each "
                f"try of {PATIENCE:.0f} s. What is here waits; try again later",
                remote=self._remote.url,
            )
        self._sleep(self._seconds * self._random.uniform(0.5, 1.0))
        self._seconds = min(2 * self._seconds, _LONGEST_WAIT)
