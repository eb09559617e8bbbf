"""P39, P41: machines that push to one remote at once lose nothing and agree on one order.

They are killed at random; some die just after the remote made their commit, some just before; and
to the object store each goes through a proxy that lets the server do what it is asked, and loses
the answer. What must be there is what the machines wrote into their own logs.
"""

from __future__ import annotations

import json
import random
import shutil

import pytest
from support.fleet_checks import (
    check_bytes,
    check_fleet,
    check_live_bytes,
    check_registry,
    events_at,
)
from support.fleets import Fleet
from support.proofs import TIMES
from support.servers.misbehaviours import waits

from localreg import InputModel, Registry
from localreg.operations.remotes import names

WHOLE = TIMES >= 20
MACHINES = 8 if WHOLE else 3
ROUNDS = 50 if WHOLE else 2


def seed():
    return 0 if TIMES == 1 else random.SystemRandom().randrange(10**9)


@pytest.fixture(params=["directory", "seaweedfs"])
def remote(request, tmp_path):
    """A place for a remote: its URL, what reads its objects, and its bucket if it has one."""
    if request.param == "directory":
        folder = tmp_path / "remote"

        def get(key):
            return (folder / key).read_bytes() if (folder / key).exists() else None

        return str(folder), get, None
    bucket = request.getfixturevalue("new_bucket")("seaweedfs")
    return f"{bucket.url}/remote", lambda key: bucket.get(f"remote/{key}"), bucket


def attach(root, url):
    """Make a registry with a remote."""
    with Registry(root) as registry:
        names.add(registry._chain, "origin", url)


def send_all(roots):
    """Push from each registry until each has everything."""
    for _ in range(2):
        for root in roots:
            with Registry(root, durability="fast") as registry:
                registry.push()


@pytest.mark.long
def test_machines_that_are_killed_push_everything_once(remote, tmp_path, middlemen):
    chance = random.Random(seed())
    url, get, bucket = remote
    roots = [tmp_path / f"machine{n}" for n in range(MACHINES)]
    for root in roots:
        attach(root, url)
    between = middlemen(bucket, MACHINES, chance) if bucket else None
    fleet = Fleet(
        tmp_path / "logs",
        "work_and_push",
        [[root, n, ROUNDS, chance.random()] for n, root in enumerate(roots)],
        between and between.environments,
    )
    if between:
        between.kill_at_commits(fleet.machines, 0.05 if WHOLE else 0.2)
        between.lose_answers(0.1)
    fleet.run(chance, kills=MACHINES * ROUNDS // 8 + 1, every=0.4)
    acknowledged = {
        event for lines in fleet.logs() for line in lines for event in line.get("events", ())
    }
    before = {row["event_id"] for row in events_at(url)}
    send_all(roots)
    clone = tmp_path / "clone"
    Registry.clone(url, clone).close()
    events = check_fleet(url, [*roots, clone], acknowledged)
    digests = check_bytes(get, events)
    with Registry(clone, durability="fast") as registry:
        registry.pull(blobs=True)
        assert registry.verify().ok
    kills = sum(each.kills for each in fleet.machines)
    lost = between.lost if between else 0
    print(f"{len(events)} events, {len(events) - len(before)} of them sent at the end, "
          f"{len(digests)} blobs, {kills} kills, {lost} answers lost")  # fmt: skip
    for root in (*roots, clone):
        shutil.rmtree(root)


@pytest.mark.long
def test_of_machines_that_race_for_an_alias_one_wins_each_round(remote, tmp_path, middlemen):
    """Each sets the alias if it is as it saw it; then all push. The others hear that they lost."""
    chance = random.Random(seed())
    url, _, bucket = remote
    rounds = 40 if WHOLE else 2
    roots = [tmp_path / f"machine{n}" for n in range(MACHINES)]
    for number, root in enumerate(roots):
        attach(root, url)
        with Registry(root, durability="fast") as registry:
            for each in "ab":
                InputModel.import_model(
                    f"s3://b/{number}/{each}", name="net", project="p", comment=f"of {number}",
                    registry=registry,
                )  # fmt: skip
            registry.push()
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    (meeting / "count").write_text(str(MACHINES))
    between = middlemen(bucket, MACHINES, chance) if bucket else None
    fleet = Fleet(
        tmp_path / "logs",
        "race_for_alias",
        [[root, n, rounds, meeting] for n, root in enumerate(roots)],
        between and between.environments,
    )
    if between:
        between.lose_answers(0.05)
    fleet.run()
    logs = fleet.logs()
    winners = []
    for turn in range(rounds):
        said = [line for lines in logs for line in lines if line["round"] == turn]
        assert len(said) == MACHINES
        won = [line["event"] for line in said if line["won"]]
        assert len(won) == 1, (turn, said)
        winners += won
    send_all(roots)
    events = check_fleet(url, roots, winners)
    # By the table alone: each winner replaced the one before, and no other event did.
    moves = [row for row in events if row["kind"] == "alias.set"]
    writer, effective = None, []
    for row in moves:
        if json.loads(row["payload"])["was"] == writer:
            writer = row["event_id"]
            effective.append(writer)
    assert effective == winners
    for root in roots:
        check_registry(root, events)
        shutil.rmtree(root)


@pytest.mark.long
def test_a_remote_is_compacted_and_its_garbage_collected_while_machines_push(
    remote, tmp_path, middlemen
):
    """What a live model names is there, also if it was garbage just before.

    On their way to the object store deletions are slow, so that others need the bytes meanwhile.
    """
    chance = random.Random(seed())
    url, get, bucket = remote
    roots = [tmp_path / f"machine{n}" for n in range(MACHINES)]
    for root in roots:
        attach(root, url)
    rounds = 100 if WHOLE else 5
    arguments = [[root, n, rounds] for n, root in enumerate(roots[1:])]
    between = middlemen(bucket, MACHINES, chance) if bucket else None
    if between:
        between.proxies[0].misbehave("delete", waits(0.5))
    others = [tmp_path / f"logs/{n}.log" for n in range(1, MACHINES)]
    fleet = Fleet(
        tmp_path / "logs",
        ["tidy_up"] + ["add_and_remove"] * (MACHINES - 1),
        [[roots[0], others, rounds], *arguments],
        between and between.environments,
    )
    fleet.run()
    logs = fleet.logs()
    acknowledged = {event for lines in logs for line in lines for event in line.get("events", ())}
    send_all(roots)
    clone = tmp_path / "clone"
    Registry.clone(url, clone).close()
    check_fleet(url, [*roots, clone], acknowledged)
    digests = check_live_bytes(get, roots[0])
    with Registry(clone, durability="fast") as registry:
        registry.pull(blobs=True)
        assert registry.verify().ok
    freed = [line["freed"] for line in logs[0]]
    print(f"{len(acknowledged)} events, {len(freed)} times compacted and collected, "
          f"{sum(freed)} blobs deleted, {len(digests)} live")  # fmt: skip
    assert sum(freed) or not WHOLE
    for root in (*roots, clone):
        shutil.rmtree(root)
