"""Reading back what was reported: values, figures, pages and images."""

from __future__ import annotations

from localreg import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from plotly.graph_objects import Figure

    from localreg.registry import OpenRegistry
    from localreg.values.records import Owner


class ReportedMethods:
    """What was reported to one model or task; mixed into `Model`, `Task` and `Logger`."""

    __slots__ = ()

    def _reports_to(self) -> tuple[OpenRegistry, Owner]:
        """Return the registry, and what is reported to."""
        raise AssertionError("what this is mixed into says so")

    def flush(self, wait: bool = False) -> bool:
        """Write what was reported and waits; when this returns, it is on disk.

        Args:
            wait: means nothing here: it is always waited for.

        Returns:
            True; what cannot be written raises.

        Raises:
            RegistryError: (an OSError) it cannot be written; it waits on, and is tried again.
        """
        operations.reports.writing.flush(self._reports_to()[0])
        return True

    def get_reported_scalars(self) -> dict[str, dict[str, dict[str, list[int] | list[float]]]]:
        """Return every reported point, ``{title: {series: {"x": iterations, "y": values}}}``.

        Source: ``Task.get_reported_scalars`` of the ClearML SDK, which gives a thinned selection.
        """
        return operations.reports.reading.scalars(*self._reports_to())

    def get_last_scalar_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return ``{title: {series: {"last": …, "min": …, "max": …}}}`` of the scalars.

        Source: ``Task.get_last_scalar_metrics`` of the ClearML SDK.
        """
        return operations.reports.reading.last_scalars(*self._reports_to())

    def get_reported_single_values(self) -> dict[str, float]:
        """Return the single values, by name.

        Source: ``Task.get_reported_single_values`` of the ClearML SDK.
        """
        return operations.reports.reading.singles(*self._reports_to())

    def figures(self, *, full: bool = False) -> list[Figure]:
        """Return what was reported as Plotly figures: charts of scalars, then plots.

        Args:
            full: draw every point; without, long series and large matrices are thinned.

        Returns:
            `plotly.graph_objects.Figure` objects, of each plot the last iteration.
        """
        from plotly.graph_objects import Figure

        found = operations.reports.charts.named_figures(*self._reports_to(), full=bool(full))
        return [Figure(each.figure, skip_invalid=True) for each in found]

    def report(
        self, *, standalone: bool = False, path: str | os.PathLike[str] | None = None
    ) -> Path:
        """Write the page that shows everything about it, and return where it is.

        Args:
            standalone: one file with everything in it, to mail to someone.
            path: where the page goes, which is then standalone; by default below ``reports/`` in
                the registry.

        Raises:
            StorageError: (an OSError) it cannot be written.
        """
        registry, owner = self._reports_to()
        return operations.reports.pages.write_page(
            registry, owner, standalone=standalone, path=path
        )

    def export_images(
        self,
        folder: str | os.PathLike[str],
        formats: Sequence[str] = ("png",),
        *,
        width: int = 1000,
        height: int = 600,
        scale: float = 2.0,
    ) -> list[Path]:
        """Write what was reported as image files, one for each chart and iteration of a plot.

        It needs Chrome or Chromium, and no network.

        Args:
            folder: where they go; it is made.
            formats: of "png", "svg", "pdf", "jpg", "webp".
            width, height: of a figure, in pixels.
            scale: of the pixels of png, jpg and webp.

        Returns:
            The files, named after title, series and iteration.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used.
            BrowserNotFoundError: (an OSError) there is no Chrome; the message says how to get one.
        """
        return operations.reports.images.export_images(
            *self._reports_to(), folder, formats, width=width, height=height, scale=scale
        )
