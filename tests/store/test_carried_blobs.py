"""The blobs that go along with a model or task are those of its reports and artifacts."""

from __future__ import annotations

import hashlib

import pytest

from localreg import Task
from localreg.errors import DamagedRowError
from localreg.store.rows.carried_blobs import CarriedBlob, blobs_of
from localreg.values.records import Owner


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def task(registry):
    return Task.create(task_name="run")


def found(registry, kind, id_):
    with registry._chain.first.store.read() as connection:
        return blobs_of(connection, Owner(kind, id_))


def test_pictures_files_and_packages_are_listed_once_each(registry, task, tmp_path):
    picture, notes, folder = tmp_path / "p.png", tmp_path / "notes.txt", tmp_path / "folder"
    picture.write_bytes(b"picture")
    notes.write_bytes(b"notes")
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a").write_bytes(b"notes")
    (folder / "b").write_bytes(b"b")
    for iteration in range(2):
        task.get_logger().report_media("m", "s", local_path=str(picture), iteration=iteration)
    task.upload_artifact("notes", notes)
    task.upload_artifact("folder", folder)
    task.get_logger().report_scalar("t", "s", 1.0, 1)
    blobs = found(registry, "task", task.id)
    assert [each.digest for each in blobs] == sorted(each.digest for each in blobs)
    package = next(each for each in blobs if each.package is not None)
    assert package.filename == "folder"
    assert package.package == (("b", sha256(b"b"), 1), ("in/a", sha256(b"notes"), 5))
    assert {each for each in blobs if each is not package} == {
        CarriedBlob(sha256(b"picture"), 7, "p.png"),
        CarriedBlob(sha256(b"notes"), 5, "notes.txt"),
    }


def test_weights_are_not_among_them(registry, tmp_path):
    (tmp_path / "m.pt").write_bytes(b"weights")
    model = registry.add(tmp_path / "m.pt", "m")
    model.report_vector("m", "s", [1, 2, 3], 1)
    assert found(registry, "model", model.id) == []


def test_a_damaged_row_is_an_error(registry, task, tmp_path):
    (tmp_path / "p.png").write_bytes(b"picture")
    task.get_logger().report_media("m", "s", local_path=str(tmp_path / "p.png"), iteration=1)
    with registry._chain.first.store.write() as change:
        change.connection.execute("UPDATE plot SET spec = '5'")
    with pytest.raises(DamagedRowError, match="spec must be a JSON object"):
        found(registry, "task", task.id)
