"""P1, P3: after a kill a signature, key, gate or alias is there as a whole, or not at all."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise

import pytest
from support.contents import check_sound, unaccounted
from support.killed_trust import CALLS, prepare, state
from support.kills import Killer
from support.proofs import TIMES

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree

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


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_a_killed_call_is_done_or_not_and_ends_the_same_when_it_is_done_again(
    name, killer, prepared
):
    folder = prepared()
    before = state(folder)
    status, said = killer.run(name, folder)
    assert status == 0, said
    whole, count = state(folder), int(said)
    assert whole != before
    edges = [count * number // PLACES for number in range(PLACES + 1)]
    choose = random.Random(name).randrange if TIMES == 1 else random.randrange
    kills = 0
    for at in [choose(first, max(last, first + 1)) for first, last in pairwise(edges)]:
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
