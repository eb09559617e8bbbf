"""P39: what machines send with the engine alone is there once, whoever is killed."""

from __future__ import annotations

import random
import shutil

import pytest
from support.delta_tables import rows_of
from support.fleets import Fleet
from support.proofs import TIMES

from localreg.blobs.remote_store.store import open_remote

MACHINES = 4


def seed():
    return 0 if TIMES == 1 else random.SystemRandom().randrange(10**9)


def check(url, logs):
    """Check by deltalake alone that each row that was made is there once."""
    there = [row["event_id"] for row in rows_of(url)]
    assert len(set(there)) == len(there), "twice"
    made = {line["made"] for lines in logs for line in lines if "made" in line}
    assert set(there) == made, "missing"


@pytest.mark.long
def test_rows_are_sent_once_to_a_directory(tmp_path):
    chance = random.Random(seed())
    url = tmp_path / "remote"
    open_remote(url).create()
    rounds = 2 * TIMES
    fleet = Fleet(tmp_path / "logs", "send_rows", [[url, n, rounds] for n in range(MACHINES)])
    fleet.run(chance, kills=3 * TIMES, every=0.3)
    check(url, fleet.logs())
    shutil.rmtree(tmp_path / "remote")


@pytest.mark.long
def test_rows_are_sent_once_to_a_store_whose_answers_are_lost(tmp_path, new_bucket, middlemen):
    chance = random.Random(seed())
    bucket = new_bucket("seaweedfs")
    url = f"{bucket.url}/remote"
    open_remote(url).create()
    between = middlemen(bucket, MACHINES, chance)
    rounds = 2 * TIMES
    fleet = Fleet(
        tmp_path / "logs", "send_rows", [[url, n, rounds] for n in range(MACHINES)],
        between.environments,
    )  # fmt: skip
    between.kill_at_commits(fleet.machines, 0.1)
    between.lose_answers(0.2)
    fleet.run(chance, kills=2 * TIMES)
    check(url, fleet.logs())
    print(f"{fleet.kills} kills, {sum(each.kills for each in fleet.machines)} deaths, "
          f"{between.lost} answers lost")  # fmt: skip
