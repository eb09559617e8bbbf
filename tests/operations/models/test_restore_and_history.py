"""Restoring removed models, and the history, which records every change."""

from __future__ import annotations

import re

import pytest
from support.new_models import new

from localreg import InputModel, Model, Task
from localreg.errors import AmbiguousReferenceError, ModelNotFoundError


def texts(entries):
    return [entry.text for entry in entries]


# restore -----------------------------------------------------------------------------------


def everything(model):
    names = ("id", "name", "project", "version", "comment", "framework", "url", "tags",
             "system_tags", "config_text", "labels", "published", "archived", "aliases", "task",
             "digest", "size")  # fmt: skip
    return {name: getattr(model, name) for name in names} | {"meta": model.get_all_metadata()}


def test_restore_restores_the_whole_record(registry):
    task = Task.create(task_name="train")
    model = InputModel.import_model(
        "https://me:secret@example.org/m.pt?sig=1", name="resnet", project="vision",
        config_text="a = 1\r\n", label_enumeration={"x": 1}, tags=["b", "a"], comment="c",
        is_package=True, create_as_published=True, framework="mine",
        metadata={"k": 1, "größe": [1]},
    )  # fmt: skip
    model.system_tags = ["s", "package"]
    model.connect(task)
    registry.set_alias(model, "prod")
    model.archive()
    before = everything(model)
    InputModel.remove(model, force=True)
    restored = registry.restore(model.id)
    assert type(restored) is Model
    assert everything(restored) == before
    assert registry.model("vision/resnet@prod").id == model.id
    assert InputModel.load_model(before["url"], load_archived=True) == restored


def test_a_restored_reference_finds_its_local_file(registry, tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"weights")
    model = InputModel.import_model(file)
    InputModel.remove(model)
    assert registry.restore(model.id).get_weights() == str(file)


def test_restore_does_not_bring_back_deleted_bytes(registry, tmp_path, caplog):
    file = tmp_path / "m.pt"
    file.write_bytes(b"weights")
    model = InputModel.import_model(file, copy=True)
    InputModel.remove(model)
    restored = registry.restore(model.id)
    assert restored.digest is not None
    caplog.clear()
    assert restored.get_weights() is None
    assert caplog.text


def test_an_alias_that_another_version_has_now_stays_there(registry):
    first, second = new(), new()
    registry.set_alias(first, "prod")
    registry.set_alias(first, "free")
    InputModel.remove(first)
    registry.set_alias(second, "prod")
    registry.restore(first.id)
    assert (first.aliases, second.aliases) == (["free"], ["prod"])


def test_a_restored_model_has_its_old_version(registry):
    first, second = new(), new()
    InputModel.remove(first)
    third = new()
    registry.restore(first.id)
    assert (first.version, second.version, third.version, new().version) == (1, 2, 3, 4)
    assert registry.model("vision/resnet:1").id == first.id


def test_a_restored_model_is_the_one_updated_last(registry):
    first, _ = new(), new()
    InputModel.remove(first)
    registry.restore(first.id)
    assert InputModel.query_models()[0].id == first.id


def test_restore_accepts_references(registry):
    first, second, other = new(), new(), new(name="other")
    for model in (first, second, other):
        InputModel.remove(model)
    assert registry.restore("vision/other").id == other.id
    assert registry.restore("vision/resnet:2").id == second.id
    assert registry.restore(first.id[:10]).id == first.id


def test_restore_of_a_name_that_several_removed_models_had_is_ambiguous(registry):
    first, second = new(), new()
    InputModel.remove(first)
    InputModel.remove(second)
    with pytest.raises(AmbiguousReferenceError) as raised:
        registry.restore("vision/resnet")
    assert set(raised.value.hits) == {first.id, second.id}


def test_a_model_that_was_not_removed_is_not_restored(registry):
    model = new()
    for reference in (model.id, "vision/resnet", "f" * 32, "nothing"):
        with pytest.raises(ModelNotFoundError, match="removed model"):
            registry.restore(reference)
    InputModel.remove(model)
    registry.restore(model.id)
    with pytest.raises(ModelNotFoundError):
        registry.restore(model.id)


def test_a_model_is_removed_and_restored_again_and_again(registry):
    model = new(tags=["t"])
    registry.set_alias(model, "prod")
    before = everything(model)
    for _ in range(3):
        InputModel.remove(model)
        assert everything(registry.restore(model.id)) == before


