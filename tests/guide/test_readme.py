"""README.md says what is so: its Python runs, its commands exist, its test command is CI's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localreg.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_python_runs(localreg_registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"weights")
    ran = blocks("python")
    assert len(ran) == 6
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "model.bin").write_bytes(b"weights")
    for code in ran:
        exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named(command):
    assert re.search(rf"\b{command}\b", README)


def test_every_command_line_names_a_command():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    named = [line.split()[1] for line in lines if line.startswith("localreg ")]
    assert len(named) >= 8
    assert set(named) <= set(COMMANDS)


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    marked = re.search(r"<!-- test command -->\n```sh\n(python3 .*)\n```", README)
    assert marked is not None
    assert "pytest" in marked[1]
    assert "<!-- test command -->" in script


def test_every_environment_variable_is_told():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "localreg").rglob("*.py"))
    used = set(re.findall(r"\bLOCALREG_[A-Z_]+\b", source))
    assert {name for name in used if name not in README} <= {"LOCALREG_CI"}
