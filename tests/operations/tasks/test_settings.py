"""Parameters, configurations and artifacts of tasks, and `Task.connect`."""

from __future__ import annotations

import argparse
import copy
import io
import json
import pickle
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from localreg import InputModel, Registry, Task
from localreg.api import ambient
from localreg.errors import InvalidValueError, NotFoundError, SourceNotFoundError


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="train")
    yield task
    with suppress(LookupError):  # it was deleted
        task.close()


@pytest.fixture(autouse=True)
def _isolated():
    """Forget what argparse parsed in the test before: it belongs to the process."""
    with ambient.isolated():
        yield


@pytest.fixture
def again(registry, monkeypatch):
    """Return a function that makes this process run a task again."""

    def run_again(task):
        task.close()
        monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
        return Task.init(project_name="whatever", task_name="the code says")

    return run_again


# parameters --------------------------------------------------------------------------------


def test_parameters_are_text_with_a_type(task):
    task.set_parameters({"General/lr": 0.1, "Args/layers": [1, 2], "flag": True, "name": "x"})
    assert task.get_parameters() == {
        "Args/layers": "[1, 2]", "General/flag": "True", "General/lr": "0.1", "General/name": "x",
    }  # fmt: skip
    assert task.get_parameters(cast=True) == {
        "Args/layers": [1, 2], "General/flag": True, "General/lr": 0.1, "General/name": "x",
    }  # fmt: skip
    assert task.get_parameters_as_dict(cast=True)["Args"] == {"layers": [1, 2]}
    assert task.get_parameter("lr", cast=True) == 0.1
    assert task.get_parameter("Args/gone", default=5) == 5


def test_set_replaces_update_adds_and_delete_removes_parameters(task):
    task.set_parameters({"a": 1, "b": 2})
    task.update_parameters({"b": 3}, c=4)
    assert task.get_parameters(cast=True) == {"General/a": 1, "General/b": 3, "General/c": 4}
    task.set_parameter("Args/d", "5", value_type=int)
    assert task.get_parameter("Args/d", cast=True) == 5
    assert task.delete_parameter("a") is True
    assert task.delete_parameter("a") is False
    task.set_parameters({"z": 1})
    assert task.get_parameters() == {"General/z": "1"}


def test_changes_of_a_connected_dict_are_recorded(task):
    given = {"lr": 0.1, "optimizer": {"name": "sgd", "momentum": 0.9}}
    live = task.connect(given)
    assert live == given
    live["lr"] = 0.01
    live["optimizer"]["name"] = "adam"
    live.update(epochs=3)
    live |= {"batch": 16}
    live.setdefault("seed", 7)
    del live["optimizer"]["momentum"]
    live.pop("batch")
    assert task.get_parameters(cast=True) == {
        "General/lr": 0.01, "General/optimizer/name": "adam", "General/epochs": 3,
        "General/seed": 7,
    }  # fmt: skip
    assert given["lr"] == 0.1, "the dict that was given stays as it was"
    assert json.loads(json.dumps(live)) == dict(live)
    for plain in (copy.deepcopy(live), pickle.loads(pickle.dumps(live))):
        assert type(plain) is dict
        assert plain == live


def test_objects_and_classes_are_connected_by_their_attributes(task):
    @dataclass
    class Settings:
        lr: float = 0.1
        layers: tuple = (1, 2)
        _hidden: int = 5
        model: object = None

        @property
        def computed(self):
            return 5

        def method(self):
            pass

    class Constants:
        size = 3

    settings = Settings()
    assert task.connect(settings) is settings
    assert task.connect(Constants, name="Constants") is Constants
    assert task.get_parameters(cast=True) == {
        "Constants/size": 3, "General/layers": (1, 2), "General/lr": 0.1, "General/model": None,
    }  # fmt: skip


def test_a_namespace_is_connected(task):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    found = task.connect(parser.parse_args(["--lr", "0.5"]))
    assert found.lr == 0.5
    assert task.get_parameters() == {"Args/lr": "0.5"}


