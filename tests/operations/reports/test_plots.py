"""Each method that reports a plot: what is stored, and that plotly accepts its figure."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import pytest
from support.reports import drawings, figures, numbers

from localreg import Model, OutputModel, Task
from localreg.errors import InvalidValueError
from localreg.operations.reports import charts
from localreg.utilities.plotly_reporter import SeriesInfo


def test_nan_and_infinities_in_plots_are_stored_and_drawn_as_gaps(model):
    """See decision 26 of the guide."""
    model.report_matrix("m", "s", np.array([[1.0, math.nan], [math.inf, 2.0]]))
    (figure,) = figures(model)
    shown = np.array(numbers(figure["data"][0]["z"]))
    assert np.isnan(shown).tolist() == [[False, True], [True, False]]
    stored = drawings(model)["m", "s", 0].parts["matrix"]
    assert stored[1, 0] == math.inf


def test_a_second_report_of_title_series_and_iteration_replaces_the_plot(model):
    """See decision 27 of the guide."""
    model.report_matrix("m", "s", [[1]], iteration=1)
    model.report_matrix("m", "s", [[2]], iteration=1)
    model.report_matrix("m", "s", [[3]], iteration=2)
    found = drawings(model)
    assert {key: each.parts["matrix"].tolist() for key, each in found.items()} == {
        ("m", "s", 1): [[2]],
        ("m", "s", 2): [[3]],
    }


def test_the_histogram_of_the_reference_page(model):
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


def test_labels_of_bars_need_no_labels_of_rows(model):
    """See decision 32 of the guide."""
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


def test_the_bars_of_a_vector_are_grouped(model):
    """See decision 30 of the guide."""
    model.report_vector("v", "s", [3, 1, 2], xlabels=["a", "b", "c"], xaxis="x", yaxis="y")
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert (trace["type"], trace["name"], trace["x"]) == ("bar", "s", ["a", "b", "c"])
    assert numbers(trace["y"]) == [3, 1, 2]
    assert figure["layout"]["barmode"] == "group"


@pytest.mark.parametrize("method", ["report_histogram", "report_vector"])
@pytest.mark.parametrize("shape", [(2, 2, 2), (), (0,), (2, 0)])
def test_bars_with_other_shapes_are_refused(method, shape, model):
    """See decision 37 of the guide."""
    with pytest.raises(
        InvalidValueError, match=f"values.*{shape}".replace("(", r"\(").replace(")", r"\)")
    ):
        getattr(model, method)("h", "s", np.zeros(shape))
    assert drawings(model) == {}


def test_lines_are_series_infos_dicts_or_arrays(model):
    """See decision 38 of the guide."""
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


def test_the_scatter_plot_of_the_reference_page(model):
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


def test_two_series_of_points_share_a_chart(model):
    """See decision 36 of the guide."""
    for series in ("series_1", "series_2"):
        model.report_scatter2d("example_scatter", series, [(0, 1), (1, 2)], 1, mode="markers")
    model.report_scatter2d("example_scatter", "series_1", [(0, 1)], 2)
    _, registry, owner = model._owned()
    (plot,) = charts.reported_values(registry, owner, lambda *_: "").plots
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
def test_points_in_three_dimensions_in_every_form(scatter, model):
    """See decision 29 of the guide."""
    model.report_scatter3d("c", "s", scatter, xaxis="x", yaxis="y", zaxis="z", labels=["a", "b"])
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert (trace["type"], trace["mode"]) == ("scatter3d", "markers")
    assert [numbers(trace[axis]) for axis in "xyz"] == [[1, 4], [2, 5], [3, 6]]
    assert trace["text"] == ["a", "b"]
    assert figure["layout"]["scene"]["zaxis"]["title"]["text"] == "z"


def test_several_series_in_three_dimensions_and_fill(model):
    """See decision 29 of the guide."""
    model.report_scatter3d(
        "c", "s", [[(1, 2, 3)], [(4, 5, 6), (7, 8, 9)]], fill=True, mode="lines+markers"
    )
    (figure,) = figures(model)
    assert [trace["name"] for trace in figure["data"]] == ["s 1", "s 2"]
    assert all(trace["surfaceaxis"] == 2 for trace in figure["data"])


def test_the_confusion_matrix_of_the_reference_page(model):
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


def test_a_matrix_has_labels_and_its_y_axis_can_be_reversed(model):
    """See decision 33 of the guide."""
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


def test_equal_labels_keep_their_columns(model):
    model.report_matrix("m", "s", [[1, 2, 3]], xlabels=["a", "a", "b"])
    (figure,) = figures(model)
    assert figure["data"][0]["x"] == [0, 1, 2]
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "a", "b"]


def test_the_surface_of_the_reference_page(model):
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


def test_anything_that_numpy_accepts_is_numbers(model):
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
def test_numbers_are_stored_in_the_narrowest_type_that_loses_nothing(dtype, stored, model):
    model.report_matrix("m", "s", np.ones((2, 2), dtype))
    found = drawings(model)["m", "s", 0].parts["matrix"]
    assert found.dtype.str == stored
    assert found.tolist() == [[1, 1], [1, 1]]


def test_integers_beyond_32_bits_are_stored_as_floats(model):
    model.report_vector("v", "s", [2**40, -1])
    assert drawings(model)["v", "s", 0].parts["values"].tolist() == [[2.0**40, -1.0]]


def test_a_plotly_figure_comes_back_as_reported(task):
    figure = go.Figure(go.Scatter(x=np.arange(3), y=[1, None, 2]), layout={"title": {"text": "T"}})
    task.get_logger().report_plotly("p", "figure", figure, 1)
    task.get_logger().report_plotly("p", "dict", {"data": [{"type": "bar", "y": [1]}]}, 1)
    found = {each["data"][0]["type"]: each for each in figures(task)}
    assert found["scatter"]["layout"]["title"]["text"] == "T"
    assert list(found["scatter"]["data"][0]["y"]) == [1, None, 2]
    for wrong in (None, 5, {}, {"data": 5}, {"data": [5]}, {"data": [], "layout": [1]}):
        with pytest.raises(InvalidValueError, match="figure"):
            task.get_logger().report_plotly("p", "wrong", wrong)


def test_large_plots_are_thinned_for_pages_and_stored_whole(model):
    x = np.arange(100_000)
    y = np.sin(x / 5_000)
    y[[12_345, 77_777]] = 9.0, -9.0  # peaks
    y[50_000:50_010] = np.nan  # a gap
    model.report_line_plot("line", [SeriesInfo("a", np.column_stack([x, y]))], "x", "y")
    model.report_scatter2d("cloud", "s", np.column_stack([y, x]), mode="markers", comment="c")
    model.report_matrix("matrix", "m", np.arange(1_000_000).reshape(1_000, 1_000),
                        xlabels=[f"c{n}" for n in range(1_000)])  # fmt: skip
    _, registry, owner = model._owned()
    plots = {plot.title: plot.steps[0] for plot in charts.reported_values(
        registry, owner, lambda *_: "").plots}  # fmt: skip
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
    assert "average of 4 × 4 of 1,000 × 1,000 cells" in plots["matrix"].note
    whole = {
        figure.layout.title.text.partition("<")[0]: figure for figure in model.figures(full=True)
    }
    assert len(numbers(whole["line"].data[0].x)) == 100_000
    assert drawings(model)["matrix", "m", 0].parts["matrix"].shape == (1_000, 1_000)


def test_figures_are_plotly_objects_of_the_last_iterations(model):
    model.report_scalar("loss", "train", 1.0, 0)
    model.report_matrix("m", "s", [[1]], iteration=1)
    model.report_matrix("m", "s", [[2]], iteration=2)
    first, second = model.figures()
    assert isinstance(first, go.Figure)
    assert numbers(second.data[0].z) in ([[2]], [2])


def test_figures_of_a_model_have_what_its_task_reported_where_it_lacks_it(registry):
    task = Task.create("vision", "train")
    for owner, offset in ((task, 0.0), (OutputModel(task=task, name="net"), 10.0)):
        owner.report_scalar("loss", "val", offset + 1, 1)
        if owner is task:
            owner.report_scalar("loss", "train", 0.5, 1)
            owner.report_scalar("acc", "train", 0.9, 1)
            owner.report_table("numbers", "one", iteration=1, table_plot=[["a"], [1]])
            owner.report_table("numbers", "two", iteration=1, table_plot=[["a"], [1]])
        else:
            owner.report_table("numbers", "two", iteration=3, table_plot=[["a"], [2]])
    model = Model.query_models()[0]
    titles = [each.layout.title.text for each in model.figures()]
    assert titles == ["acc", "loss", "numbers", "numbers"]
    values = {line.name: list(line.y) for line in model.figures()[1].data}
    assert values == {"train": [0.5], "val": [11.0]}
    cells = [list(each.data[0].cells["values"][0]) for each in model.figures()[2:]]
    assert cells == [[1], [2]]
    assert len(task.figures()) == 4
    # What ClearML names so is of the model itself.
    assert model.get_reported_scalars() == {"loss": {"val": {"x": [1], "y": [11.0]}}}
    task.delete(delete_artifacts_and_models=False)
    assert [each.layout.title.text for each in model.figures()] == ["loss", "numbers"]
