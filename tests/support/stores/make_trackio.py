"""Make trackio.zip and trackio.json: what Trackio keeps, and what its own API says of it.

Made with trackio 0.43.0, numpy and pillow, on Python 3.11, by hand:

    env -i HOME=/data/home USER=anna python make_trackio.py OUT
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import zipfile
from pathlib import Path

ROOT = Path("/data/trackio")
os.environ |= {"TRACKIO_DIR": str(ROOT), "HF_HUB_OFFLINE": "1", "USER": "anna", "LOGNAME": "anna"}


def record() -> None:
    """Record runs of two projects."""
    import numpy as np
    import trackio

    run = trackio.init(
        project="vision", name="first try", group="sweep", auto_log_gpu=False, auto_log_cpu=False,
        config={"lr": 0.1, "layers": [1, 2], "opt": {"name": "adam"}, "flag": True, "none": None},
        embed=False,
    )  # fmt: skip
    for step in range(5):
        trackio.log({"loss": 1 / (step + 1), "val/loss": 2 / (step + 1), "val/top/5": step})
    picture = np.zeros((4, 4, 3), np.uint8)
    trackio.log(
        {
            "picture": trackio.Image(picture, caption="black"),
            "rows": trackio.Table(columns=["a", "b"], data=[[1, "x"], [2.5, "y"]]),
            "bars": trackio.Histogram(np_histogram=([1, 2, 3], [0.0, 1.0, 2.0, 3.0])),
            "note": trackio.Markdown("# Well done"),
            "text": "words",
            "list": [1, 2],
            "nested": {"a": 1.5, "b": {"c": 2}},
            "odd": float("nan"),
            "large": float("inf"),
            "small": -float("inf"),
        },
        step=7,
    )
    trackio.log_system({"gpu/0/utilization": 50.0, "cpu": 12.5})
    trackio.log_system({"gpu/0/utilization": 55.0, "cpu": 13.0})
    trackio.alert("Diverged", text="the loss is high", level=trackio.AlertLevel.ERROR)
    weights = trackio.Artifact("net", type="model", description="a small net", metadata={"k": 1})
    file = ROOT.parent / "net.bin"
    file.write_bytes(b"weights one")
    weights.add_file(str(file), name="sub/net.bin")
    run.log_artifact(weights, aliases=["best"]).wait()
    trackio.finish()

    run = trackio.init(project="vision", name="second", auto_log_gpu=False, embed=False,
                       auto_log_cpu=False, config={"lr": 0.2})  # fmt: skip
    trackio.log({"loss": 3.0}, step=10)
    trackio.log({"loss": 2.0}, step=10)
    run.use_artifact("net:latest")
    weights = trackio.Artifact("net", type="model")
    file.write_bytes(b"weights two")
    weights.add_file(str(file), name="sub/net.bin")
    run.log_artifact(weights).wait()
    trackio.finish()

    trackio.init(project="a.b c", name="third", auto_log_gpu=False, auto_log_cpu=False, embed=False)
    trackio.log({"loss": 0.5})
    trackio.finish()


def said() -> dict[str, object]:
    """Return what Trackio's own API says of each project."""
    from trackio.sqlite_storage import SQLiteStorage

    found: dict[str, object] = {}
    for project in sorted(SQLiteStorage.get_projects()):
        runs = []
        for known in SQLiteStorage.get_run_records(project):
            name, key = known["name"], known["id"]
            runs.append(known | {
                "config": SQLiteStorage.get_run_config(project, name, run_id=key),
                "logs": SQLiteStorage.get_logs(project, name, run_id=key),
                "system": SQLiteStorage.get_system_logs(project, name, run_id=key),
                "alerts": SQLiteStorage.get_alerts(project, name, run_id=key),
                "artifacts": SQLiteStorage.get_run_artifacts(project, name, run_id=key),
            })  # fmt: skip
        listed = SQLiteStorage.list_artifacts(project)
        manifests = {
            each["name"]: [
                SQLiteStorage.get_artifact_manifest(project, each["name"], f"v{version}")
                for version in range(each["num_versions"])
            ]
            for each in listed
        }
        found[project] = {"runs": runs, "artifacts": listed, "manifests": manifests}
    return found


def main(out: Path) -> None:
    """Write trackio.zip and trackio.json."""
    from trackio.sqlite_storage import SQLiteStorage

    if ROOT.exists():
        shutil.rmtree(ROOT)
    record()
    (out / "trackio.json").write_text(
        json.dumps(said(), indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    SQLiteStorage._dataset_import_attempted = True
    SQLiteStorage.export_to_parquet()
    with zipfile.ZipFile(out / "trackio.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(ROOT.rglob("*")):
            if path.suffix == ".db":
                with sqlite3.connect(path) as database:
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if path.is_file() and path.suffix in (".db", ".parquet", ".png", ""):
                archive.write(path, path.relative_to(ROOT))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
