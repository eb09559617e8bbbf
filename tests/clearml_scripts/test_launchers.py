"""P13: real launchers: torchrun, accelerate, and processes of torch.multiprocessing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.skips import NO_FRAMEWORK, NO_TORCH

from localreg import Task

pytest.importorskip("torch", reason=NO_TORCH)

TRAIN = """
import argparse, os
from clearml import Logger, Task

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--fail", type=int, default=-1)
arguments = parser.parse_args()
rank = int(os.environ.get("RANK", 0))
task = Task.init("p", f"train {rank}")
if rank == arguments.fail:
    raise ValueError("bad data")
import torch, torch.distributed

if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
    total = torch.ones(1) * (rank + 1)
    torch.distributed.all_reduce(total)
    torch.distributed.destroy_process_group()
    Logger.current_logger().report_scalar("sum", f"rank {rank}", total.item(), 0)
assert Task.current_task() == task
print(f"rank {rank}")
"""
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "3"]


@pytest.fixture
def ran(registry, tmp_path):
    """Return a function that runs a command of Python, and returns its exit code and stderr."""
    (tmp_path / "train.py").write_text(TRAIN)

    def run(*words):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=180
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "localreg.run", *TORCHRUN, "train.py"],
        [*TORCHRUN, "-m", "localreg.run", "train.py"],
    ],
)
def test_ranks_of_torchrun_have_one_task(words, ran):
    code, errors = ran(*words, "--lr", "0.3")
    assert code == 0, errors
    [task] = Task.get_tasks()
    assert (task.name, task.status) == ("train 0", "completed")
    assert task.get_parameters()["Args/lr"] == "0.3"
    assert {name: each["y"] for name, each in task.get_reported_scalars()["sum"].items()} == {
        "rank 0": [6.0], "rank 1": [6.0], "rank 2": [6.0],
    }  # fmt: skip


def test_a_rank_of_torchrun_that_fails_is_the_reason_and_a_restart_is_another_task(ran):
    words = ["-m", "localreg.run", *TORCHRUN, "--max-restarts", "1", "train.py", "--fail", "2"]
    code, _ = ran(*words)
    assert code != 0
    assert len(Task.get_tasks()) == 2
    for task in Task.get_tasks():
        assert task.status == "failed"
        assert task.status_reason.startswith("rank 2: ")
        assert "ValueError: bad data" in task.status_reason


def test_ranks_of_torchrun_join_the_task_of_the_script_that_starts_it(ran, tmp_path):
    (tmp_path / "driver.py").write_text(
        "import subprocess, sys\n"
        "from clearml import Task\n"
        "task = Task.init('p', 'driver')\n"
        f"subprocess.run([sys.executable, *{TORCHRUN}, 'train.py'], check=True)\n"
        "assert task.status == 'in_progress'\n"
    )
    code, errors = ran("-m", "localreg.run", "driver.py")
    assert code == 0, errors
    [task] = Task.get_tasks()
    assert (task.name, task.status) == ("driver", "completed")
    assert len(task.get_reported_scalars()["sum"]) == 3


SPAWN = """
import torch.multiprocessing
from clearml import Logger, Task

def work(rank, task_id):
    assert Task.current_task().id == Task.init("p", "spawn").id == task_id
    Logger.current_logger().report_scalar("rank", f"rank {rank}", rank, 0)

if __name__ == "__main__":
    task = Task.init("p", "spawn")
    torch.multiprocessing.spawn(work, args=(task.id,), nprocs=2)
    assert task.status == "in_progress"
"""


def test_processes_of_torch_multiprocessing_have_the_task(ran, tmp_path):
    (tmp_path / "spawn.py").write_text(SPAWN)
    code, errors = ran("-m", "localreg.run", "spawn.py")
    assert code == 0, errors
    [task] = Task.get_tasks()
    assert task.status == "completed"
    assert set(task.get_reported_scalars()["rank"]) == {"rank 0", "rank 1"}


def test_what_accelerate_launches_has_the_shim(ran):
    pytest.importorskip("accelerate", reason=NO_FRAMEWORK)
    words = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "train.py"]
    code, errors = ran("-m", "localreg.run", *words)
    assert code == 0, errors
    [task] = Task.get_tasks()
    assert (task.name, task.status) == ("train 0", "completed")
