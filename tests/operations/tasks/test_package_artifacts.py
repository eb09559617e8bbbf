"""Artifacts that are folders are packages: each file is a blob, and folders come back whole."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from support.contents import below, rows

from localreg import Task
from localreg.errors import ArchiveError


@pytest.fixture
def task(registry):
    task = Task.init(project_name="p", task_name="t")
    yield task
    task.close()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "results"
    (place / "inner").mkdir(parents=True)
    (place / "empty").mkdir()
    (place / "a.txt").write_text("same")
    (place / "inner" / "b.txt").write_text("same")
    (place / "run.sh").write_text("#!")
    (place / "run.sh").chmod(0o755)
    return place


def test_a_folder_comes_back_with_everything(task, folder, registry):
    task.upload_artifact("results", folder)
    artifact = task.artifacts["results"]
    copy = Path(artifact.get_local_copy(raise_on_error=True))
    assert below(copy) == ["a.txt", "inner/b.txt", "run.sh"]
    assert (copy / "empty").is_dir()
    assert (copy / "run.sh").stat().st_mode & 0o111
    assert artifact.get() == copy
    assert artifact.url == copy.as_uri()
    assert (artifact.type, artifact.size) == ("package", 10)
    assert artifact.hash == registry.add(folder, "m").digest
    assert rows(registry, "SELECT filename FROM artifact") == [("results",)]


def test_a_folder_as_an_archive_is_always_the_same_zip(task, folder, registry):
    task.upload_artifact("results", folder)
    artifact = task.artifacts["results"]
    archive = artifact.get_local_copy(extract_archive=False, raise_on_error=True)
    assert Path(archive).name == "results.zip"
    names = ["a.txt", "empty/", "inner/b.txt", "run.sh"]
    assert zipfile.ZipFile(archive).namelist() == names
    assert artifact.get_local_copy(extract_archive=False, raise_on_error=True) == archive
    of_model = registry.add(folder, "m").get_local_copy(extract_archive=False, raise_on_error=True)
    assert Path(of_model).read_bytes() == Path(archive).read_bytes()
    as_bytes = artifact.get(deserialization_function=lambda data: hashlib.sha256(data).hexdigest())
    assert as_bytes == hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    assert registry.verify(full=True).ok


def test_the_zip_of_a_folder_is_a_cache_that_gc_deletes(task, folder, registry):
    task.upload_artifact("results", folder)
    artifact = task.artifacts["results"]
    before = below(registry.path / "blobs")
    artifact.get_local_copy(extract_archive=False, raise_on_error=True)
    assert len(below(registry.path / "blobs")) == len(before) + 1
    registry.gc(dry_run=False)  # within the grace period
    assert len(below(registry.path / "blobs")) == len(before) + 1
    registry.gc(grace_seconds=0, dry_run=False)
    assert below(registry.path / "blobs") == before
    archive = artifact.get_local_copy(extract_archive=False, raise_on_error=True)
    assert zipfile.ZipFile(archive).testzip() is None


def test_a_folder_that_was_changed_is_made_again(task, folder, caplog):
    task.upload_artifact("results", folder)
    artifact = task.artifacts["results"]
    copy = Path(artifact.get_local_copy(raise_on_error=True))
    copy.chmod(0o755)
    (copy / "a.txt").unlink()
    assert artifact.get_local_copy(raise_on_error=True) == str(copy)
    assert (copy / "a.txt").read_text() == "same"
    assert "a.txt is missing" in caplog.text


def test_an_artifact_that_is_an_archive_is_unpacked_to_its_files(task, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/y.txt", "1")
    task.upload_artifact("a", tmp_path / "a.zip")
    artifact = task.artifacts["a"]
    assert artifact.type == "file"
    assert below(Path(artifact.get_local_copy(raise_on_error=True))) == ["x/y.txt"]
    plain = artifact.get_local_copy(extract_archive=False, raise_on_error=True)
    assert Path(plain).read_bytes() == (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(b"nothing")
    task.upload_artifact("b", tmp_path / "b.zip")
    with pytest.raises(ArchiveError):
        task.artifacts["b"].get_local_copy(raise_on_error=True)
