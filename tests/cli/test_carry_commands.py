"""The commands that carry models: export, import and merge."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from support.command_line import run_cli
from support.sessions import CLOSED, SMALL, folder_of, session_id, zip_of


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in the test's folder; return exit code, stdout and stderr."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(tmp_path)
    return run_cli


@pytest.fixture
def models(run, tmp_path):
    """vision/resnet:1 with the alias prod, vision/resnet:2 and nlp/bert:1."""
    for name, content in (("vision/resnet", b"1"), ("vision/resnet", b"22"), ("nlp/bert", b"333")):
        (tmp_path / "w.pt").write_bytes(content)
        assert run("add", "w.pt", "-n", name.split("/")[1], "-p", name.split("/")[0])[0] == 0
    run("alias", "vision/resnet:1", "prod")


def process(*arguments, **options):
    command = [sys.executable, "-m", "localreg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


class TestExport:
    """`localreg export`."""

    def test_the_default_name_is_that_of_the_model(self, run, models, tmp_path):
        code, out, err = run("export", "vision/resnet@prod")
        assert (code, out) == (0, f"{tmp_path / 'resnet-1.tar'}\n")
        assert "Exported 1 model" in err
        assert run("export", "vision/resnet", "nlp/bert")[1] == f"{tmp_path / 'models.tar'}\n"

    def test_filters_take_all_that_match(self, run, models):
        out = json.loads(run("export", "-p", "vision", "-o", "v.tar", "--json")[1])
        assert {each["ref"] for each in out["models"]} == {"vision/resnet:1", "vision/resnet:2"}
        out = json.loads(run("export", "-n", "bert", "-o", "n.tar", "--json")[1])
        assert [each["ref"] for each in out["models"]] == ["nlp/bert:1"]

    def test_a_dry_run_lists_models_and_sizes(self, run, models, tmp_path):
        code, out, err = run("export", "--all", "-o", "b.tar", "--dry-run")
        assert code == 0
        assert [line.split("\t")[:2] for line in out.splitlines()] == [
            ["vision/resnet:1", "1"], ["vision/resnet:2", "2"], ["nlp/bert:1", "3"],
        ]  # fmt: skip
        assert "A bundle would hold 3 models" in err
        assert not (tmp_path / "b.tar").exists()

    @pytest.mark.parametrize(
        "arguments", [[], ["nlp/bert", "--all"], ["nlp/bert", "-p", "x"], ["--all", "-t", "x"]]
    )
    def test_models_or_filters_or_all(self, run, models, arguments):
        code, _, err = run("export", *arguments)
        assert code == 2
        assert "Name one or more models" in err

    def test_a_name_that_exists_is_a_conflict(self, run, models, tmp_path):
        (tmp_path / "b.tar").write_text("mine")
        code, _, err = run("export", "nlp/bert", "-o", "b.tar")
        assert code == 5
        assert "exists already" in err

    def test_unknown_models_are_not_found(self, run, models):
        assert run("export", "vision/unknown")[0] == 3
        assert run("export", "-t", "unknown")[0] == 3
        assert run("export", "nlp/bert", "--since", "abcdef12")[0] == 3

    def test_quiet_prints_the_path_only(self, run, models, tmp_path):
        code, out, err = run("export", "nlp/bert", "-o", "q.tar", "-q")
        assert (code, out, err) == (0, f"{tmp_path / 'q.tar'}\n", "")

    def test_stdout_gets_the_bundle_and_nothing_else(self, run, models, tmp_path):
        run("export", "nlp/bert", "-o", "b.tar")
        done = process("export", "nlp/bert", "-o", "-")
        assert done.returncode == 0
        assert done.stdout == (tmp_path / "b.tar").read_bytes()
        assert b"Exported 1 model" in done.stderr

    def test_json_and_stdout_exclude_each_other(self, run, models):
        assert run("export", "nlp/bert", "-o", "-", "--json")[0] == 2

    def test_parts(self, run, models, tmp_path):
        code, out, _ = run("export", "nlp/bert", "-o", "b.tar", "--split", "10kB")
        paths = out.splitlines()
        assert code == 0
        assert paths[0] == str(tmp_path / "b.tar.001")
        assert len(paths) > 1
        assert run("export", "nlp/bert", "--split", "much")[0] == 2

    def test_bytes_that_should_be_here_and_are_not_are_exit_code_4(self, run, models, tmp_path):
        """The rest is written all the same; weights that are elsewhere by intention are none."""
        shutil.rmtree(tmp_path / "registry" / "blobs")
        assert run("export", "nlp/bert", "-o", "a.tar")[0] == 0, "the file that was added has them"
        (tmp_path / "w.pt").unlink()
        code, out, err = run("export", "nlp/bert", "-o", "b.tar")
        assert (code, out) == (4, f"{tmp_path / 'b.tar'}\n")
        assert "Not in the bundle: nlp/bert:1: its bytes are only in" in err
        assert run("export", "nlp/bert", "-o", "j.tar", "--json")[0] == 4

    def test_nothing_new(self, run, models, tmp_path):
        run("export", "--all", "-o", "1.tar")
        code, _, err = run("export", "--all", "-o", "2.tar", "--since", "1.tar")
        assert code == 0
        assert "Nothing is new since 1.tar" in err

    def test_what_is_not_in_the_bundle_is_said(self, run, models, tmp_path):
        (tmp_path / "there.pt").write_bytes(b"there")
        run("add", "there.pt", "-n", "pointed", "--reference")
        (tmp_path / "there.pt").unlink()
        code, _, err = run("export", "pointed", "-o", "b.tar")
        assert code == 0
        assert "Not in the bundle: pointed:1: its bytes are only in" in err


@pytest.fixture
def bundle(run, models, tmp_path):
    """All of it in all.tar; then the registry of the test is another one, which is empty."""
    run("export", "--all", "-o", "all.tar")
    (tmp_path / "registry").rename(tmp_path / "source")
    run("init", tmp_path / "registry")
    return tmp_path / "all.tar"


class TestImport:
    """`localreg import`."""

    def test_it_says_what_came_and_twice_that_nothing_did(self, run, bundle):
        code, _, err = run("import", "all.tar")
        assert code == 0
        assert "3 models" in err
        assert run("ls", "-q")[1].count("\n") == 3
        code, out, err = run("import", "all.tar")
        assert (code, out) == (0, "")
        assert "Nothing came: all of it was here already." in err

    def test_an_alias_that_is_set_afterwards_is_not_nothing(self, run, models, tmp_path):
        run("export", "vision/resnet:1", "-o", "one.tar")
        run("init", "other")
        run("-R", "other", "import", "one.tar")
        _, out, err = run("-R", "other", "import", "one.tar", "--aliases")
        assert out == "vision/resnet@prod is vision/resnet:1 now\n"
        assert err.endswith("Nothing else came: all of it was here already.\n")

    def test_a_dry_run_changes_nothing(self, run, bundle):
        _, _, err = run("import", "all.tar", "--dry-run")
        assert "3 models" in err
        assert "would come" in err
        assert run("ls", "-q")[1] == ""

    def test_stdin(self, run, bundle):
        code, _, _ = run("import", "-", stdin=bundle.read_bytes())
        assert code == 0
        assert run("ls", "-q")[1].count("\n") == 3

    def test_a_pipe_from_one_registry_to_another(self, run, bundle, tmp_path):
        out = process("-R", tmp_path / "source", "export", "-p", "vision", "-o", "-")
        done = process("import", "-", input=out.stdout)
        assert done.returncode == 0, done.stderr
        assert run("ls", "-q")[1].count("\n") == 2

    def test_copies_into_a_project(self, run, bundle):
        assert run("import", "all.tar", "--project", "staging")[0] == 0
        refs = {each["ref"] for each in json.loads(run("ls", "--json")[1])}
        assert refs == {"staging/resnet:1", "staging/resnet:2", "staging/bert:1"}

    def test_json(self, run, bundle):
        found = json.loads(run("import", "all.tar", "--json")[1])
        assert sorted(found["models"]) == ["nlp/bert:1", "vision/resnet:1", "vision/resnet:2"]
        assert (found["blobs"], found["size"], found["conflict"]) == (3, 6, False)

    def test_errors(self, run, bundle, tmp_path):
        assert run("import", "unknown.tar")[0] == 3
        code, _, err = run("import", tmp_path / "source")
        assert code == 1
        assert f"`localreg merge {tmp_path / 'source'}`" in err
        (tmp_path / "w.pt").write_bytes(b"no bundle" * 1_000)
        code, _, err = run("import", "w.pt")
        assert code == 1
        assert "w.pt is no bundle, and nothing else that localreg knows" in err
        assert run("ls", "-q")[1] == ""


class TestImportSession:
    """`localreg import` of an offline session of ClearML."""

    @pytest.fixture
    def session(self, tmp_path):
        return zip_of(folder_of(CLOSED, tmp_path))

    def test_it_says_what_came(self, run, session, tmp_path):
        assert run("init", tmp_path / "registry")[0] == 0
        code, out, err = run("import", session, "--dry-run")
        assert code == 0
        assert err.splitlines()[-1].endswith("would come.")
        assert run("task", "ls", "-q")[1] == ""
        task = session_id(CLOSED)
        expected = err.replace("would come", "came").replace("would not come", "did not come")
        assert run("import", session) == (0, out, expected)
        assert out == (
            f"task: vis ion/cäts/train: a+b ({task})\n"
            "new: vis ion/cäts/net:1\n"
            "new: vis ion/cäts/elsewhere:1\n"
        )
        assert expected.splitlines()[:-1] == [
            f"{session} is an offline session of ClearML.",
            "Bytes that did not come: artifact link: only their address came: "
            "https://example.org/data.csv",
            "Bytes that did not come: media/link at iteration 1: only their address came: "
            "https://example.org/cat.png",
            "Bytes that did not come: model elsewhere: only their address came: s3://bucket/net.bin",
        ]
        assert run("task", "ls", "-q")[1].strip() == task
        assert run("import", session)[1] == f"task: vis ion/cäts/train: a+b ({task})\n"

    def test_a_folder_makes_the_registry(self, run, tmp_path):
        folder = folder_of(SMALL, tmp_path)
        code, out, _ = run("import", folder, "--json")
        assert (code, json.loads(out)["task"]) == (0, session_id(SMALL))
        assert json.loads(out)["arrived"]["tasks"] == [session_id(SMALL)]

    def test_options_of_bundles_are_refused(self, run, session):
        for option, problem in (("--project=p", "are not for"), ("--aliases", "are for bundles")):
            code, _, err = run("import", session, option)
            assert code == 2
            assert problem in err

    def test_a_damaged_session(self, run, tmp_path):
        folder = folder_of(SMALL, tmp_path)
        (folder / "log.jsonl").write_text("{}\n", encoding="utf-8")
        code, _, err = run("import", folder)
        assert code == 1
        assert "log.jsonl line 1 must be a list of events" in err


class TestMerge:
    """`localreg merge`."""

    def test_it_says_what_came(self, run, bundle):
        code, _, err = run("merge", "source")
        assert code == 0
        assert "3 models" in err
        assert run("show", "vision/resnet@prod")[0] == 0
        assert "Nothing came" in run("merge", "source")[2]

    def test_a_number_that_both_gave(self, run, bundle, tmp_path):
        """It is said, and not a conflict; --renumber gives new numbers."""
        (tmp_path / "w.pt").write_bytes(b"own")
        run("add", "w.pt", "-n", "bert", "-p", "nlp")
        code, out, _ = run("merge", "source")
        assert code == 0
        assert "nlp/bert:1 is ambiguous" in out
        code, _, err = run("path", "nlp/bert:1")
        assert code == 1
        assert "nlp/bert:1~" in err
        code, out, _ = run("merge", "source", "--renumber")
        assert code == 0
        assert "nlp/bert:1 is nlp/bert:2 now" in out
        assert run("path", "nlp/bert:1")[0] == 0

    def test_an_own_change_that_has_lost_is_exit_code_5(self, run, bundle, tmp_path):
        run("merge", "source")
        run("meta", "nlp/bert", "-R", tmp_path / "source", "k=theirs")
        run("meta", "nlp/bert", "k=ours")
        first = run("merge", "source")
        second = run("merge", tmp_path / "registry", "-R", tmp_path / "source")
        assert sorted([first[0], second[0]]) == [0, 5]
        assert "lost: nlp/bert:1" in first[1] + second[1]

    def test_what_was_printed_is_kept(self, run, bundle, tmp_path):
        (tmp_path / "w.pt").write_bytes(b"own")
        run("add", "w.pt", "-n", "bert", "-p", "nlp")
        lines = run("merge", "source")[1].splitlines()
        printed = [line for line in lines if not line.startswith("new: ")]
        assert len(printed) < len(lines)
        with closing(sqlite3.connect(tmp_path / "registry" / "registry.db")) as connection:
            rows = connection.execute("SELECT source, events, differences FROM arrival").fetchall()
        assert [source for source, _, _ in rows] == [str(tmp_path / "source")]
        assert json.loads(rows[0][2]) == printed

    def test_errors(self, run, bundle, tmp_path):
        assert run("merge", "unknown")[0] == 3
        code, _, err = run("merge", "all.tar")
        assert code == 1
        assert f"`localreg import {tmp_path / 'all.tar'}`" in err
        assert run("merge", tmp_path / "registry")[0] == 1
