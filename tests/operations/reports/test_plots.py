"""Each `report_*` method: what is stored, and that its figure is one for plotly itself."""

from __future__ import annotations

import base64
import io
import itertools
import json
import math

import numpy as np
import plotly.graph_objects as go
import pytest

import localreg
from localreg import InputModel, Logger, Task
from localreg.errors import (
    EmptyModelError,
    InvalidValueError,
    ModelNotFoundError,
    SourceNotFoundError,
)
from localreg.operations.reports import charts
from localreg.plots.arrays import as_numbers, pack, unpack
from localreg.plots.thinning import POINTS, thinned_line, thinned_matrix
from localreg.utilities.plotly_reporter import SeriesInfo


@pytest.fixture
def model(registry):
    return InputModel.import_model("s3://bucket/a.pt", name="a")


def drawings(subject):
    """Return ``{(title, series, iteration): drawing}`` of everything that is stored."""
    opened, owner = subject._reports_to()
    with opened.store.read() as connection:
        return {
            (sheet.title, row.series, sheet.iteration): charts.drawing_of(connection, row)
            for sheet in charts.figure_rows(connection, owner)
            for row in sheet.rows
            if row.kind != "media"
        }


def figures(subject):
    """Return the figures as dicts, each of which plotly's own classes accept as it is."""
    opened, owner = subject._reports_to()
    found = [each.figure for each in charts.named_figures(opened, owner)]
    for figure in found:
        go.Figure(figure)  # raises for what is no figure
        json.dumps(figure, allow_nan=False)
    return found


def numbers(array):
    """Return the numbers of one of Plotly's typed arrays."""
    if not isinstance(array, dict):
        return list(array)
    found = np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
    if "shape" in array:
        found = found.reshape([int(side) for side in array["shape"].split(", ")])
    return found.tolist()


# scalars and single values -----------------------------------------------------------------


def test_scalars_come_back_as_they_were_reported(model):
    for step in range(5):
        model.report_scalar("loss", "train", 1 / (step + 1), step)
        model.report_scalar("loss", "val", step, iteration=step * 10)
    model.report_scalar("accuracy", "val", np.float32(0.5), np.int64(3))
    found = model.get_reported_scalars()
    assert found["loss"]["train"] == {"x": [0, 1, 2, 3, 4], "y": [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]}
    assert found["loss"]["val"]["x"] == [0, 10, 20, 30, 40]
    assert found["accuracy"]["val"] == {"x": [3], "y": [0.5]}
    first, second = figures(model)
    assert first["layout"]["title"]["text"] == "accuracy"
    assert [trace["name"] for trace in second["data"]] == ["train", "val"]


@pytest.mark.parametrize(
    "value", [1, 1.5, True, "2.5", np.float16(0.5), np.array(3), np.array([4.0]).sum()]
)
def test_a_scalar_is_whatever_float_takes(value, model):
    model.report_scalar("t", "s", value, 0)
    assert model.get_reported_scalars()["t"]["s"]["y"] == [float(value)]


def test_row_26_nan_and_infinities_are_kept_and_drawn_as_gaps(model):
    for step, value in enumerate([1.0, math.nan, math.inf, -math.inf, 2.0]):
        model.report_scalar("t", "s", value, step)
    values = model.get_reported_scalars()["t"]["s"]["y"]
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2:] == [math.inf, -math.inf, 2.0]
    (figure,) = figures(model)
    assert figure["data"][0]["y"] == [1.0, None, None, None, 2.0]
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 2.0, "min": 1.0, "max": 2.0}


def test_row_26_also_in_plots(model):
    model.report_matrix("m", "s", np.array([[1.0, math.nan], [math.inf, 2.0]]))
    (figure,) = figures(model)
    shown = np.array(numbers(figure["data"][0]["z"]))
    assert np.isnan(shown).tolist() == [[False, True], [True, False]]
    stored = drawings(model)["m", "s", 0].parts["matrix"]
    assert stored[1, 0] == math.inf


def test_row_27_the_same_iteration_again_replaces_the_point(model):
    for value in (1.0, 5.0):
        for step in (0, 1, 2):
            model.report_scalar("t", "s", value + step, step)
        model.flush()
    model.report_scalar("t", "s", 9.0, 1)
    assert model.get_reported_scalars()["t"]["s"] == {"x": [0, 1, 2], "y": [5.0, 9.0, 7.0]}
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 7.0, "min": 5.0, "max": 9.0}


