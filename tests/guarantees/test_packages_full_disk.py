"""P5, P28: a disk that is full at any point of adding or reading a package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.contents import blobs, check_sound, unaccounted
from support.trees import File, look, plant

from localreg import OutputModel, Registry, Task
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import StorageFullError

OLD = {
    "shared": File(b"shared" * 1_000),
    "old/one": File(b"1" * 5_000),
    "run.sh": File(b"#!/bin/sh\n", executable=True),
    "logs": None,
}
NEW = {
    "shared": File(b"shared" * 1_000),
    "new/one": File(b"2" * 9_000),
    "new/deep/two": File(b"3" * 3_000),
    "new/deep/same": File(b"3" * 3_000),
    "nothing": File(b""),
    "run.sh": File(b"#!/bin/sh\n# new\n", executable=True),
    "empty": None,
}


class Limited:
    """A registry on a tmpfs whose space, or number of files, is limited to what is used and more.

    Args:
        disk: where it is mounted.
        remount: mounts it with other options.
        unit: "size" or "nr_inodes".
    """

    def __init__(self, disk, remount, unit):
        self.disk, self._remount, self.unit = disk, remount, unit
        self.step = 4_096 if unit == "size" else 1

    def leave(self, spare):
        """Leave so many pages of memory, or files, free."""
        found = os.statvfs(self.disk)
        if self.unit == "size":
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
        else:
            used = found.f_files - found.f_ffree
        self._remount("-o", f"remount,{self.unit}={used + spare * self.step}", "none")

    def release(self):
        """Leave enough."""
        self._remount("-o", "remount,size=64m,nr_inodes=100000", "none")


@pytest.fixture(params=["size", "nr_inodes"])
def limited(request, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=64m,nr_inodes=100000", "none")
    return Limited(disk, small_disk, request.param)


def known(registry):
    """Return the rows that a package adds, and the files of the registry but the database's."""
    rows = [
        tuple(registry.db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall())
        for name in ("model", "weights", "tree_file", "artifact", "event")
    ]
    files = [each for each in registry.path.rglob("*") if each.is_file()]
    return rows, sorted(str(each) for each in files if not each.name.startswith("registry.db"))


def add(registry, task, model, source):
    registry.add(source, "new")


def update(registry, task, model, source):
    model.update_weights_package(weights_path=str(source), auto_delete_file=False)


def upload(registry, task, model, source):
    task.upload_artifact("new", source, wait_on_upload=True)


@pytest.mark.parametrize("call", [add, update, upload], ids=lambda each: each.__name__)
def test_a_package_that_does_not_fit_leaves_nothing(limited, tmp_path, call):
    """With one more page, or one more file, each time: the error is typed, and nothing is kept."""
    source = plant(tmp_path / "new", NEW)
    with Registry(limited.disk / "registry", durability="fast") as registry:
        old = registry.add(plant(tmp_path / "old", OLD), "old")
        task = Task.create("p", "t")
        model = OutputModel(task, name="made")
        copy = Path(old.get_local_copy())
        registry.gc(grace_seconds=0, dry_run=False)
        before, refused = known(registry), 0
        for spare in range(200):
            limited.leave(spare)
            try:
                call(registry, task, model, source)
            except StorageFullError:
                refused += 1
            else:
                break
            finally:
                limited.release()
            assert known(registry)[0] == before[0], spare
            assert look(copy) == OLD
            done = registry.gc(grace_seconds=0, dry_run=False)
            assert done.failed == ()
            assert known(registry) == before, spare
            assert registry.verify(full=True).ok
        assert refused > 5
        call(registry, task, model, source)
        assert registry.verify(full=True).ok
    check_sound(limited.disk / "registry")
    assert unaccounted(limited.disk / "registry") == []


def test_a_local_folder_that_does_not_fit_is_made_elsewhere(limited, tmp_path, temporary_folder):
    """P29: with one more page or file each time, it is whole, and nothing half is in the registry.

    An executable file and each folder take space; links do not, but each is a file of tmpfs.
    """
    with Registry(limited.disk / "registry", durability="fast") as registry:
        model = registry.add(plant(tmp_path / "new", NEW), "new")
        trees = registry.path / "trees"
        before = sorted(map(str, blobs(registry.path)))
        for spare in range(200):
            limited.leave(spare)
            try:
                copy = Path(model.get_local_copy(raise_on_error=True))
            finally:
                limited.release()
            assert look(copy) == NEW, spare
            if copy.is_relative_to(trees):
                break
            assert copy.is_relative_to(temporary_folder)
            assert [each for each in trees.rglob("*") if each.is_file()] == [], spare
            remove_tree(copy)
        assert spare > 0
        assert sorted(map(str, blobs(registry.path))) == before
        assert registry.verify(full=True).ok
    assert unaccounted(limited.disk / "registry") == []


def test_a_full_disk_gives_one_file_of_a_package(small_disk, tmp_path, temporary_folder):
    """P29: reading works on a disk without a free byte."""
    disk = small_disk("-t", "tmpfs", "-o", "size=64m", "none")
    with Registry(disk / "registry") as registry:
        model = registry.add(plant(tmp_path / "new", NEW), "new")
        Limited(disk, small_disk, "size").leave(0)
        copy = Path(model.get_local_copy(file="new/deep/two", raise_on_error=True))
        assert copy.read_bytes() == NEW["new/deep/two"].content
        assert look(model.get_local_copy(raise_on_error=True)) == NEW
