"""Folders of packages: fast and thorough checks agree, and other file systems have them too."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.packages import keep_package
from support.proofs import TIMES
from support.trees import DAMAGES, File, look, plant, trees

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.blobs.trees.local_tree import differences, is_whole
from localreg.errors import NotARegistryError, StorageError
from localreg.operations.weights.package_copies import package_folder

TREE = {
    "a/b.bin": File(b"weights"),
    "config.json": File(b"{}"),
    "empty": None,
    "run.sh": File(b"#!/bin/sh\n", executable=True),
}


def entries_of(tree):
    """Return a tree as the rows of a package."""
    return [
        (path, 0, 0, None) if file is None else (path, len(file.content), int(file.executable), 1)
        for path, file in tree.items()
    ]


def folder_in(root, digest):
    with Registry(root, durability="fast") as registry:
        chain = registry._chain
        return package_folder(chain, chain.first, digest, verify=False)


@settings(max_examples=30 * TIMES)
@given(trees(), st.data())
def test_a_folder_is_whole_if_and_only_if_it_has_no_differences(tree, data):
    with tempfile.TemporaryDirectory() as place:
        folder = plant(Path(place) / "trees" / "folder", tree)
        assert is_whole(str(folder), entries_of(tree))
        assert differences(folder, entries_of(tree), executable=True) == []
        files = [path for path, file in tree.items() if file is not None]
        if files:
            damage = DAMAGES[data.draw(st.sampled_from(sorted(DAMAGES)))]
            damage(folder, data.draw(st.sampled_from(files)))
        else:
            (folder / "added").touch()
        assert not is_whole(str(folder), entries_of(tree))
        assert differences(folder, entries_of(tree), executable=True) != []
        remove_tree(folder)


@settings(max_examples=15 * TIMES)
@given(trees(largest=3), trees(largest=3))
def test_a_folder_is_whole_for_its_own_package_only(tree, other):
    with tempfile.TemporaryDirectory() as place:
        folder = plant(Path(place) / "folder", tree)
        same = entries_of(tree) == entries_of(other) or sorted(entries_of(tree)) == sorted(
            entries_of(other)
        )
        assert is_whole(str(folder), entries_of(other)) == same
        assert (differences(folder, entries_of(other), executable=True) == []) == same


def test_a_check_of_deep_folders_needs_no_deep_stack(tmp_path):
    path = "/".join(["d"] * 1_500)
    subprocess.run(["mkdir", "-p", tmp_path / path], check=True)
    (tmp_path / path / "x").write_bytes(b"deep")
    entries = [(f"{path}/x", 4, 0, 1)]
    try:
        assert is_whole(str(tmp_path), entries)
        assert differences(tmp_path, entries, executable=True) == []
    finally:  # Python makes and deletes no folders as deep as that
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


# links ------------------------------------------------------------------------------------


def without_links(root, digest):
    """Return what a local copy is where nothing can be linked, twice."""
    from support.lockless import no_links

    no_links()
    from pathlib import Path

    from localreg import Registry
    from localreg.operations.weights.package_copies import package_folder

    seen = []
    for verify in (False, True, False):
        with Registry(root) as registry:
            chain = registry._chain
            folder = package_folder(chain, chain.first, digest, verify=verify)
            facts = [each.lstat() for each in sorted(Path(folder).rglob("*"))]
            seen.append([str(folder), [(each.st_ino, each.st_mtime_ns) for each in facts]])
    return seen


def test_without_hard_links_the_folder_has_copies_with_the_time_of_their_blobs(registry, children):
    digest = keep_package(registry._chain.first, TREE)
    blobs = {each.stat().st_mtime_ns for each in (registry.path / "blobs").rglob("*/*/*")}
    first, second, third = children.run(without_links, registry.path, digest)
    assert first == second == third, "it was made once"
    folder = Path(first[0])
    assert look(folder) == TREE
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert all(each.stat().st_nlink == 1 for each in files)
    assert {each.stat().st_mtime_ns for each in files} <= blobs


def link_often(file, folder):
    """Give a file more names than any file may have."""
    folder.mkdir()
    for number in range(100_000):
        os.link(file, folder / str(number))


def test_a_file_with_too_many_links_is_copied(made_disk):
    """A file of ext2 has at most 32,000 names, or 65,000 where the driver is that of ext4."""
    disk = made_disk("ext2", 60)
    with Registry(disk / "r", durability="fast") as registry:
        chain = registry._chain
        digest = keep_package(chain.first, {"x": File(b"same")})
        linked = package_folder(chain, chain.first, digest, verify=False) / "x"
        with pytest.raises(OSError, match="Too many links"):
            link_often(linked, disk / "many")
        digest = keep_package(chain.first, {"y": File(b"same"), "z": File(b"same")})
        folder = package_folder(chain, chain.first, digest, verify=False)
        assert look(folder) == {"y": File(b"same"), "z": File(b"same")}
        assert [each.stat().st_nlink for each in folder.iterdir()] == [1, 1]
        inode = folder.stat().st_ino
        package_folder(chain, chain.first, digest, verify=True)
        assert folder.stat().st_ino == inode


def test_blobs_on_another_file_system_than_the_folders_are_copied(registry, small_disk):
    chain = registry._chain
    digest = keep_package(chain.first, TREE)
    trees = registry.path / "trees"
    trees.mkdir()
    small_disk("-t", "tmpfs", "-o", "size=4m", "none", folder=trees)
    folder = package_folder(chain, chain.first, digest, verify=True)
    assert look(folder) == TREE
    assert folder.stat().st_dev != registry.path.stat().st_dev
    assert package_folder(chain, chain.first, digest, verify=True) == folder


# registries that cannot be written to, and full disks -------------------------------------


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("verify", [False, True])
def test_a_registry_that_is_mounted_read_only(there, verify, small_disk, temporary_folder):
    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    with Registry(disk / "r") as registry:
        digest = keep_package(registry._chain.first, TREE)
    if there:
        folder_in(disk / "r", digest)
    small_disk("-o", "remount,ro")
    with Registry(disk / "r") as registry:
        chain = registry._chain
        folder = package_folder(chain, chain.first, digest, verify=verify)
        assert folder.is_relative_to(disk if there else temporary_folder)
        assert look(folder) == TREE
        if there:
            return
        inode = folder.stat().st_ino
        assert package_folder(chain, chain.first, digest, verify=verify) == folder
        assert folder.stat().st_ino == inode, "it was made once"
        for name in ("a file removed", "a file replaced by a link", "everything removed"):
            DAMAGES[name](folder, "a/b.bin")
            assert package_folder(chain, chain.first, digest, verify=verify) == folder
            assert look(folder) == TREE
        assert len(list((folder.parents[1] / "quarantine").iterdir())) == 3


def test_a_damaged_folder_of_a_registry_that_is_read_only_is_not_given_out(
    small_disk, temporary_folder, caplog
):
    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    with Registry(disk / "r") as registry:
        digest = keep_package(registry._chain.first, TREE)
    folder = folder_in(disk / "r", digest)
    DAMAGES["a file grown"](folder, "a/b.bin")
    small_disk("-o", "remount,ro")
    for _ in range(2):
        found = folder_in(disk / "r", digest)
        assert found.is_relative_to(temporary_folder)
        assert look(found) == TREE


def test_gc_deletes_what_was_moved_away_in_the_users_folder(small_disk, temporary_folder):
    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    with Registry(disk / "r") as registry:
        digest = keep_package(registry._chain.first, TREE)
    small_disk("-o", "remount,ro")
    folder = folder_in(disk / "r", digest)
    DAMAGES["a file removed"](folder, "config.json")
    folder_in(disk / "r", digest)
    small_disk("-o", "remount,rw")
    quarantine = folder.parents[1] / "quarantine"
    assert len(list(quarantine.iterdir())) == 1
    with Registry(disk / "r") as registry:
        registry.gc(grace_seconds=0, dry_run=False)
    assert list(quarantine.iterdir()) == []


def test_a_full_disk_makes_the_folder_elsewhere(small_disk, temporary_folder):
    disk = small_disk("-t", "tmpfs", "-o", "size=3m,nr_inodes=200", "none")
    tree = {f"{number}.sh": File(b"x" * 9_000 + b"%d" % number, True) for number in range(40)}
    with Registry(disk / "r") as registry:
        chain = registry._chain
        digest = keep_package(chain.first, tree)
        with pytest.raises(OSError, match="No space left"):
            (disk / "ballast").write_bytes(bytes(4_000_000))
        folder = package_folder(chain, chain.first, digest, verify=False)
        assert folder.is_relative_to(temporary_folder)
        assert look(folder) == tree
        assert package_folder(chain, chain.first, digest, verify=False) == folder
        trees = disk / "r" / "trees"
        assert not trees.exists() or list(trees.iterdir()) == []
        (disk / "ballast").unlink()
        assert package_folder(chain, chain.first, digest, verify=False).is_relative_to(trees)


# names ------------------------------------------------------------------------------------


def make_clashes(root):
    """Return the errors of packages whose names this system cannot all keep."""
    from pathlib import Path

    from support.packages import keep_package
    from support.trees import File

    from localreg import Registry
    from localreg.errors import LocalregError
    from localreg.operations.weights.package_copies import package_file, package_folder

    one, two = File(b"one"), File(b"two")
    clashes = {
        "case": {"Net.pt": one, "net.PT": two},
        "folders": {"Data/x": one, "data/y": two},
        "a file and a folder": {"Data": one, "data/y": two},
        "forms": {"n\u00e9t": one, "ne\u0301t": two},
        "programs": {"Run": File(b"one", True), "run": File(b"two", True)},
        "device": {"sub/AUX.txt": one},
        "end": {"sub/a.": one},
        "fine": {"sub/d\u00e9/a": one, "sub/run.sh": File(b"run", True), "e\u0301mpty": None},
    }
    seen = {}
    with Registry(root) as registry:
        chain = registry._chain
        for name, tree in clashes.items():
            digest = keep_package(chain.first, tree)
            try:
                for verify in (False, True):
                    folder = package_folder(chain, chain.first, digest, verify=verify)
                    inode = folder.stat().st_ino
                seen[name] = [str(folder), inode]
            except LocalregError as error:
                seen[name] = f"{type(error).__name__}: {error}"
                for path in tree:
                    if tree[path] is not None:
                        file = package_file(chain, chain.first, digest, path, verify=True)
                        assert file.read_bytes() == tree[path].content
        seen["left"] = [each.name for each in (Path(root) / "trees").glob(".*")]
        again = package_folder(chain, chain.first, digest, verify=True)
        assert [str(again), again.stat().st_ino] == seen["fine"], "it was made once"
    return seen


def test_names_that_another_system_cannot_all_keep(other_system, tmp_path):
    """An error names both; nothing is made, and each file can still be had."""
    seen = other_system.run(make_clashes, tmp_path / "r")
    for name, names in {
        "case": "'Net.pt' and 'net.PT'",
        "folders": "'Data' and 'data'",
        "a file and a folder": "'Data' and 'data'",
        "programs": "'Run' and 'run'",
    }.items():
        assert f"{names} have the same name there" in seen[name]
        assert "nothing was made" in seen[name]
    assert seen["left"] == []
    if other_system.name == "mac":
        assert "have the same name there" in seen["forms"]
    else:
        assert "does not keep the name 'sub/AUX.txt'" in seen["device"]
        assert "does not keep the name 'sub/a.'" in seen["end"]


@pytest.mark.parametrize("name", ["x" * 256, "\u00e9" * 130, "/".join(["d" * 200] * 21)])
def test_a_name_that_is_too_long_here_is_an_error(name, registry):
    chain = registry._chain
    digest = keep_package(chain.first, {"config.json": File(b"{}"), name: File(b"x")})
    with pytest.raises(StorageError, match=r"or its path is too long .*nothing was made"):
        package_folder(chain, chain.first, digest, verify=False)
    assert list((registry.path / "trees").iterdir()) == []


def test_the_folder_of_a_stranger_is_not_written_to_through_a_link(registry, tmp_path):
    """A blob that is a link, and a folder of blobs that is one, are not followed."""
    chain = registry._chain
    digest = keep_package(chain.first, TREE)
    head = next(each for each in (registry.path / "blobs" / "sha256").iterdir())
    head.rename(tmp_path / "outside")
    head.symlink_to(tmp_path / "outside")
    with pytest.raises(NotARegistryError, match="links inside a registry are not followed"):
        package_folder(chain, chain.first, digest, verify=False)
    assert list((registry.path / "trees").iterdir()) == []
