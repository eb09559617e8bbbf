"""The commands about packages: their files, what differs, and what is left out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import InputModel

HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
TENSORS = len(HEADER).to_bytes(8, "little") + HEADER + b"1234"
needs_modes = pytest.mark.skipif(os.name == "nt", reason="there is no right to execute")


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Run a command in the test's registry and folder, which has a folder "bert"."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert" / "logs").mkdir(parents=True)
    (tmp_path / "bert" / "vocab").mkdir()
    (tmp_path / "bert" / "vocab" / "words.txt").write_bytes(b"a b")
    (tmp_path / "bert" / "model.safetensors").write_bytes(TENSORS)
    (tmp_path / "bert" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "bert" / "run.sh").chmod(0o755)
    return run_cli


def on_terminal(*arguments, columns=80):
    """Return what a command prints on a terminal, stdout and stderr."""
    terminal, end = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "localreg", *arguments], stdin=end, stdout=end, stderr=end,
        env=os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(end)
    found = b""
    try:
        while more := os.read(terminal, 65536):
            found += more
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    assert done.wait() == 0, found
    return found.decode().replace("\r\n", "\n")


@needs_modes
def test_files_in_a_pipe_are_lines_with_tabs_and_bytes(run, registry):
    digests = [each.digest[:12] for each in registry.add("bert").files]
    code, out, err = run("files", "bert")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"model.safetensors\t{len(TENSORS)}\t{digests[0]}\t"
        "safetensors: 1 parameter in 1 tensor, F32 1",
        f"run.sh\t10\t{digests[1]}\texecutable",
        f"vocab/words.txt\t3\t{digests[2]}\t",
        "logs/\t0\t\tempty folder",
    ]


def test_files_as_json_have_whole_digests_and_facts(run, registry):
    model = registry.add("bert")
    code, out, _ = run("files", "bert", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["model"], found["bytes"], found["folders"]) == ("bert:1", model.size, ["logs"])
    assert [each["digest"] for each in found["files"]] == [each.digest for each in model.files]
    assert found["files"][0]["inside"]["format"] == "safetensors"


def test_files_fit_a_terminal_and_keep_both_ends_of_a_long_path(run, registry):
    deep = Path("bert", *["a-folder-with-a-name"] * 5)
    deep.mkdir(parents=True)
    (deep / "model-00001-of-00002.safetensors").write_bytes(TENSORS)
    registry.add("bert")
    lines = on_terminal("files", "bert", "-R", str(registry.path)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["PATH", "SIZE", "SHA256", "INSIDE"]
    assert lines[1].startswith("a-folder-")
    assert "…" in lines[1].split("  ")[0]
    assert lines[1].split("  ")[0].endswith("safetensors")
    assert lines[-1] == "4 files, 145 B, 1 empty folder"


def test_a_name_with_control_characters_does_not_reach_the_terminal(run, registry):
    registry.add("bert/run.sh", "odd", filename="a\u202eb.sh")
    assert run("files", "odd")[1].startswith("a\ufffdb.sh\t10\t")


def test_files_that_are_not_here_are_an_error_that_says_how_to_get_them(run):
    InputModel.import_model("https://example.org/a.onnx", name="a")
    code, out, err = run("files", "a")
    assert (code, out) == (3, "")
    assert "`localreg path a:1` fetches a download" in err


def test_several_files_with_a_name_become_one_package(run, registry):
    code, out, err = run("add", "bert/model.safetensors", "bert/run.sh", "-n", "vision/two")
    assert (code, out.split()[0]) == (0, "vision/two:1")
    assert "Kept 2 files, 76 B, sha256" in err
    model = registry.model("vision/two")
    assert [each.path for each in model.files] == ["model.safetensors", "run.sh"]
    assert "package" in model.system_tags


def test_several_files_without_a_name_are_refused_with_both_remedies(run, registry):
    code, out, err = run("add", "bert/model.safetensors", "bert/run.sh")
    assert (code, out, registry.models()) == (2, "", [])
    assert "give -n NAME" in err
    assert "localreg add bert/model.safetensors" in err


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("bert", "bert is a folder"),
        ("https://example.org/a.pt", "https://example.org/a.pt is a URL"),
        ("-", "- is the standard input"),
    ],
)
def test_several_arguments_must_be_files(run, registry, second, words):
    code, _, err = run("add", "bert/run.sh", second, "-n", "x")
    assert (code, registry.models()) == (2, [])
    assert words in err
    assert "add it by itself" in err or "add a folder that holds all of them" in err


def test_files_of_one_name_are_refused(run, registry):
    Path("run.sh").write_bytes(b"another")
    code, _, err = run("add", "bert/run.sh", "run.sh", "-n", "x")
    assert (code, registry.models()) == (1, [])
    assert "give a folder in which they have different names" in err


def test_a_folder_is_added_without_what_is_excluded_and_says_so(run, registry):
    Path("bert/.git").mkdir()
    Path("bert/.git/config").write_bytes(b"x")
    Path("bert/vocab/b.log").write_bytes(b"x")
    Path("bert/.localregignore").write_text("# not for others\nlogs/\n")
    code, _, err = run("add", "bert", "--exclude", "*.log", "--exclude", "run.sh")
    assert code == 0
    assert [each.path for each in registry.model("bert").files] == [
        "model.safetensors",
        "vocab/words.txt",
    ]
    assert "Kept 2 files, 69 B" in err
    assert "Left out: .git/, .localregignore, logs/, run.sh and 1 more\n" in err


def test_add_says_how_many_bytes_are_new(run):
    run("add", "bert")
    Path("bert/vocab/words.txt").write_bytes(b"a b c")
    assert "Kept 3 files, 81 B (5 B new), sha256" in run("add", "bert")[2]
    assert "Kept 3 files, 81 B (nothing new), sha256" in run("add", "bert")[2]
    assert "Kept 10 B (nothing new), sha256" in run("add", "bert/run.sh")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bert", "--exclude", "!a"), "--exclude cannot have the pattern '!a'"),
        (("bert/run.sh", "--exclude", "a"), "--exclude needs a folder"),
        (("https://example.org/a.pt", "--exclude", "a"), "--exclude needs a folder"),
        (("bert", "--reference", "--exclude", "a"), "nothing to leave out"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(run, registry, arguments, words):
    code, _, err = run("add", *arguments)
    assert (code in (1, 2), registry.models()) == (True, [])
    assert words in err


def test_a_bad_line_of_the_ignore_file_is_named(run, registry):
    Path("bert/.localregignore").write_text("a\n!b\n")
    code, _, err = run("add", "bert")
    assert (code, registry.models()) == (1, [])
    assert "bert/.localregignore, line 2, cannot have the pattern '!b'" in err


@needs_modes
def test_one_file_of_a_package_is_copied_with_its_right_to_execute(run, registry):
    registry.add("bert")
    code, out, _ = run("get", "bert", "--file", "run.sh", "-o", "out/")
    copy = Path("out", "run.sh")
    assert (code, out) == (0, f"{copy}\n")
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (b"#!/bin/sh\n", 0o755)
    assert run("get", "bert", "--file", "vocab/words.txt", "-o", "words")[0] == 0
    assert Path("words").stat().st_mode & 0o111 == 0


def test_one_file_of_a_package_goes_to_stdout_or_its_path_does(run, registry):
    registry.add("bert")
    assert run("get", "bert", "--file", "vocab/words.txt", "-o", "-") == (0, "a b", "")
    code, out, _ = run("path", "bert", "--file", "vocab/words.txt")
    assert (code, Path(out.strip()).read_bytes()) == (0, b"a b")


@pytest.mark.parametrize("command", ["get", "path"])
def test_a_file_that_a_package_does_not_have_is_named_with_one_that_it_has(run, registry, command):
    registry.add("bert")
    code, out, err = run(command, "bert", "--file", "words.txt")
    assert (code, out) == (3, "")
    assert "the package has no file words.txt; did you mean vocab/words.txt?" in err
    code, _, err = run(command, "bert", "--file", "vocab")
    assert (code, "name a file in it, such as vocab/words.txt" in err) == (1, True)


@pytest.mark.parametrize("command", ["get", "path"])
def test_a_file_and_an_archive_exclude_each_other(run, registry, command):
    registry.add("bert")
    code, _, err = run(command, "bert", "--file", "run.sh", "--archive")
    assert (code, "exclude each other" in err) == (2, True)


@needs_modes
def test_a_private_copy_of_a_package_is_whole_and_can_be_changed(run, registry):
    registry.add("bert")
    assert run("get", "bert", "-o", "mine")[:2] == (0, "mine\n")
    assert Path("mine/run.sh").stat().st_mode & 0o777 == 0o755
    assert Path("mine/logs").is_dir()
    Path("mine/vocab/words.txt").write_bytes(b"changed")
    assert Path(registry.model("bert").get_local_copy(), "vocab/words.txt").read_bytes() == b"a b"


def test_a_package_goes_to_stdout_only_as_one_file_or_as_an_archive(run, registry):
    registry.add("bert")
    code, out, err = run("get", "bert", "-o", "-")
    assert (code, out) == (2, "")
    assert "--file" in err
    assert "--archive" in err
    assert run("get", "bert", "--archive", "-o", "a/")[:2] == (0, f"{Path('a', 'bert.zip')}\n")


@pytest.fixture
def two_versions(run, registry):
    """Two versions of the folder, of which a file was added, removed, changed, made executable."""
    registry.add("bert", metadata={"acc": 0.9}, comment="first")
    Path("bert/model.safetensors").write_bytes(TENSORS[:-1] + b"5")
    Path("bert/vocab/words.txt").unlink()
    Path("bert/vocab/new.txt").write_bytes(b"new")
    Path("bert/run.sh").chmod(0o644)
    registry.add("bert", metadata={"acc": 0.95}, comment="second " * 30)
    return run


@needs_modes
def test_diff_shows_record_files_and_tensors(two_versions):
    code, out, err = two_versions("diff", "bert:1", "bert:2")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "record"
    assert "  ~ metadata.acc  0.9 → 0.95" in lines
    assert lines[3:] == [
        "files: 2 changed, 1 removed, 1 added",
        "  ~ model.safetensors  66 B, other bytes",
        "  ~ run.sh             not executable any more",
        "  - vocab/words.txt    3 B",
        "  + vocab/new.txt      3 B",
        "tensors of model.safetensors: 1 changed",
        "  ~ w  other values",
    ]


def test_diff_fits_a_terminal(two_versions, registry):
    shown = on_terminal("diff", "bert:1", "bert:2", "-R", str(registry.path))
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "begin"),
    [
        (["--files"], "files: 2 changed"),
        (["--tensors"], "tensors of model.safetensors"),
        (["--params"], ""),
    ],
)
@needs_modes
def test_diff_shows_one_part(two_versions, options, begin):
    code, out, err = two_versions("diff", "bert:1", "bert:2", *options)
    assert (code, out.startswith(begin)) == (0, True)
    assert "record" not in out
    assert ("The parameters are not known" in err) == (options == ["--params"])


def test_diff_says_that_nothing_differs(two_versions):
    assert two_versions("diff", "bert", "bert:2")[:2] == (
        0,
        "bert:2 and bert:2 are the same.\n",
    )
    for option, what in (("files", "files"), ("tensors", "tensors")):
        shown = two_versions("diff", "bert", "bert:2", f"--{option}")[1]
        assert shown == f"bert:2 and bert:2 have the same {what}.\n"


def test_diff_as_json(two_versions):
    code, out, _ = two_versions("diff", "bert:1", "bert:2", "--json")
    found = json.loads(out)
    assert (code, found["first"], found["second"], found["same"]) == (0, "bert:1", "bert:2", False)
    assert found["record"]["changed"]["metadata.acc"] == ["0.9", "0.95"]
    assert [each["path"] for each in found["files"]["added"]] == ["vocab/new.txt"]
    assert found["tensors"]["model.safetensors"]["changed"] == ["w"]
    assert found["parameters"] is None
    assert json.loads(two_versions("diff", "bert:2", "bert:2", "--json")[1])["same"]


def test_diff_names_what_is_not_here(two_versions):
    InputModel.import_model("https://example.org/a.onnx", name="far")
    code, out, err = two_versions("diff", "bert", "far", "--files")
    assert (code, out) == (0, "")
    assert "The files of far:1 are not known; `localreg path far:1` fetches a download" in err


def test_lists_and_facts_say_how_many_files_a_package_has(run, registry):
    registry.add("bert")
    registry.add("bert/run.sh", "script")
    shown = {line.split("\t")[0]: line for line in run("ls")[1].splitlines()}
    assert "\t3\t79\t" in shown["bert:1"]
    assert "\t\t10\t" in shown["script:1"]
    facts = run("show", "bert")[1]
    assert "3 files, 79 B, kept here" in facts
    assert "package: 3 files, 1 parameter" in facts
    assert "10 B, kept here" in run("show", "script")[1]
    assert json.loads(run("show", "bert", "--json")[1])["files"] == 3
    assert json.loads(run("show", "script", "--json")[1])["files"] is None
    notebook = registry.model("bert")._repr_html_()
    assert "3 files, 79 B" in notebook
    assert "1 parameter" in notebook


def test_ls_does_not_break_a_size_on_a_terminal(run, registry):
    registry.add("bert", "a_model_whose_name_takes_much_of_a_line", "vision", framework="PyTorch")
    shown = on_terminal("ls")
    assert "  79 B  " in shown
    assert "vision/a_model_whose_name_takes_much_of_a_line:1" not in shown
    assert shown.splitlines()[0].split() == ["MODEL", "FRAMEWORK", "FILES", "SIZE", "UPDATED", "ID"]
