"""A model and a task to report to."""

from __future__ import annotations

import pytest

from localreg import InputModel, Task


@pytest.fixture
def model(registry):
    return InputModel.import_model("s3://bucket/a.pt", name="a")


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="train")
    yield task
    task.close()
