"""The methods that read reports back: values, figures, pages and images."""

from __future__ import annotations

from localreg import operations
from localreg.values.checks import check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from localreg.api.reports.figures import Figures
    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import Owner


class ReportedMethods:
    """Reads the reports of one model or task; a base of `Model`, `Task` and `Logger`."""

    __slots__ = ()

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        """Return a chain, its registry that has the reports, and the model or task they are of."""
        raise AssertionError("a subclass defines this")

    def flush(self, wait: bool = False) -> bool:
        """Write the reports that wait in memory to disk, and return True.

        Args:
            wait: has no effect: the call always waits until they are on disk.

        Raises:
            RegistryError: (an OSError) they cannot be written. They stay in memory, and the next
                flush tries again.
        """
        operations.reports.writing.flush(self._owned()[1])
        return True

    def get_reported_scalars(
        self, max_samples: int = 0, x_axis: str = "iter"
    ) -> dict[str, dict[str, dict[str, list[Any]]]]:
        """Return the points of the scalars, ``{title: {series: {"x": iterations, "y": values}}}``.

        Args:
            max_samples: at most so many points of a series, each the mean of a group; 0 for all.
            x_axis: "iter" for iterations, "timestamp" for milliseconds since 1970, or "iso_time"
                for times such as "2026-01-31T12:00:00.000Z".

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used.

        Source: ``Task.get_reported_scalars`` of the ClearML SDK, where 0 means at most 5000.
        """
        return operations.reports.reading.scalars(*self._owned()[1:], most=max_samples, axis=x_axis)

    def get_last_scalar_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return ``{title: {series: {"last": …, "min": …, "max": …}}}`` of the scalars.

        Source: ``Task.get_last_scalar_metrics`` of the ClearML SDK.
        """
        return operations.reports.reading.last_scalars(*self._owned()[1:])

    def get_reported_single_values(self) -> dict[str, float]:
        """Return the single values, by name.

        Source: ``Task.get_reported_single_values`` of the ClearML SDK.
        """
        return operations.reports.reading.singles(*self._owned()[1:])

    def figures(self, *, full: bool = False) -> Figures:
        """Return the reports as Plotly figures: the charts of scalars, then the plots.

        A model has its own, and those series and plots that it lacks and the task that made it has.
        A notebook draws the list, without a network.

        Args:
            full: draw every point; otherwise long series and large matrices are thinned.

        Returns:
            A list of `plotly.graph_objects.Figure`; of each plot only the last iteration.
        """
        from plotly.graph_objects import Figure

        from localreg.api.reports.figures import Figures

        found = operations.reports.charts.named_figures(
            *self._owned()[1:], full=check_flag("full", full), inherited=True
        )
        return Figures(Figure(each.figure, skip_invalid=True) for each in found)

    def report(
        self, *, standalone: bool = False, path: str | os.PathLike[str] | None = None
    ) -> Path:
        """Write the HTML page of the model or task, and return its path.

        Args:
            standalone: write one file that contains everything, to send to somebody.
            path: where to write the page, which is then standalone; by default below
                ``reports/`` in the registry.
        """
        alone = check_flag("standalone", standalone)
        return operations.reports.pages.write_page(*self._owned(), standalone=alone, path=path)

    def export_images(
        self,
        folder: str | os.PathLike[str],
        formats: Sequence[str] = ("png",),
        *,
        width: int = 1000,
        height: int = 600,
        scale: float = 2.0,
    ) -> list[Path]:
        """Write the reports as image files, one for each chart and each iteration of a plot.

        They are those of `figures`. This needs Chrome or Chromium, but no network.

        Args:
            folder: where to write them; it is created.
            formats: any of "png", "svg", "pdf", "jpg", "webp".
            width, height: size of a figure, in pixels.
            scale: factor for the pixels of png, jpg and webp.

        Returns:
            The files, named after title, series and iteration.

        Raises:
            BrowserNotFoundError: (an OSError) Chrome is not installed; the message says how to
                install it.
        """
        return operations.reports.images.export_images(
            *self._owned()[1:], folder, formats, width=width, height=height, scale=scale
        )
