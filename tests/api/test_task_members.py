"""Members of ClearML's Task that are small here: properties, projects, waiting, other names."""

from __future__ import annotations

import json
import logging
import random
import threading
from datetime import datetime
from pathlib import Path

import numpy
import pandas
import pytest
from support.command_line import run_cli

from localreg import InputModel, Logger, OutputModel, Task
from localreg.api import ambient
from localreg.errors import (
    InvalidValueError,
    LocalregError,
    NotSupportedError,
    SourceNotFoundError,
    TaskEndedError,
    TaskNotFoundError,
)


@pytest.fixture
def task(registry):
    task = Task.init("p", "t")
    yield task
    task.close()


# user properties ---------------------------------------------------------------------------


def test_user_properties_are_given_in_all_forms(task):
    assert task.set_user_properties(
        {"name": "backbone", "description": "of the net", "value": "resnet"},
        {"first": 1, "second": {"value": 2.5, "type": "float"}},
        [{"name": "third", "value": None}],
        stable=True,
        typed={"value": "7", "type": int},
    )
    assert task.get_user_properties(value_only=True) == {
        "backbone": "resnet", "first": "1", "second": "2.5", "third": "", "stable": "True",
        "typed": "7",
    }  # fmt: skip
    assert task.get_user_properties()["typed"] == {
        "section": "properties", "name": "typed", "value": "7", "type": "int",
    }  # fmt: skip
    assert task.get_parameter("properties/first", cast=True) == 1
    assert "resnet" in task.report().read_text()


def test_user_properties_are_replaced_and_deleted(task):
    task.set_user_properties(a=1, b=2, c=3)
    task.set_user_properties(a=5)
    task.connect({"lr": 1})
    assert task.delete_user_properties(
        [("properties", "b")], [{"section": "properties", "name": "c"}]
    )
    assert task.get_user_properties(value_only=True) == {"a": "5"}
    for wrong in ([("properties",)], [{"name": "a"}], ["a"]):
        with pytest.raises(InvalidValueError, match="section"):
            task.delete_user_properties(wrong)
    for wrong in (5, "text"):
        with pytest.raises(InvalidValueError, match="dicts"):
            task.set_user_properties(wrong)


# registered artifacts ----------------------------------------------------------------------


def test_a_registered_frame_is_stored_when_it_changed(task):
    frame = pandas.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "y"]})
    task.register_artifact("train", frame, metadata={"k": "v"}, uniqueness_columns=["a"])
    first = task.artifacts["train"]
    assert first.get().equals(frame)
    assert first.metadata == {"k": "v"}
    assert "2 unique rows, 66.7% uniqueness" in first.preview
    changes = len(run_cli("history", "--json")[1])
    task.flush()
    assert len(run_cli("history", "--json")[1]) == changes  # nothing has changed
    frame.loc[3] = [4, "z"]
    task.flush()
    assert len(task.artifacts["train"].get()) == 4
    task.get_registered_artifacts()["test"] = frame.head(1)
    assert len(task.artifacts["test"].get()) == 1
    task.unregister_artifact("train")
    frame.loc[4] = [5, "w"]
    task.flush()
    assert len(task.artifacts["train"].get()) == 4
    with pytest.raises(InvalidValueError, match="DataFrame"):
        task.register_artifact("list", [1])
    with pytest.raises(InvalidValueError, match="uniqueness_columns"):
        task.register_artifact("x", frame, uniqueness_columns=5)


def test_a_registered_frame_is_stored_when_the_task_ends(registry):
    task = Task.init("p", "ends")
    frame = pandas.DataFrame({"a": [[1], [2]]})  # cells that have no hash
    task.register_artifact("train", frame)
    frame.loc[2] = [[3]]
    task.close()
    assert len(task.artifacts["train"].get()) == 3
    assert task.get_registered_artifacts() == {}


# projects ----------------------------------------------------------------------------------


def test_projects_are_found(registry):
    first = Task.create("vision/seg", "a")
    InputModel.import_model("s3://b/x", name="m", project="audio")
    found = Task.get_projects()
    assert [each.name for each in found] == ["vision/seg", "audio"]
    assert found[0].basename == "seg"
    assert isinstance(found[0].created, datetime)
    assert found[0].created <= found[0].last_update
    assert first.get_project_object().id == first.project == Task.get_project_id("vision/seg")
    assert Task.get_project_id("none") is None
    assert Task.create(None, "b").get_project_object() is None
    assert [each.name for each in Task.get_projects(order_by="name")] == ["audio", "vision/seg"]
    assert [each.name for each in Task.get_projects(order_by=["-last_update"])] == [
        "audio", "vision/seg",
    ]  # fmt: skip
    assert [each.name for each in Task.get_projects(name="seg$", page_size=5)] == ["vision/seg"]
    assert [each.name for each in Task.get_projects(id=[found[1].id])] == ["audio"]
    for wrong in ({"name": "("}, {"order_by": "size"}, {"tags": ["a"]}, {"id": 5}):
        with pytest.raises(InvalidValueError):
            Task.get_projects(**wrong)


