"""Stores that MLflow 1, 2 and 3 wrote, brought here, compared with what MLflow's client says."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from support.foreign_stores import brought, files_of
from support.mlflow_stores import said_of, unpacked

from localreg import Task
from localreg.operations.importers import mlflow_store
from localreg.operations.importers.found import Given
from localreg.operations.importers.mlflow_models import is_of_model, models_among

NAMES = tuple(f"{kind}-{version}" for kind in ("files", "sqlite") for version in (1, 2, 3))
STATUS = {
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "stopped",
    "RUNNING": "in_progress",
}
# What MLflow writes for infinity in SQLite, and what SQLite keeps of a negative zero.
ODD = {"1.7976931348623157e+308": "inf", "-1.7976931348623157e+308": "-inf", "-0.0": "0.0"}


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture(params=NAMES)
def store(request, tmp_path):
    """Return a store, as the path that is imported, and what the client says of it."""
    folder = unpacked(request.param, tmp_path)
    return folder / "mlruns" if request.param.startswith("files") else folder, said_of(folder)


def points_of(registry, task_id):
    """Return the points of a task by title and series: step, value and milliseconds."""
    rows = registry.db.query(
        "SELECT s.title, s.name, c.iteration AS step, c.value, s.epoch + c.ms AS at "
        "FROM scalar c JOIN series s ON s.pk = c.series JOIN task t ON t.pk = s.task "
        "WHERE t.id = ? ORDER BY 1, 2, 3", [task_id],
    )  # fmt: skip
    found = {}
    for row in rows:
        value = "nan" if row["value"] is None else repr(row["value"])
        found.setdefault((row["title"], row["name"]), []).append((row["step"], value, row["at"]))
    return found


def place_of(name):
    """Return title and series of a metric of the stores."""
    title, _, series = name.partition("/")
    return (title, series or name) if name != "loss/loss" else (name, name)


def points_said(metrics):
    """Return the points that the client says, the last of each step."""
    return {
        place_of(name): [
            newest
            for step in sorted({each[0] for each in points})
            for newest in [[tuple(each) for each in points if each[0] == step][-1]]
        ]
        for name, points in metrics.items()
    }


def infinite(metrics):
    """Return metrics with infinity where MLflow wrote the largest number for it."""
    return {
        name: [(step, ODD.get(value, value), at) for step, value, at in points]
        for name, points in metrics.items()
    }


def test_runs_come_with_all_that_the_client_says(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    assert {each.id for each in Task.get_tasks()} == said["runs"].keys()
    for run_id, run in said["runs"].items():
        task = Task.get_task(run_id)
        tags = run["tags"]
        assert task.name == run["name"]
        assert task.get_project_name() == said["experiments"][run["experiment"]]
        assert task.status == STATUS[run["status"]]
        assert task.comment == tags.get("mlflow.note.content")
        assert task.parent == tags.get("mlflow.parentRunId")
        own = {key: value for key, value in tags.items() if not key.startswith("mlflow.")}
        assert task.get_tags() == [key for key, value in own.items() if not value]
        properties = {key: value for key, value in own.items() if value}
        if "mlflow.source.type" in tags:
            properties["source_type"] = tags["mlflow.source.type"]
        expected = {f"General/{key}": value for key, value in run["params"].items()}
        expected |= {f"properties/{key}": value for key, value in properties.items()}
        assert task.get_parameters() == expected
        script = task.get_script() or {}
        assert script.get("entry_point") == tags.get("mlflow.source.name")
        assert points_of(registry, run_id) == points_said(infinite(run["metrics"]))
        row = next(registry.db.query("SELECT created, ended FROM task WHERE id = ?", [run_id]))
        assert row["created"] == run["start"] * 1_000
        assert row["ended"] == (None if run["end"] is None else run["end"] * 1_000)
        assert users_of(registry, run_id) == {"mlflow", user_said(run)}


def test_artifacts_come_by_their_digests(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    for run_id, run in said["runs"].items():
        found = {}
        task = Task.get_task(run_id)
        for name, artifact in task.artifacts.items():
            path = Path(artifact.get_local_copy())
            if path.is_dir():
                files = {f"{name}/{each.relative_to(path).as_posix()}": each
                         for each in path.rglob("*") if each.is_file()}  # fmt: skip
            else:
                files = {name: path}
            found |= {key: sha256(each) for key, each in files.items()}
        models = {model.name: model for model in task.models["output"]}
        in_run = {f"net/{name}" for name in files_of(models["net"])} if "net" in models else set()
        expected = {name: digest for name, digest in run["artifacts"].items() if name not in in_run}
        assert {key: value for key, value in found.items() if "dataset" not in key} == expected
        for use in run["datasets"]:
            facts = task.artifacts[f"dataset {use['name']} {use['digest']}"].get()
            assert {key: facts[key] for key in use} == use


def users_of(registry, subject):
    """Return who changed a task or model."""
    text = "SELECT DISTINCT a.name FROM event e JOIN actor a ON a.pk = e.actor WHERE e.subject = ?"
    return {row["name"] for row in registry.db.query(text, [subject])}


def user_said(run):
    """Return who that is by what the client says."""
    user = run["tags"].get("mlflow.user") or run["user"]
    return f"{user}@mlflow" if user else "mlflow"


def metadata_of(model):
    """Return the texts of the metadata of a model."""
    return {key: each["value"] for key, each in model.get_all_metadata().items()}


def parent_of(registry, model):
    """Return the id of the model that a model was made from."""
    (row,) = registry.db.query("SELECT parent FROM model WHERE id = ?", [model.id])
    return row["parent"]


def digests_of(model):
    """Return the digests of the files of a model."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files_of(model).items()}


