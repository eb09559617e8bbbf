"""A source that has no times: nothing says that something was made in 1970."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import run_cli


@pytest.fixture
def imported(tmp_path):
    table = tmp_path / "metrics.csv"
    table.write_text("step,loss\n1,0.5\n2,0.25\n")
    registry = tmp_path / "registry"
    run_cli("-R", registry, "import", table, "--task", "train")
    return registry


@pytest.fixture
def task(imported):
    _, out, _ = run_cli("-R", imported, "task", "ls", "--json")
    return json.loads(out)[0]["id"]


@pytest.mark.parametrize(
    "command", [("task", "show", "ID"), ("task", "ls"), ("report", "ID"), ("site",)]
)
def test_no_command_shows_1970(imported, task, command):
    code, out, _ = run_cli("-R", imported, *(task if each == "ID" else each for each in command))
    assert code == 0
    pages = list(imported.rglob("*.html")) if command[0] in ("report", "site") else []
    assert "1970-01" not in out + "".join(page.read_text() for page in pages)


def test_a_task_says_that_its_start_is_not_known(imported, task):
    _, out, _ = run_cli("-R", imported, "task", "show", task)
    assert "created  not known\n" in out


def test_the_page_of_a_task_has_no_duration_then(imported, task):
    _, page, _ = run_cli("-R", imported, "report", task)
    text = Path(page.strip()).read_text()
    assert "not known" in text
    assert "<dt>duration" not in text
