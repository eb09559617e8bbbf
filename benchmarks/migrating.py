"""Importing 100 runs of MLflow, beside reading them by MLflow's own client.

Both are done for a file store and for an SQLite database. `--mlflow PYTHON` names the Python of an
environment with mlflow 2 or 3 (3 reads file stores only if it is allowed to, as is done here); it
makes the database, and reads every point of every metric. Without it only the file store is
imported.

- Time: at most that of the client.
- CPU of the import: at most 4.5 times that of a quarter of the runs.
- Memory of the import: under 300 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Finding, Table, fresh_processes, median, ratio, seconds, take_turns

METRICS, STEPS = 20, 1_000
START = 1_700_000_000_000  # milliseconds
IMPORT = """
import json, resource, sys, time
from localreg import Registry
begun = time.perf_counter()
with Registry(sys.argv[2], durability="full") as registry:
    done = registry.import_from(sys.argv[1], "mlflow")
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": used.ru_utime + used.ru_stime,
                  "mb": used.ru_maxrss / 1024, "points": done.arrived.reports}))
"""
READ = """
import json, sys, time
from mlflow.tracking import MlflowClient
begun = time.perf_counter()
client, count = MlflowClient(sys.argv[1]), 0
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id], max_results=10_000):
        for key in run.data.metrics:
            count += len(client.get_metric_history(run.info.run_id, key))
print(json.dumps({"seconds": time.perf_counter() - begun, "points": count}))
"""
# Its tables and runs by mlflow; the points at once, which takes it minutes.
WRITE = """
import random, sqlite3, sys
from mlflow.entities import Param
from mlflow.tracking import MlflowClient
number, metrics, steps, start = map(int, sys.argv[2:])
client = MlflowClient(f"sqlite:///{sys.argv[1]}")
database = sqlite3.connect(sys.argv[1])
for run in range(number):
    chosen = random.Random(run)
    made = client.create_run("0", start_time=start, run_name=f"run {run}").info.run_id
    client.log_batch(made, params=[Param("lr", "0.1")])
    client.set_terminated(made, end_time=start + 1)
    with database:
        for metric in range(metrics):
            key = f"metric/{metric}"
            points = [(key, chosen.random(), start + 137 * n, made, n, 0) for n in range(steps)]
            insert = "(key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
            database.executemany(f"INSERT INTO metrics {insert}", points)
            database.execute(f"INSERT INTO latest_metrics {insert}", points[-1])
"""


QUICK = ("--runs", "2", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mlflow", type=Path, help="the Python of an environment with mlflow")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder, fresh_processes():
        findings = _measured(Path(folder), options.runs, options.rounds, options.mlflow)
        yield Table(f"{options.runs} runs of MLflow; raw: its own client", findings)


def _measured(folder: Path, runs: int, rounds: int, mlflow: Path | None) -> list[Finding]:
    sources = {"file store": folder / "mlruns"}
    write_file_store(sources["file store"], runs)
    write_file_store(folder / "quarter", runs // 4)
    if mlflow is not None:
        sources["SQLite"] = folder / "mlflow.db"
        _said(mlflow, WRITE, sources["SQLite"], runs, METRICS, STEPS, START)
    findings: list[Finding] = []
    for name, source in sources.items():
        findings += _of_source(name, source, folder, rounds, mlflow)
    small = [_imported(folder / "quarter", folder)["cpu"] for _ in range(rounds)]
    large = [_imported(sources["file store"], folder)["cpu"] for _ in range(rounds)]
    times = min(large) / min(small)
    what = "CPU of the import, beside that of a quarter of the runs"
    findings.append(
        Finding(what, seconds(min(large)), seconds(min(small)), times, "≤ 4.5", times <= 4.5)
    )
    return findings


def _of_source(
    name: str, source: Path, folder: Path, rounds: int, mlflow: Path | None
) -> list[Finding]:
    peaks: list[float] = []

    def importing() -> float:
        done = _imported(source, folder)
        peaks.append(done["mb"])
        return done["seconds"]

    cases = {"import": importing}
    if mlflow is not None:
        url = source.as_uri() if source.is_dir() else f"sqlite:///{source}"
        cases["client"] = lambda: _said(mlflow, READ, url)["seconds"]
    found = take_turns(cases, rounds, warm=0)
    ours = found["import"]
    times = None if mlflow is None else ratio(ours, found["client"])
    raw = "" if mlflow is None else median(found["client"])
    met = None if times is None else times <= 1
    return [
        Finding(f"{name}: time", median(ours), raw, times, "≤ 1", met),
        Finding(f"{name}: memory", f"{max(peaks):.0f} MB", "", None, "< 300 MB", max(peaks) < 300),
    ]


def _imported(source: Path, folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as registry:
        return _said(Path(sys.executable), IMPORT, source, registry)


def _said(python: Path, script: str, *arguments: object) -> dict[str, float]:
    done = subprocess.run(
        [python, "-c", script, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"},
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return found


def write_file_store(folder: Path, runs: int) -> None:
    """Write a store as MLflow's own file store does: YAML, and a line for each point."""
    experiment = folder / "0"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text(
        f"artifact_location: {experiment.as_uri()}\ncreation_time: {START}\nexperiment_id: '0'\n"
        f"last_update_time: {START}\nlifecycle_stage: active\nname: Default\n"
    )
    for number in range(runs):
        chosen, run_id = random.Random(number), f"{number:031x}f"
        run = experiment / run_id
        for name in ("metrics/metric", "params", "tags", "artifacts"):
            (run / name).mkdir(parents=True)
        (run / "meta.yaml").write_text(
            f"artifact_uri: {run.as_uri()}/artifacts\nend_time: {START + 1}\n"
            f"entry_point_name: ''\nexperiment_id: '0'\nlifecycle_stage: active\n"
            f"run_id: {run_id}\nrun_name: run {number}\nrun_uuid: {run_id}\nsource_name: ''\n"
            f"source_type: 4\nsource_version: ''\nstart_time: {START}\nstatus: 3\ntags: []\n"
            "user_id: user\n"
        )
        (run / "params/lr").write_text("0.1")
        (run / "tags/mlflow.runName").write_text(f"run {number}")
        for metric in range(METRICS):
            lines = (f"{START + 137 * n} {chosen.random()} {n}\n" for n in range(STEPS))
            (run / "metrics/metric" / str(metric)).write_text("".join(lines))
