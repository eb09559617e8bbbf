"""What is recorded of a repository: the patch applies, and what is not known is not "unchanged"."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import Registry, Task
from localreg.operations.tasks.git_state import (
    DIFF_LIMIT,
    READ_LIMIT,
    commit_text,
    git_state,
    patch_bytes,
)

SCRIPT = "from localreg import Task\nTask.init(project_name='p', task_name='train')\n"
LATIN = "naïve café\n".encode("latin-1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, so that the configuration of this machine does not count."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(tmp_path, "config", "--global", "user.name", "a")
    git(tmp_path, "config", "--global", "user.email", "a@b")
    git(tmp_path, "config", "--global", "protocol.file.allow", "always")


@pytest.fixture
def repository(home, tmp_path):
    """A repository with a committed script and other files."""
    return new_repository(tmp_path / "work")


def new_repository(folder):
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    files = {
        "train.py": SCRIPT.encode(),
        "text.txt": b"".join(b"line %d\n" % number for number in range(30)),
        "latin.txt": LATIN * 3,
        "binary.bin": bytes(range(256)) * 8,
        "two words/\u00e9.txt": b"a\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def git(folder, *words, **options):
    done = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, **options)
    return done.stdout


def edited(folder):
    (folder / "text.txt").write_bytes((folder / "text.txt").read_bytes().replace(b"9", b"nine"))


def many_edits(folder):
    edited(folder)
    (folder / "latin.txt").write_bytes(LATIN + b"\xff\xfe\r\n")
    (folder / "binary.bin").write_bytes(b"\0\1\2" * 900)
    (folder / "two words/\u00e9.txt").unlink()
    (folder / "no end.txt").write_bytes(b"no line end")
    (folder / "train.py").write_bytes(SCRIPT.encode() + b"\n\n \n")
    git(folder, "add", "-N", "no end.txt")


def configured(*pairs):
    def change(folder):
        many_edits(folder)
        for name, value in pairs:
            git(folder, "config", name, value)

    return change


def drivers(folder):
    many_edits(folder)
    (folder / ".git/info/attributes").write_text("*.txt diff=mine\n*.bin diff=mine\n")
    git(folder, "config", "diff.mine.textconv", "echo converted")
    git(folder, "config", "diff.mine.command", "echo external")


def staged(folder):
    edited(folder)
    git(folder, "mv", "latin.txt", "moved.txt")
    git(folder, "add", ".")


def modes(folder):
    (folder / "train.py").chmod(0o755)
    (folder / "link").symlink_to("train.py")
    git(folder, "add", "link")


def untracked(folder):
    git(folder, "rm", "-q", "--cached", "train.py")
    git(folder, "commit", "-qm", "without it")
    edited(folder)


def ignored(folder):
    untracked(folder)
    (folder / ".git/info/exclude").write_text("train.py\n")


def unborn(folder):
    git(folder, "update-ref", "-d", "HEAD")


def unborn_and_untracked(folder):
    git(folder, "update-ref", "-d", "HEAD")
    git(folder, "rm", "-rq", "--cached", ".")


def detached(folder):
    git(folder, "checkout", "-q", "--detach")
    edited(folder)


def submodule(folder):
    other = new_repository(folder.parent / "other")
    git(folder, "submodule", "--quiet", "add", str(other), "sub")
    git(folder, "commit", "-qm", "with submodule")
    git(folder / "sub", "commit", "-qm", "next", "--allow-empty")
    edited(folder / "sub")
    edited(folder)


def odd_names(folder):
    for name in (b"a \"b'.txt", b"line\nbreak.txt", b"\xff\xfe.txt", b"tab\t.txt", b" b/ b.txt"):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1\n")
    git(folder, "add", ".")


def other_kinds(folder):
    (folder / "text.txt").unlink()
    (folder / "text.txt").symlink_to("latin.txt")
    (folder / "latin.txt").unlink()
    (folder / "latin.txt").mkdir()
    (folder / "latin.txt/inside").write_text("1\n")
    (folder / "binary.bin").write_bytes(b"")
    git(folder, "add", ".")


def conversions(folder):
    text = "*.txt text eol=crlf\nwide.csv text working-tree-encoding=UTF-16\n"
    (folder / ".gitattributes").write_text(text)
    (folder / "wide.csv").write_text("a;b\n", encoding="utf-16")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "conversions")
    (folder / "text.txt").write_bytes(b"one\r\ntwo\r\n")
    for name in ("latin.txt", "two words/\u00e9.txt"):
        (folder / name).unlink()
    git(folder, "checkout", "-q", ".")
    (folder / "text.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "wide.csv").write_text("c;d\n", encoding="utf-16")


CASES = {
    "odd names": odd_names,
    "other kinds": other_kinds,
    "conversions": conversions,
    "one file": edited,
    "many edits": many_edits,
    "staged and renamed": staged,
    "modes and links": modes,
    "no prefix": configured(("diff.noprefix", "true")),
    "mnemonic prefix": configured(("diff.mnemonicPrefix", "true"), ("diff.renames", "copies")),
    "colors": configured(("color.ui", "always"), ("color.diff", "always")),
    "external": configured(("diff.external", "echo external")),
    "few lines of context": configured(
        ("diff.context", "0"), ("diff.relative", "true"), ("diff.interHunkContext", "9"),
        ("diff.submodule", "log"), ("diff.ignoreSubmodules", "all"), ("core.quotePath", "false"),
    ),
    "drivers": drivers,
    "an untracked script": untracked,
    "an ignored script": ignored,
    "no commit": unborn,
    "no commit and nothing added": unborn_and_untracked,
    "detached": detached,
    "a submodule": submodule,
}  # fmt: skip


def run_script(folder, script="train.py", **variables):
    """Run a script with a task; return recorded facts and script, and what was printed."""
    ran = subprocess.run(
        [sys.executable, script], cwd=folder, env=os.environ | variables, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    task = Task.get_task(task_name="train")
    return task._row().run, task.get_script(), ran.stderr


def page():
    """Return the page of the task, without its markup, and what `task show` prints."""
    task = Task.get_task(task_name="train")
    text = Path(task.get_output_log_web_page().removeprefix("file://")).read_text(encoding="utf-8")
    _, out, _ = run_cli("task", "show", task.id)
    shown = [line for line in out.splitlines() if line.startswith("commit")]
    commit = shown[0].partition("commit")[2].strip()
    assert commit in text, "both say the same"
    return commit


def contents(folder):
    return {
        str(path.relative_to(folder)): path.is_symlink() or path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


@pytest.mark.parametrize("case", CASES)
def test_the_patch_makes_the_same_files_in_a_clean_checkout(registry, repository, tmp_path, case):
    """`git apply` takes each recorded patch at the recorded commit, byte for byte."""
    CASES[case](repository)
    facts, script, errors = run_script(repository)
    clean = tmp_path / "clean"
    if "commit" in facts:
        git(tmp_path, "clone", "-q", "--no-checkout", repository, clean)
        git(clean, "checkout", "-q", facts["commit"])
    else:
        git(tmp_path, "init", "-q", clean)
    git(clean, "apply", "--index", "-", input=patch_bytes(script["diff"]))
    there = contents(repository)
    if case == "no commit and nothing added":
        there = {"train.py": there["train.py"]}
    if case == "a submodule":
        assert facts["left_out"] == ["sub (changes inside the submodule)"]
        assert "changes inside the submodule" in errors
        moved = git(clean, "ls-files", "--stage", "sub").split()[1]
        assert moved == git(repository / "sub", "rev-parse", "HEAD").strip()
        there = {name: there[name] for name in there if not name.startswith("sub/")}
    else:
        assert errors == ""
    assert contents(clean) == there
    assert facts["changed"] is True
    assert (clean / "train.py").stat().st_mode == (repository / "train.py").stat().st_mode


def test_a_clean_repository_is_unchanged(registry, repository):
    facts, script, errors = run_script(repository)
    assert (facts["changed"], script["diff"], errors) == (False, "", "")
    assert commit_text(facts) == f"{facts['commit']} on main"


def test_outside_of_a_repository_there_is_no_commit(registry, home, tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    facts, script, errors = run_script(tmp_path)
    assert (facts.get("commit"), facts.get("changed"), script["diff"]) == (None, None, None)
    assert (commit_text(facts), errors) == ("", "")


def test_a_run_outside_of_a_repository_forgets_the_commit_of_the_last_one(registry, tmp_path):
    task = Task.create(commit="1" * 40, repo="https://x.org/r.git", branch="main")
    task.mark_started()
    assert task.get_script()["version_num"] != "1" * 40


def test_a_worktree_has_its_own_changes(registry, repository, tmp_path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    edited(tmp_path / "tree")
    facts, script, _ = run_script(tmp_path / "tree")
    assert (facts["branch"], facts["changed"]) == ("side", True)
    assert "text.txt" in script["diff"]


def test_variables_that_git_sets_for_hooks_do_not_count(registry, repository, tmp_path):
    other = new_repository(tmp_path / "other")
    git(other, "commit", "-qm", "more", "--allow-empty")
    facts, *_ = run_script(
        repository,
        GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other), GIT_PREFIX="two words/",
        GIT_INDEX_FILE=str(other / ".git/index"), GIT_EXTERNAL_DIFF="echo external",
    )  # fmt: skip
    assert facts["commit"] == git(repository, "rev-parse", "HEAD").decode().strip()
    assert facts["changed"] is False


def test_a_hook_of_the_repository_is_not_run(registry, repository, tmp_path):
    """core.fsmonitor names a program that git would run to find changed files."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/was-run'\n")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    git(repository, "config", "diff.external", str(program))
    (repository / ".git/hooks/post-index-change").symlink_to(program)
    os.utime(repository / "text.txt", (1, 1))
    facts, *_ = run_script(repository)
    assert not (tmp_path / "was-run").exists()
    assert facts["changed"] is False, "only the time of a file is another one"


