"""P1, P3: after a kill a signature, key, gate or alias is there as a whole, or not at all."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise

import pytest
from support.contents import check_sound, unaccounted
from support.killed_trust import TRUSTING, prepare, state
from support.kills import Killer
from support.proofs import TIMES

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import SourceNotFoundError

PLACES = TIMES  # of each call


@pytest.fixture(scope="module")
def killer(children):
    with Killer(children, "support.killed_trust") as killer:
        yield killer


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder that is as `prepare` leaves it, after each call of the function."""
    folder, copy = tmp_path_factory.mktemp("kills") / "work", tmp_path_factory.mktemp("copy") / "c"
    folder.mkdir()
    prepare(folder)
    shutil.copytree(folder, copy)

    def fresh():
        remove_tree(folder)
        shutil.copytree(copy, folder)
        return folder

    return fresh


def places(name, count):
    """Return before which of its `count` calls of the system and of SQLite a call is killed."""
    edges = [count * number // PLACES for number in range(PLACES + 1)]
    choose = random.Random(name).randrange if TIMES == 1 else random.randrange
    return [choose(first, max(last, first + 1)) for first, last in pairwise(edges)]


@pytest.mark.long
@pytest.mark.parametrize("name", TRUSTING)
def test_a_killed_call_is_done_or_not_and_ends_the_same_when_it_is_done_again(
    name, killer, prepared
):
    folder = prepared()
    before = state(folder)
    status, said = killer.run(name, folder)
    assert status == 0, said
    whole, count = state(folder), int(said)
    assert whole != before
    kills = 0
    for at in places(name, count):
        folder = prepared()
        status, said = killer.run(name, folder, at)
        assert status in (-9, 0), said
        kills += status == -9
        check_sound(folder / "registry")
        found = state(folder)
        assert found in (before, whole), f"killed before call {at}"
        if found == before:
            status, said = killer.run(name, folder)
            assert status == 0, said
            assert state(folder) == whole
        with Registry(folder / "registry", durability="fast") as registry:
            assert registry.verify(full=True).ok
            assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
            assert registry.verify(full=True).ok
        assert unaccounted(folder / "registry") == []
    assert kills > 0


@pytest.mark.long
def test_a_killed_export_to_a_container_registry_leaves_no_tag_that_is_not_whole(
    killer, prepared, fake_registry, tmp_path
):
    """The tag is written last; the next export sends what is lacking."""
    folder = prepared()
    (folder / "host").write_text(fake_registry.host)
    status, said = killer.run("send", folder)
    assert status == 0, said
    for number, at in enumerate(places("send", int(said))):
        fake_registry.manifests.clear()
        fake_registry.blobs.clear()
        killer.run("send", folder, at)
        target = tmp_path / f"target{number}"
        taken = do_take(target, fake_registry)
        assert taken == (("p/m", "1") in fake_registry.manifests)
        if not taken:
            status, said = killer.run("send", folder)
            assert status == 0, said
            assert do_take(target, fake_registry)
        with Registry(target, durability="fast") as registry:
            assert registry.verify(full=True).ok
            assert registry.db["signature"].count == 1
    with Registry(folder / "signed", durability="fast") as registry:
        assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
    assert unaccounted(folder / "signed") == []


def do_take(target, fake_registry):
    """Import the tag into a registry; return False if there is no such tag."""
    with Registry(target, durability="fast") as registry:
        try:
            registry.import_bundle(f"oci://{fake_registry.host}/p/m:1", plain_http=True)
        except SourceNotFoundError:
            return False
    return True


@pytest.mark.long
def test_a_killed_import_from_a_container_registry_ends_the_same_when_it_is_done_again(
    killer, prepared, fake_registry
):
    folder = prepared()
    (folder / "host").write_text(fake_registry.host)
    status, said = killer.run("send", folder)
    assert status == 0, said
    before = state(folder)
    status, said = killer.run("take", folder)
    assert status == 0, said
    whole = state(folder)
    assert whole != before
    for at in places("take", int(said)):
        folder = prepared()
        (folder / "host").write_text(fake_registry.host)
        killer.run("take", folder, at)
        check_sound(folder / "registry")
        assert state(folder) in (before, whole)
        status, said = killer.run("take", folder)
        assert status == 0, said
        assert state(folder) == whole
        with Registry(folder / "registry", durability="fast") as registry:
            assert registry.verify(full=True).ok
            assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
        assert unaccounted(folder / "registry") == []
