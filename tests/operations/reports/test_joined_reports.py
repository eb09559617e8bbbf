"""Pages show what was reported in other registries, too, as soon as it came."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from localreg import Model, Registry, Task
from localreg.operations.reports.pages import write_site
from localreg.store.rows import report_transfer
from localreg.values.records import Owner


@pytest.fixture
def copies(tmp_path):
    """Return two copies of a registry with a model, and the model's id."""
    with Registry(tmp_path / "ours", durability="fast") as ours:
        (tmp_path / "m.pt").write_bytes(b"weights")
        model = ours.add(tmp_path / "m.pt", "m")
        model.report_scalar("loss", "train", 0.5, 1)
        model.flush()
    shutil.copytree(tmp_path / "ours", tmp_path / "other")
    return tmp_path / "ours", tmp_path / "other", model.id


def joined(ours, other, owner):
    """Join the reports of one registry with those of another, as a merge does."""
    with Registry(other, readonly=True) as source, Registry(ours, durability="fast") as target:
        with (
            source._chain.first.store.read() as from_,
            target._chain.first.store.write() as change,
        ):
            found = report_transfer.join(
                change.connection, owner, report_transfer.read(from_, owner)
            )
        write_site(target._chain)
    return found


REPORTS = {
    "another value of the same point": lambda model: model.report_scalar("loss", "train", 7.25, 1),
    "a single value": lambda model: model.report_single_value("best", 7.25),
    "another single value": lambda model: model.report_single_value("accuracy", 7.25),
    "a plot": lambda model: model.report_vector("7.25", "s", [1], 1),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_page_is_written_again_though_something_later_was_reported_here(report, copies):
    ours, other, model_id = copies
    with Registry(ours, durability="fast") as registry:
        Model(model_id).report_single_value("accuracy", 0.25)
    with Registry(other, durability="fast"):
        report(Model(model_id))
    with Registry(ours, durability="fast") as registry:
        Model(model_id).set_metadata("later", "than what comes")
        write_site(registry._chain)
    page = ours / "reports" / "models" / f"{model_id}.html"
    before = page.read_bytes()
    joined(ours, other, Owner("model", model_id))
    after = page.read_bytes()
    assert after != before
    assert b"7.25" in after
    joined(ours, other, Owner("model", model_id))
    assert page.read_bytes() == after


def test_lines_of_a_log_that_came_are_on_the_page(tmp_path):
    with Registry(tmp_path / "ours", durability="fast"):
        task = Task.create(task_name="run")
    shutil.copytree(tmp_path / "ours", tmp_path / "other")
    with Registry(tmp_path / "other", durability="fast"):
        Task.get_task(task.id).get_logger().report_text("from elsewhere")
    found = joined(tmp_path / "ours", tmp_path / "other", Owner("task", task.id))
    assert found.messages == 1
    page = tmp_path / "ours" / "reports" / "tasks" / f"{task.id}.html"
    assert "from elsewhere" in page.read_text()


def test_a_wrong_size_of_bytes_that_did_not_come_is_corrected_by_the_bytes(copies, tmp_path):
    ours, _, model_id = copies
    data = b"picture"
    digest = hashlib.sha256(data).hexdigest()
    spec = b'{"options": {"filename": "p.png"}, "parts": []}'
    head = json.dumps(["media", digest, len(spec), None, None], separators=(",", ":")) + "\n"
    frames = [
        {"kind": "reports", "v": 1},
        {
            "kind": "plot", "series": ["t", "s"], "iteration": 1, "plot": "media", "at": 5,
            "blob": [digest, 999], "bytes": [len(spec), None, None],
            "sha256": hashlib.sha256(head.encode() + spec).hexdigest(),
        },
    ]  # fmt: skip
    stream = [*(f"{json.dumps(each)}\n".encode() for each in frames), spec, b'{"kind":"end"}\n']
    with Registry(ours, durability="fast") as registry:
        with registry._chain.first.store.write() as change:
            report_transfer.join(change.connection, Owner("model", model_id), stream)
        (tmp_path / "p.png").write_bytes(data)
        model = registry.add(tmp_path / "p.png", "picture")
        assert model.size == len(data)
        assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == data
