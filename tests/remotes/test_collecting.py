"""`remote gc`: what nothing refers to goes, what anybody may want stays, and pushes wait for it."""

from __future__ import annotations

import hashlib
import io
import os
import time

import pytest

from localreg import Model, Registry, Task
from localreg.errors import InvalidValueError
from localreg.operations.models.removal import forget_model
from localreg.operations.remotes import names
from localreg.operations.remotes.collecting import collect
from localreg.operations.remotes.pulling import pull
from localreg.operations.remotes.pushing import push
from localreg.operations.remotes.resetting import reset

A_YEAR = 365 * 86_400


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


def objects(place, folder="blobs"):
    return {path.parent.name + path.name for path in (place / folder).rglob("*") if path.is_file()}


def gc(registry, **options):
    return collect(registry._chain, **({"grace_seconds": 0, "dry_run": False} | options))


def age(place):
    """Make all objects a year old."""
    for path in place.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - A_YEAR, time.time() - A_YEAR))


def test_bytes_of_a_removed_model_go(laptop, other, place):
    gone = laptop.add(io.BytesIO(b"gone"), name="gone")
    stays = laptop.add(io.BytesIO(b"stays"), name="stays")
    push(laptop._chain)
    Model.remove(gone)
    push(laptop._chain)
    before = objects(place)
    assert len(before) == 2
    found = gc(other, dry_run=True)
    assert [each.kind for each in found.garbage] == ["weights"]
    assert (found.freed, found.dry_run) == (4, True)
    assert objects(place) == before
    done = gc(other)
    assert (done.freed, done.failed) == (4, ())
    assert objects(place) == {stays.digest}
    assert gc(laptop).garbage == ()
    assert laptop.verify().ok


def test_nothing_goes_within_the_grace_period(laptop, place):
    """Neither young bytes, nor those of what was removed lately."""
    gone = laptop.add(io.BytesIO(b"gone"), name="gone")
    push(laptop._chain)
    Model.remove(gone)
    push(laptop._chain)
    found = gc(laptop, grace_seconds=3600)
    assert (found.garbage, found.waiting, len(objects(place))) == ((), 0, 1)
    age(place)
    assert gc(laptop, grace_seconds=3600).garbage == ()
    assert len(gc(laptop).garbage) == 1


def test_young_bytes_wait_whatever_the_clock_of_this_machine_says(laptop, place):
    """An upload that has no commit yet: of a push that goes on."""
    store = names.connect(names.find(laptop._chain))
    store.put_bytes(f"blobs/sha256/{'0' * 2}/{'0' * 62}", b"abc")
    found = gc(laptop, grace_seconds=3600)
    assert (found.garbage, found.waiting) == ((), 3)
    assert found.next_due is not None
    age(place)
    assert len(gc(laptop, grace_seconds=3600).garbage) == 1


def test_packages_are_needed_with_their_files_though_no_list_is_here(
    laptop, other, place, tmp_path
):
    folder = tmp_path / "bert"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(str(number))
    laptop.add(folder, name="bert")
    push(laptop._chain)
    assert gc(other).garbage == ()
    assert len(objects(place)) == 4


def test_a_package_whose_list_is_lost_keeps_everything(laptop, other, place, tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    package = laptop.add(folder, name="bert")
    push(laptop._chain)
    (place / "blobs/sha256" / package.digest[:2] / package.digest[2:]).unlink()
    found = gc(other)
    assert found.garbage == ()
    assert package.digest[:12] in found.failed[0]


def test_what_only_this_registry_removed_stays(laptop, other, place):
    model = laptop.add(io.BytesIO(b"abc"), name="a")
    push(laptop._chain)
    pull(other._chain)
    forget_model(other._chain.first, model.id)
    assert gc(other).garbage == ()


def test_what_was_removed_here_and_not_there_stays(laptop, other, place):
    """The others do not know of the removal, and may want the bytes."""
    model = laptop.add(io.BytesIO(b"abc"), name="a")
    push(laptop._chain)
    Model.remove(model)
    assert gc(laptop).garbage == ()
    push(laptop._chain)
    assert len(gc(laptop).garbage) == 1


def test_pictures_of_what_was_removed_here_and_not_there_stay(laptop, other, place, write_file):
    """No event names them, and the reports went with the task."""
    picture = write_file("dog.png", b"not really a picture")
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    with other:
        task = Task.init("p", "t", reuse_last_task_id=False)
        task.get_logger().report_image("dog", "a", 0, local_path=str(picture))
        task.close()
    push(other._chain)
    pull(laptop._chain)
    with laptop:
        Task.get_task(task.id).delete()
    gc(laptop)
    assert digest in objects(place)
    push(laptop._chain)
    gc(laptop)
    assert digest not in objects(place)


def test_reports_that_newer_ones_replaced_go(laptop, other, place):
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        for step in range(3):
            model.report_scalar("loss", "a", 1.0, step)
            push(laptop._chain)
    assert len(objects(place, "reports")) == 3
    assert [each.kind for each in gc(other).garbage] == ["reports", "reports"]
    assert len(objects(place, "reports")) == 1
    assert other.model("a").get_reported_scalars()["loss"]["a"]["x"] == [0, 1, 2]


def test_reports_stay_after_a_reset(laptop, other, place):
    with laptop:
        model = laptop.add(io.BytesIO(b"abc"), name="a")
        model.report_scalar("loss", "a", 1.0, 0)
    push(laptop._chain)
    pull(other._chain)
    for each in (laptop, other):
        reset(each._chain, "origin")
        assert gc(each).garbage == ()
        assert push(each._chain).reports == 0
    with laptop:
        laptop.model("a").report_scalar("loss", "a", 2.0, 1)
    push(laptop._chain)
    assert reset(other._chain, "origin").reports == 1
    assert [each.kind for each in gc(other).garbage] == ["reports"]
    assert other.model("a").get_reported_scalars()["loss"]["a"]["y"] == [1.0, 2.0]
    assert push(other._chain).reports == 0


def test_a_grace_period_that_is_none(laptop):
    with pytest.raises(InvalidValueError, match="grace_seconds"):
        gc(laptop, grace_seconds=-1)
