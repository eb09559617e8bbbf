"""What event files of TensorBoard hold: scalars, histograms, media, texts, parameters."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.event_files import EventFile
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import damaged
from localreg.operations.tasks.parameters import value_of
from localreg.plots import drawings
from localreg.plots.histogram_bars import bars_figure, board_edges, even_bins
from localreg.plots.precision_recall import curve_figure
from localreg.values.board_tags import AUDIO, CURVE, HISTOGRAM, IMAGE, SCALAR, TEXT, place_of_tag
from localreg.values.frozen import Frozen
from localreg.values.protobuf_wire import Message, WireError
from localreg.values.records import MetadataValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

# Fields of Event, of Summary.Value, and of what is in them: event.proto and summary.proto.
_WALL_TIME, _STEP, _GRAPH, _SUMMARY, _LOG, _RUN_METADATA, _META_GRAPH = 1, 2, 4, 5, 6, 8, 9
_TAG, _SIMPLE, _OLD_HISTOGRAM, _IMAGE, _HISTO, _AUDIO, _TENSOR, _METADATA = 1, 2, 3, 4, 5, 6, 8, 9
_SESSION = "_hparams_/session_start_info"
_SECTION = "TB_hparams"  # of parameters, as when they are reported while a script runs
_LATEST = 253_402_300_799  # seconds: the end of the year 9999
_LARGEST_STEP = 2**53
_MOST_BINS = 1_000_000
_CURVE_ROWS = 6
_LARGEST = 1e300  # in a histogram: differences stay finite
# Of tensors, by the number of their type: NumPy's type, and the field of their values.
_TYPES = {1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 9: ("<i8", 10), 19: ("<f2", 13)}
_FLOAT, _DOUBLE, _HALF = 1, 2, 19
_LEFT = {
    _GRAPH: "graphs",
    _META_GRAPH: "graphs",
    _RUN_METADATA: "profiles of runs of a graph",
    _LOG: "messages of TensorFlow's log",
}


class BoardFacts(Frozen, kw_only=True):
    """What is known of a run before its values are read.

    Attributes:
        key: what names the run in every source; None if there is no event.
        first_name: a name that never changes.
        started, ended: microseconds; 0 if no time is known.
        parameters: of `add_hparams`.
        first_tag: the first tag; "" without any.
    """

    key: str | None
    first_name: str
    started: int
    ended: int
    parameters: dict[tuple[str, str], MetadataValue]
    first_tag: str


def facts_of(files: Iterable[EventFile]) -> BoardFacts:
    """Return what is known of a run.

    Raises:
        SourceError: a file is damaged.
    """
    key, started, ended, first_tag = None, 0, 0, ""
    parameters: dict[tuple[str, str], MetadataValue] = {}
    for file in files:
        for data in file.records(check=False):
            seconds = _seconds(data, file.path)
            at = _microseconds(seconds) or 0
            if key is None:
                key, started = f"{file.path.name}/{seconds.hex()}", at
            ended = max(ended, at)
            if first_tag and _SESSION.encode() not in data:
                continue
            try:
                for value in Message(data).message(_SUMMARY).messages(1):
                    first_tag = first_tag or value.text(_TAG)
                    if value.text(_TAG) == _SESSION:
                        parameters |= _parameters(value, file.path)
            except WireError as error:
                raise damaged(file.path, f"has a record that {error}") from error
    when = datetime.fromtimestamp(started / 1e6, UTC)
    return BoardFacts(
        key=key, first_name=f"run of {when:%Y-%m-%d %H:%M:%S}", started=started,
        ended=max(started, ended), parameters=parameters, first_tag=first_tag,
    )  # fmt: skip


def _seconds(data: bytes, place: Path) -> float:
    """Return the time of an event, which mostly is its first field."""
    if data[:1] == b"\x09" and len(data) >= 9:
        found: float = struct.unpack_from("<d", data, 1)[0]
        return found
    try:
        return Message(data).double(_WALL_TIME)
    except WireError as error:
        raise damaged(place, f"has a record that {error}") from error


def _microseconds(seconds: float) -> int | None:
    return round(seconds * 1e6) if 0 < seconds <= _LATEST else None


def _parameters(value: Message, place: Path) -> dict[tuple[str, str], MetadataValue]:
    """Return the parameters of a start of a session; a whole number is an int."""
    content = Message(value.message(_METADATA).message(1).data(2))
    found: dict[tuple[str, str], MetadataValue] = {}
    for entry in content.message(3).messages(1):
        name, held = entry.text(1), entry.message(2)
        given: object = None
        if held.has(2):
            number = held.double(2)
            given = int(number) if number.is_integer() else number
        elif held.has(3):
            given = held.text(3)
        elif held.has(4):
            given = bool(held.number(4))
        try:
            if name.strip():
                found[_SECTION, name] = value_of(name, given)
        except InvalidValueError as error:
            raise damaged(place, f"has a parameter that cannot be kept: {error}") from error
    return found


class BoardReports:
    """Gives what event files hold to a spool.

    Args:
        spool: takes it.
        started: microseconds; for events without a time.
        left: counts what does not come.
        part: the name of the value of `add_scalars` that the files are for, "" if for none.
    """

    def __init__(self, spool: ReportSpool, started: int, left: Counter[str], part: str) -> None:
        self._spool = spool
        self._left = left
        self._part = part
        self._at = started
        self._plugins: dict[str, str] = {}  # by tag: only its first value may name it

    def read(self, files: Iterable[EventFile]) -> None:
        """Read files in order.

        Raises:
            SourceError: one is damaged.
        """
        for file in files:
            for data in file.records():
                try:
                    self._note_event(Message(data))
                except WireError as error:
                    raise damaged(file.path, f"has a record that {error}") from error
            if file.is_cut:
                self._left["unfinished ends of files, of writers that were killed"] += 1
            if file.too_large:
                self._left["events of more than 64 MB"] += file.too_large

    def _note_event(self, event: Message) -> None:
        self._at = _microseconds(event.double(_WALL_TIME)) or self._at
        if not event.has(_SUMMARY):
            for field, what in _LEFT.items():
                if event.has(field):
                    self._left[what] += 1
            return
        step = event.number(_STEP)
        if abs(step) > _LARGEST_STEP:
            self._left["steps beyond 2^53"] += 1
            return
        for value in event.message(_SUMMARY).messages(1):
            tag = value.text(_TAG)
            if not tag.strip("/ "):
                self._left["values without a tag"] += 1
            elif value.has(_SIMPLE):
                self._note_scalar(tag, step, value.single(_SIMPLE))
            else:
                self._note_other(tag, step, value)

    def _place(self, kind: str, tag: str) -> tuple[str, str]:
        if not self._part:
            return place_of_tag(kind, tag)
        return (tag, self._part) if kind == SCALAR else place_of_tag(kind, f"{tag}/{self._part}")

    def _note_scalar(self, tag: str, step: int, number: float) -> None:
        title, series = self._place(SCALAR, tag)
        self._spool.add_point(title, series, step, number, self._at // 1_000)

    def _note_other(self, tag: str, step: int, value: Message) -> None:
        if value.has(_IMAGE):
            self._note_image(tag, step, value.message(_IMAGE).data(4))
        elif value.has(_HISTO):
            found = value.message(_HISTO)
            edges = board_edges(found.double(1), found.double(2), found.doubles(6))
            self._note_histogram(tag, step, found.doubles(7), edges)
        elif value.has(_AUDIO):
            found = value.message(_AUDIO)
            ending = found.text(5).rpartition("/")[2] or "wav"
            self._note_media(AUDIO, tag, step, found.data(4), ending)
        elif tag == _SESSION:
            return  # its parameters are read before
        elif value.has(_TENSOR):
            self._note_tensor(tag, step, value)
        elif value.has(_OLD_HISTOGRAM):
            self._left["histograms of an old kind"] += 1

    def _note_tensor(self, tag: str, step: int, value: Message) -> None:
        tensor = value.message(_TENSOR)
        plugin = value.message(_METADATA).message(1).text(1) or self._plugins.get(tag, "")
        self._plugins[tag] = plugin
        texts = tensor.each_data(8)
        if plugin == "text":
            self._note_each(TEXT, tag, step, texts, "txt")
        elif plugin == "images":  # the first two say its width and height
            for number, data in enumerate(texts[2:]):
                self._note_image(tag if len(texts) == 3 else f"{tag}/{number}", step, data)
        elif plugin == "audio":
            self._note_each(AUDIO, tag, step, texts[::2], "wav")  # each has a label after it
        elif plugin == "scalars":
            numbers = _numbers(tensor)
            if len(numbers) == 1:
                self._note_scalar(tag, step, float(numbers[0]))
            else:
                self._left["scalars that are no number"] += 1
        elif plugin == "histograms":
            self._note_rows(tag, step, _numbers(tensor))
        elif plugin == "pr_curves":
            self._note_curve(tag, step, _numbers(tensor))
        else:
            self._left[f"values of the plugin {plugin[:50] or 'unknown'!r}"] += 1

    def _note_rows(self, tag: str, step: int, numbers: NDArray[Any]) -> None:
        """Note a histogram of rows: left edge, right edge and count."""
        rows = numbers.reshape(-1, 3) if len(numbers) % 3 == 0 else numbers[:0]
        if len(rows):
            edges = [*rows[:, 0].tolist(), float(rows[-1, 1])]
            self._note_histogram(tag, step, rows[:, 2].tolist(), edges)
        else:
            self._left["histograms without bins"] += 1

    def _note_histogram(
        self, tag: str, step: int, heights: Sequence[float], edges: Sequence[float]
    ) -> None:
        if len(edges) != len(heights) + 1 or not 0 < len(heights) <= _MOST_BINS:
            self._left["histograms without bins"] += 1
            return
        numbers = (*heights, *edges)
        if not all(abs(each) < _LARGEST for each in numbers) or list(edges) != sorted(edges):
            self._left["histograms whose bins are no numbers in order"] += 1
            return
        title, series = self._place(HISTOGRAM, tag)
        figure = bars_figure(series, *even_bins(heights, edges))
        self._spool.add_plot(title, series, step, drawings.plotly(figure), self._at)

    def _note_curve(self, tag: str, step: int, numbers: NDArray[Any]) -> None:
        """Note a curve of TP, FP, TN, FN, precision and recall, each of all thresholds."""
        rows = numbers.reshape(_CURVE_ROWS, -1) if len(numbers) % _CURVE_ROWS == 0 else None
        if rows is None or not rows.size or not all(abs(each) < _LARGEST for each in numbers):
            self._left["curves without numbers"] += 1
            return
        title, series = self._place(CURVE, tag)
        figure = curve_figure(series, rows)
        self._spool.add_plot(title, series, step, drawings.plotly(figure), self._at)

    def _note_image(self, tag: str, step: int, data: bytes) -> None:
        ending = "gif" if data.startswith(b"GIF8") else "png"  # of add_video
        self._note_media(IMAGE, tag, step, data, ending)

    def _note_each(self, kind: str, tag: str, step: int, found: list[bytes], ending: str) -> None:
        """Note several media of one tag and step: each gets its number."""
        for number, data in enumerate(found):
            own = tag if len(found) == 1 else f"{tag}/{number}"
            self._note_media(kind, own, step, data, ending)

    def _note_media(self, kind: str, tag: str, step: int, data: bytes, ending: str) -> None:
        title, series = self._place(kind, tag)
        self._spool.add_media(title, series, step, data, f"media.{ending[:20]}", self._at)


def _numbers(tensor: Message) -> NDArray[Any]:
    """Return the numbers of a tensor, flat; none if it has no numbers."""
    import numpy as np

    kind = tensor.number(1)
    if kind not in _TYPES:
        return np.zeros(0)
    form, field = _TYPES[kind]
    content = tensor.data(4)
    if content:
        if len(content) % np.dtype(form).itemsize:
            raise WireError("has a tensor of another size than its type")
        return np.frombuffer(content, form).astype("f8")
    if kind == _FLOAT:
        return np.asarray(tensor.singles(field), "f8")
    if kind == _DOUBLE:
        return np.asarray(tensor.doubles(field), "f8")
    found = tensor.numbers(field)
    if kind == _HALF:
        return np.asarray([each & 0xFFFF for each in found], "u2").view("f2").astype("f8")
    return np.asarray(found, "f8")
