"""The part of `Task` that reads the log, the plots and the debug samples of a task back."""

from __future__ import annotations

from localreg import operations
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_AXES = ("iter", "timestamp", "iso_time")


class ReportedByTaskMethods(TaskHandle):
    """Reports of a task in ClearML's layouts; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    def get_reported_console_output(self, number_of_reports: int = 1) -> list[str]:
        """Return the last lines of the task's log, the oldest of them first.

        Args:
            number_of_reports: how many lines.
        """
        number = _count("number_of_reports", number_of_reports)
        return operations.reports.reported.console(*self._owned()[1:], number)

    def get_reported_plots(self, max_iterations: int | None = None) -> list[dict[str, Any]]:
        """Return the plots as Plotly figures in JSON.

        Args:
            max_iterations: how many iterations of each plot, the last ones; 1 if None.

        Returns:
            Dicts with "metric" (the title), "variant" (the series), "iter" and "plot_str".
        """
        number = 1 if max_iterations is None else _count("max_iterations", max_iterations)
        return operations.reports.reported.plots(*self._owned()[1:], number)

    def get_debug_samples(
        self, title: str, series: str, n_last_iterations: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the images and other files that were reported for one title and series.

        Args:
            title, series: as they were reported.
            n_last_iterations: how many iterations, the last ones; all if None.

        Returns:
            Dicts with "metric" (the title), "variant" (the series), "iter", "timestamp" in
            milliseconds and "url", a ``file://`` URL of the registry's copy. The last iteration
            comes first.
        """
        number = (
            None if n_last_iterations is None else _count("n_last_iterations", n_last_iterations)
        )
        chain, registry, owner = self._owned()
        return operations.reports.reported.debug_samples(
            chain, registry, owner, check_text("title", title), check_text("series", series), number
        )

    def get_all_reported_scalars(
        self, x_axis: str = "iter"
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """Return every point of the scalars.

        Args:
            x_axis: what "x" is: "iter" for iterations, "timestamp" for milliseconds since 1970,
                or "iso_time" for times as text.

        Returns:
            ``{title: {series: {"name": series, "x": […], "y": […]}}}``
        """
        if not isinstance(x_axis, str) or x_axis not in _AXES:
            raise InvalidValueError(
                f"x_axis must be one of {', '.join(_AXES)}, not {shown(x_axis)}", argument="x_axis"
            )
        return operations.reports.reported.all_scalars(*self._owned()[1:], x_axis)


def _count(argument: str, value: object) -> int:
    if type(value) is not int or not 1 <= value < 2**31:
        raise InvalidValueError(
            f"{argument} must be a whole number from 1, not {shown(value)}", argument=argument
        )
    return value
