"""Data sets: files that stay outside, by their URLs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from localreg import Dataset
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidURLError,
    InvalidValueError,
    SourceNotFoundError,
)


@pytest.fixture
def dataset(localreg_registry):
    return Dataset.create("linked", "vision")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "out side"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_bytes(b"a")
    (made / "deep" / "b.jpg").write_bytes(b"bb")
    return made


def final(dataset):
    dataset.finalize(auto_upload=True)
    return Path(dataset.get_local_copy())


def contents(folder):
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in Path(folder).rglob("*")
        if each.is_file()
    }


def test_a_folder_is_all_files_in_it(dataset, folder):
    assert dataset.add_external_files(str(folder), dataset_path="ext") == 2
    (first, second) = dataset.link_entries
    assert (first.relative_path, first.size, first.hash) == ("ext/a.txt", 1, None)
    assert second.link == (folder / "deep" / "b.jpg").as_uri()
    assert dataset.file_entries == []
    assert dataset.tags == ["external files"]
    assert contents(final(dataset)) == {"ext/a.txt": b"a", "ext/deep/b.jpg": b"bb"}


def test_patterns_and_places(dataset, folder):
    assert dataset.add_external_files((folder).as_uri(), wildcard="*.jpg") == 1
    assert dataset.list_files() == ["deep/b.jpg"]
    one, two = str(folder / "a.txt"), str(folder / "deep")
    assert dataset.add_external_files([one, two], dataset_path=["x", "y"]) == 2
    assert dataset.list_files() == ["deep/b.jpg", "x/a.txt", "y/b.jpg"]
    with pytest.raises(InvalidValueError, match="one for each of the 2 URLs"):
        dataset.add_external_files([one, two], dataset_path=["x"])
    assert dataset.remove_files((folder / "a.txt").as_uri()) == 1


def test_a_file_that_has_another_size_now_is_an_error(dataset, folder):
    dataset.add_external_files(str(folder / "a.txt"))
    (folder / "a.txt").write_bytes(b"longer")
    with pytest.raises(DigestMismatchError, match=r"has 6 bytes now, and had 1 when a.txt"):
        final(dataset)


def test_with_its_sha256_any_change_is_an_error(dataset, folder):
    dataset.add_external_files(str(folder / "a.txt"), read_hash=True)
    assert [each.hash for each in dataset.link_entries] == [hashlib.sha256(b"a").hexdigest()]
    assert contents(final(dataset)) == {"a.txt": b"a"}
    (folder / "a.txt").write_bytes(b"X")
    with pytest.raises(DigestMismatchError):
        dataset.get_local_copy()


def test_a_url_may_name_the_sha256(dataset, site):
    digest = hashlib.sha256(b"other").hexdigest()
    dataset.add_external_files(f"{site.url('/net.pt')}#sha256={digest}")
    assert dataset.link_entries[0].hash == digest
    with pytest.raises(DigestMismatchError):
        final(dataset)


def test_what_is_not_there_changes_nothing(dataset, folder, site):
    with pytest.raises(SourceNotFoundError, match="no file or folder"):
        dataset.add_external_files([str(folder / "a.txt"), str(folder / "missing")])
    with pytest.raises(DownloadError, match="404"):
        dataset.add_external_files(site.url("/missing"))
    with pytest.raises(DownloadError, match="ftp"):
        dataset.add_external_files("ftp://example.org/a")
    with pytest.raises(InvalidURLError):
        dataset.add_external_files("")
    assert dataset.list_files() == []


def test_a_url_is_fetched_when_a_copy_is_wanted(dataset, site):
    assert dataset.add_external_files(site.url("/net.pt")) == 1
    assert dataset.link_entries[0].size == len(site.files["/net.pt"])
    dataset.finalize(auto_upload=True)
    site.gets.clear()
    for _ in range(2):
        assert contents(dataset.get_local_copy()) == {"net.pt": site.files["/net.pt"]}
    assert site.gets == ["/net.pt"]


def test_a_url_that_serves_other_bytes_is_an_error(dataset, site):
    dataset.add_external_files(site.url("/net.pt"), read_hash=True)
    dataset.finalize(auto_upload=True)
    assert contents(dataset.get_local_copy()) == {"net.pt": site.files["/net.pt"]}
    other = Dataset.create("other", "vision")
    other.add_external_files(site.url("/net.pt?new"), read_hash=True)
    other.finalize(auto_upload=True)
    site.files["/net.pt"] = b"other"
    assert len(contents(dataset.get_local_copy())["net.pt"]) > 5, "it is kept in the cache"


def test_a_child_has_the_links_of_its_parent(dataset, folder, tmp_path):
    dataset.add_external_files(str(folder))
    dataset.finalize(auto_upload=True)
    child = Dataset.create("linked", "vision", parent_datasets=[dataset])
    (tmp_path / "a.txt").write_bytes(b"kept here")
    child.add_files(tmp_path / "a.txt")
    assert [each.relative_path for each in child.link_entries] == ["deep/b.jpg"]
    assert child.link_entries[0].parent_dataset_id == dataset.id
    assert contents(final(child)) == {"a.txt": b"kept here", "deep/b.jpg": b"bb"}
    assert child.list_modified_files() == ["a.txt"]


def test_a_file_with_the_bytes_of_a_link_leaves_the_link(dataset, folder):
    dataset.add_external_files(str(folder))
    assert dataset.add_files(folder) == 0
    assert len(dataset.link_entries) == 2


def test_objects_of_a_store(dataset, object_store):
    object_store.put("data/a.txt", b"a")
    object_store.put("data/deep/b c.jpg", b"bb")
    object_store.put("database/c.txt", b"c")
    assert dataset.add_external_files(f"{object_store.url}/data", dataset_path="all") == 2
    assert dataset.add_external_files(f"{object_store.url}/database/c.txt") == 1
    assert [each.size for each in dataset.link_entries] == [1, 2, 1]
    assert contents(final(dataset)) == {
        "all/a.txt": b"a", "all/deep/b c.jpg": b"bb", "c.txt": b"c"
    }  # fmt: skip
    with pytest.raises(DownloadError, match="no object, and no folder"):
        Dataset.create("x", "vision").add_external_files(f"{object_store.url}/nothing/")


def test_an_upload_is_one_zip(dataset, folder, tmp_path):
    import zipfile

    dataset.add_files(folder)
    dataset.upload(output_url=str(tmp_path / "share"))
    dataset.finalize()
    (found,) = (tmp_path / "share").rglob("*.zip")
    assert f"vision/.datasets/linked.{dataset.id}/" in found.as_posix()
    assert sorted(zipfile.ZipFile(found).namelist()) == ["a.txt", "deep/b.jpg"]
    assert contents(dataset.get_local_copy()) == {"a.txt": b"a", "deep/b.jpg": b"bb"}