# reports that are read back ----------------------------------------------------------------


def test_the_log_and_the_plots_are_read_back(task):
    logger = task.get_logger()
    for line in ("one", "two", "three"):
        logger.report_text(line, print_console=False)
    assert task.get_reported_console_output() == ["three"]
    assert task.get_reported_console_output(number_of_reports=2) == ["two", "three"]
    for step in (0, 1, 2):
        logger.report_histogram("h", "s", [1, 2, step], iteration=step)
    logger.report_scalar("loss", "train", 1.0, 0)
    [plot] = task.get_reported_plots()
    assert (plot["metric"], plot["variant"], plot["iter"]) == ("h", "s", 2)
    assert json.loads(plot["plot_str"])["data"][0]["type"] == "bar"
    assert [each["iter"] for each in task.get_reported_plots(max_iterations=2)] == [1, 2]
    for wrong in (0, -1, "2"):
        with pytest.raises(InvalidValueError):
            task.get_reported_console_output(wrong)


def test_debug_samples_are_read_back(task):
    for step in (1, 2, 3):
        task.get_logger().report_image("t", "s", step, image=numpy.full((2, 2), step, "uint8"))
    found = task.get_debug_samples("t", "s")
    assert [each["iter"] for each in found] == [3, 2, 1]
    assert Path(found[0]["url"].removeprefix("file://")).read_bytes().startswith(b"\x89PNG")
    assert [each["iter"] for each in task.get_debug_samples("t", "s", n_last_iterations=1)] == [3]
    assert task.get_debug_samples("t", "other") == []
    task.get_logger().report_media("t", "linked", url="https://example.org/a.mp3")
    assert task.get_debug_samples("t", "linked")[0]["url"] == "https://example.org/a.mp3"


def test_all_scalars_are_read_back_on_each_axis(task):
    for step in (3, 5):
        task.get_logger().report_scalar("loss", "train", step / 2, step)
    found = task.get_all_reported_scalars()["loss"]["train"]
    assert found == {"name": "train", "x": [3, 5], "y": [1.5, 2.5]}
    stamps = task.get_all_reported_scalars(x_axis="timestamp")["loss"]["train"]["x"]
    times = task.get_all_reported_scalars(x_axis="iso_time")["loss"]["train"]["x"]
    assert datetime.fromisoformat(times[0]).timestamp() * 1000 == pytest.approx(stamps[0])
    with pytest.raises(InvalidValueError, match="x_axis"):
        task.get_all_reported_scalars("steps")


def test_iterations_go_on_after_an_initial_one(task):
    assert task.get_initial_iteration() == 0
    assert task.set_initial_iteration(100) == 100
    task.get_logger().report_scalar("loss", "train", 1.0, 5)
    task.report_scalar("loss", "train", 2.0, 6)
    task.get_logger().report_image("t", "s", 7, image=numpy.zeros((2, 2)))
    task.report_histogram("h", "s", [1, 2])
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [105, 106]
    assert task.get_debug_samples("t", "s")[0]["iter"] == 107
    assert task.get_reported_plots()[0]["iter"] == 100
    assert task.get_last_iteration() == 107
    with pytest.raises(InvalidValueError):
        task.set_initial_iteration("x")
    task.set_initial_iteration()
    task.report_scalar("loss", "train", 3.0, 7)
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [7, 105, 106]


# script, type, status ----------------------------------------------------------------------


def test_what_is_recorded_of_the_script_is_set(task, tmp_path):
    task.set_repo("https://user:secret@host/r.git", branch="main", commit="abc")
    found = task.get_script()
    assert "secret" not in found["repository"]
    assert (found["branch"], found["version_num"]) == ("main", "abc")
    task.set_script(working_dir=tmp_path, entry_point="train.py", diff="+a\n", binary="python3")
    found = task.get_script()
    assert found["entry_point"] == str(tmp_path / "train.py")
    assert (found["working_dir"], found["diff"], found["binary"]) == (
        str(tmp_path), "+a\n", "python3",
    )  # fmt: skip
    assert found["branch"] == "main"
    task.set_task_type("testing")
    assert task.task_type == "testing"
    with pytest.raises(InvalidValueError, match="task_type"):
        task.set_task_type("none")


