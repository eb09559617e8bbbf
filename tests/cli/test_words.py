"""The words of commands: what is mistyped, what other tools call it, and what options exclude."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import Task
from localreg.cli.commands.cache import cache_command
from localreg.cli.commands.key import key_command
from localreg.cli.commands.remote import remote_command
from localreg.cli.commands.task import task_command
from localreg.cli.main import COMMANDS
from localreg.cli.suggestions import (
    CACHE_SYNONYMS,
    KEY_SYNONYMS,
    READING,
    REMOTE_SYNONYMS,
    SYNONYMS,
    TASK_SYNONYMS,
)

GROUPS = {
    "task": task_command,
    "cache": cache_command,
    "key": key_command,
    "remote": remote_command,
}
WORDS = {
    "": SYNONYMS,
    "task": TASK_SYNONYMS,
    "cache": CACHE_SYNONYMS,
    "key": KEY_SYNONYMS,
    "remote": REMOTE_SYNONYMS,
}
CHANGING = set(COMMANDS) - READING


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Run a command in the test's registry, with a model "a" and a file a.pt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(b"weights")
    registry.add(tmp_path / "a.pt", "a")
    return run_cli


@pytest.mark.parametrize("group", WORDS)
def test_synonyms_name_commands_that_exist_and_are_none_themselves(group):
    table = WORDS[group]
    known = set(GROUPS[group].commands) if group else set(COMMANDS)
    assert known.isdisjoint(table)
    for instead in table.values():
        first, *rest = instead.split()
        assert first in COMMANDS or first in ("--help", "--version")
        assert first not in GROUPS or not rest or rest[0] in GROUPS[first].commands


@pytest.mark.parametrize(
    ("typed", "instead"),
    [("delete a", "rm"), ("info a", "show"), ("log", "history"), ("cat a", "get MODEL -o -"),
     ("run x", "task run"), ("ui", "site --open"), ("serve", "site --open"),
     ("version", "--version"), ("Delete a", "rm"), ("task delete x", "task rm"),
     ("cache clear", "cache prune"), ("sync", "push"), ("remote list", "remote ls")],
)  # fmt: skip
def test_words_of_other_tools_are_known_and_run_nothing(run, registry, typed, instead):
    code, out, err = run(*typed.split())
    assert (code, out) == (2, "")
    assert err.endswith(f"In localreg it is: localreg {instead}\n")
    assert len(registry.models()) == 1


@pytest.mark.parametrize(
    "typed",
    ["rename", "pus", "pul", "clon", "remot", "pubish", "archiv", "untgt", "restor", "remov",
     "ad", "adop", "repai", "me", "alia", "int", "rn", "task rn", "task clon", "cache prun",
     "cache remov", "remote remov"],
)  # fmt: skip
def test_no_guess_is_a_command_that_changes_something(run, typed):
    """The word "rename" is near "remove", and "pus" near "push"."""
    code, _, err = run(*typed.split(), "a")
    assert code == 2
    assert not any(f"'{each}'" in err.partition("Did you mean")[2] for each in CHANGING)
    assert "rm" not in err.partition("Error:")[2].split()


def test_rename_is_a_second_name_of_mv(run, registry):
    """It is what one types; the help lists `mv` only."""
    before = registry.models()[0].ref
    assert run("rename", before, "moved/to")[::2] == (0, f"Moved {before} to moved/to:1.\n")
    assert "rename" not in run("--help")[1]


@pytest.mark.parametrize("name", ["p/v@prod", "v:1:2"])
def test_no_model_is_moved_to_a_name_that_ends_like_a_version_or_an_alias(run, registry, name):
    before = registry.models()[0].ref
    code, _, err = run("mv", before, name)
    assert (code, "ends like a version or an alias" in err) == (2, True)
    assert [each.ref for each in registry.models()] == [before]


def test_python_names_of_arguments_are_those_of_options(run):
    err = run("add", "a.pt", "--sha256", "zz")[2]
    assert err.startswith("localreg: --sha256 must be 64 hex digits")
    Path("l.json").write_text('{"a": "b"}')
    err = run("add", "a.pt", "--labels", "l.json")[2]
    assert err.startswith("localreg: --labels['a'] must be an int")
    assert run("add", "/dev")[2].count("weights_url") == 0


def test_ways_of_adding_exclude_each_other(run, registry):
    code, _, err = run("add", "a.pt", "--move", "--link")
    assert (code, "--move and --link exclude each other" in err) == (2, True)
    assert Path("a.pt").exists()
    assert len(registry.models()) == 1


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("x:1", "give -n x"), ("p/x:12", "give -n p/x"), ("x@prod", "give -n x --alias prod"),
     ("x:1 ", "give -n x")],
)  # fmt: skip
def test_a_new_name_does_not_end_like_a_version_or_an_alias(run, registry, name, remedy):
    """`add -n x:1` made the model x:1:1."""
    code, _, err = run("add", "a.pt", "-n", name)
    assert code == 2
    assert remedy in " ".join(err.split())
    assert len(registry.models()) == 1


def test_names_that_end_so_already_are_still_found(run, registry):
    registry.add("a.pt", "x:1")
    assert run("show", "x:1")[0] == run("show", "x:1:1")[0] == 0
    for name in ("a:b", "x:1.5", "at@home.org/x", "12:30 run"):
        assert run("add", "a.pt", "-q", "-n", name)[0] == 0


@pytest.mark.parametrize("options", ["x=1 --type flaot", "x=abc --type int", "x=1 --type list"])
def test_a_type_that_is_unknown_or_does_not_fit_is_wrong_usage(run, registry, options):
    code, _, err = run("meta", "a", *options.split())
    assert code == 2
    assert ", dict, NoneType, not 'flaot'" in err or "does not fit the value of 'x'" in err
    assert registry.model("a").get_all_metadata() == {}


@pytest.mark.parametrize(
    "options",
    [
        "x=1 --type int",
        "x=TRUE --type bool",
        "x=[1] --type list/int",
        "x=a --type str",
        "x=None --type NoneType",
    ],
)
def test_a_type_that_fits_is_recorded(run, registry, options):
    assert run("meta", "a", *options.split())[0] == 0
    assert list(registry.model("a").get_all_metadata()) == ["x"]


def test_empty_weights_are_remarked(run):
    Path("empty.pt").touch()
    code, _, err = run("add", "empty.pt")
    assert (code, "Warning: the weights are empty." in err) == (0, True)


def test_a_package_is_written_to_the_same_place_once(run, tmp_path):
    """The second `get PKG -o dir` was written into the first."""
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    run("add", "bert")
    assert run("get", "bert", "-o", "dir")[:2] == (0, "dir\n")
    code, _, err = run("get", "bert", "-o", "dir")
    assert (code, "write dir/ to put the package into it" in err) == (5, True)
    assert os.listdir("dir") == ["config.json"]
    assert run("get", "bert", "-o", "dir/")[:2] == (0, "dir/bert\n")


def test_lost_weights_are_named_once_and_in_python_too(run, registry, caplog):
    run("rm", "a", "--delete-weights")
    digest_lines = run("restore", "a")[2]
    assert digest_lines.count("missing") == 1
    run("rm", "a", "--delete-weights")
    registry.restore("a")
    assert "its weights were deleted, and are still missing" in caplog.text


def test_pages_of_what_is_removed_are_removed(run, registry):
    """Until now they stayed until the next `site`."""
    task = Task.create(task_name="t", registry=registry)
    other = Task.create(task_name="t", registry=registry)
    models = [registry.add("a.pt", "a") for _ in range(2)]
    registry.render()
    pages = [registry.path / "reports" / "tasks" / f"{each.id}.html" for each in (task, other)]
    pages += [registry.path / "reports" / "models" / f"{each.id}.html" for each in models]
    assert all(page.exists() for page in pages)
    run("task", "rm", task.id)
    other.delete()
    run("rm", models[0].id)
    type(models[1]).remove(models[1])
    assert not any(page.exists() for page in pages)


def test_no_color_leaves_no_bold(run, registry):
    """NO_COLOR: only plain text, also for headings."""
    for command in (["ls"], ["show", "a"]):
        terminal, end = pty.openpty()
        subprocess.run([sys.executable, "-m", "localreg", *command], stdout=end, check=True,
                       env=os.environ | {"NO_COLOR": "1", "TERM": "xterm-256color"})  # fmt: skip
        os.close(end)
        shown = b""
        while True:
            try:
                shown += os.read(terminal, 65_536)
            except OSError:
                break
        os.close(terminal)
        assert b"\x1b[" not in shown