def test_a_branch_at_a_missing_commit_is_unknown(registry, repository):
    (repository / ".git/refs/heads/main").write_text("1" * 40 + "\n")
    facts, script, errors = run_script(repository)
    assert (facts["changed"], script["diff"]) == (None, None)
    assert "changes unknown (git cannot compare" in commit_text(facts)
    assert "are not known" in errors
    assert "changes unknown (git cannot compare" in page()


def test_a_broken_repository_is_unknown(registry, repository, tmp_path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    (repository / ".git").rename(tmp_path / "gone")
    facts, script, errors = run_script(tmp_path / "tree")
    assert (facts.get("changed"), script["diff"]) == (None, None)
    assert commit_text(facts) == "unknown (git cannot read the repository)"
    assert "cannot read the repository" in errors


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="needs root")
def test_the_repository_of_another_user_is_unknown_and_the_remedy_is_given(
    registry, repository, monkeypatch
):
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    script = repository / "train.py"
    script.write_text(SCRIPT + "Task.init(project_name='p', task_name='train again')\n")
    monkeypatch.delenv("SUDO_UID", raising=False)
    facts, recorded, errors = run_script(repository)
    assert (facts.get("commit"), facts.get("changed"), recorded["diff"]) == (None, None, None)
    assert commit_text(facts) == "unknown (the repository belongs to another user)"
    assert errors.count(f"git config --global --add safe.directory '{repository}'") == 1
    assert str(repository) not in str([each.payload for each in Registry(registry.path).history()])


