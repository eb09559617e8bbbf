"""Fixtures of the tests of operations."""

from __future__ import annotations

import pytest

from localreg import OutputModel, Task


@pytest.fixture
def task(registry):
    """A running task ``train`` in the project ``vision``, the current one."""
    task = Task.init(project_name="vision", task_name="train")
    yield task
    task.close()


@pytest.fixture
def model(task):
    """A model without weights that the task makes."""
    return OutputModel()
