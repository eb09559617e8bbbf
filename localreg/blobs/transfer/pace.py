"""How slow a server may be, and the watch that gives up on one that is slower."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress

from localreg.errors import InvalidValueError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

SLOWEST = 1024  # bytes a second


class Pace(Frozen, kw_only=True):
    """How long a download may take.

    Attributes:
        silence: seconds without a byte, or below 1 KiB/s, after which a server is given up on.
        deadline: seconds in all, retries and pauses included; None for any time.
        connect: seconds for a connection.
        pause: seconds before the first retry; each further one waits twice as long.
    """

    silence: float = 60.0
    deadline: float | None = None
    connect: float = 10.0
    pause: float = 0.5


def pace_from_environment() -> Pace:
    """Return the pace that ``LOCALREG_HTTP_TIMEOUT`` and ``LOCALREG_DOWNLOAD_DEADLINE`` ask for.

    Raises:
        InvalidValueError: one of them is no positive number of seconds.
    """
    silence = _seconds("LOCALREG_HTTP_TIMEOUT")
    deadline = _seconds("LOCALREG_DOWNLOAD_DEADLINE")
    return Pace(silence=60.0 if silence is None else silence, deadline=deadline)


def _seconds(variable: str) -> float | None:
    text = os.environ.get(variable, "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidValueError(
            f"{variable} must be a number of seconds above 0, not {text!r:.40}", argument=variable
        )
    return seconds


class Watch:
    """Looks on while bytes arrive, and ends the connection when they come too slowly.

    Attributes:
        verdict: why it was ended, for people; None while it was not.

    Use it as a context manager, which ends its thread.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._end = math.inf if pace.deadline is None else time.monotonic() + pace.deadline
        self._news = threading.Condition()
        self._running = False
        self._over = False
        self._window = 0.0
        self._arrived = 0
        self._line: socket.socket | None = None
        self.verdict: str | None = None
        self._thread = threading.Thread(target=self._run, name="localreg-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._news:
            self._over = True
            self._news.notify()
        self._thread.join()

    def start(self) -> None:
        """Begin to look: a request goes out."""
        with self._news:
            self._running, self._arrived, self._window = True, 0, time.monotonic()
            self._news.notify()

    def stop(self) -> None:
        """Look no longer: the answer is there, or another try comes."""
        with self._news:
            self._running = False
            self._drop_line()

    def attach(self, line: socket.socket) -> None:
        """Tell which connection there is; it is closed when there is a verdict already.

        The watch has a descriptor of its own for it: TLS takes the first one over.

        Raises:
            ConnectionAbortedError: nothing shall be asked any more.
        """
        with self._news:
            self._drop_line()
            if self.verdict is not None:
                line.close()  # here: TLS forgets a connection that ends before its handshake
                raise ConnectionAbortedError(self.verdict)
            self._line = line.dup()

    def arrived(self, count: int) -> None:
        """Tell that bytes arrived."""
        self._arrived += count

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return max(0.0, self._end - time.monotonic())

    def gave_up(self) -> bool:
        """Return whether there is a verdict; that the deadline has passed is one."""
        if time.monotonic() >= self._end and self.verdict is None:
            self.verdict = f"it took longer than the deadline of {self._pace.deadline:g} s"
        return self.verdict is not None

    def _run(self) -> None:
        tick = min(1.0, self._pace.silence / 8, (self._pace.deadline or math.inf) / 8)
        with self._news:
            while not self._over:
                self._news.wait(tick if self._running else None)
                if self._running and self.verdict is None and self._is_too_slow():
                    self._cut()

    def _is_too_slow(self) -> bool:
        if self.gave_up():
            return True
        passed = time.monotonic() - self._window
        if passed < self._pace.silence:
            return False
        if self._arrived < SLOWEST * passed:
            self.verdict = (
                f"{self._arrived:,} bytes came in {passed:.0f} s; slower than {SLOWEST} bytes a "
                f"second for {self._pace.silence:g} s is given up on"
            )
            return True
        self._arrived, self._window = 0, time.monotonic()
        return False

    def _cut(self) -> None:
        if self._line is not None:
            with suppress(OSError):  # it is closed by now
                self._line.shutdown(socket.SHUT_RDWR)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
