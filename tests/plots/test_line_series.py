"""`SeriesInfo`, one line of a line plot."""

from __future__ import annotations

import numpy as np
import pytest

import localreg
from localreg.utilities.plotly_reporter import SeriesInfo


def test_a_series_info_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match=r"\(N, 2\).*\(2, 3\)"):
        SeriesInfo("s", np.zeros((2, 3)))
    with pytest.raises(ValueError, match="labels must have one label for each point, 2 in total"):
        SeriesInfo("s", [(0, 0), (1, 1)], labels=["a"])


def test_the_module_that_clearml_scripts_import_exists():
    assert localreg.utilities.plotly_reporter.SeriesInfo is SeriesInfo
