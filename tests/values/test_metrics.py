"""Metrics: if more or less is better, by the name."""

from __future__ import annotations

import pytest

from localreg.values.metrics import better


@pytest.mark.parametrize(
    ("name", "expected"),
    [("val/Accuracy", 1), ("mAP@50", 1), ("test loss", -1), ("RMSE", -1), ("accuracy loss", -1),
     ("layers", 0), ("", 0), ("lossless", -1)],
)  # fmt: skip
def test_the_name_of_a_metric_decides_if_more_is_better(name, expected):
    assert better(name) == expected
