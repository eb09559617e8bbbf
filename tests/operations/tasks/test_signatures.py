"""Calls of existing methods take every parameter of the ClearML SDK, at its place.

The signatures were read from version 2.1.12 by introspection.
"""

from __future__ import annotations

import inspect
import math

import pytest

from localreg import InputModel, Logger, Model, OutputModel, StorageManager, Task
from localreg.errors import InvalidValueError, TaskNotFoundError
from localreg.operations.tasks.rerunning import prepare

SIGNATURES = {
    "Task.add_requirements": "package_name package_version",
    "Task.add_tags": "tags",
    "Task.clone": "source_task name comment parent project",
    "Task.connect": "mutable name ignore_remote_overrides",
    "Task.connect_configuration": "configuration name description ignore_remote_overrides",
    "Task.connect_label_enumeration": "enumeration ignore_remote_overrides",
    "Task.create": (
        "project_name task_name task_type repo branch commit script working_directory "
        "packages requirements_file docker docker_args docker_bash_setup_script argparse_args "
        "base_task_id add_task_init_call force_single_script_file binary module "
        "detect_repository"
    ),
    "Task.delete": (
        "delete_artifacts_and_models skip_models_used_by_other_tasks raise_on_error callback"
    ),
    "Task.delete_artifacts": "artifact_names raise_on_errors delete_from_storage silent_on_errors",
    "Task.delete_parameter": "name force",
    "Task.execute_remotely": "queue_name clone exit_process",
    "Task.flush": "wait_for_uploads",
    "Task.force_requirements_env_freeze": "force requirements_file",
    "Task.get_configuration_object": "name",
    "Task.get_configuration_object_as_dict": "name",
    "Task.get_parameter": "name default cast",
    "Task.get_parameters": "backwards_compatibility cast",
    "Task.get_parameters_as_dict": "cast",
    "Task.get_reported_scalars": "max_samples x_axis",
    "Task.get_reported_single_value": "name",
    "Task.get_task": "task_id project_name task_name tags allow_archived task_filter",
    "Task.get_tasks": "task_ids project_name task_name tags allow_archived task_filter",
    "Task.ignore_requirements": "package_name",
    "Task.import_task": "task_data target_task update",
    "Task.init": (
        "project_name task_name task_type tags reuse_last_task_id continue_last_task "
        "output_uri auto_connect_arg_parser auto_connect_frameworks auto_resource_monitoring "
        "auto_connect_streams deferred_init"
    ),
    "Task.mark_completed": "ignore_errors status_message force",
    "Task.mark_failed": "ignore_errors status_reason status_message force",
    "Task.mark_started": "force",
    "Task.mark_stopped": "force status_message",
    "Task.move_to_project": "new_project_id new_project_name system_tags",
    "Task.publish": "ignore_errors",
    "Task.query_tasks": "project_name task_name tags additional_return_fields task_filter",
    "Task.remove_input_models": "models_to_remove",
    "Task.remove_tags": "tags",
    "Task.rename": "new_name",
    "Task.set_base_docker": "docker_cmd docker_image docker_arguments docker_setup_bash_script",
    "Task.set_comment": "comment",
    "Task.set_configuration_object": "name config_text description config_type config_dict",
    "Task.set_credentials": "api_host web_host files_host key secret store_conf_file",
    "Task.set_input_model": "model_id model_name update_task_design update_task_labels name",
    "Task.set_model_config": "config_text config_dict",
    "Task.set_model_label_enumeration": "enumeration",
    "Task.set_name": "name",
    "Task.set_offline": "offline_mode",
    "Task.set_packages": "packages",
    "Task.set_parameter": "name value description value_type",
    "Task.set_parameters": "*args **kwargs",
    "Task.set_parameters_as_dict": "dictionary",
    "Task.set_parent": "parent",
    "Task.set_project": "project_id project_name",
    "Task.set_random_seed": "random_seed",
    "Task.set_tags": "tags",
    "Task.update_parameters": "*args **kwargs",
    "Task.update_task": "task_data",
    "Task.upload_artifact": (
        "name artifact_object metadata delete_after_upload auto_pickle preview wait_on_upload "
        "extension_name serialization_function retries sort_keys"
    ),
    "Model.get_local_copy": "extract_archive raise_on_error force_download",
    "Model.get_metadata": "key",
    "Model.get_metadata_casted": "key",
    "Model.get_weights": "raise_on_error force_download extract_archive",
    "Model.get_weights_package": "return_path raise_on_error force_download extract_archive",
    "Model.query_models": (
        "project_name model_name tags only_published include_archived max_results metadata"
    ),
    "Model.remove": "model delete_weights_file force raise_on_errors",
    "Model.report_confusion_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed comment "
        "extra_layout"
    ),
    "Model.report_histogram": (
        "title series values iteration labels xlabels xaxis yaxis mode data_args extra_layout"
    ),
    "Model.report_line_plot": (
        "title series xaxis yaxis mode iteration reverse_xaxis comment extra_layout"
    ),
    "Model.report_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed extra_layout"
    ),
    "Model.report_scalar": "title series value iteration",
    "Model.report_scatter2d": (
        "title series scatter iteration xaxis yaxis labels mode comment extra_layout"
    ),
    "Model.report_scatter3d": (
        "title series scatter iteration xaxis yaxis zaxis labels mode fill comment extra_layout"
    ),
    "Model.report_single_value": "name value",
    "Model.report_surface": (
        "title series matrix iteration xaxis yaxis zaxis xlabels ylabels camera comment "
        "extra_layout"
    ),
    "Model.report_table": "title series iteration table_plot csv url extra_layout",
    "Model.report_vector": (
        "title series values iteration labels xlabels xaxis yaxis mode extra_layout"
    ),
    "Model.set_all_metadata": "metadata replace",
    "Model.set_metadata": "key value v_type",
    "Model.__init__": "model_id",
    "InputModel.connect": "task name ignore_remote_overrides",
    "InputModel.empty": "config_text config_dict label_enumeration",
    "InputModel.get_local_copy": "extract_archive raise_on_error force_download",
    "InputModel.get_metadata": "key",
    "InputModel.get_metadata_casted": "key",
    "InputModel.get_weights": "raise_on_error force_download extract_archive",
    "InputModel.get_weights_package": "return_path raise_on_error force_download extract_archive",
    "InputModel.import_model": (
        "weights_url config_text config_dict label_enumeration name project tags comment "
        "is_package create_as_published framework"
    ),
    "InputModel.load_model": "weights_url load_archived",
    "InputModel.query_models": (
        "project_name model_name tags only_published include_archived max_results metadata"
    ),
    "InputModel.remove": "model delete_weights_file force raise_on_errors",
    "InputModel.report_confusion_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed comment "
        "extra_layout"
    ),
    "InputModel.report_histogram": (
        "title series values iteration labels xlabels xaxis yaxis mode data_args extra_layout"
    ),
    "InputModel.report_line_plot": (
        "title series xaxis yaxis mode iteration reverse_xaxis comment extra_layout"
    ),
    "InputModel.report_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed extra_layout"
    ),
    "InputModel.report_scalar": "title series value iteration",
    "InputModel.report_scatter2d": (
        "title series scatter iteration xaxis yaxis labels mode comment extra_layout"
    ),
    "InputModel.report_scatter3d": (
        "title series scatter iteration xaxis yaxis zaxis labels mode fill comment extra_layout"
    ),
    "InputModel.report_single_value": "name value",
    "InputModel.report_surface": (
        "title series matrix iteration xaxis yaxis zaxis xlabels ylabels camera comment "
        "extra_layout"
    ),
    "InputModel.report_table": "title series iteration table_plot csv url extra_layout",
    "InputModel.report_vector": (
        "title series values iteration labels xlabels xaxis yaxis mode extra_layout"
    ),
    "InputModel.set_all_metadata": "metadata replace",
    "InputModel.set_metadata": "key value v_type",
    "InputModel.__init__": "model_id name project tags only_published",
    "OutputModel.connect": "task name **kwargs",
    "OutputModel.get_metadata": "key",
    "OutputModel.get_metadata_casted": "key",
    "OutputModel.get_weights": "raise_on_error force_download extract_archive",
    "OutputModel.get_weights_package": "return_path raise_on_error force_download extract_archive",
    "OutputModel.report_confusion_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed comment "
        "extra_layout"
    ),
    "OutputModel.report_histogram": (
        "title series values iteration labels xlabels xaxis yaxis mode data_args extra_layout"
    ),
    "OutputModel.report_line_plot": (
        "title series xaxis yaxis mode iteration reverse_xaxis comment extra_layout"
    ),
    "OutputModel.report_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed extra_layout"
    ),
    "OutputModel.report_scalar": "title series value iteration",
    "OutputModel.report_scatter2d": (
        "title series scatter iteration xaxis yaxis labels mode comment extra_layout"
    ),
    "OutputModel.report_scatter3d": (
        "title series scatter iteration xaxis yaxis zaxis labels mode fill comment extra_layout"
    ),
    "OutputModel.report_single_value": "name value",
    "OutputModel.report_surface": (
        "title series matrix iteration xaxis yaxis zaxis xlabels ylabels camera comment "
        "extra_layout"
    ),
    "OutputModel.report_table": "title series iteration table_plot csv url extra_layout",
    "OutputModel.report_vector": (
        "title series values iteration labels xlabels xaxis yaxis mode extra_layout"
    ),
    "OutputModel.set_all_metadata": "metadata replace",
    "OutputModel.set_default_upload_uri": "output_uri",
    "OutputModel.set_metadata": "key value v_type",
    "OutputModel.set_upload_destination": "uri",
    "OutputModel.update_design": "config_text config_dict",
    "OutputModel.update_labels": "labels",
    "OutputModel.update_weights": (
        "weights_filename upload_uri target_filename auto_delete_file register_uri iteration "
        "update_comment is_package async_enable"
    ),
    "OutputModel.update_weights_package": (
        "weights_filenames weights_path upload_uri target_filename auto_delete_file iteration "
        "async_enable"
    ),
    "OutputModel.wait_for_uploads": "timeout max_num_uploads",
    "OutputModel.__init__": (
        "task config_text config_dict label_enumeration name tags comment framework base_model_id"
    ),
    "Logger.flush": "wait",
    "Logger.report_confusion_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed comment "
        "extra_layout"
    ),
    "Logger.report_histogram": (
        "title series values iteration labels xlabels xaxis yaxis mode data_args extra_layout"
    ),
    "Logger.report_image": (
        "title series iteration local_path image matrix max_image_history delete_after_upload url"
    ),
    "Logger.report_line_plot": (
        "title series xaxis yaxis mode iteration reverse_xaxis comment extra_layout"
    ),
    "Logger.report_matplotlib_figure": (
        "title series figure iteration report_image report_interactive"
    ),
    "Logger.report_matrix": (
        "title series matrix iteration xaxis yaxis xlabels ylabels yaxis_reversed extra_layout"
    ),
    "Logger.report_media": (
        "title series iteration local_path stream file_extension max_history "
        "delete_after_upload url"
    ),
    "Logger.report_plotly": "title series figure iteration",
    "Logger.report_scalar": "title series value iteration",
    "Logger.report_scatter2d": (
        "title series scatter iteration xaxis yaxis labels mode comment extra_layout"
    ),
    "Logger.report_scatter3d": (
        "title series scatter iteration xaxis yaxis zaxis labels mode fill comment extra_layout"
    ),
    "Logger.report_single_value": "name value",
    "Logger.report_surface": (
        "title series matrix iteration xaxis yaxis zaxis xlabels ylabels camera comment "
        "extra_layout"
    ),
    "Logger.report_table": "title series iteration table_plot csv url extra_layout extra_data",
    "Logger.report_text": "msg level print_console *args **kwargs",
    "Logger.report_vector": (
        "title series values iteration labels xlabels xaxis yaxis mode extra_layout"
    ),
    "Logger.set_default_debug_sample_history": "max_history",
    "Logger.set_default_upload_destination": "uri",
    "Logger.set_flush_period": "period",
    "Logger.tensorboard_auto_group_scalars": "group_scalars",
    "Logger.tensorboard_single_series_per_graph": "single_series",
    "StorageManager.get_local_copy": "remote_url cache_context extract_archive name force_download",
    "StorageManager.__init__": "*args **kwargs",
}


