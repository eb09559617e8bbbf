"""What was reported in a ClearML offline session: metrics.jsonl and log.jsonl, read once.

Both may be large. Scalars are held in arrays, 24 bytes for a point; plots and lines of the log go
to temporary files, in the frames of `report_transfer`. So the transaction that writes them reads
nothing else.
"""

from __future__ import annotations

import json
import logging
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.session_files import (
    LOG,
    METRICS,
    SessionFile,
    SessionFiles,
    broken,
)
from localreg.operations.reports.writing import link_spec, media_spec, packed_drawing
from localreg.plots import drawings
from localreg.plots.options import check_iteration, check_series, check_title
from localreg.store.rows import report_transfer
from localreg.values.checks import check_text, shown
from localreg.values.clearml_task import plain_id
from localreg.values.frozen import Frozen
from localreg.values.printed import visible
from localreg.values.urls import is_remote, is_stored_url, safe_filename, without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json, Owner

_SINGLE = -(2**31)  # the iteration of a value without iterations
_LONGEST = 1_000_000  # characters of a line of a log
_LATEST = 253_402_300_799_000  # milliseconds: the end of the year 9999
_LEVELS = logging.getLevelNamesMapping()
_PIECE = 1 << 20

Place = tuple[str, str, int]  # title, series, iteration


class Media(Frozen):
    """A picture or another file that was reported: its file, and when, in microseconds."""

    path: Path
    filename: str
    at: int


class Link(Frozen):
    """A picture or file whose bytes the session does not have: it says where they are."""

    place: Place
    url: str