def test_the_status_is_waited_for(registry):
    task = Task.create("p", "waits")
    threading.Thread(target=task.mark_completed).start()
    task.wait_for_status(check_interval_sec=0.01)
    task.publish()
    task.wait_for_status([Task.TaskStatusEnum.completed])
    task.wait_for_status(["published"])
    failed = Task.create("p", "fails")
    failed.mark_failed()
    with pytest.raises(TaskEndedError, match="failed") as error:
        failed.wait_for_status()
    assert isinstance(error.value, RuntimeError)
    assert error.value.task_id == failed.id
    failed.wait_for_status(status=["failed"], raise_on_status=None)
    with pytest.raises(InvalidValueError, match="check_interval_sec"):
        task.wait_for_status(check_interval_sec=0)


def test_older_names_of_the_same(registry):
    task = Task.create("p", "t")
    task.started()
    assert task.status == "in_progress"
    task.completed()
    assert task.status == "completed"
    task.stopped(status_reason="a", status_message="b")
    assert (task.status, task.status_reason) == ("stopped", "a\nb")
    assert Task.get_by_name("t") == task
    with pytest.raises(TaskNotFoundError):
        Task.get_by_name("none")
    assert Task.resolve_id(task) == Task.resolve_id(task.id) == Task.normalize_id(f" {task.id} ")
    with pytest.raises(InvalidValueError):
        Task.resolve_id(5)
    assert Task.get_task_output_log_web_page(task.id) == task.get_output_log_web_page()
    assert task.log is logging.getLogger("clearml")
    assert task.cache_dir.name == task.id
    assert issubclass(Task.DeleteError, Exception)
    assert LocalregError is Task.DeleteError
    assert task.report_subprocess_enabled
    assert task.last_worker
    assert Task.create("p", "new").last_worker is None
    assert task.get_base_docker() is task.get_executed_queue() is task.resource_monitor is None


def test_the_destination_of_weights_has_several_names(task, tmp_path):
    assert task.storage_uri is task.get_output_destination() is None
    task.storage_uri = str(tmp_path)
    assert task.storage_uri == task.output_uri == task.get_output_destination()
    assert task.get_output_destination("sub") == f"{task.output_uri.rstrip('/')}/sub"


def test_a_task_is_published_when_it_is_completed(registry):
    for enable, published in ((True, True), (False, False)):
        task = Task.init("p", f"t {enable}")
        task.publish_on_completion(True)
        task.publish_on_completion(enable)
        assert not task.published
        task.close()
        assert task.published is published
    task = Task.create("p", "fails")
    task.publish_on_completion()
    task.mark_failed()
    assert not task.published


# models ------------------------------------------------------------------------------------


def test_weights_of_an_output_model_are_kept(task, tmp_path):
    path = tmp_path / "best.pt"
    path.write_bytes(b"weights")
    url = task.update_output_model(
        str(path), model_name="net", tags=["a"], comment="why", iteration=3
    )
    assert path.exists()
    [model] = task.get_models()["output"]
    assert (model.name, model.tags, model.url) == ("net", ["a"], url)
    assert "why" in model.comment
    assert Path(model.get_local_copy()).read_bytes() == b"weights"
    task.update_output_model(path, name="second", auto_delete_file=True)
    assert not path.exists()
    assert task.get_models()["output"]["second"].name == "t - second"
    with pytest.raises(SourceNotFoundError):
        task.update_output_model(tmp_path / "missing.pt")


def test_the_models_configuration_and_labels_have_older_names(task, tmp_path):
    design = tmp_path / "design.txt"
    design.write_text("layers = 3")
    task.update_model_desc(design)
    assert task.get_model_design() == task.get_model_config_text() == "layers = 3"
    with pytest.raises(SourceNotFoundError):
        task.update_model_desc(tmp_path / "missing.txt")
    written = task.save_exec_model_design_file(tmp_path / "sub" / "out.txt")
    assert Path(written).read_text() == "layers = 3"
    task.set_model_label_enumeration({"background": 0, "other": 0, "cat": 1, "dog": 2})
    assert task.get_num_of_classes() == 2
    assert task.get_label_num_description() == {0: "background,other", 1: "cat", 2: "dog"}
    task.set_configuration_object("net", config_text="x = 1")
    assert task.get_configuration_objects() == {"net": "x = 1"}