def slow_git(tmp_path, command):
    """Make a `git` that waits for good in one command, and return the PATH to find it."""
    folder = tmp_path / "slow"
    folder.mkdir()
    real = subprocess.check_output(["sh", "-c", "command -v git"], text=True).strip()
    (folder / "git").write_text(
        f'#!/bin/sh\nfor word in "$@"; do [ "$word" = {command} ] && exec sleep 60; done\n'
        f'exec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("command", "text"), [("diff", "changes unknown (git did not"), ("rev-parse", "unknown (git")]
)
def test_when_git_takes_too_long_nothing_is_called_unchanged(
    repository, tmp_path, monkeypatch, command, text
):
    monkeypatch.setenv("PATH", slow_git(tmp_path, command))
    found = git_state(repository / "train.py", seconds=0.5)
    assert (found.facts.get("changed"), found.diff) == (None, None)
    assert text in commit_text(found.facts)
    assert "did not" in found.remarks[0]


def test_without_git_nothing_is_recorded(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(repository / "train.py").facts == {}


def test_what_is_too_large_is_left_out_whole_and_named(registry, repository, tmp_path):
    """The rest of the patch still applies."""
    edited(repository)
    (repository / "binary.bin").write_bytes(os.urandom(DIFF_LIMIT))
    (repository / "train.py").write_text(SCRIPT + "# changed\n")
    facts, script, errors = run_script(repository)
    assert facts["left_out"] == ["binary.bin"]
    assert commit_text(facts).endswith(", with changes; not recorded: binary.bin")
    assert "not recorded: binary.bin" in errors
    assert ", with changes; not recorded: binary.bin" in page()
    assert len(patch_bytes(script["diff"])) < DIFF_LIMIT
    clean = tmp_path / "clean"
    git(tmp_path, "clone", "-q", repository, clean)
    git(clean, "apply", "-", input=patch_bytes(script["diff"]))
    there = contents(repository)
    assert {name for name in there if contents(clean)[name] != there[name]} == {"binary.bin"}


def test_what_is_far_too_large_is_not_read_to_its_end(registry, repository):
    (repository / "binary.bin").write_bytes(os.urandom(READ_LIMIT))
    edited(repository)
    facts, script, _ = run_script(repository)
    assert facts["left_out"] == ["binary.bin", "text.txt"]
    assert (facts["changed"], script["diff"]) == (True, "")


def test_a_patch_is_printed_to_a_stream_of_text(registry, repository):
    """A program that calls the command may have replaced stdout by one that takes no bytes."""
    edited(repository)
    run_script(repository)
    task = Task.get_task(task_name="train")
    code, out, err = run_cli("task", "show", task.id, "--diff")
    assert (code, err) == (0, "")
    assert "diff --git" in out
