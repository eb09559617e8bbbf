"""The `report_*` methods whose plots are points or matrices; the others are in reporting.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localreg import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots.drawings import Drawing
    from localreg.registry import OpenRegistry
    from localreg.values.records import Owner


class PointReports:
    """Reporting points in the plane and in space, matrices and surfaces."""

    __slots__ = ()

    def _reports_to(self) -> tuple[OpenRegistry, Owner]:
        """Return the registry, and what is reported to."""
        raise AssertionError("what this is mixed into says so")

    def _report(self, title: object, series: object, iteration: object, drawing: Drawing) -> None:
        registry, owner = self._reports_to()
        operations.reports.writing.report_plot(registry, owner, title, series, iteration, drawing)

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
