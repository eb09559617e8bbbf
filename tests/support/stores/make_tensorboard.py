"""Write event files with tensorboardX and with TensorBoard's own writer, for tensorboard.zip.

Run it in a scratch environment that has tensorboardX 2.6.5, tensorboard 2.21 and numpy::

    python make_tensorboard.py NEW_FOLDER

It leaves tensorboard.zip and tensorboard.json there. The second is what TensorBoard reads: its
EventAccumulator, without dropping points.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import sys
import zipfile
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.histogram import summary_v2 as histogram_summary
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.scalar import summary_v2 as scalar_summary
from tensorboard.plugins.text import summary_v2 as text_summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter

socket.gethostname = lambda: "machine"  # the files are named by it
START = 1_700_000_000.0


def write_x(place: Path) -> None:
    """Write one run with tensorboardX, which was started again once."""
    pixels = np.zeros((3, 4, 4), np.uint8)
    with SummaryWriter(str(place), filename_suffix=".a") as writer:
        for step in range(20):
            writer.add_scalar("loss/train", 1 / (step + 1), step, START + step)
            writer.add_scalar("lr", 0.1, step, START + step)
            writer.add_scalar("deep/in/tag", step, step * 10, START + step)
        writer.add_scalar("odd", float("nan"), 1, START)
        writer.add_scalar("odd", float("inf"), 2, START)
        writer.add_histogram("weights/layer", np.linspace(-1, 1, 100), 5, walltime=START + 5)
        writer.add_image("sample/of", pixels, 3, walltime=START + 3)
        writer.add_text("notes", "first *text*", 1, walltime=START + 1)
        writer.add_pr_curve("curve", np.array([0, 1]), np.array([0.2, 0.8]), 1, walltime=START)
        writer.add_scalars("both", {"train": 1.0, "validation": 2.0}, 7, walltime=START + 7)
        writer.add_hparams({"lr": 0.1, "layers": 3, "name": "net", "bias": True}, {"best": 0.5},
                           name="trial")  # fmt: skip
    with SummaryWriter(str(place), filename_suffix=".b") as writer:
        for step in range(15, 25):
            writer.add_scalar("loss/train", -step, step, START + 100 + step)


def write_own(place: Path) -> None:
    """Write one run with TensorBoard's own writer: values are tensors."""
    writer = EventFileWriter(str(place))
    for step in range(5):
        add(writer, step, scalar_summary.scalar_pb("accuracy", step / 4))
    add(writer, 4, histogram_summary.histogram_pb("activations", np.arange(50.0), buckets=10))
    add(writer, 2, text_summary.text_pb("notes", "second text"))
    sound = summary_pb2.Summary.Audio(
        encoded_audio_string=b"RIFF0000WAVE", content_type="audio/wav"
    )
    add(writer, 3, summary_pb2.Summary(value=[{"tag": "tone", "audio": sound}]))
    writer.close()


def add(writer: EventFileWriter, step: int, summary: summary_pb2.Summary) -> None:
    """Write values."""
    writer.add_event(event_pb2.Event(wall_time=START + step, step=step, summary=summary))


def described(place: Path) -> dict:
    """Return what TensorBoard reads of a run."""
    sizes = dict.fromkeys(("scalars", "tensors", "histograms", "images", "audio"), 0)
    board = EventAccumulator(str(place), size_guidance=sizes, purge_orphaned_data=False)
    board.Reload()
    found: dict = {"scalars": {}, "tensors": {}, "parameters": {}, "media": {}}
    for tag in board.Tags()["scalars"]:
        found["scalars"][tag] = [(e.step, e.wall_time, repr(e.value)) for e in board.Scalars(tag)]
    for tag in board.Tags()["tensors"]:
        plugin = board.SummaryMetadata(tag).plugin_data.plugin_name
        rows = []
        for each in board.Tensors(tag):
            proto = each.tensor_proto
            texts = [hashlib.sha256(text).hexdigest() for text in proto.string_val]
            content = base64.b64encode(proto.tensor_content).decode()
            rows.append((each.step, each.wall_time, list(proto.float_val), texts, content))
        found["tensors"][tag] = {"plugin": plugin, "values": rows}
    for tag in board.Tags()["images"]:
        found["media"][tag] = [
            (e.step, e.wall_time, hashlib.sha256(e.encoded_image_string).hexdigest())
            for e in board.Images(tag)
        ]
    for tag in board.Tags()["audio"]:
        found["media"][tag] = [
            (e.step, e.wall_time, hashlib.sha256(e.encoded_audio_string).hexdigest())
            for e in board.Audio(tag)
        ]
    for tag in board.Tags()["histograms"]:
        found.setdefault("histograms", {})[tag] = [
            (e.step, e.wall_time, e.histogram_value.num) for e in board.Histograms(tag)
        ]
    if "hparams" in {each.plugin_data.plugin_name for each in board.summary_metadata.values()}:
        session = board.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        message = plugin_data_pb2.HParamsPluginData.FromString(session)
        for name, value in message.session_start_info.hparams.items():
            found["parameters"][name] = getattr(value, value.WhichOneof("kind"))
    return found


def main(target: Path) -> None:
    """Write the files."""
    logs = target / "logs"
    write_x(logs / "x")
    write_own(logs / "own" / "inner")
    runs = sorted({each.parent for each in logs.rglob("*tfevents*")})
    said = {each.relative_to(logs).as_posix(): described(each) for each in runs}
    with zipfile.ZipFile(target / "tensorboard.zip", "w", zipfile.ZIP_DEFLATED) as writer:
        for each in sorted(logs.rglob("*")):
            if each.is_file():
                writer.write(each, each.relative_to(logs).as_posix())
    (target / "tensorboard.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(logs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
