"""P27, P28: a folder that changes while it is added is an error, and nothing is recorded."""

from __future__ import annotations

import io
import os
import sys
import threading
from contextlib import contextmanager

import pytest
from support.contents import blobs
from support.trees import File, look, plant

from localreg import InputModel, OutputModel, Task
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import InvalidValueError

SIZE = 100_000
TREE = {f"{letter}/weights": File(letter.encode() * SIZE) for letter in "abcdef"} | {
    "config.json": File(b"{}"),
    "run.sh": File(b"#!/bin/sh", executable=True),
    "logs": None,
}


def grow(folder):
    with open(folder / "c/weights", "ab") as file:
        file.write(b"more")


def rewrite(folder):
    """Write in place, and set the time back to what it was."""
    found = (folder / "c/weights").stat()
    with open(folder / "c/weights", "r+b") as file:
        file.write(b"other bytes")
    os.utime(folder / "c/weights", ns=(found.st_atime_ns, found.st_mtime_ns))


def replace(folder):
    (folder / "new").write_bytes(b"x" * SIZE)
    (folder / "new").rename(folder / "c/weights")


CHANGES = {
    "a file grows": grow,
    "a file is rewritten": rewrite,
    "a file is replaced": replace,
    "a file appears": lambda folder: (folder / "new").write_bytes(b"new"),
    "a file appears below": lambda folder: (folder / "f" / "new").write_bytes(b"new"),
    "a file vanishes": lambda folder: (folder / "c/weights").unlink(),
    "a file is renamed": lambda folder: (folder / "config.json").rename(folder / "renamed"),
    "a file may be run": lambda folder: (folder / "config.json").chmod(0o755),
    "a file may not be run": lambda folder: (folder / "run.sh").chmod(0o644),
    "a folder appears": lambda folder: (folder / "empty").mkdir(),
    "a folder vanishes": lambda folder: remove_tree(folder / "c"),
    "an empty folder vanishes": lambda folder: (folder / "logs").rmdir(),
    "the folder is renamed": lambda folder: folder.rename(folder.with_name("renamed")),
    "everything vanishes": remove_tree,
}


@contextmanager
def once_read(folder, change):
    """Change a folder once, when the first bytes of a file in it were read, in any thread."""
    done, lock = [], threading.Lock()
    inodes = {each.stat().st_ino for each in folder.rglob("*") if each.is_file()}

    def watch(frame, event, called):
        if event != "c_return" or done:
            return
        name = getattr(called, "__name__", "")
        file = getattr(called, "__self__", None)
        reads = name in ("copy_file_range", "sendfile", "ioctl", "pread") or (
            name in ("read", "readinto", "readall") and isinstance(file, io.FileIO)
        ) or (name == "read" and getattr(called, "__module__", "") == "posix")  # fmt: skip
        if not reads:
            return
        if isinstance(file, io.FileIO) and os.fstat(file.fileno()).st_ino not in inodes:
            return
        with lock:
            if not done:
                done.append(True)
                change(folder)

    sys.setprofile(watch)
    threading.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert done, "nothing was read"


def add(registry, task, folder):
    registry.add(folder, "net")


def import_with_copy(registry, task, folder):
    InputModel.import_model(str(folder), name="net", copy=True)


def update(registry, task, folder):
    OutputModel(task, name="net").update_weights_package(
        weights_path=str(folder), auto_delete_file=False
    )


def upload(registry, task, folder):
    task.upload_artifact("net", folder, wait_on_upload=True)


def recorded(registry):
    """Return what adding a package may leave."""
    names = ("weights", "artifact", "blob", "tree_file", "unpacked")
    rows = [registry.db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names]
    return rows, blobs(registry.path), list((registry.path / "tmp").glob("*"))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("read", [add, import_with_copy, update, upload], ids=lambda f: f.__name__)
def test_a_folder_that_changes_while_it_is_added_is_an_error(
    read, change, registry, tmp_path, write_file
):
    registry.add(write_file("other", b"other"), "other")
    task = Task.init("p", "t")
    folder = plant(tmp_path / "net", TREE)
    before = recorded(registry)
    with once_read(folder, CHANGES[change]), pytest.raises(InvalidValueError, match="changed"):
        read(registry, task, folder)
    assert recorded(registry) == before
    assert registry.gc(grace_seconds=0).garbage == ()


def test_a_known_folder_that_changes_is_read_again(registry, tmp_path):
    """Files that are known are not read; one that changed since they were added is seen."""
    folder = plant(tmp_path / "net", TREE)
    first = registry.add(folder, "net")
    rewrite(folder)
    second = registry.add(folder, "net")
    assert second.digest != first.digest
    assert look(second.get_local_copy()) == look(folder)
    assert look(first.get_local_copy()) == TREE
