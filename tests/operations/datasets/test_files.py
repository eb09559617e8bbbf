"""P34, decisions 66 to 68; data sets: files, upload and finalize, versions with parents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localreg import Dataset
from localreg.blobs.local_files.private_copy import replace_folder
from localreg.errors import (
    ConflictError,
    InvalidValueError,
    ModelNotFoundError,
    SourceNotFoundError,
)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "data"
    (made / "train" / "cats").mkdir(parents=True)
    (made / "labels.csv").write_bytes(b"cat,dog")
    (made / "train" / "a.jpg").write_bytes(b"a")
    (made / "train" / "cats" / "b.jpg").write_bytes(b"b")
    (made / "empty").mkdir()
    return made


@pytest.fixture
def new(localreg_registry):
    """Return a function that makes a data set."""

    def make(name="pets", project="vision", **given):
        return Dataset.create(dataset_name=name, dataset_project=project, **given)

    return make


def final(dataset):
    dataset.upload()
    assert dataset.finalize() is True
    return dataset


def contents(folder):
    top = Path(folder)
    return {
        each.relative_to(top).as_posix(): each.read_bytes()
        for each in top.rglob("*")
        if each.is_file()
    }


ALL = {"labels.csv": b"cat,dog", "train/a.jpg": b"a", "train/cats/b.jpg": b"b"}


def test_a_local_copy_has_the_files_that_were_added(new, folder):
    dataset = new()
    assert (dataset.name, dataset.project, dataset.version) == ("pets", "vision", "1.0.0")
    assert dataset.add_files(folder) == 3
    final(dataset)
    assert contents(dataset.get_local_copy()) == ALL
    assert dataset.is_final()


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({}, ["labels.csv", "train/a.jpg", "train/cats/b.jpg"]),
        ({"wildcard": "*.jpg"}, ["train/a.jpg", "train/cats/b.jpg"]),
        ({"wildcard": ["*.csv", "b.*"]}, ["labels.csv", "train/cats/b.jpg"]),
        ({"wildcard": "cats/*.jpg"}, ["train/cats/b.jpg"]),
        ({"recursive": False}, ["labels.csv"]),
        ({"wildcard": "train/*", "recursive": False}, ["train/a.jpg"]),
        ({"wildcard": "**/b.jpg", "recursive": False}, ["train/cats/b.jpg"]),
        ({"wildcard": "*.png"}, []),
        ({"dataset_path": "/raw/"}, ["raw/labels.csv", "raw/train/a.jpg", "raw/train/cats/b.jpg"]),
    ],
)
def test_what_is_added_of_a_folder(new, folder, given, paths):
    dataset = new()
    assert dataset.add_files(folder, **given) == len(paths)
    assert dataset.list_files() == paths


def test_paths_begin_at_the_base_folder(new, folder):
    dataset = new()
    dataset.add_files(folder / "train", local_base_folder=folder)
    dataset.add_files(folder / "labels.csv", local_base_folder=folder.parent, dataset_path="in")
    assert dataset.list_files() == ["in/data/labels.csv", "train/a.jpg", "train/cats/b.jpg"]


def test_a_file_is_added_by_its_name(new, folder):
    dataset = new()
    assert dataset.add_files(str(folder / "train" / "a.jpg"), dataset_path="x") == 1
    assert dataset.list_files() == ["x/a.jpg"]


def test_modified_files_do_not_count_as_added(new, folder):
    dataset = new()
    dataset.add_files(folder)
    (folder / "labels.csv").write_bytes(b"changed")
    (folder / "new.txt").write_bytes(b"new")
    assert dataset.add_files(folder) == 1
    assert dataset.add_files(folder) == 0


def test_later_changes_of_a_file_do_not_matter(new, folder):
    dataset = new()
    dataset.add_files(folder)
    (folder / "labels.csv").write_bytes(b"changed")
    assert contents(final(dataset).get_local_copy())["labels.csv"] == b"cat,dog"


def test_another_handle_goes_on_where_one_stopped(new, folder):
    first = new()
    first.add_files(folder)
    second = Dataset.get(dataset_id=first.id)
    assert (second.list_files(), second.is_dirty()) == (sorted(ALL), True)
    assert second.remove_files("*.jpg") == 2
    final(first)
    assert contents(second.get_local_copy()) == {"labels.csv": b"cat,dog"}


def test_it_cannot_be_finalized_while_changes_are_not_uploaded(new, folder):
    dataset = new()
    dataset.add_files(folder)
    with pytest.raises(ConflictError, match="call upload"):
        dataset.finalize()
    assert dataset.finalize(raise_on_error=False) is False
    assert not dataset.is_final()
    assert dataset.finalize(auto_upload=True) is True


def test_nothing_changes_once_it_is_finalized(new, folder):
    dataset = new()
    dataset.add_files(folder)
    final(dataset)
    for change in (
        lambda: dataset.add_files(folder),
        lambda: dataset.remove_files("*"),
        lambda: dataset.sync_folder(folder),
        lambda: dataset.upload(),
        lambda: dataset.finalize(),
        lambda: dataset.add_external_files(str(folder / "labels.csv")),
        lambda: setattr(dataset, "version", "2.0"),
    ):
        with pytest.raises(ConflictError, match="is completed, so its files are fixed"):
            change()
    assert contents(dataset.get_local_copy()) == ALL


def test_there_is_no_local_copy_before_it_is_finalized(new, folder):
    dataset = new()
    dataset.add_files(folder)
    dataset.upload()
    with pytest.raises(ConflictError, match="is not finalized"):
        dataset.get_local_copy()


def test_a_version_begins_with_the_files_of_its_parents(new, folder, tmp_path):
    first = new()
    first.add_files(folder)
    final(first)
    other = new("more")
    (tmp_path / "more.txt").write_bytes(b"more")
    other.add_files(tmp_path / "more.txt")
    (tmp_path / "labels.csv").write_bytes(b"other labels")
    other.add_files(tmp_path / "labels.csv")
    final(other)
    child = new(parent_datasets=[first.id, other])
    assert child.version == "1.0.1"
    assert child.list_files() == sorted([*ALL, "more.txt"])
    assert child.remove_files("train/cats/*") == 1
    child.add_files(folder / "train" / "a.jpg", dataset_path="copies")
    final(child)
    assert contents(child.get_local_copy()) == {
        "labels.csv": b"other labels",
        "train/a.jpg": b"a",
        "more.txt": b"more",
        "copies/a.jpg": b"a",
    }
    assert child.get_dependency_graph() == {
        child.id: [first.id, other.id], first.id: [], other.id: []
    }  # fmt: skip
    made = {path: each.parent_dataset_id for path, each in child.file_entries_dict.items()}
    assert made == {
        "labels.csv": other.id,
        "train/a.jpg": first.id,
        "more.txt": other.id,
        "copies/a.jpg": child.id,
    }
    assert child.list_files(dataset_id=first.id) == ["train/a.jpg"]
    assert child.list_added_files() == ["copies/a.jpg"]
    assert child.list_removed_files() == ["train/cats/b.jpg"]
    assert child.list_modified_files() == []
    assert child.list_modified_files(first.id) == ["labels.csv"]


def test_a_child_that_changes_nothing_is_the_same(new, folder):
    first = new()
    first.add_files(folder)
    final(first)
    child = new(parent_datasets=[first])
    assert child.finalize() is True
    assert contents(child.get_local_copy()) == ALL


def test_a_parent_must_be_finalized(new, folder):
    first = new()
    first.add_files(folder)
    with pytest.raises(InvalidValueError, match="is not finalized"):
        new(parent_datasets=[first])


def test_equal_bytes_are_stored_once(localreg_registry, new, tmp_path):
    def size():
        return sum(each.stat().st_size for each in (localreg_registry.path / "blobs").rglob("*"))

    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(3_000_000))
    first = new()
    first.add_files(big)
    final(first)
    before = size()
    child = new(parent_datasets=[first])
    child.add_files(big, dataset_path="again")
    (tmp_path / "small").write_bytes(b"small")
    child.add_files(tmp_path / "small")
    final(child)
    assert size() - before < 10_000


def test_syncing_makes_a_folder_of_it_the_same(new, folder):
    dataset = new()
    dataset.add_files(folder, dataset_path="in")
    dataset.add_files(folder / "labels.csv")
    (folder / "labels.csv").write_bytes(b"changed")
    (folder / "train" / "a.jpg").unlink()
    (folder / "new.txt").write_bytes(b"new")
    assert dataset.sync_folder(folder, dataset_path="in") == (1, 1, 1)
    assert dataset.list_files() == [
        "in/labels.csv", "in/new.txt", "in/train/cats/b.jpg", "labels.csv"
    ]  # fmt: skip
    assert dataset.sync_folder(folder, dataset_path="in") == (0, 0, 0)


def test_syncing_with_an_empty_folder_removes_all(new, folder, tmp_path):
    dataset = new()
    dataset.add_files(folder)
    (tmp_path / "nothing").mkdir()
    assert dataset.sync_folder(tmp_path / "nothing") == (3, 0, 0)
    assert dataset.list_files() == []


@pytest.mark.parametrize(
    ("pattern", "recursive", "left"),
    [
        ("*.jpg", True, ["labels.csv"]),
        ("*.jpg", False, ["labels.csv", "train/a.jpg", "train/cats/b.jpg"]),
        ("train/*", True, ["labels.csv"]),
        ("train/*", False, ["labels.csv", "train/cats/b.jpg"]),
        ("/train/a.jpg", True, ["labels.csv", "train/cats/b.jpg"]),
        (None, True, []),
        ("nothing", True, ["labels.csv", "train/a.jpg", "train/cats/b.jpg"]),
    ],
)
def test_what_is_removed(new, folder, pattern, recursive, left):
    dataset = new()
    dataset.add_files(folder)
    assert dataset.remove_files(pattern, recursive=recursive) == 3 - len(left)
    assert dataset.list_files() == left


def test_files_that_were_removed_after_an_upload_are_not_in_it(new, folder):
    dataset = new()
    dataset.add_files(folder)
    dataset.upload()
    dataset.remove_files("*")
    final(dataset)
    assert contents(dataset.get_local_copy()) == {}
    child = new(parent_datasets=[dataset])
    assert child.list_files() == []


def test_a_path_is_not_both_a_file_and_a_folder(new, folder, tmp_path):
    dataset = new()
    dataset.add_files(folder)
    (tmp_path / "train").write_bytes(b"a file")
    with pytest.raises(InvalidValueError, match="train is a folder of the data set"):
        dataset.add_files(tmp_path / "train")
    with pytest.raises(InvalidValueError, match=r"labels.csv is a file of the data set"):
        dataset.add_files(folder / "train", dataset_path="labels.csv")
    assert dataset.list_files() == sorted(ALL)


@pytest.mark.parametrize("path", ["../up", "a/../../b", "a\nb", "c:/x", "a\\b"])
def test_a_place_outside_is_refused(new, folder, path):
    dataset = new()
    with pytest.raises(InvalidValueError, match="must be a folder in the data set"):
        dataset.add_files(folder, dataset_path=path)


def test_what_does_not_exist_is_an_error(new, tmp_path):
    dataset = new()
    with pytest.raises(SourceNotFoundError, match="no file or folder"):
        dataset.add_files(tmp_path / "missing")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").mkdir()
    with pytest.raises(InvalidValueError, match="is not in local_base_folder"):
        dataset.add_files(tmp_path / "a", local_base_folder=tmp_path / "b")


def test_versions_are_counted(new, folder):
    def made(version=None):
        return new(dataset_version=version).version

    assert [made(), made(), made("2.5"), made()] == ["1.0.0", "1.0.1", "2.5", "2.6"]
    assert made("1.9") == "1.9"
    assert made() == "2.7"
    assert made("raw") == "raw"
    assert Dataset.get(dataset_project="vision", dataset_name="pets").version == "2.7"


def test_names_come_from_the_parent_if_there_is_no_task(localreg_registry, new, folder):
    first = new()
    final(first)
    child = Dataset.create(dataset_name="child", parent_datasets=[first])
    assert child.project == "vision"
    with pytest.raises(InvalidValueError, match="needs a dataset_project"):
        Dataset.create(dataset_name="alone")
    with pytest.raises(InvalidValueError, match="needs a dataset_name"):
        Dataset.create(dataset_project="vision")


def test_which_version_is_found(new, folder):
    first = new(dataset_tags=["old"])
    second = final(new())
    assert Dataset.get(dataset_project="vision", dataset_name="pets") == second
    assert Dataset.get(dataset_name="pets", dataset_version="1.0.0") == first
    assert Dataset.get(dataset_tags=["old"]) == first
    assert Dataset.get(dataset_project="vision", dataset_name="pets", only_completed=True) == second
    with pytest.raises(ModelNotFoundError, match=r"published; there are the versions 1.0.1"):
        Dataset.get(dataset_project="vision", dataset_name="pets", only_published=True)
    with pytest.raises(ModelNotFoundError, match="there are vision/pets"):
        Dataset.get(dataset_project="vision", dataset_name="cars")
    with pytest.raises(InvalidValueError, match="give a dataset_id"):
        Dataset.get()
    with pytest.raises(InvalidValueError, match="not both"):
        Dataset.get(dataset_id=first.id, dataset_name="pets")


def test_a_writable_copy_is_a_new_version(new, folder):
    first = new()
    first.add_files(folder)
    final(first)
    copy = Dataset.get(dataset_project="vision", dataset_name="pets", writable_copy=True)
    assert (copy.version, copy.is_final(), copy.list_files()) == ("1.0.1", False, sorted(ALL))
    made = Dataset.get(dataset_project="vision", dataset_name="cars", auto_create=True)
    assert made.list_files() == []


def test_lists_are_filtered(new):
    first = final(new("cats", "vision"))
    second = new("dogs", "vision/sub", dataset_tags=["a"])
    third = final(new("dogs", "visionary"))

    def ids(**given):
        return [each["id"] for each in Dataset.list_datasets(**given)]

    assert ids() == [third.id, first.id]
    assert ids(only_completed=False) == [third.id, second.id, first.id]
    assert ids(dataset_project="vision", only_completed=False) == [second.id, first.id]
    assert ids(dataset_project="vision", only_completed=False, recursive_project_search=False) == [
        first.id
    ]
    assert ids(partial_name="^d.g", only_completed=False) == [third.id, second.id]
    assert ids(tags=["a", "b"], only_completed=False) == [second.id]
    assert ids(ids=[first.id]) == [first.id]
    with pytest.raises(InvalidValueError, match="regular expression"):
        ids(partial_name="(")


def test_changes_are_counted(new, folder):
    dataset = new()
    dataset.add_files(folder)
    dataset.remove_files("*.csv")
    counted = {"files added": 3, "files removed": 1, "files modified": 0}
    assert dataset.changed_files == counted
    dataset.update_changed_files(num_files_modified=2)
    assert Dataset.get(dataset_id=dataset.id).changed_files == counted | {"files modified": 2}
    final(dataset)
    child = new(parent_datasets=[dataset])
    child.remove_files("train/a.jpg")
    final(child)
    assert child.changed_files == {"files added": 0, "files removed": 1, "files modified": 0}


@pytest.mark.parametrize("name", ["a/b", "ünï", "x:1", "a@b", "..", "-o", "a b", "%", "_"])
def test_odd_names(new, folder, name):
    dataset = new(name, name)
    dataset.add_files(folder, dataset_path="ünï/ä b/%")
    final(dataset)
    assert (dataset.name, dataset.project) == (name, name)
    assert Dataset.get(dataset_project=name, dataset_name=name) == dataset
    assert [each["id"] for each in Dataset.list_datasets(name)] == [dataset.id]
    assert "ünï/ä b/%/labels.csv" in contents(dataset.get_local_copy())


def test_files_that_no_package_can_have_change_nothing(new, folder):
    dataset = new()
    (folder / "a\nb").write_bytes(b"")
    with pytest.raises(InvalidValueError, match="not every system accepts"):
        dataset.add_files(folder)
    (folder / "a\nb").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidValueError, match="a pipe or a socket"):
        dataset.add_files(folder)
    (folder / "pipe").unlink()
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InvalidValueError, match="never ends"):
        dataset.add_files(folder)
    assert (dataset.list_files(), dataset.is_dirty()) == ([], False)


def test_the_registry_itself_is_not_added(new, localreg_registry):
    with pytest.raises(InvalidValueError, match="holds the registry itself"):
        new().add_files(localreg_registry.path.parent)


def test_squashing_one_keeps_all_files_and_no_parent(new, folder, tmp_path):
    first = new()
    first.add_files(folder)
    final(first)
    child = new(parent_datasets=[first])
    child.remove_files("*.csv")
    final(child)
    one = Dataset.squash("one", dataset_ids=[child.id])
    assert one.get_dependency_graph() == {one.id: []}
    assert contents(one.get_local_copy()) == {"train/a.jpg": b"a", "train/cats/b.jpg": b"b"}


def test_squashing_several_keeps_what_each_added(new, folder, tmp_path):
    first = new()
    first.add_files(folder)
    final(first)
    left, right = new(parent_datasets=[first]), new("right", parent_datasets=[first])
    (tmp_path / "left").write_bytes(b"left")
    left.add_files(tmp_path / "left")
    (tmp_path / "right").write_bytes(b"right")
    right.add_files(tmp_path / "right")
    final(left)
    final(right)
    both = Dataset.squash(
        "both", dataset_project_name_pairs=[("vision", "pets"), ("vision", "right")]
    )
    assert both.get_dependency_graph()[both.id] == [first.id]
    assert contents(both.get_local_copy()) == ALL | {"left": b"left", "right": b"right"}


def test_renaming_moves_all_versions(new):
    first, second = new(), new()
    Dataset.rename("cats", "vision", "pets")
    assert (first.name, second.name) == ("cats", "cats")
    Dataset.move_to_project("animals", "vision", "cats")
    assert (first.project, second.project) == ("animals", "animals")
    assert Dataset.get(dataset_project="animals", dataset_name="cats") == second
    new("cats", "vision")
    with pytest.raises(ConflictError, match="there is a data set vision/cats already"):
        Dataset.move_to_project("vision", "animals", "cats")
    with pytest.raises(ModelNotFoundError):
        Dataset.rename("a", "vision", "nothing")


def test_parents_are_not_deleted_unless_forced(new, folder):
    first = new()
    first.add_files(folder)
    final(first)
    child = final(new(parent_datasets=[first]))
    with pytest.raises(ConflictError, match="is a parent of"):
        Dataset.delete(dataset_id=first.id)
    with pytest.raises(InvalidValueError, match="2 data sets have"):
        Dataset.delete(dataset_project="vision", dataset_name="pets")
    Dataset.delete(
        dataset_project="vision", dataset_name="pets", dataset_version="1.0.0", force=True
    )
    assert contents(child.get_local_copy()) == ALL
    assert child.list_files(dataset_id=child.id) == sorted(ALL)
    with pytest.raises(InvalidValueError, match="force=True"):
        Dataset.delete(dataset_project="vision", dataset_name="pets", entire_dataset=True)
    Dataset.delete(dataset_project="vision", dataset_name="pets", entire_dataset=True, force=True)
    assert Dataset.list_datasets(only_completed=False) == []


def test_parts_have_each_file_once(new, folder):
    dataset = new()
    dataset.add_files(folder)
    final(dataset)
    parts = [contents(dataset.get_local_copy(part=each, num_parts=2)) for each in range(2)]
    assert parts[0] | parts[1] == ALL
    assert not parts[0].keys() & parts[1].keys()
    assert contents(dataset.get_local_copy(part=0)) == ALL
    assert contents(dataset.get_local_copy(files=["train/a.jpg"])) == {"train/a.jpg": b"a"}
    with pytest.raises(InvalidValueError, match="part must be from 0 to 1"):
        dataset.get_local_copy(part=2, num_parts=2)
    with pytest.raises(LookupError, match=r"no file train/b.jpg; did you mean"):
        dataset.get_local_copy(files=["train/b.jpg"])


def test_a_mutable_copy_may_be_changed(new, folder, tmp_path):
    dataset = new()
    dataset.add_files(folder)
    final(dataset)
    target = tmp_path / "mine"
    assert dataset.get_mutable_local_copy(target) == str(target)
    assert contents(target) == ALL
    (target / "labels.csv").write_bytes(b"mine")
    assert contents(dataset.get_local_copy()) == ALL
    with pytest.raises(ConflictError, match="not empty"):
        dataset.get_mutable_local_copy(target)
    assert dataset.get_mutable_local_copy(target, raise_on_error=False) is None
    dataset.get_mutable_local_copy(target, overwrite=True)
    assert contents(target) == ALL


def test_a_copy_that_fails_keeps_the_folder_that_it_would_replace(folder, tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "own.txt").write_bytes(b"mine")
    (folder / "train" / "circle").symlink_to(folder)
    with pytest.raises(InvalidValueError, match="circle"):
        replace_folder(folder, target)
    assert contents(target) == {"own.txt": b"mine"}
    (folder / "train" / "circle").unlink()
    assert replace_folder(folder, target) == target
    assert contents(target) == ALL
    assert {each.name for each in tmp_path.iterdir()} == {"data", "mine"}


def test_a_mutable_copy_never_replaces_a_registry(new, folder, tmp_path, localreg_registry):
    dataset = new()
    dataset.add_files(folder)
    final(dataset)
    root = localreg_registry.path
    (tmp_path / "link").symlink_to(root.parent)
    for target in (root, root.parent, root / "new", tmp_path / "link"):
        with pytest.raises(InvalidValueError, match=r"(inside|around) the registry"):
            dataset.get_mutable_local_copy(target, overwrite=True)
    assert contents(dataset.get_local_copy()) == ALL
    assert sorted(each.name for each in root.iterdir() if each.name == "new") == []


def test_a_copy_is_compared_with_what_was_added(new, folder, tmp_path):
    dataset = new()
    dataset.add_files(folder)
    final(dataset)
    assert dataset.verify_dataset_hash() == []
    dataset.get_mutable_local_copy(tmp_path / "mine")
    (tmp_path / "mine" / "train" / "a.jpg").write_bytes(b"X")
    assert dataset.verify_dataset_hash(tmp_path / "mine") == ["train/a.jpg"]
    assert dataset.verify_dataset_hash(tmp_path / "mine", skip_hash=True) == []


def test_it_can_be_published(new):
    dataset = new()
    with pytest.raises(ConflictError, match="is not finalized"):
        dataset.publish()
    final(dataset)
    assert dataset.publish() is True
    (found,) = Dataset.list_datasets()
    assert found["status"] == "published"


def test_values_are_kept_with_it(new):
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    dataset = new()
    dataset.set_metadata({"classes": ["cat", "dog"], "mean": 0.5})
    dataset.set_metadata(numpy.arange(3), "array")
    dataset.set_metadata(pandas.DataFrame({"a": [1, 2]}), "table")
    assert dataset.get_metadata() == {"classes": ["cat", "dog"], "mean": 0.5}
    assert list(dataset.get_metadata("array")) == [0, 1, 2]
    assert list(dataset.get_metadata("table")["a"]) == [1, 2]
    assert dataset.get_metadata("nothing") is None
