"""Histograms that are counted already, as bars of one width."""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from localreg.values.records import Json

_BINS = 50


def even_bins(
    heights: Sequence[float], edges: Sequence[float], bins: int = _BINS
) -> tuple[list[float], list[float]]:
    """Return a histogram in bins of one width, as TensorBoard draws those of growing widths.

    Args:
        heights: what each bin counts.
        edges: of the bins, one more than heights.
        bins: how many to return, at most.
    """
    import numpy as np

    places, counts = np.asarray(edges, float), np.asarray(heights, float)
    widths = np.diff(places)
    if len(counts) <= bins and widths.min() > 0.999 * widths.max():
        return counts.tolist(), places.tolist()
    if not places[-1] > places[0]:  # one value only
        return [float(counts.sum())], [float(places[0]) - 0.5, float(places[0]) + 0.5]
    even = np.linspace(places[0], places[-1], bins + 1)
    below = np.interp(even, places, np.concatenate(([0.0], np.cumsum(counts))))
    below[0], below[-1] = 0.0, counts.sum()
    return np.diff(below).tolist(), even.tolist()


def bars_figure(series: str, heights: Sequence[float], edges: Sequence[float]) -> Json:
    """Return the Plotly figure of a histogram: one edge more than heights."""
    bars = {
        "type": "bar",
        "name": series,
        "x": [(low + high) / 2 for low, high in pairwise(edges)],
        "y": list(heights),
        "width": [high - low for low, high in pairwise(edges)],
    }
    layout = {"bargap": 0, "xaxis": {"title": {"text": "value"}}}
    return {"data": [bars], "layout": layout}


def board_edges(low: float, high: float, limits: Sequence[float]) -> list[float]:
    """Return the edges of the bins of a histogram of TensorBoard, which has only the right ones.

    Args:
        low, high: the smallest and the largest value; low > high if they are not known.
        limits: the right edge of each bin.
    """
    if low > high:
        return [0.0, *limits]
    return [min(max(each, low), high) for each in (low, *limits)]
