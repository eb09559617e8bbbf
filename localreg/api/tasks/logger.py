"""`Logger`: reporting to a task, under the names that ClearML scripts use."""

from __future__ import annotations

from localreg import operations
from localreg.api.models.input_model import InputModel
from localreg.api.reports.report_methods import ReportMethods
from localreg.api.reports.reported_methods import ReportedMethods
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import BinaryIO

    from localreg.plots.line_series import SeriesInfo
    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import Owner

INFO = 20  # logging.INFO; importing logging would cost time


class Logger(ReportMethods, ReportedMethods):
    """Reports to one task. `Logger.current_logger()` and `task.get_logger()` give one.

    Args:
        task: a `Task`.

    >>> task = Task.init(project_name="vision", task_name="train")
    >>> Logger.current_logger().report_text("epoch 1 is done", print_console=False)
    >>> Logger.current_logger().report_single_value("accuracy", 0.97)
    >>> task.get_reported_single_values()
    {'accuracy': 0.97}
    >>> task.close()

    Source: ClearML's ``Logger``; ``Logger.import_model`` is named by the InputModel page, where
    ClearML has ``InputModel.import_model``.
    """

    __slots__ = ("_task",)

    import_model = InputModel.import_model

    def __init__(self, task: TaskHandle) -> None:
        if not isinstance(task, TaskHandle):
            raise InvalidValueError(
                f"task must be a Task, not {type(task).__name__}", argument="task"
            )
        self._task = task

    def __repr__(self) -> str:
        return f"Logger({self._task!r})"

    def _reports_to(self) -> tuple[Chain, Owner]:
        return self._task._reports_to()

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        return self._task._owned()

    @classmethod
    def current_logger(cls) -> Logger | None:
        """Return the logger of the current task, or None when there is no current task."""
        task = TaskHandle._current()
        return None if task is None else cls(task)

    @classmethod
    def SeriesInfo(  # noqa: N802  (ClearML's name)
        cls, name: str, data: object, labels: Sequence[str] | None = None
    ) -> SeriesInfo:
        """Return one line for `report_line_plot`; see `localreg.utilities.plotly_reporter`."""
        from localreg.plots.line_series import SeriesInfo

        return SeriesInfo(name, data, labels)

    def set_flush_period(self, period: float) -> None:
        """Do nothing: what is reported is on disk a second later at most."""

    def get_flush_period(self) -> float:
        """Return how many seconds a reported point waits at most."""
        return 1.0

    def set_default_upload_destination(self, uri: str) -> None:
        """Do nothing: pictures and files that are reported stay in the registry."""

    def set_default_debug_sample_history(self, max_history: int) -> None:
        """Do nothing: `report_image` takes ``max_image_history`` each time."""

    def report_text(self, msg: str, level: int = INFO, print_console: bool = True) -> None:
        """Report a line of the task's log.

        Args:
            msg: the line, or several.
            level: as in `logging`: 20 is INFO.
            print_console: also print it.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept.

        Source: ``Logger.report_text`` of the ClearML SDK.
        """
        chain, owner = self._reports_to()
        operations.reports.writing.report_text(chain, owner, msg, level)
        if print_console:
            print(msg)  # noqa: T201  (that is what it is for)

    def report_plotly(
        self, title: str, series: str, figure: object, iteration: int | None = None
    ) -> None:
        """Report a finished Plotly figure.

        Args:
            title, series, iteration: what it is known by.
            figure: a `plotly.graph_objects.Figure`, or its dict with ``data`` and ``layout``.

        Raises:
            InvalidValueError: (a ValueError) it is no figure.

        Source: ``Logger.report_plotly`` of the ClearML SDK.
        """
        from localreg.plots import drawings

        self._report(title, series, iteration, drawings.plotly(figure))

    def report_image(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        local_path: str | os.PathLike[str] | None = None,
        image: object = None,
        matrix: object = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
        url: str | None = None,
    ) -> None:
        """Report a picture; give exactly one of `local_path`, `image`, `matrix` and `url`.

        Args:
            title, series, iteration: what it is known by.
            local_path: a picture file; its bytes are kept.
            image: an array of shape (height, width), (height, width, 3) or (height, width, 4):
                bytes, or floats from 0 to 1; or a PIL image.
            matrix: an older name of `image`.
            max_image_history: keep only so many iterations; None or -1 for all.
            delete_after_upload: delete the file at `local_path` once its bytes are kept.
            url: where there is a picture; it is downloaded and kept.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept.
            SourceNotFoundError: there is no such file.

        Source: ``Logger.report_image`` of the ClearML SDK.
        """
        from localreg.plots.options import check_history

        keep = check_history("max_image_history", max_image_history)
        given = {"local_path": local_path, "image": image, "matrix": matrix, "url": url}
        chain, owner = self._reports_to()
        source = operations.reports.media.picture_of(chain, given, move=bool(delete_after_upload))
        operations.reports.writing.report_file(
            chain, owner, title, series, iteration, source, keep=keep
        )

    def report_media(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        local_path: str | os.PathLike[str] | None = None,
        stream: BinaryIO | None = None,
        file_extension: str | None = None,
        max_history: int | None = None,
        delete_after_upload: bool = False,
        url: str | None = None,
    ) -> None:
        """Report a file: a picture, sound, film or anything else.

        Args:
            title, series, iteration: what it is known by.
            local_path: the file; its bytes are kept.
            stream: an open binary file, or an `io.StringIO`.
            file_extension: of what `stream` gives, such as ".html".
            max_history: keep only so many iterations; None or -1 for all.
            delete_after_upload: delete the file at `local_path` once its bytes are kept.
            url: where there is a file; it is downloaded and kept.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept.
            SourceNotFoundError: there is no such file.

        Source: ``Logger.report_media`` of the ClearML SDK.
        """
        from localreg.plots.options import check_history

        keep = check_history("max_history", max_history)
        given = {"local_path": local_path, "stream": stream, "url": url}
        chain, owner = self._reports_to()
        source = operations.reports.media.file_of(
            chain, given, ending=file_extension, move=bool(delete_after_upload)
        )
        operations.reports.writing.report_file(
            chain, owner, title, series, iteration, source, keep=keep
        )

    def report_matplotlib_figure(
        self,
        title: str,
        series: str,
        figure: object,
        iteration: int | None = None,
        report_image: bool = False,
        report_interactive: bool = True,
    ) -> None:
        """Report a matplotlib figure, as the picture that it draws.

        Args:
            title, series, iteration: what it is known by.
            figure: a `matplotlib.figure.Figure`, or `matplotlib.pyplot` for the current one.
            report_image, report_interactive: mean nothing here: it is a picture always.

        Raises:
            InvalidValueError: (a ValueError) it is no such figure.

        Source: ``Logger.report_matplotlib_figure`` of the ClearML SDK.
        """
        chain, owner = self._reports_to()
        source = operations.reports.media.drawn_by_matplotlib(figure)
        operations.reports.writing.report_file(
            chain, owner, title, series, iteration, source, keep=None
        )
