"""PyTorch: `torch.save`, `torch.load` and TorchScript."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import pytest
from support import frameworks
from support.saved_models import input_ids, outputs, summary

from localreg import Task

torch = frameworks.wanted("torch")

PLACES = [
    (torch, "save"), (torch, "load"), (torch.serialization, "save"), (torch.serialization, "load"),
    (torch.jit, "save"), (torch.jit, "load"), (torch.jit.ScriptModule, "save"),
    (torch.jit._script.RecursiveScriptModule, "save"),
]  # fmt: skip
ORIGINALS = [vars(owner).get(name) for owner, name in PLACES]


@pytest.fixture
def net():
    return torch.nn.Linear(2, 1)


def test_what_is_saved_with_a_name_is_recorded(localreg_registry, tmp_path, net):
    task = Task.init(task_name="train")
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.save({"epoch": 1, "model": net.state_dict()}, str(tmp_path / "checkpoint.pth"))
    for _ in range(2):
        with open(tmp_path / "opened.pt", "wb") as file:
            torch.save(net, file)
    torch.save(obj=net.state_dict(), f=tmp_path / "named.pt")
    torch.save(net.state_dict(), io.BytesIO())
    task.close()
    assert summary(task) == {
        "state": ("PyTorch", "state.pt", 1),
        "checkpoint": ("PyTorch", "checkpoint.pth", 1),
        "opened": ("PyTorch", "opened.pt", 2),
        "named": ("PyTorch", "named.pt", 1),
    }
    for model in outputs(task).values():
        torch.load(model.get_local_copy(), weights_only=False)

    later = Task.init(task_name="evaluate")
    torch.load(tmp_path / "state.pt")
    with open(tmp_path / "checkpoint.pth", "rb") as file:
        torch.load(file)
    torch.load(outputs(task)["opened"].get_local_copy(), weights_only=False)
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "missing.pt")
    later.close()
    wanted = [outputs(task)[each].id for each in ("state", "checkpoint", "opened")]
    assert input_ids(later) == wanted


def test_torchscript(localreg_registry, tmp_path, net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script, other = torch.jit.trace(net, torch.zeros(1, 2)), torch.jit.script(net)
        task = Task.init(task_name="train")
        torch.jit.save(script, tmp_path / "traced.pt")
        script.save(str(tmp_path / "method.pt"))
        other.save(str(tmp_path / "scripted.pt"))
        torch.jit.save(other, tmp_path / "scripted.pt")
        torch.jit.save(script, io.BytesIO())
        task.close()
        assert summary(task) == {
            "traced": ("TorchScript", "traced.pt", 1),
            "method": ("TorchScript", "method.pt", 1),
            "scripted": ("TorchScript", "scripted.pt", 2),
        }
        later = Task.init(task_name="evaluate")
        torch.jit.load(tmp_path / "traced.pt")
        later.close()
    assert input_ids(later) == [outputs(task)["traced"].id]


class Samples(torch.utils.data.Dataset):
    """Loads its samples from files."""

    def __init__(self, path):
        self.path = path

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return torch.load(self.path)["weight"]


def test_workers_that_load_data_record_nothing(localreg_registry, tmp_path, net):
    earlier = Task.init(task_name="train")
    torch.save(net.state_dict(), tmp_path / "state.pt")
    earlier.close()
    task = Task.init(task_name="evaluate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it forks
        loader = torch.utils.data.DataLoader(Samples(tmp_path / "state.pt"), num_workers=1)
        assert len([*loader]) == 2
    task.close()
    assert input_ids(task) == []


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train", auto_connect_frameworks={"pytorch": "*.pt"})
    assert torch.save is torch.serialization.save is not ORIGINALS[0]
    task.close()
    assert [vars(owner).get(name) for owner, name in PLACES] == ORIGINALS


SCRIPT = """
import os, sys, localreg
from localreg import Task
task = Task.init(task_name="train")
assert "torch" not in sys.modules
import torch
net = torch.nn.Linear(2, 1)
torch.save(net.state_dict(), "state.pt")
child = os.fork()
if not child:
    torch.save(net.state_dict(), "state.pt")
    os._exit(0)
os.waitpid(child, 0)
torch.save(net.state_dict(), "state.pt")
task.close()
assert not hasattr(torch.save, "__wrapped__")
(model,) = task.models["output"]
print(model.name, [each.revision for each in model.revisions()])
"""


def test_a_script_that_imports_it_later_and_forks(tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={"LOCALREG_HOME": str(tmp_path / "registry"), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["train - state [1, 2, 3]"], 0), (
        run.stderr
    )