def test_row_27_the_same_title_series_and_iteration_again_replaces_the_plot(model):
    model.report_matrix("m", "s", [[1]], iteration=1)
    model.report_matrix("m", "s", [[2]], iteration=1)
    model.report_matrix("m", "s", [[3]], iteration=2)
    found = drawings(model)
    assert {key: each.parts["matrix"].tolist() for key, each in found.items()} == {
        ("m", "s", 1): [[2]],
        ("m", "s", 2): [[3]],
    }


def test_the_last_minimum_and_maximum_count_whatever_the_order(model):
    for step in (5, 3, 9, 1):
        model.report_scalar("t", "s", step * 1.0, step)
        model.flush()
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 9.0, "min": 1.0, "max": 9.0}


def test_the_last_single_value_of_a_name_stays(model):
    model.report_single_value("accuracy", 0.5)
    model.report_single_value("accuracy", np.float64(0.9))
    model.report_single_value("nothing", math.nan)
    found = model.get_reported_single_values()
    assert found["accuracy"] == 0.9
    assert math.isnan(found["nothing"])


def test_reports_move_the_model_to_the_front(registry, model):
    other = InputModel.import_model("s3://bucket/b.pt", name="b")
    assert registry.models()[0] == other
    model.report_scalar("t", "s", 1, 0)
    model.flush()
    assert registry.models()[0] == model
    other.report_single_value("v", 1)
    assert registry.models()[0] == other
    model.report_matrix("m", "s", [[1]])
    assert registry.models()[0] == model


def test_reports_to_a_published_model_are_kept(model):
    model.publish()
    model.report_scalar("t", "s", 1, 0)
    model.report_single_value("v", 1)
    assert model.get_reported_scalars()["t"]["s"]["y"] == [1.0]
    assert model.get_reported_single_values() == {"v": 1.0}


def test_nothing_can_be_reported_to_what_is_not_there(registry, model):
    InputModel.remove(model)
    for call in (
        lambda: model.report_scalar("t", "s", 1, 0),
        lambda: model.report_single_value("v", 1),
        lambda: model.report_matrix("m", "s", [[1]]),
        lambda: model.figures(),
        lambda: model.report(),
    ):
        with pytest.raises(ModelNotFoundError, match=model.id):
            call()
    with pytest.raises(EmptyModelError):
        InputModel.empty().report_scalar("t", "s", 1, 0)


# plots -------------------------------------------------------------------------------------


def test_the_histogram_of_the_page(model):
    values = np.random.default_rng(0).integers(10, size=10).reshape(2, 5)
    model.report_histogram(
        title="histogram example", series="histogram series", values=values, iteration=0,
        labels=["A", "B"], xaxis="X axis label", yaxis="Y axis label",
    )  # fmt: skip
    (figure,) = figures(model)
    assert [trace["type"] for trace in figure["data"]] == ["bar", "bar"]
    assert [trace["name"] for trace in figure["data"]] == ["A", "B"]
    assert [numbers(trace["y"]) for trace in figure["data"]] == values.tolist()
    layout = figure["layout"]
    assert layout["barmode"] == "group"
    assert layout["title"]["text"] == "histogram example"
    assert layout["xaxis"]["title"]["text"] == "X axis label"
    assert layout["yaxis"]["title"]["text"] == "Y axis label"


def test_row_32_labels_of_bars_need_no_labels_of_rows(model):
    model.report_histogram("h", "s", [[1, 2], [3, 4]], xlabels=["one", "two"], mode="stack")
    (figure,) = figures(model)
    assert [trace["x"] for trace in figure["data"]] == [["one", "two"]] * 2
    assert figure["layout"]["barmode"] == "stack"
    assert figure["layout"]["title"]["text"] == "h"


def test_data_args_reach_every_row_and_extra_layout_the_layout(model):
    model.report_histogram(
        "h", "s", [[1, 2], [3, 4]], data_args={"marker": {"color": "blue"}},
        extra_layout={"xaxis": {"range": [0, 5]}, "showlegend": False},
    )  # fmt: skip
    (figure,) = figures(model)
    assert all(trace["marker"] == {"color": "blue"} for trace in figure["data"])
    assert figure["layout"]["xaxis"]["range"] == [0, 5]
    assert figure["layout"]["showlegend"] is False


