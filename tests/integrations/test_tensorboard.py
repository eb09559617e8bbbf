"""What TensorBoard's writers write becomes reports, with ClearML's titles and series.

Each test runs with tensorboardX, and with torch's writer where torch is installed.
"""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from support.frameworks import wanted
from support.reports import drawings

from localreg import Logger, Task
from localreg.integrations.tensorboard import is_kept
from localreg.operations.reports import charts


@pytest.fixture(params=["tensorboardX", "torch.utils.tensorboard"])
def board(request, monkeypatch, tmp_path):
    """Return a module that has a `SummaryWriter`."""
    monkeypatch.chdir(tmp_path)
    return wanted(request.param)


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


def scalars(task):
    """Return ``{title: {series: [(iteration, value), …]}}``."""
    task.flush()
    return {
        title: {
            name: list(zip(found["x"], found["y"], strict=True)) for name, found in some.items()
        }
        for title, some in task.get_reported_scalars().items()
    }


def files(task):
    """Return ``{(title, series, iteration): (bytes, file name)}`` of pictures and other files."""
    _, registry, owner = task._owned()
    with registry.store.read() as connection:
        groups = charts.figure_rows(connection, owner)
    return {
        (group.title, row.series, group.iteration): (
            registry.blobs.blob(row.digest).read_bytes(),
            json.loads(row.spec)["options"]["filename"],
        )
        for group in groups
        for row in group.rows
        if row.kind == "media"
    }


def test_scalars(board, task):
    with board.SummaryWriter("runs/a") as writer:
        for step in range(3):
            writer.add_scalar("loss/train", 1 / 2**step, step)
        writer.add_scalar("lr", 0.5, np.int64(7))
        writer.add_scalar("a/b/c", math.nan, 2**40)
        writer.add_scalar("a/b/d", np.float32(0.25), 1, walltime=1_700_000_000.25)
    found = scalars(task)
    assert found["loss"] == {"train": [(0, 1.0), (1, 0.5), (2, 0.25)]}
    assert found["lr"] == {"lr": [(7, 0.5)]}
    assert found["a_b"]["d"] == [(1, 0.25)]
    ((iteration, value),) = found["a_b"]["c"]
    assert iteration == 2**40
    assert math.isnan(value)
    _, registry, owner = task._owned()
    reported = charts.reported_values(registry, owner, lambda *_: "")
    (line,) = (line for chart in reported.charts for line in chart.lines if line.name == "d")
    assert line.seconds == [1_700_000_000.25]  # when the writer says it was measured


def test_every_writer_has_series_of_its_own(board, task):
    with board.SummaryWriter("runs/a") as first, board.SummaryWriter("runs/b") as second:
        for writer in (first, second):
            writer.add_scalar("loss/train", 1, 1)
            writer.add_scalar("lone", 1, 1)
            writer.add_scalars("acc", {"train": 1.0, "val/x": 2.0}, 3)
            writer.add_scalars("f1/epoch", {"train": 1.0}, 3)
    with board.SummaryWriter("runs/a") as again:  # the same folder is the same writer
        again.add_scalar("lone", 2, 2)
    found = scalars(task)
    assert found["loss"] == {"train": [(1, 1.0)], "b: train": [(1, 1.0)]}
    assert found["lone"] == {"lone": [(1, 1.0), (2, 2.0)], "b: lone": [(1, 1.0)]}
    assert set(found["acc"]) == {"train", "val/x", "b: train", "b: val/x"}
    assert set(found["f1/epoch"]) == {"train", "b: train"}


def test_the_settings_of_the_logger_choose_titles(board, task):
    Logger.tensorboard_auto_group_scalars(True)
    Logger.tensorboard_single_series_per_graph(True)
    try:
        with board.SummaryWriter("runs/a") as first, board.SummaryWriter("runs/b") as second:
            for writer in (first, second):
                writer.add_scalar("loss/train", 1, 1)
                writer.add_scalar("lone", 1, 1)
            first.add_scalars("acc", {"train": 1.0}, 3)
    finally:
        Logger.tensorboard_auto_group_scalars()
        Logger.tensorboard_single_series_per_graph()
    assert scalars(task) == {
        "loss": {"train": [(1, 1.0)]},
        "loss b": {"train": [(1, 1.0)]},
        "Scalars": {"lone": [(1, 1.0)]},
        "Scalars b": {"lone": [(1, 1.0)]},
        "acc train": {"acc": [(3, 1.0)]},
    }


def test_steps_that_begin_again_continue_and_those_without_a_step_are_counted(board, task):
    with board.SummaryWriter("runs/a") as writer:
        for number, step in enumerate([0, 50, 100, 0, 50, 95, 100, 1]):
            writer.add_scalar("loss/train", number, step)
        for number in range(3):
            writer.add_scalar("loss/plain", number)
    found = scalars(task)["loss"]
    assert [x for x, _ in found["train"]] == [0, 50, 100, 101, 151, 196, 201, 203]
    assert found["plain"] == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_a_writer_that_goes_on_from_an_earlier_step_replaces(board, task):
    with board.SummaryWriter("runs/a") as writer:
        for step in (0, 50, 100):
            writer.add_scalar("loss/train", 1, step)
    with board.SummaryWriter("runs/a", purge_step=50) as writer:
        writer.add_scalar("loss/train", 2, 50)
    assert scalars(task)["loss"]["train"] == [(0, 1.0), (50, 2.0), (100, 1.0)]


