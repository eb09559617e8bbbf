"""``clearml.debugging``: loggers of `logging`, and a timer."""

from __future__ import annotations

import logging
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_NAME = "clearml"


def get_logger(
    path: str | None = None,
    level: int | str | None = None,
    stream: TextIO | None = None,
    colored: bool = False,
) -> logging.Logger:
    """Return a logger below that of ClearML.

    Args:
        path: the path of a module, whose name it gets, or a name.
        level: the level to set.
        stream, colored: ignored: the script's own handlers write.
    """
    name = _NAME if path is None else f"{_NAME}.{Path(path).stem}"
    logger = logging.getLogger(name)
    if level is not None:
        logger.setLevel(level)
    return logger


def get_null_logger(name: str | None = None) -> logging.Logger:
    """Return a logger that writes nothing."""
    logger = logging.getLogger(name or "null")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


class LoggerRoot:
    """The logger of ClearML."""

    @classmethod
    def get_base_logger(
        cls,
        level: int | str | None = None,
        stream: TextIO | None = None,
        colored: bool = False,
    ) -> logging.Logger:
        """Return the logger of ClearML; see `get_logger`."""
        return get_logger(None, level, stream, colored)

    @classmethod
    def flush(cls) -> None:
        """Flush the handlers of the logger."""
        for each in logging.getLogger(_NAME).handlers:
            each.flush()


class Timer:
    """Measures how long something takes, and the average of several times."""

    def __init__(self) -> None:
        self.reset()
        self.tic()

    def reset(self) -> None:
        """Forget what was measured; the next `toc` measures from here."""
        self.tic()
        self.reset_average()

    def reset_average(self) -> None:
        """Forget the average."""
        self._total, self._calls = 0.0, 0

    def tic(self) -> None:
        """Begin to measure."""
        self._start = time.monotonic()

    def toc(self, average: bool = True) -> float:
        """Return the seconds since `tic`; the average over all calls if wanted."""
        took = time.monotonic() - self._start
        self._total += took
        self._calls += 1
        return self.average_time if average else took

    @property
    def average_time(self) -> float:
        """The average of all calls of `toc`, in seconds."""
        return self._total / self._calls if self._calls else 0.0

    @property
    def total_time(self) -> float:
        """The sum of all calls of `toc`, in seconds."""
        return self._total