class Reports:
    """What was reported to one task or model.

    Attributes:
        media: files by the place of their plot.
        links: files that are elsewhere.
        first, last: times of the first and the last report, in microseconds; None without any.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.media: dict[Place, Media] = {}
        self.links: list[Link] = []
        self.first: int | None = None
        self.last: int | None = None
        self._scalars: dict[tuple[str, str], tuple[array[int], array[float], array[int]]] = {}
        self._singles: dict[str, tuple[float, int]] = {}
        self._plots = folder / f"plots-{number}"
        self._lines = folder / f"log-{number}"
        self._has_lines = False

    def note_time(self, at: int) -> None:
        """Note a time in microseconds."""
        self.first = at if self.first is None else min(at, self.first)
        self.last = at if self.last is None else max(at, self.last)

    def add_point(self, title: str, name: str, step: int, value: float, ms: int) -> None:
        """Add a point of a series."""
        held = self._scalars.get((title, name))
        if held is None:
            held = self._scalars[title, name] = (array("q"), array("d"), array("q"))
        held[0].append(step)
        held[1].append(value)
        held[2].append(ms)

    def add_single(self, name: str, value: float, at: int) -> None:
        """Add a value without iterations."""
        self._singles[name] = value, at

    def add_plot(self, place: Place, drawing: drawings.Drawing, at: int) -> None:
        """Add a plot."""
        self.add_drawn(place, packed_drawing(drawing), at)

    def add_drawn(
        self, place: Place, packed: tuple[str, str, bytes | None, bytes | None], at: int
    ) -> None:
        """Add a plot as it is stored: kind, specification, data, and thinned data."""
        with open(self._plots, "ab") as writer:
            for piece in report_transfer.plot_frames(place, packed, None, at):
                writer.write(piece)

    def add_lines(self, rows: Iterator[tuple[int, int, int, str]]) -> None:
        """Add lines of the log: stamp, time, level and text; call it once."""
        with open(self._lines, "wb") as writer:
            for piece in report_transfer.log_frames(rows):
                writer.write(piece)
                self._has_lines = True

    def is_empty(self) -> bool:
        """Return True if nothing was reported."""
        return self.last is None

    def stream(self, blobs: Mapping[Path, tuple[str, int]]) -> Iterator[bytes]:
        """Yield all of it as a stream of reports.

        Args:
            blobs: digest and size of the files of media that came.
        """
        yield report_transfer.BEGIN
        for (title, name), (steps, values, times) in sorted(self._scalars.items()):
            yield from report_transfer.points_frames(title, name, *_last_ones(steps, values, times))
        singles = ((name, *held) for name, held in sorted(self._singles.items()))
        yield from report_transfer.singles_frames(singles)
        yield from _pieces(self._plots)
        for place, media in self.media.items():
            drawing = ("media", media_spec(media.filename), None, None)
            yield from report_transfer.plot_frames(place, drawing, blobs[media.path], media.at)
        if self._has_lines:
            yield from _pieces(self._lines)
        if self.last is not None:
            yield report_transfer.last_frame(self.last)
        yield report_transfer.END


def _pieces(path: Path) -> Iterator[bytes]:
    if path.exists():
        with open(path, "rb", buffering=0) as reader:
            while piece := reader.read(_PIECE):
                yield piece


def _last_ones(
    steps: array[int], values: array[float], times: array[int]
) -> tuple[list[int], list[float], list[int]]:
    """Return points sorted by their iteration; of several the last that was reported."""
    import numpy as np

    found = np.array(steps)[::-1]
    _, first = np.unique(found, return_index=True)
    chosen = len(found) - 1 - first
    return (
        np.array(steps)[chosen].tolist(),
        np.array(values)[chosen].tolist(),
        np.array(times)[chosen].tolist(),
    )


class Read(Frozen):
    """What a session reported.

    Attributes:
        by_owner: by owner: the task, and its models.
        ignored: how many events were not taken, by the reason.
        worker: the machine that it ran on, if a line of the log says it.
    """

    by_owner: Mapping[Owner, Reports]
    ignored: Mapping[str, int]
    worker: str | None


def read_reports(
    files: SessionFiles,
    owners: Mapping[str, Owner],
    folder: Path,
    *,
    root: str = "",
    offset: int = 0,
) -> Read:
    """Read what a session reported.

    Args:
        owners: the task and the models, by the ids that the session gives them.
        folder: an empty folder for temporary files.
        root: the folder of the session on its machine.
        offset: what is added to iterations.

    Raises:
        SessionError: a line is not what ClearML writes.
    """
    found = {
        owner: Reports(folder, number)
        for number, owner in enumerate(dict.fromkeys(owners.values()))
    }
    reading = _Reading(
        files, {given: found[owner] for given, owner in owners.items()}, root, offset
    )
    reading.metrics()
    task = next(iter(owners.values()))
    found[task].add_lines(reading.lines(found[task]))
    return Read(found, reading.ignored, reading.worker)


class _Reading:
    """One pass over the files of a session."""

    def __init__(
        self, files: SessionFiles, reports: Mapping[str, Reports], root: str, offset: int
    ) -> None:
        self._files = files
        self._reports = reports
        self._root = root
        self._offset = offset
        self._place = (METRICS, 0)
        # The file of a picture: ClearML uses its name again after some iterations.
        self._shown: dict[Path, tuple[Reports, Place]] = {}
        self._ids = {plain_id(given): given for given in reports}
        self.ignored: Counter[str] = Counter()
        self.worker: str | None = None

    def metrics(self) -> None:
        """Read metrics.jsonl."""
        takers: dict[object, Callable[[Reports, Json], None]] = {
            "training_stats_scalar": self._scalar,
            "training_stats_vector": self._vector,
            "plot": self._plot,
            "training_debug_image": self._media,
        }
        for event in self._events(METRICS):
            kind = event.get("type")
            taker = takers.get(kind) if isinstance(kind, str) else None
            reports = self._owner(event)
            if taker is None:
                self.ignored[f"events of the kind {shown(kind)}"] += 1
            elif reports is None:
                self.ignored["reports to models that the session does not have"] += 1
            else:
                try:
                    taker(reports, event)
                except InvalidValueError as error:
                    raise broken(*self._place, f"cannot be kept: {error}") from error

    def lines(self, reports: Reports) -> Iterator[tuple[int, int, int, str]]:
        """Read log.jsonl: yield the lines of the console. Their stamps keep their order."""
        stamp = 0
        for event in self._events(LOG):
            at = self._ms(event) * 1_000
            reports.note_time(at)
            worker, level = event.get("worker"), event.get("level")
            if self.worker is None and isinstance(worker, str) and worker.isprintable():
                self.worker = worker[:200]
            number = _LEVELS.get(level.upper(), logging.INFO) if isinstance(level, str) else 20
            text = event.get("msg")
            if not isinstance(text, str):
                raise self._wrong("msg", "text", text)
            for line in text.removesuffix("\n").split("\n"):
                shown_line = visible(line)  # of a progress bar its end
                try:
                    check_text("msg", shown_line[:_LONGEST])
                except InvalidValueError as error:
                    raise broken(*self._place, f"cannot be kept: {error}") from error
                stamp = max(at, stamp + 1)
                yield stamp, at, number, shown_line[:_LONGEST]

    def _events(self, name: str) -> Iterator[Json]:
        for number, found in self._files.lines(name):
            self._place = (name, number)
            if not isinstance(found, list):
                raise broken(name, number, f"must be a list of events, not {shown(found)}")
            for event in found:
                if not isinstance(event, dict):
                    raise broken(name, number, f"has an event that is {shown(event)}")
                yield event

    def _wrong(self, member: str, wanted: str, found: object) -> Exception:
        return broken(
            *self._place, f"has an event whose {member} must be {wanted}, not {shown(found)}"
        )

    def _owner(self, event: Json) -> Reports | None:
        given = event.get("task")
        if not isinstance(given, str):
            raise self._wrong("task", "text", given)
        found = self._reports.get(given)
        if found is None:
            found = self._reports.get(self._ids.get(plain_id(given) or "", ""))
        return found

    def _ms(self, event: Json) -> int:
        found = event.get("timestamp")
        if type(found) is float and found.is_integer():
            found = int(found)
        if type(found) is not int or not 0 <= found <= _LATEST:
            raise self._wrong("timestamp", "milliseconds since 1970", found)
        return found

    def _key(self, event: Json) -> tuple[str, str]:
        title, series = event.get("metric"), event.get("variant")
        return check_title("metric", title), check_series("" if series is None else series)

    def _iteration(self, event: Json) -> int:
        found = event.get("iter")
        step = check_iteration(found if type(found) is not bool else "bool")
        return step if step == _SINGLE else check_iteration(step + self._offset)

    def _scalar(self, reports: Reports, event: Json) -> None:
        title, series = self._key(event)
        value, ms, step = event.get("value"), self._ms(event), self._iteration(event)
        number = math.nan if value is None else value
        if type(number) not in (int, float) or (abs(number) > 1.7e308 and type(number) is int):
            raise self._wrong("value", "a number", value)
        reports.note_time(ms * 1_000)
        if step == _SINGLE:
            reports.add_single(check_title("variant", series), float(number), ms * 1_000)
        else:
            reports.add_point(title, series, step, float(number), ms)

    def _vector(self, reports: Reports, event: Json) -> None:
        title, series = self._key(event)
        drawing = drawings.bars(
            "vector", event.get("values"), series=series, labels=None, xlabels=None, xaxis=None,
            yaxis=None, mode=None, data_args=None, extra_layout=None,
        )  # fmt: skip
        at = self._ms(event) * 1_000
        reports.note_time(at)
        reports.add_plot((title, series, self._plot_step(event)), drawing, at)

    def _plot_step(self, event: Json) -> int:
        step = self._iteration(event)
        return 0 if step == _SINGLE else step

    def _plot(self, reports: Reports, event: Json) -> None:
        text = event.get("plot_str")
        try:
            figure = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            figure = None
        if not isinstance(figure, dict):
            raise self._wrong("plot_str", "the JSON of a figure", text)
        place = (*self._key(event), self._plot_step(event))
        at = self._ms(event) * 1_000
        reports.note_time(at)
        layout = figure.get("layout")
        images = layout.get("images") if isinstance(layout, dict) else None
        if isinstance(layout, dict) and isinstance(images, list) and images:
            if not figure.get("data") and len(images) == 1 and self._is_picture(images[0]):
                # A figure of matplotlib that was not converted: only its picture.
                self._note_media(reports, place, images[0]["source"], at)
                return
            kept = [each for each in images if not self._is_picture(each)]
            if len(kept) < len(images):
                self.ignored["pictures inside of plots"] += len(images) - len(kept)
            figure = figure | {"layout": {**layout, "images": kept}}
        reports.add_plot(place, drawings.plotly({"data": [], **figure}), at)

    @staticmethod
    def _is_picture(image: object) -> bool:
        """Return True if an image of a figure is a file of the session, or of its machine."""
        source = image.get("source") if isinstance(image, dict) else None
        return isinstance(source, str) and not source.startswith(("data:", "http:", "https:"))

    def _media(self, reports: Reports, event: Json) -> None:
        place = (*self._key(event), self._plot_step(event))
        at = self._ms(event) * 1_000
        reports.note_time(at)
        key, url = event.get("key"), event.get("url")
        for member, value in (("key", key), ("url", url)):
            if value is not None and not isinstance(value, str):
                raise self._wrong(member, "text", value)
        local = self._files.find(f"data/{key}") if key else None
        if local is None:
            self._note_link(reports, place, str(url or key or ""), at)
        else:
            self._note_file(reports, place, local, at)

    def _note_media(self, reports: Reports, place: Place, source: str, at: int) -> None:
        local = self._files.find_path(source, self._root)
        if local is None:
            self._note_link(reports, place, source, at)
        else:
            self._note_file(reports, place, local, at)

    def _note_file(self, reports: Reports, place: Place, local: SessionFile, at: int) -> None:
        earlier = self._shown.get(local.path)
        if earlier is not None:
            earlier[0].media.pop(earlier[1], None)  # its bytes were replaced by these
        self._shown[local.path] = reports, place
        reports.media[place] = Media(local.path, safe_filename(local.name) or "media", at)

    def _note_link(self, reports: Reports, place: Place, url: str, at: int) -> None:
        text = check_text("url", url, nul=False)
        reports.links.append(Link(place, text))
        if is_remote(text) and is_stored_url(text):
            reports.add_drawn(place, ("media", link_spec(text), None, None), at)
        else:  # it was on the machine of the session
            table = drawings.table((["path"], [[without_secrets(text)]]), extra_layout=None)
            reports.add_plot(place, table, at)