def test_histograms(board, task):
    values = np.random.default_rng(0).normal(size=1000)
    with board.SummaryWriter("runs/a") as writer:
        writer.add_histogram("layer/weight", values, 3)
        writer.add_histogram("constant", np.full(7, 2.0), 1)
    found = drawings(task)
    (bars,) = found["layer", "weight", 3].parts["traces"]
    assert sum(bars["y"]) == 1000
    below = sum(height for x, height in zip(bars["x"], bars["y"], strict=True) if x < 0)
    assert below == pytest.approx((values < 0).sum(), abs=40)
    assert sum(found["Histograms", "constant", 1].parts["traces"][0]["y"]) == 7


def test_of_many_histograms_ever_fewer_are_kept(board, task):
    with board.SummaryWriter("runs/a") as writer:
        for step in range(120):
            writer.add_histogram("layer/weight", np.arange(3), step)
    steps = [iteration for _, _, iteration in drawings(task)]
    assert steps == [*range(50), *range(50, 100, 2), *range(100, 120, 4)]


def test_pictures_videos_audio_text_and_figures(board, task):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(3, 4, 5)).astype("u1")
    with board.SummaryWriter("runs/a") as writer, board.SummaryWriter("runs/b") as second:
        writer.add_image("cat", pixels, 1)
        writer.add_image("val/cat", pixels, 2)
        second.add_image("val/cat", pixels, 2)
        writer.add_images("batch/a/b/c", np.stack([pixels] * 4), 3)
        writer.add_image_with_boxes("boxes", pixels, np.array([[0, 0, 2, 2]]), 4)
        writer.add_text("note", "some *text*", 5)
    found = files(task)
    data, name = found["Images", "cat", 1]
    assert name == "media.png"
    assert np.array_equal(np.asarray(image.open(io.BytesIO(data))), pixels.transpose(1, 2, 0))
    assert ("val", "cat", 2) in found
    assert ("val b", "cat", 2) in found
    assert ("batch", "a_b_c", 3) in found
    assert ("Images", "boxes", 4) in found
    assert found["note", "text_summary", 5] == (b"some *text*", "media.txt")


def test_a_precision_recall_curve(board, task):
    labels = np.array([0, 1, 1, 0, 1])
    with board.SummaryWriter("runs/a") as writer:
        writer.add_pr_curve("pr", labels, np.array([0.1, 0.9, 0.6, 0.4, 0.3]), 2, num_thresholds=11)
    (curve,) = drawings(task)["pr", "pr", 2].parts["traces"]
    assert (len(curve["x"]), len(curve["y"])) == (11, 11)
    assert (curve["x"][0], curve["y"][0]) == (pytest.approx(1), pytest.approx(0.6))
    assert "threshold 0.100" in curve["text"][1]


def test_hyperparameters(board, task):
    with board.SummaryWriter("runs/a") as writer:
        writer.add_hparams({"lr": 0.1, "batch": 32, "net": "cnn"}, {"hparam/acc": 0.5})
    found = task.get_parameters()
    assert {name: found[f"TB_hparams/{name}"] for name in ("lr", "batch", "net")} == {
        "lr": "0.1", "batch": "32", "net": "cnn",
    }  # fmt: skip
    assert scalars(task)["hparam"] == {"acc": [(0, 0.5)]}


def test_hyperparameters_can_be_left_out(board, registry):
    task = Task.init(auto_connect_frameworks={"tensorboard": {"report_hparams": False}})
    with board.SummaryWriter("runs/a") as writer:
        writer.add_hparams({"lr": 0.1}, {"hparam/acc": 0.5})
    assert not [name for name in task.get_parameters() if name.startswith("TB_hparams")]
    assert "hparam" in scalars(task)
    task.close()


@pytest.mark.parametrize("frameworks", [False, {"tensorboard": False}])
def test_nothing_is_reported_if_it_is_not_wanted(board, registry, frameworks):
    task = Task.init(auto_connect_frameworks=frameworks)
    with board.SummaryWriter("runs/a") as writer:
        writer.add_scalar("loss", 1, 1)
    assert scalars(task) == {}
    task.close()


def test_meshes_are_named_once(board, task, caplog):
    points = np.zeros((1, 3, 3), "f4")
    with board.SummaryWriter("runs/a") as writer:
        writer.add_mesh("mesh", points, global_step=1)
        writer.add_mesh("mesh", points, global_step=2)
    (message,) = [each.message for each in caplog.records]
    assert message.startswith("TensorBoard's mesh values are not reported, such as 'mesh_")
    assert drawings(task) == {}


def test_a_step_that_cannot_be_an_iteration_does_not_reach_the_writer(board, task, caplog):
    with board.SummaryWriter("runs/a") as writer:
        writer.add_scalar("loss", 1, 2**60)
        writer.add_scalar("loss", 1, 2**60 + 1)
    (message,) = [each.message for each in caplog.records]
    assert message.startswith("localreg could not record EventFileWriter.add_event")


def test_nothing_is_patched_before_a_task_starts_and_after_it_ends(board, registry):
    writer = board.SummaryWriter("runs/a")
    kind = type(writer.file_writer.event_writer)
    original = vars(kind)["add_event"]
    assert not hasattr(original, "__wrapped__")
    task = Task.init()
    assert vars(kind)["add_event"].__wrapped__ is original
    task.close()
    assert vars(kind)["add_event"] is original
    writer.add_scalar("loss", 1, 1)
    writer.close()
    assert scalars(task) == {}


def test_ever_fewer_values_are_kept():
    kept = [number for number in range(1000) if is_kept(number, 10)]
    assert kept[:15] == [*range(10), 10, 12, 14, 16, 18]
    assert len(kept) < 60
