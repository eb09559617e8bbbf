"""Record runs with wandb, offline, for wandb.zip, and say what its own reader reads.

Run it in scratch environments, one with wandb 0.31 and one with wandb 0.19.11, the last that has a
reader of logs in Python; each also has numpy. So that the store names no machine and no user::

    unshare --mount --uts sh -c 'mount -t tmpfs none /data; hostname machine; cd /data;
        export HOME=/data/home; NEW/bin/python make_wandb.py write new;
        OLD/bin/python make_wandb.py write old; OLD/bin/python make_wandb.py describe TARGET'

It leaves wandb.zip and wandb.json in the folder TARGET.
"""

from __future__ import annotations

import getpass
import json
import multiprocessing
import os
import platform
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import wandb
from wandb.proto import wandb_internal_pb2

os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DISABLE_GIT": "true",
               "WANDB_USERNAME": "anna", "WANDB_HOST": "machine"}  # fmt: skip
getpass.getuser = lambda: "anna"
platform.platform = lambda **_: "Linux"

PLACE = Path("/data")
# What a store needs: 0.31 also writes logs of its own, and the machine it ran on.
KEPT = ("media", "output.log", "requirements.txt", "config.yaml", "wandb-summary.json", "saved")


def settings(**more: object) -> wandb.Settings:
    """Return the settings of all runs."""
    return wandb.Settings(host="machine", x_executable="/data/python", **more)


def write_new() -> None:
    """Record a run with something of each kind, two parts of one run, and one that fails."""
    config = {"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.99]}, "n": 3, "flag": True,
              "none": None}  # fmt: skip
    run = wandb.init(
        dir="/data", project="demo", entity="team", id="whole", name="first try", notes="a note",
        tags=["a", "b"], group="g", job_type="eval", config=config,
        settings=settings(x_stats_sampling_interval=0.2),
    )  # fmt: skip
    print("hello")
    print("half", end="", flush=True)
    print(" line")
    print("to stderr", file=sys.stderr)
    run.define_metric("val/*", step_metric="epoch", summary="max")
    for step in range(30):
        odd = float("nan") if step == 2 else float("inf") if step == 3 else step
        run.log({"loss": 1 / (step + 1), "val/acc": step / 10, "nest": {"a": step, "b": {"c": odd}},
                 "epoch": step // 2, "good": True, "note": "a text", "list": [1, 2]})  # fmt: skip
    run.log({"jump": -1}, step=1_000)
    pixels = np.zeros((4, 4, 3), np.uint8)
    run.log({
        "img": wandb.Image(pixels),
        "imgs": [wandb.Image(pixels), wandb.Image(pixels + 9, caption="c")],
        "hist": wandb.Histogram([1, 2, 3, 3], num_bins=4),
        "table": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, "b"]]),
        "page": wandb.Html("<b>hi</b>", inject=False),
    })  # fmt: skip
    time.sleep(0.6)
    run.summary["best"] = 0.5
    run.summary["deep"] = {"x": 1}
    model = Path(run.dir) / "saved" / "net.bin"
    model.parent.mkdir()
    model.write_bytes(b"weights")
    gone = PLACE / "gone.bin"
    gone.write_bytes(b"gone")
    for name, file in (("net", model), ("other", gone)):
        artifact = wandb.Artifact(name, "model", description="d", metadata={"k": 1})
        artifact.add_file(str(file))
        run.log_artifact(artifact, aliases=["latest", "best"])
    run.config.update({"late": 1})
    run.finish()
    for part in range(2):
        with wandb.init(dir="/data", project="demo", id="parts", resume="allow",
                        settings=settings()) as run:  # fmt: skip
            for step in range(5):
                run.log({"loss": part * 5 + step}, step=part * 5 + step)
        time.sleep(1.1)  # the folders are named by the second
    run = wandb.init(dir="/data", project="demo", id="failed", settings=settings())
    run.log({"loss": 1.0})
    run.finish(exit_code=3)


def killed() -> None:
    """Record a run whose process is killed."""
    run = wandb.init(dir="/data", project="demo", id="killed", settings=settings())
    for step in range(150):
        run.log({"loss": step})
    time.sleep(3)
    # The service that writes the log would end it; it is a process of this script.
    for each in Path("/proc").iterdir():
        is_service = each.name.isdecimal() and (each / "comm").read_text() == "wandb-core\n"
        if is_service and b"HOME=/data/home\0" in (each / "environ").read_bytes():
            os.kill(int(each.name), 9)
    os.kill(os.getpid(), 9)


def write_old() -> None:
    """Record a run with an older wandb, which also writes a summary and a configuration."""
    run = wandb.init(dir="/data", project="demo", id="older", config={"lr": 0.5, "deep": {"x": 1}},
                     settings=settings())  # fmt: skip
    print("from the older one")
    for step in range(3):
        run.log({"loss": step, "a": {"b": step}})
    run.finish()


def described(log: Path) -> list[dict]:
    """Return the records of a log, as wandb's own reader has them."""
    from google.protobuf.json_format import MessageToDict
    from wandb.sdk.internal.datastore import DataStore

    wandb._assert_is_internal_process = True
    store = DataStore()
    store.open_for_scan(str(log))
    found = []
    while True:
        try:
            data = store.scan_data()
        except AssertionError:  # the end of a run that was killed
            break
        if data is None:
            break
        record = wandb_internal_pb2.Record.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind is None:  # newer than this reader
            continue
        part = getattr(record, kind)
        if kind in ("history", "stats"):
            items = {".".join(getattr(each, "nested_key", ())) or each.key: each.value_json
                     for each in part.item}  # fmt: skip
            at = part.step.num if kind == "history" else part.timestamp.ToMicroseconds()
            found.append({kind: [at, items]})
        elif kind in ("config", "run", "exit", "output_raw", "artifact"):
            said = MessageToDict(part, preserving_proto_field_name=True)
            said.pop("telemetry", None)
            found.append({kind: said})
    return found


def main(what: str, target: str) -> None:
    """Do a part of the work."""
    if what == "write" and target == "new":
        write_new()
        process = multiprocessing.get_context("spawn").Process(target=killed)
        process.start()
        process.join()
        time.sleep(3)
    elif what == "write":
        write_old()
    else:
        runs = PLACE / "wandb"
        said = {}
        with zipfile.ZipFile(Path(target) / "wandb.zip", "w", zipfile.ZIP_DEFLATED) as writer:
            for each in sorted(runs.glob("*run-*/**/*")):
                name = each.relative_to(runs)
                if each.is_symlink() or not each.is_file():
                    continue
                if each.suffix == ".wandb":
                    said[name.as_posix()] = described(each)
                elif name.parts[1] != "files" or name.parts[2] not in KEPT:
                    continue
                elif name.parts[2] == "requirements.txt" and not name.parts[0].endswith("whole"):
                    continue  # they are all the same
                writer.write(each, name.as_posix())
        text = json.dumps(said, separators=(",", ":"), sort_keys=True)
        (Path(target) / "wandb.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
