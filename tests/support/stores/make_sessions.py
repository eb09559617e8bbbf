"""Record an offline session with the real ClearML SDK, for the samples in this folder.

Run it in a scratch environment that has the SDK, numpy, pandas, matplotlib, pillow and plotly, with
a home folder of its own, and copy what it made here. The folders ``NAME`` beside this script are
what the SDK wrote; tests pack them where they need a zip::

    HOME=/tmp/anna python make_sessions.py closed    # or: crashed, small
    cp -r /tmp/anna/.clearml/cache/offline/offline-* …
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

os.environ["CLEARML_OFFLINE_MODE"] = "1"

import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from clearml import OutputModel, Task
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt


def report(task):
    """Report something of each kind."""
    log = task.get_logger()
    for step in range(5):
        log.report_scalar("loss", "train", value=1 / (step + 1), iteration=step)
        log.report_scalar("loss", "validation", value=2 / (step + 1), iteration=step)
    log.report_single_value("accuracy", 0.93)
    log.report_histogram("bars", "h", values=[1, 2, 3], iteration=1, xlabels=["a", "b", "c"])
    log.report_confusion_matrix("confusion", "c", matrix=[[1, 2], [3, 4]], iteration=1)
    log.report_scatter2d("points", "s", scatter=np.array([[0, 1], [1, 2]]), iteration=1)
    log.report_table("table", "t", iteration=1, table_plot=pd.DataFrame({"a": [1, 2]}))
    figure = go.Figure(data=[go.Scatter(y=[1, 2, 3])], layout={"template": "none"})
    log.report_plotly("plotly", "p", iteration=1, figure=figure)
    drawn = plt.figure(figsize=(1, 1), dpi=20)
    plt.plot([1, 2, 3])
    log.report_matplotlib_figure("drawn", "converted", iteration=1, figure=drawn)
    log.report_matplotlib_figure(
        "drawn", "as a picture", iteration=1, figure=drawn, report_interactive=False
    )
    log.report_matplotlib_figure("drawn", "sample", iteration=1, figure=drawn, report_image=True)
    for step in range(7):
        pixels = np.full((4, 4, 3), step * 30, dtype=np.uint8)
        log.report_image("a/b: c?", "é & 100%", iteration=step, image=pixels)
    Path("tone.wav").write_bytes(b"RIFF0000WAVE")
    log.report_media("media", "sound", iteration=2, local_path="tone.wav")
    log.report_media(
        "media", "page", iteration=2, stream=io.StringIO("<b>hi</b>"), file_extension=".html"
    )
    log.report_image("media", "link", iteration=1, url="https://example.org/cat.png")
    log.report_text("a text")
    sys.stdout.write("10%\r50%\r100%\nprinted\n")
    sys.stderr.write("warned\n")


def keep_artifacts(task):
    """Keep an artifact of each kind."""
    task.upload_artifact("dict", {"a": 1})
    task.upload_artifact("frame", pd.DataFrame({"a": [1, 2]}))
    task.upload_artifact("array", np.arange(3))
    task.upload_artifact("text", "hello")
    task.upload_artifact("pickled", {"a": object}, auto_pickle=True)
    Path("notes.txt").write_text("notes\n", encoding="utf-8")
    task.upload_artifact("file", "notes.txt", metadata={"k": "v"})
    Path("out").mkdir(exist_ok=True)
    Path("out/a.txt").write_text("a", encoding="utf-8")
    task.upload_artifact("folder", "out")
    task.upload_artifact("image", Image.new("RGB", (4, 4)))
    task.upload_artifact("link", "https://example.org/data.csv")
    task.register_artifact("table", pd.DataFrame({"z": [1]}))


def make_models(task):
    """Make a model of two files, and one that is elsewhere.

    Some versions of the SDK look for an attribute that models do not have offline.
    """
    model = OutputModel(
        task=task, name="net", framework="PyTorch", label_enumeration={"cat": 1}, tags=["good"],
        comment="ours", config_dict={"layers": 3},
    )  # fmt: skip
    other = OutputModel(task=task, name="elsewhere")
    for each in (model, other):
        each._floating_data.locked = False
    for name in ("first.bin", "last.bin"):
        Path(name).write_bytes(f"weights of {name}".encode())
        model.update_weights(name, iteration=3)
    other.update_weights(register_uri="s3://bucket/net.bin")
    try:
        model.report_scalar("net", "loss", value=1.5, iteration=1)
    except AttributeError:
        print("this version reports nothing to models offline")


def main(kind):
    """Record a session: "closed", "crashed" or "small"."""
    task = Task.init(
        "vis ion/cäts", "train: a+b", tags=["a", "b"], reuse_last_task_id=False,
        auto_connect_frameworks=False, auto_resource_monitoring=False,
    )  # fmt: skip
    settings = {"lr": 0.1, "layers": [1, 2], "resume": None, "flag": True, "opt": {"name": "adam"}}
    task.connect(settings)
    if kind == "small":
        task.get_logger().report_scalar("loss", "train", value=0.5, iteration=1)
        task.close()
        return
    task.connect({"size": 224}, name="Data")
    task.connect_configuration({"a": {"b": 1}}, name="net")
    task.set_comment("first try")
    task.set_model_label_enumeration({"cat": 1, "dog": 2})
    task.set_user_properties(owner="anna")
    report(task)
    keep_artifacts(task)
    make_models(task)
    task.flush(wait_for_uploads=True)
    if kind == "crashed":
        os._exit(9)
    task.close()


if __name__ == "__main__":
    main(sys.argv[1])
