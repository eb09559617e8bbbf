"""Sketches: charts that a page shows before Plotly has started, and without any script."""

from __future__ import annotations

import base64
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg import InputModel, Registry
from localreg.pages.sketches import HEIGHT, WIDTH, SketchLine, figure_sketch, sketch
from localreg.utilities.plotly_reporter import SeriesInfo

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
lines = st.lists(st.tuples(st.integers(-(2**53), 2**53), st.none() | numbers), max_size=40)
FIGURE = {"data": [{"type": "scatter", "mode": "lines", "x": [0, 1], "y": [1, 3]}], "layout": {}}


def places(html):
    """Return the places of all points of a sketch's lines."""
    found = []
    for path in re.findall(r'<path class=\w+ style=[^>]* d="([^"]*)"', html):
        x = y = 0
        for command, dx, dy in re.findall(r"([Ml])(-?\d+) (-?\d+)", path):
            x, y = (0, 0) if command == "M" else (x, y)
            x, y = x + int(dx), y + int(dy)
            found.append((x, y))
    return found


@given(st.lists(lines, max_size=4))
def test_any_numbers_can_be_sketched(series):
    drawn = [
        SketchLine(*zip(*sorted(each, key=lambda at: at[0]), strict=True), 0)
        for each in series
        if each
    ]
    html = sketch(drawn)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(html))
    is_empty = all(value is None for each in series for _, value in each)
    assert bool(html) is not is_empty
    assert "nan" not in html
    assert "inf" not in html


def test_a_long_line_keeps_its_peaks_in_few_bytes():
    steps = range(4_000)
    values = [math.sin(step / 40) for step in steps]
    values[1234], values[2345] = 9.0, -9.0
    html = sketch([SketchLine(steps, values, 0)])
    assert len(html) < 4_000
    drawn = places(html)
    highest, lowest = min(drawn, key=lambda at: at[1]), max(drawn, key=lambda at: at[1])
    assert abs(highest[0] - 1234 / 4_000 * WIDTH) < 4
    assert abs(lowest[0] - 2345 / 4_000 * WIDTH) < 4


def test_no_line_is_drawn_over_a_gap():
    html = sketch([SketchLine([0, 1, 2, 3, 4], [1.0, 2.0, None, 2.0, 1.0], 0)])
    assert html.count("M0 ") >= 1
    (path,) = re.findall(r'style=[^>]* d="([^"]*)"', html)
    assert path.count("M") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"type": "heatmap"},
        {"mode": "markers"},
        {"x": ["2026-01-01", "2026-01-02"]},
        {"x": [0, None]},
        {"x": [0]},
        {"y": [10**400, 1]},
        {"y": {"dtype": "f8", "bdata": "AAA"}},
        {"y": {"dtype": "f8", "bdata": 7}},
        {"y": {"dtype": "f8"}},
        {"y": {"dtype": "O", "bdata": ""}},
        {"y": "text"},
    ],
)
def test_a_figure_that_is_no_plain_line_has_no_sketch(change):
    assert figure_sketch(FIGURE)
    assert figure_sketch({"data": [FIGURE["data"][0] | change], "layout": {}}) == ""


def test_a_figure_with_axes_of_its_own_has_no_sketch():
    assert figure_sketch(FIGURE | {"layout": {"xaxis": {"title": {"text": "x"}}}})
    assert figure_sketch(FIGURE | {"layout": {"yaxis": {"type": "log"}}}) == ""
    assert figure_sketch(FIGURE | {"layout": {"yaxis": None}}) == ""


def test_numbers_of_a_figure_may_be_bytes():
    packed = base64.b64encode(b"\x00\x02").decode()
    trace = FIGURE["data"][0] | {"y": {"dtype": "u1", "bdata": packed}}
    assert len(places(figure_sketch({"data": [trace], "layout": {}}))) == 2


@pytest.fixture
def model(tmp_path):
    with Registry(tmp_path / "r", durability="fast"):
        model = InputModel.import_model("s3://bucket/m.pt", name="m")
        for step in range(5):
            model.report_scalar("loss", "train", 1 / (step + 1), step)
        model.report_line_plot("roc", [SeriesInfo("a", [(0, 0.0), (1, 1.0)])], "x", "y")
        yield model


def test_a_page_has_a_sketch_of_each_chart_and_line_plot(model):
    page = model.report().read_text("utf-8")
    assert len(re.findall(r'<div class="figure [^>]*><div class="sketch"', page)) == 2


def test_a_page_starts_plotly_after_it_is_shown(model, tmp_path):
    """No script of the page is Plotly's; drawing.js makes one of what stands in a text."""
    page = model.report().read_text("utf-8")
    assert not re.search(r'<script src="[^"]*plotly', page)
    assert re.search(r'<script type="text/plain" id="plotly" data-source="[^"]*plotly', page)
    alone = model.report(path=tmp_path / "alone.html").read_text("utf-8")
    text = alone.partition('<script type="text/plain" id="plotly">')[2].partition("</script>")[0]
    assert len(text) > 1_000_000
