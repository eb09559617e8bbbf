"""Histograms that are counted already."""

from __future__ import annotations

import pytest

from localreg.plots.histogram_bars import even_bins


def test_bins_of_one_width_keep_the_sum_and_the_ends():
    heights, edges = even_bins([1, 2, 4], [0, 1, 3, 100], bins=10)
    assert len(heights) == 10
    assert sum(heights) == pytest.approx(7)
    assert (edges[0], edges[-1]) == (0, 100)
    assert heights[0] == pytest.approx(1 + 2 + 4 * 7 / 97)
    assert even_bins([1, 2], [0, 1, 2]) == ([1, 2], [0, 1, 2])
    assert even_bins([5], [3, 3]) == ([5], [2.5, 3.5])
