"""A folder for MLflow: what is in its database and beside it, compared with the registry."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.mlflow_folders import digests, expected, path_of, read, without_times

from localreg import Dataset, Registry, Task
from localreg.store.foreign.mlflow_writing import VERSION

SCHEMA = Path(__file__).parents[2] / "support" / "stores"


def rows(folder, sql, *values):
    with closing(sqlite3.connect(Path(folder, "mlflow.db"))) as connection:
        return connection.execute(sql, values).fetchall()


def tags_of(folder, run):
    return dict(rows(folder, "SELECT key, value FROM tags WHERE run_uuid = ?", run))


def artifacts_of(folder, run):
    [(uri,)] = rows(folder, "SELECT artifact_uri FROM runs WHERE run_uuid = ?", run)
    return path_of(uri)


def task_of(registry, name):
    return next(each for each in registry.tasks() if each.name == name)


def test_runs_and_models_are_as_the_registry_has_them(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    wanted = expected(made)
    assert len(wanted["runs"]) == 5
    assert [*wanted["models"]["vision.resnet"]["versions"]] == ["2", "1"]
    assert without_times(read(tmp_path / "out"), wanted) == wanted


def test_the_schema_is_that_of_mlflow(made, tmp_path):
    """Tables, columns, keys, constraints with their names, indexes and triggers."""
    from support.stores.make_mlflow_schema import facts_of

    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    with closing(sqlite3.connect(tmp_path / "out" / "mlflow.db")) as connection:
        found = json.loads(json.dumps(facts_of(connection)))
    wanted = json.loads((SCHEMA / "mlflow_schema.json").read_text())
    assert wanted.pop("mlflow").startswith("3.17.")
    assert found == wanted
    assert wanted["version"] == VERSION


def test_the_database_is_sound(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    assert rows(tmp_path / "out", "PRAGMA integrity_check") == [("ok",)]
    assert rows(tmp_path / "out", "PRAGMA foreign_key_check") == []


def test_times_are_those_of_the_registry_in_milliseconds(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    task = task_of(made, "train")
    [(start, end)] = rows(
        tmp_path / "out", "SELECT start_time, end_time FROM runs WHERE run_uuid = ?", task.id
    )
    [record] = [each for each in made.tasks().records() if each.id == task.id]
    assert start == int(record.created.timestamp() * 1_000)
    assert start <= end
    [(created,)] = rows(
        tmp_path / "out",
        "SELECT creation_time FROM model_versions WHERE name = 'vision.resnet' AND version = 1",
    )
    [model] = [
        each for each in made.models(name="resnet").records() if each.ref == "vision/resnet:1"
    ]
    assert created == int(model.created.timestamp() * 1_000)


def test_the_last_value_of_a_metric_is_that_of_the_greatest_step(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    task = task_of(made, "train")
    last = rows(
        tmp_path / "out",
        "SELECT key, step, value FROM latest_metrics WHERE run_uuid = ? ORDER BY key", task.id,
    )  # fmt: skip
    assert last == [("accuracy", 4, 0.4), ("loss/train", 2, -1e300), ("score", 0, 0.75)]


def test_user_properties_are_tags_with_values(made, tmp_path):
    task = task_of(made, "train")
    task.set_parameters(
        {
            "properties/team": "growth",
            "properties/empty": "",
            "properties/long": "y" * 6_001,
            "properties/mlflow.user": "x",
            "properties/night": "also a tag",
            "properties/api_key": "secret",
        }
    )
    done = made.export(everything=True, path=tmp_path / "out", format="mlflow")
    tags = tags_of(tmp_path / "out", task.id)
    assert (tags["team"], tags["night"]) == ("growth", "")
    assert "secret" not in tags["api_key"]
    assert done.changed["values, whose secrets are hidden"] == 1
    query = "SELECT key FROM params WHERE run_uuid = ? ORDER BY key"
    assert [key for (key,) in rows(tmp_path / "out", query, task.id)] == [
        "properties/empty",
        "properties/long",
        "properties/mlflow.user",
        "properties/night",
    ]


def test_tags_notes_and_parents_are_tags_of_mlflow(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    task, whole = task_of(made, "train"), task_of(made, "sweep")
    tags = tags_of(tmp_path / "out", task.id)
    assert tags["night"] == tags["good"] == ""
    assert tags["mlflow.note.content"] == "a note"
    assert tags["mlflow.parentRunId"] == whole.id
    assert tags["mlflow.runName"] == "train"
    assert (tags["localreg.id"], tags["localreg.status"]) == (task.id, "completed")
    assert json.loads(tags["localreg.singles"]) == ["score"]
    failed = tags_of(tmp_path / "out", task_of(made, "broken").id)
    assert failed["localreg.reason"] == "no memory"


def test_files_of_a_run_are_its_artifacts(made, tmp_path):
    made.export(everything=True, path=tmp_path / "out", format="mlflow")
    place = artifacts_of(tmp_path / "out", task_of(made, "train").id)
    found = {each.relative_to(place).as_posix() for each in place.rglob("*") if each.is_file()}
    assert found == {
        "facts.json", "w.pt", "folder/README.md", "folder/config.json",
        "folder/part/model.safetensors", "configurations/data.txt", "configurations/model.txt",
        "parameters/long.txt",
        "plots/sizes_all_4.json", "media/sounds_m_0.txt", "console.log",
    }  # fmt: skip
    assert (place / "w.pt").read_bytes() == b"first weights"
    assert json.loads((place / "facts.json").read_text()) == {"a": 1}
    assert (place / "media/sounds_m_0.txt").read_bytes() == b"text"
    assert (place / "configurations/data.txt").read_text() == "path: here\n"
    assert "INFO a line\n" in (place / "console.log").read_text()
    assert set(json.loads((place / "plots/sizes_all_4.json").read_text())) == {"data", "layout"}


def test_a_long_parameter_is_cut_and_whole_in_a_file(made, tmp_path):
    done = made.export(everything=True, path=tmp_path / "out", format="mlflow")
    task = task_of(made, "train")
    whole = task.get_parameters()["General/long"]
    [(value,)] = rows(tmp_path / "out", "SELECT value FROM params WHERE key = 'long'")
    assert value == whole[:6_000]
    assert (artifacts_of(tmp_path / "out", task.id) / "parameters/long.txt").read_text() == whole
    assert done.changed == {"parameters, cut after 6,000 characters": 1}


def test_weights_that_are_only_at_a_url_are_missing_and_the_version_has_the_url(made, tmp_path):
    done = made.export(everything=True, path=tmp_path / "out", format="mlflow")
    assert [each.ref for each in done.missing] == ["vision/far:1"]
    assert not any(each.lost for each in done.missing)
    [(source,)] = rows(
        tmp_path / "out", "SELECT source FROM model_versions WHERE name = 'vision.far'"
    )
    assert source == "https://example.org/far.pt"


def test_only_chosen_models_go_with_the_tasks_that_made_them(made, tmp_path):
    done = made.export("vision/resnet:2", path=tmp_path / "out", format="mlflow")
    second = made.model("vision/resnet:2")
    assert [each.id for each in done.models] == [second.id]
    runs = {run for (run,) in rows(tmp_path / "out", "SELECT run_uuid FROM runs")}
    assert runs == {second.task, second.id}
    assert done.tasks == 1


def test_secrets_are_hidden_and_counted(registry, tmp_path):
    task = Task.create("p", "t")
    task.set_parameters({"General/api_key": "hunter2-hunter2"})
    task.set_comment("see https://me:hunter2-hunter2@example.org/")
    task.set_configuration_object("c", config_text="password: hunter2-hunter2\n")
    task.get_logger().report_text("with hunter2-hunter2")
    task.upload_artifact("there", "https://me:hunter2-hunter2@example.org/x")
    registry.add(__file__, "m", "p", metadata={"token": "hunter2-hunter2"})
    done = registry.export(everything=True, path=tmp_path / "out", format="mlflow")
    assert done.changed == {"values, whose secrets are hidden": 3}
    for each in (tmp_path / "out").rglob("*"):
        if each.is_file() and each.suffix != ".py":
            assert b"hunter2" not in each.read_bytes(), each
    [(value,)] = rows(tmp_path / "out", "SELECT value FROM params")
    assert value == "***"


def test_names_that_mlflow_does_not_take_get_others(registry, tmp_path, write_file):
    for name in ("a/b", "a:b", "a.b"):
        registry.add(write_file("w.pt", name.encode()), name, "p")
    task = Task.create("Default", "t")
    task.get_logger().report_scalar("../up", "x", 1.0, 0)
    task.get_logger().report_scalar("a", "b", 1.0, 0)
    task.get_logger().report_scalar("a/b", "a/b", 2.0, 0)
    task.add_tags(["mlflow.user"])
    registry.set_alias("p/a.b:1", "v1")
    done = registry.export(everything=True, path=tmp_path / "out", format="mlflow")
    models = rows(
        tmp_path / "out",
        "SELECT name, value FROM registered_model_tags WHERE key = 'localreg.name' ORDER BY name",
    )
    assert models == [("p.a.b", "a.b"), ("p.a.b (2)", "a/b"), ("p.a.b (3)", "a:b")]
    keys = [key for (key,) in rows(tmp_path / "out", "SELECT key FROM metrics ORDER BY key")]
    assert keys == ["_/up/x", "a/b", "a/b (2)"]
    experiments = rows(tmp_path / "out", "SELECT name FROM experiments ORDER BY experiment_id")
    assert experiments == [("Default",), ("Default (2)",)]
    assert rows(tmp_path / "out", "SELECT alias FROM registered_model_aliases") == [("alias_v1",)]
    assert "tag.mlflow.user" in tags_of(tmp_path / "out", task.id)
    assert done.changed["names, to what MLflow takes"] == 5


def test_two_models_with_one_number_get_two(registry, tmp_path, write_file):
    registry.add(write_file("w.pt", b"here"), "net", "p")
    with Registry(tmp_path / "other") as other:
        other.add(write_file("w.pt", b"there"), "net", "p")
    registry.merge(tmp_path / "other")
    done = registry.export(everything=True, path=tmp_path / "out", format="mlflow")
    found = rows(tmp_path / "out", "SELECT version, storage_location FROM model_versions")
    assert sorted(version for version, _ in found) == [1, 2]
    assert (
        len({*digests(path_of(found[0][1])).values(), *digests(path_of(found[1][1])).values()}) == 2
    )
    assert done.changed == {"version numbers, since two models had the same": 1}


def test_data_sets_and_older_weights_are_counted(registry, tmp_path, write_file):
    from localreg import OutputModel

    made = Dataset.create("cats", "vision", registry=registry)
    made.add_files(write_file("cat.txt", b"cat"))
    made.finalize(auto_upload=True)
    output = OutputModel(Task.create("p", "t"), name="m")
    for data in (b"one", b"two"):
        output.update_weights(
            str(write_file("w.pt", data)), auto_delete_file=False, async_enable=False
        )
    done = registry.export(everything=True, path=tmp_path / "out", format="mlflow")
    assert done.left == {"data sets": 1, "older weights of models": 1}
    assert rows(tmp_path / "out", "SELECT name FROM registered_models") == [("p.m",)]


@pytest.mark.parametrize("name", ["../x", "a/b", "CON", " x ", "n" * 200, "A", "a", ".git"])
def test_hostile_names_stay_inside_of_the_folder(registry, tmp_path, write_file, name):
    task = Task.create(name.strip() or "p", name)
    (tmp_path / "up").mkdir()
    for number in range(2):
        task.upload_artifact(f"{name}{number}", {"a": number})
        task.get_logger().report_histogram(name, name, [1], iteration=number)
    task.set_configuration_object(name, config_text="a: 1\n")
    registry.add(write_file("w.pt", b"w"), name, name)
    before = {each for each in tmp_path.rglob("*") if not each.is_relative_to(registry.path)}
    registry.export(everything=True, path=tmp_path / "up" / "out", format="mlflow")
    new = {each for each in tmp_path.rglob("*") if not each.is_relative_to(registry.path)} - before
    assert all(each.is_relative_to(tmp_path / "up" / "out") for each in new)
    place = artifacts_of(tmp_path / "up" / "out", task.id)
    assert len([*place.glob("*.json")]) == 2
    assert len([*(place / "plots").glob("*.json")]) == 2
