"""What a comparison shows: rows, best values, axes, configurations, scales of colours."""

from __future__ import annotations

import numpy as np
import pytest
from support import page_samples as samples

from localreg.pages import comparing
from localreg.pages.page_values import Measured, Picture, Plot, Step
from localreg.plots.arrays import typed
from localreg.values.frozen import replace


def runs_with(**columns):
    """Return sample runs, one for each entry of the columns, with nothing but these."""
    bare = replace(
        samples.compare().runs[0], facts={}, metrics={}, parameters={}, metadata={}, config={}
    )
    return [
        replace(bare, **dict(zip(columns, entry, strict=True)))
        for entry in zip(*columns.values(), strict=True)
    ]


def series(last, low, high):
    return Measured(last, low, high, False)


def best_of(row):
    return [cell.best for cell in row.cells]


def test_the_best_value_is_marked_where_the_direction_is_known():
    """1 marks the greatest, -1 the least, 0 none; of a series also its least or greatest value."""
    runs = runs_with(
        metrics=[
            {
                "loss": series(0.5, 0.1, 2.0),
                "acc": series(0.7, 0.0, 0.9),
                "layers": series(3, 1, 4),
            },
            {
                "loss": series(0.4, 0.2, 3.0),
                "acc": series(0.8, 0.1, 0.8),
                "layers": series(4, 1, 4),
            },
            {"loss": series(float("nan"), None, None)},
        ]
    )
    rows = {row.name: row for row in comparing.metric_rows(runs, {"loss": -1, "acc": 1})}
    assert best_of(rows["loss"]) == [False, True, False]
    assert [cell.more[0][1].best for cell in rows["loss"].cells] == [True, False, False]
    assert not any(cell.more[1][1].best for cell in rows["loss"].cells)
    assert best_of(rows["acc"]) == [False, True, False]
    assert [cell.more[1][1].best for cell in rows["acc"].cells[:2]] == [True, False]
    assert not any(best_of(rows["layers"]))
    assert rows["acc"].cells[2].text == "–"
    same = runs_with(metrics=[{"loss": series(1.0, 0.5, 2.0)}] * 2)
    (row,) = comparing.metric_rows(same, {"loss": -1})
    assert (row.differs, any(best_of(row))) == (False, False)


def test_metrics_with_a_direction_come_first_and_those_of_the_machine_last():
    names = ["loss/val", "a/b", "accuracy", ":monitor:machine/cpu_usage"]
    runs = runs_with(metrics=[{name: series(1, 1, 1) for name in names}] * 2)
    directions = {"loss/val": -1, "accuracy": 1}
    assert [row.name for row in comparing.metric_rows(runs, directions)] == [
        "accuracy", "loss/val", "a/b", ":monitor:machine/cpu_usage",
    ]  # fmt: skip
    assert comparing.first_axes(runs, directions) == [
        "metric accuracy", "metric loss/val", "metric a/b",
    ]  # fmt: skip


def test_rows_without_a_value_are_left_out_and_equal_numbers_do_not_differ():
    rows = comparing.text_rows(
        [{"lr": "0.1", "x": "", "y": "a"}, {"lr": "1e-1", "x": "", "z": "nan"}], {}
    )
    assert [(row.name, row.differs) for row in rows] == [("lr", False), ("y", True), ("z", True)]
    runs = runs_with(parameters=[{"a": "1", "b": "2"}, {"a": "1", "b": "3"}])
    assert [row.name for row in comparing.parameter_rows(runs)] == ["b", "a"]


def test_long_numbers_have_six_digits_unless_they_would_look_alike():
    (row,) = comparing.text_rows([{"lr": "0.0018196429686726777"}, {"lr": "1.5e-05"}], {})
    assert [cell.text for cell in row.cells] == ["0.00181964", "1.5e-05"]
    assert row.cells[0].full == "0.0018196429686726777"
    near = [{"lr": "0.12345671"}, {"lr": "0.12345672"}]
    assert [cell.text for cell in comparing.text_rows(near, {})[0].cells] == [
        "0.12345671", "0.12345672",
    ]  # fmt: skip
    whole = [{"seed": "9007199254740993", "commit": "12345678901e23456"}, {}]
    assert [row.cells[0].text for row in comparing.text_rows(whole, {})] == [
        "9007199254740993", "12345678901e23456",
    ]  # fmt: skip


