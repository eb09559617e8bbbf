"""Searching tasks: by tags as models are, by the other filters, and through indexes."""

from __future__ import annotations

import pytest

from localreg import InputModel, Task
from localreg.errors import InvalidValueError, TagFilterError
from localreg.operations.tasks.search import check_search, find_tasks
from localreg.store.rows import task_query
from localreg.store.rows.task_query import TaskQuery
from localreg.values.tags import parse_tag_filter

TAGGED = {
    "ab": ["a", "b"],
    "a": ["a"],
    "b": ["b"],
    "dash": ["-a"],
    "bare": [],
}


@pytest.fixture
def tagged(registry):
    """Tasks and models with the same tags, named after them."""
    for name, tags in TAGGED.items():
        Task.create(task_name=name).set_tags(tags)
        InputModel.import_model(f"s3://bucket/{name}.pt", name=name, tags=tags)


GRAMMAR = [
    (["a"], "ab a"),
    (["a", "b"], "ab a b"),
    (["a", "-b"], "a"),
    (["-a"], "b dash bare"),
    (["-a", "-b"], "dash bare"),
    (["__$all", "a", "b"], "ab"),
    (["__$and", "a", "b"], "ab"),
    (["__$all", "a", "-b"], "a"),
    (["__$any", "a", "b"], "ab a b"),
    (["__$or", "a", "__$not", "b"], "ab a dash bare"),
    (["__$not", "a"], "b dash bare"),
    (["__$not", "-a"], "ab a b bare"),
    (["b", "__$not", "a"], "b"),
    (["__$not", "a", "b"], "b"),
    (["a", "b", "__$and", "a"], "ab a"),
    (["__$or", "b", "__$and", "a", "-b"], "ab a b"),
    (["__$all", "a", "__$nop", "b"], "ab"),
    ([None], "bare"),
    (["a", None], "ab a bare"),
    (["__$not", None], "ab a b dash"),
    (["unheard of"], ""),
    (["-unheard of"], "ab a b dash bare"),
    (["__$all"], "ab a b dash bare"),
    ([], "ab a b dash bare"),
    (None, "ab a b dash bare"),
]


@pytest.mark.parametrize(("tags", "names"), GRAMMAR, ids=[str(tags) for tags, _ in GRAMMAR])
def test_tag_filters_find_tasks_as_they_find_models(tagged, tags, names):
    assert {task.name for task in Task.get_tasks(tags=tags)} == set(names.split())
    assert {model.name for model in InputModel.query_models(tags=tags)} == set(names.split())
    assert set(Task.query_tasks(tags=tags)) == {task.id for task in Task.get_tasks(tags=tags)}


@pytest.mark.parametrize("tags", [["__$xor"], ["a", "__$not"], ["-"], [1], "a", {"a"}])
def test_a_malformed_tag_filter_is_the_error_that_it_is_for_models(registry, tags):
    with pytest.raises(TagFilterError) as of_models:
        InputModel.query_models(tags=tags)
    with pytest.raises(TagFilterError) as of_tasks:
        Task.get_tasks(tags=tags)
    assert str(of_tasks.value) == str(of_models.value)


def test_get_task_takes_a_tag_filter_and_the_exact_name(registry):
    first, second = Task.create(task_name="train"), Task.create(task_name="train")
    Task.create(task_name="train again").set_tags(["a", "b"])
    first.set_tags(["a", "b"])
    second.set_tags(["a"])
    assert Task.get_task(task_name="train", tags=["__$all", "a", "b"]) == first
    assert Task.get_task(task_name="train", tags=["a", "-b"]) == second
    assert Task.get_task(task_name="train", tags=["b", "-a"]) is None


def test_all_filters_must_hold(registry):
    one, other = Task.create("p", "one"), Task.create("q", "other")
    Task.create(task_name="one")
    assert Task.get_tasks(project_name="p") == [one]
    assert Task.get_tasks(project_name=["p", "q"]) == [other, one]
    assert Task.get_tasks(project_name="p", task_name="o.*e") == [one]
    assert Task.get_tasks([one.id, other.id], task_name="other") == [other]
    assert Task.get_tasks([]) == Task.get_tasks(project_name=[]) == []
    assert Task.get_tasks(project_name="") == Task.get_tasks(project_name="P") == []
    other.mark_failed()
    assert Task.get_tasks(task_filter={"status": ["failed", "aborted"]}) == [other]
    other.publish()
    assert Task.get_tasks(task_filter={"status": ["published"]}) == [other]
    assert Task.get_tasks(task_filter={"status": ["failed"]}) == []
    with pytest.raises(InvalidValueError, match="not a regular expression"):
        Task.get_tasks(task_name="(")


def test_a_filter_with_a_nul_matches_nothing(registry):
    """SQLite's JSON functions end a text at a NUL."""
    task = Task.create("p", "one")
    assert Task.get_tasks([f"{task.id}\0"]) == []
    assert Task.get_tasks(project_name=["p\0", "p\0q"]) == []
    assert Task.get_tasks(task_filter={"status": ["created\0"]}) == []
    assert Task.get_tasks([task.id, "\0"], ["p", "\0"]) == [task]


def test_more_ids_than_sqlite_takes_as_parameters(registry):
    task = Task.create(task_name="train")
    many = [*(f"{number:032x}" for number in range(300_000)), task.id]
    assert Task.get_tasks(many) == [task]


INDEXED = [
    (TaskQuery(projects=("p",)), "task_project"),
    (TaskQuery(projects=("p", "q")), "task_project"),
    (TaskQuery(name="train"), "task_name"),
    (TaskQuery(name="train", projects=("p",), limit=1), "task_name"),
    (TaskQuery(statuses=("in_progress",)), "task_status"),
    (TaskQuery(ids=("0" * 32,)), "sqlite_autoindex_task_1"),
    (TaskQuery(tags=parse_tag_filter(["a"])), "task_tag_tasks"),
    (TaskQuery(tags=parse_tag_filter(["a", "b"])), "task_tag_tasks"),
    (TaskQuery(tags=parse_tag_filter(["a", "b", "-c"])), "task_tag_tasks"),
    (TaskQuery(tags=parse_tag_filter(["__$all", "a", "b"])), "task_tag_tasks"),
    (TaskQuery(tags=parse_tag_filter(["a"]), statuses=("failed",)), "task_tag_tasks"),
    (TaskQuery(tags=parse_tag_filter(["-a"]), projects=("p",)), "task_project"),
]


@pytest.mark.parametrize(("query", "index"), INDEXED, ids=[str(number) for number in range(12)])
def test_a_filter_reads_its_index_and_not_all_tasks(registry, query, index):
    with registry._chain.first.store.read() as connection:
        sql, parameters = task_query.statement(connection, query)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert any(index in step for step in plan), plan
    assert not any(step.startswith("SCAN t") and "INDEX" not in step for step in plan), plan
    assert "SCAN t USING INDEX task_newest" not in plan, plan


def test_without_filters_tasks_come_in_order_from_an_index(registry):
    with registry._chain.first.store.read() as connection:
        sql, parameters = task_query.statement(connection, TaskQuery())
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert plan == ["SCAN t USING INDEX task_newest"]


def test_a_search_of_one_registry_returns_names_and_times(registry):
    task = Task.create(task_name="train")
    found = find_tasks(registry._chain.first, check_search(name="train"))
    assert [(each.id, each.name) for each in found] == [(task.id, "train")]
    assert found[0].stamp == task._row().stamp