def sha256(path):
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_values_of_known_kinds_come_as_such(registry, tmp_path):
    brought(registry, unpacked("sqlite-2", tmp_path), "mlflow")
    task = Task.get_task(task_name="parent run")
    assert task.artifacts["notes.txt"].get() == "läuft\n"
    assert list(task.artifacts["table.csv"].get()["b"]) == [2]
    assert task.get_parameters(cast=True)["General/lr"] == 0.1
    assert task.get_parameters(cast=True)["General/flag"] is True


def test_versions_come_with_all_that_the_client_says(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    models = {
        (each.name, each.version): each
        for each in registry.models(archived=True)
        if not each.project
    }
    assert models.keys() == {(each["name"], each["version"]) for each in said["models"]}
    for version in said["models"]:
        model = models[version["name"], version["version"]]
        assert model.comment == (
            version["description"] or ("Reads digits." if version["name"] == "net" else None)
        )
        tags = {"task": "digits", **version["tags"]} if version["name"] == "net" else {}
        expected = {key: value for key, value in tags.items() if value}
        assert model.tags == [key for key, value in tags.items() if not value]
        if version["stage"] != "None":
            expected["stage"] = version["stage"]
        found = metadata_of(model)
        assert expected.items() <= found.items()
        assert model.archived == (version["stage"] == "Archived")
        assert (model.task or None) == (version["run"] or None)
        row = next(registry.db.query("SELECT created FROM model WHERE id = ?", [model.id]))
        assert row["created"] == version["created"] * 1_000
        if version["files"]:
            assert model.framework == "python_function"
            assert digests_of(model) == version["files"]
        else:
            assert model.url == version["uri"]


def test_logged_models_come_with_all_that_the_client_says(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    models = {metadata_of(each).get("model_id"): each for each in registry.models()}
    assert len(said["logged"]) == (2 if "3." in said["version"][:2] else 0)
    for logged in said["logged"]:
        model = models[logged["id"]]
        assert model.name == logged["name"]
        assert model.project_name == said["experiments"][logged["experiment"]]
        assert (model.task or None) == logged["run"]
        found = metadata_of(model)
        assert {key: value for key, value in found.items() if key.startswith("params/")} == {
            f"params/{key}": value for key, value in logged["params"].items()
        }
        assert {key: value for key, value in found.items() if key.startswith("metrics/")} == {
            f"metrics/{key}": repr(value) for key, value in logged["metrics"].items()
        }
        own = {k: v for k, v in logged["tags"].items() if not k.startswith("mlflow.")}
        assert own.items() <= found.items()
        assert found.get("status", "READY") == logged["status"]
        if logged["files"]:
            assert digests_of(model) == logged["files"]


def test_aliases_are_those_of_mlflow_and_stages_of_the_newest_version(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    stages = {}
    for version in sorted(said["models"], key=lambda each: each["version"]):
        if version["stage"] in ("Production", "Staging"):
            stages[version["stage"].lower()] = version["version"]
    expected = stages | {key: int(value) for key, value in said["aliases"].get("net", {}).items()}
    found = {
        alias: model.version
        for model in registry.models(name="net", archived=True)
        if not model.project
        for alias in model.aliases
    }
    assert found == expected
    if expected:
        assert found["production"] == 3  # not 2, which has this stage, too


def test_a_version_comes_from_the_logged_model_that_was_registered(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    versions = [each for each in registry.models(name="net", archived=True) if not each.project]
    origins = {parent_of(registry, each) for each in versions if each.task}
    (logged,) = [each for each in registry.models(name="net") if each.project]
    assert logged.project_name == "vision/résumé"
    assert logged.framework == "python_function"
    assert metadata_of(logged)["loader_module"] == "adder"
    assert origins == ({logged.id} if said["models"] else set())


def test_what_does_not_come_is_counted(registry, store):
    source, said = store
    done = brought(registry, source, "mlflow")
    repeated = sum(
        len(points) - len({each[0] for each in points})
        for run in said["runs"].values() for points in run["metrics"].values()
    )  # fmt: skip
    expected = {
        "deleted runs": 2,
        "notes and tags of experiments": 2,
        "points of which a later one has the same iteration": repeated,
    }
    if said["models"]:
        expected["registered models without a version"] = 1
    assert done.left == expected
    missing = [each.ref for each in done.arrived.missing]
    cloud = ["cloud:1"] if said["models"] else []
    unfinished = [each["name"] for each in said["logged"] if not each["files"]]
    # Logged models have no version: their project and the number that they get here follow.
    assert [each.rpartition("/")[2].removesuffix(":1") for each in missing] == [
        *unfinished,
        *(each.removesuffix(":1") for each in cloud),
    ]


def test_twice_is_once_and_a_run_that_went_on_brings_what_is_new(registry, store):
    source, said = store
    brought(registry, source, "mlflow")
    events = registry.db["event"].count
    brought(registry, source, "mlflow")
    assert registry.db["event"].count == events
    if source.name != "mlruns":
        return
    run = next(key for key, run in said["runs"].items() if run["status"] == "RUNNING")
    (folder,) = source.glob(f"*/{run}")
    (folder / "metrics" / "late").write_text("1700000009000 0.5 1\n")
    meta = folder / "meta.yaml"
    text = meta.read_text().replace("status: 1", "status: 3")
    meta.write_text(text.replace("end_time: null", "end_time: 1700000010000"))
    brought(registry, source, "mlflow")
    assert registry.db["event"].count == events + 1
    assert Task.get_task(run).status == "completed"
    assert points_of(registry, run) == {("late", "late"): [(1, "0.5", 1_700_000_009_000)]}


def test_artifacts_that_are_put_beside_the_database_later_come_then(registry, tmp_path):
    source = unpacked("sqlite-1", tmp_path)
    (source / "mlruns").rename(tmp_path / "mlruns")
    done = brought(registry, source, "mlflow")
    assert done.left["runs whose folder of artifacts is not in the store"] == 4
    assert not Task.get_task(task_name="parent run").artifacts
    (tmp_path / "mlruns").rename(source / "mlartifacts")
    done = brought(registry, source, "mlflow")
    assert "runs whose folder of artifacts is not in the store" in done.left  # three have none
    assert {*Task.get_task(task_name="parent run").artifacts} == {"notes.txt", "plots", "table.csv"}


def test_a_parent_comes_before_its_children_though_it_began_later(tmp_path):
    source = unpacked("files-2", tmp_path) / "mlruns"
    (tag,) = source.glob("*/*/tags/mlflow.parentRunId")
    meta = tag.parent.parent / "meta.yaml"
    meta.write_text(
        meta.read_text().replace("start_time: 1700000001000", "start_time: 1600000000000")
    )
    given = Given(source=str(source), path=source, task=None, folder=tmp_path)
    with mlflow_store.opened(given) as store:
        order = [task.key for task in store.tasks()]
    assert order.index(tag.read_text()) < order.index(tag.parent.parent.name)


def test_the_models_of_a_run_are_the_outer_folders_and_have_all_their_files():
    """As a look at each pair of folders says; there may be thousands."""
    draw = random.Random(20)
    for _ in range(300):
        names = {
            "/".join(draw.choices(["a", "a b", "a-", "ab", "MLmodel"], k=draw.randint(1, 4)))
            for _ in range(draw.randint(0, 12))
        }
        marked = [
            f"/{each}"[: -len("MLmodel")] for each in names if f"/{each}".endswith("/MLmodel")
        ]
        outer = {
            each for each in marked
            if not any(each != other and each.startswith(other) for other in marked)
        }  # fmt: skip
        models = models_among([(each, Path()) for each in names])
        assert {f"/{each}/".replace("//", "/") for each in models} == outer
        for name in names:
            assert is_of_model(name, models) == any(f"/{name}".startswith(each) for each in outer)
