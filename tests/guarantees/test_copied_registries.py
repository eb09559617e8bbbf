"""P15: a registry that was copied, with or without hard links, to any file system."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localreg import Registry, Task
from localreg.blobs.local_files.local_file import is_local_file
from localreg.operations.upkeep.doctor import examine

# How a directory is copied; whether hard links stay links; whether times are kept.
WAYS = {
    "cp -a": ("cp -a SOURCE TARGET", True, True),
    "cp -r": ("cp -r SOURCE TARGET", False, False),
    "rsync -aH": ("rsync -aH SOURCE/ TARGET", True, True),
    "rsync -a": ("rsync -a SOURCE/ TARGET", False, True),
    "tar": ("mkdir TARGET && tar -C SOURCE -c . | tar -C TARGET -x", True, True),
}


def carry(way, source, target):
    command = WAYS[way][0].replace("SOURCE", str(source)).replace("TARGET", str(target))
    if shutil.which(way.split()[0]) is None:
        pytest.skip(f"{way.split()[0]} is missing")
    subprocess.run(command, shell=True, check=True)
    return target


NAMES = ("a.pt", "b:c?.pt", "ü.bin")


@pytest.fixture
def filled(tmp_path):
    """A registry with local copies, an unpacked package and a page."""
    with Registry(tmp_path / "registry", durability="fast") as registry:
        for name in NAMES:
            (tmp_path / name).write_bytes(name.encode() * 10_000)
            registry.add(tmp_path / name, name, "kept", mode="move").get_local_copy()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/inside").write_bytes(b"inside")
        package = registry.add(tmp_path / "folder", "package")
        package.get_local_copy()
        package.report_scalar("loss", "train", 1.0, 0)
        package.report()
    return registry.path


def inodes(folder):
    return {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def check_whole(root, copies):
    """Check a copied registry, and check it again after a change."""
    with Registry(root, durability="fast") as registry:
        first, again = registry.verify(), registry.verify()
        assert first.ok
        # The files are new, so all are hashed once: of the package its file and its manifest.
        assert first.hashed == first.checked == len(NAMES) + 2
        assert again.hashed == 0
        assert (registry.du().copies > 0) is copies
        before = inodes(root / "files")
        for model in registry.models(project="kept"):
            for _ in range(2):
                path = Path(model.get_local_copy())
                assert path.name == model.name
                assert path.read_bytes() == model.name.encode() * 10_000
                assert path.stat().st_mode & 0o222 == 0
        assert (Path(registry.model("package").get_local_copy()) / "inside").exists()
        # From here on a local copy only compares two files, whichever tool copied them.
        settled = inodes(root / "files")
        assert all(
            is_local_file(registry._chain.first.blobs, model.digest, model.size, model.name)
            for model in registry.models(project="kept")
        )
        registry.add(b_like(root), "new", "kept")
        assert registry.gc(grace_seconds=0).garbage == ()
        assert registry.verify(full=True).ok
        assert Path(registry.render()).is_file()
        return before, settled


def b_like(root):
    """Return a file with bytes that are in the registry already."""
    source = root.parent / "like.bin"
    source.write_bytes(b"a.pt" * 10_000)
    return source


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_that_was_copied(filled, tmp_path, way):
    """P15: with or without links and times, it has the same models, bytes and names."""
    _, links, times = WAYS[way]
    root = carry(way, filled, tmp_path / "carried")
    shutil.rmtree(filled)
    before, settled = check_whole(root, copies=not links)
    if times:  # the copied file is used: nothing is read or written for it
        assert settled == before
    else:  # it is linked once
        assert all(settled[path] != before[path] for path in before)
    if not links and times:
        check_doubled(root)


def check_doubled(root):
    """Check that bytes stored twice are reported, and that one of the two can be removed."""
    with Registry(root, durability="fast") as registry:
        assert registry.du().copies == sum(len(name.encode()) * 10_000 for name in NAMES)
        assert registry.du().trees == len(b"inside")
        told = {each.what: each.text for each in examine(registry._chain)}
        assert "are there twice" in told["local copies"]
        shutil.rmtree(root / "files")
        for model in registry.models(project="kept"):
            assert Path(model.get_local_copy()).name
        assert registry.du().copies == 0
        told = {each.what: each.text for each in examine(registry._chain)}
        assert "local copies" not in told
        assert registry.verify(full=True).ok


def test_a_blob_that_did_not_come_is_brought_back_from_its_local_copy(filled):
    """P6: a tool without hard links copies one of two names of a file; one is enough."""
    blobs = [path for path in (filled / "blobs").rglob("*") if path.is_file()]
    for blob in blobs:
        blob.unlink()
    with Registry(filled, durability="fast") as registry:
        assert [problem.kind for problem in registry.verify().problems] == ["missing"] * 5
        done = registry.repair()
        ways = sorted(each.how for each in done.mended)
        assert ways == ["copied from a local copy"] * 4 + [
            "written again from the recorded files of the package"
        ]
        assert not done.lost
        assert registry.verify(full=True).ok


@pytest.mark.parametrize("kind", ["tmpfs", "btrfs", "xfs"])
@pytest.mark.parametrize("way", ["cp -a", "rsync -a"])
def test_a_directory_on_another_file_system(filled, made_disk, small_disk, tmp_path, kind, way):
    """P15: a registry that was copied to another file system and back is complete."""
    if kind == "tmpfs":
        disk = small_disk("-t", "tmpfs", "-o", "size=64m", "none")
    else:
        disk = made_disk(kind, 320)
    there = carry(way, filled, disk / "registry")
    check_whole(there, copies=not WAYS[way][1])
    shutil.rmtree(filled)
    shutil.rmtree(there / "locks", ignore_errors=True)
    carry(way, there, filled)
    with Registry(filled, durability="fast") as registry:
        assert registry.verify(full=True).ok
        assert {model.name for model in registry.models(project="kept")} == {*NAMES, "new"}


def used(disk):
    subprocess.run(["sync", "-f", disk], check=True)
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_bytes_are_shared_where_the_file_system_can(made_disk, kind):
    """With reflinks, source, blob, local copy and mutable copy share their 30 MB."""
    disk = made_disk(kind, 320)
    source = disk / "w.pt"
    source.write_bytes(os.urandom(30_000_000))
    source.chmod(0o644)
    with Registry(disk / "registry") as registry:
        before = used(disk)
        linked = registry.add(source, "linked", mode="link")
        linked.get_local_copy()
        private = Path(linked.get_local_copy(mutable=True, target_folder=disk / "mine"))
        registry.add(source, "copied")
        assert used(disk) - before < 5_000_000
        assert source.stat().st_mode & 0o777 == 0o644  # a reflink cannot change its source
        for own in (source, private):
            with open(own, "r+b") as file:
                file.write(b"changed")
        assert registry.verify(full=True).ok
        told = {each.what: each.text for each in examine(registry._chain)}
        assert told["clones"] == "yes"


@pytest.mark.parametrize("kept", [True, False])
def test_the_folder_of_a_package_is_compared_with_its_blobs(tmp_path, kept):
    """P6: for models and artifacts."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").write_bytes(b"inside")
    with Registry(tmp_path / "registry", durability="fast") as registry:
        if kept:
            tree = Path(registry.add(tmp_path / "folder", "package").get_local_copy())
        else:
            task = Task.init(project_name="p", task_name="t")
            task.upload_artifact("package", tmp_path / "folder")
            tree = Path(task.artifacts["package"].get_local_copy())
            task.close()
        assert registry.verify(full=True).ok
        (tree / "inside").rename(tmp_path / "inside")  # not written to: it is a link to the blob
        (tree / "inside").write_bytes(b"others")
        (problem,) = registry.verify(full=True).problems
        assert problem.kind == "tree"
        assert "inside has changed bytes" in problem.text


