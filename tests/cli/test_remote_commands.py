"""The commands of remotes, on a remote in a folder: what they print, and their exit codes."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture
def pushed(run, models):
    """The remote "origin" in the folder "fleet" has everything; a clone is in "second"."""
    assert run("remote", "add", "origin", "fleet")[0] == 0
    assert run("push")[0] == 0
    assert run("clone", "fleet", "second")[0] == 0


class TestPushAndPull:
    """`localreg push`, `localreg pull` and `localreg clone`."""

    def test_what_went_and_that_it_went_once(self, run, models):
        run("remote", "add", "origin", "fleet")
        code, out, err = run("push", "--dry-run")
        assert (code, out) == (0, "")
        assert re.fullmatch(r"4 events.* would go to origin\.\n", err)
        assert run("push") == (0, "", err.replace("would go", "went"))
        assert run("push") == (0, "", "Nothing went: origin has all of it already.\n")
        assert run("push", "-q") == (0, "", "")
        assert run("push", "--dry-run")[2] == "Nothing would go: origin has all of it.\n"

    def test_clone_says_what_came(self, run, pushed, tmp_path):
        code, out, err = run("clone", "fleet", "third")
        assert (code, out) == (0, f"{tmp_path / 'third'}\n")
        assert re.fullmatch(r"4 events, 2 models.* came\.\n", err)
        assert run("ls", "-q", "-R", "third")[1] == run("ls", "-q")[1]
        assert run("clone", "fleet", "fourth", "-q") == (0, "", "")
        assert run("clone", "fleet", "third")[2].startswith("Nothing came")
        (tmp_path / "w.pt").write_bytes(b"other")
        run("add", "w.pt", "-n", "mine", "-R", "other")
        code, _, err = run("clone", "fleet", "other")
        assert code == 5
        assert "is a registry already" in err
        code, _, err = run("clone", "fleet", "w.pt")
        assert code == 5
        assert "w.pt is not a directory; name a new directory" in err
        code, _, err = run("clone", "nothing", "fifth")
        assert code == 3
        assert "nothing: this directory does not exist, or its disk is not mounted" in err
        assert run("-R", "other", "clone", "fleet", "fifth")[0] == 2

    def test_weights_come_when_they_are_used(self, run, pushed, tmp_path):
        assert not list((tmp_path / "second" / "blobs").rglob("??/*"))
        assert "remotes have" in run("verify", "-R", "second")[2]
        assert run("verify", "-R", "second")[0] == 0
        err = run("rm", "vision/resnet:1", "--local", "-R", "second")[2]
        assert "brings it back." in err
        model = re.search(r"restore (\w+)", err)[1]
        assert run("restore", model, "-R", "second")[0] == 0
        code, path, _ = run("path", "vision/resnet:1", "-R", "second")
        assert code == 0
        assert Path(path.strip()).read_bytes() == b"1"

    def test_what_only_the_remote_has_is_not_lost(self, run, pushed):
        """Neither for a bundle nor for a backup of a clone."""
        code, _, err = run("export", "vision/resnet:1", "-o", "b.tar", "-R", "second")
        assert code == 0
        assert "only a remote has its bytes: `localreg pull --blobs` brings them" in err
        code, _, err = run("backup", "saved", "-R", "second")
        assert code == 0
        assert "Not in it: 2 blobs that only URLs, upstreams or remotes have." in err
        assert run("pull", "--blobs", "-R", "second")[2] == "2 blobs (3 B) came.\n"
        assert "Not in" not in run("export", "--all", "-o", "a.tar", "-R", "second")[2]

    def test_what_came(self, run, pushed):
        run("alias", "vision/resnet:2", "candidate", "-R", "second")
        assert run("push", "-R", "second")[2] == "1 event went to origin.\n"
        code, out, err = run("pull", "--dry-run")
        assert code == 0
        assert run("pull") == (0, out, err.replace("would come", "came"))
        assert err == "1 event would come.\n"
        assert run("pull")[2] == "Nothing came: all of it was here already.\n"
        assert run("show", "vision/resnet@candidate")[0] == 0

    def test_an_own_change_that_loses_is_exit_code_5_and_named(self, run, pushed):
        run("alias", "vision/resnet:2", "prod")
        run("push")
        run("alias", "vision/resnet:1", "prod", "--drop", "-R", "second")
        code, out, _ = run("push", "--dry-run", "-R", "second")
        assert code == 5
        assert out.count("lost: ") == 1
        code, shown, err = run("push", "-R", "second")
        assert (code, shown) == (5, out)
        assert "1 event came.\n" in err
        assert "1 event went to origin.\n" in err
        assert run("push", "-R", "second")[0] == 0
        assert json.loads(run("pull", "--json")[1])["arrived"]["conflict"] is False

    def test_force_makes_it_again(self, run, pushed):
        run("meta", "vision/resnet:1", "k=first")
        run("push")
        run("meta", "vision/resnet:1", "k=second", "-R", "second")
        assert run("push", "--dry-run", "-R", "second")[0] == 5
        code, out, err = run("push", "--force", "-R", "second")
        assert code == 0, out
        assert "set again: vision/resnet:1 metadata k → 'second'\n" in out
        assert "2 events went to origin.\n" in err
        run("pull")
        assert "second" in run("meta", "vision/resnet:1")[1]

    @pytest.mark.parametrize(
        ("words", "remedy"),
        [
            ("push vision/resnet:2", "`localreg export vision/resnet:2 -o FILE.tar`"),
            ("push resnet@prod", "`localreg export resnet@prod -o FILE.tar`"),
            ("push oci://host/repo:tag", "`localreg export MODEL -o oci://host/repo:tag`"),
            ("push s3://bucket/registry", "`localreg remote add NAME s3://bucket/registry`"),
            ("pull vision/resnet:2", "`localreg import FILE.tar`"),
            ("pull oci://host/repo:tag", "`localreg import oci://host/repo:tag`"),
        ],
    )
    def test_a_model_or_a_url_is_wrong_usage(self, run, pushed, words, remedy):
        code, out, err = run(*words.split())
        assert (code, out) == (2, "")
        assert remedy in err

    def test_a_name_that_only_a_model_has_is_wrong_usage(self, run, pushed, tmp_path):
        (tmp_path / "w.pt").write_bytes(b"plain")
        run("add", "w.pt", "-n", "plain")
        code, _, err = run("push", "plain")
        assert code == 2
        assert "`localreg export plain -o FILE.tar`" in err

    def test_which_remote_is_meant(self, run, pushed):
        """The one that orders the events; else it must be named."""
        run("remote", "add", "backup", "mirror")
        assert run("push")[2].endswith("origin has all of it already.\n")
        assert re.fullmatch(r"4 events.* went to backup\.\n", run("push", "backup")[2])
        code, _, err = run("push", "unknown")
        assert code == 3
        assert "backup" in err
        assert "origin" in err

    def test_without_a_remote(self, run, models):
        for words in (["push"], ["pull"], ["push", "origin"]):
            code, _, err = run(*words)
            assert code == 3
            assert "`localreg remote add NAME URL`" in err


def newer_format(fleet):
    """As a later localreg would make it."""
    found = json.loads((fleet / "registry.json").read_text())
    rewrite(fleet / "registry.json", json.dumps(found | {"format": 2}))


def other_remote(fleet):
    """Another one, which was made at the same place."""
    shutil.rmtree(fleet)
    run_cli("init", "other")
    run_cli("remote", "add", "origin", str(fleet), "-R", "other")


def half_deleted(fleet):
    for each in (fleet / "events").rglob("*.parquet"):
        each.unlink()
    for each in sorted((fleet / "events" / "_delta_log").iterdir())[1:]:
        each.unlink()


def no_identity(fleet):
    (fleet / "registry.json").unlink()


def gone(fleet):
    shutil.rmtree(fleet)


def a_file(fleet):
    shutil.rmtree(fleet)
    fleet.write_text("a file")


def rewrite(path, text):
    path.chmod(0o644)
    path.write_text(text)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_remote, "--reset"),
        (half_deleted, "--reset"),
        (gone, "there is no remote at"),
        (a_file, "Not a directory"),
    ],
)
def test_a_spoiled_remote_is_an_error_and_nothing_is_lost(run, pushed, tmp_path, spoil, said):
    """P40."""
    fleet = tmp_path / "fleet"
    run("tag", "vision/resnet:2", "new")
    before = run("history")[1]
    shutil.copytree(fleet, tmp_path / "sound")
    spoil(fleet)
    for words in ("pull", "push", "push --dry-run"):
        code, out, err = run(*words.split())
        assert (code, out) == (1, ""), words
        assert said in err
        assert "Traceback" not in err
        assert run("history")[1] == before
    fleet.unlink() if fleet.is_file() else shutil.rmtree(fleet, ignore_errors=True)
    (tmp_path / "sound").rename(fleet)
    assert run("push")[2].startswith("1 event")
    assert run("pull", "-R", "second")[2] == "1 event came.\n"


def test_a_remote_of_another_format_is_not_cloned(run, pushed, tmp_path):
    newer_format(tmp_path / "fleet")
    run("init", "other")
    for words in ("clone fleet third", "remote add origin fleet -R other"):
        code, out, err = run(*words.split())
        assert (code, out) == (1, "")
        assert "format 2" in err
        assert "newer localreg" in err
    no_identity(tmp_path / "fleet")
    code, _, err = run("clone", "fleet", "third")
    assert code == 3
    assert "there is no remote at" in err
    assert not (tmp_path / "third").exists()


def test_a_directory_that_is_not_mounted_says_so(run, pushed, tmp_path):
    """Also where weights are wanted; the remote is not taken for one that lacks them."""
    fleet, away = tmp_path / "fleet", tmp_path / "away"
    fleet.rename(away)
    for words in (
        "pull", "push", "remote check", "remote check --repair", "remote check --reset",
        "remote compact", "remote gc", "path vision/resnet:2 -R second",
    ):  # fmt: skip
        code, out, err = run(*words.split())
        assert code in (1, 3, 4), words
        assert "this directory does not exist" in out + err, words
        assert "mount its disk or share" in out + err, words
        assert "registry.json" not in out + err, words
        assert not fleet.exists()
    away.rename(fleet)
    assert run("path", "vision/resnet:2", "-R", "second")[0] == 0
    with sqlite3.connect(tmp_path / "second" / "registry.db") as connection:
        assert connection.execute("SELECT count(*) FROM remote_gap").fetchone() == (0,)
    connection.close()


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
            "`localreg push origin` sends what it lacks: 4 events.\n"
        )
        code, _, err = run("remote", "add", "origin", "elsewhere")
        assert code == 5
        assert "there is a remote origin already" in err
        assert run("remote", "add", "backup", "mirror")[2].startswith("Added the mirror backup")
        code, out, err = run("remote", "rm", "origin")
        assert (code, out) == (0, "")
        assert err == (
            f"Removed the remote origin; what is in {tmp_path / 'fleet'} stays.\n"
            "It lacks 4 events of this registry.\n"
        )
        assert run("remote", "rm", "origin")[0] == 3
        assert run("remote", "add", "again", "fleet")[2].splitlines() == [
            f"Added the remote again, which was there already: {tmp_path / 'fleet'}.",
            "`localreg pull again` takes in what it has.",
            "`localreg push again` sends what it lacks: at most 4 events.",
        ]

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


def test_rm_says_which_weights_only_the_remote_has(run, pushed, tmp_path):
    code, _, err = run("remote", "rm", "origin", "-R", "second")
    assert (code, err) == (
        0,
        f"Removed the remote origin; what is in {tmp_path / 'fleet'} stays.\n"
        "Not here: 2 blobs (3 B) that models or tasks need. "
        f"`localreg remote add origin {tmp_path / 'fleet'}` and `localreg pull --blobs` bring what "
        "it has of them.\n",
    )
    assert json.loads(run("remote", "rm", "origin", "--json")[1])["not_here"] == 0
    run("remote", "add", "origin", "fleet", "-R", "second")
    assert run("pull", "--blobs", "-R", "second")[2] == "2 blobs (3 B) came.\n"
    assert "Not here" not in run("remote", "rm", "origin", "-R", "second")[2]


def test_undo_in_a_clone_names_the_changes_of_others(run, pushed):
    code, _, err = run("undo", "-R", "second")
    assert code == 3
    assert "all came from other registries: `localreg undo EVENT`" in err
    run("init", "new")
    assert "nothing was changed in this registry yet" in run("undo", "-R", "new")[2]


def test_a_damaged_identity_is_deleted_and_repaired(run, pushed, tmp_path):
    identity = tmp_path / "fleet" / "registry.json"
    rewrite(identity, "x")
    for words in ("clone fleet third", "remote check", "remote check --repair"):
        code, out, err = run(*words.split())
        assert code in (1, 4)
        assert "delete it, and `localreg remote check NAME --repair`" in out + err
    identity.unlink()
    assert run("remote", "check", "--repair")[0] == 0
    assert run("clone", "fleet", "third")[0] == 0


class TestUpkeep:
    """`localreg remote check`, `compact` and `gc`."""

    def test_a_whole_remote(self, run, pushed):
        code, out, err = run("remote", "check", "--full")
        assert (code, out) == (0, "")
        assert err == "origin is whole: 4 events, 2 blobs (3 B); 2 objects hashed.\n"
        assert run("remote", "check", "-q") == (0, "", "")

    def test_bytes_that_are_gone_are_named_and_sent_again(self, run, pushed, tmp_path):
        shutil.rmtree(tmp_path / "fleet" / "blobs")
        code, out, err = run("remote", "check")
        assert code == 4
        assert out.count(" is missing; vision/resnet:") == 2
        assert "origin has 2 problems; it has 4 events" in err
        assert "`localreg push origin` in a registry that has them" in err
        said = run("pull", "--blobs", "-R", "second")[2]
        assert "vision/resnet:2: the remote does not have its bytes\n" in said
        assert said.endswith("Nothing came.\n")
        assert run("push")[2] == "2 blobs (3 B) went to origin.\n"
        assert run("remote", "check")[0] == 0

    def test_a_checkpoint_is_made_once(self, run, pushed):
        code, out, err = run("remote", "compact")
        assert (code, out) == (0, "")
        assert "Made a checkpoint of 4 events (" in err
        assert run("remote", "compact")[2] == "Nothing changed: origin is compact already.\n"
        assert run("clone", "fleet", "third")[0] == 0
        assert run("ls", "-q", "-R", "third")[1] == run("ls", "-q")[1]

    def test_reset_takes_a_restored_remote(self, run, pushed, tmp_path):
        """What came there since is not lost: the next push sends it again."""
        shutil.copytree(tmp_path / "fleet", tmp_path / "old")
        run("tag", "vision/resnet:2", "new")
        run("push")
        shutil.rmtree(tmp_path / "fleet")
        (tmp_path / "old").rename(tmp_path / "fleet")
        code, _, err = run("pull")
        assert code == 1
        assert "`localreg remote check origin --reset`" in " ".join(err.split())
        code, out, _ = run("remote", "check")
        assert (code, out.count("was replaced, or restored")) == (4, 1)
        assert run("remote", "check", "--reset", "--dry-run")[0] == 0
        assert run("pull")[0] == 1
        assert run("remote", "check", "--reset") == (
            0, "", "Nothing came: all of it was here already.\n",
        )  # fmt: skip
        assert run("push")[2] == "1 event went to origin.\n"
        assert run("pull", "-R", "second")[2] == "1 event came.\n"

    def test_gc_deletes_what_nothing_needs(self, run, pushed):
        assert run("remote", "gc") == (0, "", "Nothing to delete.\n")
        run("rm", "vision/resnet:2")
        run("push")
        assert run("remote", "gc")[2] == "Nothing to delete.\n"  # it can be restored for a week
        code, out, err = run("remote", "gc", "--grace", "0")
        assert (code, out.count("\n")) == (0, 1)
        assert err == "--delete would free 2 B (1 item).\n"
        assert run("remote", "gc", "--grace", "0", "--delete")[2] == "Freed 2 B (1 item).\n"
        assert run("remote", "check")[0] == 0
        assert run("remote", "gc", "--grace", "soon")[0] == 2

    def test_a_remote_that_was_deleted_is_made_again(self, run, pushed, tmp_path):
        """As the guide says it, by two registries."""
        shutil.rmtree(tmp_path / "fleet")
        assert run("push")[0] == 1
        for place, sent in (("registry", "4 events, 2 blobs (3 B) went"), ("second", "Nothing")):
            where = ("-R", tmp_path / place)
            assert run("remote", "rm", "origin", *where)[0] == 0
            err = run("remote", "add", "origin", "fleet", *where)[2]
            assert "`localreg remote check origin --reset` lets it give the order." in err
            assert run("remote", "check", "--reset", *where)[0] == 0
            assert run("push", *where)[2].startswith(sent)
            assert run("remote", "ls", *where)[1].split("\t")[1:3] == ["orders", "0"]

    def test_options_that_do_not_go_together(self, run, pushed):
        for words in ("--reset --full", "--reset --repair", "--dry-run"):
            assert run("remote", "check", *words.split())[0] == 2


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
    for words in (
        "push",
        "pull",
        "push --dry-run",
        "clone fleet third",
        "remote add backup mirror",
    ):
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
