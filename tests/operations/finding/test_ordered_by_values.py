"""Queries ordered by metrics of tasks, by parameters and by metadata, and filters that compare."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from support.new_models import imported
from support.statements import scanned, steps

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import InvalidValueError
from localreg.operations.finding.queries import check_query, find_models
from localreg.operations.finding.values import model_values
from localreg.store.rows import model_query


def names(order="name", **filters):
    return [model.name for model in Model.query_models(order_by=order, **filters)]


def run(name, loss=None, model=True, **parameters):
    """A task with parameters and a loss, and a model of the same name that it made."""
    task = Task.create("vision", name)
    if parameters:
        task.set_parameters({key.replace("__", "/"): value for key, value in parameters.items()})
    if loss is not None:
        task.report_scalar("loss", "train", loss, 1)
    return OutputModel(task=task, name=name) if model else task


@pytest.fixture
def sweep(registry):
    """Models a to d of four tasks; c has a loss of its own, d has none."""
    models = {
        "a": run("a", 0.5, Args__lr=0.01, Args__opt="sgd"),
        "b": run("b", 0.1, Args__lr=10, Args__opt="adam"),
        "c": run("c", 0.2, Args__lr="auto"),
        "d": run("d", General__lr=2),
    }
    models["c"].report_scalar("loss", "train", 0.9, 1)
    return models


def test_what_the_task_reported_ranks_its_models_unless_they_have_their_own(sweep):
    assert names("metrics.loss/train") == ["b", "a", "c"]
    assert names("-metrics.loss/train") == ["c", "a", "b"]
    assert names("metrics.loss/train", max_results=2) == ["b", "a"]
    sweep["c"].report_scalar("loss", "train", float("nan"), 2)
    assert names("metrics.loss/train") == ["b", "a"]


def test_a_single_value_of_a_task_counts_and_so_does_a_series_of_the_model(registry):
    task = Task.create("vision", "train")
    task.report_scalar("val", "f1", 0.5, 1)
    first, second = OutputModel(task=task, name="first"), OutputModel(task=task, name="second")
    first.report_single_value("val/f1", 0.9)
    assert second.id != first.id
    assert names("metrics.val/f1") == ["first", "second"]
    assert names("+metrics.val/f1") == ["second", "first"]


def test_parameters_are_ranked_as_numbers_and_texts_come_last(sweep):
    assert names("parameters.Args/lr") == ["b", "a", "c"]
    assert names("+parameters.Args/lr") == ["a", "b", "c"]
    assert names("parameters.opt") == ["a", "b"]
    assert names("parameters.General/lr") == ["d"]


def test_a_parameter_in_two_sections_is_an_error_that_names_them(sweep):
    with pytest.raises(InvalidValueError, match="Args/lr, General/lr"):
        names("parameters.lr")


def test_metadata_is_ranked_as_numbers(registry):
    for name, value in (("a", 9), ("b", 10.5), ("c", "high"), ("d", "-1"), ("e", 2**60 + 1)):
        imported(name).set_metadata("accuracy", value)
    imported("f").set_metadata("accuracy", 2**60)
    imported("g")
    assert names("metadata.accuracy") == ["e", "f", "b", "a", "d", "c"]
    assert names("+metadata.accuracy") == ["d", "a", "b", "f", "e", "c"]
    assert names("metadata.accuracy", max_results=1) == ["e"]
    assert names("metadata.other") == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((">", 0.5), "bc"),
        ((">=", 0.5), "abc"),
        (("<", 0.9), "a"),
        (("<=", 0.9), "ab"),
        (("==", 0.5), "a"),
        (("=", 0.5), "a"),
        (("!=", 0.5), "bcd"),
        ((">", 10**400), ""),
        ((">", -(10**400)), "abc"),
        (("==", "0.50"), "a"),
        (("==", "high"), "d"),
        ((">", "h"), "d"),
        (("!=", "high"), "abc"),
        ([(">", 0.5), ("<", 1)], "b"),
        (0.5, ""),
        ("0.50", "a"),
    ],
)
def test_metadata_is_compared(wanted, expected, registry):
    for name, value in (("a", "0.50"), ("b", 0.9), ("c", 7), ("d", "high")):
        imported(name).set_metadata("accuracy", value)
    imported("e")
    assert names(metadata={"accuracy": wanted}) == list(expected)


def test_true_and_other_values_are_compared_as_text(registry):
    imported("a").set_metadata("ok", True)
    imported("b").set_metadata("ok", False)
    imported("c").set_metadata("size", [1, 2])
    assert names(metadata={"ok": ("==", True)}) == names(metadata={"ok": True}) == ["a"]
    assert names(metadata={"ok": ("!=", True)}) == ["b"]
    assert names(metadata={"size": (1, 2)}) == ["c"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"metrics": {"loss/train": (">", 0.4)}}, ["a", "c"]),
        ({"metrics": {"loss/train": (">", 0.4), "best": ("<", 1)}}, ["c"]),
        ({"metrics": {"loss/train": ("==", 0.2)}}, []),  # the task's; the model has its own
        ({"parameters": {"Args/lr": ("<", 1)}}, ["a"]),
        ({"parameters": {"Args/lr": "auto"}}, ["c"]),
        ({"parameters": {"opt": ("!=", "sgd")}, "metrics": {"loss/train": ("<", 1)}}, ["b"]),
    ],
)
def test_models_with_a_value_are_not_looked_for_among_all(sweep, registry, filters, expected):
    sweep["c"].report_single_value("best", 0.5)
    taken = []
    for others in range(2):
        for number in range(300 * others):
            imported(f"other-{number}")
        assert names(**filters) == expected
        with registry._chain.first.store.read() as connection:
            asked = check_query(**filters)
            taken.append(steps(connection, lambda c, asked=asked: model_query.find(c, asked)))
    assert taken[1] == pytest.approx(taken[0], rel=0.1)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"metadata": {"a": ("=>", 1)}}, "one of == != > >= < <="),
        ({"metadata": {"a": (">", float("nan"))}}, "NaN"),
        ({"metadata": {"a": (">", None)}}, "a number or a text"),
        ({"metadata": {"a": (">", True)}}, "a number or a text"),
        ({"metadata": {"a": [(">", 1)] * 5_000}}, "at most"),
        ({"metrics": {"a": "high"}}, "numbers"),
        ({"metrics": {"a": (">", "0.5")}}, "numbers"),
        ({"metrics": [1]}, "must be a dict"),
        ({"parameters": {1: 2}}, "parameters name"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_an_error(filters, message):
    with pytest.raises(InvalidValueError, match=message):
        check_query(**filters)


def test_metrics_and_parameters_are_compared(registry, sweep):
    def found(**filters):
        first = registry._chain.first
        query = check_query(order="name", **filters)
        return "".join(InputModel(each).name for each in find_models(first, query))

    assert found(metrics={"loss/train": ("<", 0.6)}) == "ab"
    assert found(metrics={"loss/train": 0.9}) == "c"
    assert found(metrics={"loss/train": ("!=", 0.5)}) == "bc"
    assert found(metrics={"loss/other": (">", 0)}) == ""
    assert found(parameters={"Args/lr": (">", 0.05)}) == "b"
    assert found(parameters={"Args/lr": "auto"}) == "c"
    assert found(parameters={"opt": "sgd"}, metrics={"loss/train": (">", 0.4)}) == "a"
    assert found(parameters={"opt": "sgd"}, metadata={"a": 1}) == ""


def test_any_order_and_comparison_give_what_the_values_say(registry):
    """Random values of models and of tasks, against the same rules in Python."""
    chance = random.Random(17)
    keys = ("loss", "a/b", "a/b/c")
    texts = ("0.5", "1e-3", " 7 ", "x", "", "inf", "0x10", "1_0", "-2", "True", "9" * 30)
    for number in range(40):
        task = Task.create("p", "t", task_type="training")
        model = OutputModel(task=task, name=f"m{number}", tags=["few"] * (number % 3 == 0))
        for owner in (task, model):
            for _ in range(chance.randrange(3)):
                value = chance.choice((0.1, 0.5, 2.0, -3.0, float("nan")))
                key = chance.choice(keys)
                if key == "loss":
                    owner.report_single_value(key, value)
                    continue
                parts = key.split("/")
                cut = chance.randrange(1, len(parts))
                title, series = "/".join(parts[:cut]), "/".join(parts[cut:])
                owner.report_scalar(title, series, value, 1)
        if chance.random() < 0.7:
            task.set_parameters({"Args/lr": chance.choice(texts)})
        if chance.random() < 0.7:
            model.set_metadata("k", chance.choice(texts))
    first = registry._chain.first
    first.store.flush()
    stamps = {each: place for place, each in enumerate(find_models(first, check_query()))}
    values = model_values(first, None)

    def number_of(text):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("CREATE TABLE x (n NUMERIC)")
            connection.execute("INSERT INTO x VALUES (?)", (text,))
            return connection.execute("SELECT n FROM x").fetchone()[0]

    def expected(of, key, descending, limit):
        pairs = []
        for id_, each in values.items():
            if of == "metrics":
                value = each.metrics[key].last if key in each.metrics else None
            else:
                value = getattr(each, of).get(key)
                value = None if value is None else number_of(str(value))
            if value is not None:
                pairs.append((id_, value))
        pairs.sort(key=lambda pair: stamps[pair[0]])
        numbers = [pair for pair in pairs if not isinstance(pair[1], str)]
        texts = [pair for pair in pairs if isinstance(pair[1], str)]
        for some in (numbers, texts):
            some.sort(key=lambda pair: pair[1], reverse=descending)
        return [id_ for id_, _ in numbers + texts][:limit]

    looked = 0
    for of, key in (
        *(("metrics", each) for each in keys),
        ("parameters", "Args/lr"),
        ("metadata", "k"),
    ):
        for sign in "+-":
            for limit in (None, 3):
                query = check_query(order=f"{sign}{of}.{key}", limit=limit)
                assert find_models(first, query) == expected(of, key, sign == "-", limit)
                looked += len(find_models(first, query))
            few = check_query(order=f"{sign}{of}.{key}", tags=["few"])
            tagged = set(find_models(first, check_query(tags=["few"])))
            everything = expected(of, key, sign == "-", None)
            assert find_models(first, few) == [each for each in everything if each in tagged]
    assert looked > 100


@pytest.mark.parametrize(
    "asked",
    [
        {"order": "metrics.loss/train"},
        {"order": "metrics.loss/train", "project": "vision"},
        {"order": "metrics.loss/train", "tags": ["a", "b"]},
        {"order": "parameters.Args/lr"},
        {"order": "parameters.opt", "name": "a"},
        {"order": "metadata.rank"},
        {"order": "metadata.rank", "metadata": {"rank": (">", 1)}},
        {"name": "a", "metrics": {"loss/train": (">", 0.5)}},
        {"name": "a", "parameters": {"Args/lr": (">", 0.5)}},
        {"metadata": {"rank": [(">", 1), ("<", "x")]}},
    ],
    ids=str,
)
def test_values_are_found_by_indexes(asked, registry, sweep):
    sweep["a"].set_metadata("rank", 3)
    sweep["a"].report_single_value("f1", 1.0)
    statements = []
    with registry._chain.first.store.read() as connection:
        connection.set_trace_callback(statements.append)
    find_models(registry._chain.first, check_query(limit=1, **asked))
    with registry._chain.first.store.read() as connection:
        connection.set_trace_callback(None)
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        read = [sql for sql in statements if sql.startswith("SELECT")]
        assert len(read) > 1
        small = {"tag", "project", "setting"}
        assert [
            (sql, scanned(connection, sql)) for sql in read if scanned(connection, sql) - small
        ] == []


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"project": "vision"}, "model_project"),
        ({"name": "a"}, "model_name"),
        ({"tags": ["few"]}, "model_tag_newest"),
        ({"metadata": {"rank": (">", 1)}}, "metadata_number"),
        ({}, "series_"),
    ],
    ids=str,
)
def test_if_few_models_match_they_are_read_and_not_all_values(filters, index, registry, sweep):
    sweep["a"].tags = ["few"]
    sweep["a"].set_metadata("rank", 3)
    statements = []
    with registry._chain.first.store.read() as connection:
        connection.set_trace_callback(statements.append)
    assert find_models(registry._chain.first, check_query(order="metrics.loss/train", **filters))
    with registry._chain.first.store.read() as connection:
        connection.set_trace_callback(None)
    ranked = [sql.partition("INDEXED BY ")[2] for sql in statements if "AS ranked" in sql]
    assert len(ranked) == 2  # of models, and of tasks
    assert all(sql.startswith(index) for sql in ranked), ranked


def test_registries_upstream_are_merged_by_value(tmp_path):
    for number, place in enumerate(("one", "two")):
        with Registry(tmp_path / place, durability="fast"):
            for step in range(3):
                model = run(f"{place}{step}", step + number / 10, Args__lr=("x", 5, 10)[step])
                model.set_metadata("k", ("x", 5, 10)[step] if number else ("y", 7, 1)[step])
    two = Registry(tmp_path / "two", durability="fast", upstream=[tmp_path / "one"])
    with two:
        assert names("metrics.loss/train", max_results=3) == ["one0", "two0", "one1"]
        assert names("parameters.lr", max_results=3) == ["two2", "one2", "two1"]
        assert names("+metadata.k") == ["one2", "two1", "one1", "two2", "two0", "one0"]
        assert names("metadata.k") == ["two2", "one1", "two1", "one2", "one0", "two0"]
