"""`Registry.models`, `query_models` and `tasks`: their arguments, and what their lists give."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from support.new_models import imported
from support.statements import counted

from localreg import Model, OutputModel, Registry, Task
from localreg.errors import InvalidValueError, LocalregError
from localreg.values.summaries import Metric


@pytest.fixture
def made(registry, write_file):
    """Two models: `net` of a task, `other` of none."""
    task = Task.create("vision", "train")
    task.set_tags(["b", "a"])
    task.set_parameters({"Args/lr": 0.1, "Args/token": "abc", "Args/opt": "sgd"})
    task.report_scalar("loss", "train", 0.5, 1)
    task.report_scalar("loss", "train", 0.25, 2)
    model = OutputModel(task=task, name="net", tags=["y", "x"])
    model.update_weights(write_file("w.bin", b"weights"), auto_delete_file=False)
    model.set_metadata("accuracy", 0.9)
    model.report_single_value("f1", 0.7)
    registry.set_alias(model, "prod")
    other = imported("other", "https://me:pw@host/w.pt?sig=1")
    other.comment = "of https://me:pw@host/"
    return task, model, other


def test_records_of_models(registry, made):
    task, model, _ = made
    found = registry.models(order_by="name")
    first, second = found.records()
    assert (first.id, first.ref, first.project) == (model.id, "vision/net:1", "vision")
    assert (first.tags, first.aliases) == (("x", "y"), ("prod",))
    assert (first.digest, first.size) == (model.digest, 7)
    assert (first.task, first.version, first.published) == (task.id, 1, False)
    assert first.created.tzinfo is UTC
    assert abs((datetime.now(UTC) - first.updated).total_seconds()) < 600
    assert first.metrics == {
        "loss/train": Metric(0.25, 0.25, 0.5, 2, False),
        "f1": Metric(0.7, 0.7, 0.7, 1, True),
    }
    assert first.parameters == {"Args/lr": 0.1, "Args/token": "***", "Args/opt": "sgd"}
    assert first.metadata == {"accuracy": 0.9}
    assert (second.project, second.ref, second.size) == (None, "other:1", None)
    assert second.url == "https://***@host/w.pt?sig=***"
    assert second.comment == "of https://***@host/"
    assert (second.metrics, second.parameters, second.metadata) == ({}, {}, {})
    with pytest.raises(AttributeError, match="frozen"):
        first.name = "x"


def test_records_of_tasks(registry, made):
    task, _, _ = made
    other = Task.create("vision", "late")
    other.set_archived(True)
    (found,) = registry.tasks().records()
    assert (found.id, found.name, found.project) == (task.id, "train", "vision")
    assert (found.status, found.tags, found.archived) == ("created", ("a", "b"), False)
    assert found.metrics["loss/train"].last == 0.25
    assert found.parameters["Args/lr"] == 0.1
    assert found.ended is None
    both = registry.tasks(archived=True, order_by="name").records()
    assert [(each.name, each.archived) for each in both] == [("late", True), ("train", False)]


def test_a_task_whose_process_died_is_aborted(registry):
    script = "from localreg import Task; import os; Task.init('p', 'dead'); os._exit(1)"
    environment = os.environ | {"LOCALREG_HOME": str(registry.path)}
    subprocess.run([sys.executable, "-c", script], check=False, env=environment)
    for each in (Registry(registry.path, readonly=True), registry):
        (found,) = each.tasks(name="dead").records()
        assert found.status == "aborted"


def test_flat_records_are_named_as_orders_are(registry, made):
    first, second = registry.models(order_by="name").to_records()
    assert first["metrics.loss/train"] == 0.25
    assert first["parameters.Args/lr"] == 0.1
    assert first["metadata.accuracy"] == 0.9
    assert first["tags"] == ["x", "y"]
    assert "metrics.f1" not in second
    for name in [name for name in first if "." in name]:
        assert registry.models(order_by=name)[0].id == first["id"]
    assert registry.tasks().to_records()[0]["parameters.Args/opt"] == "sgd"


def test_a_data_frame_has_a_column_for_each_value(registry, made):
    pandas = pytest.importorskip("pandas")
    frame = registry.models(order_by="name").to_pandas()
    assert list(frame["ref"]) == ["vision/net:1", "other:1"]
    assert frame["metrics.f1"][0] == 0.7
    assert pandas.isna(frame["metrics.f1"][1])
    assert list(frame.columns[-6:]) == [
        "metrics.f1", "metrics.loss/train", "parameters.Args/lr", "parameters.Args/opt",
        "parameters.Args/token", "metadata.accuracy",
    ]  # fmt: skip
    assert str(frame["created"].dtype).startswith("datetime64")
    assert list(registry.tasks().to_pandas()["name"]) == ["train"]
    assert len(registry.models(name="none").to_pandas()) == 0


def test_a_metric_that_is_nan_everywhere_is_a_column_of_numbers(registry):
    pytest.importorskip("pandas")
    imported("a").report_single_value("f1", float("nan"))
    assert registry.models().to_pandas()["metrics.f1"].dtype == float


def test_without_pandas_the_error_names_it(registry, made):
    """In a process of its own, that cannot import pandas."""
    script = """
