"""Offline sessions that real versions of the ClearML SDK recorded, brought here: decision 69."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from support.sessions import (
    CLOSED,
    CRASHED,
    OLDER,
    SMALL,
    STORES,
    changed,
    folder_of,
    lines_of,
    session_id,
    task_json,
    write_lines,
    zip_of,
)

from localreg import InputModel, Registry, Task
from localreg.api import ambient
from localreg.errors import InvalidValueError, SourceNotFoundError, TaskNotFoundError
from localreg.operations.importers.clearml_session import import_session


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


def brought(name, into):
    """Bring a session as a zip; return its task."""
    return Task.get_task(Task.import_offline_session(zip_of(folder_of(name, into))))


def times(name):
    """Return the first and the last time in a session, in seconds."""
    found = [
        event["timestamp"] / 1_000
        for file in ("log.jsonl", "metrics.jsonl")
        for line in lines_of(STORES / name, file)
        for event in line
    ]
    return min(found), max(found)


def test_settings_come_as_they_were(tmp_path):
    task = brought(CLOSED, tmp_path)
    assert task.id == session_id(CLOSED)
    assert Task.get_task(f"offline-{task.id}") == task
    assert (task.name, task.task_type, task.status) == ("train: a+b", "training", "completed")
    assert task.get_project_name() == "vis ion/cäts"
    assert task.get_tags() == ["a", "b"]
    assert task.comment == "first try"
    assert task.get_parameters(cast=True) == {
        "General/lr": 0.1, "General/layers": [1, 2], "General/resume": None, "General/flag": True,
        "General/opt/name": "adam", "Data/size": 224, "properties/owner": "anna",
    }  # fmt: skip
    assert task.get_configuration_object("net") == "a {\n  b = 1\n}"
    assert task.get_labels_enumeration() == {"cat": 1, "dog": 2}
    script = task.get_script()
    assert script["entry_point"] == "train.py"
    assert script["diff"] == task_json(STORES / CLOSED)["script"]["diff"]
    assert script["python"].startswith("3.11")
    assert task.get_requirements()["clearml"] == "2.1.12"


def test_times_are_those_of_the_session(registry, tmp_path):
    task = brought(CLOSED, tmp_path)
    first, last = times(CLOSED)
    found = next(iter(registry.db.query("SELECT created, ended FROM task")))
    assert found["created"] == round(first * 1_000_000)
    assert found["ended"] >= round(last * 1_000_000)
    assert found["ended"] - found["created"] < 60_000_000
    models = [each.revisions()[0].at for each in registry.models()]
    assert all(each <= datetime.now(UTC) for each in models)
    stored = registry.db.query("SELECT at, arrived FROM event WHERE subject = ?", [task.id])
    assert all(row["at"] < row["arrived"] for row in stored)


def test_reports_come_with_iterations_and_times(registry, tmp_path):
    task = brought(CLOSED, tmp_path)
    scalars = task.get_reported_scalars()["loss"]
    assert scalars["train"]["x"] == [0, 1, 2, 3, 4]
    assert scalars["validation"]["y"] == pytest.approx([2, 1, 2 / 3, 0.5, 0.4])
    assert task.get_reported_single_values() == {"accuracy": 0.93}
    points = list(registry.db.query("SELECT s.epoch + c.ms AS at FROM scalar c JOIN series s "
                                    "ON s.pk = c.series WHERE s.task IS NOT NULL"))  # fmt: skip
    said = {
        event["timestamp"]
        for line in lines_of(STORES / CLOSED, "metrics.jsonl")
        for event in line
        if event["type"] == "training_stats_scalar"
    }
    assert {row["at"] for row in points} <= said


def test_plots_and_files_come(registry, tmp_path):
    brought(CLOSED, tmp_path)
    rows = registry.db.query("SELECT title, series, iteration, kind FROM plot ORDER BY 1, 2, 3")
    found = [tuple(row.values()) for row in rows]
    assert [row for row in found if row[0] != "a/b: c?"] == [
        ("bars", "h", 1, "plotly"), ("confusion", "c", 1, "plotly"),
        ("drawn", "as a picture", 1, "media"), ("drawn", "converted", 1, "plotly"),
        ("drawn", "sample", 1, "media"), ("media", "link", 1, "media"),
        ("media", "page", 2, "media"), ("media", "sound", 2, "media"),
        ("plotly", "p", 1, "plotly"), ("points", "s", 1, "plotly"), ("table", "t", 1, "plotly"),
    ]  # fmt: skip
    pictures = [row for row in found if row[0] == "a/b: c?"]
    assert pictures == [("a/b: c?", "é & 100%", step, "media") for step in range(7)]
    assert registry.verify().problems == ()


def test_of_a_file_that_was_written_over_only_the_last_report_comes(registry, tmp_path):
    folder = folder_of(SMALL, tmp_path)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "a.png").write_bytes(b"the last")
    event = {
        "type": "training_debug_image", "task": task_json(folder)["id"], "metric": "a",
        "variant": "b", "key": "a.png", "url": "/elsewhere/data/a.png",
    }  # fmt: skip
    write_lines(
        folder, "metrics.jsonl",
        [[event | {"iter": step, "timestamp": 1_700_000_000_000 + step}] for step in range(3)],
    )  # fmt: skip
    Task.import_offline_session(folder)
    assert [row["iteration"] for row in registry.db.query("SELECT iteration FROM plot")] == [2]


def test_a_file_has_the_name_that_was_asked_for(registry, tmp_path):
    folder = folder_of(OLDER, tmp_path)

    def rename(found):
        for each in found["offline_output_models"]:
            each["weights"]["target_filename"] = "net.bin"

    changed(folder, rename)
    Task.import_offline_session(folder)
    found = registry.model("vis ion/cäts/net").revisions()
    assert [each.filename for each in found] == ["net.bin", "net.bin"]


def test_a_task_that_the_sdk_continued_in_its_session_goes_on(registry, tmp_path):
    """`Task.init(continue_last_task=ID)` of the SDK appends to the folder and packs it again."""
    folder = folder_of(SMALL, tmp_path)
    task = Task.get_task(Task.import_offline_session(zip_of(folder)))
    ended = next(iter(registry.db.query("SELECT ended FROM task")))["ended"]
    lines = lines_of(folder, "metrics.jsonl")
    later = lines[0][0] | {"iter": 2, "timestamp": lines[0][0]["timestamp"] + 60_000}
    write_lines(folder, "metrics.jsonl", [*lines, [later]])
    assert Task.import_offline_session(zip_of(folder)) == task.id
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [1, 2]
    assert next(iter(registry.db.query("SELECT ended FROM task")))["ended"] > ended


def test_the_console_comes_line_by_line(registry, tmp_path):
    brought(CLOSED, tmp_path)
    rows = list(registry.db.query("SELECT level, text FROM message ORDER BY stamp"))
    lines = [(row["level"], row["text"]) for row in rows]
    assert (20, "a text") in lines
    assert (20, "printed") in lines
    assert (40, "warned") in lines
    assert (20, "100%") in lines  # of "10%\r50%\r100%" what the screen shows at the end
    assert not [text for _, text in lines if "\n" in text or "\r" in text]


def test_of_a_progress_bar_the_end_comes(registry, tmp_path):
    folder = folder_of(SMALL, tmp_path)
    event = {"task": task_json(folder)["id"], "timestamp": 1_700_000_000_000, "level": "info"}
    write_lines(folder, "log.jsonl", [[event | {"msg": "1%\r50%\r\x1b[32m99%\x1b[0m\r\n\ndone\n"}]])
    Task.import_offline_session(folder)
    rows = registry.db.query("SELECT text FROM message ORDER BY stamp")
    assert [row["text"] for row in rows] == ["99%", "", "done"]


def test_artifacts_of_all_kinds_come(tmp_path):
    task = brought(CLOSED, tmp_path)
    found = task.artifacts
    assert found["dict"].get() == {"a": 1}
    assert found["frame"].get()["a"].tolist() == [1, 2]
    assert found["table"].get().to_dict("list") == {"z": [1]}
    assert np.array_equal(found["array"].get(), np.arange(3))
    assert found["text"].get() == "hello"
    assert found["image"].get().size == (4, 4)
    assert found["file"].metadata == {"k": "v"}
    with open(found["file"].get_local_copy(), encoding="utf-8") as reader:
        assert reader.read() == "notes\n"
    with open(f"{found['folder'].get_local_copy()}/a.txt", encoding="utf-8") as reader:
        assert reader.read() == "a"


def test_pickled_artifacts_are_kept_as_bytes_and_never_loaded(tmp_path):
    artifact = brought(CLOSED, tmp_path).artifacts["pickled"]
    with pytest.raises(InvalidValueError, match=r"never unpickles"):
        artifact.get()
    with open(artifact.get_local_copy(), "rb") as reader:
        assert b"object" in reader.read()
    assert artifact.get(deserialization_function=len) > 10


@pytest.mark.parametrize("name", [CLOSED, OLDER])
def test_models_come_with_their_files(name, registry, tmp_path):
    task = brought(name, tmp_path)
    net = registry.model("vis ion/cäts/net:1")
    assert (net.framework, net.labels, net.tags) == ("PyTorch", {"cat": 1}, ["good"])
    assert net.comment.endswith("ours")
    assert net.task == task.id
    assert InputModel(net.id).config_dict == {"layers": 3} or net.config_text == "layers = 3"
    assert [each.filename for each in net.revisions()] == ["first.bin", "last.bin"]
    with open(net.get_local_copy(), "rb") as reader:
        assert reader.read() == b"weights of last.bin"
    assert task.models["output"]["net"].id == net.id
    assert registry.model("vis ion/cäts/elsewhere:1").url == "s3://bucket/net.bin"


def test_what_was_reported_to_a_model_comes_to_it(registry, tmp_path):
    brought(CLOSED, tmp_path)
    net = registry.model("vis ion/cäts/net:1")
    assert net.get_reported_scalars() == {"net": {"loss": {"x": [1], "y": [1.5]}}}


def test_what_only_has_an_address_is_kept_and_said(registry, tmp_path, caplog):
    task = brought(CLOSED, tmp_path)
    assert task.artifacts["link"].url == "https://example.org/data.csv"
    for address in ("https://example.org/data.csv", "https://example.org/cat.png", "s3://bucket/"):
        assert address in caplog.text


def test_a_page_is_written_of_it(tmp_path):
    page = brought(CLOSED, tmp_path).get_output_log_web_page()
    with open(page.removeprefix("file://"), encoding="utf-8") as reader:
        assert "train: a+b" in reader.read()


def test_a_session_that_was_not_closed_is_aborted(tmp_path):
    task = Task.get_task(Task.import_offline_session(folder_of(CRASHED, tmp_path)))
    assert task.status == "aborted"
    assert "not closed" in task.get_status_message()
    assert set(task.models["output"].keys()) == {"net", "elsewhere"}


def test_the_same_session_twice_is_the_same_task(registry, tmp_path):
    folder = folder_of(CLOSED, tmp_path)
    packed = zip_of(folder)
    task = Task.import_offline_session(packed)
    before = [*registry.db.conn.iterdump()]
    assert Task.import_offline_session(packed) == task
    assert Task.import_offline_session(str(folder)) == task
    assert [*registry.db.conn.iterdump()] == before


def test_registries_that_brought_the_same_can_meet(registry, tmp_path):
    packed = zip_of(folder_of(CLOSED, tmp_path))
    with Registry(tmp_path / "other", durability="fast") as other:
        Task.import_offline_session(packed)
        other.model("vis ion/cäts/net:1")
    Task.import_offline_session(packed, registry=registry)
    merged = registry.merge(tmp_path / "other")
    assert (merged.events, merged.reports, merged.differences) == (0, 0, ())


def test_models_of_a_second_session_get_the_next_numbers(registry, tmp_path):
    for name in (CLOSED, OLDER, CRASHED):
        brought(name, tmp_path)
    refs = sorted(each.ref for each in registry.models() if each.name == "net")
    assert refs == [f"vis ion/cäts/net:{number}" for number in (1, 2, 3)]
    assert registry.model("vis ion/cäts/net:1").task == session_id(CLOSED)


def test_a_session_that_has_grown_brings_what_is_new(registry, tmp_path):
    folder = folder_of(CRASHED, tmp_path)
    task = Task.get_task(Task.import_offline_session(folder))
    events = len(registry.history(limit=None))
    lines = lines_of(folder, "metrics.jsonl")
    event = next(each for line in lines for each in line if each["metric"] == "loss")
    write_lines(folder, "metrics.jsonl", [*lines, [event | {"iter": 5, "value": 0.25}]])

    def grow(found):
        found["comment"] = "second try"
        found["hyperparams"]["General"]["lr"]["value"] = "0.2"
        found["tags"].append("c")

    changed(folder, grow)
    assert Task.import_offline_session(zip_of(folder)) == task.id
    assert task.status == "completed"
    assert (task.comment, task.get_parameter("General/lr")) == ("second try", "0.2")
    assert task.get_tags() == ["a", "b", "c"]
    assert task.get_reported_scalars()["loss"][event["variant"]]["x"][-1] == 5
    # comment, lr, tag, state
    assert len(registry.history(limit=None)) == events + 4


def test_what_was_changed_here_meanwhile_stays(registry, tmp_path):
    folder = folder_of(CRASHED, tmp_path)
    task = Task.get_task(Task.import_offline_session(folder))
    task.set_comment("mine")
    changed(folder, lambda found: found.update(comment="theirs"))
    Task.import_offline_session(folder)
    assert task.comment == "mine"


def test_a_task_that_was_removed_here_stays_removed(registry, tmp_path):
    packed = zip_of(folder_of(SMALL, tmp_path))
    task = Task.get_task(Task.import_offline_session(packed))
    task.delete()
    Task.import_offline_session(packed)
    with pytest.raises(TaskNotFoundError):
        Task.get_task(task.id)


def test_an_id_that_something_else_has_here_is_not_taken(tmp_path):
    own = Task.create("p", "own")
    folder = folder_of(SMALL, tmp_path)
    changed(folder, lambda found: found.update(id=f"offline-{own.id}"))
    made = Task.import_offline_session(folder)
    assert made != own.id
    assert own.name == "own"
    assert Task.import_offline_session(folder) == made


def test_a_task_goes_on_with_a_session(tmp_path):
    task = Task.init("p", "first")
    task.connect({"lr": 1.0, "own": 2})
    task.get_logger().report_scalar("loss", "train", value=9, iteration=0)
    task.close()
    packed = zip_of(folder_of(CLOSED, tmp_path))
    for _ in range(2):
        assert Task.import_offline_session(packed, task.id, iteration_offset=100) == task.id
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [0, 100, 101, 102, 103, 104]
    assert task.get_parameters(cast=True)["General/lr"] == 0.1
    assert task.get_parameters(cast=True)["General/own"] == 2
    assert task.artifacts["dict"].get() == {"a": 1}
    assert task.models["output"]["net"].task == task.id
    assert len(Task.get_tasks()) == 1


def test_a_dry_run_says_the_same_and_changes_nothing(registry, tmp_path):
    packed = zip_of(folder_of(CLOSED, tmp_path))
    before = [*registry.db.conn.iterdump()]
    chain = registry._opened(make=True)
    wanted = import_session(chain, packed, dry_run=True)
    assert [*registry.db.conn.iterdump()] == before
    done = import_session(chain, packed)
    names = ("models", "events", "blobs", "size", "reports", "missing", "tasks")
    assert [getattr(wanted.arrived, each) for each in names] == [
        getattr(done.arrived, each) for each in names
    ]


def test_a_packed_folder_is_a_session_too(tmp_path):
    (tmp_path / "out").mkdir()
    folder_of(SMALL, tmp_path / "out")
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "out")
    assert Task.import_offline_session(packed) == session_id(SMALL)


def test_what_is_no_session_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.zip").write_text("notes", encoding="utf-8")
    for each in ("empty", "notes.zip"):
        with pytest.raises(InvalidValueError, match=r"no offline session"):
            Task.import_offline_session(tmp_path / each)
    with pytest.raises(SourceNotFoundError):
        Task.import_offline_session(tmp_path / "nothing.zip")


def test_the_example_of_clearml_for_offline_mode_runs_unchanged(tmp_path):
    with ambient.isolated(), Registry(tmp_path / "own", durability="fast"):
        assert Task.create("p", "t").get_offline_mode_folder() is None
        Task.set_offline(True)
        assert Task.is_offline()
        task = Task.init(project_name="DEBUG", task_name="offline")
        task.upload_artifact("large_artifact", "test_string")
        task.close()
        Task.set_offline(False)
        assert not Task.is_offline()
        folder = task.get_offline_mode_folder()
        assert Task.import_offline_session(folder) == task.id
        assert Task.import_offline_session(f"{folder}.zip") == task.id
        assert [each.name for each in Task.get_tasks(project_name="DEBUG")] == ["offline"]


def test_the_variable_of_clearml_means_offline(monkeypatch):
    with ambient.isolated():
        assert not Task.is_offline()
        monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
        assert Task.is_offline()
        Task.set_offline(False)
        assert not Task.is_offline()