def test_row_30_a_vector_is_grouped(model):
    model.report_vector("v", "s", [3, 1, 2], xlabels=["a", "b", "c"], xaxis="x", yaxis="y")
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert (trace["type"], trace["name"], trace["x"]) == ("bar", "s", ["a", "b", "c"])
    assert numbers(trace["y"]) == [3, 1, 2]
    assert figure["layout"]["barmode"] == "group"


@pytest.mark.parametrize("method", ["report_histogram", "report_vector"])
@pytest.mark.parametrize("shape", [(2, 2, 2), (), (0,), (2, 0)])
def test_row_37_values_with_other_shapes_are_refused(method, shape, model):
    with pytest.raises(
        InvalidValueError, match=f"values.*{shape}".replace("(", r"\(").replace(")", r"\)")
    ):
        getattr(model, method)("h", "s", np.zeros(shape))
    assert drawings(model) == {}


def test_a_table_of_rows(model):
    rows = [["animal", "legs"], ["falcon", 2], ["spider", 8.5], ["<b>snake</b>", None]]
    model.report_table("table example", "rows", table_plot=rows)
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert trace["header"]["values"] == ["<b>animal</b>", "<b>legs</b>"]
    assert trace["cells"]["values"] == [
        ["falcon", "spider", "&lt;b&gt;snake&lt;/b&gt;"], [2, 8.5, ""]
    ]  # fmt: skip
    stored = drawings(model)["table example", "rows", 0].parts
    assert stored["rows"] == rows[1:]


def test_row_31_the_dataframe_of_the_page(model):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"num_legs": [2, 4, 8, 0], "num_wings": [2, 0, 0, 0], "num_specimen_seen": [10, 2, 1, 8]},
        index=["falcon", "dog", "spider", "fish"],
    )
    model.report_table(
        title="table example", series="pandas DataFrame", iteration=0, table_plot=frame
    )
    stored = drawings(model)["table example", "pandas DataFrame", 0].parts
    assert stored["header"] == ["", "num_legs", "num_wings", "num_specimen_seen"]
    assert stored["rows"][0] == ["falcon", 2, 2, 10]
    model.report_table("plain", "s", table_plot=frame.reset_index(drop=True))
    assert drawings(model)["plain", "s", 0].parts["header"][0] == "num_legs"
    several = frame.set_index([["a", "a", "b", "b"], [1, 2, 1, 2]])
    several.columns = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)])
    model.report_table("levels", "s", table_plot=several)
    stored = drawings(model)["levels", "s", 0].parts
    assert stored["header"] == ["", "", "x / 1", "x / 2", "y / 1"]
    assert stored["rows"][3] == ["b", 2, 0, 0, 8]


