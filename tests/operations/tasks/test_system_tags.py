"""System tags of tasks, the archive, and the progress that scripts report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.page_samples import overview_data, unpacked

from localreg import Task
from localreg.errors import InvalidValueError


@pytest.fixture
def task(registry):
    return Task.create("p", "t")


def test_system_tags_are_not_tags(task):
    task.set_tags(["a"])
    task.set_system_tags(["hidden", "a"])
    assert (task.get_system_tags(), task.tags) == (["a", "hidden"], ["a"])
    task.set_tags([])
    task.set_system_tags(["hidden"])
    assert (task.get_system_tags(), task.tags) == (["hidden"], [])
    assert [each.id for each in Task.get_tasks(tags=[None])] == [task.id]
    assert Task.get_tasks(tags=["hidden"]) == []
    with pytest.raises(InvalidValueError, match="system_tags"):
        task.set_system_tags("hidden")


def test_a_task_is_archived_and_brought_back(task):
    assert task.get_archived() is False
    task.set_system_tags(["hidden"])
    task.set_archived(True)
    task.set_archived(True)
    assert task.get_archived() is True
    assert task.get_system_tags() == ["archived", "hidden"]
    task.set_archived(False)
    assert task.get_system_tags() == ["hidden"]


def test_progress_is_kept(task):
    assert task.get_progress() is None
    task.set_progress(0)
    assert task.get_progress() == 0
    task.set_progress(100)
    assert task.get_progress() == 100
    for wrong in (-1, 101, 0.5, "50", None, True):
        with pytest.raises(InvalidValueError, match="progress"):
            task.set_progress(wrong)
    assert task.get_progress() == 100


def test_pages_commands_and_history_show_them(task, registry):
    task.set_archived(True)
    task.set_progress(30)
    page = task.report().read_text()
    assert "archived" in page
    assert "30 %" in page
    _, shown, _ = run_cli("task", "show", task.id, "--json")
    shown = json.loads(shown)
    assert (shown["system_tags"], shown["progress"]) == (["archived"], 30)
    assert "30 %" in run_cli("task", "show", task.id)[1]
    assert task.export_task()["system_tags"] == ["archived"]
    assert task.export_task()["runtime"] == {"progress": "30"}


def test_archived_tasks_are_listed_only_on_request(task, registry):
    other = Task.create("p", "other")
    task.set_archived(True)
    assert run_cli("task", "ls", "-q")[1].split() == [other.id]
    assert set(run_cli("task", "ls", "-q", "-a")[1].split()) == {task.id, other.id}
    assert [each.id for each in Task.get_tasks(allow_archived=False)] == [other.id]
    other.delete()
    assert "-a lists archived ones" in run_cli("task", "ls")[2]
    data = overview_data(Path(run_cli("site")[1].strip()))
    rows, packs = data["tables"]["tasks"]["rows"], dict(data["packs"])
    assert unpacked(packs[rows["archived"]]) == [1]


def test_undo_takes_a_system_tag_back_and_not_the_tag(task):
    task.set_tags(["archived"])
    task.set_archived(True)
    assert " archived" in run_cli("history")[1]
    code, _, problem = run_cli("undo")
    assert code == 0, problem
    assert (task.get_archived(), task.tags) == (False, ["archived"])
    assert run_cli("undo")[0] == 0  # undo the undo
    assert task.get_archived()
