"""P2, P28: the files of a package are on disk before they get their names, and names before rows.

The order is that of the calls of the system, as strace lists them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.trees import File, blobs_of, plant

from localreg import Registry

TREE = {f"{number % 7}/{number}": File(b"%d" % number * 1_000) for number in range(60)} | {
    "run.sh": File(b"#!/bin/sh\n", executable=True),
    "again.sh": File(b"#!/bin/sh\n# again\n", executable=True),
    "logs": None,
}
WORK = """
import os, sys
from localreg import OutputModel, Registry, Task
root, source, what = sys.argv[1:]
with Registry(root) as registry:
    if what == "update":
        model = OutputModel(Task.create("p", "t"), name="net")
        call = lambda: model.update_weights_package(weights_path=source, auto_delete_file=False)
    elif what == "get":
        call = registry.model("net").get_local_copy
    else:
        call = lambda: registry.add(source, "net")
    os.write(1, b"begin")
    call()
    os.write(1, b"end")
"""
CALLS = "openat,write,pwrite64,copy_file_range,sendfile,ioctl,ftruncate,fchmod,fsync,fdatasync,"
CALLS += "syncfs,rename,renameat,renameat2,link,linkat,mkdir,mkdirat"


class Order:
    """What a process did to files: lists of (when, path), or (when, path, new path).

    Args:
        log: the lines of strace, without those of other processes.
    """

    def __init__(self, log):
        self.written, self.synced, self.named, self.made = [], [], [], []
        self.everything = []  # when all of the file system was synced
        begun = False
        for when, line in enumerate(log):
            call, _, rest = line.partition("(")
            call = call.split()[-1]
            if call == "write" and '"begin"' in rest:
                begun = True
            if call == "write" and '"end"' in rest:
                return
            if not begun or " = -1 " in line:
                continue
            files = re.findall(r"\d+<(/[^>]*)>", rest)
            names = re.findall(r'"(/(?:[^"\\]|\\.)*)"', rest)
            if call in ("fsync", "fdatasync"):
                self.synced.append((when, files[0]))
            elif call == "syncfs":
                self.everything.append(when)
            elif call.startswith("rename"):
                self.named.append((when, names[0], names[1]))
            elif call.startswith("link"):
                self.made.append((when, names[-1]))
            elif call.startswith("mkdir"):
                self.made.append((when, names[0]))
            elif call in ("copy_file_range", "sendfile", "ioctl"):
                clone = call == "ioctl" and "FICLONE" in rest
                if files and (call != "ioctl" or clone):
                    target = files[0] if call in ("sendfile", "ioctl") else files[-1]
                    self.written.append((when, target))
            elif call != "openat" and files:
                self.written.append((when, files[0]))
        raise AssertionError("it did not come to its end")

    def is_synced(self, path, after, before):
        """Return True if a file, or everything, was synced between two calls."""
        times = [when for when, synced in self.synced if synced == path] + self.everything
        return any(after < when < before for when in times)


def traced(root, source, what, folder, *options):
    """Run one piece of work under strace; return the process, and the log of its calls.

    Args:
        options: further options of strace, or a command before Python.
    """
    log = folder / "calls"
    words = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log), *options]
    words += [sys.executable, "-c", WORK, str(root), str(source), what]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return done, log.read_text(errors="replace").splitlines()


def order_of(root, source, what, folder, *options):
    """Return what adding, updating or getting a package did."""
    done, log = traced(root, source, what, folder, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return Order(log)


@pytest.fixture
def root(tmp_path):
    Registry(tmp_path / "registry").close()
    return tmp_path / "registry"


def test_an_old_system_that_hides_errors_syncs_each_file(root, tmp_path):
    """Before 5.8 Linux reports no error of writing to who syncs everything."""
    old = ("setarch", os.uname().machine, "--uname-2.6")
    order = order_of(root, plant(tmp_path / "net", TREE), "add", tmp_path, *old)
    assert order.everything == []
    store = str(root / "blobs" / "sha256")
    for when, path, name in (each for each in order.named if each[2].startswith(store)):
        last = max(time for time, written in order.written if written == path)
        assert order.is_synced(path, last, when), f"the bytes of {name} before its name"


def test_bytes_that_cannot_be_written_are_not_acknowledged(root, tmp_path):
    """To sync them once more would say that all is well."""
    failing = ("-e", "inject=syncfs:error=EIO")
    done, _ = traced(root, plant(tmp_path / "net", TREE), "add", tmp_path, *failing)
    assert done.returncode == 1
    assert "localreg.errors.StorageError" in done.stderr
    with Registry(root) as registry:
        assert registry.models() == []


def test_a_sandbox_that_forbids_to_sync_everything_syncs_each_file(root, tmp_path):
    """Some lists of allowed calls do not have it."""
    forbidden = ("-e", "inject=syncfs:error=EPERM")
    order = order_of(root, plant(tmp_path / "net", TREE), "add", tmp_path, *forbidden)
    synced = {path for _, path in order.synced}
    files = {path for _, path, name in order.named if "/blobs/sha256/" in name}
    assert files <= synced


@pytest.mark.parametrize("what", ["add", "update"])
def test_files_are_on_disk_before_their_names_and_these_before_the_rows(root, tmp_path, what):
    order = order_of(root, plant(tmp_path / "net", TREE), what, tmp_path)
    store = str(root / "blobs" / "sha256")
    named = [each for each in order.named if each[2].startswith(store)]
    assert {name.removeprefix(store).replace("/", "") for _, _, name in named} == blobs_of(TREE)
    rows = max(when for when, path in order.written if "registry.db" in path)
    for when, path, name in named:
        last = max(time for time, written in order.written if written == path)
        assert order.is_synced(path, last, when), f"the bytes of {name} before its name"
        assert order.is_synced(os.path.dirname(name), when, rows), f"{name} before its row"  # noqa: PTH120
    for when, path in order.made:
        if path.startswith(store):
            assert order.is_synced(os.path.dirname(path), when, rows), path  # noqa: PTH120
    files = [path for _, path in order.synced if path.startswith(str(root / "tmp"))]
    assert len(files) < len(TREE) / 2, "one call for all files, not one for each"


def test_what_was_copied_for_a_local_folder_is_on_disk_before_its_name(root, tmp_path):
    """An executable file is a copy: after a power failure it could have its size and no bytes."""
    with Registry(root) as registry:
        registry.add(plant(tmp_path / "net", TREE), "net")
    order = order_of(root, "", "get", tmp_path)
    trees = str(root / "trees")
    (named,) = [each for each in order.named if Path(each[2]).parent == Path(trees)]
    copied = {path for _, path in order.written if path.startswith(f"{named[1]}/")}
    assert {Path(path).name for path in copied} == {"run.sh", "again.sh"}, "the others are links"
    for path in copied:
        last = max(when for when, written in order.written if written == path)
        assert order.is_synced(path, last, named[0]), path


def folders_synced(order, root):
    """Return the folders of blobs that were synced each by itself."""
    above = str(root / "blobs" / "sha256") + "/"
    return {path for _, path in order.synced if path.startswith(above)}


def test_the_names_of_many_files_are_synced_by_one_call(root, tmp_path):
    """Their blobs are in 200 folders: to sync each takes longer than to copy the files."""
    order = order_of(root, plant(tmp_path / "net", TREE), "add", tmp_path)
    assert folders_synced(order, root) == set()
    assert len(order.everything) == 2, "the bytes, and then their names"


def test_what_is_synced_was_opened_before_it_was_changed(root, tmp_path):
    """Linux reports an error of an earlier write only to who opened the file system before it."""
    done, log = traced(root, plant(tmp_path / "net", TREE), "add", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    log = log[next(when for when, line in enumerate(log) if '"begin"' in line) :]

    def first(call, folder):
        path = f'"{root}/{folder}/'
        return next(when for when, line in enumerate(log) if call in line and path in line)

    synced = [
        (when, re.findall(r"syncfs\((\d+)<", line)[0])
        for when, line in enumerate(log)
        if "syncfs(" in line
    ]
    changed = [first("O_CREAT", "tmp"), first("rename", "blobs/sha256")]
    for (when, number), change in zip(synced, changed, strict=True):
        opened = max(at for at, line in enumerate(log[:when]) if f" = {number}<" in line)
        assert opened < change < when


def test_names_that_cannot_be_written_are_not_acknowledged(root, tmp_path):
    failing = ("-e", "inject=syncfs:error=EIO:when=2")
    done, _ = traced(root, plant(tmp_path / "net", TREE), "add", tmp_path, *failing)
    assert done.returncode == 1
    assert "localreg.errors.StorageError" in done.stderr
    with Registry(root) as registry:
        assert registry.models() == []
    assert [path for path in (root / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("few", [False, True])
def test_where_one_call_is_not_possible_or_too_much_each_folder_is_synced(root, tmp_path, few):
    tree = {f"{number}": File(b"%d" % number) for number in range(4)} if few else TREE
    options = () if few else ("-e", "inject=syncfs:error=EPERM")
    order = order_of(root, plant(tmp_path / "net", tree), "add", tmp_path, *options)
    above = str(root / "blobs" / "sha256")
    assert folders_synced(order, root) == {f"{above}/{each[:2]}" for each in blobs_of(tree)}