def test_row_31_a_polars_dataframe(model):
    pl = pytest.importorskip("polars")
    model.report_table("t", "s", table_plot=pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    stored = drawings(model)["t", "s", 0].parts
    assert (stored["header"], stored["rows"]) == (["a", "b"], [[1, "x"], [None, "y"]])


def test_row_31_a_csv_file(model, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('\ufeffname,value\n"a, b",1\nc,2.5\nshort\n', encoding="utf-8")
    model.report_table("t", "path", csv=str(path))
    model.report_table("t", "url", url=path.as_uri())
    for series in ("path", "url"):
        stored = drawings(model)["t", series, 0].parts
        assert stored["header"] == ["name", "value"]
        assert stored["rows"] == [["a, b", 1], ["c", 2.5], ["short", None]]


def test_row_31_exactly_one_table_is_given(model, tmp_path):
    for given in ({}, {"table_plot": [["a"]], "csv": "x.csv"}, {"csv": "x.csv", "url": "s3://b/x"}):
        with pytest.raises(InvalidValueError, match="exactly one of table_plot, csv and url"):
            model.report_table("t", "s", **given)
    with pytest.raises(SourceNotFoundError, match=r"no file .*gone\.csv"):
        model.report_table("t", "s", csv=tmp_path / "gone.csv")


def test_a_long_table_shows_its_beginning_and_says_so(model):
    model.report_table("t", "s", table_plot=[["n"], *([n] for n in range(3_000))])
    opened, owner = model._reports_to()
    reported = charts.reported_values(opened, owner, lambda *_: "")
    (step,) = reported.plots[0].steps
    assert "1,000 of 3,000 rows" in step.note
    assert len(step.shown["data"][0]["cells"]["values"][0]) == 1_000
    assert len(drawings(model)["t", "s", 0].parts["rows"]) == 3_000


def test_row_38_lines_are_series_infos_dicts_or_arrays(model):
    model.report_line_plot(
        "roc",
        [
            SeriesInfo("first", [(0, 0), (1, 1)], labels=["a", "b"]),
            {"name": "second", "data": np.array([[0, 1], [1, 0]])},
            np.array([[0, 2], [1, 2]]),
        ],
        "fpr",
        "tpr",
        reverse_xaxis=True,
        comment="read <this>",
    )
    (figure,) = figures(model)
    assert [trace["name"] for trace in figure["data"]] == ["first", "second", "series 3"]
    assert figure["data"][0]["text"] == ["a", "b"]
    assert figure["data"][0]["mode"] == "lines"
    assert numbers(figure["data"][1]["y"]) == [1, 0]
    assert figure["layout"]["xaxis"]["autorange"] == "reversed"
    assert figure["layout"]["title"]["text"] == "roc<br><sup>read &lt;this&gt;</sup>"


def test_a_series_info_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match=r"\(N, 2\).*\(2, 3\)"):
        SeriesInfo("s", np.zeros((2, 3)))
    with pytest.raises(ValueError, match="labels must have one label for each point, 2 in total"):
        SeriesInfo("s", [(0, 0), (1, 1)], labels=["a"])


def test_the_scatter_of_the_page(model):
    points = np.hstack(
        (np.atleast_2d(np.arange(0, 10)).T, np.random.default_rng(0).integers(10, size=(10, 1)))
    )
    model.report_scatter2d(
        title="example_scatter", series="series", iteration=0, scatter=points,
        xaxis="title x", yaxis="title y",
    )  # fmt: skip
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert numbers(trace["x"]) == list(range(10))
    assert numbers(trace["y"]) == points[:, 1].tolist()
    assert trace["mode"] == "lines", "decision 28"


def test_row_36_two_series_of_points_share_a_chart(model):
    for series in ("series_1", "series_2"):
        model.report_scatter2d("example_scatter", series, [(0, 1), (1, 2)], 1, mode="markers")
    model.report_scatter2d("example_scatter", "series_1", [(0, 1)], 2)
    opened, owner = model._reports_to()
    (plot,) = charts.reported_values(opened, owner, lambda *_: "").plots
    assert [step.iteration for step in plot.steps] == [1, 2]
    assert [trace["name"] for trace in plot.steps[0].shown["data"]] == ["series_1", "series_2"]
    assert len(plot.steps[1].shown["data"]) == 1
    figures(model)


@pytest.mark.parametrize(
    "scatter",
    [
        [(1, 2, 3), (4, 5, 6)],
        [[1, 2, 3], [4, 5, 6]],
        np.array([[1, 2, 3], [4, 5, 6]]),
        [[(1, 2, 3), (4, 5, 6)]],
        ((x, x + 1, x + 2) for x in (1, 4)),
    ],
)
def test_row_29_points_in_space_in_every_form(scatter, model):
    model.report_scatter3d("c", "s", scatter, xaxis="x", yaxis="y", zaxis="z", labels=["a", "b"])
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert (trace["type"], trace["mode"]) == ("scatter3d", "markers")
    assert [numbers(trace[axis]) for axis in "xyz"] == [[1, 4], [2, 5], [3, 6]]
    assert trace["text"] == ["a", "b"]
    assert figure["layout"]["scene"]["zaxis"]["title"]["text"] == "z"


def test_row_29_several_series_and_fill(model):
    model.report_scatter3d(
        "c", "s", [[(1, 2, 3)], [(4, 5, 6), (7, 8, 9)]], fill=True, mode="lines+markers"
    )
    (figure,) = figures(model)
    assert [trace["name"] for trace in figure["data"]] == ["s 1", "s 2"]
    assert all(trace["surfaceaxis"] == 2 for trace in figure["data"])


def test_the_confusion_matrix_of_the_page(model):
    confusion = np.random.default_rng(0).integers(10, size=(10, 10))
    model.report_confusion_matrix(
        "example confusion matrix", "ignored", iteration=1, matrix=confusion,
        xaxis="title X", yaxis="title Y",
    )  # fmt: skip
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert trace["type"] == "heatmap"
    assert numbers(trace["z"]) == confusion.tolist()
    assert "autorange" not in figure["layout"]["yaxis"], "decision 33: row 0 is at the bottom"


def test_row_33_the_matrix_has_its_labels_and_can_be_turned_over(model):
    model.report_matrix(
        "m", "s", [[1, 2, 3], [4, 5, 6]], xlabels=["a", "b", "c"], ylabels=["1", "2"],
        yaxis_reversed=True, extra_layout={"xaxis": {"title": {"text": "mine"}}},
    )  # fmt: skip
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert (trace["x"], trace["y"]) == (["a", "b", "c"], ["1", "2"])
    assert figure["layout"]["yaxis"] == {"type": "category", "autorange": "reversed"}
    assert figure["layout"]["xaxis"]["title"]["text"] == "mine"
    assert "xaxis" not in trace


def test_labels_that_are_the_same_twice_keep_their_columns(model):
    model.report_matrix("m", "s", [[1, 2, 3]], xlabels=["a", "a", "b"])
    (figure,) = figures(model)
    assert figure["data"][0]["x"] == [0, 1, 2]
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "a", "b"]


