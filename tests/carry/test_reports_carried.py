"""P31: reports, artifacts and pictures go along with models and tasks, by bundle and by merge."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run_cli as run

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import ModelNotFoundError
from localreg.operations.reports.pages import write_site

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def trained(tmp_path):
    """Return the folder of a registry with a trained model and its task, and both ids."""
    with Registry(tmp_path / "laptop", durability="fast") as registry:
        task = Task.init(project_name="vision", task_name="train")
        logger = task.get_logger()
        for step, value in enumerate([1.5, NAN, INF, 0.1, -2.5e300]):
            logger.report_scalar("loss", "train", value, step)
        logger.report_single_value("best", 0.1)
        logger.report_text("a line of the log", print_console=False)
        logger.report_image("picture", "s", 1, image=np.full((2, 2, 3), 7, np.uint8))
        logger.report_table("table", "s", 1, table_plot=[["a", "b"], [1, 2]])
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "a.txt").write_text("result")
        task.upload_artifact("results", tmp_path / "results")
        task.upload_artifact("numbers", {"a": 1})
        output = OutputModel(task, name="resnet")
        (tmp_path / "m.pt").write_bytes(b"weights")
        output.update_weights(str(tmp_path / "m.pt"))
        model = registry.model(output.id)
        model.report_scalar("accuracy", "test", 0.5, 1)
        model.report_matrix("confusion", "test", np.eye(3), 1)
        task.close()
    return tmp_path / "laptop", model.id, task.id


def by_bundle(source, target, model_id):
    bundle = target.with_name(f"{target.name}.tar")
    with Registry(source, readonly=True) as registry:
        registry.export(model_id, path=bundle)
    with Registry(target, durability="fast") as registry:
        found = registry.import_bundle(bundle)
    bundle.unlink()
    return found


def by_merge(source, target, model_id):
    with Registry(target, durability="fast") as registry:
        return registry.merge(source)


WAYS = pytest.mark.parametrize("carry", [by_bundle, by_merge])


def site(root):
    """Write the pages of a registry; return each without what differs from place to place."""
    with Registry(root, durability="fast") as registry:
        write_site(registry._chain)
    pages = {}
    for page in sorted((root / "reports").glob("*s/*.html")):
        text = page.read_text("utf-8")
        text = re.sub(r"<!-- [0-9a-f]{64} -->", "", text)
        text = re.sub(r"Written by localreg on [^.]*", "", text)
        text = re.sub(r"<dt>verified</dt><dd><span>[^<]*", "", text)
        pages[page.name] = text
    return pages


def values(root, model_id, task_id):
    with Registry(root, readonly=True) as registry:
        model, task = registry.model(model_id), Task.get_task(task_id)
        return repr(
            [
                model.get_reported_scalars(),
                task.get_reported_scalars(),
                task.get_last_scalar_metrics(),
                task.get_reported_single_values(),
                sorted(task.artifacts),
            ]
        )


@WAYS
def test_everything_that_was_reported_is_there_and_twice_is_once(carry, trained, tmp_path):
    source, model_id, task_id = trained
    target = tmp_path / "cluster"
    assert carry(source, target, model_id).reports == 5 + 1 + 1 + 2 + 2
    assert values(target, model_id, task_id) == values(source, model_id, task_id)
    with Registry(target):
        artifacts = Task.get_task(task_id).artifacts
        assert artifacts["numbers"].get() == {"a": 1}
        folder = Path(artifacts["results"].get_local_copy(raise_on_error=True))
    assert (folder / "a.txt").read_text() == "result"
    assert carry(source, target, model_id).reports == 0


@WAYS
def test_pages_are_the_same_on_both_sides(carry, trained, tmp_path):
    source, model_id, _ = trained
    carry(source, tmp_path / "cluster", model_id)
    ours, theirs = site(source), site(tmp_path / "cluster")
    assert ours.keys() == theirs.keys()
    for name, page in ours.items():
        assert page == theirs[name], name
    assert "a line of the log" in "".join(theirs.values())
    assert len(list((tmp_path / "cluster" / "files").rglob("*.png"))) == 1


def test_a_training_that_went_on_on_both_sides_ends_the_same(trained, tmp_path):
    source, model_id, task_id = trained
    other = tmp_path / "cluster"
    by_merge(source, other, model_id)
    for number, root in enumerate((source, other)):
        with Registry(root, durability="fast") as registry:
            logger = Task.get_task(task_id).get_logger()
            for step in range(3, 8):
                logger.report_scalar("loss", "train", step + number / 10, step)
            logger.report_scalar("loss", f"only {number}", 1.0, 1)
            logger.report_single_value("best", number)
            logger.report_text(f"line of {number}", print_console=False)
            registry.model(model_id).report_matrix("confusion", "test", np.eye(3) + number, 1)
            registry.model(model_id).set_metadata(f"k{number}", "v")
    by_merge(source, other, model_id)
    by_merge(other, source, model_id)
    assert values(source, model_id, task_id) == values(other, model_id, task_id)
    ours, theirs = site(source), site(other)
    for name, page in ours.items():
        assert page == theirs[name], name
    with Registry(source):
        loss = Task.get_task(task_id).get_reported_scalars()["loss"]
    assert loss["train"]["y"][3:] == [step + 0.1 for step in range(3, 8)]  # the later ones
    assert {"only 0", "only 1"} < set(loss)
    text = "".join(ours.values())
    assert text.index("line of 0") < text.index("line of 1")


@pytest.mark.parametrize("since", ["bundle", "event"])
def test_a_bundle_of_differences_brings_new_reports_and_leaves_out_old_ones(
    since, trained, tmp_path
):
    source, model_id, task_id = trained
    target, first = tmp_path / "cluster", tmp_path / "first.tar"
    with Registry(source, durability="fast") as registry:
        registry.export(model_id, path=first)
        event = registry.history(1)[0].event_id
    with Registry(target, durability="fast") as registry:
        registry.import_bundle(first)
    with Registry(source, durability="fast") as registry:
        logger = Task.get_task(task_id).get_logger()
        many = np.random.default_rng(0).random(50_000)
        logger.report_vector("large", "s", many, 1)
        logger.report_image("picture", "s", 2, image=np.full((2, 2, 3), 9, np.uint8))
        registry.export(model_id, path=tmp_path / "second.tar", since=first)
        event = event if since == "event" else first
        registry.export(model_id, path=tmp_path / "new.tar", since=event)
        registry.model(model_id).report_single_value("later", 1.0)
        registry.export(
            model_id, path=tmp_path / "third.tar",
            since=tmp_path / "second.tar" if since == "bundle" else registry.history(1)[0].event_id,
        )  # fmt: skip
    with Registry(target, durability="fast") as registry:
        assert registry.import_bundle(tmp_path / "new.tar").reports == 2
        assert registry.import_bundle(tmp_path / "third.tar").reports == 1
    assert values(target, model_id, task_id) == values(source, model_id, task_id)
    ours, theirs = site(source), site(target)
    assert ours == theirs
    if since == "bundle":  # the large plot is not in it again
        assert (tmp_path / "third.tar").stat().st_size < (tmp_path / "new.tar").stat().st_size / 3


def test_a_bundle_without_reports_has_none(trained, tmp_path):
    source, model_id, task_id = trained
    assert run("-R", source, "export", model_id, "--no-reports", "-o", tmp_path / "b.tar")[0] == 0
    assert run("-R", tmp_path / "c", "import", tmp_path / "b.tar")[0] == 0
    with Registry(tmp_path / "c") as registry:
        assert registry.model(model_id).get_reported_scalars() == {}
        assert Task.get_task(task_id).get_reported_single_values() == {}
        assert Task.get_task(task_id).artifacts["numbers"].get() == {"a": 1}
    assert "a line of the log" not in "".join(site(tmp_path / "c").values())


def test_a_model_that_came_without_its_parent_says_so(tmp_path):
    with Registry(tmp_path / "laptop", durability="fast") as registry:
        (tmp_path / "m.pt").write_bytes(b"weights")
        base = registry.add(tmp_path / "m.pt", "base")
        task = Task.init(task_name="train")
        InputModel(base.id).connect(task)
        output = OutputModel(task, name="tuned", base_model_id=None)
        (tmp_path / "n.pt").write_bytes(b"tuned")
        output.update_weights(str(tmp_path / "n.pt"))
        task.close()
    by_bundle(tmp_path / "laptop", tmp_path / "cluster", output.id)
    with Registry(tmp_path / "cluster"):
        with pytest.raises(ModelNotFoundError):
            Model(base.id).publish()
        assert f"{base.id[:8]}… (not in this registry)" in repr(Model(output.id).lineage())
    pages = site(tmp_path / "cluster")
    assert f"{base.id[:8]}… (not in this registry)" in pages[f"{output.id}.html"]
    assert f"{base.id} (not in this registry)" in pages[f"{task.id}.html"]
    by_bundle(tmp_path / "laptop", tmp_path / "cluster", base.id)
    assert "not in this registry" not in "".join(site(tmp_path / "cluster").values())
