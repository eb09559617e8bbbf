"""The commands of remotes, on a remote in a folder: what they print, and their exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from support.command_line import run_cli


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in the test's folder; return exit code, stdout and stderr."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(tmp_path)
    yield run_cli
    shutil.rmtree(tmp_path)


@pytest.fixture
def models(run, tmp_path):
    """vision/resnet:1 with the alias prod, and vision/resnet:2."""
    for content in (b"1", b"22"):
        (tmp_path / "w.pt").write_bytes(content)
        assert run("add", "w.pt", "-n", "vision/resnet")[0] == 0
    (tmp_path / "w.pt").unlink()
    run("alias", "vision/resnet:1", "prod")


class TestRemote:
    """`localreg remote`."""

    def test_there_are_none(self, run, models):
        code, out, err = run("remote", "ls")
        assert (code, out) == (0, "")
        assert "`localreg remote add NAME URL`" in err

    def test_add_and_rm_say_what_they_did(self, run, models, tmp_path):
        code, out, err = run("remote", "add", "origin", "fleet")
        assert (code, out) == (0, "")
        assert err == (
            f"Added the remote origin: {tmp_path / 'fleet'}.\n"
            "`localreg push origin` sends what it lacks: at most 4 events.\n"
        )
        code, _, err = run("remote", "add", "origin", "elsewhere")
        assert code == 5
        assert "there is a remote origin already" in err
        assert run("remote", "add", "backup", "mirror")[2].startswith("Added the remote backup, a")
        code, out, err = run("remote", "rm", "origin")
        assert (code, out) == (0, "")
        assert err == f"Removed the remote origin; what is in {tmp_path / 'fleet'} stays.\n"
        assert run("remote", "rm", "origin")[0] == 3

    def test_ls_shows_what_is_to_push(self, run, models, tmp_path):
        run("remote", "add", "origin", "fleet")
        run("remote", "add", "backup", "mirror")
        lines = [line.split("\t") for line in run("remote", "ls")[1].splitlines()]
        assert lines == [
            ["origin", "orders", "4", str(tmp_path / "fleet")],
            ["backup", "mirror", "4", str(tmp_path / "mirror")],
        ]
        run("tag", "vision/resnet:1", "a", "b")
        found = json.loads(run("remote", "ls", "--json")[1])[0]
        assert (found["name"], found["waiting"], found["mirror"]) == ("origin", 6, False)


def test_doctor_and_env_know_the_remotes(run, models, tmp_path):
    """And ask nothing of them."""
    run("remote", "add", "origin", "fleet")
    shutil.rmtree(tmp_path / "fleet")
    found = [each for each in json.loads(run("doctor", "--json")[1]) if each["what"] == "remote"]
    text = "origin: lacks 4 events. `localreg push origin` sends them"
    assert found == [{"what": "remote", "state": "note", "text": text}]
    assert json.loads(run("env", "--json")[1])["remotes"] == {"origin": str(tmp_path / "fleet")}
    assert f"origin: {tmp_path / 'fleet'}" in run("env")[1]


WITHOUT = """
import sys
for name in ("deltalake", "obstore", "arro3", "backports", "zstandard", "compression"):
    sys.modules[name] = None
from localreg.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_extra(*words):
    """Run a command in a Python that has none of the packages of the extra."""
    command = [sys.executable, "-c", WITHOUT, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_without_the_extra_each_command_that_needs_it_names_it(run, models):
    run("remote", "add", "origin", "fleet")
    for words in ("remote add backup mirror",):
        code, out, err = without_extra(*words.split())
        assert (code, out) == (1, ""), words
        assert "pip install 'localreg[remote]'" in err, words
        assert "Traceback" not in err


def test_without_the_extra_all_else_works(run, models):
    run("remote", "add", "origin", "fleet")
    for words in (
        "ls", "show vision/resnet", "env", "doctor", "verify", "path vision/resnet", "gc",
        "remote ls", "remote rm origin",
    ):  # fmt: skip
        code, out, err = without_extra(*words.split())
        assert (code, "Traceback" in err) == (0, False), (words, err)
        assert words != "doctor" or "pip install 'localreg[remote]'" in out
