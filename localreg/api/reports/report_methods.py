"""The `report_*` methods: scalars, single values and plots, of models, tasks and loggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localreg import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from localreg.plots.drawings import Drawing
    from localreg.registry import OpenRegistry
    from localreg.values.records import Owner


class ReportMethods:
    """Reporting to one model or task; mixed into `Model`, `Task` and `Logger`.

    Everything is checked when it is reported. Scalars are written a second later at most, all
    else at once. The same title, series and iteration again replaces what was there. NaN and
    infinities are kept, and drawn as gaps. `title` and `series` hold up to 1,024 characters,
    `iteration` is a whole number, 0 when None.

    Wherever numbers are wanted, a numpy array, nested lists, a pandas or polars object or a tensor
    (anything with ``__array__``) is taken. `extra_layout` is a dict that is merged into Plotly's
    layout, see https://plotly.com/javascript/reference/layout/.

    Source: the ``report_*`` entries of the InputModel page.
    """

    __slots__ = ()

    def _reports_to(self) -> tuple[OpenRegistry, Owner]:
        """Return the registry, and what is reported to."""
        raise AssertionError("what this is mixed into says so")

    def _report(self, title: object, series: object, iteration: object, drawing: Drawing) -> None:
        registry, owner = self._reports_to()
        operations.reports.writing.report_plot(registry, owner, title, series, iteration, drawing)

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point of a scalar series.

        It is in memory first and on disk a second later at most; `flush` does not wait so long.

        Args:
            title: the chart; all series of one title are drawn into one.
            series: the line.
            value: a number, or what float() makes one of.
            iteration: where on the x axis.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept.
            ModelNotFoundError, TaskNotFoundError: what is reported to is gone.

        >>> model = InputModel.import_model("s3://bucket/a.pt", name="a")
        >>> for step in range(3):
        ...     model.report_scalar("loss", "train", 1 / (step + 1), step)
        >>> model.get_reported_scalars()["loss"]["train"]["x"]
        [0, 1, 2]

        Source: ``report_scalar`` of the InputModel page.
        """
        registry, owner = self._reports_to()
        operations.reports.writing.report_scalar(registry, owner, title, series, value, iteration)

    def report_single_value(self, name: str, value: float) -> None:
        """Report one value for the whole, such as its accuracy; the last one of a name stays.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept.

        Source: ``report_single_value`` of the InputModel page.
        """
        registry, owner = self._reports_to()
        operations.reports.writing.report_single(registry, owner, name, value)

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
        """Report a histogram that is computed already, drawn as bars.

        Args:
            title, series, iteration: what it is known by.
            values: heights of the bars, of shape (bars,) or (rows, bars); a row is one series.
            labels: one for each row, for the legend.
            xlabels: one for each bar of a row.
            xaxis, yaxis: titles of the axes.
            mode: "group" (also for None), "stack" or "relative".
            data_args: passed on to Plotly with each row, see
                https://plotly.com/javascript/reference/bar/.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_histogram`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.bars(
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
        """Report a vector, drawn as bars; the arguments are those of `report_histogram`.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_vector`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.bars(
            "vector",
            values,
            series=series,
            labels=labels,
            xlabels=xlabels,
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
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
    ) -> None:
        """Report a table; give exactly one of `table_plot`, `csv` and `url`.

        Args:
            title, series, iteration: what it is known by.
            table_plot: a pandas or polars DataFrame, or rows of which the first is the header.
            csv: path of a CSV file in UTF-8, whose first row is the header.
            url: where there is such a file; it is downloaded now.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) it is no table, too large (a million cells), or not
                exactly one was given.
            SourceNotFoundError: there is no such file.
            DownloadError: the server does not give it.

        >>> model = InputModel.import_model("s3://bucket/a.pt", name="a")
        >>> rows = [["animal", "legs"], ["falcon", 2], ["spider", 8]]
        >>> model.report_table("legs", "by animal", table_plot=rows)

        Source: ``report_table`` of the InputModel page.
        """
        from localreg.plots import drawings

        registry, _ = self._reports_to()
        cells = operations.reports.media.cells_of(registry, table_plot=table_plot, csv=csv, url=url)
        self._report(title, series, iteration, drawings.table(cells, extra_layout=extra_layout))

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
        """Report one or more series as lines in one chart.

        Args:
            title, iteration: what it is known by.
            series: for each line a `SeriesInfo` (see `localreg.utilities.plotly_reporter`), a dict
                of its arguments, or an array of shape (N, 2).
            xaxis, yaxis: titles of the axes.
            mode: "lines", "markers" or "lines+markers".
            reverse_xaxis: let x fall from left to right.
            comment: shown below the title.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_line_plot`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.lines(
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
        """Report points in the plane; series of one title and iteration share a chart.

        Args:
            title, series, iteration: what they are known by.
            scatter: points (x, y), an array of shape (N, 2) or a list of pairs.
            xaxis, yaxis: titles of the axes.
            labels: a text for each point, in their order.
            mode: "lines" (which "line" is, too), "markers" or "lines+markers".
            comment: shown below the title.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_scatter2d`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.scatter2d(
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
        """Report points in space.

        Args:
            title, series, iteration: what they are known by.
            scatter: points (x, y, z), an array of shape (N, 3) or a list of triples; or a list of
                several series of them, ``[[(x, y, z), …], …]``.
            xaxis, yaxis, zaxis: titles of the axes.
            labels: a text for each point, in their order; for several series a list of these.
            mode: "markers", "lines" or "lines+markers".
            fill: fill the area that the points enclose.
            comment: shown below the title.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_scatter3d`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.scatter3d(
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
        """Report a matrix as a heatmap.

        Args:
            title, series, iteration: what it is known by.
            matrix: shape (rows, columns).
            xaxis, yaxis: titles of the axes.
            xlabels: one for each column.
            ylabels: one for each row.
            yaxis_reversed: put row 0 at the top; it is at the bottom otherwise.
            comment: shown below the title.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_confusion_matrix`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.matrix(
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
        """Report a matrix as a heatmap; the same as `report_confusion_matrix`.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

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
        """Report a matrix as a surface in space.

        Args:
            title, series, iteration: what it is known by.
            matrix: heights, of shape (rows, columns).
            xaxis, yaxis, zaxis: titles of the axes.
            xlabels: one for each column.
            ylabels: one for each row.
            camera: where it is seen from, X, Y and Z; (1, 1, 1) when None.
            comment: shown below the title.
            extra_layout: passed on to Plotly.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be kept; it says why.

        Source: ``report_surface`` of the InputModel page.
        """
        from localreg.plots import drawings

        drawing = drawings.surface(
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