def copy_without_links(root, weights, durability):
    """Add weights where links fail; return the calls on the local copy, in order."""
    import os
    from pathlib import Path

    import localreg

    def no_link(*args, **kwargs):
        raise PermissionError(1, "Operation not permitted")

    sync, rename, done = os.fsync, os.replace, []

    def told_sync(descriptor):
        sync(descriptor)
        done.append(["sync", os.fstat(descriptor).st_ino])

    def told_rename(source, target):
        rename(source, target)
        done.append(["rename", Path(target).stat().st_ino])

    with localreg.Registry(root, durability=durability) as registry:
        os.link, os.fsync, os.replace = no_link, told_sync, told_rename
        path = Path(registry.add(weights, "m").get_local_copy())
        ours = path.stat().st_ino
        assert ours != registry._chain.first.blobs.path(registry.model("m").digest).stat().st_ino
        return [what for what, inode in done if inode == ours]


@pytest.mark.parametrize(
    ("durability", "wanted"), [("full", ["sync", "rename"]), ("fast", ["rename"])]
)
def test_a_local_copy_that_is_no_link_is_on_disk_before_it_counts(
    tmp_path, children, durability, wanted
):
    """P2: it is recognised by size and time, and a power failure can keep these without bytes."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    arguments = (tmp_path / "registry", tmp_path / "w.pt", durability)
    assert children.run(copy_without_links, *arguments) == wanted


def copy_of_another_user(root):
    """Ask for a local copy with a changed time that belongs to another user."""
    import os
    from pathlib import Path

    import localreg

    def refuse(*args, **kwargs):
        raise PermissionError(1, "Operation not permitted")

    with localreg.Registry(root) as registry:
        model = registry.model("kept/a.pt")
        path = Path(model.get_local_copy())
        path.unlink()
        path.write_bytes(b"a.pt" * 10_000)
        os.utime(path, (1, 1))
        theirs, utime = path.stat().st_ino, os.utime
        os.link = refuse
        os.utime = lambda each, **times: (
            refuse() if Path(each).stat().st_ino == theirs else utime(each, **times)
        )
        again = Path(model.get_local_copy())
        return [again == path, again.stat().st_ino == theirs, again.stat().st_mode & 0o222]


def test_a_local_copy_of_another_user_is_replaced(filled, children):
    """P15: its time cannot be set, so it is replaced once and not hashed at each call."""
    assert children.run(copy_of_another_user, filled) == [True, False, 0]


def copy_under_a_refused_name(root, code):
    """Ask for a local copy where no file may have a colon in its name."""
    import os
    from pathlib import Path

    import localreg

    make, rename = os.open, os.replace

    def refuse(path, *arguments, **options):
        if ":" in Path(path).name:
            raise OSError(code, os.strerror(code), path)
        return make(path, *arguments, **options)

    def refuse_as_target(path, target):
        if ":" in Path(target).name:
            raise OSError(code, os.strerror(code), target)
        rename(path, target)

    def no_link(*args, **kwargs):
        raise PermissionError(1, "Operation not permitted")

    with localreg.Registry(root) as registry:
        model = registry.model("kept/b:c?.pt")
        Path(model.get_local_copy()).unlink()
        os.open, os.replace, os.link = refuse, refuse_as_target, no_link
        return [Path(model.get_local_copy()).name for _ in range(2)]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOENT, errno.EILSEQ])
def test_a_name_that_a_file_system_refuses(filled, children, code):
    """P18: whatever error it gives, the local copy gets a name that the file system accepts."""
    assert children.run(copy_under_a_refused_name, filled, code) == ["b_c_.pt"] * 2
