"""`Logger`: reports to a task, with the methods of ClearML's `Logger`."""

from __future__ import annotations

from contextlib import contextmanager

from localreg import operations
from localreg.api import ambient
from localreg.api.models.input_model import InputModel
from localreg.api.reports.report_methods import ReportMethods
from localreg.api.reports.reported_methods import ReportedMethods
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from logging import LogRecord
    from typing import BinaryIO

    from localreg.plots.line_series import SeriesInfo
    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import Owner

_HISTORY = "debug_sample_history"
INFO = 20  # logging.INFO; importing logging would cost time


class Logger(ReportMethods, ReportedMethods):
    """Reports to one task; from `Logger.current_logger()` or `task.get_logger()`.

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
        return f"Logger({getattr(self, '_task', 'no task')!r})"  # unset if the constructor raised

    def _points_to(self) -> tuple[Chain, str, str]:
        return self._task._points_to()

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        return self._task._owned()

    @classmethod
    def current_logger(cls) -> Logger | None:
        """Return the logger of the current task, or None without one."""
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
        """Do nothing: reports are written to disk within a second."""

    def get_flush_period(self) -> float:
        """Return the longest time in seconds before a report is written to disk."""
        return 1.0

    def set_default_upload_destination(self, uri: str) -> None:
        """Do nothing: reported images and files stay in the registry."""

    def get_default_upload_destination(self) -> str:
        """Return the ``file://`` URL of the registry, where reported images and files stay."""
        return self._task._registry.root.as_uri()

    def set_default_debug_sample_history(self, max_history: int) -> None:
        """Set how many iterations of each image and file are kept, if the report does not say.

        It counts for all loggers of this process.

        Raises:
            InvalidValueError: (a ValueError) it is not a whole number above 0, or -1 for all.
        """
        from localreg.plots.options import check_history

        ambient.set_logging(_HISTORY, check_history("max_history", max_history) or -1)

    def get_default_debug_sample_history(self) -> int:
        """Return how many iterations of each image and file are kept; -1 for all."""
        return ambient.logging_setting(_HISTORY) or -1

    def _history(self, given: object) -> object:
        return self.get_default_debug_sample_history() if given is None else given

    @classmethod
    def set_reporting_nan_value(cls, value: float, warn_period: int = 1000) -> None:
        """Do nothing: NaN stays NaN, and is drawn as a gap."""

    @classmethod
    def set_reporting_inf_value(cls, value: float, warn_period: int = 1000) -> None:
        """Do nothing: infinities stay what they are, and are drawn as gaps."""

    @contextmanager
    def capture_logging(self) -> Iterator[None]:
        """Add what `logging` logs in a ``with`` block to the task's log.

        It is there already, unless `Task.init` was called with ``auto_connect_streams=False``.
        """
        import logging

        from localreg.api.tasks import recording

        handler = logging.Handler()
        handler.emit = self._add_record  # type: ignore[method-assign]  # it calls this
        root = logging.getLogger()
        if not recording.records_logging(self._task.id):
            root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)

    def _add_record(self, record: LogRecord) -> None:
        self.report_text(record.getMessage(), record.levelno, print_console=False)

    def report_image_and_upload(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        path: str | os.PathLike[str] | None = None,
        matrix: object = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
    ) -> None:
        """Report an image; see `report_image`, whose `local_path` is called `path` here."""
        self.report_image(
            title,
            series,
            iteration,
            local_path=path,
            image=matrix,
            max_image_history=max_image_history,
            delete_after_upload=delete_after_upload,
        )

    @classmethod
    def tensorboard_auto_group_scalars(cls, group_scalars: bool = False) -> None:
        """Choose the chart of TensorBoard's scalars whose tag has no "/".

        Args:
            group_scalars: True for one chart "Scalars"; False for one of each, named by the tag.

        Source: ``Logger.tensorboard_auto_group_scalars`` of the ClearML SDK.
        """
        ambient.set_logging(
            "tensorboard_auto_group_scalars", check_flag("group_scalars", group_scalars)
        )

    @classmethod
    def tensorboard_single_series_per_graph(cls, single_series: bool = False) -> None:
        """Choose where the scalars of TensorBoard's writers with the same tags are shown.

        Args:
            single_series: True for a chart of each writer; False for one chart with a series each.

        Source: ``Logger.tensorboard_single_series_per_graph`` of the ClearML SDK.
        """
        ambient.set_logging(
            "tensorboard_single_series_per_graph", check_flag("single_series", single_series)
        )

    @classmethod
    def matplotlib_force_report_non_interactive(cls, force: bool) -> None:
        """Choose how matplotlib's figures are reported.

        Args:
            force: True for pictures only; False, the default, for figures that can be zoomed where
                that loses nothing.

        Source: ``Logger.matplotlib_force_report_non_interactive`` of the ClearML SDK.
        """
        ambient.set_logging("matplotlib_force_report_non_interactive", check_flag("force", force))

    def report_text(
        self, msg: str, level: int = INFO, print_console: bool = True, *args: object, **_: object
    ) -> None:
        """Report a line of the task's log.

        Args:
            msg: one or more lines.
            level: as in `logging`: 20 is INFO.
            print_console: also print it.
            args: ignored, as are other names.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be stored.

        Source: ``Logger.report_text`` of the ClearML SDK.
        """
        chain, owner = self._reports_to()
        operations.reports.writing.report_text(chain, owner, msg, level)
        if check_flag("print_console", print_console):
            with ambient.reported():
                print(msg)  # noqa: T201  (as asked for)

    def report_table(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        table_plot: object = None,
        csv: str | os.PathLike[str] | None = None,
        url: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
        extra_data: Mapping[str, object] | None = None,
    ) -> None:
        """Report a table; see `Model.report_table`.

        Source: ``Logger.report_table`` of the ClearML SDK.
        """
        super().report_table(
            title, series, iteration, table_plot, csv, url, extra_layout, extra_data=extra_data
        )

    def report_plotly(
        self, title: str, series: str, figure: object, iteration: int | None = None
    ) -> None:
        """Report a finished Plotly figure.

        Args:
            title, series, iteration: identify the report; a later one replaces it.
            figure: a `plotly.graph_objects.Figure`, or its dict with ``data`` and ``layout``.

        Raises:
            InvalidValueError: (a ValueError) it is not a figure.

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
        """Report an image; give exactly one of `local_path`, `image`, `matrix` and `url`.

        Args:
            title, series, iteration: identify the report; a later one replaces it.
            local_path: an image file; its bytes are stored.
            image: an array of shape (height, width), (height, width, 3) or (height, width, 4):
                uint8, or floats from 0 to 1; or a PIL image.
            matrix: an old name of `image`.
            max_image_history: how many iterations to keep; -1 for all, None for the default.
            delete_after_upload: delete the file at `local_path` when it is stored.
            url: of an image elsewhere, which is recorded as a link; nothing is downloaded.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be stored.
            SourceNotFoundError: the file does not exist.

        Source: ``Logger.report_image`` of the ClearML SDK.
        """
        from localreg.plots.options import check_history

        keep = check_history("max_image_history", self._history(max_image_history))
        given = {"local_path": local_path, "image": image, "matrix": matrix, "url": url}
        chain, owner = self._reports_to()
        link = operations.reports.media.link_of(given)
        if link is not None:
            operations.reports.writing.report_link(
                chain, owner, title, series, iteration, link, keep=keep
            )
            return
        source = operations.reports.media.picture_of(
            chain, given, move=check_flag("delete_after_upload", delete_after_upload)
        )
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
        """Report a file: an image, audio, video or anything else.

        Args:
            title, series, iteration: identify the report; a later one replaces it.
            local_path: the file; its bytes are stored.
            stream: an open binary file, or an `io.StringIO`.
            file_extension: of the content of `stream`, such as ".html".
            max_history: how many iterations to keep; -1 for all, None for the default.
            delete_after_upload: delete the file at `local_path` when it is stored.
            url: of a file elsewhere, which is recorded as a link; nothing is downloaded.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be stored.
            SourceNotFoundError: the file does not exist.

        Source: ``Logger.report_media`` of the ClearML SDK.
        """
        from localreg.plots.options import check_history

        keep = check_history("max_history", self._history(max_history))
        given = {"local_path": local_path, "stream": stream, "url": url}
        chain, owner = self._reports_to()
        link = operations.reports.media.link_of(given)
        if link is not None:
            operations.reports.writing.report_link(
                chain, owner, title, series, iteration, link, keep=keep
            )
            return
        source = operations.reports.media.file_of(
            chain,
            given,
            ending=file_extension,
            move=check_flag("delete_after_upload", delete_after_upload),
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
        """Report a matplotlib figure, as one that can be zoomed if that loses nothing.

        So it is with lines, points, bars and histograms in one pair of axes. Everything else is
        a picture. Afterwards `plt.show` and `savefig` do not report this figure by themselves.

        Args:
            title, series, iteration: identify the report; a later one replaces it.
            figure: a `matplotlib.figure.Figure`, or `matplotlib.pyplot` for the current one.
            report_image: True for a picture.
            report_interactive: False for a picture.

        Raises:
            InvalidValueError: (a ValueError) it is not a matplotlib figure.

        Source: ``Logger.report_matplotlib_figure`` of the ClearML SDK.
        """
        from localreg.plots import drawings, matplotlib_figures

        drawn = operations.reports.media.figure_of(figure)
        is_picture = (
            check_flag("report_image", report_image)
            or not check_flag("report_interactive", report_interactive)
            or ambient.logging_setting("matplotlib_force_report_non_interactive")
        )
        plotly = None if is_picture else matplotlib_figures.interactive(drawn)
        matplotlib_figures.mark_reported(drawn)
        if plotly is not None:
            self._report(title, series, iteration, drawings.plotly(plotly))
            return
        chain, owner = self._reports_to()
        source = operations.reports.media.drawn_by_matplotlib(drawn)
        operations.reports.writing.report_file(
            chain, owner, title, series, iteration, source, keep=None
        )
