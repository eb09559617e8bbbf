"""How slow a server may be, and the watch that ends a download that is slower."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress

from localreg.errors import InvalidValueError
from localreg.values import settings
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

SLOWEST = 1024  # bytes a second


class Pace(Frozen, kw_only=True):
    """How long a download may take.

    Attributes:
        silence: seconds without a byte, or below 1 KiB/s, after which the download ends.
        deadline: seconds for everything, with retries and pauses; None for no limit.
        connect: seconds for a connection.
        pause: seconds before the first retry; the pause doubles with each further retry.
    """

    silence: float = 60.0
    deadline: float | None = None
    connect: float = 10.0
    pause: float = 0.5


def pace_from_environment() -> Pace:
    """Return the pace set by ``LOCALREG_HTTP_TIMEOUT`` and ``LOCALREG_DOWNLOAD_DEADLINE``.

    Raises:
        InvalidValueError: one of them is not a positive number of seconds.
    """
    silence = _seconds(settings.HTTP_TIMEOUT)
    deadline = _seconds(settings.DOWNLOAD_DEADLINE)
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


def too_slow(pace: Pace, arrived: int, seconds: float) -> str | None:
    """Return why bytes arrived too slowly, as text for people; None if they did not."""
    if arrived >= SLOWEST * seconds:
        return None
    return (
        f"{arrived:,} bytes came in {seconds:.0f} s, slower than {SLOWEST} bytes a second for "
        f"{pace.silence:g} s ({settings.HTTP_TIMEOUT})"
    )


def too_late(pace: Pace) -> str:
    """Return the text for people that says that the deadline has passed."""
    return f"it took longer than the deadline of {pace.deadline:g} s ({settings.DOWNLOAD_DEADLINE})"


class Watch:
    """A thread that watches a connection, and ends it when bytes arrive too slowly.

    Attributes:
        verdict: why the connection was ended, as text for people; None if it was not.

    Use it as a context manager, which ends its thread.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._end = math.inf if pace.deadline is None else time.monotonic() + pace.deadline
        self._changed = threading.Condition()
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
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def start(self) -> None:
        """Start to watch; call it before a request."""
        with self._changed:
            self._running, self._arrived, self._window = True, 0, time.monotonic()
            self._changed.notify()

    def stop(self) -> None:
        """Stop to watch; call it after an answer, or before a pause."""
        with self._changed:
            self._running = False
            self._drop_line()

    def attach(self, line: socket.socket) -> None:
        """Watch a new connection; close it if there is a verdict already.

        The watch duplicates the descriptor, because TLS takes over the original one.

        Raises:
            ConnectionAbortedError: there is a verdict, so no request may be sent.
        """
        with self._changed:
            self._drop_line()
            if self.verdict is not None:
                line.close()  # TLS would not close a connection that ends before its handshake
                raise ConnectionAbortedError(self.verdict)
            self._line = line.dup()

    def arrived(self, count: int) -> None:
        """Count bytes that arrived."""
        self._arrived += count

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return max(0.0, self._end - time.monotonic())

    def gave_up(self) -> bool:
        """Return True if there is a verdict; a deadline that has passed is one."""
        if time.monotonic() >= self._end and self.verdict is None:
            self.verdict = too_late(self._pace)
        return self.verdict is not None

    def _run(self) -> None:
        tick = min(1.0, self._pace.silence / 8, (self._pace.deadline or math.inf) / 8)
        with self._changed:
            while not self._over:
                self._changed.wait(tick if self._running else None)
                if self._running and self.verdict is None and self._is_too_slow():
                    self._shut_down()

    def _is_too_slow(self) -> bool:
        if self.gave_up():
            return True
        passed = time.monotonic() - self._window
        if passed < self._pace.silence:
            return False
        self.verdict = too_slow(self._pace, self._arrived, passed)
        self._arrived, self._window = 0, time.monotonic()
        return self.verdict is not None

    def _shut_down(self) -> None:
        if self._line is not None:
            with suppress(OSError):  # it is closed already
                self._line.shutdown(socket.SHUT_RDWR)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
