"""Bytes travel by a remote: pushed before the events that name them, fetched when wanted."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run_cli
from support.contents import blobs
from support.remotes import object_of

from localreg import Dataset, Model, Registry, Task
from localreg.errors import NoWeightsError
from localreg.operations.models.removal import forget_model
from localreg.operations.remotes import names, sending_blobs
from localreg.operations.remotes.checking import check
from localreg.operations.remotes.compaction import compact
from localreg.operations.remotes.pulling import pull
from localreg.operations.remotes.pushing import push

LARGE = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture
def place(tmp_path):
    return tmp_path / "shared"


@pytest.fixture
def laptop(tmp_path, place):
    with Registry(tmp_path / "laptop", durability="fast") as made:
        names.add(made._chain, "origin", place)
        yield made


@pytest.fixture
def other(tmp_path, place, laptop):
    with Registry(tmp_path / "other", durability="fast") as made:
        names.add(made._chain, "origin", place)
        yield made


@pytest.fixture
def bert(tmp_path):
    """A folder: small files, a large one, an executable one, twice the same bytes."""
    folder = tmp_path / "bert"
    (folder / "more").mkdir(parents=True)
    for number in range(20):
        (folder / f"more/{number}.txt").write_text(str(number // 2))
    (folder / "model.bin").write_bytes(LARGE)
    run = folder / "run.sh"
    run.write_text("#!/bin/sh\n")
    run.chmod(0o755)
    return folder


def objects(place):
    return {path.parent.name + path.name for path in (place / "blobs").rglob("*") if path.is_file()}


def gaps(registry):
    return [digest for (digest,) in registry.db.conn.execute("SELECT digest FROM remote_gap")]


def test_weights_are_pushed_once_and_fetched_when_wanted(laptop, other, place, bert, write_file):
    laptop.add(write_file("a.bin", LARGE), name="a")
    package = laptop.add(bert, name="bert")
    sent = push(laptop._chain)
    assert (sent.blobs, sent.missing) == (13, ())  # 11 texts with the script, LARGE, and the list
    assert sent.size == sum(path.stat().st_size for path in blobs(laptop.path))
    assert objects(place) == {path.parent.name + path.name for path in blobs(laptop.path)}
    assert push(laptop._chain).blobs == 0
    came = pull(other._chain)
    assert came.arrived.blobs == 0
    assert [path.parent.name + path.name for path in blobs(other.path)] == [package.digest]
    assert len(other.model(package.id).files) == 22, "the list of its files came"
    assert other.verify().ok
    folder = Path(other.model(package.id).get_local_copy(raise_on_error=True))
    assert (folder / "model.bin").read_bytes() == LARGE
    assert os.access(folder / "run.sh", os.X_OK)
    with other:
        assert Path(other.model("a").get_weights(raise_on_error=True)).read_bytes() == LARGE
    assert other.verify(full=True).ok
    assert push(other._chain).blobs == 0


def test_pull_with_blobs_brings_all(laptop, other, bert, write_file):
    laptop.add(write_file("a.bin", b"a"), name="a")
    laptop.add(bert, name="bert")
    push(laptop._chain)
    pull(other._chain, blobs=True, dry_run=True)
    assert blobs(other.path) == []
    came = pull(other._chain, blobs=True)
    assert came.arrived.blobs == len(blobs(laptop.path)) - 1  # the list of the package came before
    assert came.arrived.missing == ()
    assert [path.name for path in blobs(other.path)] == [path.name for path in blobs(laptop.path)]
    assert pull(other._chain, blobs=True).arrived.blobs == 0
    assert other.verify(full=True).elsewhere == 0


def test_what_is_not_here_is_said_and_sent_when_it_came(laptop, other, place, write_file):
    path = write_file("a.bin", b"a")
    model = laptop.add(path, name="a")
    path.unlink()
    (blob,) = blobs(laptop.path)
    kept = blob.rename(laptop.path / "elsewhere")
    sent = push(laptop._chain)
    (lacking,) = sent.missing
    assert (lacking.ref, lacking.digest, lacking.size) == ("a:1", model.digest, 1)
    assert gaps(laptop) == [model.digest]
    assert push(laptop._chain).missing == ()  # said once
    pull(other._chain)
    with pytest.raises(NoWeightsError, match=r"origin.*does not have them"):
        other.model("a").get_weights(raise_on_error=True)
    kept.rename(blob)
    sent = push(laptop._chain)
    assert (sent.blobs, gaps(laptop)) == (1, [])
    assert Path(other.model("a").get_weights(raise_on_error=True)).read_bytes() == b"a"


def test_bytes_that_are_damaged_here_are_not_sent(laptop, place, write_file):
    model = laptop.add(write_file("a.bin", b"abc"), name="a")
    (blob,) = blobs(laptop.path)
    blob.chmod(0o644)
    blob.write_bytes(b"xyz")
    (lacking,) = push(laptop._chain).missing
    assert "damaged" in lacking.why
    assert objects(place) == set()
    assert not object_of(place, model.digest).exists()


def test_a_cut_object_is_replaced(laptop, other, place, write_file):
    model = laptop.add(write_file("a.bin", b"abc"), name="a")
    cut = object_of(place, model.digest)
    cut.parent.mkdir(parents=True)
    cut.write_bytes(b"ab")
    assert push(laptop._chain).blobs == 1
    pull(other._chain, blobs=True)
    assert blobs(other.path)[0].read_bytes() == b"abc"


def test_a_file_that_a_model_only_points_to_is_not_sent(laptop, place, write_file):
    path = write_file("a.bin", b"abc")
    laptop.add(path, name="a", mode="reference")
    (lacking,) = push(laptop._chain).missing
    assert (lacking.ref, lacking.digest) == ("a:1", None)
    assert str(path) in lacking.why
    assert objects(place) == set()
    assert push(laptop._chain).missing == ()


def test_bytes_of_removed_models_go_only_when_they_are_restored(laptop, other, write_file):
    model = laptop.add(write_file("a.bin", b"abc"), name="a")
    Model.remove(model)
    assert push(laptop._chain).blobs == 0
    laptop.restore(model.id)
    assert push(laptop._chain).blobs == 1
    pull(other._chain)
    assert Path(other.model("a").get_weights(raise_on_error=True)).read_bytes() == b"abc"


def test_a_dry_run_sends_nothing(laptop, place, bert):
    laptop.add(bert, name="bert")
    found = push(laptop._chain, dry_run=True)
    assert found.blobs == 13
    assert objects(place) == set()
    assert gaps(laptop) == []


def test_a_look_at_all_finds_what_is_lacking(laptop, place, write_file):
    model = laptop.add(write_file("a.bin", b"abc"), name="a")
    push(laptop._chain)
    object_of(place, model.digest).unlink()
    assert push(laptop._chain).blobs == 0  # it is not looked for each time
    remote = names.find(laptop._chain)
    found = sending_blobs.look_for_gaps(laptop._chain, remote, names.connect(remote))
    assert (found.lacking, found.size) == ((model.digest,), 3)
    assert push(laptop._chain).blobs == 1
    found = sending_blobs.look_for_gaps(laptop._chain, remote, names.connect(remote))
    assert found.lacking == ()


def test_reports_travel_with_their_pictures(laptop, other, place, write_file):
    picture = write_file("dog.png", b"not really a picture")
    with laptop:
        task = Task.init("p", "t", reuse_last_task_id=False)
        logger = task.get_logger()
        for step in range(5):
            logger.report_scalar("loss", "train", 1 / (step + 1), step)
        logger.report_single_value("accuracy", 0.9)
        logger.report_image("dog", "a", 0, local_path=str(picture))
        task.close()
    sent = push(laptop._chain)
    assert (sent.reports, sent.blobs) == (1, 1)
    assert push(laptop._chain).reports == 0
    came = pull(other._chain)
    assert came.arrived.reports > 6
    with other:
        found = Task.get_task(task.id)
        assert found.get_reported_scalars()["loss"]["train"]["y"] == pytest.approx(
            [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
        )
        assert found.get_reported_single_values() == {"accuracy": 0.9}
        (sample,) = found.get_debug_samples("dog", "a")
        assert sample["url"].endswith("dog.png")
        assert Path(sample["url"].removeprefix("file://")).read_bytes() == picture.read_bytes()
    assert push(other._chain).reports == 0


def test_what_both_reported_is_joined_everywhere(laptop, other):
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "laptop", 1.0, 0)
    push(laptop._chain)
    pull(other._chain)
    with other:
        other.model("a").report_scalar("loss", "other", 2.0, 0)
    with laptop:
        laptop.model("a").report_scalar("loss", "laptop", 3.0, 1)
    assert push(laptop._chain).reports == 1
    assert push(other._chain).reports == 1  # it has what was there, and more
    pull(laptop._chain)
    for each in (laptop, other):
        found = each.model("a").get_reported_scalars()["loss"]
        assert (found["laptop"]["y"], found["other"]["y"]) == ([1.0, 3.0], [2.0])
        assert push(each._chain).reports == 0


def test_reports_that_a_merge_brought_are_sent(laptop, other, tmp_path, place):
    """They are older than the last report here."""
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "laptop", 1.0, 0)
    with Registry(tmp_path / "third", durability="fast") as third:
        third.merge(laptop.path)
        with third:
            third.model("a").report_scalar("loss", "third", 2.0, 0)
        third._chain.first.store.flush()
        with laptop:
            model.report_scalar("loss", "laptop", 3.0, 1)
        assert push(laptop._chain).reports == 1
        laptop.merge(third.path)
    assert push(laptop._chain).reports == 1
    pull(other._chain)
    found = other.model("a").get_reported_scalars()["loss"]
    assert (found["laptop"]["y"], found["third"]["y"]) == ([1.0, 3.0], [2.0])


@pytest.mark.parametrize("damage", [None, bytes(3 << 20)])
def test_reports_that_are_not_there_are_passed_over(laptop, other, place, caplog, damage):
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "laptop", 1.0, 0)
    push(laptop._chain)
    (stream,) = [path for path in (place / "reports").rglob("*") if path.is_file()]
    stream.unlink()
    if damage is not None:
        stream.write_bytes(damage)
    assert pull(other._chain).arrived.reports == 0
    assert model.id in caplog.text
    with laptop:
        model.report_scalar("loss", "laptop", 2.0, 1)
    push(laptop._chain)
    assert pull(other._chain).arrived.reports == 2


def test_a_stream_that_lacks_some_reports_is_completed(laptop, other, tmp_path, place):
    """It is of a registry that removed the model for itself, with its reports, and took it back."""
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "laptop", 1.0, 0)
    push(laptop._chain)
    pull(other._chain)
    forget_model(other._chain.first, model.id)
    with other:
        other.restore(model.id).report_scalar("loss", "other", 2.0, 0)
    assert push(other._chain).reports == 1
    pull(laptop._chain)
    assert push(laptop._chain).reports == 1
    assert push(laptop._chain).reports == 0
    with Registry(tmp_path / "new", durability="fast") as new:
        names.add(new._chain, "origin", place)
        pull(new._chain)
        found = new.model("a").get_reported_scalars()["loss"]
    assert (found["laptop"]["y"], found["other"]["y"]) == ([1.0], [2.0])


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_reports_that_the_remote_lost_are_sent_again_after_a_check(laptop, other, place, damage):
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "laptop", 1.0, 0)
    push(laptop._chain)
    (stream,) = [path for path in (place / "reports").rglob("*") if path.is_file()]
    stream.unlink()
    if damage == "cut":
        stream.write_bytes(b"")
    (problem,) = check(laptop._chain).problems
    assert "what was reported to a model or task" in problem
    assert push(laptop._chain).reports == 1
    assert check(laptop._chain).problems == ()
    assert pull(other._chain).arrived.reports == 1


def test_large_reports_travel_by_a_file(laptop, other):
    steps = 300_000
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        for step in range(steps):
            model.report_scalar("loss", "a", random.random(), step)
    push(laptop._chain)
    pull(other._chain)
    found = [each.model("a").get_reported_scalars()["loss"]["a"]["y"] for each in (laptop, other)]
    assert len(found[0]) > 0
    assert found[0] == found[1]


def test_show_and_pages_say_where_bytes_are(laptop, other, bert, write_file, place):
    laptop.add(write_file("a.bin", b"abc"), name="a")
    laptop.add(bert, name="bert")

    def where(registry, ref):
        return run_cli("-R", str(registry.path), "show", ref)[1]

    assert "kept here" in where(laptop, "a")
    assert "at the remote" not in where(laptop, "a")
    push(laptop._chain)
    pull(other._chain)
    assert "kept here, and at the remote origin" in where(laptop, "a")
    for ref in ("a", "bert"):
        assert "at the remote origin; fetched when needed" in where(other, ref)
        page = Path(other.model(ref).report()).read_text("utf-8")
        assert "at the remote origin; fetched when needed" in page
        assert len(blobs(other.path)) == 1, "nothing but the list is here"
    for ref in ("a", "bert"):
        other.model(ref).get_local_copy(raise_on_error=True)
        assert "kept here, and at the remote origin" in where(other, ref)


def test_the_url_of_what_only_a_remote_has_is_that_of_its_object(laptop, other, bert, place):
    single = laptop.add(io.BytesIO(b"abc"), name="a")
    package = laptop.add(bert, name="bert")
    push(laptop._chain)
    pull(other._chain)
    for each in (single, package):
        found = other.model(each.id)
        assert found.url == object_of(place, each.digest).as_uri()
        assert [revision.url for revision in found.revisions()] == [None]
    assert len(blobs(other.path)) == 1


def test_lists_of_revisions_download_nothing(laptop, other, bert):
    """Also if the list of the package is here already."""
    package = laptop.add(bert, name="bert")
    push(laptop._chain)
    pull(other._chain)
    found = other.model(package.id)
    found.get_local_copy(file="run.sh", raise_on_error=True)
    assert [each.url for each in found.revisions()] == [None]
    assert found.url is not None
    assert len(blobs(other.path)) == 2


def test_pages_show_what_is_here_only(laptop, other, write_file):
    picture = write_file("dog.png", b"not really a picture")
    with laptop:
        task = Task.init("p", "t", reuse_last_task_id=False)
        task.get_logger().report_image("dog", "a", 0, local_path=str(picture))
        task.close()
    push(laptop._chain)
    pull(other._chain)
    with other:
        page = Task.get_task(task.id).report()
    assert "dog.png" in Path(page).read_text("utf-8")
    assert blobs(other.path) == []


def test_data_sets_come_from_the_remote(laptop, other, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    with laptop:
        first = Dataset.create("d", dataset_project="p")
        first.add_files(folder)
        first.finalize(auto_upload=True)
    push(laptop._chain)
    pull(other._chain)
    with other:
        found = Dataset.get(dataset_id=first.id)
        assert found.list_files() == ["a.txt", "b.txt"]
        child = Dataset.create("d", dataset_project="p", parent_datasets=[first.id])
        (folder / "c.txt").write_text("c")
        child.add_files(folder / "c.txt")
        child.finalize(auto_upload=True)
        copy = Path(child.get_local_copy())
        assert {each.name: each.read_text() for each in copy.iterdir()} == {
            "a.txt": "a", "b.txt": "b", "c.txt": "c",
        }  # fmt: skip


@pytest.mark.parametrize("all_at_once", [False, True])
def test_what_is_inside_a_package_is_known_once_it_is_here(laptop, other, tmp_path, all_at_once):
    folder = tmp_path / "net"
    folder.mkdir()
    np.savez(folder / "weights.npz", a=np.zeros((3, 4), np.float32))
    (folder / "note.txt").write_text("note")
    laptop.add(folder, name="net")
    push(laptop._chain)
    pull(other._chain, blobs=all_at_once)
    if not all_at_once:
        other.model("net").get_local_copy(raise_on_error=True)
    for each in (laptop, other):
        shown = run_cli("-R", str(each.path), "show", "net")[1]
        assert "12 parameters" in shown, shown


def test_a_list_that_is_lost_is_looked_for_when_it_is_asked_for(laptop, other, bert, place):
    """The count of its files is not known until then, and the error says once where it was."""
    package = laptop.add(bert, name="bert")
    push(laptop._chain)
    lost = object_of(place, package.digest).rename(place / "lost")
    pull(other._chain)
    shown = run_cli("-R", str(other.path), "show", "bert")[1]
    assert "0 files" not in shown
    assert other.model(package.id).files == ()
    with pytest.raises(NoWeightsError, match=r"origin.*does not have them") as raised:
        other.model(package.id).get_local_copy(raise_on_error=True)
    assert str(raised.value).count("does not have them") == 1
    lost.rename(object_of(place, package.digest))
    assert other.model(package.id).get_local_copy(raise_on_error=True)
    assert len(other.model(package.id).files) == 22


def test_a_package_of_a_checkpoint_comes_with_its_list(laptop, tmp_path, place, bert):
    """Such a clone has the rows of its files, and not the bytes of the list."""
    package = laptop.add(bert, name="bert")
    push(laptop._chain)
    compact(laptop._chain)
    with Registry.clone(place, tmp_path / "clone") as clone:
        assert len(clone.model(package.id).files) == 22
        assert clone.verify().ok
        clone.model(package.id).get_local_copy(raise_on_error=True)
        assert len(blobs(clone.path)) == len(blobs(laptop.path))
        assert clone.verify(full=True).elsewhere == 0
        assert push(clone._chain).missing == ()
