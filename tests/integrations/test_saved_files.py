"""What becomes of the files that a script saves and loads while a task runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading

import joblib
import pytest

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.api import ambient
from localreg.api.tasks.weights_callbacks import ModelInfo, WeightsFileHandler
from localreg.errors import RegistryReplacedError


@pytest.fixture
def task(localreg_registry):
    found = Task.init(project_name="vision", task_name="train")
    yield found
    found.close()


class Script:
    """Saves and loads files as a library does that is patched."""

    def __init__(self, folder):
        self.folder = folder

    def save(self, name, data, framework="PyTorch"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is not None:
            path.write_bytes(data)
        ambient.recorder().saved_model("pytorch", path, framework=framework)
        return path

    def load(self, path, framework="PyTorch"):
        ambient.recorder().loaded_model("pytorch", path, framework=framework)


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path / "script")


def outputs(task):
    return {name: Model(model_id) for name, model_id in task.output_models_id.items()}


def bytes_of(model):
    with open(model.get_local_copy(), "rb") as file:
        return file.read()


def stored(registry):
    """Return the sizes of all blobs of a registry."""
    return sorted(each.stat().st_size for each in (registry.path / "blobs").rglob("*/*/*"))


class TestSaved:
    def test_a_file_becomes_an_output_model_named_as_in_clearml(self, task, script):
        path = script.save("best.pt", b"weights")
        path.unlink()  # its bytes are kept
        ((name, model),) = outputs(task).items()
        assert (name, model.name, model.framework) == ("best", "train - best", "PyTorch")
        assert model.original_task == task.id
        assert bytes_of(model) == b"weights"
        assert [each.filename for each in model.revisions()] == ["best.pt"]

    def test_the_same_path_again_is_the_next_revision(self, task, script):
        for data in (b"one", b"two", b"three"):
            script.save("best.pt", data)
        (model,) = outputs(task).values()
        assert [each.revision for each in model.revisions()] == [1, 2, 3]
        assert bytes_of(model) == b"three"

    def test_two_paths_with_one_stem_are_two_models(self, task, script):
        script.save("a/best.pt", b"one")
        script.save("b/best.pt", b"two")
        script.save("a/best.pt", b"three")
        found = outputs(task)
        assert {name: bytes_of(each) for name, each in found.items()} == {
            "best": b"three",
            "best 2": b"two",
        }
        assert [each.version for each in found.values()] == [1, 2]

    @pytest.mark.parametrize(
        ("limit", "kept"),
        [("1", [5]), ("2", [4, 5]), ("all", [1, 2, 3, 4, 5]), ("25KB", [4, 5]), ("5kB", [5])],
    )
    def test_the_oldest_revisions_are_deleted_beyond_a_limit(
        self, task, script, localreg_registry, monkeypatch, limit, kept
    ):
        monkeypatch.setenv("LOCALREG_KEEP_SAVED", limit)
        for number in range(1, 6):
            script.save("last.pt", bytes(10_000 + number))
        assert stored(localreg_registry) == [10_000 + number for number in kept]
        (model,) = outputs(task).values()
        assert [each.revision for each in model.revisions()] == kept
        added = [each for each in model.history() if each.kind == "model.weights_added"]
        assert len(added) == 5

    def test_without_a_variable_100_mb_and_100_revisions_are_kept(
        self, task, script, localreg_registry
    ):
        for number in range(102):
            script.save("small.pt", b"%d" % number)
        for number in range(3):
            path = script.folder / "large.pt"
            with open(path, "wb") as file:
                file.truncate(40_000_000 + number)
            script.save("large.pt", None)
        small, large = outputs(task).values()
        assert [each.revision for each in small.revisions()] == [*range(3, 103)]
        assert [each.revision for each in large.revisions()] == [2, 3]

    def test_bytes_that_something_else_needs_stay(
        self, task, script, localreg_registry, monkeypatch
    ):
        monkeypatch.setenv("LOCALREG_KEEP_SAVED", "1")
        path = script.save("last.pt", bytes(10_001))
        localreg_registry.add(path, name="copy")
        path = script.save("last.pt", bytes(10_002))
        task.upload_artifact("kept", path)
        script.save("last.pt", bytes(10_003))
        assert stored(localreg_registry) == [10_001, 10_002, 10_003]

    def test_the_task_continued_or_run_again_adds_revisions(self, localreg_registry, script):
        first = Task.init(project_name="vision", task_name="train")
        script.save("best.pt", b"one")
        first.close()
        again = Task.init(continue_last_task=first.id)
        script.save("best.pt", b"two")
        again.close()
        (model,) = outputs(first).values()
        assert bytes_of(model) == b"two"
        assert model.revisions()[-1].revision == 2
        other = Task.init(project_name="vision", task_name="train", reuse_last_task_id=False)
        script.save("best.pt", b"three")
        other.close()
        (theirs,) = outputs(other).values()
        assert (theirs.version, bytes_of(model)) == (2, b"two")

    @pytest.mark.parametrize("rely", ["publish", "alias", "input"])
    def test_a_model_that_somebody_relies_on_is_not_replaced(
        self, task, script, rely, localreg_registry, caplog
    ):
        script.save("best.pt", b"one")
        (model,) = outputs(task).values()
        if rely == "publish":
            model.publish()
        elif rely == "alias":
            localreg_registry.set_alias(model, "prod")
        else:
            other = Task.create(task_name="evaluate")
            other.connect(InputModel(model.id))
        script.save("best.pt", b"two")
        script.save("best.pt", b"three")
        found = outputs(task)
        assert [*found] == ["best", "best 2"]
        assert (found["best"].id, bytes_of(found["best"])) == (model.id, b"one")
        assert (found["best 2"].version, bytes_of(found["best 2"])) == (2, b"three")
        assert caplog.records == []

    def test_a_model_that_was_removed_is_made_again(self, task, script):
        script.save("best.pt", b"one")
        (model,) = outputs(task).values()
        Model.remove(model, force=True)
        script.save("best.pt", b"two")
        (again,) = outputs(task).values()
        assert again.id != model.id

    def test_a_folder_is_one_package(self, task, script):
        folder = script.folder / "net"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
        for _ in range(2):
            ambient.recorder().saved_model("pytorch", folder, framework="PyTorch")
        ((name, model),) = outputs(task).items()
        assert (name, model.name) == ("net", "train - net")
        assert sorted(os.listdir(model.get_weights_package(return_path=True))) == [
            "config.json",
            "model.safetensors",
        ]

    def test_what_is_no_file_is_ignored(self, task, script):
        recorder = ambient.recorder()
        for path in (None, 3, object(), script.folder / "missing.pt", "s3://bucket/a.pt", ""):
            recorder.saved_model("pytorch", path)
            recorder.loaded_model("pytorch", path)
        assert outputs(task) == {}

    def test_threads_that_save_one_path_make_one_model(self, task, script):
        def work(number):
            for turn in range(3):
                script.save(f"{number}.pt", b"%d" % turn)

        threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(outputs(task)) == ["0", "1", "2"]
        assert {bytes_of(each) for each in outputs(task).values()} == {b"2"}

    def test_weights_go_to_the_output_uri_of_the_task(
        self, localreg_registry, script, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("LOCALREG_KEEP_SAVED", "1")
        target = tmp_path / "uploads"
        target.mkdir()
        with_uri = Task.init(task_name="train", output_uri=str(target))
        for number in range(1, 4):
            script.save("best.pt", bytes(10_000 + number))
        with_uri.close()
        (model,) = outputs(with_uri).values()
        assert model.url.startswith(target.as_uri())
        assert bytes_of(model) == bytes(10_003)
        assert [each.stat().st_size for each in target.rglob("*.pt")] == [10_003]
        again = Task.init(continue_last_task=with_uri.id)
        script.save("best.pt", bytes(10_004))
        again.close()
        assert len(outputs(with_uri)) == 1


class TestNames:
    @pytest.mark.parametrize("name", ["best.pt.tmp", "best.pt.part", ".best.pt.tmp"])
    def test_a_file_that_is_renamed_has_its_final_name(self, task, script, name):
        for data in (b"one", b"two"):
            path = script.save(name, data)
            path.replace(script.folder / "best.pt")
        script.save("best.pt", b"three")
        ((entry, model),) = outputs(task).items()
        assert (entry, model.name) == ("best", "train - best")
        assert [each.filename for each in model.revisions()] == ["best.pt"] * 3

    def test_a_file_with_a_random_name_waits_for_its_final_one(self, task, script):
        script.save("tmp01234567", b"one").replace(script.folder / "first.pt")
        with tempfile.NamedTemporaryFile(dir=script.folder, suffix=".pt") as file:
            file.write(b"deleted")
            file.flush()
            ambient.recorder().saved_model("pytorch", file.name)
        script.save("second.pt", b"two")
        assert sorted(outputs(task)) == ["first", "second"]
        script.save("tmp12345678.pt", b"three").replace(script.folder / "third.pt")
        script.save("tmp23456789.pt", b"four")
        task.close()
        assert sorted(outputs(task)) == ["first", "second", "third", "tmp23456789"]

    def test_what_a_library_deletes_by_itself_is_removed(self, task, script, localreg_registry):
        for number in range(1, 4):
            path = script.save(f"epoch={number}.ckpt", bytes(10_000 + number))
            path.with_name(f"epoch={number - 1}.ckpt").unlink(missing_ok=True)
            ambient.recorder().deleted_model("pytorch", path.with_name(f"epoch={number - 1}.ckpt"))
        assert [*outputs(task)] == ["epoch=3"]
        assert stored(localreg_registry) == [10_003]
        (model,) = outputs(task).values()
        model.publish()
        ambient.recorder().deleted_model("pytorch", path)
        assert [*outputs(task)] == ["epoch=3"]


class TestLoaded:
    @pytest.fixture
    def known(self, localreg_registry, script):
        """Return a model that an earlier task saved."""
        earlier = Task.init(task_name="earlier")
        script.save("net.pt", bytes(100) + b"earlier" + bytes(100_000))
        earlier.close()
        (model,) = outputs(earlier).values()
        return model

    def inputs(self, task):
        return dict(task.input_models_id)

    def test_a_file_that_was_saved_before(self, known, task, script):
        script.load(script.folder / "net.pt")
        script.load(script.folder / "net.pt")
        assert self.inputs(task) == {"net": known.id}

    def test_a_copy_of_the_file_elsewhere(self, known, task, script, tmp_path):
        script.load(shutil.copy(script.folder / "net.pt", tmp_path / "other.pt"))
        assert self.inputs(task) == {"net": known.id}

    def test_a_local_copy(self, known, task, script):
        script.load(known.get_local_copy())
        assert self.inputs(task) == {"net": known.id}

    def test_a_file_that_was_imported_by_its_url(self, localreg_registry, task, script):
        path = script.folder / "there.pt"
        path.parent.mkdir()
        path.write_bytes(b"there")
        model = InputModel.import_model(path, name="there")
        script.load(path)
        assert self.inputs(task) == {"there": model.id}

    def test_a_file_that_is_not_known(self, known, task, script):
        for data in (b"short", bytes(known.revisions()[0].size)):
            path = script.folder / "unknown.pt"
            path.write_bytes(data)
            script.load(path)
        assert self.inputs(task) == {}

    def test_of_models_with_the_same_bytes_the_one_with_the_same_file_name(
        self, known, task, script, localreg_registry
    ):
        path = script.folder / "net.pt"
        other = localreg_registry.add(path, name="other", filename="other.pt")
        script.load(path)
        script.load(shutil.copy(path, script.folder / "other.pt"))
        assert self.inputs(task) == {"net": known.id, "other": other.id}

    def test_two_models_with_one_stem(self, known, task, script):
        path = script.folder / "other" / "net.pt"
        path.parent.mkdir()
        path.write_bytes(b"another")
        other = InputModel.import_model(path, name="another")
        script.load(script.folder / "net.pt")
        script.load(path)
        assert self.inputs(task) == {"net": known.id, "net 2": other.id}

    def test_its_own_output_is_no_input(self, task, script):
        script.load(script.save("best.pt", b"own" * 1000))
        assert self.inputs(task) == {}

    def test_a_package_and_a_file_in_its_local_folder(self, localreg_registry, script, tmp_path):
        earlier = Task.init(task_name="earlier")
        folder = script.folder / "net"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights" * 1000)
        ambient.recorder().saved_model("pytorch", folder, framework="PyTorch")
        earlier.close()
        (model,) = outputs(earlier).values()
        copy = model.get_weights_package(return_path=True)
        for place in (folder, copy, os.path.join(copy, "model.safetensors"),
                      shutil.copytree(folder, tmp_path / "copied")):  # fmt: skip
            later = Task.init(task_name="later", reuse_last_task_id=False)
            script.load(place)
            later.close()
            assert self.inputs(later) == {"net": model.id}, place
        (folder / "config.json").write_text("[]")
        later = Task.init(task_name="later", reuse_last_task_id=False)
        script.load(folder)
        later.close()
        assert self.inputs(later) == {}

    def test_a_model_of_an_upstream_registry(self, known, script, localreg_registry, tmp_path):
        below = Registry(tmp_path / "below", upstream=[localreg_registry.path])
        with below:
            task = Task.init(task_name="below")
            script.load(script.folder / "net.pt")
            task.close()
            assert self.inputs(task) == {"net": known.id}


class TestOptions:
    @pytest.mark.parametrize(
        ("frameworks", "recorded"),
        [
            (True, ["a", "b"]),
            (False, []),
            ({}, []),
            ({"pytorch": False}, []),
            ({"pytorch": "*.pt"}, ["a"]),
            ({"pytorch": ["*.pt", "*.pth"]}, ["a", "b"]),
            ({"pytorch": ["sub/*"]}, []),
            ({"xgboost": False}, ["a", "b"]),
        ],
    )
    def test_auto_connect_frameworks_holds(self, localreg_registry, script, frameworks, recorded):
        task = Task.init(task_name="train", auto_connect_frameworks=frameworks)
        script.save("a.pt", b"a")
        script.save("b.pth", b"b")
        task.close()
        assert [*outputs(task)] == recorded

    def test_a_pattern_means_the_final_name(self, localreg_registry, script):
        task = Task.init(task_name="train", auto_connect_frameworks={"pytorch": ["*.pt"]})
        script.save("best.pt.tmp", b"a")
        task.close()
        assert [*outputs(task)] == ["best"]

    def test_a_wrong_variable_is_an_error_at_the_start(self, localreg_registry, monkeypatch):
        monkeypatch.setenv("LOCALREG_KEEP_SAVED", "none")
        with pytest.raises(ValueError, match="LOCALREG_KEEP_SAVED must be a number of revisions"):
            Task.init(task_name="train")


class TestFailures:
    """A library is patched as by an integration: the errors of the recorder are caught there."""

    def test_a_full_disk_is_logged_once(self, small_disk, tmp_path, caplog):
        disk = small_disk("-t", "tmpfs", "-o", "size=4m", "none")
        with Registry(disk / "registry"):
            task = Task.init(task_name="train")
            for number in range(3):
                joblib.dump(os.urandom(5_000_000), tmp_path / f"large-{number}.joblib")
            joblib.dump(1, tmp_path / "small.joblib")
            task.close()
            assert [*outputs(task)] == ["small"]
        assert (tmp_path / "large-2.joblib").stat().st_size > 5_000_000
        (logged,) = [each.getMessage() for each in caplog.records if "record" in each.msg]
        assert logged.startswith("localreg could not record joblib.dump: StorageFullError: ")

    def test_a_registry_that_is_gone(self, tmp_path, caplog):
        with Registry(tmp_path / "registry"):
            task = Task.init(task_name="train")
            shutil.rmtree(tmp_path / "registry")
            assert joblib.dump(1, tmp_path / "a.joblib") == [str(tmp_path / "a.joblib")]
            assert joblib.load(tmp_path / "a.joblib") == 1
            with pytest.raises(RegistryReplacedError):
                task.close()
        assert "could not record joblib.dump" in caplog.text


CHILD = """
import sys, joblib
from localreg import Task

