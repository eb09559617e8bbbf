"""The queries in the guide that ask the events of a fleet: run as written, they give what is so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.documents import GUIDE, text_of


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """Two machines that pushed to ./meeting-place: three versions, and an alias that moved."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    for machine, accuracies in (("laptop", ("0.9", "0.8")), ("cluster", ("0.95",))):
        home = str(tmp_path / machine)
        monkeypatch.setenv("LOCALREG_HOME", home)
        if machine == "laptop":
            run("init", home)
            run("remote", "add", "origin", "meeting-place")
        else:
            run("clone", "meeting-place", home)
        run("config", "origin.name", machine)
        for accuracy in accuracies:
            Path("w.pt").write_text(machine + accuracy)
            run("add", "w.pt", "-n", "vision/resnet", "-m", f"accuracy={accuracy}")
            run("alias", "vision/resnet", "prod")
        run("push")
    yield tmp_path
    shutil.rmtree(tmp_path)


def run(*words):
    code, _, err = run_cli(*words)
    assert code == 0, err


def test_the_queries_say_what_happened(fleet, capsys):
    section = text_of(GUIDE / "remotes.md").partition("## Ask the events")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    printed = []
    for block in blocks:
        exec(compile(block, "remotes.md", "exec"), {})
        printed.append([line for line in capsys.readouterr().out.splitlines() if "│" in line
                        or "┆" in line])  # fmt: skip
    words = [re.sub(r"[│┆\s]+", " ", line).strip() for lines in printed for line in lines]
    machines = [line for line in words if re.match(r"(laptop|cluster) \d ", line)]
    assert [line.split()[:2] for line in machines] == [["laptop", "2"], ["cluster", "1"]]
    moves = [line.split()[-2:] for line in words if re.search(r"\w+@\w+ resnet \d$", line)]
    assert moves == [["resnet", "1"], ["resnet", "2"], ["resnet", "3"]]
    best = [line.split()[-4:] for line in words if re.search(r"resnet \d 0\.\d+$", line)]
    assert best == [
        ["cluster", "resnet", "3", "0.95"],
        ["laptop", "resnet", "1", "0.9"],
        ["laptop", "resnet", "2", "0.8"],
    ]
