"""What other libraries report by themselves, recorded on a task.

`start` has integrations report to a task, from `Task.init` on. That ends with the last task of the
process, when it is no longer current.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

from localreg import operations
from localreg.api import ambient
from localreg.api.tasks import monitoring, renewing
from localreg.api.tasks.saved_files import SavedFile, SavedFiles, final_path
from localreg.errors import InvalidValueError
from localreg.integrations.console import Lines
from localreg.plots.histogram_bars import bars_figure
from localreg.values.checks import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.api.tasks.logger import Logger
    from localreg.api.tasks.monitoring import Monitoring
    from localreg.api.tasks.renewing import Renewal
    from localreg.api.tasks.task import Task
    from localreg.integrations.command_line import CommandLine
    from localreg.integrations.resources import Monitor

    Kept = TypeVar("Kept")


def start(
    task: Task,
    frameworks: Mapping[str, object] | bool,
    streams: frozenset[str],
    log_limit: int,
    watched: Monitoring | None,
    command_line: CommandLine,
) -> None:
    """Have the libraries that the script imports, and what it prints, reported to a task.

    Args:
        task: it has just begun.
        frameworks, streams: as `check_frameworks` and `check_streams` return them.
        log_limit: characters of what is printed.
        watched: as `check_monitoring` returns it.
        command_line: what parsers report to.
    """
    from localreg.integrations import console, hook

    recorder = _TaskRecorder(task, frameworks, streams, log_limit)
    finish(task.id)  # it may have begun in this process already
    with ambient.patching():
        ambient.set_recorder(task.id, recorder)
        console.connect(hook.install(ambient.recorder, command_line).patches, streams)
    if operations.tasks.lifecycle.runs_here(task._registry, task.id):
        if watched is not None:
            recorder.monitor = monitoring.start(recorder, watched)
        recorder.renewal = renewing.start(task._own_chain(), task.id)


def finish(task_id: str) -> None:
    """Report what waits, such as the line that a script has not ended; the task is about to end."""
    recorder = ambient.recorder_of(task_id)
    if isinstance(recorder, _TaskRecorder) and recorder.process == os.getpid():
        recorder.finish()  # a fork has a copy of what waits in its parent


def records_logging(task_id: str) -> bool:
    """Return True if the log of a task gets what `logging` logs."""
    recorder = ambient.recorder_of(task_id)
    return isinstance(recorder, _TaskRecorder) and "logging" in recorder.streams


def check_frameworks(given: object) -> Mapping[str, object] | bool:
    """Return a checked `auto_connect_frameworks`; an empty dict is False, as in ClearML."""
    if isinstance(given, bool):
        return given
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given):
        raise InvalidValueError(
            "auto_connect_frameworks must be a bool, or a dict of names of frameworks, not "
            f"{shown(given)}",
            argument="auto_connect_frameworks",
        )
    for name, value in given.items():
        patterns = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(each, str | bool | Mapping) for each in patterns):
            raise InvalidValueError(
                f"auto_connect_frameworks[{name!r}] must be a bool, a pattern of file names, a "
                f"list of patterns or a dict of options, not {shown(value)}",
                argument="auto_connect_frameworks",
            )
    return dict(given) or False


def check_streams(given: object) -> frozenset[str]:
    """Return which streams are recorded, of a checked `auto_connect_streams`.

    A stream that a dict does not name is recorded; an empty dict is False, as in ClearML.
    """
    names = ("stdout", "stderr", "logging")
    if isinstance(given, bool):
        return frozenset(names if given else ())
    if not isinstance(given, Mapping) or not set(given) <= set(names):
        raise InvalidValueError(
            "auto_connect_streams must be a bool, or a dict of bools with the keys "
            f"{', '.join(names)}, not {shown(given)}",
            argument="auto_connect_streams",
        )
    return frozenset(each for each in names if given and given.get(each, True))


class _TaskRecorder:
    """Records on one task what integrations report: see `localreg.integrations.recorder`.

    Args:
        task: the task.
        frameworks, streams: as `check_frameworks` and `check_streams` return them.
        log_limit: characters of what is printed.
    """

    def __init__(
        self,
        task: Task,
        frameworks: Mapping[str, object] | bool,
        streams: frozenset[str],
        log_limit: int,
    ) -> None:
        self.process = os.getpid()
        self._task = task
        self._frameworks = frameworks
        self._saved = SavedFiles(task)
        self._points_to = task._points_to()  # scalars come by the hundred thousand
        self._kept: dict[type, object] = {}
        self.monitor: Monitor | None = None
        self.renewal: Renewal | None = None
        self.streams = streams
        self._log_limit = log_limit
        self._lines: dict[tuple[str, int], Lines] = {}  # what is printed, by stream and level

    def _logger(self) -> Logger:
        return self._task.get_logger()

    def stop(self) -> None:
        if self.process != os.getpid():  # a fork has no copy of its parent's threads
            return
        if self.monitor is not None:
            self.monitor.stop()
            self.monitor = None
        if self.renewal is not None:
            self.renewal.stop()
            self.renewal = None

    def wants(self, library: str, path: object = None) -> bool:
        if ambient.is_silenced(library):
            return False
        if isinstance(self._frameworks, bool):
            return self._frameworks
        value = self._frameworks.get(library, True)
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list | tuple):
            return bool(value) or isinstance(value, Mapping)
        if path is None:
            return True
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
        names = (str(text), os.path.abspath(text), os.path.basename(text))  # noqa: PTH100, PTH119
        return any(fnmatch(name, str(each)) for each in patterns for name in names)

    def option(self, library: str, name: str) -> object:
        value = None if isinstance(self._frameworks, bool) else self._frameworks.get(library)
        return value.get(name) if isinstance(value, Mapping) else None

    def setting(self, name: str) -> bool:
        return bool(ambient.logging_setting(name))

    def kept(self, kind: type[Kept]) -> Kept:
        found = self._kept.get(kind)
        if found is None:
            found = self._kept.setdefault(kind, kind())
        return found  # type: ignore[return-value]  # of the class that is the key

    def saved_model(
        self,
        library: str,
        path: object,
        *,
        framework: str | None = None,
        name: str | None = None,
        config: Mapping[str, object] | None = None,
        weights: object = None,
        files: Sequence[str] = (),
    ) -> None:
        place = _place(path)
        if place is not None and self.wants(library, final_path(place)):
            self._saved.saved(SavedFile(place, tuple(files), name, framework, config), weights)

    def loaded_model(
        self,
        library: str,
        path: object,
        *,
        framework: str | None = None,
        files: Sequence[str] = (),
    ) -> None:
        place = _place(path)
        if place is not None and self.wants(library, place):
            self._saved.loaded(place, tuple(files), framework)

    def deleted_model(self, library: str, path: object) -> None:
        if isinstance(path, str | os.PathLike) and self.wants(library, path):
            self._saved.deleted(str(os.path.abspath(os.fspath(path))))  # noqa: PTH100

    def scalar(
        self, title: str, series: str, value: float, iteration: int, *, at: float | None = None
    ) -> None:
        operations.reports.writing.report_scalar(
            *self._points_to, title, series, value, iteration, at=at
        )

    def histogram(
        self,
        title: str,
        series: str,
        iteration: int,
        heights: Sequence[float],
        edges: Sequence[float],
    ) -> None:
        self.plotly(title, series, iteration, bars_figure(series, heights, edges))

    def image(self, title: str, series: str, iteration: int, picture: object) -> None:
        if isinstance(picture, bytes):
            self.media(title, series, iteration, picture, ".png")
        else:
            self._logger().report_image(title, series, iteration, image=picture)

    def media(self, title: str, series: str, iteration: int, data: bytes, ending: str) -> None:
        import io

        self._logger().report_media(
            title, series, iteration, stream=io.BytesIO(data), file_extension=ending
        )

    def plotly(self, title: str, series: str, iteration: int, figure: object) -> None:
        self._logger().report_plotly(title, series, figure, iteration)

    def console(self, stream: str, text: str, level: int) -> None:
        if stream not in self.streams or ambient.is_reported():
            return
        lines = self._lines.get((stream, level))
        if lines is None:
            lines = self._lines[stream, level] = Lines()
        self._print(lines.add(text, time.monotonic()), level)

    def _print(self, lines: Sequence[str], level: int) -> None:
        if lines:
            operations.reports.writing.report_printed(
                *self._task._reports_to(), lines, level, self._log_limit
            )

    def finish(self) -> None:
        self.stop()
        self._saved.finish()
        for (_, level), lines in self._lines.items():
            self._print(lines.rest(), level)

    def parameters(self, section: str, values: Mapping[str, object]) -> dict[str, object]:
        return self._task._take_parameters(section, values)

    def is_run_again(self) -> bool:
        return self._task._is_run_again()

    def last_iteration(self) -> int:
        return self._task.get_last_iteration()


def _place(path: object) -> str | None:
    """Return the absolute path of what is there, or None: it may be anything."""
    name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", None)
    if not isinstance(name, str | os.PathLike):
        return None
    given = os.fspath(name)
    text = os.path.abspath(given) if given else ""  # noqa: PTH100
    return str(text) if os.path.exists(text) else None  # noqa: PTH110
