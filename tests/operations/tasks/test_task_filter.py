"""`task_filter` and `additional_return_fields` of searches for tasks, as ClearML reads them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from localreg import Task
from localreg.errors import InvalidValueError


@pytest.fixture
def tasks(registry):
    """Three tasks; "c" was changed last."""
    made = {}
    for name, kind, comment in (
        ("a net", "training", "the first"), ("b", "testing", ""), ("c", "qc", "A NET"),
    ):  # fmt: skip
        made[name[0]] = task = Task.init("p", name, kind, reuse_last_task_id=False)
        task.set_comment(comment)
        task.set_parameters({"Args/lr": {"a": 0.1, "b": 0.3, "c": 0.2}[name[0]], "General/x.y": 1})
        task.get_logger().report_scalar("loss", "val", {"a": 3, "b": 1, "c": 2}[name[0]], 1)
        task.close()
    made["b"].set_archived(True)
    made["a"].set_tags(["x", "y"])
    made["c"].set_tags(["x"])
    made["b"].set_parent(made["a"])
    made["c"].publish()
    return made


def found(tasks, **task_filter):
    """Return the letters of the tasks that a filter finds."""
    letters = {task.id: letter for letter, task in tasks.items()}
    listed = [letters[task.id] for task in Task.get_tasks(task_filter=task_filter)]
    assert [letters[each] for each in Task.query_tasks(task_filter=task_filter)] == listed
    one = Task.get_task(task_filter=task_filter) if task_filter else None
    # "b" is archived, so that it is taken only if there is no other.
    first = next(iter(sorted(listed, key=lambda letter: letter == "b")), None)
    assert (letters[one.id] if one else None) == (first if task_filter else None)
    return "".join(listed)


LOSS = ".".join(hashlib.md5(each.encode()).hexdigest() for each in ("loss", "val"))
YEAR = timedelta(days=366)


FILTERS = [
        ({}, "cba"),
        ({"status": ["completed"]}, "ba"),
        ({"status": "published"}, "c"),
        ({"status": ["queued", "closed"]}, ""),
        ({"type": ["training", Task.TaskTypes.qc]}, "ca"),
        ({"type": "QC"}, "c"),
        ({"name": "^A"}, "a"),
        ({"search_text": "net"}, "ca"),
        ({"search_text": "NET"}, "ca"),
        ({"tags": ["x"]}, "ca"),
        ({"tags": ["__$all", "x", "y"]}, "a"),
        ({"tags": ["-y"]}, "cb"),
        ({"tags": [None]}, "b"),
        ({"system_tags": ["archived"]}, "b"),
        ({"system_tags": ["-archived"]}, "ca"),
        ({"_any_": {"fields": ["comment", "name"], "pattern": "net$"}}, "ca"),
        ({"_all_": {"fields": ["comment", "name"], "pattern": "net|first"}}, "a"),
        ({"_any_": {"fields": ["hyperparams.Args.lr.value"], "pattern": "0.[23]"}}, "cb"),
        ({"_any_": {"fields": ["tags"], "pattern": "^Y$"}}, "a"),
        ({"_all_": {"fields": [], "pattern": "x"}}, "cba"),
        ({"order_by": ["name"]}, "abc"),
        ({"order_by": ["-name"]}, "cba"),
        ({"order_by": ["hyperparams.Args.lr.value"]}, "acb"),
        ({"order_by": [f"last_metrics.{LOSS}.value"]}, "bca"),
        ({"order_by": [f"-last_metrics.{LOSS}.max_value"], "page": 0, "page_size": 2}, "ac"),
        ({"order_by": [f"-last_metrics.{LOSS}.max_value"], "page": 1, "page_size": 2}, "b"),
        ({"page_size": 1}, "c"),
        ({"page": 9, "page_size": 10}, ""),
        ({"order_by": ["type", "-name"]}, "cba"),
        ({"order_by": ["parent", "name"]}, "acb"),
        ({"order_by": ["@text_score", "-created"], "search_text": "net"}, "ca"),
        ({"created": [">2020-01-01", "<=2400-01-01T00:00:00+00:00"]}, "cba"),
        ({"started": [">=2400-01-01"]}, ""),
        ({"status_changed": [">0"]}, "cba"),
        ({"completed": datetime.now(UTC) - YEAR}, ""),
        ({"completed": [f">{(datetime.now(UTC) - YEAR).isoformat()}"], "tags": ["y"]}, "a"),
        ({"only_fields": ["id"], "search_hidden": True, "user": ["somebody"]}, "cba"),
        ({"type": None, "search_text": None}, "cba"),
]  # fmt: skip


def test_each_key_of_a_task_filter(tasks):
    wrong = {}
    for task_filter, letters in FILTERS:
        shown = found(tasks, **task_filter)
        ordered = "order_by" in task_filter
        if (shown if ordered else sorted(shown)) != (letters if ordered else sorted(letters)):
            wrong[str(task_filter)] = shown
    assert wrong == {}


def test_ids_parents_and_projects(tasks):
    assert found(tasks, id=[tasks["a"].id, tasks["c"].id]) in ("ac", "ca")
    assert found(tasks, parent=tasks["a"].id) == "b"
    assert found(tasks, parent=[tasks["a"].id, "f" * 32]) == "b"
    assert len(found(tasks, project=[tasks["a"].project])) == 3
    assert found(tasks, project=["f" * 32]) == ""
    both = Task.get_tasks(task_ids=[tasks["a"].id], task_filter={"id": [tasks["b"].id]})
    assert both == []


def test_archived_tasks_are_left_out_if_they_are_not_allowed(tasks):
    assert tasks["b"] in Task.get_tasks()
    assert tasks["b"] not in Task.get_tasks(allow_archived=False)
    assert Task.get_task(project_name="p", task_name="b") == tasks["b"]
    assert Task.get_task(project_name="p", task_name="b", allow_archived=False) is None


def test_get_task_takes_an_archived_task_only_if_there_is_no_other(registry):
    """As in ClearML; the name is not needed."""
    old, new = Task.create("p", "a"), Task.create("p", "a")
    assert Task.get_task(project_name="p", task_name="a") == new
    new.set_archived(True)
    assert Task.get_task(project_name="p", task_name="a") == Task.get_task(project_name="p") == old
    old.set_archived(True)
    assert Task.get_task(project_name="p", task_name="a") == old, "it was changed last"
    assert Task.get_task(project_name="gone") is None
    with pytest.raises(InvalidValueError, match="task_id or a task_name"):
        Task.get_task()


def test_tags_and_the_tags_of_a_filter_are_one_list(tasks):
    """As in ClearML's `query_tasks`."""
    assert Task.query_tasks(tags=["__$all", "x"], task_filter={"tags": ["y"]}) == [tasks["a"].id]