import sys
sys.modules["pandas"] = None
from localreg import Registry
from localreg.errors import MissingPackageError
found = Registry(sys.argv[1]).models()
assert len(found.to_records()) == 2
try:
    found.to_pandas()
except MissingPackageError as error:
    assert isinstance(error, ImportError), error
    print(error.package, "pip install pandas" in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, registry.path], check=True, capture_output=True, text=True
    )
    assert done.stdout == "pandas True\n"


def test_the_number_of_statements_does_not_grow(registry):
    for number in range(30):
        task = Task.create("p", f"t{number}")
        task.set_parameters({"Args/lr": number})
        OutputModel(task=task, name=f"m{number}")
    for look in (registry.models, registry.tasks):
        numbers = set()
        for limit in (1, 30):
            found = look(limit=limit)
            assert len(found) == limit
            with counted() as statements:
                assert len(found.records()) == limit
            numbers.add(sum(statements.values()))
        assert len(numbers) == 1, look


def test_what_was_removed_since_the_query_is_missing(registry, made):
    _, model, other = made
    found = registry.models()
    Model.remove(other)
    assert [each.id for each in found.records()] == [model.id]
    assert registry.models(name="none").records() == registry.tasks(name="none").records() == []


def test_records_of_several_registries_keep_the_order(tmp_path):
    for place in ("one", "two"):
        with Registry(tmp_path / place, durability="fast"):
            for step in range(2):
                task = Task.create("p", f"{place}{step}")
                task.report_single_value("loss", step)
                OutputModel(task=task, name=f"{place}{step}")
    with Registry(tmp_path / "two", durability="fast", upstream=[tmp_path / "one"]) as registry:
        expected = ["two0", "one0", "two1", "one1"]
        for found in (registry.models, registry.query_models, registry.tasks):
            records = found(order_by="metrics.loss").records()
            assert sorted(each.name for each in records) == sorted(expected)
            assert [each.metrics["loss"].last for each in records] == [0, 0, 1, 1]


def test_both_spellings_are_taken(registry, made):
    task, model, _ = made
    for look in (registry.models, registry.query_models):
        assert look(project="vision") == look(project_name="vision") == [model]
        assert look(name="net") == look(model_name="net") == [model]
        assert len(look(limit=1)) == len(look(max_results=1)) == 1
        assert look(metrics={"f1": (">", 0.5)}, parameters={"Args/lr": ("<", 1)}) == [model]
    assert registry.query_models("vision", "net", ["x"], False, True, 3) == [model]
    assert [each.id for each in registry.tasks(project_name="vision")] == [task.id]
    assert [each.id for each in registry.tasks(task_name="train", max_results=1)] == [task.id]
    assert [each.id for each in registry.tasks("vision", "train", ["a"])] == [task.id]
    for arguments in (
        {"project": "a", "project_name": "a"}, {"name": "a", "model_name": "a"},
        {"limit": 1, "max_results": 1},
    ):  # fmt: skip
        for look in (registry.models, registry.query_models):
            with pytest.raises(InvalidValueError, match="mean the same"):
                look(**arguments)
    with pytest.raises(InvalidValueError, match="name and task_name mean the same"):
        registry.tasks(name="a", task_name="a")
    with pytest.raises(InvalidValueError, match="project and project_name mean the same"):
        registry.export(path="x.tar", project="vision", project_name="vision")


@pytest.mark.parametrize("limit", [0, -1, "3", True, 1.5])
def test_a_limit_that_is_none_is_an_error(limit, registry):
    for look in (registry.models, registry.query_models, registry.tasks):
        with pytest.raises(InvalidValueError):
            look(limit=limit)
        with pytest.raises(LocalregError):
            look(max_results=limit)


@pytest.mark.parametrize(
    ("look", "order", "said"),
    [
        (
            "models",
            "metrics.loss/trian",
            "no model has the metric 'loss/trian'",
        ),
        ("models", "metrics.loss/trian", "similar ones are 'loss/train'"),
        ("query_models", "metadata.acuracy", "similar ones are 'accuracy'"),
        ("tasks", "parameters.Args/lr2", "no task has the parameter 'Args/lr2'"),
        ("tasks", "metrics.loss/train", ""),
        ("models", "parameters.lr", ""),
        ("models", "metadata.accuracy", ""),
        ("models", "name", ""),
    ],
)
def test_an_order_by_what_nothing_has_is_a_warning(look, order, said, registry, made, caplog):
    found = getattr(registry, look)(order_by=order, project="elsewhere")
    assert found == []
    assert said in caplog.text if said else not caplog.records


def test_lists_are_tables_in_notebooks(registry, made):
    task, model, _ = made
    Task.create("vision", "<b>")
    html = registry.tasks()._repr_html_()
    assert "<td style='text-align:left'>train</td>" in html
    assert "&lt;b&gt;" in html
    assert task.id[:8] in html
    assert model.id[:8] in registry.models()._repr_html_()