def test_the_surface_of_the_page(model):
    surface = np.random.default_rng(0).integers(10, size=(10, 10))
    model.report_surface(
        "example surface", "series", iteration=0, matrix=surface,
        xaxis="title X", yaxis="title Y", zaxis="title Z",
    )  # fmt: skip
    model.report_surface("seen from elsewhere", "series", surface, camera=[2, 0, 0.5])
    first, second = figures(model)
    assert first["data"][0]["type"] == "surface"
    assert numbers(first["data"][0]["z"]) == surface.tolist()
    assert first["layout"]["scene"]["camera"]["eye"] == {"x": 1.0, "y": 1.0, "z": 1.0}, (
        "decision 30"
    )
    assert second["layout"]["scene"]["camera"]["eye"] == {"x": 2.0, "y": 0.0, "z": 0.5}


class Tensor:
    """What torch has: numbers that numpy can read once they are detached and on the CPU."""

    def __init__(self, values, detached=False):
        self.values, self.detached = values, detached

    def detach(self):
        return Tensor(self.values, True)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if not self.detached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.array(self.values, dtype)


def test_whatever_numpy_takes_is_numbers(model):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = [[1.0, 2.0], [3.0, 4.0]]
    for number, given in enumerate([
        expected, tuple(map(tuple, expected)), np.array(expected), Tensor(expected),
        pd.DataFrame(expected), pl.DataFrame({"a": [1.0, 3.0], "b": [2.0, 4.0]}),
    ]):  # fmt: skip
        model.report_matrix("m", str(number), given)
        assert drawings(model)["m", str(number), 0].parts["matrix"].tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("?", "|u1"), ("i8", "|u1"), ("f2", "<f4"), ("f4", "<f4"), ("f8", "<f8"), (">f8", "<f8")],
)
def test_numbers_are_kept_in_the_narrowest_type_that_loses_nothing(dtype, stored, model):
    model.report_matrix("m", "s", np.ones((2, 2), dtype))
    found = drawings(model)["m", "s", 0].parts["matrix"]
    assert found.dtype.str == stored
    assert found.tolist() == [[1, 1], [1, 1]]


def test_integers_beyond_32_bits_are_kept_as_floats(model):
    model.report_vector("v", "s", [2**40, -1])
    assert drawings(model)["v", "s", 0].parts["values"].tolist() == [[2.0**40, -1.0]]


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
def test_what_cannot_be_kept_is_told_and_changes_nothing(call, named, model, registry):
    before = "\n".join(registry.db.conn.iterdump())
    with pytest.raises(InvalidValueError, match=named):
        call(model)
    model.flush()
    assert "\n".join(registry.db.conn.iterdump()) == before


# tasks and loggers -------------------------------------------------------------------------


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="train")
    yield task
    task.close()


def test_a_task_and_its_logger_report_to_the_same_place(task):
    logger = task.get_logger()
    task.report_scalar("t", "s", 1, 0)
    logger.report_scalar("t", "s", 2, 1)
    Logger.current_logger().report_scalar("t", "s", 3, 2)
    assert task.get_reported_scalars() == {"t": {"s": {"x": [0, 1, 2], "y": [1.0, 2.0, 3.0]}}}
    logger.report_matrix("m", "s", [[1]])
    assert ("m", "s", 0) in drawings(task)


def test_there_is_no_current_logger_without_a_current_task(registry):
    assert Logger.current_logger() is None


