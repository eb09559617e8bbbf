"""Compare what MLflow's own client reads in an exported folder with the registry; run by hand.

    localreg export --all --format mlflow -o FOLDER
    PYTHONPATH=tests python -m support.mlflow_folders REGISTRY > expected.json
    python tests/support/stores/check_mlflow_export.py FOLDER expected.json

The last one in an environment with mlflow (3.17.2 was used), which needs no localreg. It says what
differs, and that nothing does. Without a file the database is opened, and what is in it is counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tempfile
from pathlib import Path

import mlflow


def read(client):
    """Return the runs and the models, in the shape of `support.mlflow_folders.expected`."""
    runs, models = {}, {}
    for experiment in client.search_experiments():
        for run in every(lambda token, of=experiment: client.search_runs(
            [of.experiment_id], page_token=token
        )):  # fmt: skip
            runs[run.info.run_id] = run_of(client, experiment, run)
    for model in every(lambda token: client.search_registered_models(page_token=token)):
        versions = client.search_model_versions(f"name = '{model.name}'")
        models[model.name] = {
            "aliases": {alias: int(number) for alias, number in model.aliases.items()},
            "versions": {str(each.version): version_of(each) for each in versions},
        }
    return {"runs": runs, "models": models}


def every(ask):
    """Yield what is on all pages of an answer."""
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def run_of(client, experiment, run):
    """Return a run with all points; its artifacts must come whole."""
    identifier = run.info.run_id
    if client.list_artifacts(identifier):
        there = Path(mlflow.artifacts.download_artifacts(artifact_uri=run.info.artifact_uri))
        with tempfile.TemporaryDirectory() as place:
            given = mlflow.artifacts.download_artifacts(f"runs:/{identifier}/", dst_path=place)
            assert digests(Path(given)) == digests(there), identifier
    metrics = {
        key: [
            [each.step, number(each.value), each.timestamp]
            for each in client.get_metric_history(identifier, key)
        ]
        for key in run.data.metrics
    }
    for key, points in metrics.items():
        assert number(run.data.metrics[key]) == max(points, key=lambda each: each[0])[1], key
    return {
        "experiment": experiment.name,
        "name": run.info.run_name,
        "status": run.info.status,
        "params": dict(run.data.params),
        "metrics": metrics,
    }


def version_of(version):
    """Return a version with the digests of its files."""
    files = {}
    if version.source.startswith("file:"):
        with tempfile.TemporaryDirectory() as place:
            uri = f"models:/{version.name}/{version.version}"
            given = mlflow.artifacts.download_artifacts(uri, dst_path=place)
            files = digests(Path(given))
    return {
        "run": version.run_id or None,
        "stage": version.current_stage,
        "tags": {
            key: value for key, value in version.tags.items() if not key.startswith("localreg.")
        },
        "files": files,
    }


def digests(folder):
    """Return the sha256 of the files of a folder, by their paths."""
    return {
        each.relative_to(folder).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def number(value):
    """Return a number as JSON has it."""
    return "nan" if math.isnan(value) else value


def differences(wanted, found, where=""):
    """Yield what differs; a time of None is not known."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from differences(wanted.get(key), found.get(key), f"{where}/{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, pair in enumerate(zip(wanted, found, strict=True)):
            yield from differences(*pair, f"{where}[{place}]")
    elif wanted != found and not (wanted is None and where.endswith("[2]")):
        yield f"{where}: wanted {wanted!r}, found {found!r}"


def main():
    """Print what differs, or what there is."""
    folder = Path(sys.argv[1]).resolve()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    found = json.loads(json.dumps(read(mlflow.MlflowClient())))
    points = sum(len(each) for run in found["runs"].values() for each in run["metrics"].values())
    count = sum(len(each["versions"]) for each in found["models"].values())
    print(f"mlflow {mlflow.__version__}: {len(found['runs'])} runs, {points} points, "
          f"{count} versions of {len(found['models'])} models")  # fmt: skip
    if len(sys.argv) > 2:
        wrong = [*differences(json.loads(Path(sys.argv[2]).read_text()), found)]
        print("\n".join(wrong) or "the same as in the registry")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
