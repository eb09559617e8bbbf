"""P4, P8, P11, P28: processes that add, read and remove overlapping packages while gc runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from support.contents import blobs, check_sound, unaccounted
from support.proofs import TIMES
from support.trees import File, blobs_of, digest_of, look, plant

from localreg import Registry

PACKAGES = 5


def overlapping(number):
    """Return a tree that shares most of its files with others of these."""
    tree = {f"shared/{each}": File(b"%d" % each * 2_000) for each in range(number, number + 6)}
    tree |= {"README.md": File(b"number %d" % number), "run.sh": File(b"#!/bin/sh", True)}
    return tree | {"logs": None, "same": File(b"same"), "also the same": File(b"same")}


def work(number, barrier, root, sources, times):
    """Add, read and remove packages; number 0 collects without a grace period."""
    import random
    from pathlib import Path

    from support.trees import digest_of, look

    from localreg import Model, Registry

    chance = random.Random(number)
    trees = {source: look(source) for source in sources}
    with Registry(root, durability="fast") as registry:
        barrier.wait(60)
        if number == 0:
            failed = []
            for _ in range(40 * times):
                failed += registry.gc(grace_seconds=0, dry_run=False).failed
            return failed
        for turn in range(12 * times):
            source = chance.choice(sources)
            model = registry.add(Path(source), f"m{number}", "p")
            assert model.digest == digest_of(trees[source])
            if turn % 2:
                assert look(model.get_local_copy(raise_on_error=True)) == trees[source]
            path = chance.choice(sorted(trees[source].keys() - {"logs"}))
            one = model.get_local_copy(file=path, raise_on_error=True)
            assert Path(one).read_bytes() == trees[source][path].content
            if turn % 3:
                Model.remove(model, delete_weights_file=chance.random() < 0.5)
    return []


@pytest.mark.long
def test_eight_processes_add_overlapping_packages_while_gc_runs(tmp_path, children):
    """Nothing is lost, each blob is there once, every local folder is whole."""
    trees = {
        str(plant(tmp_path / f"net-{number}", overlapping(number))): overlapping(number)
        for number in range(PACKAGES)
    }
    with Registry(tmp_path / "r", durability="fast") as registry:
        assert children.crowd(8, work, registry.path, list(trees), TIMES) == [[]] * 8
        models = registry.models()
        assert len(models) == 7 * 4 * TIMES, "every third one stays"
        known = {digest_of(tree): tree for tree in trees.values()}
        for model in models:
            assert look(model.get_local_copy(raise_on_error=True)) == known[model.digest]
        registry.gc(grace_seconds=0, dry_run=False)
        found = [each.parent.name + each.name for each in blobs(registry.path)]
        used = [known[model.digest] for model in models]
        assert sorted(found) == sorted({each for tree in used for each in blobs_of(tree)})
        for each in blobs(registry.path):
            digest = hashlib.sha256(each.read_bytes()).hexdigest()
            assert digest == each.parent.name + each.name
        assert list((registry.path / "tmp").glob("*")) == []
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0).garbage == ()
    check_sound(tmp_path / "r")
    assert unaccounted(tmp_path / "r") == []


def add_at_once(number, barrier, root, source):
    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        barrier.wait(60)
        return registry.add(source, "net").digest


def test_eight_processes_add_one_package(tmp_path, children):
    """Each of its blobs is there once, and nothing else."""
    tree = {f"{number}": File(os.urandom(20_000)) for number in range(30)}
    source = plant(tmp_path / "net", tree)
    Registry(tmp_path / "r").close()
    found = children.crowd(8, add_at_once, tmp_path / "r", source)
    assert set(found) == {digest_of(tree)}
    with Registry(tmp_path / "r") as registry:
        held = sorted(each.parent.name + each.name for each in blobs(registry.path))
        assert held == sorted(blobs_of(tree))
        assert list((registry.path / "tmp").glob("*")) == []
        assert registry.gc(grace_seconds=0).garbage == ()
        assert registry.verify(full=True).ok


def damage_and_get(number, barrier, root):
    """Half of the processes change the local folder while all of them ask for it."""
    from pathlib import Path

    from support.trees import look

    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        model = registry.model("net")
        barrier.wait(60)
        for turn in range(10):
            copy = Path(model.get_local_copy(raise_on_error=True))
            if number % 2:
                try:
                    copy.chmod(0o755)
                    (copy / f"file {turn} of {number}").write_text("x")
                except OSError:  # another process has moved it away
                    continue
        barrier.wait(60)
        return sorted(look(model.get_local_copy(raise_on_error=True))) if number == 0 else []


def test_processes_that_mend_one_local_folder_at_once(tmp_path, children):
    tree = overlapping(0)
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(plant(tmp_path / "net", tree), "net")
    found = children.crowd(6, damage_and_get, tmp_path / "r")
    assert found[0] == sorted(tree)
    with Registry(tmp_path / "r") as registry:
        assert look(Path(registry.model("net").get_local_copy())) == tree
        assert registry.verify(full=True).ok


def move_and_get(number, barrier, root):
    """Half of the processes move the local folder away while all of them ask for it."""
    from pathlib import Path

    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        model = registry.model("net")
        barrier.wait(60)
        for turn in range(30):
            copy = Path(model.get_local_copy(raise_on_error=True))
            if number % 2:
                try:
                    copy.rename(Path(root).with_name(f"{number}-{turn}"))
                except OSError:  # another process was faster
                    continue


def test_local_folders_that_are_moved_away_at_once(tmp_path, children):
    """Each call gets a folder, and nothing half is ever seen."""
    tree = overlapping(0)
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(plant(tmp_path / "net", tree), "net")
    children.crowd(6, move_and_get, tmp_path / "r")
    with Registry(tmp_path / "r", durability="fast") as registry:
        assert look(Path(registry.model("net").get_local_copy())) == tree
    assert not (tmp_path / "r" / "quarantine").exists()
    moved = [look(each) for each in tmp_path.iterdir() if each.name[0].isdigit()]
    assert moved
    assert all(each == tree for each in moved)
    assert unaccounted(tmp_path / "r") == []