def test_a_log_keeps_its_lines_and_prints_them(task, capsys):
    logger = task.get_logger()
    logger.report_text("one")
    logger.report_text("two\nlines", level=30, print_console=False)
    assert capsys.readouterr().out == "one\n"
    from localreg.store.rows import report_rows

    opened, owner = task._reports_to()
    task.flush()
    with opened.store.read() as connection:
        found, more = report_rows.messages(connection, owner, 10)
    assert [(each.level, each.text) for each in found] == [(20, "one"), (30, "two\nlines")]
    assert more == 0


def test_a_plotly_figure_comes_back(task):
    figure = go.Figure(go.Scatter(x=np.arange(3), y=[1, None, 2]), layout={"title": {"text": "T"}})
    task.get_logger().report_plotly("p", "figure", figure, 1)
    task.get_logger().report_plotly("p", "dict", {"data": [{"type": "bar", "y": [1]}]}, 1)
    found = {each["data"][0]["type"]: each for each in figures(task)}
    assert found["scatter"]["layout"]["title"]["text"] == "T"
    assert list(found["scatter"]["data"][0]["y"]) == [1, None, 2]
    for wrong in (None, 5, {}, {"data": 5}, {"data": [5]}, {"data": [], "layout": [1]}):
        with pytest.raises(InvalidValueError, match="figure"):
            task.get_logger().report_plotly("p", "wrong", wrong)


def picture(subject, title):
    """Return the bytes that were kept under a title, and the file name they have."""
    opened, owner = subject._reports_to()
    with opened.store.read() as connection:
        sheets = charts.figure_rows(connection, owner)
        (row,) = (sheet.rows[-1] for sheet in sheets if sheet.title == title)
    name = json.loads(row.spec)["options"]["filename"]
    return opened.blobs.blob(row.digest).read_bytes(), name


@pytest.mark.parametrize(
    ("shape", "mode"), [((4, 6), "L"), ((4, 6, 1), "L"), ((4, 6, 3), "RGB"), ((4, 6, 4), "RGBA")]
)
def test_an_array_becomes_a_png(shape, mode, task):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=shape).astype("u1")
    task.get_logger().report_image("i", "s", 1, image=pixels)
    data, name = picture(task, "i")
    assert name == "image.png"
    found = image.open(io.BytesIO(data))
    assert found.mode == mode
    assert np.array_equal(np.asarray(found), pixels.reshape(np.asarray(found).shape))
    task.get_logger().report_image("f", "s", 1, matrix=pixels / 255)
    assert picture(task, "f")[0] == data
    task.get_logger().report_image("pil", "s", 1, image=found)
    assert picture(task, "pil")[0] == data


def test_files_and_streams_are_kept(task, tmp_path):
    path = tmp_path / "a picture.jpg"
    path.write_bytes(b"jpeg")
    logger = task.get_logger()
    logger.report_image("i", "s", local_path=path)
    assert picture(task, "i") == (b"jpeg", "a picture.jpg")
    logger.report_media("u", "s", url=path.as_uri())
    assert picture(task, "u") == (b"jpeg", "a picture.jpg")
    logger.report_media("m", "s", stream=io.BytesIO(b"sound"), file_extension=".wav")
    assert picture(task, "m") == (b"sound", "media.wav")
    logger.report_media("t", "s", stream=io.StringIO("<p>text"), file_extension="html")
    assert picture(task, "t") == (b"<p>text", "media.html")
    assert path.exists()
    logger.report_image("gone", "s", local_path=path, delete_after_upload=True)
    assert not path.exists()


def test_only_so_many_iterations_of_a_picture_stay(task):
    for iteration in range(5):
        task.get_logger().report_image(
            "i", "s", iteration, image=np.full((2, 2), iteration), max_image_history=2
        )
    opened, owner = task._reports_to()
    with opened.store.read() as connection:
        assert [each.iteration for each in charts.figure_rows(connection, owner)] == [3, 4]


def test_reported_files_are_kept_by_the_garbage_collection(task, registry):
    task.get_logger().report_image("i", "s", image=np.zeros((2, 2)))
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    picture(task, "i")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "exactly one"),
        ({"image": [[1]], "local_path": "x"}, "exactly one"),
        ({"image": np.zeros((2, 2, 2))}, r"image.*\(2, 2, 2\)"),
        ({"image": "x"}, "image"),
        ({"local_path": 5}, "local_path"),
    ],
)
def test_what_is_no_picture_is_refused(given, named, task):
    with pytest.raises(InvalidValueError, match=named):
        task.get_logger().report_image("i", "s", **given)


