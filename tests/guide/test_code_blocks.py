"""Every code block of README and the guide runs, or is checked as far as it can be."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import click
import pytest
from support import foreign_signatures
from support.command_line import run_cli
from support.documents import GUIDE, PAGES, blocks, commands

from localreg import clearml_shim
from localreg.cli.main import cli

BUILT_IN = set("cd do done echo else eval export fi for if set test then".split())
# What only a shell understands: pipes, lists, redirections, substitutions, assignments.
SHELL = re.compile(r"[|;&<>]|\$|^(for|if|eval)\b|^\w+=")
# What leaves the test's folder: URLs, absolute paths, the home directory, the browser.
OUTSIDE = re.compile(r"(?<!file)://|(^|[\s=:'\"])[/~]|--open\b|…")
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

TRAIN = """
import argparse
from pathlib import Path
from clearml import InputModel, OutputModel, Task

task = Task.init(project_name="vision", task_name="fine-tune")
task.connect(InputModel(name="resnet", project="vision"), name="base")
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
arguments = parser.parse_args()
task.get_logger().report_scalar("loss", "train", arguments.lr, 1)
Path("trained.pt").write_bytes(b"trained")
OutputModel(task=task, name="tuned").update_weights("trained.pt")
"""


@pytest.fixture
def stage(localreg_registry, tmp_path, monkeypatch):
    """A folder and a registry as the examples expect them.

    The registry has vision/resnet:1, with the alias "prod", and vision/resnet:2.
    """

    def no_network(*_):
        raise AssertionError("an example uses the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setenv("PATH", PATH)
    folder = tmp_path / "stage"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "weights.pt").write_bytes(b"weights")
    (folder / "better.pt").write_bytes(b"better weights")
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / "model.bin").write_bytes(b"weights")
    (folder / "history.csv").write_text(
        "step,time,loss/train\n0,1700000000,0.5\n1,1700000001,0.25\n"
    )
    (folder / "labels.json").write_text('{"cat": 0, "dog": 1}')
    (folder / "train.py").write_text(TRAIN)
    key = foreign_signatures.new_key()
    (folder / "release.pem").write_bytes(foreign_signatures.private_pem(key))
    (folder / "release.pub").write_bytes(foreign_signatures.public_pem(key))
    better = {".": sha256(b"better weights").hexdigest()}
    (folder / "other.sig").write_bytes(foreign_signatures.signed(better, key))
    localreg_registry.add("weights.pt", "resnet", "vision", alias="prod", tags=["baseline"])
    localreg_registry.add("better.pt", "resnet", "vision", metadata={"accuracy": 0.9})
    yield localreg_registry
    clearml_shim.uninstall()  # an example installs it


def test_there_are_examples():
    assert len([each for page in PAGES for each in blocks(page)]) > 30


def test_the_json_of_a_model_has_the_keys_that_the_guide_shows(stage):
    (shown,) = (
        json.loads(each.code) for each in blocks(GUIDE / "scripts.md") if each.language == "json"
    )
    code, out, _ = run_cli("show", "vision/resnet:2", "--json")
    assert code == 0
    assert set(shown) <= set(json.loads(out))


def test_the_json_for_agents_has_keys_that_the_command_before_it_prints(stage):
    """The values are made up; of a list the first element counts."""
    shown = 0
    for before, block in pairwise(blocks(GUIDE / "agents.md")):
        if before.language == "sh":
            printed = [run_cli(*shlex.split(each)[1:])[1] for each in commands(before)]
        if block.language == "json":
            expected, found = json.loads(block.code), json.loads(printed[-1])
            assert type(expected) is type(found), block.code
            if isinstance(expected, list):
                expected, found = expected[0], found[0]
            assert set(expected) <= set(found), block.code
            shown += 1
    assert shown == 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_order(page, stage, capsys):
    names = {"__name__": page.stem}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            run_python(block, where, names, stage, capsys)
        elif block.language == "sh":
            run_shell(block, where, stage)
        elif block.language == "json":
            json.loads(block.code)
        elif block.language == "toml":
            tomllib.loads(block.code)
        else:
            assert block.language == "text", f"{where}: say the language of this block"


def run_python(block, where, names, registry, capsys):
    """Run Python in the names of the page's earlier blocks; call the tests that it defines.

    What a comment says that a line prints has to be printed.
    """
    before = set(names)
    capsys.readouterr()
    exec(compile("\n" * (block.line - 1) + block.code, where, "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    for line in re.findall(r"# prints (.*)$", block.code, re.MULTILINE):
        assert line in printed, f"{where}: {printed}"
    for name in sorted(set(names) - before):
        if name.startswith("test_"):
            names[name](registry)


def run_shell(block, where, registry):
    """Run the commands of localreg in a block; check that the others are there.

    What leaves the test's folder is not run: its options are checked.
    """
    lines = list(commands(block))
    ours = [line for line in lines if re.match(r"localreg\b|python3? -m localreg\b", line)]
    outside = any(OUTSIDE.search(line) for line in lines if line not in ours)
    all_run = all(line in ours or is_shell(line) for line in lines)
    all_inside = not any(OUTSIDE.search(line) for line in lines)
    needs_shell = any(SHELL.search(line) for line in lines)
    # Several machines have a registry each: tests/carry/test_walk.py runs all of it.
    elsewhere = block.code.startswith("# on the ")
    for line in lines:
        if line not in ours:
            word = re.sub(r"^(\w+=\S*\s+)*", "", line).split(" ", 1)[0]
            assert word in BUILT_IN or "=" in word or exists(word), f"{where}: no command {word}"
    if needs_shell and all_run and all_inside and not elsewhere:
        run_bash("\n".join(lines), where)
        return
    for line in ours:
        if outside or elsewhere or OUTSIDE.search(line) or SHELL.search(line):
            check_options(line, where)
        elif line.startswith("python"):
            run_bash(line, where)
        else:
            run_command(line, block, where, registry)


def exists(word):
    return word.startswith(".venv/") or shutil.which(word) is not None


def is_shell(line):
    return line.split()[0] in BUILT_IN or "=" in line.split()[0]


def run_bash(script, where):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"


def run_command(line, block, where, registry):
    """Run a command in this process; its exit code is the one that its comment names, or 0."""
    comment = re.search(rf"{re.escape(line)}\s+# .*exit code (\d)", block.code)
    expected = int(comment[1]) if comment else 0
    arguments = [known_id(each, line, registry) for each in shlex.split(line)[1:]]
    code, _, error = run_cli(*arguments)
    assert code == expected, f"{where}: {line}: {error}"


def known_id(word, line, registry):
    """Return the id of the newest task or model for one that the text made up."""
    if not re.fullmatch(r"[0-9a-f]{8}", word):
        return word
    table = "task" if line.startswith("localreg task") else "model"
    found = registry.db.execute(f"SELECT id FROM {table} ORDER BY pk DESC LIMIT 1").fetchone()
    return found[0]


def check_options(line, where):
    """Parse a command line of localreg, and do not run it."""
    words = shlex.split(re.split(r"\s[|>&;]", line)[0])
    assert words[0] == "localreg", f"{where}: {line}"
    command, context, rest = cli, cli.make_context("localreg", words[1:]), []
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        if any("…" in each for each in rest):
            return
        context = command.make_context(name, list(rest), parent=context)
