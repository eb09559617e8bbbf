"""P28: a package is its files: each kept once, a local copy without copies, whole or made again."""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from support.contents import blobs
from support.trees import (
    DAMAGES,
    File,
    blobs_of,
    change_bytes,
    damage_blob,
    digest_of,
    look,
    manifest_of,
    plant,
    sha256,
    total_of,
    trees,
    writable_in,
    zipped,
)

from localreg import InputModel, Model, OutputModel, Registry, StorageManager, Task
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import CorruptBlobError

MB = 1_000_000


def allocated(root):
    """Return the bytes that files and folders take on disk, each inode once, as du counts."""
    inodes = {}
    for place, folders, names in os.walk(root):
        for name in [".", *folders, *names]:
            found = (Path(place) / name).lstat()
            inodes[found.st_ino] = found.st_blocks * 512
    return sum(inodes.values())


def occupied(disk):
    """Return the bytes of a file system that are in use, as df counts."""
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_three_versions_take_the_space_of_one(tmp_path, made_disk):
    """80 MB whose README changes twice take 80 MB and some kB, with and without local copies."""
    disk = made_disk("ext4", 300)
    source = tmp_path / "net"
    plant(source, {f"weights-{number}.bin": File(os.urandom(20 * MB)) for number in range(4)})
    plant(source, {"run.sh": File(b"#!/bin/sh\n" * 500, executable=True), "logs": None})
    root = disk / "registry"
    Registry(root).close()
    empty = allocated(root), occupied(disk)
    taken = []

    def measure():
        os.sync()
        taken.append((allocated(root) - empty[0], occupied(disk) - empty[1]))

    for number in range(3):
        (source / "README.md").write_text(f"version {number}")
        with Registry(root) as registry:
            registry.add(source, "net")
        measure()
    copies = []
    for number in range(3):
        with Registry(root) as registry:
            copies.append(Path(registry.model(f"net:{number + 1}").get_local_copy()))
        measure()
    for number, copy in enumerate(copies):
        assert (copy / "README.md").read_text() == f"version {number}"
        assert (copy / "weights-3.bin").stat().st_size == 20 * MB
        assert os.access(copy / "run.sh", os.X_OK)
    assert len({(copy / "weights-0.bin").stat().st_ino for copy in copies}) == 1, "no second copy"
    for by_du, by_df in taken:
        assert 80 * MB <= by_du < 80 * MB + 500_000
        assert 80 * MB <= by_df < 80 * MB + 800_000, "with the tables of the file system"
    for before, after in pairwise(taken):
        for counted, more in zip(before, after, strict=True):
            assert more - counted < 100_000, "one version or one local copy more"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Two registries for many examples, and a folder for the trees."""
    folder = tmp_path_factory.mktemp("trees")
    with (
        Registry(folder / "one", durability="fast") as one,
        Registry(folder / "two", durability="fast") as two,
    ):
        yield one, two, folder


@contextmanager
def planted(folder, tree):
    """Write a tree below a folder; remove it afterwards."""
    place = plant(folder / "source", tree)
    try:
        yield place
    finally:
        remove_tree(place)


@given(trees())
def test_a_tree_comes_back_as_it_was(shared, tree):
    """Names, bytes, executable bits and empty folders; its digest is that of its manifest."""
    registry, _, folder = shared
    with planted(folder, tree) as source:
        before = set(blobs(registry.path))
        model = registry.add(source, "net")
        copy = Path(model.get_local_copy(raise_on_error=True))
        assert look(copy) == tree
        assert model.digest == digest_of(tree)
        assert model.size == total_of(tree)
        assert look(source) == tree, "it is not changed"
        assert writable_in(copy) == []
        kept = set(blobs(registry.path))
        assert {each.parent.name + each.name for each in kept - before} <= blobs_of(tree)
        held = {each.parent.name + each.name for each in kept}
        assert blobs_of(tree) <= held
        again = registry.add(source, "net")
        assert again.digest == model.digest
        assert set(blobs(registry.path)) == kept, "nothing is kept twice"
        assert again.get_local_copy() == str(copy)


@given(trees())
def test_the_digest_is_that_of_the_files(shared, tree):
    """It is the same in another registry, for a copy with another name, other times and owners."""
    one, two, folder = shared
    renamed = folder / "renamed -- copy"
    with planted(folder, tree) as source:
        first = one.add(source, "net")
        shutil.copytree(source, renamed)
    try:
        for number, place in enumerate(renamed.rglob("*")):
            os.utime(place, (number * 1_000, number * 1_000))
            if os.getuid() == 0:
                os.chown(place, 1_000 + number % 3, 7)
            if place.is_file() and number % 2:  # for its group, and not for its owner
                place.chmod(stat.S_IMODE(place.stat().st_mode) & ~0o066 | 0o010)
        before = blobs(one.path)
        assert one.add(renamed, "renamed").digest == first.digest
        assert blobs(one.path) == before
        second = two.add(renamed, "net")
        assert (second.digest, second.size) == (first.digest, first.size)
        assert look(second.get_local_copy(raise_on_error=True)) == tree
    finally:
        remove_tree(renamed)


TREE = {
    "config.json": File(b'{"a": 1}'),
    "weights/one.bin": File(b"one" * 1_000),
    "weights/deep/two.bin": File(b"two" * 1_000),
    "weights/same.bin": File(b"one" * 1_000),
    "run.sh": File(b"#!/bin/sh\n", executable=True),
    "also.sh": File(b"one" * 1_000, executable=True),
    "\u00e9 name.txt": File(b"x"),
    "e\u0301 name.txt": File(b"y"),
    "A": File(b"upper"),
    "a": File(b"lower"),
    "nothing": File(b""),
    "logs": None,
}
FLAT = {path: file for path, file in TREE.items() if file is not None and "/" not in path}


class Door:
    """A way in which a package comes into a registry, and out of it.

    Args:
        registry: the current one.
        folder: for sources.
        site: an HTTP server.
    """

    def __init__(self, registry, folder, site):
        self.registry, self.folder, self.site = registry, folder, site

    def enter(self, tree):
        """Take a tree in; return the function that returns its local folder."""
        raise NotImplementedError

    def source(self, tree):
        return plant(self.folder / "net", tree)


def copy_of(model):
    return lambda: Path(model.get_local_copy(raise_on_error=True))


class Add(Door):
    def enter(self, tree):
        return copy_of(self.registry.add(self.source(tree), "net"))


class Import(Door):
    def enter(self, tree):
        return copy_of(InputModel.import_model(str(self.source(tree)), name="net", copy=True))


class Package(Door):
    def enter(self, tree):
        model = OutputModel(Task.init("p", "t"), name="net")
        model.update_weights_package(weights_path=str(self.source(tree)), auto_delete_file=False)
        return copy_of(model)


class PackageOfFiles(Door):
    def enter(self, tree):
        source = self.source(tree)
        model = OutputModel(Task.init("p", "t"), name="net")
        files = sorted(str(each) for each in source.iterdir() if each.is_file())
        model.update_weights_package(files, auto_delete_file=False)
        return copy_of(model)


class Artifact(Door):
    def enter(self, tree):
        task = Task.init("p", "t")
        task.upload_artifact("net", self.source(tree), wait_on_upload=True)
        return lambda: Path(Task.get_task(task.id).artifacts["net"].get_local_copy())


class Url(Door):
    def enter(self, tree):
        self.site.files["/net.zip"] = zipped(tree)
        return copy_of(
            InputModel.import_model(self.site.url("/net.zip"), name="net", is_package=True)
        )


class CopyOfUrl(Door):
    def enter(self, tree):
        self.site.files["/net.zip"] = zipped(tree)
        return copy_of(
            InputModel.import_model(
                self.site.url("/net.zip"), name="net", is_package=True, copy=True
            )
        )


class Storage(Door):
    def enter(self, tree):
        self.site.files["/net.zip"] = zipped(tree)
        url = self.site.url("/net.zip")
        return lambda: Path(StorageManager.get_local_copy(url, extract_archive=True))


class Upstream(Door):
    def enter(self, tree):
        with Registry(self.folder / "above", durability="fast") as above:
            above.add(self.source(tree), "net")
        mine = Registry(self.folder / "mine", upstream=[self.folder / "above"])
        return lambda: Path(mine.model("net").get_local_copy(raise_on_error=True))


class ReadOnly(Door):
    def enter(self, tree):
        self.registry.add(self.source(tree), "net")
        reader = Registry(self.registry.path, readonly=True)
        return lambda: Path(reader.model("net").get_local_copy(raise_on_error=True))


DOORS = {
    each.__name__: each
    for each in (
        Add, Import, Package, PackageOfFiles, Artifact, Url, CopyOfUrl, Storage, Upstream, ReadOnly,
    )
}  # fmt: skip


@pytest.fixture(params=DOORS)
def door(request, registry, tmp_path, site, temporary_folder):
    return DOORS[request.param](registry, tmp_path, site)


def tree_for(door):
    return FLAT if isinstance(door, PackageOfFiles) else TREE


def test_every_door_keeps_the_tree(door):
    """Whatever way a package comes in and out: names, bytes, executable bits, empty folders."""
    tree = tree_for(door)
    get = door.enter(tree)
    copy = get()
    assert look(copy) == tree
    assert writable_in(copy) == []
    assert get() == copy


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_local_folder_is_found_and_made_whole(door, damage, caplog):
    """What is wrong is said, what a user put there stays in quarantine, a whole folder is given."""
    tree = tree_for(door)
    get = door.enter(tree)
    copy = get()
    path = "a" if tree is FLAT else "weights/one.bin"
    caplog.clear()
    DAMAGES[damage](copy, path)
    again = get()
    assert look(again) == tree
    assert writable_in(again) == []
    assert [each for each in caplog.records if each.levelname == "WARNING"], "it is said"
    caplog.clear()
    assert get() == again
    assert caplog.records == []
    assert door.registry.verify(full=True).ok


def test_what_a_user_put_into_a_local_folder_is_not_lost(registry, tmp_path):
    copy = Path(registry.add(plant(tmp_path / "net", TREE), "net").get_local_copy())
    DAMAGES["a file added"](copy, "config.json")
    assert look(registry.model("net").get_local_copy()) == TREE
    kept = [each.read_text() for each in (registry.path / "quarantine").rglob("notes of a user")]
    assert kept == ["keep me"]


def test_changed_bytes_are_found_when_digests_are_checked(door, monkeypatch, caplog):
    """With LOCALREG_VERIFY=always; without, a folder is looked at, and not read."""
    tree = tree_for(door)
    get = door.enter(tree)
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    copy = get()
    caplog.clear()
    change_bytes(copy, "a")
    again = get()
    assert look(again) == tree
    assert [each for each in caplog.records if each.levelname == "WARNING"]


def test_a_damaged_blob_is_never_given_out_when_digests_are_checked(
    registry, tmp_path, monkeypatch
):
    """The folder has a link to it. Adding the files again mends it."""
    source = plant(tmp_path / "net", TREE)
    model = registry.add(source, "net")
    assert look(model.get_local_copy()) == TREE
    damage_blob(registry.path, sha256(TREE["config.json"].content))
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    with pytest.raises(CorruptBlobError):
        model.get_local_copy(raise_on_error=True)
    assert not registry.verify(full=True).ok
    registry.add(plant(tmp_path / "again", TREE), "net")
    assert look(model.get_local_copy(raise_on_error=True)) == TREE
    assert registry.verify(full=True).ok


@pytest.mark.parametrize("what", ["cut", "gone", "grown"])
@pytest.mark.parametrize("unpacked", [False, True])
def test_a_blob_of_another_size_is_an_error(registry, tmp_path, what, unpacked):
    """Nothing half is given out, also without LOCALREG_VERIFY; adding it again mends it."""
    model = registry.add(plant(tmp_path / "net", TREE), "net")
    if unpacked:
        model.get_local_copy()
    digest = sha256(TREE["weights/deep/two.bin"].content)
    place = registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]
    place.chmod(0o644)
    if what == "gone":
        place.unlink()
    else:
        os.truncate(place, 10 if what == "cut" else 10_000)
    if what == "gone" and unpacked:  # the local folder has the bytes, and is whole
        assert look(model.get_local_copy(raise_on_error=True)) == TREE
    else:
        with pytest.raises(CorruptBlobError):
            model.get_local_copy(raise_on_error=True)
    assert not registry.verify().ok
    registry.add(plant(tmp_path / "again", TREE), "net")
    assert look(model.get_local_copy(raise_on_error=True)) == TREE
    assert registry.verify(full=True).ok


def test_a_damaged_manifest_is_found(registry, tmp_path):
    """The rows of the database list the files; verify compares them with the manifest."""
    model = registry.add(plant(tmp_path / "net", TREE), "net")
    damage_blob(registry.path, model.digest)
    assert not registry.verify(full=True).ok
    assert look(model.get_local_copy(raise_on_error=True)) == TREE
    registry.repair(full=True)
    assert registry.verify(full=True).ok
    place = registry.path / "blobs" / "sha256" / model.digest[:2] / model.digest[2:]
    assert place.read_bytes() == manifest_of(TREE)


@given(trees())
@example(tree={"...": File(b"a name of dots")})
def test_any_file_of_a_package_is_given_alone(shared, tree):
    registry, _, folder = shared
    with planted(folder, tree) as source:
        model = registry.add(source, "net")
    for path, file in tree.items():
        if file is not None:
            copy = Path(model.get_local_copy(file=path, raise_on_error=True))
            assert copy.read_bytes() == file.content
            name = path.rpartition("/")[2]
            assert copy.name == name or len(name.encode()) > 200, "the longest names are cut"


def test_the_same_bytes_are_a_package_and_a_file(registry, tmp_path):
    """What bytes are is said by what refers to them: those of a manifest may be weights too."""
    package = registry.add(plant(tmp_path / "net", TREE), "net")
    (tmp_path / "manifest.json").write_bytes(manifest_of(TREE))
    file = registry.add(tmp_path / "manifest.json", "file")
    assert file.digest == package.digest
    assert Path(file.get_local_copy()).read_bytes() == manifest_of(TREE)
    assert look(package.get_local_copy()) == TREE
    Model.remove(package)
    registry.gc(grace_seconds=0, dry_run=False)
    assert Path(file.get_local_copy()).read_bytes() == manifest_of(TREE)
    kept = {each.parent.name + each.name for each in blobs(registry.path)}
    assert kept == {file.digest}
    assert registry.verify(full=True).ok


def test_a_file_system_of_old_files(registry, tmp_path):
    """Times in the past and the future change nothing."""
    source = plant(tmp_path / "net", TREE)
    for number, place in enumerate(source.rglob("*")):
        os.utime(place, ns=(0, (number - 5) * int(time.time()) * 10**8))
    assert registry.add(source, "net").digest == digest_of(TREE)


def test_more_equal_files_than_a_file_has_links(tmp_path, made_disk):
    """A file of ext2 has at most 32,000 names; the others are copies."""
    disk = made_disk("ext2", 64)
    tree = {f"{number % 40}/{number}": File(b"same") for number in range(32_100)}
    with Registry(disk / "registry", durability="fast") as registry:
        model = registry.add(plant(tmp_path / "net", tree), "net")
        assert look(model.get_local_copy(raise_on_error=True)) == tree
        assert len(blobs(registry.path)) == 2
        assert registry.verify(full=True).ok


def use_on_a_stick(stick, source):
    """Add a package on a stick, and use it there; return what came of it."""
    import shutil
    from pathlib import Path

    from support.trees import look

    from localreg import Registry
    from localreg.errors import StorageError

    told = []
    if not (Path(source) / "weights" / "A").exists():
        shutil.copytree(source, Path(stick) / "source")
    with Registry(Path(stick) / "registry") as registry:
        model = registry.add(source, "net")
        digest = model.digest
        try:
            copy = model.get_local_copy(raise_on_error=True)
            told.append({path: file and file.content.decode() for path, file in look(copy).items()})
        except StorageError as error:
            told.append(str(error))
        one = Path(model.get_local_copy(file="weights/a", raise_on_error=True))
        told.append(one.read_text())
        told.append(registry.verify(full=True).ok)
        if (Path(stick) / "source").exists():
            told.append(registry.add(Path(stick) / "source", "net").digest == digest)
    return told


@pytest.mark.parametrize("twins", [False, True])
def test_a_package_on_a_stick(stick, tmp_path, twins):
    """Two names that are one there are an error that says which, and each can be had alone."""
    tree = {"weights/a": File(b"lower"), "\u00e9": File(b"accent"), "logs": None}
    source = plant(tmp_path / "net", tree)
    wanted = {path: file and file.content.decode() for path, file in tree.items()}
    if twins:
        (source / "weights" / "A").write_bytes(b"UPPER")
        found, one, sound = stick.run(use_on_a_stick, stick.place, source)
        assert "weights/A" in found
        assert "weights/a" in found
    else:
        found, one, sound, same = stick.run(use_on_a_stick, stick.place, source)
        assert found == wanted
        assert same, "a stick has no executable bits"
    assert one == "lower"
    assert sound