def test_a_matplotlib_figure_becomes_a_picture(task):
    class Drawn:
        def savefig(self, into, **options):
            into.write(f"drawn as {options['format']}".encode())

    class Pyplot:
        def gcf(self):
            return Drawn()

    for title, given in (("figure", Drawn()), ("pyplot", Pyplot())):
        task.get_logger().report_matplotlib_figure(title, "s", given)
        assert picture(task, title) == (b"drawn as png", "figure.png")
    with pytest.raises(InvalidValueError, match="figure must be a matplotlib figure"):
        task.get_logger().report_matplotlib_figure("x", "s", 5)


def test_what_is_too_large_to_be_drawn_is_thinned_and_stays_whole(model):
    x = np.arange(100_000)
    y = np.sin(x / 5_000)
    y[[12_345, 77_777]] = 9.0, -9.0  # peaks
    y[50_000:50_010] = np.nan  # a gap
    model.report_line_plot("line", [SeriesInfo("a", np.column_stack([x, y]))], "x", "y")
    model.report_scatter2d("cloud", "s", np.column_stack([y, x]), mode="markers", comment="c")
    model.report_matrix("matrix", "m", np.arange(1_000_000).reshape(1_000, 1_000),
                        xlabels=[f"c{n}" for n in range(1_000)])  # fmt: skip
    opened, owner = model._reports_to()
    plots = {plot.title: plot.steps[0] for plot in charts.reported_values(
        opened, owner, lambda *_: "").plots}  # fmt: skip
    (line,) = plots["line"].shown["data"]
    drawn_x, drawn_y = np.array(numbers(line["x"])), np.array(numbers(line["y"]))
    assert len(drawn_x) < 5_000
    assert (np.diff(drawn_x) > 0).all()
    assert (np.nanmin(drawn_y), np.nanmax(drawn_y)) == (-9.0, 9.0)
    assert np.isnan(drawn_y).sum() == 1
    assert "of 100,000 points are drawn" in plots["line"].note
    assert plots["cloud"].note.splitlines()[0] == "c"
    (matrix,) = plots["matrix"].shown["data"]
    cells = np.array(numbers(matrix["z"]))
    assert cells.shape == (250, 250)
    assert cells[0, 0] == np.arange(4).mean() + 1_000 * 1.5
    assert matrix["x"][0] == 1.5
    assert "c0" in plots["matrix"].shown["layout"]["xaxis"]["ticktext"]
    assert "average of each 4 × 4 cells, of 1,000 × 1,000" in plots["matrix"].note
    whole = {
        figure.layout.title.text.partition("<")[0]: figure for figure in model.figures(full=True)
    }
    assert len(numbers(whole["line"].data[0].x)) == 100_000
    assert drawings(model)["matrix", "m", 0].parts["matrix"].shape == (1_000, 1_000)


def test_long_scalar_series_are_thinned_for_pages_and_stay_whole(model):
    for step in range(20_000):
        model.report_scalar("t", "s", 100.0 if step == 5_000 else math.sin(step / 900), step)
    opened, owner = model._reports_to()
    (chart,) = charts.reported_values(opened, owner, lambda *_: "").charts
    (line,) = chart.lines
    assert line.points == 20_000
    assert len(line.iterations) == len(line.values) == len(line.seconds) <= 4_000
    assert max(line.values) == 100.0
    assert len(model.get_reported_scalars()["t"]["s"]["x"]) == 20_000


def test_figures_are_for_notebooks(model):
    model.report_scalar("loss", "train", 1.0, 0)
    model.report_matrix("m", "s", [[1]], iteration=1)
    model.report_matrix("m", "s", [[2]], iteration=2)
    first, second = model.figures()
    assert isinstance(first, go.Figure)
    assert numbers(second.data[0].z) in ([[2]], [2])


def test_the_module_that_clearml_scripts_import_is_there():
    assert localreg.utilities.plotly_reporter.SeriesInfo is SeriesInfo


def test_a_logger_has_what_scripts_ask_it_for(task):
    logger = task.get_logger()
    logger.set_flush_period(10)
    assert logger.get_flush_period() == 1.0
    logger.set_default_upload_destination("/share")
    logger.set_default_debug_sample_history(5)
    assert logger.flush(wait=True) is True
    assert task.flush(wait_for_uploads=True) is True
    assert task.logger.SeriesInfo("a", [(0, 1)]).name == "a"


# what is easily lost -----------------------------------------------------------------------


