"""P32: an import, merge or export that is killed anywhere ends the same when it is done again."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise

import pytest
from support.contents import check_sound, unaccounted
from support.killed_carry import ARRIVING, LEAVING, prepare
from support.kills import Killer
from support.proofs import TIMES

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree

PLACES = TIMES  # of each call: 20 in a long run, and there are five calls that arrive


@pytest.fixture(scope="module")
def killer(children):
    with Killer(children, "support.killed_carry") as killer:
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


def places(name, killer, folder):
    """Return before which of its calls of the system and of SQLite a call is killed."""
    status, said = killer.run(name, folder)
    assert status == 0, said
    count = int(said)
    assert count > 50
    edges = [count * number // PLACES for number in range(PLACES + 1)]
    choose = random.Random(name).randrange if TIMES == 1 else random.randrange
    return [choose(first, max(last, first + 1)) for first, last in pairwise(edges)]


def state(folder):
    """Return what a registry shows, and the ids of its events but those that are its own."""
    with Registry(folder / "here", durability="fast") as registry:
        models = sorted((each.ref, each.digest, tuple(each.tags)) for each in registry.models())
        aliases = sorted(row["alias"] for row in registry.db["alias"].rows)
        arrived = "SELECT event_id FROM event WHERE arrived IS NOT NULL ORDER BY event_id"
        events = [row[0] for row in registry.db.execute(arrived)]
        counts = [
            registry.db[table].count
            for table in (
                "event",
                "scalar",
                "task",
                "artifact",
                "tree_file",
                "weights",
                "signature",
                "gate",
            )
        ]
    return models, aliases, events, counts


@pytest.mark.long
@pytest.mark.parametrize("name", ARRIVING)
def test_a_killed_arrival_ends_the_same_when_it_is_done_again(name, killer, prepared):
    folder = prepared()
    before = state(folder)
    chosen = places(name, killer, folder)
    whole = state(folder)
    assert whole != before
    kills = 0
    for at in chosen:
        folder = prepared()
        status, said = killer.run(name, folder, at)
        assert status in (-9, 0), said
        kills += status == -9
        check_sound(folder / "here")
        assert state(folder) in (before, whole), "all of it was taken in, or nothing"
        status, said = killer.run(name, folder)
        assert status == 0, said
        assert state(folder) == whole
        with Registry(folder / "here", durability="fast") as registry:
            assert registry.verify(full=True).ok
            assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
        assert unaccounted(folder / "here") == []
    assert kills > 0


@pytest.mark.long
def test_a_killed_import_that_is_not_done_again_leaves_nothing(killer, prepared):
    """Bytes that came are a day later deleted by gc."""
    for at in places("import a file", killer, prepared()):
        folder = prepared()
        with Registry(folder / "here", durability="fast") as registry:
            blobs = registry.db["blob"].count
        killer.run("import a file", folder, at)
        with Registry(folder / "here", durability="fast") as registry:
            if registry.db["task"].count == 0:  # it was killed before its last transaction
                registry.gc(grace_seconds=0, dry_run=False)
                assert registry.db["blob"].count == blobs
        assert unaccounted(folder / "here") == []


@pytest.mark.long
@pytest.mark.parametrize("name", LEAVING)
def test_a_killed_export_leaves_no_bundle_that_looks_whole(name, killer, prepared):
    """And nothing in the registry."""
    for at in places(name, killer, prepared()):
        folder = prepared()
        status, said = killer.run(name, folder, at)
        assert status in (-9, 0), said
        found = [each for each in (folder / "new.tar", folder / "new") if each.exists()]
        for each in found:  # killed after it was written
            with Registry(folder / "here", durability="fast") as registry:
                registry.import_bundle(each)
                assert registry.verify(full=True).ok
        with Registry(folder / "there", durability="fast") as registry:
            registry.gc(grace_seconds=0, dry_run=False)
        assert unaccounted(folder / "there") == []
