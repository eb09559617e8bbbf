"""The smaller modules of ClearML that localreg has, used as scripts and libraries use them."""

from __future__ import annotations

import logging
import math
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

from localreg import Task, clearml_shim
from localreg.api import ambient
from localreg.clearml_shim import modules
from localreg.errors import NotSupportedError


@pytest.fixture(autouse=True)
def shim():
    clearml_shim.install()
    yield
    clearml_shim.uninstall()


@pytest.fixture
def task(registry):
    task = Task.init("p", "t")
    yield task
    task.close()


# dicts and types ---------------------------------------------------------------------------


def test_nested_dicts_and_flat_ones():
    from clearml.utilities.proxy_object import (
        flatten_dictionary,
        naive_nested_from_flat_dictionary,
        nested_from_flat_dictionary,
    )

    nested = {"a": 1, "b": {"c": [1, "x"], "d": {"e": None}, "f": {}}, 3: "k"}
    flat = {"a": 1, "b/c": [1, "x"], "b/d/e": None, "b/f": {}, "3": "k"}
    assert flatten_dictionary(nested) == flat
    assert flatten_dictionary({"a": {"b": 1}}, prefix="P/", sep=".") == {"P/a.b": 1}
    there = {"a": 1, "b": {"c": 2, "d": 3}}
    inner = there["b"]
    assert nested_from_flat_dictionary(there, {"b/c": 5}) is there
    assert there["b"] is inner
    assert there == {"a": 1, "b": {"c": 5, "d": 3}}
    assert naive_nested_from_flat_dictionary({"b/c": 5, "a": 1}) == {"a": 1, "b": {"c": 5}}


def test_values_of_basic_types():
    from clearml.utilities.proxy_object import (
        cast_basic_type,
        get_basic_type,
        get_type_from_basic_type_str,
        verify_basic_type,
        walk_nested_dict_tuple_list,
    )

    for value in (1, 0.5, True, False, "x", [1, 2], (1.5,), {"a": 1}, [], {}, [1, "x"]):
        assert cast_basic_type(str(value), get_basic_type(value)) == value
        assert get_type_from_basic_type_str(get_basic_type(value)) is type(value)
        assert verify_basic_type(value)
    assert cast_basic_type("", "") is None
    assert cast_basic_type("x", "int") == "x"
    assert not verify_basic_type([object()])
    walked = walk_nested_dict_tuple_list({"a": [1, (2, {"b": 3})]}, lambda each: each * 10)
    assert walked == {"a": [10, (20, {"b": 30})]}


