"""The files of a source that a stranger made: nothing outside is read, nothing hangs."""

from __future__ import annotations

import os

import pytest

from localreg.errors import LocalregError, SourceError
from localreg.operations.importers.source_files import SourceFolder, lines_of, read_bytes

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a file in it."""
    place = tmp_path / "source"
    (place / "inner").mkdir(parents=True)
    (place / "inner/file").write_text("x", encoding="utf-8")
    return place


@pytest.mark.parametrize("name", ["a" * 300, "/".join(["a" * 200] * 30), "inner/file/more"])
def test_a_name_that_cannot_be_is_no_file(folder, name):
    assert SourceFolder(folder).file(name) is None
    assert SourceFolder(folder).folder(name).names() == []


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "a\0b", "", ".", "C:x", "a//b"]
)
def test_a_name_that_leads_out_is_refused(folder, name):
    with pytest.raises(SourceError, match="cannot be in it"):
        SourceFolder(folder).file(name)


@pytest.mark.parametrize("target", ["../outside", "/etc/hostname", "inner/../../outside"])
def test_a_link_that_leads_out_is_refused(folder, target):
    (folder.parent / "outside").write_text("secret", encoding="utf-8")
    (folder / "link").symlink_to(target)
    with pytest.raises(SourceError, match="outside of what is imported"):
        SourceFolder(folder).file("link")
    with pytest.raises(SourceError, match="outside of what is imported"):
        [*SourceFolder(folder).files_below()]
    assert dict(SourceFolder(folder).entries_below())["link"] is None


def test_a_link_inside_is_followed_and_a_circle_is_refused(folder):
    (folder / "link").symlink_to("inner/file")
    (folder / "itself").symlink_to("itself")
    assert [name for name, _ in SourceFolder(folder).files_below()] == ["link", "inner/file"]
    (folder / "inner/up").symlink_to("..")
    with pytest.raises(SourceError, match="circle of links"):
        [*SourceFolder(folder).files_below()]


def test_a_pipe_is_no_file_and_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    assert SourceFolder(folder).file("pipe") is None
    assert [name for name, _ in SourceFolder(folder).files_below()] == ["inner/file"]
    for read in (read_bytes, lambda path: [*lines_of(path)]):
        with pytest.raises(LocalregError, match="is a pipe"):
            read(folder / "pipe")


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_a_device_is_no_file(folder):
    os.mknod(folder / "zero", 0o20666, os.makedev(1, 5))
    assert SourceFolder(folder).file("zero") is None
    with pytest.raises(LocalregError, match="is a device"):
        read_bytes(folder / "zero")


def test_a_name_that_is_no_text_is_refused(folder):
    with open(os.fsencode(folder) + b"/\xff\xfe", "wb"):
        pass
    with pytest.raises(SourceError, match=r"\\xff\\xfe"):
        [*SourceFolder(folder).files_below()]


@pytest.mark.parametrize("name", ["short", "n" * 200])
def test_a_very_deep_folder_is_refused(folder, name):
    """And not left out, wherever the source is."""
    (folder / name).mkdir()
    here = os.open(folder / name, os.O_RDONLY)
    for _ in range(420):  # longer than a path may be
        os.mkdir("d" * 10, dir_fd=here)
        inner = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(LocalregError, match="d" * 10):
        [*SourceFolder(folder / name).files_below()]


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_what_may_not_be_read_is_a_storage_error(folder, children, public_folder):
    place = public_folder / "closed"
    (place / "inner").mkdir(parents=True)
    place.chmod(0o755)
    (place / "inner").chmod(0)
    assert children.run(_look_as_stranger, str(place)) == ["StorageError"] * 4 + [False] * 3


def _look_as_stranger(place):
    from pathlib import Path

    from support.two_users import STRANGER, become

    from localreg.errors import StorageError
    from localreg.operations.importers import bentoml_store, dvc_files, modelstore_folder
    from localreg.operations.importers.kinds import kind_of
    from localreg.operations.importers.source_files import SourceFolder

    become(STRANGER, 0o022)
    found = []
    for look in (
        lambda: SourceFolder(Path(place)).file("inner/x"),
        lambda: SourceFolder(Path(place)).folder("inner").names(),
        lambda: [*SourceFolder(Path(place)).files_below()],
        lambda: kind_of(f"{place}/inner"),
    ):
        try:
            look()
            found.append("nothing")
        except StorageError as error:
            found.append(type(error).__name__)
    kinds = bentoml_store, dvc_files, modelstore_folder
    return found + [each.is_one(Path(place, "inner")) for each in kinds]
