"""Arguments that cannot be stored: the error names the argument, and nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

from localreg.errors import InvalidValueError
from localreg.plots.arrays import as_numbers


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda m: m.report_matrix("m", "s", [[1, 2], [3]]), "matrix must be numbers, in rows"),
        (lambda m: m.report_matrix("m", "s", [1, 2]), r"matrix must have the shape.*\(2,\)"),
        (lambda m: m.report_matrix("m", "s", [["a"]]), "matrix must be real numbers"),
        (lambda m: m.report_matrix("m", "s", [[1j]]), "matrix must be real numbers"),
        (lambda m: m.report_matrix("m", "s", np.zeros((0, 3))), r"matrix.*\(0, 3\)"),
        (lambda m: m.report_matrix("m", "s", np.zeros((5000, 5000), "i1")), "at most 20,000,000"),
        (lambda m: m.report_matrix("m", "s", [[1]], xlabels=["a", "b"]), "xlabels.*1 in total"),
        (lambda m: m.report_matrix("m", "s", [[1]], ylabels="a"), "ylabels must be a list"),
        (lambda m: m.report_matrix("m", "s", [[1]], ylabels=[None]), "ylabels.*NoneType"),
        (lambda m: m.report_matrix("m", "s", [[1]], extra_layout="x"), "extra_layout.*dict"),
        (lambda m: m.report_matrix("m", "s", [[1]], extra_layout={"a": object()}), "extra_layout"),
        (lambda m: m.report_matrix("m", "s", [[1]], iteration=1.5), "iteration"),
        (lambda m: m.report_matrix("m", "s", [[1]], iteration=2**60), "iteration"),
        (lambda m: m.report_matrix("m", "s", [[1]], xaxis=5), "xaxis"),
        (lambda m: m.report_matrix("", "s", [[1]]), "title"),
        (lambda m: m.report_matrix("x" * 2000, "s", [[1]]), "title"),
        (lambda m: m.report_matrix("m", None, [[1]]), "series"),
        (lambda m: m.report_matrix("m", "\ud800", [[1]]), "series"),
        (lambda m: m.report_confusion_matrix("m", "s", [[1]], comment=5), "comment"),
        (lambda m: m.report_surface("m", "s", [[1]], camera=[1, 2]), "camera must be three"),
        (lambda m: m.report_surface("m", "s", [[1]], camera="abc"), "camera must be three"),
        (lambda m: m.report_histogram("h", "s", [1], mode="pile"), "mode must be one of group"),
        (lambda m: m.report_histogram("h", "s", [[1], [2]], labels=["a", "b", "c"]), "labels"),
        (lambda m: m.report_histogram("h", "s", [1], data_args=[1]), "data_args"),
        (lambda m: m.report_line_plot("l", [], "x", "y"), "series must contain at least one"),
        (lambda m: m.report_line_plot("l", [{"data": [(0, 0)]}], "x", "y"), "keys name and data"),
        (lambda m: m.report_line_plot("l", [[(0, 0, 0)]], "x", "y"), r"\(N, 2\)"),
        (lambda m: m.report_line_plot("l", [[(0, 0)]], "x", "y", mode="dots"), "mode must be"),
        (lambda m: m.report_scatter2d("s", "s", [(1, 2, 3)]), r"scatter.*\(N, 2\)"),
        (lambda m: m.report_scatter2d("s", "s", [(1, 2)], labels=["a", "b"]), "labels.*1 in total"),
        (lambda m: m.report_scatter2d("s", "s", 5), "scatter"),
        (lambda m: m.report_scatter3d("s", "s", [(1, 2)]), r"scatter.*\(N, 3\)"),
        (lambda m: m.report_table("t", "s", table_plot="x"), "table_plot"),
        (lambda m: m.report_table("t", "s", table_plot=[["a"], ["b", "c"]]), "row 1 has 2"),
        (lambda m: m.report_table("t", "s", table_plot=["abc"]), "table_plot"),
        (lambda m: m.report_table("t", "s", csv=5), "csv"),
        (lambda m: m.report_table("t", "s", url=""), "^url must not be empty"),
        (lambda m: m.report_table("t", "s", url=5), "^url must be a path or URL"),
        (lambda m: m.report_scalar("t", "s", "many", 0), "value must be a number"),
        (lambda m: m.report_scalar("t", "s", None, 0), "value must be a number"),
        (lambda m: m.report_scalar("t", "s", 1j, 0), "value must be a number"),
        (lambda m: m.report_scalar("t", "s", 1, "0"), "iteration"),
        (lambda m: m.report_scalar("", "s", 1, 0), "title"),
        (lambda m: m.report_scalar("t", 5, 1, 0), "series"),
        (lambda m: m.report_scalar("t\0", "s", 1, 0), "title"),
        (lambda m: m.report_single_value("", 1), "name"),
        (lambda m: m.report_single_value("v", "x"), "value"),
    ],
)  # fmt: skip
def test_an_invalid_argument_is_named_and_changes_nothing(call, named, model, registry):
    before = "\n".join(registry.db.conn.iterdump())
    with pytest.raises(InvalidValueError, match=named):
        call(model)
    model.flush()
    assert "\n".join(registry.db.conn.iterdump()) == before


@pytest.mark.parametrize("raised", [KeyError, AttributeError, ZeroDivisionError])
def test_an_object_that_fails_to_convert_is_named(raised, task):
    class Failing:
        def __array__(self, *_args, **_options):
            raise raised("no")

        def _fail(self):
            raise raised("no")

        __float__ = __index__ = _fail

    with pytest.raises(InvalidValueError, match="values"):
        as_numbers("values", Failing())
    with pytest.raises(InvalidValueError, match="value"):
        task.get_logger().report_scalar("t", "s", Failing(), 1)
    with pytest.raises(InvalidValueError, match="iteration"):
        task.get_logger().report_scalar("t", "s", 1, Failing())
