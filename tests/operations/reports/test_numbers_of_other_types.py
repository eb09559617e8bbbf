"""Numbers of other types: whole ones are iterations, one element is a value, complex is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from localreg import Model
from localreg.errors import InvalidValueError

WHOLE = [
    4, 4.0, np.int64(4), np.uint8(4), np.float32(4), np.float64(4), np.longdouble(4), Decimal(4),
    Decimal("4.0"), Fraction(4), np.array(4), np.array(4.0), np.array([4]), np.array([[4.0]]),
]  # fmt: skip
NOT_WHOLE = [
    0.5, np.float32(0.5), Decimal("0.5"), Fraction(1, 2), np.array([0.5]), np.array([4, 5]), [4],
    float("nan"), float("inf"), Decimal("NaN"), "4", b"4", 4j, np.complex64(4), np.array([]),
]  # fmt: skip
ONE = [2.5, np.float32(2.5), np.float16(2.5), np.longdouble(2.5), Decimal("2.5"), Fraction(5, 2),
       np.array(2.5), np.array([2.5]), np.array([[2.5]]), "2.5"]  # fmt: skip
COMPLEX = [1j, 2 + 0j, np.complex64(2), np.complex128(2), np.array([2j]), np.array(2j)]


@pytest.fixture
def model(registry):
    return registry.add(__file__, "m")


def label(value):
    return f"{type(value).__name__} {value!r}"


@pytest.mark.parametrize("iteration", WHOLE, ids=label)
def test_whole_numbers_of_any_type_are_iterations(model, iteration):
    model.report_scalar("t", "s", 1.0, iteration)
    model.report_histogram("h", "s", [1, 2], iteration)
    assert model.get_reported_scalars()["t"]["s"]["x"] == [4]


@pytest.mark.parametrize("iteration", NOT_WHOLE, ids=label)
def test_what_is_no_whole_number_is_no_iteration(model, iteration):
    with pytest.raises(InvalidValueError, match="iteration must be a whole number"):
        model.report_scalar("t", "s", 1.0, iteration)
    with pytest.raises(InvalidValueError, match="iteration must be a whole number"):
        model.report_histogram("h", "s", [1, 2], iteration)
    assert model.get_reported_scalars() == {}


@pytest.mark.parametrize("value", ONE, ids=label)
def test_one_element_of_any_shape_is_a_value(model, value):
    model.report_scalar("t", "s", value, 0)
    model.report_single_value("best", value)
    assert model.get_reported_scalars()["t"]["s"]["y"] == [2.5]
    assert model.get_reported_single_values() == {"best": 2.5}


@pytest.mark.parametrize("value", COMPLEX, ids=label)
def test_complex_numbers_are_refused(model, value):
    """A float of them would lose a part without a word."""
    for report in (
        lambda: model.report_scalar("t", "s", value, 0),
        lambda: model.report_single_value("best", value),
        lambda: model.report_histogram("h", "s", [value], 0),
        lambda: model.report_matrix("m", "s", np.array([[1, 2 + 0j]]), 0),
        lambda: model.report_scatter2d("x", "s", [[1, value]], 0),
    ):
        with pytest.raises(InvalidValueError):
            report()
    assert model.get_reported_scalars() == {}


def test_several_elements_are_no_value(model):
    with pytest.raises(InvalidValueError, match="value must be a number"):
        model.report_scalar("t", "s", np.array([1.0, 2.0]), 0)


def test_limits_are_integers_of_numpy_too(model):
    assert Model.query_models(max_results=np.int64(1)) == [model]
    with pytest.raises(InvalidValueError, match="max_results must be an int"):
        Model.query_models(max_results=np.float64(1))
