"""The pages of data sets, and where other pages show them."""

from __future__ import annotations

import json
import re

import pytest
from support.page_samples import unpacked

from localreg import Dataset, OutputModel, Task


@pytest.fixture
def pets(localreg_registry, tmp_path):
    """Three versions: finalized, with changes and used by a task, and open."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.jpg", "b.jpg", "labels.csv"):
        (data / name).write_text(name)
    first = Dataset.create("pets", "vision", description="Photos of pets.")
    first.add_files(data)
    first.finalize(auto_upload=True)
    second = Dataset.create("pets", "vision", parent_datasets=[first])
    second.remove_files("labels.csv")
    second.add_external_files(str(data / "labels.csv"), dataset_path="outside")
    second.finalize(auto_upload=True)
    third = Dataset.create("pets", "vision", parent_datasets=[second])
    third.add_files(data / "a.jpg", dataset_path="new")
    task = Task.init(project_name="vision", task_name="train")
    Dataset.get(dataset_id=second.id, alias="train")
    (tmp_path / "w.pt").write_bytes(b"w")
    OutputModel(task, name="net").update_weights(tmp_path / "w.pt")
    task.close()
    localreg_registry.render()
    return first, second, third


def page(registry, dataset):
    text = (registry.path / "reports" / "models" / f"{dataset.id}.html").read_text()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def index(registry):
    """Return the rows of each table of the overview, and its projects."""
    text = (registry.path / "reports" / "index.html").read_text()
    data = json.loads(re.search(r'id="index-data">(.*?)</script>', text, re.DOTALL)[1])
    return {
        name: {key: unpacked(dict(data["packs"])[at]) for key, at in table["rows"].items()}
        for name, table in data["tables"].items()
    } | {"projects": data["projects"]}


def test_a_page_has_files_parents_changes_and_tasks(localreg_registry, pets):
    shown = page(localreg_registry, pets[1])
    for text in (
        "Data set vision/pets:1.0.1", "completed", "2 files, 10 B",
        "Parents vision/pets:1.0.0", "Children vision/pets:1.0.2",
        "Changes since its parents", "added 1 outside/labels.csv", "removed 1 labels.csv",
        "Links 1", "outside/labels.csv 10 B file:///", "Used by 1", "train", "finalized",
    ):  # fmt: skip
        assert text in shown, text
    for text in ("dataset.version", "no weights yet", "sha256&#34;"):
        assert text not in shown
    assert "Photos of pets." in page(localreg_registry, pets[0])


def test_the_page_of_one_that_is_open_says_what_is_not_uploaded(localreg_registry, pets):
    shown = page(localreg_registry, pets[2])
    assert "in_progress" in shown
    assert "Since it began: 1 files added, 0 modified, 0 removed." in shown
    assert "Nothing is uploaded yet." in shown
    assert "new/a.jpg" in shown
    assert "Files 3" in shown


def test_the_index_lists_data_sets_apart_from_models(localreg_registry, pets):
    found = index(localreg_registry)
    assert found["models"]["name"] == ["net"]
    columns = found["datasets"]
    by_ref = dict(zip(columns["ref"], columns["order"], strict=True))
    assert sorted(by_ref, key=by_ref.get) == [f"vision/pets:1.0.{each}" for each in range(3)]
    assert columns["paged"] == [1, 1, 1]
    states = dict(zip(columns["ref"], columns["states"], strict=True))
    assert states["vision/pets:1.0.2"] == ["in_progress"]
    assert [each[:3] + each[4:] for each in found["projects"]] == [["vision", 1, 1, 3]]


def test_lineage_and_tasks_name_data_sets_as_people_do(localreg_registry, pets):
    (task,) = (localreg_registry.path / "reports" / "tasks").glob("*.html")
    assert "vision/pets:1.0.1" in task.read_text()
    shown = page(localreg_registry, pets[1])
    assert "data set vision/pets:1.0.0" in shown
    assert ".datasets/pets:" not in shown
