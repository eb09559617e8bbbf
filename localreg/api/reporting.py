"""The `report_*` methods that models have. This version has their signatures only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class ReportMethods:
    """Reporting scalars and plots; every method raises NotImplementedError in this version.

    Source: the ``report_*`` entries of the InputModel page.
    """

    __slots__ = ()

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point of a scalar series. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_scalar")

    def report_single_value(self, name: str, value: float) -> None:
        """Report one value for the whole model, such as its accuracy. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_single_value")

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
        """Report a histogram that is computed already. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_histogram")

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
        """Report a vector, drawn as bars. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_vector")

    def report_table(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        table_plot: object = None,
        csv: str | None = None,
        url: str | None = None,
        extra_layout: Mapping[str, object] | None = None,
    ) -> None:
        """Report a table. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_table")

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
        """Report one or more series as lines. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_line_plot")

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
        """Report points in the plane. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_scatter2d")

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
        """Report points in space. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_scatter3d")

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
        """Report a matrix as a heatmap. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_confusion_matrix")

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
        """Report a matrix as a heatmap; the same as `report_confusion_matrix`. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_matrix")

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
        """Report a matrix as a surface in space. Not in this version.

        Raises:
            NotImplementedError: always.
        """
        _not_yet("report_surface")


def _not_yet(method: str) -> NoReturn:
    raise NotImplementedError(f"{method} is not in this version of localreg")
