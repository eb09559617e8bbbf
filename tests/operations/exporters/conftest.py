"""A registry with something of everything that goes out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from localreg import InputModel, OutputModel, Task

LONG = "x" * 7_000


@pytest.fixture
def made(registry, tmp_path, monkeypatch):
    """Two projects; runs of several states; models, one of them in versions, one a package."""
    monkeypatch.chdir(tmp_path)
    Path("w.pt").write_bytes(b"first weights")
    Path("w2.pt").write_bytes(b"second weights")
    Path("net").mkdir()
    Path("net/README.md").write_text("# Mine\n")
    Path("net/config.json").write_text('{"model_type": "bert"}')
    Path("net/part").mkdir()
    Path("net/part/model.safetensors").write_bytes(b"tensors")
    whole = Task.create("vision", "sweep")
    task = Task.create("vision", "train", task_type="training")
    task.set_parent(whole)
    task.set_parameters(
        {"General/lr": 0.1, "Args/batch": 32, "Args/a/b": "c", "General/long": LONG}
    )
    task.set_comment("a note")
    task.add_tags(["night", "good"])
    logger = task.get_logger()
    for step, value in enumerate((0.5, float("nan"), float("inf"), float("-inf"), -1e300)):
        logger.report_scalar("loss", "train", value, step - 2)
        logger.report_scalar("accuracy", "accuracy", step / 10, step)
    logger.report_single_value("score", 0.75)
    logger.report_histogram("sizes", "all", [1, 2, 3], iteration=4)
    logger.report_media(
        "sounds", "m", iteration=0, stream=io.BytesIO(b"text"), file_extension="txt"
    )
    logger.report_text("a line")
    task.upload_artifact("facts", {"a": 1})
    task.upload_artifact("w", "w.pt")
    task.upload_artifact("folder", "net")
    task.set_configuration_object("data", config_text="path: here\n")
    task.mark_completed()
    failed = Task.create("text", "broken")
    failed.mark_failed(status_reason="no memory")
    stopped = Task.create("text", "stopped")
    stopped.mark_stopped()
    registry.add("w.pt", "resnet", "vision", alias="prod", tags=["a"], metadata={"rank": 3})
    second = OutputModel(task, name="resnet", config_dict={"layers": 3})
    second.update_weights("w2.pt", auto_delete_file=False, async_enable=False)
    second.labels = {"cat": 0}
    second.report_scalar("val", "loss", 0.25, 1)
    registry.add("net", "bert", metadata={"license": "mit"})
    old = InputModel.import_model("https://example.org/far.pt", name="far", project="vision")
    old.archive()
    return registry
