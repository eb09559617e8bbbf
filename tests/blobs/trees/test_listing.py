"""Listing packages: what is taken, what is refused, and what is left out."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from localreg.blobs.trees.listing import file_entries, folder_entries
from localreg.errors import InvalidValueError, SourceNotFoundError


def make(folder):
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "empty" / "inner").mkdir(parents=True)
    (folder / "config.json").write_text('{"layers": 3}')
    (folder / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    (folder / "tokenizer.txt").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o750)
    return folder


def names(folder, excluded=None):
    return [each.name for each in folder_entries(folder, excluded).entries]


def test_files_and_empty_folders_are_listed_sorted_with_sizes_and_executable_bits(tmp_path):
    found = folder_entries(make(tmp_path / "tree")).entries
    assert [(each.name, each.size, each.executable, each.status is None) for each in found] == [
        ("config.json", 13, False, False),
        ("empty/inner", 0, False, True),
        ("run.sh", 10, True, False),
        ("tokenizer.txt", 0, False, False),
        ("tokenizer/vocab.txt", 4, False, False),
    ]
    assert [Path(each.path) for each in found] == [tmp_path / "tree" / each.name for each in found]


def test_only_the_right_of_the_owner_to_execute_a_file_counts(tmp_path):
    folder = make(tmp_path / "tree")
    (folder / "config.json").chmod(0o655)
    (folder / "run.sh").chmod(0o744)
    executable = [each.name for each in folder_entries(folder).entries if each.executable]
    assert executable == ["run.sh"]


def test_a_package_of_executable_files_only_keeps_their_bits(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    assert [each.executable for each in folder_entries(folder).entries] == [True]
    assert [each.executable for each in file_entries([folder / "run"])] == [True]


def listed_on_a_stick(place):
    from pathlib import Path

    from localreg.blobs.trees.listing import folder_entries

    file = Path(place) / "tree" / "file"
    file.parent.mkdir()
    file.touch()
    found = folder_entries(file.parent).entries
    return file.stat().st_mode & 0o100 != 0, [each.executable for each in found]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_no_file_is_executable_on_a_file_system_without_modes(stick):
    everywhere, executable = stick.run(listed_on_a_stick, str(stick.place))
    assert everywhere  # by its mode
    assert executable == [False]


def test_links_are_followed_and_marked(tmp_path):
    store = make(tmp_path / "store")
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "config.json").symlink_to("../store/config.json")
    (folder / "tokenizer").symlink_to(store / "tokenizer")
    (folder / "own").touch()
    found = {each.name: (each.size, each.linked) for each in folder_entries(folder).entries}
    assert found == {"config.json": (13, True), "own": (0, False), "tokenizer/vocab.txt": (4, True)}


def circle(folder):
    (folder / "tokenizer" / "up").symlink_to(folder)


def broken_link(folder):
    (folder / "lost").symlink_to("nowhere")


def link_to_itself(folder):
    (folder / "loop").symlink_to("loop")


def pipe(folder):
    os.mkfifo(folder / "pipe")


def a_socket(folder):
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(os.path.relpath(folder / "socket"))


def odd_name(folder):
    (folder / "a\nb").touch()


def odd_name_below(folder):
    (folder / "tokenizer" / "a\x7fb").touch()


def name_that_is_no_text(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()


def backslash(folder):
    (folder / "a\\b").touch()


def drive(folder):
    (folder / "F:1").touch()


REFUSED = {
    circle: "is a link to a folder that contains it, so it never ends",
    broken_link: "lost is a link to a file that does not exist",
    link_to_itself: "loop is a link that leads to itself",
    pipe: "pipe is a device, a pipe or a socket",
    a_socket: "socket is a device, a pipe or a socket",
    odd_name: "holds a name that not every system accepts: 'a\\\\nb'",
    odd_name_below: "holds a name that not every system accepts: 'a\\\\x7fb'",
    name_that_is_no_text: 'holds a name that is not UTF-8: "\\\\xff"; rename it',
    backslash: "holds a name that not every system accepts",
    drive: "holds a name that is a drive on other systems: 'F:1'",
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_what_a_package_cannot_have_is_refused_by_name(spoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make(tmp_path / "tree")
    spoil(folder)
    with pytest.raises(InvalidValueError, match=REFUSED[spoil]) as raised:
        folder_entries(folder)
    assert raised.value.argument == "weights_url"
    str(raised.value).encode()


def test_a_drive_below_the_top_is_a_name_like_others(tmp_path):
    folder = make(tmp_path / "tree")
    (folder / "tokenizer" / "F:1").touch()
    assert "tokenizer/F:1" in names(folder)


def test_a_folder_that_is_empty_or_missing_is_refused(tmp_path):
    with pytest.raises(SourceNotFoundError, match="there is no folder"):
        folder_entries(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValueError, match="empty is empty"):
        folder_entries(tmp_path / "empty")


def test_a_folder_with_more_files_than_allowed_is_refused(tmp_path, monkeypatch):
    folder = make(tmp_path / "tree")
    count = len(names(folder))
    monkeypatch.setenv("LOCALREG_UNPACK_MEMBERS", str(count))
    assert len(names(folder)) == count
    (folder / "one more").touch()
    with pytest.raises(InvalidValueError, match=f"more than {count} files, .*UNPACK_MEMBERS"):
        folder_entries(folder)


def test_folders_may_be_deeper_than_the_stack_of_python(tmp_path, monkeypatch):
    folder = tmp_path / "tree"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(1_200):
        Path("d").mkdir()
        os.chdir("d")
    Path("file").touch()
    monkeypatch.chdir(tmp_path)
    try:
        assert names(folder) == ["d/" * 1_200 + "file"]
    finally:
        subprocess.run(["rm", "-r", folder], check=True)  # what pytest uses is recursive


# single files ------------------------------------------------------------------------------


def test_single_files_have_their_names_without_folders(tmp_path):
    folder = make(tmp_path / "tree")
    found = file_entries([folder / "tokenizer" / "vocab.txt", folder / "config.json"])
    assert [(each.name, each.size) for each in found] == [("config.json", 13), ("vocab.txt", 4)]


def test_single_files_of_one_name_are_refused(tmp_path):
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    with pytest.raises(InvalidValueError, match=r"would both be 'config\.json'"):
        file_entries([one / "config.json", other / "config.json"])


def test_a_single_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    folder = make(tmp_path / "tree")
    with pytest.raises(SourceNotFoundError, match="nothing"):
        file_entries([folder / "nothing"])
    with pytest.raises(InvalidValueError, match="must be a plain file"):
        file_entries([folder / "tokenizer"])


# left out ----------------------------------------------------------------------------------


def test_what_is_excluded_is_left_out_and_named_only_at_its_top(tmp_path):
    folder = make(tmp_path / "tree")
    asked = []

    def excluded(name, is_folder):
        asked.append((name, is_folder))
        return name in ("tokenizer", "run.sh")

    found = folder_entries(folder, excluded)
    assert [each.name for each in found.entries] == ["config.json", "empty/inner", "tokenizer.txt"]
    assert found.left_out == ["run.sh", "tokenizer/"]
    assert ("tokenizer", True) in asked
    assert ("run.sh", False) in asked
    assert not any(name.startswith("tokenizer/") for name, _ in asked)


def test_what_is_excluded_may_be_what_a_package_cannot_have(tmp_path):
    folder = make(tmp_path / "tree")
    pipe(folder)
    broken_link(folder)
    odd_name(folder)
    found = folder_entries(folder, lambda name, _: name in ("pipe", "lost", "a\nb"))
    assert found.left_out == ["a\nb", "lost", "pipe"]


def test_a_folder_of_which_everything_is_excluded_is_an_empty_one(tmp_path):
    folder = make(tmp_path / "tree")
    assert "tokenizer" in names(folder, lambda name, _: name == "tokenizer/vocab.txt")
    with pytest.raises(InvalidValueError, match="holds nothing but what is excluded"):
        folder_entries(folder, lambda *_: True)


# the cache of the Hugging Face hub -----------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    """The cache of a repository, as huggingface_hub makes it."""
    place = tmp_path / "hub" / "models--org--net"
    (place / "blobs").mkdir(parents=True)
    (place / "snapshots" / "abc" / "onnx").mkdir(parents=True)
    for name, blob in (("config.json", "1a"), ("onnx/model.onnx", "2b")):
        (place / "blobs" / blob).write_text(name)
        link = place / "snapshots" / "abc" / name
        link.symlink_to(os.path.relpath(place / "blobs" / blob, link.parent))
    return place


def test_a_snapshot_of_the_hub_is_a_package(repository):
    assert names(repository / "snapshots" / "abc") == ["config.json", "onnx/model.onnx"]
    assert names(repository / "snapshots" / "abc" / "onnx") == ["model.onnx"]


def test_a_link_that_leads_out_of_the_repository_is_refused_by_name(repository, tmp_path):
    snapshot = repository / "snapshots" / "abc"
    (tmp_path / "secret").write_text("key")
    (snapshot / "key").symlink_to(tmp_path / "secret")
    for folder in (snapshot, linked_to(snapshot, tmp_path)):
        with pytest.raises(InvalidValueError, match=r"key is a link to .*secret, outside"):
            folder_entries(folder)


def linked_to(snapshot, tmp_path):
    """Return a link to a snapshot, as users make them."""
    (tmp_path / "net").symlink_to(snapshot)
    return tmp_path / "net"


def test_a_folder_whose_name_only_begins_like_that_of_the_repository_is_outside(repository):
    other = repository.with_name(f"{repository.name}-other")
    other.mkdir()
    (other / "file").touch()
    (repository / "snapshots" / "abc" / "link").symlink_to(other / "file")
    with pytest.raises(InvalidValueError, match="outside the Hugging Face repository"):
        folder_entries(repository / "snapshots" / "abc")


def test_the_repository_itself_is_refused_and_a_snapshot_is_named(repository):
    with pytest.raises(InvalidValueError, match=r"one of its snapshots instead \(.*/abc\)"):
        folder_entries(repository)
