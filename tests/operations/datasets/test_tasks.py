"""Data sets and tasks: who made one, who uses it, and another one when a task is run again."""

from __future__ import annotations

import pytest

from localreg import Dataset, Model, Task
from localreg.errors import ConflictError


@pytest.fixture
def two(localreg_registry, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    made = []
    for name in ("first", "second"):
        dataset = Dataset.create(name, "vision")
        dataset.add_files(tmp_path / "a")
        dataset.finalize(auto_upload=True)
        made.append(dataset)
    return made


@pytest.fixture
def task(localreg_registry):
    task = Task.init(project_name="vision", task_name="train")
    yield task
    task.close()


def test_a_task_records_the_data_set_that_it_gets(two, task):
    assert Dataset.get(dataset_id=two[0].id, alias="train") == two[0]
    assert task.get_parameter("Datasets/train") == two[0].id
    assert task.input_models_id == {}, "it is no model"
    assert list(task.models["input"]) == []
    with pytest.raises(ConflictError, match="is the input"):
        Dataset.delete(dataset_id=two[0].id)


def test_without_an_alias_there_is_no_parameter(two, task):
    Dataset.get(dataset_id=two[0].id)
    assert task.get_parameters() == {}
    family = Model(two[0].id).lineage()
    assert [each.text for each in family.members if each.kind == "task"] == ["train"]


def test_a_task_that_is_run_again_uses_the_data_set_that_was_set(two, task, monkeypatch):
    Dataset.get(dataset_id=two[0].id, alias="train", overridable=True)
    task.close()
    copy = Task.clone(task)
    copy.set_parameter("Datasets/train", two[1].id)
    monkeypatch.setenv("LOCALREG_TASK_ID", copy.id)
    again = Task.init(project_name="vision", task_name="train")
    used = Dataset.get(dataset_id=two[0].id, alias="train", overridable=True)
    again.close()
    assert used == two[1]
    assert again.status == "completed"


def test_without_overridable_the_script_decides(two, task, monkeypatch):
    Dataset.get(dataset_id=two[0].id, alias="train")
    task.close()
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    again = Task.init(project_name="vision", task_name="train")
    assert Dataset.get(dataset_id=two[1].id, alias="train") == two[1]
    assert again.get_parameter("Datasets/train") == two[1].id
    again.close()


def test_the_task_that_makes_it_is_known(task, localreg_registry):
    made = Dataset.create(dataset_name="made")
    assert (made.project, Model(made.id).original_task) == ("vision", task.id)
    assert task.output_models_id == {}


def test_the_current_task_can_be_one_of_data_processing(task):
    made = Dataset.create(use_current_task=True)
    assert (made.name, made.project) == ("train", "vision")
    assert task.task_type == "data_processing"


def test_reports_to_it_are_kept(two):
    logger = two[0].get_logger()
    logger.report_scalar("classes", "cat", 3, 0)
    logger.report_single_value("files", 1)
    logger.report_text("added", print_console=False)
    logger.flush()
    assert logger.get_reported_single_values() == {"files": 1.0}
    assert Model(two[0].id).get_reported_scalars()["classes"]["cat"]["y"] == [3.0]


def test_queries_for_models_leave_data_sets_out(two, localreg_registry, tmp_path):
    model = localreg_registry.add(tmp_path / "a", "net", "vision")
    assert Model.query_models() == [model]
    assert localreg_registry.models(project="vision") == [model]
    asked = Model.query_models(project_name="vision/.datasets")
    assert {each.id for each in asked} == {each.id for each in two}
    assert asked[0].system_tags == ["dataset", "package"]
