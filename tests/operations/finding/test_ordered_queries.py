"""Queries with order_by: by creation, by name, by a metric."""

from __future__ import annotations

import pytest
from support.new_models import imported

from localreg import InputModel, Model
from localreg.errors import InvalidValueError


def names(order, **filters):
    return [model.name for model in Model.query_models(order_by=order, **filters)]


@pytest.fixture
def measured(registry):
    """Models a to e: a to c have accuracy, loss and f1; for d they are NaN; e has none."""
    models = {name: imported(name, tags=[f"t-{name}", "all"]) for name in "abcde"}
    for name, value in (("a", 0.5), ("b", 0.9), ("c", 0.1), ("d", float("nan"))):
        model = models[name]
        model.report_scalar("val", "acc", 0.99, 1)
        model.report_scalar("val", "acc", value, 2)
        model.report_scalar("val", "loss", 1 - value, 2)
        model.report_single_value("f1", value)
    return models


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("metrics.val/acc", "bac"),
        ("-metrics.val/acc", "bac"),
        ("+metrics.val/acc", "cab"),
        ("metrics.val/loss", "bac"),
        ("-metrics.val/loss", "cab"),
        ("metrics.f1", "bac"),
        ("+metrics.f1", "cab"),
    ],
)
def test_a_metric_puts_the_best_first_and_omits_models_without_it(order, expected, measured):
    assert names(order) == list(expected)


def test_values_that_this_process_has_just_reported_count(measured):
    measured["e"].report_scalar("val", "acc", 1.0, 1)
    assert names("metrics.val/acc", max_results=1) == ["e"]


def test_filters_and_limits_hold_for_a_metric(measured):
    assert names("metrics.val/acc", tags=["__$not", "t-b"], max_results=1) == ["a"]
    assert names("metrics.val/acc", tags=["__$all", "all", "t-c"]) == ["c"]
    measured["b"].archive()
    assert names("metrics.val/acc") == ["a", "c"]
    assert names("metrics.val/acc", include_archived=True) == ["b", "a", "c"]
    assert names("metrics.val/acc", model_name="a") == ["a"]
    assert names("metrics.f1", tags=["t-a", "t-c"]) == ["a", "c"]


def test_equal_values_are_newest_first(registry):
    for name in "abc":
        imported(name).report_single_value("f1", 1.0)
    imported("d").report_single_value("f1", 2.0)
    InputModel(name="b").comment = "changed"
    assert names("metrics.f1") == ["d", "b", "c", "a"]


def test_titles_with_slashes_are_found(registry):
    imported("a").report_scalar("val/top-5", "acc/mean", 0.5, 1)
    imported("b").report_single_value("val/acc", 0.5)
    assert names("metrics.val/top-5/acc/mean") == ["a"]
    assert names("metrics.val/acc") == ["b"]


def test_an_unreported_metric_finds_nothing(measured):
    assert names("metrics.val/other") == names("metrics.other") == []


def test_the_orders_created_updated_and_name(registry):
    for name in "bac":
        imported(name)
    InputModel(name="b").comment = "changed"
    assert names("updated") == names("-updated") == ["b", "c", "a"]
    assert names("+updated") == ["a", "c", "b"]
    assert names("created") == names("-created") == ["c", "a", "b"]
    assert names("+created") == ["b", "a", "c"]
    assert names("name") == names("+name") == ["a", "b", "c"]
    assert names("-name") == ["c", "b", "a"]


def test_registry_models_accepts_an_order_too(registry, measured):
    found = registry.models(order_by="metrics.val/acc", limit=2)
    assert [model.name for model in found] == ["b", "a"]


@pytest.mark.parametrize("order", ["", "-", "metrics.", "metric:a/b", "size", 1, None, ["name"]])
def test_the_error_for_an_unknown_order_lists_the_orders(order, registry):
    if order is None:
        assert names(None) == []
        return
    with pytest.raises(InvalidValueError, match="order_by"):
        names(order)


def test_a_metric_reads_the_index_of_last_values(registry, measured):
    from localreg.operations.finding.queries import check_query, find_models

    statements = []
    with registry._chain.first.store.read() as connection:
        connection.set_trace_callback(statements.append)
    find_models(registry._chain.first, check_query(order="metrics.val/acc", limit=1))
    chosen = [each for each in statements if "AS ranked" in each][-1]
    plan = [row[-1] for row in registry.db.execute(f"EXPLAIN QUERY PLAN {chosen}")]
    assert any("USING INDEX series_model_last (title=? AND name=?" in step for step in plan)
    assert not any("SCAN" in step for step in plan)