def parameters_of(method):
    return [each for each in inspect.signature(method).parameters.values() if each.name != "self"]


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_parameter_has_its_name_and_place(name):
    kind, _, method = name.partition(".")
    classes = (Task, Model, InputModel, OutputModel, Logger, StorageManager)
    owner = {each.__name__: each for each in classes}[kind]
    mine = parameters_of(getattr(owner, method))
    kinds = {each.kind for each in mine}
    places = [each.name for each in mine if each.kind is each.POSITIONAL_OR_KEYWORD]
    wanted = SIGNATURES[name].split()
    named = [each for each in wanted if not each.startswith("*")]
    if inspect.Parameter.VAR_POSITIONAL not in kinds or "*args" in wanted:
        assert places[: len(named)] == named
    assert ("**kwargs" in wanted) <= (inspect.Parameter.VAR_KEYWORD in kinds)
    assert ("*args" in wanted) <= (inspect.Parameter.VAR_POSITIONAL in kinds)


# what the parameters do --------------------------------------------------------------------


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


def words_of(registry, task):
    """Return the command that runs a task."""
    first = registry._chain.first
    return prepare(first, task.id, python=None, extra=(), environment={}).words


def test_types_of_tasks_are_texts_with_a_value(registry):
    kind = Task.TaskTypes.data_processing
    assert (kind, kind.value, f"{kind}", str(kind)) == ("data_processing",) * 4
    assert type(Task.create("p", "t", kind).task_type) is str
    assert "qc" in [each.value for each in Task.TaskTypes]


