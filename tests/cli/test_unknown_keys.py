"""`ls -m` and `task ls -m` of a key that nothing has: it is named, with what may be meant."""

from __future__ import annotations

import pytest
from support.command_line import run_cli

from localreg import InputModel, OutputModel, Task


@pytest.fixture(autouse=True)
def filled(registry):
    task = Task.create("vision", "train")
    task.report_scalar("val", "accuracy", 0.5, 1)
    task.set_parameters({"Args/lr": 0.1})
    OutputModel(task=task, name="net")
    InputModel.import_model("s3://b/x.pt", name="x").set_metadata("dataset", "cifar")
    registry._chain.first.store.flush()


def said(*arguments):
    code, out, err = run_cli(*arguments)
    assert (code, out) == (0, ""), err
    return [each for each in err.splitlines() if "match" not in each]


@pytest.mark.parametrize(
    ("condition", "named", "similar"),
    [
        ("metric:val/acuracy>0", "metric 'val/acuracy'", "metric:val/accuracy"),
        ("metric:accuracy>0", "metric 'accuracy'", "metric:val/accuracy"),
        ("param:args/lr<1", "parameter 'args/lr'", "param:Args/lr"),
        ("param:other<1", "parameter 'other'", None),
        ("datset=cifar", "metadata 'datset'", "dataset"),
        ("accuracy>0", "metadata 'accuracy'", "metric:val/accuracy"),
        ("lr=0.1", "metadata 'lr'", "param:Args/lr"),
        ("other=1", "metadata 'other'", None),
    ],
)
def test_ls_names_a_key_that_no_model_has(condition, named, similar):
    """What is similar may be a value of another kind."""
    hint = "" if similar is None else f" Similar ones are {similar}."
    assert said("ls", "-m", condition) == [f"No model has the {named}.{hint}"]


def test_task_ls_names_a_key_that_no_task_has():
    assert said("task", "ls", "-m", "metric:val/acc>0") == [
        "No task has the metric 'val/acc'. Similar ones are metric:val/accuracy."
    ]
    assert said("task", "ls", "-m", "accuracy>0") == [
        "No task has the parameter 'accuracy'. Similar ones are metric:val/accuracy."
    ]


@pytest.mark.parametrize(
    "condition", ["metric:val/accuracy>1", "param:lr>1", "param:Args/lr>1", "dataset=mnist"]
)
def test_a_key_with_other_values_is_not_named(condition):
    assert said("ls", "-m", condition) == []


def test_each_unknown_key_is_named_and_nothing_in_json_or_with_a_match():
    assert len(said("ls", "-m", "x=1", "-m", "y=1", "-m", "dataset=cifar")) == 2
    assert run_cli("ls", "-m", "datset=cifar", "--json") == (0, "[]\n", "")
    code, out, err = run_cli("ls", "-m", "dataset=cifar")
    assert (code, "x:1" in out, err) == (0, True, "")