def test_dicts_that_are_merged_quoted_or_read_only():
    from clearml.utilities.dicts import (
        ReadOnlyDict,
        RequirementsDict,
        cast_str_to_bool,
        hocon_quote_key,
        hocon_unquote_key,
        merge_dicts,
    )

    first = {"a": {"b": 1, "c": 2}}
    assert merge_dicts(first, {"a": {"c": 3}, "d": 4}) is first
    assert first == {"a": {"b": 1, "c": 3}, "d": 4}
    dotted = {"a.b": [{"c.d": 1}], "e": 2}
    assert hocon_quote_key(dotted) == {'"a.b"': [{'"c.d"': 1}], "e": 2}
    assert hocon_unquote_key(hocon_quote_key(dotted)) == dotted
    assert [cast_str_to_bool(each) for each in ("TRUE", "false", "", "1", "0", "x")] == [
        True, False, False, True, False, None,
    ]  # fmt: skip
    fixed = ReadOnlyDict(a=1)
    for change in (
        lambda: fixed.update(a=2), fixed.clear, fixed.popitem, lambda: fixed.pop("a"),
        lambda: fixed.setdefault("b", 1), lambda: fixed.__setitem__("a", 2),
        lambda: fixed.__delitem__("a"), lambda: fixed.__ior__({"a": 2}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            change()
    assert fixed == {"a": 1}
    assert RequirementsDict(pip="x").pip == "x"
    assert RequirementsDict().conda is RequirementsDict().orig_pip is None


# settings, logs and hashes -----------------------------------------------------------------


def test_where_a_script_runs(monkeypatch):
    from clearml.config import (
        config,
        config_obj,
        deferred_config,
        get_cache_dir,
        get_is_master_node,
        get_node_id,
        get_remote_task_id,
        running_remotely,
    )

    assert not running_remotely()
    assert get_remote_task_id() is None
    monkeypatch.setenv("LOCALREG_TASK_ID", "f" * 32)
    assert running_remotely()
    assert get_remote_task_id() == "f" * 32
    assert config.get("storage.cache.size", 5) == config_obj.get("x", default=5) == 5
    with pytest.raises(KeyError, match="no default"):
        config.get("storage.cache.size")
    with pytest.raises(NotSupportedError, match="set_overrides"):
        config_obj.set_overrides({})
    assert deferred_config("a.b", 3) == 3
    assert deferred_config("a.b", 3, transform=str) == "3"
    assert get_cache_dir().is_absolute()
    assert get_is_master_node()
    monkeypatch.setenv("RANK", "2")
    assert get_node_id() == 2
    assert not get_is_master_node()


def test_loggers_are_those_of_logging(caplog):
    from clearml.debugging import get_null_logger
    from clearml.debugging.log import LoggerRoot, get_logger

    with caplog.at_level(logging.INFO):
        get_logger("/a/part.py").info("one")
        LoggerRoot.get_base_logger().info("two")
        get_null_logger().info("three")
    LoggerRoot.flush()
    assert [(each.name, each.message) for each in caplog.records] == [
        ("clearml.part", "one"), ("clearml", "two"),
    ]  # fmt: skip


def test_a_timer_adds_up():
    from clearml.debugging import Timer

    timer = Timer()
    first = timer.toc(average=False)
    assert first == timer.total_time == timer.average_time
    timer.toc()
    assert timer.average_time == timer.total_time / 2 >= first / 2
    timer.reset()
    assert timer.total_time == 0


def test_hashes_and_paths(tmp_path):
    from clearml.storage.filepaths import is_within_directory
    from clearml.storage.util import (
        crc32text,
        get_common_path,
        hash_dict,
        hash_text,
        md5text,
        sha256sum,
    )
    from clearml.utilities.hashing import md5_safe_hash, safe_hash, sha256_safe_hash
    from clearml.utilities.matching import matches_any_wildcard

    (tmp_path / "file").write_bytes(b"headbody")
    body, whole = (
        sha256_safe_hash(b"body").hexdigest(),
        safe_hash("sha256", b"headbody").hexdigest(),
    )
    assert sha256sum(str(tmp_path / "file"), skip_header=4) == (body, whole)
    assert sha256sum(str(tmp_path / "file")) == (whole, None)
    assert sha256sum(str(tmp_path / "missing")) == (None, None)
    assert md5text("x") == hash_text("x") == md5_safe_hash(b"1337x").hexdigest()
    assert len(crc32text("x")) == 8
    assert hash_dict({"a": 1, "b": 2}) == hash_dict({"b": 2, "a": 1}) != hash_dict({"a": 2})
    assert hash_dict({"a": 1}, hash_func="crc32") == crc32text('{"a": 1}')
    with pytest.raises(ValueError, match="hash_func"):
        hash_text("x", hash_func="none")
    assert get_common_path(["/a/b/c", "/a/b/d/e"]) == "/a/b"
    assert get_common_path([]) is None
    assert is_within_directory("a", "a/b.txt")
    assert not is_within_directory("a", "a/../b.txt")
    assert not is_within_directory("a", "ab/c")
    for path, pattern, deep, flat in (
        ("d/file.ext", "*.ext", True, False),
        ("d/file.ext", "d/*.ext", True, True),
        ("d/e/file.ext", "d/*.ext", True, False),
        ("file.ext", "d/*", False, False),
    ):
        assert matches_any_wildcard(path, pattern) is deep
        assert matches_any_wildcard(path, [pattern, "none"], recursive=False) is flat
    assert matches_any_wildcard("anything", None)


def test_seeds():
    from clearml.utilities.seed import make_deterministic

    found = []
    for seed in (7, 7, 8):
        make_deterministic(seed)
        found.append((random.random(), numpy.random.rand()))
    assert found[0] == found[1] != found[2]


def test_a_storage_helper_reads_and_writes_files(registry, tmp_path):
    from clearml.storage.helper import StorageHelper

    helper = StorageHelper.get(tmp_path / "store")
    (tmp_path / "a.txt").write_text("one")
    url = helper.upload(tmp_path / "a.txt", f"{helper.base_url}/sub/a.txt")
    assert helper.list() == ["sub/a.txt"]
    assert helper.list(f"{helper.base_url}/sub", with_metadata=True) == [
        {"name": "a.txt", "size": 3}
    ]
    assert helper.exists_file(url)
    assert helper.get_object_size_bytes(url) == 3
    place = tmp_path / "copy.txt"
    assert helper.download_to_file(url, place) == str(place)
    place.write_text("changed")
    helper.download_to_file(url, place)
    assert place.read_text() == "changed"
    helper.download_to_file(url, place, overwrite_existing=True)
    assert place.read_text() == "one"
    assert helper.download_to_file(tmp_path / "missing", tmp_path / "new") is None


# parameters as a class ---------------------------------------------------------------------


def test_a_class_of_parameters_is_recorded(task, monkeypatch):
    from clearml.task_parameters import TaskParameters, param, percent_param

    class Mine(TaskParameters):
        steps = param(type=int, range=(0, 100), desc="how many")
        goal = percent_param(default=0.5)
        names = param(factory=list, validator=lambda instance, attribute, value: len(value))

    mine = Mine(steps=3)
    assert mine.to_dict() == {"steps": 3, "goal": 0.5, "names": []}
    for wrong, error in (
        ({"steps": 101}, ValueError), ({"steps": "3"}, TypeError), ({}, TypeError),
        ({"steps": 1, "goal": 2.0}, ValueError), ({"steps": 1, "other": 1}, TypeError),
    ):  # fmt: skip
        with pytest.raises(error):
            Mine(**wrong)
    assert mine.connect(task) is mine
    assert task.get_parameters(cast=True) == {
        "General/steps": 3, "General/goal": 0.5, "General/names": [],
    }  # fmt: skip
    task.set_parameter("General/steps", 9)
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    mine.connect(task)
    assert mine.steps == 9
    mine.update_from_dict({"goal": 0.25})
    assert mine.goal == 0.25
    with pytest.raises(ValueError, match="no parameter 'other'"):
        mine.update_from_dict({"other": 1})


# what libraries use ------------------------------------------------------------------------


def test_libraries_record_their_arguments(task):
    values = {
        "lr": 0.1,
        "names": ["a"],
        "object": [{"a": Path("b")}],
        "none": None,
        "odd": {(1, 2): 3},
    }
    assert task._arguments.copy_from_dict(values, prefix="Trainer/") is values
    found = task.get_parameters(cast=True)
    assert found.pop("Trainer/object") == [{"a": "b"}]
    assert found.pop("Trainer/odd") == "{(1, 2): 3}"
    assert found == {"Trainer/lr": 0.1, "Trainer/names": ["a"], "Trainer/none": None}
    task._arguments.copy_from_dict({"seed": 1})
    task.set_parameter("General/seed", "7")
    assert task._arguments.copy_to_dict({"seed": 1, "other": 2}) == {"seed": 7, "other": 2}
    assert task.get_parameter("Trainer/lr") == "0.1"


def test_callbacks_change_how_saved_weights_are_recorded(task, tmp_path):
    """As ignite's saver does it: the slot of a checkpoint is one model, whatever its file."""
    from clearml.binding.frameworks import WeightsFileHandler

    seen = []

    def before(action, info):
        seen.append((str(action), info.framework, info.local_model_path))
        if info.upload_filename == "skipped.pt":
            return None
        info.upload_filename = "slot_0.pt"
        info.local_model_id = "checkpoint:slot_0.pt"
        return info

    def after(action, info):
        assert action == WeightsFileHandler.CallbackType.save == "save"
        info.model.name = f"{info.task.name}: best"
        return info

    handles = (
        WeightsFileHandler.add_pre_callback(before),
        WeightsFileHandler.add_post_callback(after),
    )
    assert WeightsFileHandler.add_pre_callback(before) == handles[0]
    recorder = ambient.recorder()
    for number, name in enumerate(("first.pt", "skipped.pt", "second.pt")):
        (tmp_path / name).write_bytes(b"%d" % number)
        recorder.saved_model("pytorch", tmp_path / name, framework="PyTorch")
    assert WeightsFileHandler.remove_pre_callback(handles[0])
    assert WeightsFileHandler.remove_post_callback(handles[1])
    assert not WeightsFileHandler.remove_post_callback(handles[1])
    [model] = task.models["output"]
    assert model.name == "t: best"
    assert [each.filename for each in model.revisions()] == ["slot_0.pt", "slot_0.pt"]
    assert seen[0] == ("save", "PyTorch", str(tmp_path / "first.pt"))
    recorder.saved_model("pytorch", tmp_path / "first.pt", framework="PyTorch")
    assert {each.name for each in task.models["output"]} == {"t: best", "t - first"}


def test_files_of_other_frameworks_are_recorded_by_a_call(task, tmp_path):
    from clearml.binding.frameworks import WeightsFileHandler

    path = tmp_path / "own.bin"
    path.write_bytes(b"weights")
    same = WeightsFileHandler.create_output_model(None, str(path), "Own", task, model_name="mine")
    assert same == str(path)
    [model] = task.models["output"]
    assert (model.name, model.framework) == ("t - mine", "Own")
    assert WeightsFileHandler.restore_weights_file(None, "nothing", "Own", task) == "nothing"
    assert WeightsFileHandler.create_output_model(None, str(path), "Own", None) == str(path)
    assert len(task.models["output"]) == 1


def test_a_library_stops_reporting_until_the_next_task(task, tmp_path):
    """As ultralytics asks for: it reports its plots and models itself."""
    from clearml.binding.frameworks.pytorch_bind import PatchPyTorchModelIO
    from clearml.binding.matplotlib_bind import PatchedMatplotlib

    recorder = ambient.recorder()
    PatchPyTorchModelIO.update_current_task(None)
    PatchedMatplotlib.update_current_task(None)
    assert not recorder.wants("pytorch")
    assert not recorder.wants("matplotlib")
    assert recorder.wants("xgboost")
    PatchedMatplotlib.update_current_task(task)
    assert recorder.wants("matplotlib")
    task.close()
    other = Task.init("p", "other")
    assert ambient.recorder().wants("pytorch")
    other.close()


def reported():
    """Return a logger that keeps what it is given."""
    found = []
    return found, SimpleNamespace(report_surface=lambda **facts: found.append(facts))


def test_histograms_of_a_series_are_one_surface(task):
    from clearml.binding.frameworks.tensorflow_bind import WeightsGradientHistHelper

    helper = WeightsGradientHistHelper(logger=task.get_logger(), report_freq=1)
    for step in range(3):
        helper.add_histogram("weights", "layer", step, numpy.linspace(-step, 1, 100))
    [figure] = [each for each in task.figures() if each.layout.title.text]
    assert "weights" in figure.layout.title.text
    assert figure.data[0].type == "surface"
    assert len(figure.data[0].z) == 3


def test_few_histograms_of_many_are_reported():
    from clearml.binding.frameworks.tensorflow_bind import WeightsGradientHistHelper

    found, logger = reported()
    helper = WeightsGradientHistHelper(logger, 2, 4, 5)
    for step in range(100):
        helper.add_histograms(
            [
                {"title": "w", "series": name, "step": step, "hist_data": numpy.arange(9.0) + step}
                for name in ("a", "b")
            ]
        )
    assert {each["series"] for each in found} == {"a", "b"}
    assert max(len(each["matrix"]) for each in found) == 5
    assert found[0]["matrix"].shape == (2, 50)  # of one histogram
    last = [each for each in found if each["series"] == "a"][-1]
    assert last["ylabels"][0] == "1"  # the first call that counts
    assert [int(each) for each in last["ylabels"]] == sorted(map(int, last["ylabels"]))


@pytest.mark.parametrize(
    "counted",
    [
        numpy.array([[0.0, 1.0, 4.0], [1.0, 2.0, 8.0]]),
        {"bucketLimit": [0.0, 1.0, math.inf], "bucket": [4.0, 8.0, 0.0]},
    ],
)
def test_histograms_that_are_counted_already_keep_their_heights(counted):
    from clearml.binding.frameworks.tensorflow_bind import WeightsGradientHistHelper

    found, logger = reported()
    WeightsGradientHistHelper(logger, 1).add_histogram("w", "a", 5, counted)
    assert found[0]["matrix"][1][0] == 4.0
    assert found[0]["matrix"][1][-1] == 8.0
    assert found[0]["ylabels"] == ["", "5"]


def test_the_modules_import_no_framework():
    """In a process of its own: other tests import them."""
    names = [path.stem for path in Path(modules.__path__[0]).glob("*.py")]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module('localreg.clearml_shim.modules.' + name)\n"
        "assert not {'torch', 'tensorflow', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
