"""What a folder for MLflow holds: as a registry says it should, and as SQL reads it.

`python tests/support/mlflow_folders.py REGISTRY` prints the first: stores/check_mlflow_export.py
compares it with what MLflow's own client reads.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localreg import Registry

STATUS = {"created": "SCHEDULED", "in_progress": "RUNNING", "completed": "FINISHED",
          "failed": "FAILED", "stopped": "KILLED"}  # fmt: skip
LARGEST = sys.float_info.max


def expected(registry):
    """Return runs and models as MLflow should give them, by the Python API of localreg."""
    runs = {each.id: run_of(each) for each in registry.tasks(archived=True)}
    models = {}
    for model in registry.models(archived=True):
        if "dataset" in model.system_tags:
            continue
        line = f"{model.project_name}.{model.name}" if model.project_name else model.name
        models.setdefault(line, {"versions": {}, "aliases": {}})
        models[line]["versions"][str(model.version)] = version_of(model, runs)
        models[line]["aliases"] |= dict.fromkeys(model.aliases, model.version)
        own = {"metrics": metrics_of(model)}
        if own["metrics"]:
            runs[model.id] = own | {
                "experiment": model.project_name or "Default",
                "name": model.ref,
                "status": "FINISHED",
                "params": {},
            }
    return {"runs": runs, "models": models}


def run_of(task):
    """Return a task as a run."""
    return {
        "experiment": task.get_project_name() or "Default",
        "name": task.name,
        "status": STATUS[task.status],
        "params": {
            key.removeprefix("General/") if key.count("/") == 1 else key: value[:6_000]
            for key, value in task.get_parameters().items()
        },
        "metrics": metrics_of(task),
    }


def metrics_of(owner):
    """Return points of all metrics: step, value and milliseconds; single values have no time."""
    found = {}
    steps = owner.get_reported_scalars(max_samples=0)
    times = owner.get_reported_scalars(max_samples=0, x_axis="timestamp")
    for title, series in steps.items():
        for name, points in series.items():
            key = title if title == name else f"{title}/{name}"
            ms = times[title][name]["x"]
            found[key] = [
                [step, number(value), at]
                for step, value, at in zip(points["x"], points["y"], ms, strict=True)
            ]
    for name, value in owner.get_reported_single_values().items():
        found[name] = [[0, number(value), None]]
    return found


def version_of(model, runs):
    """Return a model as a version."""
    files = {}
    if model.url is None or urlsplit(model.url).scheme == "file":
        files = digests(Path(model.get_local_copy(raise_on_error=True)))
    return {
        "run": model.task if model.task in runs else None,
        "stage": "Archived" if model.archived else "None",
        "tags": dict.fromkeys(model.tags, "")
        | {key: each["value"] for key, each in model.get_all_metadata().items()},
        "files": files,
    }


def digests(path):
    """Return the sha256 of a file, or of the files of a folder, by their paths."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    above = path.parent if path.is_file() else path
    return {
        each.relative_to(above).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(files)
    }


def number(value):
    """Return a number as MLflow keeps it, as JSON can hold it."""
    if math.isnan(value):
        return "nan"
    return math.copysign(LARGEST, value) if math.isinf(value) else value


def read(folder):
    """Return the same by SQL, as MLflow's client does it."""
    with closing(sqlite3.connect(Path(folder, "mlflow.db"))) as connection:
        ask = connection.execute
        runs = {
            run: {"experiment": experiment, "name": name, "status": status,
                  "params": dict(ask("SELECT key, value FROM params WHERE run_uuid = ?", (run,))),
                  "metrics": {}}
            for run, experiment, name, status in ask(
                "SELECT run_uuid, e.name, r.name, status FROM runs r JOIN experiments e "
                "ON e.experiment_id = r.experiment_id"
            ).fetchall()
        }  # fmt: skip
        for run, found in runs.items():
            for key, step, value, is_nan, ms in ask(
                "SELECT key, step, value, is_nan, timestamp FROM metrics WHERE run_uuid = ? "
                "ORDER BY key, step", (run,),
            ):  # fmt: skip
                points = found["metrics"].setdefault(key, [])
                points.append([step, "nan" if is_nan else value, ms])
        models = {
            name: {"versions": {}, "aliases": dict(
                ask("SELECT alias, version FROM registered_model_aliases WHERE name = ?", (name,))
            )}
            for (name,) in ask("SELECT name FROM registered_models").fetchall()
        }  # fmt: skip
        for name, version, run, stage, source in ask(
            "SELECT name, version, run_id, current_stage, storage_location FROM model_versions"
        ).fetchall():
            tags = ask(
                "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?",
                (name, version),
            )
            models[name]["versions"][str(version)] = {
                "run": run,
                "stage": stage,
                "tags": {key: value for key, value in tags if not key.startswith("localreg.")},
                "files": digests(path_of(source)) if source.startswith("file:") else {},
            }
    return {"runs": runs, "models": models}


def path_of(uri):
    """Return the path of a file URI."""
    return Path(unquote(urlsplit(uri).path))


def without_times(found, singles):
    """Return what was read, without the times of single values, which the API does not give.

    Args:
        singles: what is expected.
    """
    for run, wanted in singles["runs"].items():
        for key, points in wanted["metrics"].items():
            if points[0][2] is None and key in found["runs"][run]["metrics"]:
                found["runs"][run]["metrics"][key][0][2] = None
    return found


if __name__ == "__main__":
    with Registry(sys.argv[1]) as given:
        print(json.dumps(expected(given), indent=1))
