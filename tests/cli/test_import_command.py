"""`localreg import` of what other programs recorded: what it says, and its exit codes."""

from __future__ import annotations

import json
import tarfile

import pytest
from support.command_line import run_cli

from localreg.operations.importers.kinds import KINDS


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in the test's folder; return exit code, stdout and stderr."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "history.csv").write_text("step,loss,note\n0,0.5,good\n1,0.25,\n")
    return run_cli


def test_it_says_what_it_is_what_came_and_what_did_not(run):
    assert run("init", "registry")[0] == 0
    code, out, err = run("import", "history.csv", "--task", "base")
    (task,) = json.loads(run("task", "ls", "--json")[1])
    assert (code, out) == (0, f"new: task base ({task['id'][:8]})\n")
    assert err.splitlines() == [
        "history.csv is metrics in CSV or JSON lines.",
        "2 events, 1 task, 2 reported values came.",
        "Not imported: values that are no numbers (1)",
    ]


def test_a_dry_run_says_what_would_come_and_changes_nothing(run):
    assert run("init", "registry")[0] == 0
    code, out, err = run("import", "history.csv", "--task", "base", "--dry-run")
    assert code == 0
    assert out.startswith("new: task base (")
    assert err.splitlines()[1:] == [
        "2 events, 1 task, 2 reported values would come.",
        "Would not be imported: values that are no numbers (1)",
    ]
    assert run("task", "ls", "-q")[1] == ""


def test_again_nothing_comes(run):
    assert run("import", "history.csv", "--task", "base")[0] == 0
    code, out, err = run("import", "history.csv", "--task", "base")
    assert (code, out) == (0, "")
    assert err.splitlines()[1] == "Nothing came: all of it was here already."


def test_quiet_it_says_only_what_did_not_come(run):
    code, out, err = run("import", "history.csv", "--task", "base", "-q")
    assert (code, out) == (0, "")
    assert err == "Not imported: values that are no numbers (1)\n"


@pytest.mark.parametrize("name", ["notes.txt", "net.pt", "folder"])
def test_of_something_unknown_the_error_lists_what_can_be_imported(run, tmp_path, name):
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_bytes(b"something else")
    code, out, err = run("import", name)
    assert (code, out) == (1, "")
    assert f"{name} is no bundle, and nothing else that localreg knows" in err
    assert all(kind in err for kind in KINDS)
    assert not (tmp_path / "registry").exists()


def test_an_unknown_url_is_an_error_that_lists_what_can_be_imported(run):
    code, _, err = run("import", "s3://bucket/mlruns")
    assert code == 1
    assert "a URL that begins with s3:// is no bundle" in err


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("http://localhost:5000", "Of a server only its files can be read"),
        ("gs://bucket/runs", "Copy it into a folder first"),
        ("mysql+pymysql://host/db", "only files of SQLite can be read"),
        ("mlruns.tar.gz", "Unpack it, and import the folder"),
        ("net.pkl", "`localreg add FILE -n PROJECT/NAME`"),
        ("nothing", "It is an empty folder"),
        (".", "history.csv is metrics in CSV or JSON lines, and"),
        ("repository/data", "repository is files that DVC tracks."),
        ("repository/data/raw", "repository is files that DVC tracks."),
    ],
)
def test_of_a_wrong_source_the_error_says_what_may_have_been_meant(run, tmp_path, source, hint):
    for folder in ("nothing", "repository/data/raw"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("mlruns.tar.gz", "net.pkl", "repository/data/raw/a.bin"):
        (tmp_path / name).write_bytes(b"something else")
    (tmp_path / "repository" / ".dvc").mkdir()
    code, out, err = run("import", source)
    assert (code, out) == (1, "")
    assert hint in " ".join(err.split())
    assert "It imports: bundle, clearml, mlflow" in err


def test_a_dry_run_needs_no_registry_and_makes_none(run, tmp_path):
    there = sorted(tmp_path.iterdir())
    code, out, err = run("import", "history.csv", "--task", "base", "--dry-run")
    assert (code, out[:15]) == (0, "new: task base ")
    said = f"There is no registry in {tmp_path}/registry: the import will make it."
    assert said in err.splitlines()
    assert sorted(tmp_path.iterdir()) == there


def test_what_the_user_says_that_a_source_is_is_not_repeated(run):
    _, _, err = run("import", "history.csv", "--task", "base", "--from", "metrics")
    assert "history.csv is" not in err
    code, _, err = run("import", "http://localhost:5000", "--from", "mlflow")
    assert code == 1
    assert "http://localhost:5000 cannot be an MLflow store. Of a server only its files" in err


def test_what_looks_like_a_bundle_gets_the_errors_of_bundles(run, tmp_path):
    (tmp_path / "b.tar.001").write_bytes(b"")
    with tarfile.open(tmp_path / "packed", "w") as packed:
        packed.add(tmp_path / "history.csv", "history.csv")
    for name in ("b.tar.001", "packed"):
        code, _, err = run("import", name)
        assert code == 1
        assert "the bundle cannot be used" in err
    assert run("import", "no such file")[0] == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "--task NAME"),
        (("--task", "a", "--link"), "--link is for files that never change"),
        (("--task", "a", "--aliases"), "are for bundles"),
        (("--task", "a", "--from", "clearml"), "--task is for metrics"),
        (("--task", "a", "--from", "bundle"), "are not for bundles"),
        (("--from", "unknown"), "'unknown' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_named(run, tmp_path, options, problem):
    code, out, err = run("import", "history.csv", *options)
    assert (code, out) == (2, "")
    assert problem in err
    assert not (tmp_path / "registry").exists()
