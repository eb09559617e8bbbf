"""The page of a model shows what the task that made it reported, where the model has nothing."""

from __future__ import annotations

import re

import pytest

from localreg import OutputModel, Task


@pytest.fixture
def made(localreg_registry):
    """A model, and the task that made it: both have a loss, the task has more."""
    task = Task.init("p", "the maker", auto_resource_monitoring=False)
    task.connect({"learning_rate_of_task": 0.125, "api_token": "hush"})
    logger = task.get_logger()
    logger.report_scalar("loss", "train", 111.5, 0)
    logger.report_scalar("loss", "val", 222.5, 0)
    logger.report_scalar(":monitor:machine", "cpu", 333.5, 0)
    logger.report_single_value("best", 444.5)
    model = OutputModel(task, name="m")
    model.report_scalar("loss", "train", 555.5, 0)
    yield model, task
    task.close()


def test_a_model_page_has_scalars_values_and_parameters_of_its_task(made):
    """Its own series counts; what the machine did and secrets stay away."""
    model, _ = made
    page = re.sub("<[^>]*>", "", model.report().read_text())
    assert "555.5" in page
    assert "111.5" not in page
    for text in ("222.5", "444.5", "learning_rate_of_task", "0.125", "the maker"):
        assert text in page
    for text in ("333.5", "hush"):
        assert text not in page


def test_a_site_writes_a_model_page_again_when_its_task_reports(made, localreg_registry):
    """The page is made from the reports of both."""
    model, task = made
    page = model.report()
    assert localreg_registry.render()
    task.get_logger().report_scalar("loss", "val", 666.5, 1)
    localreg_registry.render()
    assert "666.5" in page.read_text()