def test_create_takes_a_module_packages_and_an_interpreter(registry, tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==2.0  # for arrays\ntorch>=2\n")
    task = Task.create(
        "p", "t", "testing", "https://host/repo.git", "main", "c0ffee", None, str(tmp_path), None,
        tmp_path / "requirements.txt", "image", "--gpus all", "apt update", [("lr", "0.1")], None,
        False, True, "/usr/bin/python3", "package.train --fast 1", False,
    )  # fmt: skip
    assert task.get_requirements() == {"numpy": "2.0", "torch": ">=2"}
    assert task.get_parameters() == {"Args/lr": "0.1"}
    script = task.get_script()
    assert (script["repository"], script["branch"]) == ("https://host/repo.git", "main")
    assert script["binary"] == "/usr/bin/python3"
    words = words_of(registry, task)
    assert words[0] == "/usr/bin/python3"
    assert words[-4:] == ("-m", "package.train", "--fast", "1")
    assert "pytest" in Task.create("p", "t", packages=True).get_requirements()
    for none in ("", [], False, None):
        assert Task.create("p", "t", packages=none).get_requirements() == {}


def test_create_copies_a_task(registry, tmp_path):
    (tmp_path / "train.py").write_text("")
    base = Task.create("p", "base", "testing", script=tmp_path / "train.py", commit="c0ffee")
    base.set_parameters({"Args/lr": "0.1", "Args/n": "1"})
    copy = Task.create(base_task_id=base.id, argparse_args=[("lr", "0.2")], packages=["a==1"])
    assert (copy.name, copy.task_type, copy.parent) == ("Clone of base", "testing", base.id)
    assert copy.get_parameters() == {"Args/lr": "0.2", "Args/n": "1"}
    assert copy.get_script()["version_num"] == "c0ffee"
    assert copy.get_script()["entry_point"] == str(tmp_path / "train.py")
    assert copy.get_requirements() == {"a": "1"}
    other = Task.create("q", "other", "qc", base_task_id=base.id, module="train")
    assert (other.name, other.task_type, other.get_project_name()) == ("other", "qc", "q")
    assert words_of(registry, other)[-2:] == ("-m", "train")
    with pytest.raises(TaskNotFoundError):
        Task.create(base_task_id="0" * 32)


def test_reported_scalars_are_means_of_groups_at_times(task):
    for step in range(10):
        task.get_logger().report_scalar("loss", "train", step * 2.0, step)
    task.get_logger().report_scalar("loss", "train", math.nan, 10)
    assert task.get_reported_scalars(4)["loss"]["train"] == {
        "x": [0, 3, 6, 9], "y": [1.0, 6.0, 12.0, 17.0],
    }  # fmt: skip
    assert len(task.get_reported_scalars(max_samples=100)["loss"]["train"]["x"]) == 11
    times = task.get_reported_scalars(x_axis="timestamp")["loss"]["train"]["x"]
    assert all(1.7e12 < each < 4e12 for each in times)
    (first, *_) = task.get_reported_scalars(1, "iso_time")["loss"]["train"]["x"]
    assert first[10] + first[-1] == "TZ"
    for wrong in ({"x_axis": "epoch"}, {"max_samples": -1}, {"max_samples": True}):
        with pytest.raises(InvalidValueError, match=next(iter(wrong))):
            task.get_reported_scalars(**wrong)


def test_a_table_takes_settings_of_plotly(task):
    rows = [["a", "b"], [1, 2]]
    task.get_logger().report_table("t", "s", 0, rows, None, None, None, {"columnwidth": [2, 1]})
    task.get_logger().report_table("u", "s", 0, rows, extra_data={"cells": {"align": "right"},
                                                                  "type": "bar"})  # fmt: skip
    wide, right = (each.to_plotly_json()["data"][0] for each in task.figures())
    assert list(wide["columnwidth"]) == [2, 1]
    assert (right["type"], right["cells"]["align"]) == ("table", "right")
    assert [list(each) for each in right["cells"]["values"]] == [[1], [2]]
    with pytest.raises(InvalidValueError, match="extra_data"):
        task.get_logger().report_table("t", "s", 0, rows, extra_data=[1])


def test_input_models_are_removed_by_name_id_or_model(task):
    models = {name: InputModel.import_model(f"s3://b/{name}.pt", name=name) for name in "abc"}
    for name, model in models.items():
        task.connect(model, name=f"entry {name}")
    task.remove_input_models(models_to_remove=["entry a", models["b"].id, models["c"], "gone"])
    assert task.input_models_id == {}


def test_an_input_model_is_set_without_its_design(task):
    model = InputModel.import_model(
        "s3://b/a.pt", name="a", config_text="x", label_enumeration={"cat": 1}
    )
    task.set_input_model(model.id, None, False, False, "entry")
    assert task.input_models_id == {"entry": model.id}
    assert (task.get_model_config_text(), task.get_labels_enumeration()) == ("", {})
    task.set_input_model(model.id, update_task_labels=False)
    assert (task.get_model_config_text(), task.get_labels_enumeration()) == ("x", {})


def test_what_has_no_meaning_here_is_accepted(task):
    task.get_logger().report_text("a", 20, False, "b", c=1)
    task.upload_artifact("it", 1)
    assert task.delete_artifacts(["it", "gone"], False, True, True) is False
    OutputModel(task, name="m").connect(task, "m", other=1)
    task.publish(ignore_errors=False)
