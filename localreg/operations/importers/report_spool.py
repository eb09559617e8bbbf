"""What a source reported of one task, written to a temporary file as a stream of reports.

So the transaction that records it reads nothing else, and the memory does not grow with what comes.
One file has the streams of all tasks, one after the other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from os import SEEK_END

from localreg.errors import InvalidValueError
from localreg.operations.reports.writing import media_spec, packed_drawing
from localreg.plots import drawings
from localreg.plots.options import check_iteration, check_series, check_title
from localreg.store.rows import report_transfer
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedRandom, RawIOBase
    from typing import Any

    from numpy.typing import NDArray

    from localreg.operations.importers.arriving_files import ArrivingFiles
    from localreg.operations.importers.found import FoundFile

    Numbers = Sequence[int] | Sequence[float] | array[int] | array[float] | NDArray[Any]

_MOST_HELD = 500_000  # points that wait in memory, 24 bytes each
_MOST_LINES = 10_000
_PIECE = 1 << 20
_LONGEST = 1_000_000  # characters of a line of a log


class Spooled(Frozen):
    """A stream in the temporary file: where it begins, and its bytes."""

    start: int
    size: int

    def pieces(self, file: BufferedRandom) -> Iterator[bytes]:
        """Yield the bytes of the stream."""
        file.seek(self.start)
        left = self.size
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                return
            left -= len(piece)
            yield piece


class ReportSpool:
    """Takes what was reported to one task.

    Of several points of one series and iteration the later one counts, and of two with the same
    time the one with the larger value, as when registries meet.

    Attributes:
        repeated: how many points were left out, since a later one has the same iteration.
    """

    def __init__(self, file: BufferedRandom, files: ArrivingFiles) -> None:
        """Begin.

        Args:
            file: the temporary file; the stream is written at its end.
            files: takes the bytes of pictures.
        """
        self.repeated = 0
        self._files = files
        self._file = file
        self._start = file.seek(0, SEEK_END)
        self._file.write(report_transfer.BEGIN)
        self._held: dict[tuple[str, str], tuple[array[int], array[float], array[int]]] = {}
        self._count = 0
        self._lines: list[tuple[int, int, int, str]] = []
        self._stamp = 0
        self._last = 0
        self._is_empty = True

    def add_points(
        self, title: str, series: str, steps: Numbers, values: Numbers, ms: Numbers
    ) -> None:
        """Add points of one series, in any order.

        Args:
            steps: iterations, from -2^53 to 2^53.
            values: numbers, also NaN and infinities.
            ms: milliseconds since 1970.

        Raises:
            InvalidValueError: title or series cannot be one, or a step, value or time is too large.
        """
        import numpy as np

        if not len(steps):
            return
        key = _key(title, series)
        try:
            arrays = np.asarray(steps, "i8"), np.asarray(values, "f8"), np.asarray(ms, "i8")
        except OverflowError as error:
            raise _too_large(title, series) from error
        self._write_points(*key, *arrays)

    def add_point(self, title: str, series: str, step: int, value: float, ms: int) -> None:
        """Add one point; better give many at once to `add_points`."""
        held = self._held.get((title, series))
        if held is None:
            _key(title, series)
            held = self._held[title, series] = (array("q"), array("d"), array("q"))
        check_iteration(step)
        try:
            number, at = float(value), array("q", (ms,))[0]
        except OverflowError as error:
            raise _too_large(title, series) from error
        held[0].append(step)
        held[1].append(number)
        held[2].append(at)
        self._count += 1
        if self._count >= _MOST_HELD:
            self._flush_points()

    def add_single(self, name: str, value: float, at: int) -> None:
        """Add a value without iterations; `at` in microseconds."""
        self._write(report_transfer.singles_frames([(check_title("name", name), value, at)]))
        self._note(at)

    def add_plot(
        self, title: str, series: str, iteration: int, drawing: drawings.Drawing, at: int
    ) -> None:
        """Add a plot; `at` in microseconds."""
        place = (*_key(title, series), check_iteration(iteration))
        self._write(report_transfer.plot_frames(place, packed_drawing(drawing), None, at))
        self._note(at)

    def add_media(
        self, title: str, series: str, iteration: int, media: FoundFile | bytes, name: str, at: int
    ) -> None:
        """Add a picture, sound or other file.

        Args:
            media: a file of the source, or the bytes.
            name: its file name.
            at: microseconds.
        """
        place = (*_key(title, series), check_iteration(iteration))
        blob = self._files.bytes(media) if isinstance(media, bytes) else self._files.file(media)
        spec = media_spec(safe_filename(name) or "media")
        self._write(report_transfer.plot_frames(place, ("media", spec, None, None), blob, at))
        self._note(at)

    def add_line(self, at: int, level: int, text: str) -> None:
        """Add a line of the console.

        Args:
            at: microseconds.
            level: as in `logging`, such as 20 for INFO.
            text: one line.
        """
        self._stamp = max(at, self._stamp + 1)  # so lines of one time keep their order
        self._lines.append((self._stamp, at, level, check_text("text", text[:_LONGEST])))
        self._note(at)
        if len(self._lines) >= _MOST_LINES:
            self._flush_lines()

    def finish(self) -> Spooled | None:
        """Write the rest, and return where the stream is; None if nothing was reported."""
        self._flush_points()
        self._flush_lines()
        if self._is_empty:
            self._file.seek(self._start)
            self._file.truncate()
            return None
        self._write([report_transfer.last_frame(self._last), report_transfer.END])
        return Spooled(self._start, self._file.tell() - self._start)

    # --- writing

    def _flush_points(self) -> None:
        import numpy as np

        for (title, series), (steps, values, ms) in sorted(self._held.items()):
            self._write_points(title, series, np.array(steps), np.array(values), np.array(ms))
        self._held = {}
        self._count = 0

    def _write_points(
        self, title: str, series: str, steps: NDArray[Any], values: NDArray[Any], ms: NDArray[Any]
    ) -> None:
        import numpy as np

        if not len(steps) == len(values) == len(ms):
            raise InvalidValueError(
                f"{title}/{series} has {len(steps):,} steps, {len(values):,} values and "
                f"{len(ms):,} times",
                argument="steps",
            )
        if len(steps) > 1 and not (steps[1:] > steps[:-1]).all():
            # Sorted by iteration, then time, then value; any number counts more than NaN.
            order = np.lexsort((np.where(np.isnan(values), -np.inf, values), ms, steps))
            steps, values, ms = steps[order], values[order], ms[order]
            kept = np.append(steps[1:] != steps[:-1], [True])
            self.repeated += len(steps) - int(kept.sum())
            steps, values, ms = steps[kept], values[kept], ms[kept]
        check_iteration(int(steps[0]))
        check_iteration(int(steps[-1]))
        self._write(report_transfer.points_frames(title, series, steps, values, ms))
        self._note(int(ms.max()) * 1_000)

    def _flush_lines(self) -> None:
        self._write(report_transfer.log_frames(self._lines))
        self._lines = []

    def _write(self, pieces: Iterator[bytes] | Sequence[bytes]) -> None:
        self._file.writelines(pieces)

    def _note(self, at: int) -> None:
        self._is_empty = False
        self._last = max(self._last, at)


def _key(title: str, series: str) -> tuple[str, str]:
    return check_title("title", title), check_series(series)


def _too_large(title: str, series: str) -> InvalidValueError:
    return InvalidValueError(
        f"{title}/{series} has a number that is too large for a step, value or time",
        argument="steps",
    )


def pieces_of(reader: RawIOBase) -> Iterator[bytes]:
    """Yield the bytes of a file, in pieces."""
    while piece := reader.read(_PIECE):
        yield piece
