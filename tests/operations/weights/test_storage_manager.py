"""`StorageManager`: files at paths, on web servers and in object stores."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localreg import StorageManager
from localreg.errors import (
    DownloadError,
    InvalidURLError,
    InvalidValueError,
    NotSupportedError,
    SourceNotFoundError,
    UploadError,
    WeightsError,
)

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three files, one of them empty."""
    folder = tmp_path / "a folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_bytes(b"one")
    (folder / "sub" / "two #2.csv").write_bytes(b"two, two")
    (folder / "sub" / "empty.csv").touch()
    return folder


NAMES = ["one.txt", "sub/empty.csv", "sub/two #2.csv"]


def files_in(folder):
    return sorted(
        each.relative_to(folder).as_posix() for each in Path(folder).rglob("*") if each.is_file()
    )


# paths -------------------------------------------------------------------------------------


def test_a_file_is_copied_to_a_path_and_replaces_what_is_there(folder, tmp_path):
    target = tmp_path / "new" / "copy.txt"
    assert StorageManager.upload_file(folder / "one.txt", target) == target.as_uri()
    assert target.read_bytes() == b"one"
    StorageManager.upload_file(str(folder / "sub" / "two #2.csv"), target.as_uri())
    assert target.read_bytes() == b"two, two"
    with pytest.raises(SourceNotFoundError):
        StorageManager.upload_file(folder / "missing", target)
    with pytest.raises(SourceNotFoundError):
        StorageManager.upload_folder(folder / "missing", target)


def test_no_file_of_a_registry_is_replaced(folder, tmp_path, registry):
    database = registry.path / "registry.db"
    for refused in (
        lambda: StorageManager.upload_file(folder / "one.txt", database),
        lambda: StorageManager.upload_folder(folder, registry.path / "blobs"),
        lambda: StorageManager.download_file(
            str(folder / "one.txt"), registry.path, raise_on_error=True
        ),
    ):
        with pytest.raises(InvalidValueError, match="is inside the registry"):
            refused()
    assert database.read_bytes().startswith(b"SQLite format 3")


def test_a_folder_is_copied_with_all_or_with_some_files(folder, tmp_path):
    assert StorageManager.upload_folder(folder, tmp_path / "all") == (tmp_path / "all").as_uri()
    assert files_in(tmp_path / "all") == NAMES
    StorageManager.upload_folder(folder, str(tmp_path / "some"), match_wildcard="*.csv")
    assert files_in(tmp_path / "some") == NAMES[1:]


def test_files_of_a_folder_are_listed(folder):
    assert StorageManager.list(folder) == NAMES
    assert StorageManager.list(str(folder / "one.txt")) == ["one.txt"]
    assert StorageManager.list(folder / "missing") == []
    urls = StorageManager.list(folder, return_full_path=True)
    assert urls[0] == (folder / "one.txt").as_uri()
    assert StorageManager.list(folder, with_metadata=True)[1] == {"name": NAMES[1], "size": 0}
    hashed = StorageManager.list(folder, with_metadata=True, read_hash=True)[0]
    assert hashed["hash"] == hashlib.sha256(b"one").hexdigest()


def test_a_file_is_looked_at(folder):
    path = folder / "one.txt"
    assert StorageManager.exists_file(path)
    assert not StorageManager.exists_file(folder)
    assert not StorageManager.exists_file(folder / "missing")
    assert StorageManager.get_file_size_bytes(path.as_uri()) == 3
    assert StorageManager.get_file_size_bytes(folder / "missing") is None
    assert StorageManager.get_metadata(path) == {"name": "one.txt", "size": 3}
    assert StorageManager.get_metadata(path, return_full_path=True)["name"] == path.as_uri()
    assert StorageManager.get_metadata(folder / "missing") is None
    assert list(StorageManager.get_stream(path, chunk_size=2)) == [b"on", b"e"]
    assert b"".join(StorageManager.get_stream(path)) == b"one"


def test_files_keep_their_paths_when_they_are_downloaded(folder, tmp_path):
    into = tmp_path / "into"
    path = folder / "one.txt"
    found = StorageManager.download_file(path, into)
    assert Path(found) == into.joinpath(*path.parts[1:])
    Path(found).write_bytes(b"changed")
    assert StorageManager.download_file(path, into) == found
    assert Path(found).read_bytes() == b"changed"
    StorageManager.download_file(path, into, overwrite=True)
    assert Path(found).read_bytes() == b"one"
    assert StorageManager.download_folder(folder, into, match_wildcard="*.csv") == str(into)
    assert len(files_in(into)) == 3
    assert Path(StorageManager.download_file(path)).read_bytes() == b"one"


