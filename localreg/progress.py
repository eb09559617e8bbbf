"""A progress line for long transfers, on terminals only."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int | None], None]

WAIT = 0.5  # seconds: a faster transfer needs no line
STEP = 0.1
WIDTH = 24
_NO_GUESS = 100_000  # seconds: of the first bytes it would be wrong


class shown_progress:  # noqa: N801  (used as a function; a class enters in a microsecond)
    """Context manager: gives the callback of a transfer, and removes the line at the end.

    The callback takes the bytes done and the bytes in all. If stderr is not a terminal it is None.

    Args:
        what: what is being done, such as "Fetching model.pt".
    """

    __slots__ = ("_line", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._line: _Line | None = None

    def __enter__(self) -> Progress | None:
        if sys.stderr is not None and sys.stderr.isatty():
            self._line = _Line(self._what)
        return self._line

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.clear()


class _Line:
    def __init__(self, what: str) -> None:
        self._what = "".join(char if char.isprintable() else "?" for char in what)[:60]
        self._begun = time.monotonic()
        self._next = self._begun + WAIT
        self._drawn = False

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + STEP
            self._drawn = True
            pace = done / max(now - self._begun, 1e-3)
            sys.stderr.write(f"\r\x1b[K{self._what}  {progress_text(done, total, pace)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def progress_text(done: int, total: int | None, pace: float) -> str:
    """Return the text of a progress line.

    Args:
        done, total: bytes; the total is None if it is not known.
        pace: bytes a second.

    >>> progress_text(750_000_000, 1_000_000_000, 50e6)
    '━━━━━━━━━━━━━━━━━━────── 750 of 1,000 MB, 50 MB/s, 5 s left'
    >>> progress_text(2, 3_000_000, 4.0)
    '──────────────────────── 0 of 3 MB, 0 MB/s'
    >>> progress_text(750_000_000, None, 50e6)
    '750 MB, 50 MB/s'
    """
    speed = f"{pace / 1e6:,.0f} MB/s"
    if not total:
        return f"{done / 1e6:,.0f} MB, {speed}"
    full = min(WIDTH * done // total, WIDTH)
    seconds = (total - done) / pace if pace > 0 else _NO_GUESS
    left = f", {seconds:,.0f} s left" if seconds < _NO_GUESS else ""
    bar = "━" * full + "─" * (WIDTH - full)
    return f"{bar} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {speed}{left}"
