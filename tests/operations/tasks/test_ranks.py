"""P13: one task for all processes of a launcher such as torchrun."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from localreg import Task
from localreg.operations.tasks import ranks

# A rank obeys line by line, so that a test decides in which order things happen.
RANK = """
import json, os, sys
from localreg import Task

rank = os.environ["RANK"]
for line in sys.stdin:
    if line == "init\\n":
        task = Task.init("p", f"run {rank}")
        print(task.id, flush=True)
    elif line == "report\\n":
        task.get_logger().report_scalar("loss", f"rank {rank}", 1.0, iteration=0)
        task.flush()
        print("reported", flush=True)
    elif line == "status\\n":
        print(Task.get_task(task.id).status, flush=True)
    elif line == "close\\n":
        task.close()
        print("closed", flush=True)
    elif line == "raise\\n":
        raise KeyError("no data")
    elif line == "kill\\n":
        os.kill(os.getpid(), 9)
"""


class Launch:
    """Processes with the variables of one torchrun, or with others."""

    def __init__(self, size, variables):
        self.size, self.variables = size, variables
        self.processes = {}

    def start(self, rank, *arguments):
        variables = {
            "RANK": rank,
            "WORLD_SIZE": self.size,
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": 29500,
        }
        given = {name: str(value) for name, value in (variables | self.variables).items()}
        self.processes[rank] = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RANK, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | given,
        )  # fmt: skip
        return self

    def do(self, rank, order):
        process = self.processes[rank]
        process.stdin.write(f"{order}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def end(self, rank):
        _, errors = self.processes[rank].communicate()
        return self.processes[rank].returncode, errors


@pytest.fixture
def launch(registry, tmp_path):
    launches = []
    torchrun = {
        "TORCHELASTIC_ERROR_FILE": tmp_path / "run/attempt_0/1/error.json", "GROUP_WORLD_SIZE": 1,
        "TORCHELASTIC_RESTART_COUNT": 0,
    }  # fmt: skip

    def make(size, *started, variables=torchrun):
        launches.append(Launch(size, variables))
        for rank in started:
            launches[-1].start(rank)
        return launches[-1]

    yield make
    for each in launches:
        for process in each.processes.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_ranks_join_one_task_in_any_order_and_it_is_that_of_rank_0(order, launch):
    started = launch(3, *order)
    ids = {started.do(rank, "init") for rank in order}
    assert len(ids) == len(Task.get_tasks()) == 1
    task = Task.get_task(ids.pop())
    assert task.name == "run 0"
    for rank in order:
        assert started.do(rank, "report") == "reported"
    assert started.do(1, "close") == "closed"
    assert started.end(2) == (0, "")
    assert task.status == "in_progress"
    assert started.end(0) == (0, "")
    assert (task.status, task.status_reason) == ("completed", None)
    assert started.end(1) == (0, "")
    assert set(task.get_reported_scalars()["loss"]) == {"rank 0", "rank 1", "rank 2"}


def test_a_rank_0_that_comes_after_all_others_have_ended_continues_their_task(launch):
    started = launch(2, 0, 1)
    task = Task.get_task(started.do(1, "init"))
    assert started.end(1) == (0, "")
    assert task.status == "completed"
    assert started.do(0, "init") == task.id
    assert task.status == "in_progress"
    assert started.end(0) == (0, "")
    assert (task.status, task.name) == ("completed", "run 0")


@pytest.mark.parametrize("first", [0, 1])
def test_the_failure_of_a_rank_is_that_of_the_task(first, launch):
    started = launch(2, 0, 1)
    task = Task.get_task(started.do(0, "init"))
    started.do(1, "init")
    if first == 0:
        assert started.end(0) == (0, "")
    started.do(1, "raise")
    assert started.end(1)[0] == 1
    assert task.status == "failed"
    assert task.status_reason.startswith("rank 1: ")
    assert "KeyError: 'no data'" in task.status_reason
    if first == 1:
        assert started.do(0, "report") == "reported"
        assert started.end(0) == (0, "")
    assert task.status == "failed"


def test_a_rank_that_fails_before_the_others_come_is_named_and_they_join_the_failed_task(launch):
    started = launch(2, 0, 1)
    task = Task.get_task(started.do(1, "init"))
    started.do(1, "raise")
    assert started.end(1)[0] == 1
    assert started.do(0, "init") == task.id
    assert started.do(0, "report") == "reported"
    assert started.end(0) == (0, "")
    assert (task.status, task.name) == ("failed", "run 0")
    assert task.status_reason.startswith("rank 1: ")


def test_the_task_of_a_killed_rank_0_is_aborted(launch):
    started = launch(2, 0, 1)
    task = Task.get_task(started.do(0, "init"))
    started.do(1, "init")
    started.do(0, "kill")
    assert started.end(0)[0] == -9
    assert task.status == "aborted"
    assert started.end(1) == (0, "")
    assert task.status == "aborted"


def test_each_task_of_a_script_is_joined(launch):
    """The second of rank 1 is the second of rank 0."""
    started = launch(2, 0, 1)
    ids = [started.do(rank, "init") for rank in (0, 1)]
    assert started.do(1, "close") == "closed"
    assert started.do(0, "close") == "closed"
    more = [started.do(rank, "init") for rank in (1, 0)]
    assert len(set(ids)) == len(set(more)) == 1
    assert ids[0] != more[0]


def test_launches_with_the_same_variables_have_tasks_of_their_own(launch):
    """Those of a container stay the same; a process that has a rank already tells them apart."""
    one, other = launch(2, 0, 1, variables={}), launch(2, 0, 1, variables={})
    first = {one.do(rank, "init") for rank in (1, 0)}
    second = {other.do(rank, "init") for rank in (0, 1)}
    assert len(first) == len(second) == 1
    assert len(first | second) == 2
    assert (
        [one.end(rank) for rank in (1, 0)] == [other.end(rank) for rank in (1, 0)] == [(0, "")] * 2
    )
    third = launch(2, 0, variables={}).do(0, "init")
    assert third not in first | second


def test_which_launch_and_rank_this_is():
    plain = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}
    assert not ranks.this_rank(plain).unique
    for name in plain:
        assert ranks.this_rank({each: plain[each] for each in plain if each != name}) is None
    assert ranks.this_rank(plain | {"WORLD_SIZE": "1"}) is None
    assert ranks.this_rank(plain | {"RANK": "one"}) is None
    assert ranks.this_rank(plain) != ranks.this_rank(plain | {"MASTER_PORT": "2"})
    torchrun = plain | {
        "TORCHELASTIC_ERROR_FILE": "/tmp/torchelastic_a/none_b/attempt_0/1/error.json",
        "GROUP_WORLD_SIZE": "1", "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    assert ranks.this_rank(torchrun).unique
    assert ranks.this_rank(torchrun) != ranks.this_rank(
        torchrun | {"TORCHELASTIC_RESTART_COUNT": "1"}
    )
    assert ranks.this_rank(torchrun) == ranks.this_rank(torchrun | {"MASTER_PORT": "2"})
    # Two launchers, which do not know the folder of each other.
    assert not ranks.this_rank(torchrun | {"GROUP_WORLD_SIZE": "2", "WORLD_SIZE": "4"}).unique