def test_a_parser_is_recorded_when_it_parses_the_command_line(task, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--lr", "0.5", "fit", "--epochs", "3"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("fit").add_argument("--epochs", type=int)
    assert task.connect(parser) is parser
    parser.parse_args()
    assert task.get_parameters(cast=True) == {
        "Args/command": "fit", "Args/epochs": 3, "Args/lr": 0.5,
    }  # fmt: skip


def test_init_records_argparse_unless_auto_connect_arg_parser_is_false(registry, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--lr", "0.5"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    for follow, recorded in ((True, {"Args/lr": "0.5"}), (False, {})):
        task = Task.init(task_name=f"{follow}", auto_connect_arg_parser=follow)
        parser.parse_args()
        assert task.get_parameters() == recorded
        task.close()


def test_only_arguments_of_the_command_line_are_recorded(task, monkeypatch):
    """They are: none given, or a list that is equal to them; also those that a parser knows."""
    monkeypatch.setattr("sys.argv", ["train.py", "--lr", "0.5"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--size")
    for words in ([], ["--size", "3"], ["--lr", "0.6"]):
        parser.parse_known_args(words)
    assert task.get_parameters() == {}
    parser.parse_known_args(["--lr", "0.5"])
    assert task.get_parameters() == {"Args/size": ""}


def test_a_task_that_is_run_again_overrides_the_values_of_the_script(task, again, monkeypatch):
    task.connect({"lr": 0.1, "inner": {"size": 3}, "new": 1})
    task.close()
    task = Task.clone(task)
    task.update_parameters({"General/lr": "0.5", "General/inner/size": 7, "General/extra": "x",
                            "Args/epochs": "9", "Other/flag": "false"})  # fmt: skip
    task.delete_parameter("General/new")
    run = again(task)
    assert run.id == task.id
    live = run.connect({"lr": 0.1, "inner": {"size": 3}, "new": 1})
    assert live == {"lr": 0.5, "inner": {"size": 7}, "new": 1, "extra": "x"}
    assert run.connect({"lr": 0.1}, name="Mine", ignore_remote_overrides=True) == {"lr": 0.1}

    class Other:
        flag = True

    assert run.connect(Other, name="Other").flag is False
    monkeypatch.setattr("sys.argv", ["train.py", "--epochs", "3"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    assert parser.parse_args().epochs == 9


# configurations ----------------------------------------------------------------------------


def test_configurations_are_stored_by_name(task, tmp_path):
    live = task.connect_configuration({"a": 1}, name="net")
    live["b"] = 2
    assert json.loads(task.get_configuration_object("net")) == {"a": 1, "b": 2}
    path = tmp_path / "net.yaml"
    path.write_text("layers: 3\n")
    assert task.connect_configuration(path) == path
    assert task.get_configuration_object("General") == "layers: 3\n"
    assert task.get_configuration_object_as_dict("General") == {"layers": 3}
    assert task.connect_configuration([1, 2], name="list") == [1, 2]
    task.set_configuration_object("text", config_text="a = 1")
    task.set_configuration_object("dict", config_dict={"x": [1]})
    assert task.get_configuration_object_as_dict("dict") == {"x": [1]}
    assert task.get_configuration_object("gone") is None
    task.set_configuration_object("text", config_text=None)
    assert task.get_configuration_object("text") is None
    with pytest.raises(InvalidValueError, match="not both"):
        task.set_configuration_object("a", config_text="a", config_dict={})
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        task.connect_configuration(tmp_path / "gone.yaml")


def test_a_task_that_is_run_again_has_its_own_configurations(task, again, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("layers: 3\n")
    task.connect_configuration({"a": 1}, name="dict")
    task.connect_configuration(path, name="file")
    task.set_configuration_object("dict", config_dict={"a": 2})
    task.set_configuration_object("file", config_text="layers: 5\n")
    run = again(task)
    assert run.connect_configuration({"a": 1}, name="dict") == {"a": 2}
    other = run.connect_configuration(path, name="file")
    assert isinstance(other, Path)
    assert other != path
    assert other.suffix == ".yaml"
    assert other.read_text() == "layers: 5\n"
    mine = run.connect_configuration(path, name="file", ignore_remote_overrides=True)
    assert mine == path


def test_labels_are_those_of_the_task_when_it_is_run_again(task, again):
    assert task.connect_label_enumeration({"cat": 1}) == {"cat": 1}
    assert task.get_labels_enumeration() == {"cat": 1}
    task.set_model_label_enumeration({"dog": 2})
    assert again(task).connect_label_enumeration({"cat": 1}) == {"dog": 2}


# artifacts ---------------------------------------------------------------------------------


def same(one, other):
    if hasattr(one, "equals"):
        return one.equals(other)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@pytest.mark.parametrize(
    ("value", "kind", "filename"),
    [
        ({"a": [1, None, "x"]}, "json", "it.json"),
        ([1, 2], "json", "it.json"),
        ((1, "a"), "json", "it.json"),
        ((), "json", "it.json"),
        (0.5, "json", "it.json"),
        (None, "json", "it.json"),
        ("a text", "text", "it.txt"),
        (b"bytes", "bytes", "it.bin"),
        (np.arange(6).reshape(2, 3), "numpy", "it.npy"),
        (np.float32(0.5), "numpy", "it.npy"),
    ],
)
def test_an_artifact_comes_back_unchanged(value, kind, filename, task):
    assert task.upload_artifact("it", value, metadata={"why": "test"}) is True
    artifact = task.artifacts["it"]
    assert same(value, artifact.get())
    assert (artifact.name, artifact.type) == ("it", kind)
    assert Path(artifact.get_local_copy()).name == filename
    assert artifact.metadata == {"why": "test"}
    assert artifact.size == Path(artifact.get_local_copy()).stat().st_size
    assert len(artifact.hash) == 64
    assert artifact.url.startswith("file://")
    assert artifact.timestamp.tzinfo is not None
    assert list(task.artifacts) == ["it"]


def test_dataframes_come_back(task):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["one", "two"])
    task.upload_artifact("pandas", frame)
    assert task.artifacts["pandas"].get().equals(frame)
    other = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    task.upload_artifact("polars", other)
    assert task.artifacts["polars"].get().equals(other)
    assert "a" in task.artifacts["pandas"].preview


def test_the_types_of_a_dataframe_come_back(task):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "text": ["01", "NA", ""],
            "some": ["1", None, "x"],
            "lines": ["a\r\nb", "c\rd", 'say "e", f'],
            "took": pd.to_timedelta([1, None, 2], unit="s"),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "float": [0.1 + 0.2, float("nan"), 1.0],
            "flag": [True, False, True],
            "time": pd.to_datetime(["2024-01-01", None, "2024-01-03 12:00"], format="ISO8601"),
            "zoned": pd.to_datetime(["2024-01-01", None, "2024-07-03"]).tz_localize(
                "Europe/Berlin"
            ),
            "kind": pd.Categorical(["007", "008", "007"]),
            7: [1, 2, 3],
        },
        index=pd.MultiIndex.from_tuples([("01", 1), ("01", 2), ("02", 1)], names=["a", None]),
    )
    task.upload_artifact("it", frame)
    pd.testing.assert_frame_equal(task.artifacts["it"].get(), frame)
    series = pd.Series(["01", "02"], name="s")
    task.upload_artifact("it", series)
    pd.testing.assert_frame_equal(task.artifacts["it"].get(), series.to_frame())
    twice = pd.DataFrame([[1, "01"]], columns=["a", "a"])
    task.upload_artifact("it", twice)
    pd.testing.assert_frame_equal(task.artifacts["it"].get(), twice)
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    task.upload_artifact("it", levels)
    pd.testing.assert_frame_equal(task.artifacts["it"].get(), levels)
    empty = pd.DataFrame({"a": []})
    task.upload_artifact("it", empty)
    assert list(task.artifacts["it"].get().columns) == ["a"]


def test_strings_in_a_polars_dataframe_come_back(task):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": ["01", "", None], "n": [1, None, 3]})
    task.upload_artifact("it", frame)
    assert task.artifacts["it"].get().equals(frame)
    with pytest.raises(InvalidValueError, match="artifact_object cannot be written as CSV"):
        task.upload_artifact("it", pl.DataFrame({"a": [[1], [2]]}))
    with pytest.raises(InvalidValueError, match="artifact_object"):
        task.upload_artifact("it", pytest.importorskip("pandas").DataFrame({"a": ["\ud800"]}))


def test_strings_and_numbers_come_back_unchanged(task):
    text = "one\r\ntwo\rthree\n"
    task.upload_artifact("it", text)
    assert task.artifacts["it"].get() == text
    task.upload_artifact("it", {1: float("nan"), 0.5: [float("inf")], False: "x\r\n"})
    found = task.artifacts["it"].get()
    assert list(found) == ["1", "0.5", "false"]  # as json.dumps has it
    assert found["0.5"] == [float("inf")]
    task.upload_artifact("it", [float("nan")])
    assert np.isnan(task.artifacts["it"].get()).all()
    with pytest.raises(InvalidValueError, match="two keys"):
        task.upload_artifact("it", {1: 2, "1": 3})


def test_a_str_that_names_a_file_or_folder_is_that(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "a.txt").write_text("a")
    (tmp_path / "file").write_bytes(b"x")
    for value, kind in (("best", "package"), ("./best", "package"), ("file", "file")):
        task.upload_artifact("it", value)
        assert task.artifacts["it"].type == kind


def test_a_tensor_is_detached(task):
    class Tensor:
        dtype = "float32"
        detached = False

        def detach(self):
            found = Tensor()
            found.detached = True
            return found

        def __array__(self, *_args, **_options):
            if not self.detached:
                raise RuntimeError("it requires grad")
            return np.ones(2)

    task.upload_artifact("it", Tensor())
    assert task.artifacts["it"].get().tolist() == [1, 1]
    monkey = Tensor()
    monkey.detach = lambda: Tensor()
    with pytest.raises(InvalidValueError, match=r"artifact_object.*requires grad"):
        task.upload_artifact("it", monkey)


def test_extension_names_and_artifact_names_are_checked(task):
    for ending in ("." + "x" * 20, 5, "a/b"):
        with pytest.raises(InvalidValueError, match="extension_name"):
            task.upload_artifact("it", 1, extension_name=ending)
    task.upload_artifact("a", 1)
    for names in ("a", 5):
        with pytest.raises(InvalidValueError, match="artifact_names"):
            task.delete_artifacts(names)
    assert list(task.artifacts) == ["a"]


def test_images_come_back(task):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.zeros((2, 3, 3), "u1"))
    task.upload_artifact("picture", picture)
    assert task.artifacts["picture"].get().size == (3, 2)


def test_files_and_folders_are_stored(task, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("notes")
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a")
    task.upload_artifact("file", str(file))
    task.upload_artifact("folder", folder)
    task.upload_artifact("gone", file, delete_after_upload=True)
    assert not file.exists()
    assert task.artifacts["file"].get().read_text() == "notes"
    assert (task.artifacts["folder"].get() / "inner" / "a.txt").read_text() == "a"
    archive = task.artifacts["folder"].get_local_copy(extract_archive=False)
    assert Path(archive).name == "folder.zip"


def test_serialization_functions_write_and_read_bytes(task):
    task.upload_artifact(
        "it", {1, 2}, serialization_function=lambda value: repr(value).encode(),
        extension_name=".set",
    )  # fmt: skip
    artifact = task.artifacts["it"]
    assert Path(artifact.get_local_copy()).name == "it.set"
    assert artifact.get(deserialization_function=lambda data: data.decode()) == "{1, 2}"
    with pytest.raises(InvalidValueError, match="deserialization_function"):
        artifact.get()
    with pytest.raises(InvalidValueError, match="must return bytes"):
        task.upload_artifact("it", 1, serialization_function=str)


def test_an_artifact_of_the_same_name_is_replaced_and_gc_deletes_the_old_bytes(task, registry):
    task.upload_artifact("it", b"old")
    old = task.artifacts["it"].hash
    task.upload_artifact("it", b"new")
    assert task.artifacts["it"].get() == b"new"
    garbage = registry.gc(grace_seconds=0, dry_run=False).garbage
    assert [each.digest for each in garbage if each.kind == "blob"] in ([], [old])
    registry.gc(grace_seconds=0, dry_run=False)
    assert task.artifacts["it"].get() == b"new"
    assert not registry._chain.first.blobs.has(old, 3)


def test_artifacts_are_deleted_by_name(task):
    task.upload_artifact("it", 1)
    artifact = task.artifacts["it"]
    assert task.delete_artifacts(["it"]) is True
    assert len(task.artifacts) == 0
    with pytest.raises(KeyError):
        task.artifacts["it"]
    with pytest.raises(NotFoundError, match="no artifact 'it'"):
        artifact.get()
    assert task.delete_artifacts(["it"], raise_on_errors=False) is False


def test_artifacts_move_with_the_registry(tmp_path):
    with Registry(tmp_path / "here", durability="fast"):
        task = Task.init(task_name="train")
        task.upload_artifact("it", {"a": 1})
        task_id = task.id
    (tmp_path / "here").rename(tmp_path / "there")
    with Registry(tmp_path / "there", durability="fast"):
        assert Task.get_task(task_id).artifacts["it"].get() == {"a": 1}


# copies ------------------------------------------------------------------------------------


def test_a_clone_has_the_settings_but_not_the_results(task, registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    task.connect(model, name="base")
    task.connect({"lr": 0.1})
    task.connect_configuration({"a": 1}, name="net")
    task.set_model_label_enumeration({"cat": 1})
    task.set_model_config(config_text="layers = 3")
    task.add_tags(["x"])
    task.upload_artifact("it", 1)
    task.report_single_value("v", 1)
    other = Task.clone(task, name="again", comment="a comment", project="q")
    assert (other.name, other.status, other.parent) == ("again", "created", task.id)
    assert (other.comment, other.get_project_name(), other.tags) == ("a comment", "q", ["x"])
    assert other.input_models_id == {"base": model.id}
    assert other.get_parameters() == task.get_parameters()
    assert other.get_configuration_object("net") == task.get_configuration_object("net")
    assert other.get_labels_enumeration() == {"cat": 1}
    assert other.get_model_config_text() == "layers = 3"
    assert len(other.artifacts) == 0
    assert other.get_reported_single_values() == {}
    assert other.get_script()["entry_point"] == task.get_script()["entry_point"]
    assert Task.clone(task).name == "Clone of train"


def test_delete_removes_the_models_of_a_task_but_not_those_in_use(task, registry):
    from localreg.operations.models import adding, recording
    from localreg.operations.tasks import lifecycle

    record = lifecycle.task(registry._chain.first, task.id)
    made = [
        adding.add_model(registry._chain, io.BytesIO(name.encode()), recording.describe(name=name),
                         filename="w", task=record)
        for name in ("used", "unused")
    ]  # fmt: skip
    other = Task.create(task_name="other")
    InputModel(made[0]).connect(other)
    task.upload_artifact("it", 1)
    assert task.delete() is True
    assert [model.id for model in registry.models()] == [made[0]]
    with pytest.raises(LookupError, match=task.id):
        Task.get_task(task.id)
    assert task.delete() is False
    with pytest.raises(LookupError):
        task.delete(raise_on_error=True)
    assert Task.current_task() is None


def test_tasks_are_found_by_each_filter(task, registry):
    other = Task.create("q", "evaluate the net")
    other.set_tags(["nightly", "x"])
    assert Task.get_tasks() == [other, task]
    assert Task.get_tasks(project_name="p") == [task]
    assert Task.get_tasks(project_name=["p", "q"]) == [other, task]
    assert Task.get_tasks(task_name="eval.*net") == [other]
    assert Task.get_tasks(tags=["nightly"]) == [other]
    assert Task.get_tasks(tags=["-nightly"]) == [task]
    assert Task.get_tasks(task_ids=[task.id]) == [task]
    assert Task.get_tasks(task_filter={"status": ["in_progress"]}) == [task]
    assert Task.query_tasks(task_name="train") == [task.id]
    assert Task.query_tasks(task_name="train", additional_return_fields=["name"]) == [
        {"id": task.id, "name": "train"}
    ]
    assert Task.get_task(task_name="train", tags=["-x"]) == task
    assert Task.get_task(task_name="train", tags=["x"]) is None


# what a review found -----------------------------------------------------------------------


def test_two_dicts_can_be_connected_to_one_section(task):
    first, second = task.connect({"a": 1}), task.connect({"b": 2, "c": 3})
    task.set_parameter("General/x", 5)
    first["a"] = 2
    del second["c"]
    task.connect({})
    assert task.get_parameters(cast=True) == {"General/a": 2, "General/b": 2, "General/x": 5}


def test_a_change_that_cannot_be_recorded_is_undone(task):
    live = task.connect({"a": 1, "inner": {"b": 1}})
    for change in (lambda: live.update(x="\udc80"), lambda: live["inner"].update(y="\udc80")):
        with pytest.raises(InvalidValueError, match="surrogate"):
            change()
    live["a"] = 2
    assert live == {"a": 2, "inner": {"b": 1}}
    assert task.get_parameters(cast=True) == {"General/a": 2, "General/inner/b": 1}
    itself = {}
    itself["itself"] = itself
    with pytest.raises(InvalidValueError, match="contains itself"):
        task.connect(itself)


def test_a_connected_dict_still_works_when_its_task_is_removed(task, caplog):
    live = task.connect({"a": 1})
    task.delete()
    live["a"] = 2
    live["b"] = 3
    assert live == {"a": 2, "b": 3}
    assert caplog.text.count("no longer recorded") == 1


def test_threads_can_change_one_connected_dict(task):
    live = task.connect({})

    def change(number):
        for step in range(20):
            live[f"{number}-{step}"] = step

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(task.get_parameters()) == len(live) == 80


def test_arguments_of_any_type_are_recorded_without_an_error(task, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--files", "a", "b", "--one", "c"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=Path, nargs="+")
    parser.add_argument("--one", type=Path)
    assert parser.parse_args().files == [Path("a"), Path("b")]
    assert task.get_parameters(cast=True) == {"Args/files": ["a", "b"], "Args/one": "c"}
    task.delete()
    assert parser.parse_args().one == Path("c")


def test_arguments_of_a_task_that_is_run_again_are_converted_by_the_parser(
    task, again, monkeypatch
):
    task.set_parameters({"Args/files": "[1, 2]", "Args/size": "3", "Args/kind": "big"})
    again(task)
    monkeypatch.setattr("sys.argv", ["train.py"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, nargs="+")
    parser.add_argument("--size", type=int)
    parser.add_argument("--kind", choices=["small", "big"])
    found = parser.parse_args()
    assert (found.files, found.size, found.kind) == ([1, 2], 3, "big")
    task.set_parameters({"Args/size": "x"})
    with pytest.raises(InvalidValueError, match=r"Args/size.*refuses"):
        parser.parse_args()
    task.set_parameters({"Args/kind": "huge"})
    with pytest.raises(InvalidValueError, match="allows only small, big"):
        parser.parse_args()


class Kind(Enum):
    SMALL = "small size"
    BIG = "big size"


def every_action():
    """Return a parser with each kind of action, none with a default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["a", "b"])
    parser.add_argument("--modes", choices=["a", "b"], nargs="+")
    parser.add_argument("--counts", type=int, nargs="*", choices=range(5))
    parser.add_argument("--kind", type=Kind, choices=list(Kind))
    parser.add_argument("--on", action="store_true")
    parser.add_argument("--off", action="store_false")
    parser.add_argument("--either", action=argparse.BooleanOptionalAction)
    parser.add_argument("--constant", action="store_const", const=7)
    parser.add_argument("--one", action="append", type=int)
    parser.add_argument("--more", action="extend", nargs="+")
    parser.add_argument("--times", action="count")
    parser.add_argument("word", nargs="?", choices=["x", "y"])
    return parser


def test_arguments_without_a_default_come_back_as_none(task, again, monkeypatch):
    """Also those with choices: a run that records None can be run again."""
    monkeypatch.setattr("sys.argv", ["train.py"])
    found = vars(every_action().parse_args())
    assert again(task).get_parameter("Args/mode") == ""
    assert vars(every_action().parse_args()) == found


def test_texts_become_what_the_action_of_the_parser_stores(task, again, monkeypatch):
    """What is set for a run is text; a flag, a count, a constant or a list is none."""
    monkeypatch.setattr("sys.argv", ["train.py"])
    wanted = {"mode": "b", "modes": "a b", "counts": "[1, 2]", "kind": "BIG", "on": "true",
              "off": "0", "either": "True", "constant": "7", "one": "3", "more": '["p", "q"]',
              "times": "2", "word": "y"}  # fmt: skip
    task.set_parameters({f"Args/{name}": None for name in wanted} | {"Args/off": True})
    task.close()
    copy = Task.clone(task)
    copy.update_parameters({f"Args/{name}": text for name, text in wanted.items()})
    run = again(copy)
    assert vars(every_action().parse_args()) == {
        "mode": "b", "modes": ["a", "b"], "counts": [1, 2], "kind": Kind.BIG, "on": True,
        "off": False, "either": True, "constant": 7, "one": [3], "more": ["p", "q"], "times": 2,
        "word": "y",
    }  # fmt: skip
    run.set_parameter("Args/kind", "small size")
    assert every_action().parse_args().kind is Kind.SMALL
    for name, text in (("either", "perhaps"), ("times", "often"), ("on", "2"), ("one", "x"),
                       ("modes", "a c")):  # fmt: skip
        before = run.get_parameter(f"Args/{name}")
        run.set_parameter(f"Args/{name}", text)
        with pytest.raises(InvalidValueError, match=f"Args/{name}"):
            every_action().parse_args()
        run.set_parameter(f"Args/{name}", before)


def test_an_unchanged_text_keeps_its_type_and_a_name_given_twice_is_an_error(task):
    task.set_parameters({"a": 1})
    task.set_parameters(task.get_parameters())
    assert task.get_parameter("a", cast=True) == 1
    with pytest.raises(InvalidValueError, match="twice"):
        task.set_parameters({"a/b": 1, "a": {"b": 2}})
