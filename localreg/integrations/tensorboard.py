"""TensorBoard's writers: what they write becomes reports of the current task.

All writers, those of `torch.utils.tensorboard`, tensorboardX and of what is built on them, pass
their events to an `EventFileWriter`, which is patched. Decisions:

- Titles and series are those of ClearML: ``loss/train`` is the series "train" of the chart "loss".
  A second writer with the same tags gets its folder in front of the series. The writers that
  `add_scalars` makes are series of one chart.
- Each report has the step as iteration. Steps that begin again, as in each epoch, continue those
  before them; values without a step are counted.
- Of the histograms of one tag the first 50 are reported, then every second until the hundredth,
  then every fourth, and so on: a training loop may write thousands.
"""

from __future__ import annotations

import threading
from importlib import import_module

from localreg import log
from localreg.plots.histogram_bars import board_edges, even_bins
from localreg.plots.precision_recall import curve_figure
from localreg.values.board_tags import (
    AUDIO,
    CURVE,
    HISTOGRAM,
    IMAGE,
    SCALAR,
    TEXT,
    series_of_add_scalars,
    split_tag,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

_HISTOGRAMS = 50  # reported of each tag before some are left out
_LATEST = 1e11  # seconds since 1970
_HPARAMS = "tensorboard.plugins.hparams.plugin_data_pb2"
_SESSION = "_hparams_/session_start_info"
# Plugins whose values arrange others, or describe the program.
_UNSHOWN = ("custom_scalars", "hparams", "graph_keras_model", "graph_run_metadata")
_NUMBERS = {1: "f4", 2: "f8", 3: "i4", 9: "i8"}  # TensorProto.dtype to numpy's
_NUMBER_LISTS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val"}
_STRING = 7


def patch(patches: Patches, module: ModuleType) -> None:
    """Report the events that the writers of a module are given."""
    patches.after(module.EventFileWriter, "add_event", _note)


def _note(recorder: Recorder, _: object, writer: Any, event: Any) -> None:  # noqa: ANN401
    if recorder.wants("tensorboard"):
        recorder.kept(Board).add(recorder, writer, event)


class _Line:
    """What one writer writes under one tag.

    Attributes:
        title, series: of its reports.
        count: of the values so far.
    """

    __slots__ = ("_added", "_last", "count", "series", "title")

    def __init__(self, title: str, series: str) -> None:
        self.title = title
        self.series = series
        self.count = 0
        self._last = -(2**63)  # the smallest step
        self._added = 0

    def iteration(self, step: int) -> int:
        """Return the iteration of the next step, which may have begun again at 0."""
        self.count += 1
        last, self._last = self._last, step
        if step > last:
            return step + self._added
        if step == last == 0:  # written without a step
            return self._added + self.count - 1
        if step < 0.9 * last and step != last:
            self._added += last + (1 if step <= 0 else step)
        return step + self._added

    def purge(self, step: int) -> None:
        """Take the next steps as they are: the writer goes on from an earlier one."""
        self._last = min(self._last, step)


class Board:
    """What the writers of one task have written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str, str], _Line] = {}  # by folder, kind and tag
        self._owners: dict[tuple[str, str], str] = {}  # the folder that has a title and series
        self._plugins: dict[str, str] = {}  # by tag; only its first value may name it
        self._skipped: set[str] = set()

    def add(self, recorder: Recorder, writer: Any, event: Any) -> None:  # noqa: ANN401
        """Report an event. A training loop may write a hundred thousand: all steps here are few.

        Args:
            writer: it has ``get_logdir()``.
            event: a message of event.proto.
        """
        values = event.summary.value
        folder = writer.get_logdir()
        if len(values) == 1 and values[0].HasField("simple_value"):
            value = values[0]
            self._scalar(recorder, folder, value.tag, event, value.simple_value)
            return
        if not values and event.session_log.status == 1:  # START; see `purge_step`
            for (place, _, _), line in tuple(self._lines.items()):
                if place == folder:
                    line.purge(event.step)
        for value in values:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                self._scalar(recorder, folder, value.tag, event, value.simple_value)
            else:
                self._other(recorder, folder, kind, value, event)

    def _scalar(
        self,
        recorder: Recorder,
        folder: str,
        tag: str,
        event: Any,  # noqa: ANN401
        number: float,
    ) -> None:
        line = self._lines.get((folder, SCALAR, tag)) or self._line(recorder, folder, SCALAR, tag)
        seconds = event.wall_time
        recorder.scalar(
            line.title,
            line.series,
            number,
            line.iteration(event.step),
            at=seconds if 0 < seconds < _LATEST else None,
        )

    def _line(self, recorder: Recorder, folder: str, kind: str, tag: str) -> _Line:
        """Return the line of a tag."""
        with self._lock:
            line = self._lines.get((folder, kind, tag))
            if line is None:
                line = _Line(*self._place(recorder, str(folder), kind, tag))
                self._lines[folder, kind, tag] = line
            return line

    def _place(self, recorder: Recorder, folder: str, kind: str, tag: str) -> tuple[str, str]:
        """Return title and series of a new tag, which no other writer has."""
        folder = folder.replace("\\", "/")
        is_scalar = kind in (SCALAR, CURVE)
        default = kind
        if is_scalar and not recorder.setting("tensorboard_auto_group_scalars"):
            default = tag
        alone = is_scalar and recorder.setting("tensorboard_single_series_per_graph")
        title, series = split_tag(tag, default, most=1 if is_scalar or kind == HISTOGRAM else 3)
        part = series_of_add_scalars(folder, tag) if kind == SCALAR else None
        if part is not None:
            title, series = (f"{tag} {part}", series) if alone else (tag, part)
        other = self._owners.get((title, series), folder)
        if other != folder:
            for header in (_difference(folder, other), folder):
                found = _with_header(kind, title, series, header, alone=alone)
                if self._owners.get(found, folder) == folder:
                    break
            title, series = found
        self._owners[title, series] = folder
        return title, series

    def _other(
        self,
        recorder: Recorder,
        folder: str,
        kind: str | None,
        value: Any,  # noqa: ANN401
        event: Any,  # noqa: ANN401
    ) -> None:
        if kind == "image":
            self._image(recorder, folder, value.tag, event, value.image.encoded_image_string)
        elif kind == "histo":
            self._histogram(recorder, folder, value.tag, event, *_bars(value.histo))
        elif kind == "audio":
            ending = "." + (value.audio.content_type.rpartition("/")[2] or "wav")
            data = value.audio.encoded_audio_string
            self._media(recorder, folder, AUDIO, value.tag, event, data, ending)
        elif value.tag == _SESSION:
            if recorder.option("tensorboard", "report_hparams") is not False:
                recorder.parameters("TB_hparams", _parameters(value))
        elif kind == "tensor":
            self._tensor(recorder, folder, value, event)

    def _tensor(self, recorder: Recorder, folder: str, value: Any, event: Any) -> None:  # noqa: ANN401
        tag, tensor = value.tag, value.tensor
        plugin = value.metadata.plugin_data.plugin_name or self._plugins.get(tag, "")
        self._plugins[tag] = plugin
        if plugin == "text":
            for text in tensor.string_val:
                self._media(recorder, folder, TEXT, tag, event, text, ".txt")
        elif plugin == "images":  # the first two say its width and height
            for number, data in enumerate(tensor.string_val[2:]):
                name = tag if len(tensor.string_val) == 3 else f"{tag}/{number}"
                self._image(recorder, folder, name, event, data)
        elif plugin == "audio":
            data = tensor.string_val[0]
            self._media(recorder, folder, AUDIO, tag, event, data, ".wav")
        elif plugin == "pr_curves":
            self._curve(recorder, folder, value, event)
        elif plugin == "scalars":
            self._scalar(recorder, folder, tag, event, float(_array(tensor).reshape(-1)[0]))
        elif plugin == "histograms":
            rows = _array(tensor)
            if rows.size:
                edges = [*rows[:, 0].tolist(), float(rows[-1, 1])]
                self._histogram(recorder, folder, tag, event, rows[:, 2].tolist(), edges)
        elif plugin not in _UNSHOWN and plugin not in self._skipped:
            self._skipped.add(plugin)
            log.warning(
                "TensorBoard's %s values are not reported, such as %r; only the files of the "
                "writer have them", plugin or "tensor", tag,
            )  # fmt: skip

    def _image(self, recorder: Recorder, folder: str, tag: str, event: Any, data: bytes) -> None:  # noqa: ANN401
        line = self._line(recorder, folder, IMAGE, tag)
        if data.startswith(b"GIF8"):  # of add_video
            recorder.media(line.title, line.series, line.iteration(event.step), data, ".gif")
        else:
            recorder.image(line.title, line.series, line.iteration(event.step), data)

    def _media(
        self,
        recorder: Recorder,
        folder: str,
        kind: str,
        tag: str,
        event: Any,  # noqa: ANN401
        data: bytes,
        ending: str,
    ) -> None:
        line = self._line(recorder, folder, kind, tag)
        recorder.media(line.title, line.series, line.iteration(event.step), data, ending)

    def _histogram(
        self,
        recorder: Recorder,
        folder: str,
        tag: str,
        event: Any,  # noqa: ANN401
        heights: Sequence[float],
        edges: Sequence[float],
    ) -> None:
        line = self._line(recorder, folder, HISTOGRAM, tag)
        iteration = line.iteration(event.step)
        if is_kept(line.count - 1, _HISTOGRAMS):
            recorder.histogram(line.title, line.series, iteration, *even_bins(heights, edges))

    def _curve(self, recorder: Recorder, folder: str, value: Any, event: Any) -> None:  # noqa: ANN401
        line = self._line(recorder, folder, CURVE, value.tag)
        figure = curve_figure(line.series, _array(value.tensor))
        recorder.plotly(line.title, line.series, line.iteration(event.step), figure)


def _difference(folder: str, other: str) -> str:
    """Return the parts of a path that another does not have."""
    known = set(other.split("/"))
    return "/".join(part for part in folder.split("/") if part not in known)


def _with_header(
    kind: str, title: str, series: str, header: str, *, alone: bool
) -> tuple[str, str]:
    """Return title and series with what distinguishes the folder of a second writer."""
    if kind in (SCALAR, CURVE) and not alone:
        return title, f"{header}: {series}"
    if kind == HISTOGRAM:
        return title, f"{series} :{header}"
    return f"{title} {header}", series


def is_kept(number: int, first: int) -> bool:
    """Return True if the value of a number, from 0 on, is kept: ever fewer after the first ones."""
    stride = 1
    while number >= first * stride:
        stride *= 2
    return number % stride == 0


def _bars(histogram: Any) -> tuple[list[float], list[float]]:  # noqa: ANN401
    """Return heights and edges of a HistogramProto."""
    limits = list(histogram.bucket_limit)
    return list(histogram.bucket), board_edges(histogram.min, histogram.max, limits)


def _array(tensor: Any) -> Any:  # noqa: ANN401
    """Return the numbers of a TensorProto as an array of its shape."""
    import numpy as np

    shape = [each.size for each in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        numbers = np.frombuffer(tensor.tensor_content, np.dtype(_NUMBERS[tensor.dtype]))
    else:
        numbers = np.asarray(getattr(tensor, _NUMBER_LISTS[tensor.dtype]), float)
    return numbers.reshape(shape)


def _parameters(value: Any) -> dict[str, object]:  # noqa: ANN401
    """Return the hyperparameters of `add_hparams`; a whole number is an int."""
    is_x = type(value).__module__.startswith("tensorboardX")  # each has messages of its own
    place = "tensorboardX.proto.plugin_hparams_pb2" if is_x else _HPARAMS
    message = import_module(place).HParamsPluginData()
    message.ParseFromString(value.metadata.plugin_data.content)
    found: dict[str, object] = {}
    for name, each in message.session_start_info.hparams.items():
        given: Any = getattr(each, each.WhichOneof("kind") or "null_value")
        found[name] = int(given) if isinstance(given, float) and given.is_integer() else given
    return found