def test_what_a_task_holds_is_found_by_attributes(task):
    task.connect({"lr": 0.5})
    task.set_repo(branch="main")
    data = task.data
    assert (data.id, data.name, data.status) == (task.id, "t", "in_progress")
    assert data.script.branch == data["script"]["branch"] == "main"
    assert data.hyperparams.General.lr.value == "0.5"
    assert data.last_iteration == 0
    with pytest.raises(AttributeError, match="has no 'other'"):
        _ = data.other


# settings ----------------------------------------------------------------------------------


def test_a_seed_counts_for_the_next_task(registry):
    with ambient.isolated():
        random.seed(5)
        expected = random.random()
        random.seed(5)
        Task.init("p", "no seed").close()
        assert random.random() == expected  # ClearML would have seeded it
        found = []
        for _ in range(2):
            Task.set_random_seed(7)
            task = Task.init("p", "seeded")
            assert task.get_random_seed() == 7
            task.close()
            found.append((random.random(), numpy.random.rand()))
        assert found[0] == found[1]
        Task.set_random_seed(True)
        assert task.get_random_seed() == 1337
        Task.set_random_seed(None)
        with pytest.raises(InvalidValueError):
            Task.set_random_seed("x")


def test_a_process_simulates_a_run_again(registry, monkeypatch):
    monkeypatch.setenv("LOCALREG_TASK_ID", "")
    made = Task.create("p", "t", argparse_args=[("lr", "3")])
    made.set_parameter("General/lr", 5)
    with pytest.raises(TaskNotFoundError):
        Task.debug_simulate_remote_task("f" * 32)
    Task.debug_simulate_remote_task(made.id)
    task = Task.init("p", "t")
    assert task == made
    assert task.connect({"lr": 1}) == {"lr": 5}
    task.close()


def test_defaults_of_loggers(task, caplog):
    logger = task.get_logger()
    with ambient.isolated():
        assert logger.get_default_debug_sample_history() == -1
        logger.set_default_debug_sample_history(2)
        assert logger.get_default_debug_sample_history() == 2
        for step in range(4):
            logger.report_image("t", "s", step, image=numpy.zeros((2, 2)))
            logger.report_image_and_upload(
                "t", "all", step, matrix=numpy.zeros((2, 2)), max_image_history=-1
            )
        assert len(task.get_debug_samples("t", "s")) == 2
        assert len(task.get_debug_samples("t", "all")) == 4
        with pytest.raises(InvalidValueError):
            logger.set_default_debug_sample_history(0)
    assert logger.get_default_upload_destination().startswith("file://")
    Logger.set_reporting_nan_value(0.0)
    Logger.set_reporting_inf_value(0.0)
    logger.report_scalar("loss", "train", float("nan"), 0)
    assert numpy.isnan(task.get_reported_scalars()["loss"]["train"]["y"][0])


def test_what_is_logged_in_a_block_is_in_the_log(registry):
    task = Task.init("p", "logs", auto_connect_streams=False)
    with task.get_logger().capture_logging():
        logging.getLogger("mine").warning("inside %d", 1)
    logging.getLogger("mine").warning("outside")
    assert task.get_reported_console_output(5) == ["inside 1"]
    task.close()


# functions and what is not there -----------------------------------------------------------


def test_a_call_of_a_function_is_a_task_of_its_own(registry, task):
    def work(x, steps=1):
        raise AssertionError("only the new task calls it")

    made = task.create_function_task(work, x=3, steps=2, other=object())
    assert made.name == "t <work>"
    assert made.parent == task.id
    assert made.get_parameters(cast=True) == {
        "Function/__func_readonly__": "work", "Function/x": 3, "Function/steps": 2,
    }  # fmt: skip
    assert made.get_system_tags() == ["func"]
    with pytest.raises(InvalidValueError, match="func_name"):
        task.create_function_task(work, x=3)
    with pytest.raises(InvalidValueError, match="func must be"):
        task.create_function_task("work")
    assert task.create_function_task(work, func_name="again", task_name="named").name == "named"


@pytest.mark.parametrize("member", ["enqueue", "get_all", "reset", "setup_upload", "send"])
def test_methods_that_need_a_server_raise_when_they_are_called(member, task):
    for owner in (Task, task):
        method = getattr(owner, member)
        with pytest.raises(
            NotSupportedError, match=rf"localreg does not have Task\.{member}: \w"
        ) as e:
            method(1, 2, a=3)
        assert e.value.name == f"Task.{member}"
    assert member in dir(Task)


def test_properties_that_need_a_server_raise_when_they_are_read(task):
    with pytest.raises(NotSupportedError, match=r"Task\.session"):
        _ = task.session


def test_output_model_is_a_model(task):
    assert OutputModel(task, name="m").archived_tag == "archived"
