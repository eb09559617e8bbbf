"""The `report_*` methods of models, tasks and loggers: scalars, single values and plots."""

from __future__ import annotations

from localreg import operations, plots
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from localreg.plots.drawings import Drawing
    from localreg.registry import Chain


class ReportMethods:
    """Reports scalars, values and plots to one model or task; a base of `Model`, `Task`, `Logger`.

    Arguments are checked in the call. Scalars are on disk at most a second later, everything
    else when the call returns. A report with the same title, series and iteration replaces the
    earlier one. NaN and infinities are stored, and drawn as gaps.

    These arguments mean the same in every method:

        title: the name of the chart, up to 1,024 characters.
        series: the name of the series in the chart, up to 1,024 characters.
        iteration: a whole number, such as the step or epoch; None means 0.
        xaxis, yaxis, zaxis: titles of the axes.
        comment: a text below the title.
        extra_layout: a dict that is merged into Plotly's layout, see
            https://plotly.com/javascript/reference/layout/.

    Arguments that hold numbers take a numpy array, nested lists, a pandas or polars object, a
    tensor, or anything else with ``__array__``.

    Source: the ``report_*`` entries of the InputModel page.
    """

    __slots__ = ()

    def _points_to(self) -> tuple[Chain, str, str]:
        """Return the chain whose first registry has the owner of the reports, its kind, its id.

        Making an `Owner` would take a sixth of the time of reporting a point.
        """
        raise AssertionError("a subclass defines this")

    def _reports_to(self) -> tuple[Chain, Owner]:
        """Return the owner of the reports and the chain whose first registry has it."""
        chain, kind, owner_id = self._points_to()
        return chain, Owner(kind, owner_id)

    def _report(self, title: object, series: object, iteration: object, drawing: Drawing) -> None:
        chain, owner = self._reports_to()
        operations.reports.writing.report_plot(chain, owner, title, series, iteration, drawing)

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point of a scalar series.

        The point waits in memory for up to a second; `flush` writes it at once.

        Args:
            title: the chart. All series of one title share it.
            series: the line.
            value: a number, or anything that float() accepts.
            iteration: the position on the x axis.

        >>> model = InputModel.import_model("s3://bucket/a.pt", name="a")
        >>> for step in range(3):
        ...     model.report_scalar("loss", "train", 1 / (step + 1), step)
        >>> model.get_reported_scalars()["loss"]["train"]["x"]
        [0, 1, 2]

        Source: ``report_scalar`` of the InputModel page.
        """
        operations.reports.writing.report_scalar(
            *self._points_to(), title, series, value, iteration
        )

    def report_single_value(self, name: str, value: float) -> None:
        """Report one value without iterations, such as the final accuracy.

        Args:
            name: the name of the value; a second value of this name replaces the first.
            value: a number, or anything that float() accepts.

        Source: ``report_single_value`` of the InputModel page.
        """
        chain, owner = self._reports_to()
        operations.reports.writing.report_single(chain, owner, name, value)

    def report_histogram(
        self,
        title: str,
        series: str,
        values: object,
        iteration: int | None = None,
        labels: Sequence[str] | None = None,
        xlabels: Sequence[str] | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        mode: str | None = None,
        data_args: Mapping[str, object] | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a histogram that you computed; it is drawn as bars.

        Args:
            title, series, iteration, xaxis, yaxis, extra_layout: see the class.
            values: heights of the bars, of shape (bars,) or (rows, bars); a row is one series.
            labels: one for each row, for the legend.
            xlabels: one for each bar of a row.
            mode: how the rows share a place: "group" (also for None), "stack" or "relative".
            data_args: options of Plotly for each row, see
                https://plotly.com/javascript/reference/bar/.

        Source: ``report_histogram`` of the InputModel page.
        """
        drawing = plots.drawings.bars(
            "histogram",
            values,
            series=series,
            labels=labels,
            xlabels=xlabels,
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
            data_args=data_args,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)

    def report_vector(
        self,
        title: str,
        series: str,
        values: object,
        iteration: int | None = None,
        labels: Sequence[str] | None = None,
        xlabels: Sequence[str] | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        mode: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a vector; it is drawn as bars.

        Args:
            title, series, iteration, xaxis, yaxis, extra_layout: see the class.
            values, labels, xlabels, mode: see `report_histogram`.

        Source: ``report_vector`` of the InputModel page.
        """
        drawing = plots.drawings.bars(
            "vector",
            values,
            series=series,
            labels=labels,
            xlabels=xlabels,
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
            data_args=None,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)

    def report_table(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        table_plot: object = None,
        csv: str | os.PathLike[str] | None = None,
        url: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
        *,
        extra_data: Mapping[str, object] | None = None,
    ) -> None:
        """Report a table. Give exactly one of `table_plot`, `csv` and `url`.

        Args:
            title, series, iteration, extra_layout: see the class.
            table_plot: a pandas or polars DataFrame, or a list of rows, the header first.
            csv: path of a CSV file in UTF-8, with a header.
            url: URL of such a file; it is downloaded in this call.
            extra_data: Plotly's settings of the table, such as ``{"columnwidth": [2, 1]}``.

        Raises:
            InvalidValueError: (a ValueError) it is not a table, has more than a million cells,
                or not exactly one was given.
            SourceNotFoundError: the file does not exist.
            DownloadError: the download failed.

        >>> model = InputModel.import_model("s3://bucket/a.pt", name="a")
        >>> rows = [["animal", "legs"], ["falcon", 2], ["spider", 8]]
        >>> model.report_table("legs", "by animal", table_plot=rows)

        Source: ``report_table`` of the InputModel page.
        """
        chain, _ = self._reports_to()
        cells = operations.reports.media.table_of(chain, table_plot=table_plot, csv=csv, url=url)
        drawing = plots.drawings.table(cells, extra_layout=extra_layout, extra_data=extra_data)
        self._report(title, series, iteration, drawing)

    def report_line_plot(
        self,
        title: str,
        series: Sequence[object],
        xaxis: str,
        yaxis: str,
        mode: str = "lines",
        iteration: int | None = None,
        reverse_xaxis: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report one or more lines in one chart.

        Args:
            title, xaxis, yaxis, iteration, comment, extra_layout: see the class.
            series: for each line a `SeriesInfo` (see `localreg.utilities.plotly_reporter`), a dict
                of its arguments, or an array of shape (N, 2).
            mode: "lines", "markers" or "lines+markers".
            reverse_xaxis: draw the x axis from right to left.

        Source: ``report_line_plot`` of the InputModel page.
        """
        drawing = plots.drawings.lines(
            series,
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
            reverse_xaxis=reverse_xaxis,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report(title, "", iteration, drawing)

    def report_scatter2d(
        self,
        title: str,
        series: str,
        scatter: object,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        labels: Sequence[str] | None = None,
        mode: str = "line",
        comment: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report points in two dimensions.

        All series of one title and iteration share a chart.

        Args:
            title, series, iteration, xaxis, yaxis, comment, extra_layout: see the class.
            scatter: points (x, y), an array of shape (N, 2) or a list of pairs.
            labels: a text for each point, in their order.
            mode: "lines" (or "line"), "markers" or "lines+markers".

        Source: ``report_scatter2d`` of the InputModel page.
        """
        drawing = plots.drawings.scatter2d(
            scatter,
            xaxis=xaxis,
            yaxis=yaxis,
            labels=labels,
            mode=mode,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)

    def report_scatter3d(
        self,
        title: str,
        series: str,
        scatter: object,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        zaxis: str | None = None,
        labels: Sequence[str] | None = None,
        mode: str = "markers",
        fill: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report points in three dimensions.

        Args:
            title, series, iteration, xaxis, yaxis, zaxis, comment, extra_layout: see the class.
            scatter: points (x, y, z), an array of shape (N, 3) or a list of triples; or a list of
                several such series, ``[[(x, y, z), …], …]``.
            labels: a text for each point, in their order; for several series a list of such lists.
            mode: "markers", "lines" or "lines+markers".
            fill: fill the area that the points enclose.

        Source: ``report_scatter3d`` of the InputModel page.
        """
        drawing = plots.drawings.scatter3d(
            scatter,
            xaxis=xaxis,
            yaxis=yaxis,
            zaxis=zaxis,
            labels=labels,
            mode=mode,
            fill=fill,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)

    def report_confusion_matrix(
        self,
        title: str,
        series: str,
        matrix: object,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        yaxis_reversed: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a matrix; it is drawn as a heatmap.

        Args:
            title, series, iteration, xaxis, yaxis, comment, extra_layout: see the class.
            matrix: shape (rows, columns).
            xlabels: one for each column.
            ylabels: one for each row.
            yaxis_reversed: put row 0 at the top instead of the bottom.

        Source: ``report_confusion_matrix`` of the InputModel page.
        """
        drawing = plots.drawings.matrix(
            matrix,
            xaxis=xaxis,
            yaxis=yaxis,
            xlabels=xlabels,
            ylabels=ylabels,
            yaxis_reversed=yaxis_reversed,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)

    def report_matrix(
        self,
        title: str,
        series: str,
        matrix: object,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        yaxis_reversed: bool = False,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a matrix; it is drawn as a heatmap.

        The arguments are those of `report_confusion_matrix`.

        Source: ``report_matrix`` of the InputModel page.
        """
        self.report_confusion_matrix(
            title,
            series,
            matrix,
            iteration,
            xaxis,
            yaxis,
            xlabels,
            ylabels,
            yaxis_reversed,
            extra_layout=extra_layout,
        )

    def report_surface(
        self,
        title: str,
        series: str,
        matrix: object,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        zaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        camera: Sequence[float] | None = None,
        comment: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a matrix; it is drawn as a surface in three dimensions.

        Args:
            title, series, iteration, xaxis, yaxis, zaxis, comment, extra_layout: see the class.
            matrix: heights, of shape (rows, columns).
            xlabels: one for each column.
            ylabels: one for each row.
            camera: position (x, y, z) of the viewer; None means (1, 1, 1). A near one is drawn from
                farther away in its direction, so that all of the surface is seen.

        Source: ``report_surface`` of the InputModel page.
        """
        drawing = plots.drawings.surface(
            matrix,
            xaxis=xaxis,
            yaxis=yaxis,
            zaxis=zaxis,
            xlabels=xlabels,
            ylabels=ylabels,
            camera=camera,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report(title, series, iteration, drawing)
