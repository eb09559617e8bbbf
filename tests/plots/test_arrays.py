"""Arrays of reported numbers: conversion, packing and unpacking."""

from __future__ import annotations

import math

import numpy as np
import pytest

from localreg.errors import InvalidValueError
from localreg.plots.arrays import as_numbers, pack, unpack


def test_masked_numbers_become_gaps():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert as_numbers("x", masked).tolist() == pytest.approx([1, math.nan, 3], nan_ok=True)
    assert as_numbers("x", np.ma.array([1, 2])).dtype == np.uint8


def test_damaged_data_of_a_plot_is_refused():
    contents, data = pack({"x": np.zeros(100_000)})
    ((name, kind, shape, size, length),) = contents
    for entry, given in [
        ([name, kind, shape, 8, length], data),  # more comes out
        ([name, kind, shape, size + 8, length], data),
        ([name, kind, [7], size, length], data),
        ([name, "nothing", shape, size, length], data),
        ([name, kind, shape, size, length], b"x" * length),
    ]:
        with pytest.raises(InvalidValueError, match="damaged"):
            unpack([entry], given)
