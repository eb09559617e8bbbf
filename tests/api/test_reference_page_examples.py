"""What the user's reference page shows and claims, section by section.

The examples of the ``report_*`` methods are in tests/operations/reports.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from support.new_models import imported

from localreg import InputModel, Model, Task

PAGE_URLS = [
    "https://domain.com/file.bin",
    "s3://bucket/file.bin",
    "file:///home/user/file.bin",
]
PAGE_LABELS = {"background": 0, "person": 1}


def names(models):
    return [model.name for model in models]


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"weights")
    return file


# InputModel(...) ---------------------------------------------------------------------------


def test_a_model_is_loaded_by_its_id(registry):
    model = imported("a")
    assert InputModel(model.id).name == "a"
    assert InputModel(model_id=model.id) == model


def test_with_an_id_all_other_arguments_are_ignored(registry):
    model = imported("a", project="vision", tags=["x"])
    found = InputModel(model.id, name="b", project="none", tags=["y"], only_published=True)
    assert found.id == model.id


@pytest.mark.parametrize(
    "search",
    [
        {"name": "a"},
        {"name": "a", "project": "vision"},
        {"project": "vision"},
        {"tags": ["best"]},
        {"name": "a", "project": "vision", "tags": ["best", "-worst"]},
    ],
)
def test_without_an_id_a_model_is_found_by_name_project_and_tags(search, registry):
    wanted = imported("a", project="vision", tags=["best"])
    imported("b", project="audio", tags=["worst"])
    assert InputModel(**search).id == wanted.id


def test_only_published_leaves_drafts_out(registry):
    imported("a", project="vision").publish()
    draft = InputModel.import_model("s3://bucket/newer.pt", name="a", project="vision")
    assert InputModel(name="a").id == draft.id
    assert InputModel(name="a", only_published=True).id != draft.id
    with pytest.raises(ValueError, match="only_published=True"):
        InputModel(name="b", only_published=True)


# archive, unarchive, publish ---------------------------------------------------------------


def test_archiving_an_archived_model_has_no_effect(registry):
    model = imported("a")
    model.archive()
    events = model.history()
    assert model.archive() is None
    assert model.history() == events
    assert InputModel.query_models(model_name="a") == []


def test_unarchiving_a_model_that_is_not_archived_has_no_effect(registry):
    model = imported("a")
    events = model.history()
    assert model.unarchive() is None
    assert model.history() == events
    model.archive()
    model.unarchive()
    assert names(InputModel.query_models()) == ["a"]


def test_publishing_makes_published_true_and_a_second_time_has_no_effect(registry):
    model = imported("a")
    assert model.published is False
    assert model.publish() is None
    assert model.published is True
    events = model.history()
    model.publish()
    assert model.history() == events


# the properties ----------------------------------------------------------------------------


def test_the_properties_say_what_the_model_was_imported_with(registry):
    model = InputModel.import_model(
        "https://domain.com/file.onnx",
        config_text="[net]\nwidth = 3\n",
        label_enumeration=PAGE_LABELS,
        name="detector",
        project="vision",
        tags=["verified", "production"],
        comment="what it is for",
        framework="ONNX",
    )
    assert re.fullmatch("[0-9a-f]{32}", model.id)
    assert re.fullmatch("[0-9a-f]{32}", model.project)
    assert (model.name, model.comment, model.framework) == ("detector", "what it is for", "ONNX")
    assert model.config_text == "[net]\nwidth = 3\n"
    assert model.config_dict == {"net": {"width": 3}}
    assert model.labels == PAGE_LABELS
    assert model.tags == ["production", "verified"]
    assert model.system_tags == []
    assert model.url == "https://domain.com/file.onnx"
    assert model.published is False
    assert model.original_task is None
    assert model.task is None


def test_project_is_the_id_that_all_models_of_the_project_share(registry):
    first, second = imported("a", project="vision"), imported("b", project="vision")
    other = imported("c", project="audio")
    assert first.project == second.project != other.project
    assert imported("d").project is None


# connect -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/models/resnet.pt", "resnet"),
        ("https://domain.com/file.bin?sig=1", "file"),
        ("file:///home/user/my%20model.onnx", "my model"),
        ("s3://bucket/no-ending", "no-ending"),
        ("s3://bucket/a.tar.gz", "a.tar"),
    ],
)
def test_connect_names_the_entry_by_the_weights_file_without_its_ending(url, name, registry):
    task = Task.create(task_name="train")
    model = InputModel.import_model(url, name="m")
    assert model.connect(task) is None
    assert task.input_models_id == {name: model.id}


def test_connect_takes_a_name(registry):
    task = Task.create(task_name="train")
    model = imported("a")
    model.connect(task, name="backbone")
    assert task.input_models_id == {"backbone": model.id}
    assert task.models["input"]["backbone"].id == model.id


def test_task_connect_does_the_same(registry):
    """The page: `InputModel.connect` or `Task.connect`."""
    task = Task.create(task_name="train")
    model = imported("a")
    assert task.connect(model) is model
    assert task.input_models_id == {"a": model.id}


def test_task_is_the_connected_one_else_the_one_that_made_the_model(registry):
    model, task = imported("a"), Task.create(task_name="train")
    assert model.task is None
    model.connect(task)
    assert model.task == task.id
    assert model.original_task is None


# empty -------------------------------------------------------------------------------------


def test_an_empty_model_holds_a_configuration_and_labels(registry):
    model = InputModel.empty(config_dict={"layers": 3}, label_enumeration=PAGE_LABELS)
    assert isinstance(model, InputModel)
    assert model.config_dict == {"layers": 3}
    assert model.labels == PAGE_LABELS
    assert InputModel.empty(config_text="layers = 3").config_text == "layers = 3"
    assert InputModel.query_models() == []


def test_an_empty_model_takes_text_or_a_dict_but_not_both(registry):
    with pytest.raises(ValueError, match="config_dict"):
        InputModel.empty(config_text="layers = 3", config_dict={"layers": 3})


def test_a_model_can_be_assigned_to_an_empty_one_later(registry, monkeypatch):
    """The page: "稍后,您可以将模型分配给空模型对象": the task that runs again names it."""
    task, model = Task.create(task_name="train"), imported("a")
    task.set_input_model(model.id, name="backbone")
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    empty = InputModel.empty()
    empty.connect(Task.init(task_name="train"), name="backbone")
    assert empty.id == model.id


# metadata ----------------------------------------------------------------------------------


def test_metadata_is_set_one_by_one(registry):
    model = imported("a")
    assert model.set_metadata("accuracy", "0.93", "float") is True
    assert model.set_metadata("dataset", "coco") is True
    assert model.get_metadata("accuracy") == "0.93"
    assert model.get_metadata_casted("accuracy") == 0.93
    assert model.get_metadata("dataset") == "coco"
    assert model.get_metadata("nothing") is None
    assert model.get_metadata_casted("nothing") is None


def test_all_metadata_comes_as_text_with_its_types(registry):
    model = imported("a")
    model.set_metadata("epochs", 90)
    model.set_metadata("dataset", "coco")
    found = model.get_all_metadata()
    assert found == {
        "dataset": {"key": "dataset", "value": "coco", "type": "str"},
        "epochs": {"key": "epochs", "value": "90", "type": "int"},
    }
    casted = model.get_all_metadata_casted()
    assert casted["epochs"]["value"] == 90
    assert casted["epochs"]["type"] == "int"


def test_set_all_metadata_replaces_every_entry(registry):
    model = imported("a", metadata={"old": "1", "both": "1"})
    told = {"both": {"value": "2", "type": "int"}, "new": {"value": "3", "type": "str"}}
    assert model.set_all_metadata(told) is True
    assert {key: each["value"] for key, each in model.get_all_metadata().items()} == {
        "both": "2",
        "new": "3",
    }


def test_set_all_metadata_without_replace_adds_and_changes(registry):
    model = imported("a", metadata={"old": "1", "both": "1"})
    assert model.set_all_metadata({"both": {"value": "2", "type": "int"}}, replace=False) is True
    assert {key: each["value"] for key, each in model.get_all_metadata().items()} == {
        "both": "2",
        "old": "1",
    }


# weights -----------------------------------------------------------------------------------


def test_the_copy_of_a_file_in_the_file_system_is_the_file_itself(registry, weights):
    model = InputModel.import_model(weights.as_uri())
    assert model.get_local_copy() == str(weights)
    assert model.get_weights() == str(weights)


def test_a_file_that_is_gone_gives_none_and_a_warning_or_a_value_error(registry, weights, caplog):
    model = InputModel.import_model(weights)
    weights.unlink()
    for get in (model.get_local_copy, model.get_weights):
        caplog.clear()
        assert get() is None
        assert str(weights) in caplog.text
        with pytest.raises(ValueError, match="not there any more"):
            get(raise_on_error=True)


def test_a_package_that_is_not_extracted_is_the_list_of_its_archive(registry, tmp_path):
    archive = tmp_path / "files.zip"
    archive.write_bytes(b"zip")
    model = InputModel.import_model(archive, is_package=True)
    assert model.get_weights_package(extract_archive=False) == [archive]
    assert model.get_weights_package(return_path=True, extract_archive=False) == str(archive)
    assert isinstance(model.get_weights_package(extract_archive=False)[0], Path)


# import_model, load_model ------------------------------------------------------------------


@pytest.mark.parametrize("url", PAGE_URLS)
def test_import_model_takes_the_urls_of_the_page(url, registry):
    model = InputModel.import_model(url)
    assert isinstance(model, InputModel)
    assert model.url == url


@pytest.mark.parametrize("url", PAGE_URLS)
def test_a_url_that_is_known_gives_its_model_and_a_warning(url, registry, caplog):
    first = InputModel.import_model(url, name="first", tags=["a"])
    assert caplog.text == ""
    events = registry.history()
    second = InputModel.import_model(
        url, name="second", project="p", tags=["b"], comment="c", create_as_published=True,
        is_package=True, label_enumeration=PAGE_LABELS, config_text="c", framework="ONNX",
    )  # fmt: skip
    assert second == first
    assert first.id in caplog.text
    assert "ignored" in caplog.text
    assert registry.history() == events


def test_only_packages_have_the_package_tag(registry):
    assert imported("a", is_package=True).system_tags == ["package"]
    assert imported("b", is_package=False).system_tags == []


def test_models_are_drafts_unless_created_as_published(registry):
    assert imported("a").published is False
    assert imported("b", create_as_published=True).published is True


@pytest.mark.parametrize("url", PAGE_URLS)
def test_load_model_finds_a_model_by_its_url(url, registry):
    assert InputModel.load_model(url) is None
    model = InputModel.import_model(url)
    found = InputModel.load_model(url)
    assert isinstance(found, InputModel)
    assert found == model
    assert InputModel.load_model(url + "x") is None


def test_load_model_finds_archived_models_only_with_load_archived(registry):
    model = InputModel.import_model(PAGE_URLS[0])
    model.archive()
    assert InputModel.load_model(PAGE_URLS[0]) is None
    assert InputModel.load_model(PAGE_URLS[0], load_archived=True) == model


# query_models ------------------------------------------------------------------------------


def test_a_query_returns_models_the_one_updated_last_first(registry):
    first, second, third = imported("a"), imported("b"), imported("c")
    first.set_metadata("k", "v")
    found = InputModel.query_models()
    assert [model.id for model in found] == [first.id, third.id, second.id]
    assert {type(model) for model in found} == {Model}


def test_a_query_filters_by_project_and_by_name(registry):
    imported("a", project="vision")
    imported("b", project="vision")
    imported("c", project="audio")
    assert names(InputModel.query_models(project_name="vision")) == ["b", "a"]
    assert names(InputModel.query_models(model_name="c")) == ["c"]
    assert InputModel.query_models(project_name="audio", model_name="a") == []


def test_a_query_returns_at_most_max_results_from_the_newest_on(registry):
    for name in "abcd":
        imported(name)
    assert names(InputModel.query_models(max_results=2)) == ["d", "c"]
    assert names(InputModel.query_models(max_results=9)) == ["d", "c", "b", "a"]


def test_a_query_of_published_and_of_archived_models(registry):
    imported("draft")
    imported("published", create_as_published=True)
    imported("archived").archive()
    assert names(InputModel.query_models()) == ["published", "draft"]
    assert names(InputModel.query_models(only_published=True)) == ["published"]
    assert names(InputModel.query_models(include_archived=True))[0] == "archived"


def test_a_query_by_metadata_needs_no_types(registry):
    imported("a", metadata={"epochs": {"value": "90", "type": "int"}, "dataset": "coco"})
    imported("b", metadata={"epochs": {"value": "91", "type": "int"}, "dataset": "coco"})
    assert names(InputModel.query_models(metadata={"epochs": "90"})) == ["a"]
    assert names(InputModel.query_models(metadata={"dataset": "coco"})) == ["b", "a"]
    assert InputModel.query_models(metadata={"dataset": "coco", "epochs": "92"}) == []


TAG_EXAMPLES = [
    (
        ["production", "verified", "-qa"],
        lambda on: bool(on & {"production", "verified"}) and "qa" not in on,
    ),
    (["__$all", "best", "model", "ever"], lambda on: {"best", "model", "ever"} <= on),
    (
        ["__$all", "best", "model", "ever", "__$not", "internal", "__$not", "test"],
        lambda on: {"best", "model", "ever"} <= on and not on & {"internal", "test"},
    ),
    (
        ["__$all", "a", "b", "c", "__$or", "d", "__$not", "e", "__$and", "__$or", "f", "g"],
        lambda on: (
            {"a", "b", "c"} <= on and ("d" in on or "e" not in on) and ("f" in on or "g" in on)
        ),
    ),
]


@pytest.mark.parametrize(("tags", "holds"), TAG_EXAMPLES)
def test_tag_filters_of_the_page_over_every_combination_of_their_tags(tags, holds, registry):
    """One model for every subset of the tags that the example names."""
    named = sorted({tag.lstrip("-") for tag in tags if not tag.startswith("__$")})
    subsets = [
        set(subset)
        for size in range(len(named) + 1)
        for subset in itertools.combinations(named, size)
    ]
    for subset in subsets:
        imported("+".join(sorted(subset)) or "none", tags=sorted(subset))
    wanted = {"+".join(sorted(subset)) or "none" for subset in subsets if holds(subset)}
    assert wanted
    assert len(wanted) < len(subsets)
    assert set(names(InputModel.query_models(tags=tags))) == wanted


# remove ------------------------------------------------------------------------------------


def test_a_model_is_removed_by_its_id_or_as_a_model(registry):
    first, second = imported("a"), imported("b")
    assert InputModel.remove(first.id) is True
    assert InputModel.remove(second) is True
    assert InputModel.query_models() == []
    assert InputModel.load_model("s3://bucket/a.pt", load_archived=True) is None


def test_a_model_in_use_is_removed_by_force_only(registry, caplog):
    model, task = imported("a"), Task.create(task_name="train")
    model.connect(task)
    assert InputModel.remove(model) is False
    assert task.id in caplog.text
    with pytest.raises(ValueError, match="force=True"):
        InputModel.remove(model, raise_on_errors=True)
    assert InputModel(model.id) == model
    assert InputModel.remove(model, force=True) is True


def test_removing_an_unknown_model_is_false_or_a_value_error(registry):
    assert InputModel.remove("0" * 32) is False
    with pytest.raises(ValueError, match="0" * 32):
        InputModel.remove("0" * 32, raise_on_errors=True)
