"""What parsers of command lines share: which words count, and what an error may show."""

from __future__ import annotations

import sys

import pytest

from localreg import Registry, Task
from localreg.api import ambient
from localreg.api.tasks import command_line
from localreg.errors import InvalidValueError
from localreg.integrations.command_line import Stored, is_plain, is_whole, refused


def test_an_error_for_a_secret_does_not_show_it():
    for text in (None, "'hunter2' is not a number"):
        error = refused("Args", "db_password", "hunter2", ValueError("hunter2 is bad"), text)
        assert "hunter2" not in str(error)
        assert "parameter Args/db_password of the task is '***'" in str(error)
        assert str(error).endswith("refuses: ValueError")
    error = refused("Args", "lr", "x", ValueError("x is bad"))
    assert "Args/lr of the task is 'x', which the script's parser refuses: x is bad" in str(error)


def test_only_the_whole_command_line_counts(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "1"])
    assert is_whole(None)
    assert is_whole(("--lr", "1"))
    assert not is_whole(["--lr", "2"])
    assert not is_whole([])


def test_values_of_the_task_and_objects():
    assert Stored("", "NoneType", asked=False).is_none()
    assert not Stored("", "str", asked=False).is_none()
    assert is_plain({"a": [1, None, sys.exec_prefix]})
    assert not is_plain([object()])


@pytest.mark.parametrize("given", [{"lr": 1}, {1: True}, "lr", None, ["lr"]])
def test_auto_connect_arg_parser_is_checked(given, registry):
    with pytest.raises(InvalidValueError, match="auto_connect_arg_parser must be a bool, or a"):
        Task.init(task_name="t", auto_connect_arg_parser=given)
    assert Task.get_tasks() == []


@pytest.fixture
def nothing_parsed(localreg_registry):
    """Run a test in a process state in which nothing was parsed."""
    with ambient.isolated(), Registry(localreg_registry.path):
        yield


@pytest.mark.usefixtures("nothing_parsed")
def test_auto_connect_arg_parser_chooses_arguments():
    values = {"train/lr": 1, "lr": 2, "train/seed": 3, "config": {"a": 1, "b": [None]}}
    for wanted, names in [
        (True, set(values)),
        (False, set()),
        ({}, set()),
        ({"lr": False}, {"train/seed", "config"}),
        ({"lr": True, "*": False}, {"lr", "train/lr"}),
        ({"train/lr": False}, {"lr", "train/seed", "config"}),
    ]:
        task = Task.init(task_name="t", auto_connect_arg_parser=wanted)
        command_line.record("test", "Args", values)
        found = task.get_parameters_as_dict(cast=True)
        assert {each.partition("/")[2] for each in task.get_parameters()} == names, found
        if "config" in names:  # a dict that a parser makes is one value
            assert found["Args"]["config"] == {"a": 1, "b": [None]}
        task.close()
