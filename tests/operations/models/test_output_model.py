"""`OutputModel`: recorded at once; each update is a revision; files are deleted only on request."""

from __future__ import annotations

import hashlib
import inspect
import os
import zipfile
from pathlib import Path

import pytest
from support.contents import below, path_of, read, rows

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import (
    InvalidValueError,
    ModelNotFoundError,
    NoTaskError,
    NotFoundError,
    PublishedError,
    SourceNotFoundError,
)
from localreg.operations.models import history

# What ClearML has, and where this departs from it.

SIGNATURES = {
    "__init__": "task=None, config_text=None, config_dict=None, label_enumeration=None, name=None,"
    " tags=None, comment=None, framework=None, base_model_id=None",
    "connect": "task, name=None",
    "set_upload_destination": "uri",
    "update_weights": "weights_filename=None, upload_uri=None, target_filename=None,"
    " auto_delete_file=False, register_uri=None, iteration=None, update_comment=True,"
    " is_package=False, async_enable=True",
    "update_weights_package": "weights_filenames=None, weights_path=None, upload_uri=None,"
    " target_filename=None, auto_delete_file=False, iteration=None, async_enable=True",
    "update_design": "config_text=None, config_dict=None",
    "update_labels": "labels",
    "wait_for_uploads": "timeout=None, max_num_uploads=None",
    "set_default_upload_uri": "output_uri",
}
EXTENSIONS = {
    "__init__": ["registry"],
    "update_weights": ["keep_last"],
    "update_weights_package": ["keep_last"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_clearml(name):
    """Except `auto_delete_file`, which is False by default."""
    parameters = list(inspect.signature(getattr(OutputModel, name)).parameters.values())
    plain = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in parameters
        if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"
    ]
    assert ", ".join(plain) == SIGNATURES[name]
    extensions = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    assert extensions == EXTENSIONS.get(name, [])


@pytest.mark.parametrize("name", ["config_text", "config_dict", "labels"])
def test_these_properties_are_settable_as_in_clearml(name):
    assert inspect.getattr_static(OutputModel, name).fset is not None


class TestCreating:
    def test_the_record_is_made_at_once_as_an_output_of_the_task(self, task):
        model = OutputModel()
        assert Model(model.id).original_task == model.task == task.id
        assert task.output_models_id == {"train": model.id}
        assert [each.id for each in task.models["output"]] == [model.id]
        assert (model.name, model.project_name) == ("train", "vision")
        assert model.comment == f"Created by task id: {task.id}"
        assert (model.url, model.framework, model.revisions()) == (None, None, [])

    def test_every_argument_is_recorded(self, registry):
        task = Task.create("vision", "train")
        model = OutputModel(
            task, None, {"layers": 3}, {"cat": 1}, "net", ["b", "a"], "by hand", "PyTorch"
        )
        assert (model.name, model.tags, model.framework) == ("net", ["a", "b"], "PyTorch")
        assert (model.config_dict, model.labels) == ({"layers": 3}, {"cat": 1})
        assert model.comment == f"Created by task id: {task.id}\nby hand"

    def test_labels_default_to_those_of_the_task(self, task):
        task.set_model_label_enumeration({"dog": 2})
        assert OutputModel().labels == {"dog": 2}
        assert OutputModel(label_enumeration={"cat": 1}).labels == {"cat": 1}
        assert task.get_labels_enumeration() == {"dog": 2}

    def test_a_task_without_a_design_gets_that_of_the_model(self, task):
        OutputModel(config_text="lr = 1", label_enumeration={"cat": 1})
        OutputModel(config_text="lr = 2", label_enumeration={"dog": 1})
        assert task.get_model_config_text() == "lr = 1"
        assert task.get_labels_enumeration() == {"cat": 1}

    def test_without_a_task_the_error_says_what_to_do(self, registry):
        with pytest.raises(NoTaskError, match=r"Task\.init"):
            OutputModel()
        assert Model.query_models() == []

    def test_several_on_one_task_get_different_names(self, task):
        first, second = OutputModel(), OutputModel()
        assert task.output_models_id == {"train": first.id, "train 2": second.id}
        assert (first.version, second.version) == (1, 2)

    def test_creating_is_one_transaction(self, task, registry):
        OutputModel(config_text="a = 1")
        kinds = [
            (each.kind, each.field)
            for each in registry.history()
            if rows(registry, f"SELECT grp FROM event WHERE seq = {each.seq}")
            == rows(registry, "SELECT max(grp) FROM event")
        ]
        assert sorted(kinds) == [
            ("model.created", None), ("task.design", None), ("task.model", "train"),
        ]  # fmt: skip

    def test_a_model_is_recorded_in_the_registry_of_its_task(self, registry, tmp_path):
        other = Registry(tmp_path / "other", durability="fast")
        task = Task.create("p", "elsewhere", registry=other)
        assert OutputModel(task).id in [each.id for each in other.models()]
        with pytest.raises(InvalidValueError, match="registry"):
            OutputModel(task, registry=registry)
        other.close()

    def test_reports_and_metadata_work_without_weights(self, model):
        model.report_single_value("accuracy", 0.9)
        model.set_metadata("k", 1)
        assert model.get_reported_single_values() == {"accuracy": 0.9}
        assert model.get_all_metadata()["k"]["value"] == "1"


class TestBaseModel:
    def test_it_is_overwritten_in_place(self, task, write_file):
        base = InputModel.import_model("s3://b/base.pt", name="base", project="p", comment="mine")
        before = Model(base.id).comment
        model = OutputModel(
            base_model_id=base.id, tags=["new"], config_text="a = 1", comment="again"
        )
        assert model.id == base.id
        assert (model.name, model.project_name, model.version) == ("base", "p", 1)
        assert model.comment == f"{before}\nOverwritten by task id: {task.id}\nagain"
        assert (model.tags, model.config_text, model.original_task) == (["new"], "a = 1", task.id)
        assert task.output_models_id == {"base": base.id}
        model.update_weights(write_file("w.pt"))
        assert [each.revision for each in model.revisions()] == [1, 2]

    def test_the_comment_names_the_same_task_once(self, task):
        base = OutputModel(name="base")
        for _ in range(2):
            OutputModel(base_model_id=base.id)
        assert base.comment.count("Overwritten") == 1

    def test_another_name_makes_it_the_next_version_there(self, task):
        base = OutputModel(name="base")
        assert OutputModel(base_model_id=base.id, name="net").ref == "vision/net:1"

    def test_an_unknown_base_model_raises_and_records_nothing(self, task):
        with pytest.raises(ModelNotFoundError):
            OutputModel(base_model_id="f" * 32)
        assert task.output_models_id == {}

    def test_a_published_base_model_is_refused(self, task):
        base = OutputModel()
        base.publish()
        with pytest.raises(PublishedError, match="published"):
            OutputModel(base_model_id=base.id, comment="no")
        assert "Overwritten" not in base.comment


class TestUpdating:
    def test_weights_survive_the_loss_of_the_original(self, model, write_file):
        original = write_file("best.pt", "first")
        url = model.update_weights(original)
        original.unlink()
        assert read(path_of(url)) == read(model.get_weights()) == "first"
        assert (model.url, model.framework) == (url, "PyTorch")
        assert model.digest == hashlib.sha256(b"first").hexdigest()

    def test_every_update_is_a_revision_and_the_last_one_is_current(self, model, write_file):
        for text in ("one", "two", "three"):
            model.update_weights(write_file("w.pt", text))
        found = model.revisions()
        assert [(each.revision, each.current) for each in found] == [
            (1, False), (2, False), (3, True),
        ]  # fmt: skip
        assert [read(path_of(each.url)) for each in found] == ["one", "two", "three"]
        assert read(model.get_weights()) == "three"
        assert InputModel(model.id).revisions() == found

    def test_revisions_can_be_restored_in_any_order(self, model, write_file):
        for text in ("one", "two"):
            model.update_weights(write_file("w.pt", text))
        model.restore_weights(1)
        assert read(model.get_weights()) == "one"
        assert model.history(1)[0].text == "restored weights 1"
        model.restore_weights(1)  # nothing happens
        model.restore_weights(2)
        assert read(model.get_weights()) == "two"
        model.restore_weights(1)
        model.update_weights(write_file("w.pt", "three"))
        assert [each.revision for each in model.revisions() if each.current] == [3]

    def test_the_error_for_an_unknown_revision_lists_the_revisions(self, model, write_file):
        with pytest.raises(NotFoundError, match=r"no revision 1.*none"):
            model.restore_weights(1)
        model.update_weights(write_file("w.pt"))
        with pytest.raises(NotFoundError, match=r"no revision 2.*there are: 1"):
            model.restore_weights(2)
        for _ in range(24):
            model.update_weights(register_uri="s3://bucket/w.pt")
        newest = ", ".join(map(str, range(6, 26)))
        with pytest.raises(NotFoundError, match=rf"there are: older ones, {newest}$"):
            model.restore_weights(26)

    def test_keep_last_drops_the_others_and_gc_deletes_their_bytes(
        self, model, write_file, registry
    ):
        for text in ("one", "two", "three"):
            model.update_weights(write_file("w.pt", text), keep_last=2)
        assert [each.revision for each in model.revisions()] == [2, 3]
        assert registry.gc(dry_run=False).freed == 0, "the grace period"
        since = rows(registry, "SELECT count(unreferenced) FROM blob")
        assert since == [(1,)], "it began when the revision was dropped"
        digest = hashlib.sha256(b"one").hexdigest()
        assert (registry.path / "blobs/sha256" / digest[:2] / digest[2:]).exists()
        registry.gc(grace_seconds=0, dry_run=False)
        assert not (registry.path / "blobs/sha256" / digest[:2] / digest[2:]).exists()
        model.restore_weights(2)
        assert read(model.get_weights()) == "two"
        model.update_weights(write_file("w.pt", "four"), keep_last=1)
        assert [each.revision for each in model.revisions()] == [4], "numbers are not used again"

    def test_verify_names_a_model_with_one_blob_twice_once(self, model, write_file, registry):
        for text in ("one", "two", "one"):
            model.update_weights(write_file("w.pt", text))
        path = registry.path / "blobs/sha256" / model.digest[:2] / model.digest[2:]
        path.chmod(0o644)
        path.write_text("bad")
        assert {each.models for each in registry.verify(full=True).problems} == {(model.ref,)}

    def test_a_published_model_is_refused(self, model, write_file, task):
        model.update_weights(write_file("w.pt"))
        model.publish()
        before = model.history()
        for change in (
            lambda: model.update_weights(write_file("x.pt")),
            lambda: model.update_weights(register_uri="s3://b/x.pt"),
            lambda: model.update_weights(
                write_file("x.pt"), upload_uri=str(write_file("d/f").parent)
            ),
            lambda: model.update_weights_package([write_file("x.pt")]),
            lambda: model.restore_weights(1),
            lambda: model.update_design("a = 1"),
            lambda: model.update_design(),
            lambda: model.update_labels({"a": 1}),
            lambda: setattr(model, "labels", {"a": 1}),
            lambda: setattr(model, "config_text", "a = 1"),
            lambda: setattr(model, "config_dict", {"a": 1}),
            lambda: model.set_upload_destination("/tmp"),
        ):
            with pytest.raises(PublishedError) as caught:
                change()
            assert caught.value.model == model.id
            assert isinstance(caught.value, ValueError)
        assert model.history() == before
        assert (model.upload_storage_uri, task.get_model_config_text()) == (None, "")
        model.comment = "open"

    @pytest.mark.parametrize(
        "given", [{}, {"weights_filename": "w.pt", "register_uri": "s3://b/w.pt"}]
    )
    def test_exactly_one_source_is_required(self, given, model):
        with pytest.raises(InvalidValueError, match="register_uri"):
            model.update_weights(**given)
        with pytest.raises(InvalidValueError, match="weights_path"):
            model.update_weights_package()

    def test_register_uri_records_the_url_and_reads_nothing(self, model, tmp_path):
        assert (
            model.update_weights(register_uri="s3://b/net.onnx") == model.url == "s3://b/net.onnx"
        )
        assert (model.framework, model.digest) == ("ONNX", None)
        local = tmp_path / "not there.pt"
        assert model.update_weights(register_uri=local) == local.as_uri()
        assert model.framework == "ONNX", "it was set"

    def test_register_uri_of_the_registrys_own_file_shares_its_bytes(self, model, write_file, task):
        url = model.update_weights(write_file("w.pt"))
        other = OutputModel(name="other")
        other.update_weights(register_uri=url)
        Model.remove(model)
        assert read(other.get_weights()) == "weights"

    def test_secrets_of_a_registered_url_stay_out_of_the_log(self, model, registry):
        model.update_weights(register_uri="https://me:hunter2@h/w.pt?sig=hunter2")
        assert model.url == "https://me:hunter2@h/w.pt?sig=hunter2"
        assert "hunter2" not in str(rows(registry, "SELECT payload FROM event"))
        assert "hunter2" not in model.comment

    def test_the_comment_begins_with_the_update(self, model, write_file, task):
        created = f"Created by task id: {task.id}"
        model.update_weights(write_file("a.pt"))
        assert model.comment == f"snapshot a.pt stored\n{created}"
        model.update_weights(write_file("a.pt", "more"))
        assert model.comment == f"snapshot a.pt stored\n{created}", "once is enough"
        model.update_weights(write_file("b.pt"))
        assert model.comment == f"snapshot b.pt stored\nsnapshot a.pt stored\n{created}"
        model.update_weights(write_file("c.pt"), update_comment=False)
        assert model.comment == f"snapshot b.pt stored\nsnapshot a.pt stored\n{created}"

    def test_the_comment_has_the_newest_updates_and_what_else_was_written(self, model, registry):
        """A hundred: each event has the comment, which must not grow with their number."""
        model.comment = "snapshots are taken each hour\nsnapshot 7 stored elsewhere\n"
        created = model.comment
        for number in range(105):
            model.update_weights(register_uri=f"s3://bucket/{number}.pt")
        newest = [f"snapshot {number}.pt stored" for number in range(104, 4, -1)]
        assert model.comment == "\n".join([*newest, created])
        sizes = rows(registry, "SELECT length(payload) FROM event WHERE kind = 'model.changed'")
        assert max(sizes) < (6_000,)

    def test_the_iteration_is_in_the_history(self, model, write_file):
        model.update_weights(write_file("w.pt"), iteration=7)
        texts = [each.text for each in model.history()]
        assert any("weights 1 at iteration 7: w.pt" in each for each in texts), texts

    @pytest.mark.parametrize(
        ("target", "name"), [("best.pt", "best.pt"), ("best", "best.pt"), ("a.b", "a.b")]
    )
    def test_target_filename_names_the_local_copy(self, target, name, model, write_file):
        model.update_weights(write_file("w.pt"), target_filename=target)
        assert Path(model.get_weights()).name == name

    def test_files_are_deleted_only_with_auto_delete_file(self, model, write_file):
        path = write_file("w.pt")
        model.update_weights(path)
        assert path.exists()
        model.update_weights(path, auto_delete_file=True)
        assert not path.exists()
        assert read(model.get_weights()) == "weights"

    def test_nothing_is_deleted_when_the_update_fails(self, model, write_file, task):
        path = write_file("w.pt")
        model.publish()
        with pytest.raises(PublishedError):
            model.update_weights(path, auto_delete_file=True)
        assert path.exists()

    def test_the_registrys_own_file_is_not_deleted(self, model, write_file):
        url = model.update_weights(write_file("w.pt"))
        for own in (path_of(url), path_of(url).parents[2]):
            with pytest.raises(InvalidValueError, match="registry"):
                model.update_weights(own, auto_delete_file=True)
        assert len(model.revisions()) == 1

    def test_a_missing_file_is_an_error_and_changes_nothing(self, model, tmp_path):
        before = model.history()
        with pytest.raises(SourceNotFoundError):
            model.update_weights(tmp_path / "nothing.pt")
        assert model.history() == before

    def test_a_restored_model_has_its_revisions(self, model, write_file, registry):
        for text in ("one", "two"):
            model.update_weights(write_file("w.pt", text))
        model.restore_weights(1)
        Model.remove(model, delete_weights_file=False)
        restored = registry.restore(model.id)
        assert [(each.revision, each.current) for each in restored.revisions()] == [
            (1, True), (2, False),
        ]  # fmt: skip

    def test_removing_a_model_deletes_the_bytes_of_all_revisions(self, model, write_file, registry):
        for text in ("one", "two"):
            model.update_weights(write_file("w.pt", text))
        assert Model.remove(model)
        assert below(registry.path / "blobs") == []


class TestEntries:
    def test_the_name_on_the_task_is_the_filename_without_its_ending(self, model, task, write_file):
        model.update_weights(write_file("epoch-1.pt"))
        assert task.output_models_id == {"epoch-1": model.id}
        model.update_weights(write_file("w.pt"), target_filename="epoch-2.pt")
        assert task.output_models_id == {"epoch-2": model.id}
        model.update_weights(register_uri="https://h/")
        assert task.output_models_id == {"Output Model": model.id}

    def test_a_model_with_the_same_filename_takes_the_name_on_the_task(
        self, model, task, write_file
    ):
        model.update_weights(write_file("best.pt"))
        other = OutputModel()
        other.update_weights(write_file("best.pt", "better"))
        assert task.output_models_id == {"best": other.id}

    def test_the_name_given_to_connect_stays(self, model, task, write_file):
        task.connect(model, "net")
        model.update_weights(write_file("epoch-1.pt"))
        assert task.output_models_id == {"net": model.id}

    def test_the_parent_is_the_input_of_the_same_name(self, model, task, write_file, registry):
        base = InputModel.import_model("s3://b/best.pt", name="base")
        base.connect(task, "best")
        model.update_weights(write_file("other.pt"))
        parent = "SELECT parent FROM model WHERE id = '{}'"
        assert rows(registry, parent.format(model.id)) == [(None,)]
        model.update_weights(write_file("best.pt"))
        assert rows(registry, parent.format(model.id)) == [(base.id,)]
        base.connect(task, "train")
        assert rows(registry, parent.format(OutputModel().id)) == [(base.id,)], "from the start"

    def test_a_model_is_not_its_own_parent(self, task, write_file, registry):
        base = OutputModel(name="best")
        base.connect(task)
        task.set_input_model(base.id, name="best")
        OutputModel(base_model_id=base.id).update_weights(write_file("best.pt"))
        assert rows(registry, "SELECT parent FROM model") == [(None,)]

    def test_connect_makes_it_an_output_of_another_task(self, model, task, write_file):
        other = Task.create("vision", "second")
        assert other.connect(model) is model
        assert other.output_models_id == {"train": model.id}
        assert task.output_models_id == {"train": model.id}
        assert model.original_task == task.id
        model.update_weights(write_file("w.pt"))
        assert other.output_models_id == {"w": model.id}

    def test_connect_copies_the_design_to_a_task_without_one(self, task, registry):
        model = OutputModel(config_text="a = 1", label_enumeration={"cat": 1})
        other = Task.create("vision", "second")
        model.connect(other)
        assert (other.get_model_config_text(), other.get_labels_enumeration()) == (
            "a = 1", {"cat": 1},
        )  # fmt: skip

    def test_a_task_of_another_registry_is_refused(self, model, tmp_path):
        other = Registry(tmp_path / "other", durability="fast")
        with pytest.raises(InvalidValueError, match="own registry"):
            model.connect(Task.create("p", "t", registry=other))
        other.close()


class TestPackages:
    def folder(self, write_file):
        write_file("bert/config.json", "{}")
        return write_file("bert/sub/w.bin", "bytes").parents[1]

    def test_a_folder_becomes_a_package(self, model, write_file, task):
        folder = self.folder(write_file)
        url = model.update_weights_package(weights_path=folder)
        assert url == f"file://{model.get_local_copy()}"
        assert model.system_tags == ["package"]
        assert sorted(each.name for each in model.get_weights_package()) == ["config.json", "sub"]
        assert task.output_models_id == {"bert": model.id}
        assert below(folder) == ["config.json", "sub/w.bin"]
        assert "snapshot bert stored" in model.comment

    def test_update_weights_of_a_folder_is_a_package(self, model, write_file):
        model.update_weights(self.folder(write_file))
        assert below(Path(model.get_local_copy())) == ["config.json", "sub/w.bin"]

    def test_the_same_files_give_the_same_bytes(self, model, write_file):
        folder = self.folder(write_file)
        model.update_weights_package(weights_path=folder)
        first = model.digest
        os.utime(folder / "config.json", (1, 1))
        model.update_weights(folder)
        assert model.digest == first

    def test_single_files_keep_their_bare_names(self, model, write_file, task):
        model.update_weights_package([write_file("a/x.pt"), str(write_file("b/y.pt"))])
        archive = model.get_weights_package(extract_archive=False)[0]
        assert zipfile.ZipFile(archive).namelist() == ["x.pt", "y.pt"]
        assert archive.name == "model_package.zip"
        assert task.output_models_id == {"model_package": model.id}

    def test_two_files_with_the_same_name_are_an_error(self, model, write_file):
        before = model.history()
        with pytest.raises(InvalidValueError, match=r"x\.pt.*folder"):
            model.update_weights_package([write_file("a/x.pt"), write_file("b/x.pt")])
        assert model.history() == before

    def test_a_target_name_is_that_of_the_folder_and_of_its_archive(
        self, model, write_file, tmp_path
    ):
        model.update_weights_package([write_file("x.pt")], target_filename="net")
        assert Path(model.get_local_copy(target_folder=tmp_path / "out")).name == "net"
        assert Path(model.get_weights()).name == "net.zip"

    @pytest.mark.parametrize("given", [{}, {"weights_filenames": []}, {"weights_path": ""}])
    def test_exactly_one_source_is_required(self, given, model, write_file):
        with pytest.raises(InvalidValueError, match="weights_filenames"):
            model.update_weights_package(**given)
        with pytest.raises(InvalidValueError, match="not both"):
            model.update_weights_package([write_file("x.pt")], self.folder(write_file))

    def test_a_file_in_place_of_a_folder_is_an_error(self, model, write_file):
        with pytest.raises(InvalidValueError, match="must be a folder"):
            model.update_weights_package(weights_path=write_file("x.pt"))

    def test_folders_are_deleted_only_with_auto_delete_file(self, model, write_file, tmp_path):
        kept = write_file("kept.txt", "mine")
        folder = self.folder(write_file)
        (folder / "link").symlink_to(kept)
        (folder / "links").symlink_to(kept.parent / "elsewhere")
        write_file("elsewhere/x.txt")
        model.update_weights_package(weights_path=folder, auto_delete_file=True)
        assert not folder.exists()
        assert kept.exists()
        assert (tmp_path / "elsewhere/x.txt").exists()
        path = write_file("x.pt")
        model.update_weights_package([path], auto_delete_file=True)
        assert not path.exists()

    def test_the_package_state_is_that_of_the_current_revision(self, model, write_file):
        model.update_weights(write_file("w.pt"))
        model.update_weights(self.folder(write_file))
        model.update_weights(write_file("w.pt", "two"))
        assert model.system_tags == []
        model.restore_weights(2)
        assert model.system_tags == ["package"]
        assert Path(model.get_local_copy()).is_dir()
        model.restore_weights(1)
        assert model.system_tags == []
        assert Path(model.get_local_copy()).is_file()

    def test_is_package_marks_an_archive_as_a_package(self, model, write_file, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("x.txt", "x")
        model.update_weights(tmp_path / "a.zip", is_package=True)
        assert [each.name for each in model.get_weights_package()] == ["x.txt"]


class TestDesign:
    def test_update_design_sets_the_design_of_a_task_without_one(self, model, task):
        assert model.update_design("lr = 1")
        assert model.update_design(config_dict={"lr": 2})
        assert model.config_dict == {"lr": 2}
        assert task.get_model_config_text() == "lr = 1"
        assert model.update_design() is False
        assert model.config_dict == {"lr": 2}
        model.config_text = ""
        assert model.config_text == ""
        model.config_dict = {"a": 1}
        assert model.config_dict == {"a": 1}
        assert model.history(1)[0].text == "configuration or labels set"

    def test_update_labels_always_sets_the_labels_of_the_task(self, model, task):
        task.set_model_label_enumeration({"x": 9})
        model.update_labels({"cat": 1})
        assert model.labels == task.get_labels_enumeration() == {"cat": 1}
        model.labels = {"dog": 2}
        assert model.labels == {"dog": 2}

    def test_an_unchanged_value_makes_no_event(self, model):
        model.update_labels({"cat": 1})
        before = model.history()
        model.update_labels({"cat": 1})
        assert model.history() == before


def update_often(number, barrier, root, model_id, folder, count):
    from pathlib import Path

    from localreg import Model, OutputModel, Registry

    with Registry(root, durability="fast"):
        barrier.wait()
        path = Path(folder) / f"w{number}.pt"
        from localreg import Task

        task = Task.get_task(Model(model_id).original_task)
        for step in range(count):
            path.write_text(f"{number} {step}")
            OutputModel(task, base_model_id=model_id).update_weights(path)
    return True


def test_no_update_is_lost_when_processes_update_one_model_at_once(tmp_path, children):
    with Registry(tmp_path / "registry", durability="fast"):
        model = OutputModel(Task.create("p", "t"))
    arguments = (tmp_path / "registry", model.id, tmp_path, 5)
    children.crowd(4, update_often, *arguments)
    with Registry(tmp_path / "registry", durability="fast"):
        found = Model(model.id).revisions()
        assert [each.revision for each in found] == list(range(1, 21))
        texts = [read(path_of(each.url)) for each in found]
        assert sorted(texts) == sorted(f"{n} {s}" for n in range(4) for s in range(5))
        assert [each.current for each in found] == [False] * 19 + [True]


def test_history_has_a_text_for_every_kind_of_output_models():
    kinds = {"model.design", "model.weights_added", "model.weights_chosen", "model.weights_dropped",
             "model.weights_uploaded"}  # fmt: skip
    assert kinds <= history._TEXTS.keys()


def test_the_task_of_an_output_model_is_its_maker(registry):
    """Decision 44: also when another task takes it as input."""
    task, other = Task.init(task_name="a"), Task.create(task_name="b")
    model = OutputModel(task, name="m")
    other.connect(InputModel(model.id))
    assert model.task == model.original_task == task.id
    assert InputModel(model.id).task == Model(model.id).task == other.id
    task.close()


def test_the_models_of_a_task_are_attributes(registry):
    task = Task.init(task_name="a")
    model = OutputModel(task, name="m")
    model.connect(task, "entry")
    assert task.models.output[-1].id == task.models["output"]["entry"].id == model.id
    assert len(task.models.input) == 0
    assert list(task.models) == ["input", "output"]
    task.close()
