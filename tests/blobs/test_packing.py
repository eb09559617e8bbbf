"""Packing folders: the same files give the same archive, and unpack to the same files."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.blobs.archives.packing import tree, write_zip
from localreg.blobs.archives.unpacking import Limits, remove_tree, unpack
from localreg.errors import InvalidValueError, SourceNotFoundError

# Of the tree that `make` makes; it must never change, on no version of Python.
GOLDEN = "6b00e45e9b656cefa977fd8dcb969a8bb36bbe02382ed6ce8b6dee6416b6bce4"


def make(folder):
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "config.json").write_text('{"layers": 3}')
    (folder / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    (folder / "tokenizer.txt").write_text("")
    (folder / "größe.bin").write_bytes(bytes(range(256)) * 2_000)
    return folder


def pack(folder, target):
    reported = []
    target.touch()
    write_zip(tree(folder), target, advance=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == target.stat().st_size
    return hashlib.sha256(target.read_bytes()).hexdigest()


def everything_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_the_same_tree_always_gives_the_same_bytes(tmp_path):
    assert pack(make(tmp_path / "tree"), tmp_path / "a.zip") == GOLDEN


def test_times_modes_order_and_place_do_not_matter(tmp_path):
    """The second tree is made in another order, another place, with another umask."""
    other = tmp_path / "deep" / "elsewhere"
    before = os.umask(0o077)
    try:
        source = make(tmp_path / "tree")
        for path in sorted(source.rglob("*"), reverse=True):
            target = other / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                shutil.copyfile(path, target)
                os.utime(target, (1, 1))
                target.chmod(0o755)
            else:
                target.mkdir(exist_ok=True)
    finally:
        os.umask(before)
    assert pack(other, tmp_path / "a.zip") == GOLDEN


@pytest.mark.parametrize("change", ["byte", "name", "more", "less", "empty folder"])
def test_a_different_tree_gives_other_bytes(change, tmp_path):
    folder = make(tmp_path / "tree")
    if change == "byte":
        (folder / "config.json").write_text('{"layers": 4}')
    elif change == "name":
        (folder / "config.json").rename(folder / "config.yaml")
    elif change == "more":
        (folder / "new").touch()
    elif change == "less":
        (folder / "tokenizer.txt").unlink()
    else:
        (folder / "empty").rmdir()
    assert pack(folder, tmp_path / "a.zip") != GOLDEN


def test_any_tool_reads_the_archive(tmp_path):
    pack(make(tmp_path / "tree"), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist() == sorted(archive.namelist(), key=str.encode)


names = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200 and name[1:2] != ":")
trees = st.recursive(
    st.binary(max_size=300),
    lambda inner: st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def write_tree(place, content):
    if isinstance(content, bytes):
        place.write_bytes(content)
        return
    place.mkdir()
    for name, inner in content.items():
        write_tree(place / name, inner)


@given(content=st.dictionaries(names, trees, min_size=1, max_size=4))
def test_a_packed_tree_unpacks_to_the_same_tree(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_tree(folder / "tree", content)
    pack(folder / "tree", folder / "a.zip")
    unpack(folder / "a.zip", "a.zip", folder / "back", Limits())
    assert everything_below(folder / "back") == everything_below(folder / "tree")
    remove_tree(folder / "back")


def test_links_are_followed(tmp_path):
    """The snapshots of the Hugging Face hub are folders of links into another folder."""
    store = make(tmp_path / "store")
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").symlink_to("../store/config.json")
    (snapshot / "tokenizer").symlink_to(store / "tokenizer")
    pack(snapshot, tmp_path / "a.zip")
    unpack(tmp_path / "a.zip", "a.zip", tmp_path / "back", Limits())
    assert everything_below(tmp_path / "back") == {
        "config.json": b'{"layers": 3}', "tokenizer": None, "tokenizer/vocab.txt": b"a\nb\n",
    }  # fmt: skip
    remove_tree(tmp_path / "back")


def circle(folder):
    (folder / "tokenizer" / "up").symlink_to(folder)


def broken_link(folder):
    (folder / "lost").symlink_to("nowhere")


def pipe(folder):
    os.mkfifo(folder / "pipe")


def a_socket(folder):
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(os.path.relpath(folder / "socket"))


def odd_name(folder):
    (folder / "a\nb").touch()


def name_that_is_no_text(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()


def backslash(folder):
    (folder / "a\\b").touch()


def drive(folder):
    (folder / "F:1").touch()  # would be packed, and never unpacked again


@pytest.mark.parametrize(
    "spoil", [circle, broken_link, pipe, a_socket, odd_name, name_that_is_no_text, backslash, drive]
)
def test_what_an_archive_cannot_hold_is_refused_by_name(spoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make(tmp_path / "tree")
    spoil(folder)
    with pytest.raises(InvalidValueError, match="tree") as raised:
        tree(folder)
    str(raised.value).encode()


def test_a_folder_that_is_empty_or_missing_is_refused(tmp_path):
    with pytest.raises(SourceNotFoundError):
        tree(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValueError, match="empty"):
        tree(tmp_path / "empty")


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize("change", [b"", b"1" * 2_000_000])
def test_a_file_that_changes_while_it_is_packed_is_an_error(size, change, tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "growing").write_bytes(b"0" * size)
    entries = tree(folder)
    (folder / "growing").write_bytes(change)
    target = tmp_path / "a.zip"
    target.touch()
    with pytest.raises(InvalidValueError, match="changed while"):
        write_zip(entries, target, advance=lambda _: None)


def test_a_folder_with_more_files_than_can_be_unpacked_is_refused(tmp_path, monkeypatch):
    """There is one limit, so that what is kept can be unpacked."""
    folder = make(tmp_path / "tree")
    count = len(tree(folder))
    monkeypatch.setenv("LOCALREG_UNPACK_MEMBERS", str(count))
    assert len(tree(folder)) == count
    (folder / "one more").touch()
    with pytest.raises(InvalidValueError, match=f"more than {count} files, .*UNPACK_MEMBERS"):
        tree(folder)
