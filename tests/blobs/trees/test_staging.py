"""Staging the files of a package, and moving them into the store: all of them or none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from localreg.blobs.blobstore import BlobStore
from localreg.blobs.trees.listing import folder_entries
from localreg.blobs.trees.staging import StagedFile, read_listed, stage_files
from localreg.errors import InvalidValueError, StorageError


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "net"
    place.mkdir()
    for name in ("a", "b"):
        (place / name).write_bytes(name.encode() * 1000)
    return place


def stage(folder, target, **given):
    """Stage a folder as a registry does that has nothing yet."""
    target.mkdir()
    usual = {"durable": False, "group": None, "held": lambda *_: False, "report": lambda _: None}
    return stage_files(folder_entries(folder).entries, target, "copy", **(usual | given))


def test_each_file_is_copied_read_only_and_counted(folder, tmp_path):
    counted = []
    staged = stage(folder, tmp_path / "staged", report=counted.append)
    assert [each.digest for each in staged] == [
        hashlib.sha256(name * 1000).hexdigest() for name in (b"a", b"b")
    ]
    for each, name in zip(staged, "ab", strict=True):
        copy = Path(each.path)
        assert copy.read_bytes() == name.encode() * 1000
        assert copy.stat().st_mode & 0o333 == 0
    assert counted == [1000, 1000]


def test_what_the_registry_has_is_not_written(folder, tmp_path):
    known = hashlib.sha256(b"a" * 1000).hexdigest()
    asked = []

    def held(digest, size):
        asked.append((digest, size))
        return digest == known

    staged = stage(folder, tmp_path / "staged", held=held)
    assert [each.path is None for each in staged] == [True, False]
    assert asked == [(each.digest, 1000) for each in staged]
    assert len(list((tmp_path / "staged").iterdir())) == 1


@pytest.mark.parametrize("change", ["other bytes", "another file", "longer", "shorter", "gone"])
def test_a_file_that_is_not_as_it_was_listed_is_refused(change, folder):
    entry = folder_entries(folder).entries[0]
    file = folder / "a"
    if change == "other bytes":  # of the same number
        file.write_bytes(b"c" * 1000)
    elif change == "another file":
        (folder / "new").write_bytes(b"a" * 1000)
        (folder / "new").rename(file)
    elif change == "gone":
        file.unlink()
    else:
        os.truncate(file, 1001 if change == "longer" else 999)
    with pytest.raises(InvalidValueError, match="changed while it was read"):
        read_listed(entry, entry.status)


def test_if_one_file_cannot_be_moved_none_of_them_is_kept(folder, tmp_path):
    blobs = BlobStore(tmp_path / "registry", durable=False)
    blobs.root.mkdir()
    staged = [*stage(folder, tmp_path / "staged"), StagedFile("f" * 64, 1, str(tmp_path / "lost"))]
    with pytest.raises(StorageError):
        blobs.keep_many(staged, damaged=(), recorded=())
    assert blobs.states(each.digest for each in staged) == {}
    assert not any(each.is_file() for each in blobs.root.rglob("*"))


def test_blobs_that_were_there_stay_when_others_cannot_be_moved(folder, tmp_path):
    blobs = BlobStore(tmp_path / "registry", durable=False)
    blobs.root.mkdir()
    staged = stage(folder, tmp_path / "staged")
    blobs.keep_many(staged[:1], damaged=(), recorded=())
    lost = StagedFile("f" * 64, 1, str(tmp_path / "lost"))
    with pytest.raises(StorageError):
        blobs.keep_many([*staged, lost], damaged=(), recorded={staged[0].digest})
    assert list(blobs.states(each.digest for each in staged)) == [staged[0].digest]
