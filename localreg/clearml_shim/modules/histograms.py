"""``clearml.binding.frameworks.tensorflow_bind``: how histograms change, as one surface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.api.tasks.logger import Logger

_BINS = 32  # of values that are not counted yet
_COLUMNS = 50


class WeightsGradientHistHelper:
    """Reports histograms of one series as a surface: a row for each iteration.

    Args:
        logger: reports it.
        report_freq: only each call of this number counts.
        histogram_update_freq_multiplier: after so many histograms of a series, only each one of
            this number is reported.
        histogram_granularity: the most rows of a surface.
    """

    def __init__(
        self,
        logger: Logger,
        report_freq: int = 100,
        histogram_update_freq_multiplier: int = 10,
        histogram_granularity: int = 50,
    ) -> None:
        self.logger = logger
        self.report_freq = report_freq
        self._every = histogram_update_freq_multiplier
        self._rows = histogram_granularity
        self._calls = 0
        # Of each series the iterations, with the left edges and the heights of their histograms.
        self._kept: dict[tuple[str, str], dict[int, Any]] = {}

    def add_histograms(self, histograms: Iterable[Mapping[str, Any]]) -> None:
        """Add several histograms of one iteration, as one call.

        Args:
            histograms: dicts of "title", "series", "step" and "hist_data".
        """
        given = list(histograms)
        for number, each in enumerate(given, 1):
            self.add_histogram(
                each["title"],
                each["series"],
                each["step"],
                each["hist_data"],
                increase_histogram_update_call_counter=number == len(given),
            )

    def add_histogram(
        self,
        title: str,
        series: str,
        step: int,
        hist_data: Any,  # noqa: ANN401  (an array, or a dict)
        increase_histogram_update_call_counter: bool = True,
    ) -> None:
        """Add the histogram of an iteration, and report the surface of its series.

        Args:
            title, series: identify the surface.
            step: the iteration.
            hist_data: an array of values; or counted already, as an array of rows (left edge, right
                edge, height), or a dict of lists "bucketLimit" and "bucket".
            increase_histogram_update_call_counter: False for all but the last of one call.
        """
        counted = self._calls + 1
        if increase_histogram_update_call_counter:
            self._calls = counted
        if counted % self.report_freq:
            return
        kept = self._kept.setdefault((title, series), {})
        if step in kept:
            return
        kept[step] = _counted(hist_data)
        if len(kept) > self._rows**2:  # forget each second one, but the last
            for each in sorted(kept)[1:-1:2]:
                del kept[each]
        if len(kept) < self._every or len(kept) % self._every == 0:
            self._report(title, series, kept)

    def _report(self, title: str, series: str, kept: Mapping[int, Any]) -> None:
        import numpy

        places = numpy.linspace(0, len(kept) - 1, min(len(kept), self._rows)).round().astype(int)
        steps = numpy.array(sorted(kept))[numpy.unique(places)]
        low = min(kept[step][0].min() for step in steps)
        high = max(kept[step][0].max() for step in steps)
        columns = numpy.linspace(low, high if high > low else low + 1, _COLUMNS)
        found = [kept[step] for step in steps]
        rows = numpy.vstack(
            [numpy.interp(columns, edges, heights, 0, 0) for edges, heights in found]
        )
        labels = [str(step) for step in steps]
        if len(rows) == 1:  # a surface needs two
            rows, labels = numpy.vstack([numpy.zeros_like(rows), rows]), ["", *labels]
        self.logger.report_surface(
            title=title,
            series=series,
            iteration=0,
            matrix=rows,
            xlabels=[f"{each:.2f}" for each in columns],
            ylabels=labels,
            xaxis=" ",
            yaxis="iteration",
            camera=(-0.1, 1.3, 1.4),
        )


def _counted(given: Any) -> Any:  # noqa: ANN401  (arrays)
    """Return the left edges and the heights of a histogram."""
    import numpy

    if isinstance(given, Mapping):
        edges, heights = given["bucketLimit"], given["bucket"]
    else:
        values = numpy.asarray(given)
        if values.ndim == 2 and values.shape[1] == 3:
            edges, heights = values[:, 0], values[:, 2]
        else:
            finite = values[numpy.isfinite(values)]
            heights, edges = numpy.histogram(finite, bins=_BINS)
    size = min(len(edges), len(heights))
    edges, heights = numpy.asarray(edges[:size], float), numpy.asarray(heights[:size], float)
    finite = numpy.isfinite(edges)
    return edges[finite], heights[finite]
