"""Trials at the same time: each value is in the task and registry of its own trial."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import trials
from support.proofs import TIMES

from localreg import InputModel, Registry, Task

TESTS = Path(trials.__file__).parents[1]


TOGETHER = ("threads", "asyncio", "asyncio.to_thread", "joblib threading")


def run(ways, home, outer):
    """Run 20 trials in each of some ways; return their ids, and that of the task around them."""
    done = subprocess.run(
        [sys.executable, "-W", "error", trials.__file__, home, outer, *ways],
        capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_trial(number, task_id, made, taken):
    task = Task.get_task(task_id)
    scalars = task.get_reported_scalars()
    assert scalars["loss"]["train"] == {
        "x": list(range(trials.STEPS)), "y": [float(number)] * trials.STEPS
    }  # fmt: skip
    assert set(task.get_parameters().values()) == {str(number)}
    assert len(task.get_parameters()) == trials.STEPS
    assert [model.id for model in task.models["output"]] == [made]
    assert InputModel(made).get_metadata("trial") == str(number)
    imported = InputModel(taken)
    assert imported.url == f"s3://bucket/{number}.pt"
    assert task_id in imported.comment
    assert task.status == "completed"


@pytest.mark.long
@pytest.mark.parametrize("ways", [TOGETHER, ("fork",), ("spawn",), ("joblib loky",)])
def test_every_value_is_in_the_task_and_registry_of_its_trial(ways, tmp_path):
    """Every other trial has a registry of its own; a task around them gets nothing."""
    for time in range(TIMES):
        check_trials(ways, tmp_path / str(time), "" if time % 2 else "study")


def check_trials(ways, home, outer):
    found, around = run(ways, home, outer)
    assert len({ids[0] for ids in found}) == len(found) == trials.COUNT * len(ways)
    for number, ids in enumerate(found):
        with Registry(trials.own_home(number, home) or home, durability="fast"):
            check_trial(number, *ids)
    for number in range(1, len(found), 2):
        with Registry(trials.own_home(number, home), durability="fast") as registry:
            assert (registry.db["task"].count, registry.db["model"].count) == (1, 2)
    with Registry(home, durability="fast") as registry:
        assert registry.db["task"].count == len(found) // 2 + bool(outer)
        assert registry.db["model"].count == len(found)
        if outer:
            task = Task.get_task(around)
            assert (task.get_reported_scalars(), task.get_parameters()) == ({}, {})
            assert task.status == "completed"
