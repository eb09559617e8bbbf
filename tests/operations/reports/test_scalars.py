"""Scalars and single values: what is stored, read back and drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.reports import figures

from localreg import InputModel
from localreg.errors import EmptyModelError, ModelNotFoundError
from localreg.operations.reports import charts


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
def test_a_scalar_is_anything_that_float_accepts(value, model):
    model.report_scalar("t", "s", value, 0)
    assert model.get_reported_scalars()["t"]["s"]["y"] == [float(value)]


def test_nan_and_infinities_are_stored_and_drawn_as_gaps(model):
    """See decision 26 of the guide."""
    for step, value in enumerate([1.0, math.nan, math.inf, -math.inf, 2.0]):
        model.report_scalar("t", "s", value, step)
    values = model.get_reported_scalars()["t"]["s"]["y"]
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2:] == [math.inf, -math.inf, 2.0]
    (figure,) = figures(model)
    assert figure["data"][0]["y"] == [1.0, None, None, None, 2.0]
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 2.0, "min": 1.0, "max": 2.0}


def test_a_second_report_of_an_iteration_replaces_the_point(model):
    """See decision 27 of the guide."""
    for value in (1.0, 5.0):
        for step in (0, 1, 2):
            model.report_scalar("t", "s", value + step, step)
        model.flush()
    model.report_scalar("t", "s", 9.0, 1)
    assert model.get_reported_scalars()["t"]["s"] == {"x": [0, 1, 2], "y": [5.0, 9.0, 7.0]}
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 7.0, "min": 5.0, "max": 9.0}


def test_last_minimum_and_maximum_do_not_depend_on_the_order_of_reports(model):
    for step in (5, 3, 9, 1):
        model.report_scalar("t", "s", step * 1.0, step)
        model.flush()
    assert model.get_last_scalar_metrics()["t"]["s"] == {"last": 9.0, "min": 1.0, "max": 9.0}


def test_a_second_single_value_of_a_name_replaces_the_first(model):
    model.report_single_value("accuracy", 0.5)
    model.report_single_value("accuracy", np.float64(0.9))
    model.report_single_value("nothing", math.nan)
    found = model.get_reported_single_values()
    assert found["accuracy"] == 0.9
    assert math.isnan(found["nothing"])


def test_a_report_makes_the_model_the_last_updated(registry, model):
    other = InputModel.import_model("s3://bucket/b.pt", name="b")
    assert registry.models()[0] == other
    model.report_scalar("t", "s", 1, 0)
    model.flush()
    assert registry.models()[0] == model
    other.report_single_value("v", 1)
    assert registry.models()[0] == other
    model.report_matrix("m", "s", [[1]])
    assert registry.models()[0] == model


def test_a_published_model_accepts_reports(model):
    model.publish()
    model.report_scalar("t", "s", 1, 0)
    model.report_single_value("v", 1)
    assert model.get_reported_scalars()["t"]["s"]["y"] == [1.0]
    assert model.get_reported_single_values() == {"v": 1.0}


def test_reports_to_a_removed_or_empty_model_are_errors(registry, model):
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


def test_long_scalar_series_are_thinned_for_pages_and_stored_whole(model):
    for step in range(20_000):
        model.report_scalar("t", "s", 100.0 if step == 5_000 else math.sin(step / 900), step)
    _, registry, owner = model._owned()
    (chart,) = charts.reported_values(registry, owner, lambda *_: "").charts
    (line,) = chart.lines
    assert line.points == 20_000
    assert len(line.iterations) == len(line.values) == len(line.seconds) <= 4_000
    assert max(line.values) == 100.0
    assert len(model.get_reported_scalars()["t"]["s"]["x"]) == 20_000