def test_missing_values_and_arrays_in_tables(task):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"n": pd.array([1, None], dtype="Int64"), "b": pd.array([None, True], dtype="boolean")}
    )
    logger = task.get_logger()
    logger.report_table("nullable", "s", table_plot=frame)
    rows = [
        [np.array([1, 2]), "h", pd.NA],
        [np.array([1, 2]), np.array(3), pd.NaT],
        [np.longdouble(1), np.float32("nan"), pd.NA],
    ]
    logger.report_table("arrays", "s", table_plot=rows)
    found = drawings(task)
    assert found["nullable", "s", 0].parts["rows"] == [[1, ""], ["", True]]
    arrays = found["arrays", "s", 0].parts
    assert arrays["header"] == ["[1 2]", "h", ""]
    assert arrays["rows"][0] == ["[1 2]", 3, ""]
    assert arrays["rows"][1][1:] == ["", ""]
    with pytest.raises(InvalidValueError, match="table_plot"):
        logger.report_table("t", "s", table_plot=[["a"], [10**5_000]])


def test_texts_of_a_csv_file_stay_what_they_are(task, tmp_path):
    texts = ["01234", "nan", "inf", "9" * 5_000, "1e999", "-01.5", "1_000", "12345678901234567"]
    numbers = ["0", "-5", "1.5", "-0.25", "2e3", "1.5E-3"]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a", *texts, *numbers]))
    task.get_logger().report_table("t", "s", csv=path)
    cells = [row[0] for row in drawings(task)["t", "s", 0].parts["rows"]]
    assert cells == [*texts, 0, -5, 1.5, -0.25, 2_000, 0.0015]


def test_a_mask_is_black_and_white_and_a_large_picture_is_taken(task):
    image = pytest.importorskip("PIL.Image")
    task.get_logger().report_image("mask", "s", image=np.array([[True, False]]))
    found = image.open(io.BytesIO(picture(task, "mask")[0]))
    assert np.asarray(found).tolist() == [[255, 0]]
    task.get_logger().report_image("4K", "s", image=np.zeros((2_160, 3_840, 3), "u1"))
    assert image.open(io.BytesIO(picture(task, "4K")[0])).size == (3_840, 2_160)


@pytest.mark.parametrize("given", ["abc", 0.5, 0, True])
def test_a_history_is_a_whole_number(given, task):
    logger = task.get_logger()
    with pytest.raises(InvalidValueError, match="max_image_history"):
        logger.report_image("i", "s", image=[[1]], max_image_history=given)
    with pytest.raises(InvalidValueError, match="max_history"):
        logger.report_media("i", "s", stream=io.BytesIO(b"x"), max_history=given)


def test_a_history_of_pictures_leaves_other_plots_and_may_be_endless(task):
    logger = task.get_logger()
    logger.report_matrix("i", "s", [[1]], iteration=0)
    for iteration in (1, 2, 3):
        logger.report_image("i", "s", iteration, image=[[1]], max_image_history=-1)
    opened, owner = task._reports_to()

    def iterations():
        with opened.store.read() as connection:
            return [each.iteration for each in charts.figure_rows(connection, owner)]

    assert iterations() == [0, 1, 2, 3]
    logger.report_image("i", "s", 4, image=[[1]], max_image_history=2**80)
    logger.report_image("i", "s", 5, image=[[1]], max_image_history=2)
    assert iterations() == [0, 4, 5]


def test_a_folder_is_no_media(task, tmp_path):
    with pytest.raises(InvalidValueError, match="local_path must be one file"):
        task.get_logger().report_media("m", "s", local_path=tmp_path)


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


def test_what_is_masked_is_a_gap():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert as_numbers("x", masked).tolist() == pytest.approx([1, math.nan, 3], nan_ok=True)
    assert as_numbers("x", np.ma.array([1, 2])).dtype == np.uint8


@pytest.mark.parametrize("raised", [KeyError, AttributeError, ZeroDivisionError])
def test_numbers_that_fail_are_named(raised, task):
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


def test_damaged_data_of_a_plot_is_refused():
    contents, data = pack({"x": np.zeros(100_000)})
    ((name, kind, shape, size, length),) = contents
    for told, given in [
        ([name, kind, shape, 8, length], data),  # more comes out
        ([name, kind, shape, size + 8, length], data),
        ([name, kind, [7], size, length], data),
        ([name, "nothing", shape, size, length], data),
        ([name, kind, shape, size, length], b"x" * length),
    ]:
        with pytest.raises(InvalidValueError, match="damaged"):
            unpack([told], given)
