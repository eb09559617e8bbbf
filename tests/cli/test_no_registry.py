"""Where there is no registry, reading makes none and says so: decision 50."""

from __future__ import annotations

import os

import pytest
from support.command_line import run_cli

from localreg.cli.main import COMMANDS

READING = (
    "get m", "path m", "ls", "ls --json", "show m", "history", "history m", "lineage m", "tag m a",
    "files m", "path m --file a", "diff m n", "untag m a", "meta m a=1", "alias m a", "publish m",
    "protect m@a", "protect m@a --require signed", "protect m@a --drop",
    "archive m", "unarchive m", "rm m",
    "restore m", "report m", "scalars m", "card m", "site", "compare m n",
    "verify", "verify --full", "repair", "adopt",
    "gc", "gc --delete", "du", "cache ls", "cache rm a", "cache prune --partials", "doctor", "env",
    "undo", "undo abcdef --dry-run", "backup b", "config", "config origin.name a", "ls --as-of 7d",
    "show m --as-of abcdef", "history --conflicts", "history --alias a",
    "mv m n", "export m -o x.tar",
    "search word", "sql select",
    "task ls", "task show abcdef", "task clone abcdef", "task run abcdef", "task rm abcdef",
    "config", "mv m n", "merge other", "undo", "export m", "backup other",
    "dataset ls", "dataset show p/n", "dataset get p/n",
    "push", "push o --dry-run", "pull", "pull o --blobs", "remote ls", "remote add o folder",
    "remote rm o", "remote check o", "remote check o --repair", "remote check o --reset",
    "remote compact o", "remote gc o", "remote gc o --delete",
    "sign m --signature a.sig", "key ls", "key add k.pub", "key rm k",
    "verify m --signed", "get m --signature",
)  # fmt: skip
MAKING = {"init", "demo", "add", "import"}
WITHOUT = {"clone", "completion", "guide", "schema"}  # need no registry


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command where no registry is named; the user's data directory is the default."""
    monkeypatch.delenv("LOCALREG_HOME", raising=False)
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return run_cli


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_makes_no_registry_and_leaves_with_3(run, tmp_path, command):
    """A path with a typing error, or a disk that is not mounted, is not an empty registry."""
    code, out, err = run("-R", tmp_path / "unmounted", *command.split())
    assert (code, out) == (3, "")
    said = " ".join(err.split())
    assert f"there is no registry in {tmp_path}/unmounted, named by -R;" in said
    assert f"`localreg init {tmp_path}/unmounted`" in said
    assert os.listdir(tmp_path) == []


def test_every_command_that_makes_no_registry_is_tested():
    assert {each.split()[0] for each in READING} | MAKING | WITHOUT == set(COMMANDS)


def test_the_error_says_why_the_place_was_looked_at(run, tmp_path, monkeypatch):
    because = (
        "the user's data directory: LOCALREG_HOME is not set, and no .localreg folder is in or "
        f"above {tmp_path};"
    )
    assert because in run("ls")[2]
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    assert f"in {tmp_path}/home, chosen by LOCALREG_HOME;" in run("ls")[2]


def test_add_makes_the_registry(run, tmp_path):
    (tmp_path / "a.pt").write_bytes(b"weights")
    assert run("add", "a.pt", "-q", "-R", "new")[0] == 0
    assert run("ls", "-R", "new")[1].startswith("a:1\t")


def test_blobs_without_their_database_are_no_missing_registry(run, tmp_path):
    """Then the database is lost, and init must not be the advice."""
    (tmp_path / "old" / "blobs" / "sha256" / "ab").mkdir(parents=True)
    code, _, err = run("ls", "-R", "old")
    assert code == 1
    assert "its database registry.db is missing" in err


def test_registries_in_the_working_directory_are_named(run, tmp_path):
    """README's first example makes one in ./experiments, and `localreg ls` looks elsewhere."""
    run("init", "experiments")
    assert "There is a registry in ./experiments: `localreg ls -R experiments`" in run("ls")[2]
    run("init", "empty")
    said = run("ls", "-R", "empty")[2]
    assert f"There are no models in {tmp_path}/empty" in said
    assert "`localreg add FILE -n PROJECT/NAME` adds one" in said
    assert "There is a registry in ./experiments: `localreg ls -R experiments`." in said
    assert "./experiments" not in run("ls", "-R", "experiments")[2]
    said = run("task", "ls", "x*", "-R", "empty")[2]
    assert f"No tasks match in {tmp_path}/empty" in said
    assert "./experiments" in said
    run("init", "more")
    there = "There are registries in ./empty, ./experiments and ./more: `localreg ls -R empty`"
    assert there in run("ls")[2]