def test_what_is_not_there_is_a_warning_or_an_error(folder, tmp_path, caplog):
    missing = folder / "missing.txt"
    assert StorageManager.download_file(missing, tmp_path / "into") is None
    assert "missing.txt" in caplog.text
    caplog.clear()
    assert StorageManager.download_file(missing, tmp_path / "into", silence_errors=True) is None
    StorageManager.download_folder(missing, tmp_path / "into", silence_errors=True)
    assert caplog.text == ""
    StorageManager.download_folder(missing, tmp_path / "into")
    assert "no files" in caplog.text
    with pytest.raises(WeightsError):
        StorageManager.download_file(missing, tmp_path / "into", raise_on_error=True)
    with pytest.raises(InvalidURLError, match="remote_url"):
        StorageManager.list("")


def test_settings_of_the_cache_and_of_bars_change_nothing():
    assert StorageManager.set_cache_file_limit(7, "context") == 7
    assert StorageManager.set_report_upload_chunk_size(5) is None
    assert StorageManager.set_report_download_chunk_size(5) is None
    with pytest.raises(NotSupportedError, match=r"StorageManager\.get_files_server"):
        StorageManager.get_files_server()


# web servers -------------------------------------------------------------------------------


def test_a_web_server_serves_and_lists_nothing(site, tmp_path, caplog):
    url = site.url("/net.pt?x=1")
    assert StorageManager.exists_file(url)
    assert not StorageManager.exists_file(site.url("/missing"))
    assert StorageManager.get_file_size_bytes(url) == len(site.files["/net.pt"])
    found = StorageManager.download_file(url, tmp_path)
    assert found == str(tmp_path / "net.pt")
    assert Path(found).read_bytes() == site.files["/net.pt"]
    assert StorageManager.get_metadata(url, read_hash=True)["hash"] == (
        hashlib.sha256(site.files["/net.pt"]).hexdigest()
    )
    for act in (
        lambda: StorageManager.list(site.url("/")),
        lambda: StorageManager.download_folder(site.url("/")),
        lambda: StorageManager.upload_file(found, site.url("/new.pt")),
    ):
        with pytest.raises(NotSupportedError):
            act()
    dead = "http://127.0.0.1:9/x"
    with pytest.raises(DownloadError):
        StorageManager.exists_file(dead)
    assert StorageManager.get_file_size_bytes(dead) is None
    assert "127.0.0.1" in caplog.text
    caplog.clear()
    assert StorageManager.get_file_size_bytes(dead, silence_errors=True) is None
    assert caplog.text == ""


# object stores -----------------------------------------------------------------------------


def test_a_file_that_is_here_waits_for_no_writer(site, registry):
    """Nothing is recorded of it, so it needs no lock."""
    url = site.url("/net.pt")
    path = StorageManager.get_local_copy(url)
    with closing(sqlite3.connect(registry.path / "registry.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert StorageManager.get_local_copy(url, raise_on_error=True) == path


def test_an_object_store_is_read_and_written(object_store, folder, tmp_path):
    base = f"{object_store.url}/x y".replace(" ", "%20")
    assert StorageManager.list(f"{base}/") == []
    assert StorageManager.upload_folder(folder, base) == base
    assert object_store.keys() == [f"x y/{name}" for name in NAMES]
    assert StorageManager.list(base) == NAMES
    full = StorageManager.list(base, return_full_path=True)
    assert full[2].endswith("/sub/two%20%232.csv")
    assert StorageManager.exists_file(full[2])
    assert not StorageManager.exists_file(f"{base}/none")
    assert not StorageManager.exists_file(f"{base}/sub/")
    assert StorageManager.get_file_size_bytes(full[2]) == 8
    StorageManager.upload_file(folder / "one.txt", full[2])  # it is replaced
    assert object_store.get("x y/sub/two #2.csv") == b"one"
    into = tmp_path / "into"
    assert StorageManager.download_folder(base, into) == str(into)
    assert files_in(into) == [f"x y/{name}" for name in NAMES]
    assert (into / "x y" / "sub" / "two #2.csv").read_bytes() == b"one"
    assert b"".join(StorageManager.get_stream(full[0])) == b"one"


def test_a_bucket_that_does_not_exist_is_an_error(object_store, folder):
    other = f"{object_store.url}-none/x"
    with pytest.raises(UploadError):
        StorageManager.upload_file(folder / "one.txt", other)
