"""Removal: decision 19 of localreg/guide/decisions.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from localreg import InputModel, Model, Registry, Task
from localreg.errors import (
    EmptyModelError,
    InvalidValueError,
    LocalregError,
    ModelInUseError,
    ModelNotFoundError,
)
from localreg.operations.models import adding, recording
from localreg.operations.tasks import lifecycle


@pytest.fixture
def file(write_file):
    return write_file("m.pt", b"weights")


def blobs(registry):
    return [
        each
        for folder in ("blobs", "files")
        for each in (registry.path / folder).rglob("*")
        if each.is_file()
    ]


def made_by(registry, task, path):
    """Return a new model that is an output of a task."""
    chain = registry._chain
    return Model(
        adding.add_model(
            chain, path, recording.describe(name="made"), task=lifecycle.task(chain.first, task.id)
        )
    )


# what is deleted with a model ---------------------------------------------------------------


def test_the_history_of_a_removed_model_has_no_path_of_this_machine(registry, file):
    model = registry.add(file, "m", mode="reference")
    Model.remove(model)
    rows = registry.db.conn.execute("SELECT payload FROM event").fetchall()
    assert not any(file.parent.name in payload for (payload,) in rows)
    assert registry.restore(model.id).url == file.as_uri()


def test_the_unpacked_folder_is_deleted_with_its_archive(registry, tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("a")
    model = registry.add(tmp_path / "bert", "m")
    tree = Path(model.get_local_copy())
    assert tree.is_dir()
    Model.remove(model)
    assert not tree.exists()
    assert blobs(registry) == []


# when it is refused ------------------------------------------------------------------------


def test_the_input_of_a_task_is_removed_only_with_force(registry, caplog):
    model, task = InputModel.import_model("s3://b/a.pt", name="a"), Task.create(task_name="train")
    model.connect(task, name="backbone")
    events = registry.history()
    assert InputModel.remove(model) is False
    assert registry.history() == events
    (warning,) = caplog.records
    for fact in (model.id, "train", task.id, "backbone", "force=True"):
        assert fact in warning.getMessage()
    with pytest.raises(ModelInUseError, match="backbone") as raised:
        InputModel.remove(model, raise_on_errors=True)
    assert raised.value.model == model.id
    assert InputModel.remove(model, force=True) is True
    assert InputModel.query_models() == []


def test_a_model_that_a_task_no_longer_has_as_input_is_not_in_use(registry):
    model, task = InputModel.import_model("s3://b/a.pt"), Task.create(task_name="train")
    model.connect(task, name="x")
    task.remove_input_models(["x"])
    assert InputModel.remove(model) is True


def test_a_model_made_by_a_published_task_is_removed_only_with_force(registry, file, caplog):
    task = Task.create(task_name="train")
    model = made_by(registry, task, file)
    assert model.original_task == task.id
    task.publish()
    assert InputModel.remove(model) is False
    assert "published task" in caplog.text
    with pytest.raises(ModelInUseError, match=task.id):
        Model.remove(model, raise_on_errors=True)
    assert Path(model.get_weights()).read_bytes() == b"weights"
    assert Model.remove(model, force=True) is True
    # What a published task made is part of what was published.
    assert task.output_models_id == {"made": model.id}
    assert len(task.models["output"]) == 0


def test_a_removed_model_is_removed_from_the_outputs_of_a_draft_task(registry, file):
    task = Task.create(task_name="train")
    model = made_by(registry, task, file)
    assert task.output_models_id == {"made": model.id}
    assert InputModel.remove(model) is True
    assert task.output_models_id == {}


@pytest.mark.parametrize("state", ["publish", "archive"])
def test_published_and_archived_models_can_be_removed(state, registry):
    model = InputModel.import_model("s3://b/a.pt")
    getattr(model, state)()
    assert InputModel.remove(model) is True


def test_a_forced_removal_keeps_the_name_on_the_task(registry):
    model, task = InputModel.import_model("s3://b/a.pt"), Task.create(task_name="train")
    model.connect(task, name="x")
    InputModel.remove(model, force=True)
    assert task.input_models_id == {"x": model.id}
    assert len(task.models["input"]) == 0


# what it deletes ---------------------------------------------------------------------------


@pytest.mark.parametrize("delete", [True, False])
def test_a_file_that_the_registry_only_refers_to_stays(delete, registry, file):
    model = InputModel.import_model(file)
    assert InputModel.remove(model, delete_weights_file=delete) is True
    assert file.read_bytes() == b"weights"


def test_the_stored_bytes_are_deleted_and_the_original_stays(registry, file):
    model = InputModel.import_model(file, copy=True)
    assert blobs(registry)
    assert InputModel.remove(model) is True
    assert blobs(registry) == []
    assert file.read_bytes() == b"weights"
    assert registry.db["blob"].count == 0


def test_delete_weights_file_false_keeps_the_bytes(registry, file):
    model = InputModel.import_model(file, copy=True)
    assert InputModel.remove(model, delete_weights_file=False) is True
    restored = registry.restore(model.id)
    assert Path(restored.get_weights()).read_bytes() == b"weights"


def test_bytes_that_another_model_needs_stay(registry, file, tmp_path):
    """ClearML deletes the file, and the other model loses it (clearml#1395)."""
    twin = tmp_path / "twin.pt"
    twin.write_bytes(b"weights")
    first = InputModel.import_model(file, copy=True)
    second = InputModel.import_model(twin, copy=True)
    assert InputModel.remove(first) is True
    assert Path(second.get_weights()).read_bytes() == b"weights"
    assert InputModel.remove(second) is True
    assert blobs(registry) == []


def test_remove_returns_false_if_only_the_bytes_cannot_be_deleted(registry, file, caplog):
    model = InputModel.import_model(file, copy=True)
    blob = next((registry.path / "blobs").rglob(model.digest[2:]))
    blob.unlink()
    (blob / "in the way").mkdir(parents=True)  # a folder is no file that could be unlinked
    assert InputModel.remove(model) is False
    assert "were not deleted" in caplog.text
    assert InputModel.query_models() == []


def test_bytes_that_cannot_be_deleted_are_an_error_with_raise_on_errors(registry, file):
    model = InputModel.import_model(file, copy=True)
    blob = next((registry.path / "blobs").rglob(model.digest[2:]))
    blob.unlink()
    (blob / "in the way").mkdir(parents=True)
    with pytest.raises(ValueError, match=model.id) as raised:
        InputModel.remove(model, raise_on_errors=True)
    assert isinstance(raised.value, LocalregError)
    assert InputModel.query_models() == []


# unknown models ----------------------------------------------------------------------------


def test_removing_an_unknown_model_is_a_warning_or_an_error(registry, caplog):
    assert InputModel.remove("f" * 32) is False
    assert "f" * 32 in caplog.text
    with pytest.raises(ModelNotFoundError):
        InputModel.remove("f" * 32, raise_on_errors=True)


def test_the_error_of_a_second_removal_mentions_the_first(registry):
    model = InputModel.import_model("s3://b/a.pt")
    InputModel.remove(model)
    with pytest.raises(ModelNotFoundError, match="was removed"):
        InputModel.remove(model, raise_on_errors=True)


def test_an_empty_model_cannot_be_removed(registry, caplog):
    assert InputModel.remove(InputModel.empty()) is False
    assert "empty()" in caplog.text
    with pytest.raises(EmptyModelError):
        InputModel.remove(InputModel.empty(), raise_on_errors=True)


def test_metadata_and_tags_are_deleted_with_the_model(registry):
    model = InputModel.import_model("s3://b/a.pt", tags=["t"], metadata={"k": "v"})
    InputModel.remove(model)
    assert registry.db["metadata"].count == registry.db["model_tag"].count == 0


def test_a_model_of_another_registry_is_not_removed(registry, tmp_path):
    model = InputModel.import_model("s3://b/a.pt")
    with Registry(tmp_path / "other", durability="fast") as other:
        with pytest.raises(InvalidValueError, match="registry"):
            InputModel.remove(model, registry=other, raise_on_errors=True)
        assert InputModel.remove(model, registry=other) is False
    assert InputModel(model.id) == model
    assert InputModel.remove(model, registry=registry) is True
