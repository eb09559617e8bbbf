"""The values of many models and tasks: metrics, parameters, metadata, read at once."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing

import pytest
from support.new_models import imported
from support.statements import counted, scanned

from localreg import InputModel, OutputModel, Task
from localreg.operations.finding.values import Metric, model_values, task_values
from localreg.store.rows import value_rows


def opened(registry):
    return registry._chain.first


def values_of(registry, model):
    return model_values(opened(registry), [model.id])[model.id]


@pytest.fixture
def made(registry):
    """A model that a task made; both have reported."""
    task = Task.init("vision", "train", task_type="training")
    task.connect({"lr": 0.1, "api_token": "abc", "data": "s3://me:pw@host/data"})
    logger = task.get_logger()
    for iteration, value in enumerate((3.0, 1.0, float("nan"), 2.0)):
        logger.report_scalar("loss", "train", value, iteration)
    logger.report_scalar("acc", "val", 0.5, 0)
    logger.report_single_value("f1", 0.7)
    model = OutputModel(task=task, name="net")
    model.set_metadata("rank", 3)
    model.set_metadata("size", (1, 2))
    model.set_metadata("hf_token", "hf_abc")
    model.set_metadata("ok", True)
    yield model
    task.close()


def test_a_model_has_what_the_task_that_made_it_reported(registry, made):
    found = values_of(registry, made)
    assert found.metrics == {
        "loss/train": Metric(2.0, 1.0, 3.0, 4, False),
        "acc/val": Metric(0.5, 0.5, 0.5, 1, False),
        "f1": Metric(0.7, 0.7, 0.7, 1, True),
    }
    task = task_values(opened(registry), [made.original_task])[made.original_task]
    assert (task.metrics, task.parameters) == (found.metrics, found.parameters)
    assert task.metadata == {}


def test_what_a_model_reported_itself_counts_before_that_name_by_name(registry, made):
    made.report_scalar("acc", "val", 0.9, 7)
    made.report_single_value("f1", float("nan"))
    found = values_of(registry, made).metrics
    assert found["acc/val"] == Metric(0.9, 0.9, 0.9, 1, False)
    assert found["f1"].last is None
    assert found["loss/train"].points == 4


def test_parameters_are_texts_without_secrets(registry, made):
    found = values_of(registry, made).parameters
    assert found["General/lr"] == "0.1"
    assert found["General/api_token"] == "***"
    assert found["General/data"] == "s3://***@host/data"


def test_lists_that_are_no_json_are_texts(registry):
    """Of a Python literal, or with an infinity: JSON, cards and the overview need JSON."""
    model = registry.add(io.BytesIO(b"w"), "odd", filename="w.bin")
    odd = {"b": "[b'a']", "s": "[{1}]", "j": "[1j]", "k": "{(1, 2): 3}", "i": "[1e999, NaN]"}
    for key, text in odd.items():
        model.set_metadata(key, text, "dict" if text[0] == "{" else "list")
    model.set_metadata("n", "{1: (2, 3), None: [None]}", "dict")
    found = values_of(registry, model).metadata
    assert found == {**odd, "n": {"1": [2, 3], "null": [None]}}
    assert registry.render().is_file()


def test_metadata_has_its_types(registry, made):
    assert values_of(registry, made).metadata == {
        "rank": 3,
        "size": [1, 2],
        "hf_token": "***",
        "ok": True,
    }


def test_of_two_metrics_with_one_name_the_series_with_the_shortest_title_counts(registry):
    model = imported("a")
    model.report_single_value("a/b/c", 3.0)
    model.report_scalar("a/b", "c", 2.0, 1)
    assert values_of(registry, model).metrics["a/b/c"].last == 2.0
    model.report_scalar("a", "b/c", 1.0, 1)
    assert values_of(registry, model).metrics["a/b/c"].last == 1.0


def test_models_without_values_and_unknown_ids(registry):
    model = InputModel.import_model("s3://bucket/a.pt")
    found = model_values(opened(registry), [model.id, "0" * 32, "\0", model.id])
    assert list(found) == [model.id]
    assert (found[model.id].metrics, found[model.id].parameters) == ({}, {})
    assert model_values(opened(registry), []) == {}
    assert task_values(opened(registry), ["0" * 32]) == {}


def test_all_of_them_are_those_of_every_id(registry, made):
    other = imported("other")
    other.report_scalar("acc", "val", 0.1, 1)
    first = opened(registry)
    assert model_values(first, None) == model_values(first, [other.id, made.id])
    assert task_values(first, None) == task_values(first, [made.original_task])


def test_the_number_of_statements_does_not_grow(registry):
    ids = [imported(f"m{number}").id for number in range(20)]
    numbers = set()
    for some in (ids[:1], ids):
        with counted() as statements:
            assert len(model_values(opened(registry), some)) == len(some)
        numbers.add(sum(statements.values()))
    assert len(numbers) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE series SET last = 'x' WHERE title = 'acc'",
        "UPDATE series SET name = CAST(x'ff' AS TEXT) WHERE title = 'acc'",
        "UPDATE series SET points = -1 WHERE title = 'acc'",
        "UPDATE single SET value = x'00'",
        "UPDATE parameter SET value = CAST(x'ff' AS TEXT) WHERE name = 'lr'",
        "UPDATE metadata SET value = x'00' WHERE key = 'rank'",
        "UPDATE metadata SET type = CAST(x'ff' AS TEXT) WHERE key = 'rank'",
    ],
)
def test_a_damaged_row_is_left_out_with_a_warning(damage, registry, made, caplog):
    before = values_of(registry, made)
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection, connection:
        connection.execute(damage)
    found = values_of(registry, made)
    sizes = [
        sum(len(each) for each in (values.metrics, values.parameters, values.metadata))
        for values in (before, found)
    ]
    assert sizes[1] == sizes[0] - 1
    assert "must be" in caplog.text


def test_rows_after_one_that_is_not_utf8_come_once(registry):
    """A stream is read in parts; the part that holds such a text is read again."""
    model = imported("a")
    for number in range(1_200):
        model.set_metadata(f"k{number:04}", number)
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection, connection:
        connection.execute("UPDATE metadata SET value = CAST(x'ff' AS TEXT) WHERE key = 'k0700'")
    expected = {f"k{number:04}": number for number in range(1_200) if number != 700}
    assert values_of(registry, model).metadata == expected
    with opened(registry).store.read() as connection:
        rows = list(value_rows.metadata(connection, None))
        assert len(rows) == len(set(rows)) == 1_199
        assert connection.text_factory is str


@pytest.mark.parametrize("kind", ["model", "task"])
def test_chosen_owners_are_looked_up(kind, registry, made):
    """Reading some models does not read the rows of the others."""
    found = []
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        connection.set_trace_callback(found.append)
        list(value_rows.metrics(connection, kind, [1]))
        list(value_rows.parameters(connection, [1]))
        list(value_rows.metadata(connection, [1]))
        list(value_rows.makers(connection, [made.id]))
        list(value_rows.tasks(connection, [made.id]))
        connection.set_trace_callback(None)
        assert len(found) == 5
        assert [sql for sql in found if scanned(connection, sql)] == []
