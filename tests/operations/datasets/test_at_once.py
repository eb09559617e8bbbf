"""P34; data sets: two processes, many files, and one statement for a list."""

from __future__ import annotations

import cProfile

import pytest
from support.proofs import TIMES
from support.statements import counted

from localreg import Dataset, Registry, use_registry
from localreg.errors import ConflictError

MANY = 2_000 if TIMES == 1 else 10_000


def test_processes_that_add_to_one_data_set_lose_nothing(localreg_registry, tmp_path, children):
    dataset = Dataset.create("shared", "vision")

    def add(number, barrier, root, folder, dataset_id):
        from pathlib import Path

        from localreg import Dataset, use_registry

        registry = use_registry(root)
        mine = Dataset.get(dataset_id=dataset_id)
        barrier.wait()
        for each in range(8):
            file = Path(folder) / f"{number}-{each}"
            file.write_bytes(b"%d %d" % (number, each))
            mine.add_files(file, dataset_path=f"of {number}")
        if number == 0:
            mine.upload()
        registry.close()

    children.crowd(3, add, localreg_registry.path, tmp_path, dataset.id)
    assert len(dataset.list_files()) == 24
    dataset.finalize(auto_upload=True)
    assert len(dataset.file_entries) == 24
    assert dataset.verify_dataset_hash() == []


def test_processes_that_make_versions_at_once_get_different_ones(localreg_registry, children):
    Dataset.create("shared", "vision")

    def create(number, barrier, root):
        from localreg import Dataset, use_registry

        registry = use_registry(root)
        barrier.wait()
        made = [Dataset.create("shared", "vision").version for _ in range(10)]
        registry.close()
        return made

    made = [each for some in children.crowd(3, create, localreg_registry.path) for each in some]
    assert sorted(made) == sorted(f"1.0.{number}" for number in range(1, 31))


def test_one_of_several_processes_finalizes(localreg_registry, tmp_path, children):
    (tmp_path / "a").write_bytes(b"a")
    dataset = Dataset.create("shared", "vision")
    dataset.add_files(tmp_path / "a")

    def finalize(number, barrier, root, dataset_id):
        from localreg import Dataset, use_registry
        from localreg.errors import ConflictError

        registry = use_registry(root)
        mine = Dataset.get(dataset_id=dataset_id)
        barrier.wait()
        try:
            return mine.finalize(auto_upload=True)
        except ConflictError:
            return False
        finally:
            registry.close()

    done = children.crowd(4, finalize, localreg_registry.path, dataset.id)
    assert sorted(done) == [False, False, False, True]
    assert dataset.list_files() == ["a"]


def test_a_change_after_it_was_finalized_elsewhere_is_refused(localreg_registry, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    first = Dataset.create("shared", "vision")
    second = Dataset.get(dataset_id=first.id)
    first.add_files(tmp_path / "a")
    second.finalize(auto_upload=True)
    with pytest.raises(ConflictError, match="is completed"):
        first.add_files(tmp_path / "a")
    assert second.list_files() == ["a"]


def make_files(folder, count):
    for number in range(count):
        place = folder / f"{number % 50}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_bytes(b"%d" % number)
    return folder


def made_of(folder, name):
    """Make a data set of a folder with a child, and return how many functions were called."""
    profile = cProfile.Profile()
    profile.enable()
    first = Dataset.create(name, "vision")
    first.add_files(folder)
    first.finalize(auto_upload=True)
    first.get_local_copy()
    child = Dataset.create(name, "vision", parent_datasets=[first])
    child.remove_files("1/1.txt")
    child.sync_folder(folder)
    child.remove_files("1/1.txt")
    child.finalize(auto_upload=True)
    assert child.list_removed_files() == ["1/1.txt"]
    assert len(child.list_files()) == len(first.file_entries) - 1
    profile.disable()
    return sum(each.callcount for each in profile.getstats())


@pytest.mark.long
def test_many_files_take_as_much_work_for_each_as_a_few(tmp_path):
    with use_registry(tmp_path / "registry", durability="fast"):
        made_of(make_files(tmp_path / "first", 60), "first")  # imports
        few = made_of(make_files(tmp_path / "few", MANY // 4), "few")
        many = made_of(make_files(tmp_path / "many", MANY), "many")
    assert many <= 4.1 * few


def test_one_file_more_does_not_cost_more_if_there_are_many(tmp_path):
    def calls(count):
        dataset = Dataset.create("d", "p")
        dataset.add_files(make_files(tmp_path / f"{count}", count))
        file = tmp_path / f"more {count}"
        file.write_bytes(b"more")
        profile = cProfile.Profile()
        profile.enable()
        dataset.add_files(file)
        profile.disable()
        return sum(each.callcount for each in profile.getstats())

    with use_registry(tmp_path / "registry", durability="fast"):
        calls(10)  # imports
        assert calls(1_000) < 1.5 * calls(10)


def test_what_was_added_before_it_was_finalized_is_in_it(localreg_registry, tmp_path, children):
    dataset = Dataset.create("shared", "vision")

    def work(number, barrier, root, folder, dataset_id):
        from pathlib import Path

        from localreg import Dataset, use_registry
        from localreg.errors import ConflictError

        registry = use_registry(root, durability="fast")
        mine = Dataset.get(dataset_id=dataset_id)
        file = Path(folder) / f"{number}"
        file.write_bytes(b"%d" % number)
        added = []
        barrier.wait()
        try:
            for each in range(200):
                mine.add_files(file, dataset_path=f"{each}")
                added.append(f"{each}/{number}")
                if number == 0 and each == 5:
                    mine.finalize(auto_upload=True)
        except ConflictError:
            pass
        registry.close()
        return added

    added = children.crowd(4, work, localreg_registry.path, tmp_path, dataset.id)
    assert dataset.is_final()
    assert dataset.list_files() == sorted(path for each in added for path in each)


def test_adding_a_folder_is_one_transaction(tmp_path):
    def statements(count):
        folder = make_files(tmp_path / f"{count}", count)
        # Only connections that are opened in the block are counted.
        with counted() as found, Registry(tmp_path / f"registry {count}") as registry:
            dataset = Dataset.create("counted", "vision", registry=registry)
            dataset.add_files(folder)
        return sum(found.values())

    assert statements(400) == statements(40) > 20


def test_a_list_is_one_statement(tmp_path):
    with counted() as found, Registry(tmp_path / "registry") as registry:
        for number in range(12):
            Dataset.create(f"d{number}", "vision", ["a", "b"], registry=registry)
        before = found.copy()
        listed = Dataset.list_datasets(
            "vision", only_completed=False, tags=["a"], registry=registry
        )
        asked = {sql: count for sql, count in (found - before).items() if " FROM " in sql}
    assert len(listed) == 12
    assert list(asked.values()) == [1]
