"""Make a store of MLflow and what MLflow's client says of it: by hand, in its own environment.

    python make_mlflow.py files|sqlite FOLDER

Run with mlflow 1.30.1, 2.22.5 (with SQLAlchemy 2.0) and 3.17.2, with HOME=/data and
MLFLOW_ALLOW_FILE_STORE=true, in /data: FOLDER is a new folder there, so that the absolute paths in
the stores name no machine. Then

    tar --sort=name --owner=0 --group=0 -cJf mlflow-VERSION-files.tar.xz FOLDER

`said.json` in FOLDER is what the client says.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
from pathlib import Path

os.environ |= {"MLFLOW_ALLOW_FILE_STORE": "true", "LOGNAME": "user", "USER": "user"}

import mlflow
from mlflow.entities import Metric, Param, ViewType
from mlflow.tracking import MlflowClient

MAJOR = int(mlflow.__version__.partition(".")[0])
AT = 1_700_000_000_000
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def fill(client: MlflowClient, folder: Path) -> None:
    vision = client.create_experiment(
        "vision/résumé", tags={"team": "vision", "mlflow.note.content": "n"}
    )
    gone = client.create_experiment("gone")
    tags = {
        "mlflow.user": "ada",
        "mlflow.source.name": "train.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "1f" * 20,
        "mlflow.note.content": "Träge — but *good*\n\n- 日本",
        "owner": "ada",
        "lr schedule": "cosine: 0.1",
        "best": "",
        "empty.but.odd": " ",
    }
    parent = client.create_run(vision, AT, {**tags, "mlflow.runName": "parent run"}).info.run_id
    points = [Metric("loss/train", 1 / (step + 1), AT + 10 * step, step) for step in range(30)]
    points += [
        Metric("odd", value, AT + at, at - 2)
        for at, value in enumerate((math.nan, math.inf, -math.inf, 0.1 + 0.2, -0.0))
    ]
    points += [Metric("again", float(at), AT + at, at // 2) for at in range(6)]
    points += [Metric("system/cpu/0", 99.5, AT + 5, 7)]
    if not mlflow.get_tracking_uri().startswith("file:"):  # there it would be a file and a folder
        points += [Metric("loss", 3.0, AT, 0), Metric("loss/loss", 4.0, AT, 0)]
    params = [Param(f"p{each}", str(each)) for each in range(12)]
    params += [
        Param("lr", "0.1"),
        Param("layers/first", "[1, 2]"),
        Param("name", "é: 'x' # y"),
        Param("flag", "True"),
    ]
    client.log_batch(parent, points, params, [])
    (folder / "tmp").mkdir()
    (folder / "tmp" / "notes.txt").write_text("läuft\n", "utf-8")
    (folder / "tmp" / "roc.png").write_bytes(PNG)
    (folder / "tmp" / "table.csv").write_text("a,b\n1,2\n")
    client.log_artifact(parent, str(folder / "tmp" / "notes.txt"))
    client.log_artifact(parent, str(folder / "tmp" / "roc.png"), "plots/deep")
    client.log_artifact(parent, str(folder / "tmp" / "table.csv"))
    child = client.create_run(
        vision, AT + 1_000, {"mlflow.parentRunId": parent, "mlflow.runName": "child"}
    ).info.run_id
    client.log_metric(child, "loss/train", 0.5, AT + 1_001, 3)
    client.set_terminated(child, "FAILED", AT + 9_000)
    killed = client.create_run("0", AT + 2_000, {}).info.run_id
    client.set_terminated(killed, "KILLED", AT + 3_000)
    client.create_run("0", AT + 4_000, {})  # goes on
    client.delete_run(client.create_run("0", AT + 5_000, {}).info.run_id)
    lost = client.create_run(gone, AT + 6_000, {}).info.run_id
    client.set_terminated(lost, "FINISHED", AT + 7_000)
    client.delete_experiment(gone)
    add_model(client, parent, folder)
    if MAJOR >= 2:
        add_dataset(client, parent)
    client.set_terminated(parent, "FINISHED", AT + 60_000)
    shutil.rmtree(folder / "tmp")


def add_dataset(client: MlflowClient, run: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = Dataset("digits", "ab12", "local", json.dumps({"uri": "/data/digits.csv"}), "{}", None)
    client.log_inputs(run, [DatasetInput(found, [InputTag("mlflow.data.context", "training")])])


def has_registry() -> bool:
    """Return True unless it is MLflow 1 with files."""
    return MAJOR > 1 or not mlflow.get_tracking_uri().startswith("file:")


def add_model(client: MlflowClient, run: str, folder: Path) -> None:
    if has_registry():
        client.create_registered_model("net", {"task": "digits"}, "Reads digits.")
    # A model without libraries, and without a pickle.
    (folder / "tmp" / "weights").mkdir()
    (folder / "tmp" / "weights" / "bias.txt").write_text("0.5\n")
    given = {
        "loader_module": "adder",
        "data_path": str(folder / "tmp" / "weights"),
        "pip_requirements": [],
    }
    with mlflow.start_run(run_id=run):
        if MAJOR >= 3:
            model = mlflow.pyfunc.log_model(name="net", params={"depth": 3}, **given)
            source = f"models:/{model.model_id}"
            mlflow.log_metric("accuracy", 0.75, step=4, model_id=model.model_id)
            client.set_logged_model_tags(model.model_id, {"stage": "draft"})
            other = client.create_logged_model(
                client.get_run(run).info.experiment_id, name="unfinished"
            )
            client.finalize_logged_model(other.model_id, "FAILED")
        else:
            mlflow.pyfunc.log_model("net", **given)
            source = f"{client.get_run(run).info.artifact_uri}/net"
    if not has_registry():
        return
    for number in range(1, 5):
        extra = {"model_id": model.model_id} if MAJOR >= 3 and number == 1 else {}
        client.create_model_version(
            "net",
            source,
            run if number < 4 else None,
            tags={"number": str(number), "checked": ""},
            description="" if number == 2 else f"Number {number}.",
            await_creation_for=0,
            **extra,
        )
    for number, stage in ((1, "Archived"), (2, "Production"), (3, "Production"), (4, "Staging")):
        client.transition_model_version_stage("net", str(number), stage)
    if MAJOR >= 2:
        client.set_registered_model_alias("net", "champion", "2")
        client.set_registered_model_alias("net", "staging", "1")
    client.create_registered_model("empty")
    client.create_registered_model("cloud")
    client.create_model_version("cloud", "s3://bucket/models/cloud", None, await_creation_for=0)


def said(client: MlflowClient, folder: Path) -> dict[str, object]:
    """Return what the client says."""
    search = client.search_experiments
    experiments = {each.experiment_id: each for each in search(view_type=ViewType.ACTIVE_ONLY)}
    runs = client.search_runs(list(experiments), run_view_type=ViewType.ACTIVE_ONLY)
    return {
        "version": mlflow.__version__,
        "experiments": {each.experiment_id: each.name for each in experiments.values()},
        "runs": {each.info.run_id: said_of_run(client, each) for each in runs},
        "models": [
            said_of_version(client, each) for each in client.search_model_versions("name LIKE '%'")
        ]
        if has_registry()
        else [],
        "logged": [said_of_logged(each) for each in logged_models(client, list(experiments))],
        "aliases": {
            each.name: dict(getattr(each, "aliases", {}))
            for each in client.search_registered_models()
        }
        if has_registry()
        else {},
    }


def said_of_run(client: MlflowClient, run: object) -> dict[str, object]:
    run = client.get_run(run.info.run_id)
    info, data = run.info, run.data
    uses = getattr(getattr(run, "inputs", None), "dataset_inputs", [])
    return {
        "name": info.run_name,
        "experiment": info.experiment_id,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "user": info.user_id,
        "params": dict(data.params),
        "tags": dict(data.tags),
        "metrics": {
            name: [
                (each.step, repr(each.value), each.timestamp)
                for each in client.get_metric_history(info.run_id, name)
            ]
            for name in sorted(data.metrics)
        },
        "artifacts": digests(client, info.run_id, info.artifact_uri),
        "datasets": [
            {
                "name": each.dataset.name,
                "digest": each.dataset.digest,
                "source": each.dataset.source,
                "tags": {tag.key: tag.value for tag in each.tags},
            }
            for each in uses
        ],
    }


def digests(client: MlflowClient, run: str, uri: str) -> dict[str, str]:
    place = Path(uri.removeprefix("file://"))
    found, waiting = {}, [""]
    while waiting:
        for each in client.list_artifacts(run, waiting.pop() or None):
            if each.is_dir:
                waiting.append(each.path)
            else:
                found[each.path] = hashlib.sha256((place / each.path).read_bytes()).hexdigest()
    return found


def files_of(uri: str) -> dict[str, str]:
    place = Path(uri.removeprefix("file://"))
    return {
        str(each.relative_to(place)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(place.rglob("*"))
        if each.is_file()
    }


def said_of_version(client: MlflowClient, found: object) -> dict[str, object]:
    uri = client.get_model_version_download_uri(found.name, found.version)
    return {
        "name": found.name,
        "version": int(found.version),
        "created": found.creation_timestamp,
        "updated": found.last_updated_timestamp,
        "description": found.description,
        "stage": found.current_stage,
        "run": found.run_id,
        "tags": dict(found.tags),
        "status": found.status,
        "uri": uri,
        "files": {} if uri.startswith("s3:") else files_of(uri),
    }


def logged_models(client: MlflowClient, experiments: list[str]) -> list[object]:
    return list(client.search_logged_models(experiments)) if MAJOR >= 3 else []


def said_of_logged(found: object) -> dict[str, object]:
    return {
        "id": found.model_id,
        "name": found.name,
        "experiment": found.experiment_id,
        "created": found.creation_timestamp,
        "run": found.source_run_id,
        "status": str(found.status),
        "tags": dict(found.tags),
        "params": dict(found.params),
        "metrics": {each.key: each.value for each in found.metrics or []},
        "files": files_of(found.artifact_location),
    }


def main(kind: str, name: str) -> None:
    folder = Path(name).absolute()
    folder.mkdir()
    os.chdir(folder)
    uri = f"file://{folder}/mlruns" if kind == "files" else f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(uri, uri)
    if kind == "files":
        client.search_experiments()
    fill(client, folder)
    text = json.dumps(said(client, folder), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "said.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