WRONG = [5, "a", ["status"], {"statuss": 1}, {"status": 5}, {"status": [5]}, {"name": "("},
     {"name": 5}, {"order_by": ["nmae"]}, {"order_by": [5]}, {"page": 1}, {"page": -1},
     {"page_size": 0}, {"page_size": True}, {"_all_": 5}, {"_any_": {"fields": ["nmae"]}},
     {"_any_": {"fields": ["name"], "pattern": "("}}, {"_all_": {"field": []}},
     {"started": ["soon"]}, {"created": [5]}, {"type": {"a": 1}}, {"search_text": 5},
     {"system_tags": ["__$nonsense"]}, {"tags": ["__$nonsense"]}, {5: 1},
     {"status": b"x"}]  # fmt: skip


def test_what_is_wrong_in_a_task_filter_is_said(registry):
    Task.create(task_name="a")
    for task_filter in WRONG:
        for search in (Task.get_tasks, Task.get_task, Task.query_tasks):
            with pytest.raises(InvalidValueError, match=r"task_filter|tag"):
                search(task_name="a", task_filter=task_filter)


def test_additional_return_fields_are_those_of_clearml(tasks):
    fields = ["name", "script.diff", "script.repository", "hyperparams.Args.lr.value", "tags",
              "hyperparams.General.x.y.value", "last_iteration", "status", "user", "parent",
              f"last_metrics.{LOSS}.value", "hyperparams.Args.gone.value", "task_type"]  # fmt: skip
    (row,) = Task.query_tasks(task_name="b", additional_return_fields=[*fields, "last_update"])
    assert row.pop("last_update").tzinfo is UTC
    assert row == {
        "id": tasks["b"].id, "name": "b", "script.diff": tasks["b"].get_script()["diff"] or "",
        "script.repository": tasks["b"].get_script()["repository"] or "", "tags": [],
        "hyperparams.Args.lr.value": "0.3", "hyperparams.General.x.y.value": "1",
        "last_iteration": 1, "status": "completed", "user": None, "parent": tasks["a"].id,
        f"last_metrics.{LOSS}.value": 1.0, "hyperparams.Args.gone.value": None,
        "task_type": "testing",
    }  # fmt: skip
    for wrong in ("nmae", "", "_id", 5, ".x"):
        with pytest.raises(InvalidValueError, match="additional_return_fields"):
            Task.query_tasks(additional_return_fields=[wrong])
