"""Searches of tasks by what they reported and by their parameters, and in these orders."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
from support.statements import scanned

from localreg import Registry, Task
from localreg.errors import InvalidValueError
from localreg.operations.tasks.search import check_search, find_tasks, search_tasks


def run(name, loss=None, **parameters):
    task = Task.create("vision", name)
    task.set_parameters({f"Args/{key}": value for key, value in parameters.items()})
    if loss is not None:
        task.report_scalar("loss", "train", loss, 1)
    return task


@pytest.fixture
def sweep(registry):
    runs = {
        "a": run("a", 0.5, lr=0.01),
        "b": run("b", 0.1, lr=10),
        "c": run("c", float("nan"), lr="auto"),
        "d": run("d"),
    }
    runs["a"].report_single_value("f1", 0.5)
    runs["b"].report_scalar("f1", "f1", 0.1, 1)
    runs["a"].flush()
    runs["d"].set_comment("the last one")
    return registry


def names(registry, **search):
    return "".join(
        Task.get_task(each.id).name
        for each in search_tasks(registry._chain, check_search(**search))
    )


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"order": "metrics.loss/train"}, "ba"),
        ({"order": "-metrics.loss/train"}, "ab"),
        ({"order": "metrics.loss/train", "limit": 1}, "b"),
        ({"order": "metrics.f1"}, "a"),
        ({"order": "parameters.Args/lr"}, "bac"),
        ({"order": "+parameters.lr"}, "abc"),
        ({"order": "+parameters.lr", "limit": 2}, "ab"),
        ({"order": "+parameters.lr", "pattern": "[bc]", "limit": 1}, "b"),
        ({"order": "name"}, "abcd"),
        ({"order": "-name", "limit": 2}, "dc"),
        ({"order": "+created"}, "abcd"),
        ({"limit": 1}, "d"),
        ({"metrics": {"loss/train": ("<", 0.3)}}, "b"),
        ({"metrics": {"loss/train": (">", 0)}, "order": "name"}, "ab"),
        ({"parameters": {"lr": (">=", 0.01)}, "order": "name"}, "ab"),
        ({"parameters": {"Args/lr": "auto"}}, "c"),
        ({"task_filter": {"order_by": ["-metrics.loss/train"], "name": "[ab]"}}, "ab"),
        ({"task_filter": {"order_by": "parameters.Args/lr"}}, "dabc"),
        ({"task_filter": {"order_by": ["-parameters.Args/lr"]}, "limit": 2}, "cb"),
        ({"status": "created", "order": "metrics.loss/train", "limit": 1}, "b"),
    ],
    ids=str,
)
def test_orders_and_comparisons(search, expected, sweep):
    assert names(sweep, **search) == expected


@pytest.mark.parametrize(
    "search", [{"order": "metadata.a"}, {"order": "size"}, {"limit": 0}, {"metrics": {"a": "b"}},
               {"task_filter": {"order_by": "metrics."}}]
)  # fmt: skip
def test_what_cannot_be_searched_is_an_error(search, registry):
    with pytest.raises(InvalidValueError):
        check_search(**search)


def test_registries_upstream_are_merged_in_order(tmp_path):
    for number, place in enumerate(("one", "two")):
        with Registry(tmp_path / place, durability="fast"):
            for step in range(3):
                run(f"{place}{step}", step + number / 10, lr=("x", 5, 10)[step])
    with Registry(tmp_path / "two", durability="fast", upstream=[tmp_path / "one"]) as two:
        assert names(two, order="metrics.loss/train", limit=3) == "one0two0one1"
        assert names(two, order="+parameters.lr", limit=3) == "two1one1two2"
        assert names(two, order="name", limit=4) == "one0one1one2two0"


def test_what_the_first_registry_hides_does_not_count_for_the_limit(tmp_path):
    with Registry(tmp_path / "one", durability="fast"):
        for name in "abc":
            run(name, ord(name))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with Registry(tmp_path / "one", durability="fast"):
        run("d", 1_000)
    with Registry(tmp_path / "two", durability="fast", upstream=[tmp_path / "one"]) as two:
        for name in "abc":
            Task.get_task(task_name=name).set_archived(True)
        assert names(two, order="metrics.loss/train", archived=False, limit=1) == "d"
        assert names(two, order="metrics.loss/train", limit=2) == "ab"


@pytest.mark.parametrize("order", ["metrics.loss/train", "parameters.Args/lr", "metrics.f1"])
def test_an_order_by_values_reads_an_index(order, sweep):
    statements = []
    first = sweep._chain.first
    with first.store.read() as connection:
        connection.set_trace_callback(statements.append)
    find_tasks(first, check_search(order=order, limit=1, project="vision"))
    with first.store.read() as connection:
        connection.set_trace_callback(None)
    with closing(sqlite3.connect(sweep.path / "registry.db")) as connection:
        read = [sql for sql in statements if "AS ranked" in sql]
        assert read
        assert [sql for sql in read if scanned(connection, sql) - {"project"}] == []