if __name__ == "__main__":
    task = Task.init("vision", "train")
    joblib.dump(sys.argv[1:], "best.joblib")
    if len(sys.argv) < 3:
        import subprocess
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "child"], check=True)
        joblib.dump("again", "best.joblib")
        (model,) = task.models["output"]
        print(model.name, [each.revision for each in model.revisions()])
    task.close()
"""


def test_a_child_process_of_the_task_adds_revisions(tmp_path):
    (tmp_path / "train.py").write_text(CHILD)
    run = subprocess.run(
        [sys.executable, "-m", "localreg.run", "train.py", "parent"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env=os.environ | {"LOCALREG_HOME": str(tmp_path / "registry")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "train - best [1, 2, 3]"


class TestCallbacks:
    def test_they_see_and_change_what_is_recorded(self, task, script):
        seen = []

        def before(action, info):
            seen.append((str(action), action == "save", info.model, info.upload_filename))
            if info.upload_filename == "skipped.pt":
                return None
            info.upload_filename = "slot_0.pt"
            info.local_model_id = "checkpoints:slot_0.pt"
            return info

        def after(action, info):
            seen.append((type(info), type(info.model), info.task, info.framework))
            info.model.comment = "by a callback"
            return info

        handles = (
            WeightsFileHandler.add_pre_callback(before),
            WeightsFileHandler.add_post_callback(after),
        )
        assert WeightsFileHandler.add_pre_callback(before) == handles[0]
        script.save("first.pt", b"one")
        script.save("second.pt", b"two")
        script.save("skipped.pt", b"three")
        assert seen == [
            ("save", True, None, "first.pt"),
            (ModelInfo, OutputModel, task, "PyTorch"),
            ("save", True, None, "second.pt"),
            (ModelInfo, OutputModel, task, "PyTorch"),
            ("save", True, None, "skipped.pt"),
        ]
        ((entry, model),) = outputs(task).items()
        assert (entry, model.comment, bytes_of(model)) == ("slot_0", "by a callback", b"two")
        assert WeightsFileHandler.remove_pre_callback(handles[0])
        assert not WeightsFileHandler.remove_pre_callback(handles[0])
        assert WeightsFileHandler.remove_post_callback(handles[1])
        script.save("third.pt", b"four")
        assert sorted(outputs(task)) == ["slot_0", "third"]

    def test_one_that_fails_is_logged_and_the_rest_goes_on(self, task, script, caplog):
        def fail(action, info):
            raise RuntimeError("broken")

        handle = WeightsFileHandler.add_pre_callback(fail)
        script.save("best.pt", b"one")
        WeightsFileHandler.remove_pre_callback(handle)
        assert [*outputs(task)] == ["best"]
        assert "a callback for weights failed: RuntimeError: broken" in caplog.text
