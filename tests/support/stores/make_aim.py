"""Make aim.json: what Aim's own API says of a repository that it made, and check our reading.

Made with aim 3.29.1, pandas, pillow and localreg (installed from this repository) on Python
3.11, by hand:

    env -i HOME=/data/home USER=anna python make_aim.py OUT
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["AIM_UI_TELEMETRY_ENABLED"] = "0"
import aim
from aim.storage.context import Context
from PIL import Image

from localreg.operations.importers.aim_repository import opened_repository

ROOT = Path("/data/aim")


def record(repository: aim.Repo) -> None:
    """Record two runs."""
    quiet = {"system_tracking_interval": None, "log_system_params": False,
             "capture_terminal_logs": False}  # fmt: skip
    run = aim.Run(repo=repository, experiment="vision", **quiet)
    run.name, run.description = "first", "notes on it"
    run.add_tag("good")
    run.add_tag("old")
    run["hparams"] = {"lr": 0.1, "layers": [1, 2], "opt": {"name": "adam"}, "none": None}
    run["seed"] = 7
    for step in range(5):
        run.track(1 / (step + 1), name="loss", step=step, epoch=step // 2,
                  context={"subset": "train"})  # fmt: skip
        run.track(2 / (step + 1), name="loss", step=step, context={"subset": "val"})
        run.track(step, name="lr/group", step=step * 10)
    run.track(float("nan"), name="odd", step=0)
    run.track(float("inf"), name="odd", step=1)
    run.track(aim.Text("hello"), name="notes", step=1)
    run.track(
        aim.Image(Image.new("RGB", (4, 4)), caption="black"), name="picture", step=2,
        context={"b": "x", "a": 1},
    )  # fmt: skip
    run.track(aim.Distribution(hist=[1, 2, 3], bin_range=(0.0, 3.0)), name="bars", step=3)
    run.log_warning("careful")
    run.track([aim.Text("a"), aim.Text("b")], name="several", step=4)
    run.close()
    run = aim.Run(repo=repository, **quiet)
    run.track(1.5, name="loss")
    run.archived = True
    run.close()


def said(repository: aim.Repo) -> list[dict[str, object]]:
    """Return what Aim says of its runs."""
    runs = []
    for key in repository.list_all_runs():
        run = aim.Run(key, repo=repository, read_only=True)
        series = []
        for name, context, _ in run.iter_metrics_info():  # metrics() leaves out archived runs
            metric = run.get_metric(name, context)
            table = metric.dataframe()
            series.append({
                "kind": "metric", "name": metric.name, "context": metric.context.to_dict(),
                "steps": table["step"].tolist(), "values": table["value"].tolist(),
                "epochs": [None if each != each else each for each in table["epoch"]],
                "times": metric.data.items_list()[1][2],
            })  # fmt: skip
        for kind, method in (
            ("texts", run.get_text_sequence), ("images", run.get_image_sequence),
            ("distributions", run.get_distribution_sequence),
        ):  # fmt: skip
            for found in run.collect_sequence_info((kind,))[kind]:
                objects = method(found["name"], Context(found["context"]))
                steps, (values, epochs, times) = objects.data.items_list()
                series.append({
                    "kind": kind, "name": found["name"], "context": found["context"],
                    "steps": steps, "values": [plain(each) for each in values],
                    "epochs": epochs, "times": times,
                })  # fmt: skip
        records = run.get_log_records()
        if records is not None:
            steps, (values, epochs, times) = records.data.items_list()
            series.append({
                "kind": "log_records", "name": "log_records", "context": {}, "steps": steps,
                "values": [[each.message] for each in values], "epochs": epochs, "times": times,
            })  # fmt: skip
        runs.append({
            "hash": run.hash, "name": run.name, "experiment": run.experiment,
            "description": run.description, "tags": run.tags, "archived": run.archived,
            "created": run.creation_time, "ended": run.end_time, "params": run[...],
            "artifacts": len(run.artifacts), "series": sorted(series, key=place),
        })  # fmt: skip
    return sorted(runs, key=lambda run: run["created"])


def place(series: dict[str, object]) -> str:
    """Return what series are sorted by."""
    return json.dumps([series["kind"], series["name"], series["context"]], sort_keys=True)


def plain(value: object) -> list[object]:
    """Return objects of Aim as what JSON can hold."""
    if isinstance(value, list):
        return [each for inner in value for each in plain(inner)]
    if isinstance(value, aim.Text):
        return [value.data]
    if isinstance(value, aim.Image):
        return [[value.storage["data"].load().hex(), value.format]]
    return [[value.weights.astype(float).tolist(), *value.range]]


def read() -> list[dict[str, object]]:
    """Return what our importer reads of the repository."""
    runs = []
    with tempfile.TemporaryDirectory() as folder, opened_repository(ROOT, Path(folder)) as found:
        for run in found:
            series = []
            for each in run.series():
                names = ("kind", "name", "context", "steps", "values", "epochs", "times")
                known = {name: getattr(each, name) for name in names}
                if each.kind == "images":
                    known["values"] = [[[file.data.hex(), file.ending] for file in files]
                                       for files in each.values]  # fmt: skip
                if each.kind == "distributions":
                    known["values"] = [[[bars.heights, bars.low, bars.high] for bars in several]
                                       for several in each.values]  # fmt: skip
                series.append(known)
            parts = ("hash", "name", "experiment", "description", "tags", "archived", "created",
                     "ended", "params", "artifacts")  # fmt: skip
            runs.append({name: getattr(run, name) for name in parts})
            runs[-1]["series"] = sorted(series, key=place)
    return runs


def main(out: Path) -> None:
    """Write aim.json."""
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    repository = aim.Repo(str(ROOT), init=True)
    record(repository)
    before = {path: path.read_bytes() for path in sorted(ROOT.rglob("*")) if path.is_file()}
    ours = json.dumps(read(), indent=1, sort_keys=True)
    after = {path: path.read_bytes() for path in sorted(ROOT.rglob("*")) if path.is_file()}
    assert before == after, "the repository was changed"
    repository._recreate_index()  # as `aim storage reindex` does
    theirs = json.dumps(said(repository), indent=1, sort_keys=True)
    (out / "aim.json").write_text(theirs + "\n", encoding="utf-8")
    assert ours == theirs, "we read something else than Aim says"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
