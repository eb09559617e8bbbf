"""Data sets elsewhere: upstream, read-only, exported, merged, as they were, and after gc."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from localreg import Dataset, Registry
from localreg.errors import (
    ConflictError,
    CorruptBlobError,
    ModelNotFoundError,
    ReadOnlyRegistryError,
)


@pytest.fixture
def data(tmp_path):
    made = tmp_path / "data"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_bytes(b"a")
    (made / "deep" / "run.sh").write_bytes(b"#!/bin/sh")
    (made / "deep" / "run.sh").chmod(0o755)
    return made


ALL = {"a.txt": b"a", "deep/run.sh": b"#!/bin/sh"}


def contents(folder):
    top = Path(folder)
    return {
        each.relative_to(top).as_posix(): each.read_bytes()
        for each in top.rglob("*")
        if each.is_file()
    }


def made(registry, data, **given):
    dataset = Dataset.create("pets", "vision", registry=registry, **given)
    dataset.add_files(data)
    dataset.finalize(auto_upload=True)
    return dataset


def test_a_data_set_of_an_upstream_registry_is_a_parent(tmp_path, data):
    with Registry(tmp_path / "up") as up:
        first = made(up, data)
    with Registry(tmp_path / "own", upstream=[tmp_path / "up"]) as own:
        found = Dataset.get(dataset_project="vision", dataset_name="pets", registry=own)
        assert found.id == first.id
        assert contents(found.get_local_copy()) == ALL
        assert contents(found.get_local_copy(files=["a.txt"])) == {"a.txt": b"a"}
        with pytest.raises(ReadOnlyRegistryError):
            found.set_description("x")
        child = Dataset.create("pets", "vision", parent_datasets=[found], registry=own)
        assert child.version == "1.0.1"
        (tmp_path / "new").write_bytes(b"new")
        child.add_files(tmp_path / "new")
        child.finalize(auto_upload=True)
        assert contents(child.get_local_copy()) == ALL | {"new": b"new"}
        assert child.list_added_files() == ["new"]
        kept = [each for each in (tmp_path / "own" / "blobs").rglob("*") if each.is_file()]
        assert len(kept) == 2, "the new file and the manifest"
        listed = Dataset.list_datasets(registry=own)
        assert [each["version"] for each in listed] == ["1.0.1", "1.0.0"]
        squashed = Dataset.squash("one", dataset_ids=[child.id], registry=own)
        assert contents(squashed.get_local_copy()) == ALL | {"new": b"new"}


def test_a_read_only_registry_gives_copies_and_takes_nothing(tmp_path, data):
    with Registry(tmp_path / "registry") as registry:
        final = made(registry, data)
        half = Dataset.create("open", "vision", registry=registry)
        half.add_files(data)
    with Registry(tmp_path / "registry", readonly=True) as registry:
        found = Dataset.get(dataset_id=final.id, registry=registry)
        assert contents(found.get_local_copy()) == ALL
        assert contents(found.get_local_copy(part=0, num_parts=2)) == {"a.txt": b"a"}
        unfinished = Dataset.get(dataset_id=half.id, registry=registry)
        assert unfinished.list_files() == list(ALL)
        for call in (
            lambda: unfinished.add_files(data),
            lambda: unfinished.remove_files("*"),
            lambda: unfinished.sync_folder(data),
            lambda: unfinished.upload(),
            lambda: unfinished.finalize(auto_upload=True),
            lambda: unfinished.add_external_files(str(data)),
            lambda: setattr(unfinished, "version", "2"),
            lambda: found.publish(),
            lambda: found.add_tags("a"),
            lambda: Dataset.create("new", "vision", registry=registry),
            lambda: Dataset.rename("new", "vision", "pets", registry=registry),
            lambda: Dataset.delete(dataset_id=final.id, registry=registry),
            lambda: Dataset.squash("new", [final.id], registry=registry),
            lambda: found.set_metadata({"a": 1}),
        ):
            with pytest.raises(ReadOnlyRegistryError):
                call()


def test_a_bundle_carries_data_sets(tmp_path, data):
    with Registry(tmp_path / "from") as source:
        first = made(source, data)
        child = Dataset.create("pets", "vision", parent_datasets=[first], registry=source)
        child.remove_files("a.txt")
        child.add_external_files(str(data / "a.txt"), dataset_path="outside", read_hash=True)
        child.finalize(auto_upload=True)
        graph = child.get_dependency_graph()
        source.export(everything=True, path=tmp_path / "b.tar")
    with Registry(tmp_path / "to") as target:
        target.import_bundle(tmp_path / "b.tar")
        found = Dataset.get(dataset_project="vision", dataset_name="pets", registry=target)
        assert (found.id, found.version, found.is_final()) == (child.id, "1.0.1", True)
        assert contents(found.get_local_copy()) == {
            "deep/run.sh": b"#!/bin/sh", "outside/a.txt": b"a"
        }  # fmt: skip
        assert found.list_removed_files() == ["a.txt"]
        assert found.get_dependency_graph() == graph
        assert (Path(found.get_local_copy()) / "deep" / "run.sh").stat().st_mode & 0o100


def test_one_that_is_open_goes_on_elsewhere_with_what_was_uploaded(tmp_path, data):
    with Registry(tmp_path / "from") as source:
        dataset = Dataset.create("pets", "vision", registry=source)
        dataset.add_files(data / "a.txt")
        dataset.upload()
        dataset.add_files(data)
    with Registry(tmp_path / "to") as target:
        target.merge(tmp_path / "from")
        found = Dataset.get(dataset_id=dataset.id, registry=target)
        assert (found.list_files(), found.is_final()) == (["a.txt"], False)
        found.add_files(data / "deep", dataset_path="deep")
        found.finalize(auto_upload=True)
        assert contents(found.get_local_copy()) == ALL


def test_a_child_that_is_open_has_the_files_of_its_parents_elsewhere(tmp_path, data):
    with Registry(tmp_path / "from") as source:
        parent = made(source, data)
        child = Dataset.create("pets", "vision", parent_datasets=[parent], registry=source)
    with Registry(tmp_path / "to") as target:
        target.merge(tmp_path / "from")
        found = Dataset.get(dataset_id=child.id, registry=target)
        assert found.list_files() == list(ALL)
        found.remove_files("a.txt")
        found.finalize(auto_upload=True)
        assert contents(found.get_local_copy()) == {"deep/run.sh": b"#!/bin/sh"}


def test_as_it_was(localreg_registry, data):
    dataset = made(localreg_registry, data)
    event = localreg_registry.history(limit=1)[0].event_id
    Dataset.rename("cats", "vision", "pets")
    Dataset.create("later", "vision")
    with localreg_registry.as_of(event) as past:
        (found,) = Dataset.list_datasets(registry=past, only_completed=False)
        assert (found["name"], found["id"]) == ("pets", dataset.id)
        then = Dataset.get(dataset_id=dataset.id, registry=past)
        assert contents(then.get_local_copy()) == ALL


def test_gc_keeps_what_an_open_data_set_has(localreg_registry, data):
    dataset = Dataset.create("pets", "vision")
    dataset.add_files(data)
    (data / "gone").write_bytes(b"gone")
    dataset.add_files(data / "gone")
    dataset.remove_files("gone")
    done = localreg_registry.gc(grace_seconds=0, dry_run=False)
    assert len(done.garbage) == 1
    assert localreg_registry.verify(full=True).ok
    dataset.finalize(auto_upload=True)
    assert contents(dataset.get_local_copy()) == ALL


def test_gc_deletes_the_bytes_of_one_that_was_deleted(localreg_registry, data):
    dataset = Dataset.create("pets", "vision")
    dataset.add_files(data)
    other = made(localreg_registry, data / "deep", parent_datasets=None)
    Dataset.delete(dataset_id=dataset.id)
    localreg_registry.gc(grace_seconds=0, dry_run=False)
    assert contents(other.get_local_copy()) == {"run.sh": b"#!/bin/sh"}
    Dataset.delete(dataset_id=other.id)
    localreg_registry.gc(grace_seconds=0, dry_run=False)
    assert [each for each in (localreg_registry.path / "blobs").rglob("*") if each.is_file()] == []


def test_a_deleted_one_is_restored(localreg_registry, data):
    dataset = made(localreg_registry, data)
    Dataset.delete(dataset_id=dataset.id, delete_files=False)
    with pytest.raises(ModelNotFoundError):
        Dataset.get(dataset_id=dataset.id)
    localreg_registry.restore(dataset.id)
    found = Dataset.get(dataset_id=dataset.id)
    assert (found.is_final(), contents(found.get_local_copy())) == (True, ALL)


def test_damaged_bytes_are_an_error_that_names_the_file(localreg_registry, data):
    dataset = Dataset.create("pets", "vision")
    dataset.add_files(data)
    shutil.rmtree(localreg_registry.path / "blobs")
    with pytest.raises(CorruptBlobError, match=r"a\.txt are missing or damaged"):
        dataset.upload()
    dataset.add_files(data)
    dataset.finalize(auto_upload=True)
    assert contents(dataset.get_local_copy()) == ALL


def test_a_local_copy_that_was_changed_is_made_again(localreg_registry, data):
    dataset = made(localreg_registry, data)
    for given in ({}, {"files": ["a.txt"]}):
        copy = Path(dataset.get_local_copy(**given))
        copy.chmod(0o755)
        (copy / "a.txt").unlink()
        assert contents(dataset.get_local_copy(**given))["a.txt"] == b"a"


def test_a_package_that_is_no_data_set_is_none(localreg_registry, data):
    model = localreg_registry.add(data, "package", "vision")
    with pytest.raises(ModelNotFoundError, match="it is the id of a model"):
        Dataset.get(dataset_id=model.id)
    with pytest.raises(ConflictError, match="is completed"):
        made(localreg_registry, data).add_files(data)
