"""A matplotlib figure becomes a figure of Plotly only if that loses nothing."""

from __future__ import annotations

import datetime
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from localreg.plots.matplotlib_figures import interactive, picture

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def axes():
    _, axes = plt.subplots()
    yield axes
    plt.close("all")


def shown(axes):
    """Return the traces and the layout of the axes' figure; plotly's own classes accept them."""
    found = interactive(axes.figure)
    go.Figure(found)
    json.dumps(found, allow_nan=False)
    return found["data"], found["layout"]


def test_lines(axes):
    axes.plot([1, 2, np.nan], label="a <b>")
    axes.plot(np.ma.masked_equal([5, 0, 7], 0), "r--o", alpha=0.5, label="masked")
    axes.step([0, 1, 2], [0, 1, 4], where="post")
    axes.set(title="curves", xlabel="epoch", ylabel="loss", yscale="log")
    axes.set_xlim(0, 5)
    axes.legend(title="which")
    (first, second, third), layout = shown(axes)
    assert (first["x"], first["y"], first["mode"]) == ([0, 1, 2], [1, 2, None], "lines")
    assert (first["name"], first["showlegend"]) == ("a &lt;b&gt;", True)
    assert second["y"] == [5, None, 7]
    assert (second["line"]["dash"], second["line"]["color"]) == ("dash", "#ff0000")
    assert (second["mode"], second["marker"]["symbol"]) == ("lines+markers", "circle")
    assert second["opacity"] == 0.5
    assert (third["line"]["shape"], third["showlegend"]) == ("hv", False)
    assert (layout["xaxis"]["range"], layout["yaxis"]["type"]) == ([0, 5], "log")
    assert layout["title"]["text"] == "curves"
    assert layout["legend"]["title"]["text"] == "which"
    assert "range" not in layout["yaxis"]


def test_the_page_chooses_the_colours_unless_the_script_does(axes):
    axes.plot([1, 2])
    axes.plot([2, 1])
    assert ["color" in trace["line"] for trace in shown(axes)[0]] == [False, False]
    axes.plot([3, 3], color="black")
    traces, layout = shown(axes)
    assert traces[2]["line"]["color"] == "#000000"
    assert layout["plot_bgcolor"] == "#ffffff"


def test_bars_and_histograms(axes):
    axes.bar(["cat", "dog"], [1, -2], bottom=[0, 5], color=["red", "blue"])
    (bars,), layout = shown(axes)
    assert (bars["x"], bars["y"], bars["base"]) == ([0, 1], [1, -2], [0, 5])
    assert bars["marker"]["color"] == ["#ff0000", "#0000ff"]
    assert (layout["xaxis"]["ticktext"], layout["xaxis"]["tickvals"]) == (["cat", "dog"], [0, 1])
    axes.clear()
    axes.barh(["cat", "dog"], [1, 2])
    (bars,), _ = shown(axes)
    assert (bars["orientation"], bars["x"], bars["y"]) == ("h", [1, 2], [0, 1])
    axes.clear()
    counts, edges, _ = axes.hist([1, 1, 2, 5], bins=4)
    (bars,), _ = shown(axes)
    assert bars["y"] == counts.tolist()
    assert bars["width"] == pytest.approx(np.diff(edges))
    axes.clear()
    axes.hist([1, 2], label="first", alpha=0.5)
    axes.hist([2, 3], label="second", alpha=0.5)
    axes.legend()
    traces, _ = shown(axes)
    assert [(each["name"], each["opacity"]) for each in traces] == [("first", 0.5), ("second", 0.5)]


def test_points(axes):
    axes.scatter([1, 2], [3, 4], c=[0.0, 1.0], s=[36, 9], label="points")
    (points,), _ = shown(axes)
    assert (points["x"], points["y"], points["mode"]) == ([1, 2], [3, 4], "markers")
    assert points["marker"]["size"] == [8, 4]
    assert points["marker"]["color"] == ["#440154", "#fde725"]
    axes.plot([1], [1], "x")
    assert shown(axes)[0][1]["marker"]["symbol"] == "x-thin-open"


def test_ticks_and_inverted_axes(axes):
    axes.plot([1, 2, 3])
    axes.set_xticks([0, 2], ["low", "high"])
    axes.yaxis.set_inverted(True)
    _, layout = shown(axes)
    assert layout["xaxis"]["ticktext"] == ["low", "high"]
    assert layout["yaxis"]["autorange"] == "reversed"


def _twin(axes):
    axes.plot([1, 2])
    axes.twinx().plot([2, 1])


def _note(axes):
    axes.plot([1, 2])
    axes.annotate("here", (1, 1))


def _dates(axes):
    axes.plot([datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)], [1, 2])


def _formula(axes):
    axes.plot([1, 2])
    axes.set_title("$x^2$")


def _other_legend(axes):
    axes.plot([1, 2], label="a")
    axes.legend(["another name"])


def _text_of_the_figure(axes):
    axes.plot([1, 2])
    axes.figure.text(0.5, 0.5, "draft")


def _colourbar(axes):
    axes.figure.colorbar(axes.scatter([1, 2], [1, 2], c=[1, 2]))


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: axes.errorbar([1, 2], [3, 4], yerr=0.1),
        lambda axes: axes.bar([1, 2], [3, 4], yerr=0.1),
        lambda axes: axes.bar([1, 2], [3, 4], hatch="/"),
        lambda axes: axes.bar([1, 2], [3, 4], label=["one", "two"]),
        lambda axes: axes.fill_between([1, 2], [3, 4]),
        lambda axes: axes.axhline(1),
        lambda axes: axes.imshow(np.zeros((2, 2))),
        lambda axes: axes.boxplot([1, 2, 3]),
        lambda axes: axes.pie([1, 2]),
        lambda axes: axes.plot([1, 2], marker="o", fillstyle="none"),
        lambda axes: axes.scatter([1, 2], [1, 2], marker="^"),
        lambda axes: axes.scatter([1, 2], [1, 2], facecolors="none", edgecolors="r"),
        lambda axes: axes.plot(range(60_000)),
        lambda axes: axes.set_yscale("symlog"),
        lambda axes: axes.set_title("nothing is drawn"),
        lambda axes: axes.figure.add_subplot(122, projection="polar"),
        _twin, _note, _dates, _formula, _other_legend, _text_of_the_figure, _colourbar,
    ],
)  # fmt: skip
def test_what_would_be_lost_makes_it_a_picture(draw, axes):
    draw(axes)
    assert interactive(axes.figure) is None
    assert picture(axes.figure).startswith(b"\x89PNG")


def test_what_is_no_figure_is_not_converted():
    assert interactive(object()) is None