def test_values_for_axes_have_a_name_each():
    """Parameters drop their section where that is clear; a series has its least and greatest."""
    runs = runs_with(
        parameters=[{"General/lr": "0.1", "Args/n": "1", "General/n": "2"}, {}],
        metrics=[{"loss/val": series(1.0, 0.5, float("inf"))}, {"test": Measured(2, 2, 2, True)}],
        metadata=[{"team": "a"}, {}],
    )
    columns = comparing.columns_of(runs, {"loss/val": -1})
    assert [column.name for column in columns] == [
        "Args/n", "lr", "General/n",
        "loss/val", "loss/val (min)", "loss/val (max)", "test", "team",
    ]  # fmt: skip
    keys = {column.key for column in columns}
    values = [comparing.values_of(run) for run in runs]
    assert values[0]["least loss/val"] == 0.5
    assert "most loss/val" not in values[0]  # JSON has no infinity
    assert values[1] == {"metric test": 2}
    assert set(values[0]) | set(values[1]) <= keys


def test_configurations_are_flattened():
    """Lists of values stay whole, those of mappings get numbers; empty and deep ones are texts."""
    flat = comparing.flat_config({"a": {"b": [1, 2], "c": [{"d": None}], "e": {}}, "f": "x: y"})
    assert flat == {"a.b": "[1, 2]", "a.c.0.d": "null", "a.e": "{}", "f": "x: y"}
    deep = {"x": 1}
    for _ in range(200):
        deep = {"x": deep}
    assert list(comparing.flat_config(deep).values()) == ["…"]
    assert comparing.flat_config({str(i): i for i in range(comparing.KEYS + 1)}) is None


def test_texts_are_compared_with_the_first():
    """Added and removed lines are marked, equal texts left out, and long ones not compared."""
    kinds = comparing.config_diff("a\nb\n", "a\nc\n")
    assert ("removed", "-b") in kinds
    assert ("added", "+c") in kinds
    assert comparing.config_diff("a\n" * 6_000, "b") is None
    runs = runs_with(texts=[{}, {"net": "a"}, {"net": "a"}, {"net": "b"}])
    assert [(name, number) for name, number, _ in comparing.text_diffs(runs)] == [("net", 3)]


def heatmap(z, **more):
    figure = {"data": [{"type": "heatmap", "z": z} | more], "layout": {}}
    return Plot("confusion", "", (Step(iteration=1, shown=figure),))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint16", "int32"])
def test_heatmaps_of_one_title_share_their_colours(dtype):
    """The limits are those of all cells of all runs; NaN and missing plots do not count."""
    one = heatmap(typed(np.array([[1, 2], [3, 40]], dtype)))
    two = heatmap([[5, None], [float("nan"), -7]])
    picture = Plot("confusion", "", (Step(iteration=1, shown=Picture("a.png", "image", "a")),))
    found = comparing.one_scale([one, None, two, picture])
    limits = [(p.steps[0].shown["data"][0]["zmin"], p.steps[0].shown["data"][0]["zmax"])
              for p in (found[0], found[2])]  # fmt: skip
    assert limits == [(-7, 40)] * 2
    assert found[1] is None
    assert "zmin" not in one.steps[0].shown["data"][0]  # what was given is not changed


def test_limits_that_were_reported_stay():
    own = heatmap([[1, 2]], zmin=0, zmax=9)
    assert comparing.one_scale([own, own, heatmap([[3, 4]])])[0] == own


def test_series_share_a_chart_unless_there_are_many_runs():
    few, many = samples.compare(count=2).runs, samples.compare(count=5).runs
    assert list(comparing.joint_charts(few)) == ["resnet", "valueOf"]
    charts = comparing.joint_charts(many)
    assert list(charts) == ["resnet", "resnet/resnet 2", "valueOf/resnet"]
    assert [position for position, _ in charts["resnet"]] == [0, 1, 2, 3, 4]
