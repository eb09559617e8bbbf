"""P28: PyTorch's files, where torch is installed: it is too large for every run of the suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import run_cli
from support.skips import NO_TORCH
from support.trees import look

torch = pytest.importorskip("torch", reason=NO_TORCH)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    torch.save({"w": torch.arange(12.0)}, folder / "pytorch_model.bin")
    torch.save({"step": 3, "w": torch.ones(3)}, folder / "optimizer.pt")
    (folder / "config.json").write_text("{}")
    return folder


def test_torch_loads_the_local_folder(registry, folder):
    model = registry.add(folder, "net")
    copy = Path(model.get_local_copy(raise_on_error=True))
    assert look(copy) == look(folder)
    found = torch.load(copy / "pytorch_model.bin", weights_only=True, mmap=True)
    assert torch.equal(found["w"], torch.arange(12.0))
    one = model.get_local_copy(file="optimizer.pt", raise_on_error=True)
    assert torch.load(one, weights_only=True)["step"] == 3


def test_what_is_inside_is_shown(registry, folder):
    registry.add(folder, "net")
    _, out, _ = run_cli("-R", registry.path, "files", "net")
    line = next(each for each in out.splitlines() if each.lstrip().startswith("optimizer.pt"))
    assert "pytorch" in line.lower()


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # one process
def test_a_distributed_checkpoint(registry, tmp_path, caplog):
    """Without its .metadata nothing can load it: a warning says so."""
    from torch.distributed import checkpoint

    folder = tmp_path / "step-1"
    checkpoint.save({"w": torch.arange(12.0)}, checkpoint_id=folder, no_dist=True)
    code, _, err = run_cli("-R", registry.path, "add", folder, "-n", "net")
    assert code == 0
    assert ".metadata" not in err + caplog.text
    copy = registry.model("net").get_local_copy(raise_on_error=True)
    found = {"w": torch.zeros(12)}
    checkpoint.load(found, checkpoint_id=copy, no_dist=True)
    assert torch.equal(found["w"], torch.arange(12.0))
    (folder / ".metadata").unlink()
    code, _, err = run_cli("-R", registry.path, "add", folder, "-n", "net")
    assert code == 0
    assert ".metadata" in err + caplog.text
