"""Thinning for drawing: gaps stay gaps, and averages stay finite."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from localreg.plots.thinning import POINTS, thinned_line, thinned_matrix


def test_no_line_is_drawn_across_a_gap():
    y = np.sin(np.arange(100_000) / 50)
    y[::10] = np.nan
    x = np.arange(len(y), dtype=float)
    chosen = thinned_line(x, y)
    assert len(chosen) <= 2 * POINTS
    finite = np.isfinite(y)
    for before, after in itertools.pairwise(chosen.tolist()):
        if finite[before] and finite[after]:
            assert finite[before : after + 1].all()


def test_large_numbers_of_a_matrix_are_averaged():
    for large in (1e39, 1.5e308):
        matrix = np.full((600, 2), large)
        matrix[0, 0] = np.inf
        found, down, across = thinned_matrix(matrix)
        assert (down, across) == (2, 1)
        assert found == pytest.approx(np.full((300, 2), large))
    assert thinned_matrix(np.ones((600, 2), "u1"))[0].dtype == np.float32