def test_changes_after_a_restore_are_in_the_next_restore(registry):
    model = new(comment="old")
    InputModel.remove(model)
    registry.restore(model.id).comment = "new"
    InputModel.remove(model)
    assert registry.restore(model.id).comment == "new"


# history -----------------------------------------------------------------------------------


def test_history_lists_every_change_newest_first(registry, tmp_path):
    model = InputModel.import_model("s3://bucket/m.pt", name="resnet", project="vision")
    model.add_tags("t")
    model.remove_tags("t")
    model.set_metadata("k", 1)
    model.set_metadata("k", "two")
    model.set_all_metadata({})
    model.comment = "c"
    model.comment = None
    model.publish()
    model.archive()
    model.unarchive()
    model.system_tags = ["package"]
    model.system_tags = []
    model.name = "other"
    registry.set_alias(model, "prod")
    assert texts(reversed(model.history())) == [
        "created as vision/resnet from s3://bucket/m.pt",
        "tagged t",
        "untagged t",
        "metadata k = '1'",
        "metadata k = 'two' (was '1')",
        "metadata k dropped (was 'two')",
        "comment: none → 'c'",
        "comment: 'c' → none",
        "published",
        "archived",
        "unarchived",
        "marked as a package",
        "no longer marked as a package",
        "moved from vision/resnet to vision/other",
        "alias prod set",
    ]


def test_the_history_of_a_removed_model_stays_and_has_its_removal(registry):
    model = new()
    InputModel.remove(model)
    assert texts(model.history(1)) == ["removed vision/resnet"]
    registry.restore(model.id)
    assert texts(model.history(1)) == ["restored as vision/resnet"]


def test_history_of_a_published_import_and_of_kept_weights(registry, tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"weights")
    model = InputModel.import_model(file, name="m", create_as_published=True, copy=True)
    assert re.fullmatch(
        r"created as m, published from m\.pt \(sha256 [0-9a-f]{12}…\)", model.history()[0].text
    )


def test_the_registrys_history_lists_projects_and_tasks_too(registry):
    task = Task.create("vision", "train")
    model = new()
    model.connect(task, name="backbone")
    task.set_model_config(config_text="a = 1")
    task.remove_input_models(["backbone"])
    task.publish()
    assert texts(reversed(registry.history())) == [
        "project vision created",
        "task train created",
        f"created as vision/resnet from {model.url}",
        f"input backbone = {model.id[:8]}",
        "model configuration or labels of the task set",
        "input backbone dropped",
        "published",
    ]


def test_history_entries_have_actor_time_and_values(registry):
    model = new()
    model.set_metadata("k", "v")
    entry = model.history(1)[0]
    assert (entry.kind, entry.field, entry.subject) == ("model.metadata", "k", model.id)
    assert entry.payload == {"old": None, "new": ["v", "str"], "was": model.id}
    assert re.fullmatch(r"[^@]+@.*", entry.actor)
    assert entry.at.tzinfo is not None
    sequence = [each.seq for each in registry.history()]
    assert sequence == list(range(len(sequence), 0, -1))


def test_history_shows_at_most_limit_entries(registry):
    model = new()
    for number in range(5):
        model.set_metadata("k", number)
    assert texts(model.history(2)) == ["metadata k = '4' (was '3')", "metadata k = '3' (was '2')"]
    assert len(model.history(limit=100)) == 6
    assert len(registry.history(limit=1)) == 1


def test_long_values_are_shortened_in_the_text_and_complete_in_the_payload(registry):
    model = new()
    model.comment = "x" * 1000
    entry = model.history(1)[0]
    assert len(entry.text) < 100
    assert entry.text.endswith("…")
    assert entry.payload["new"] == "x" * 1000


def test_history_shows_no_secret_of_a_url(registry):
    model = InputModel.import_model("https://me:hunter2@example.org/m.pt?sig=topsecret")
    InputModel.remove(model)
    registry.restore(model.id)
    shown = repr(registry.history())
    assert "example.org" in shown
    assert "hunter2" not in shown
    assert "topsecret" not in shown
    assert model.url == "https://me:hunter2@example.org/m.pt?sig=topsecret"
