"""What the overview of a registry holds: the values of models and tasks, pages, comparisons."""

from __future__ import annotations

import os

import pytest
from support.page_samples import overview_data, unpacked

from localreg import InputModel, OutputModel, Registry, Task
from localreg.operations.reports.index_page import index_values
from localreg.operations.reports.page_links import Site, reports_folder
from localreg.operations.reports.pages import write_site


@pytest.fixture
def used(localreg_registry, tmp_path):
    """A task that made a model, and a model of nobody."""
    task = Task.init(project_name="vision/pets", task_name="train", auto_connect_frameworks=False)
    task.connect({"lr": 0.01, "api_token": "hf_abcdef", "data": "https://me:pw@host/x"})
    task.set_comment("with care")
    task.add_tags(["nightly"])
    for i, value in enumerate((3.0, 1.0, 2.0)):
        task.get_logger().report_scalar("loss", "train", value, i)
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"w")
    model = OutputModel(task, name="net")
    model.update_weights(weights)
    model.set_metadata("accuracy", 0.9)
    model.set_metadata("sizes", [1, 2])
    model.set_metadata("password", "hunter2")
    model.report_scalar("loss", "test", float("nan"), 0)
    task.close()
    other = InputModel.import_model(str(weights), name="other", comment="from a friend")
    return localreg_registry, task, model, other


def values(registry):
    chain = registry._chain
    return index_values(chain, Site(reports_folder(chain.first), root=""))


def by_key(table):
    """Return the columns of values by kind and key: {row: value}."""
    return {
        (each.kind, each.key): dict(zip(each.at, each.values, strict=True))
        for each in table.columns
    }


def test_tasks_and_models_have_their_own_values(used):
    """A model points to the task that made it; its values are not repeated; secrets are hidden."""
    registry, task, model, other = used
    found = values(registry)
    tasks, models = found.tasks, found.models
    assert tasks.rows["id"] == [task.id]
    assert (tasks.rows["comment"], tasks.rows["tags"]) == (["with care"], [("nightly",)])
    assert tasks.rows["ended"][0] >= tasks.rows["created"][0]
    row = {id_: place for place, id_ in enumerate(models.rows["id"])}
    mine, its = row[model.id], row[other.id]
    assert (models.rows["task"][mine], models.rows["task"][its]) == (0, None)
    assert models.rows["comment"][its] == "from a friend"
    columns = by_key(tasks)
    assert columns["metrics", "loss/train"] == {0: 2.0}
    assert columns["parameters", "General/lr"] == {0: "0.01"}
    assert columns["parameters", "General/api_token"] == {0: "***"}
    assert columns["parameters", "General/data"] == {0: "https://***@host/x"}
    (loss,) = (each for each in tasks.columns if each.key == "loss/train")
    assert ([*loss.low], [*loss.high], loss.better) == ([1.0], [3.0], -1)
    columns = by_key(models)
    assert columns["metrics", "loss/test"] == {mine: None}
    assert columns["metadata", "accuracy"] == {mine: 0.9}
    assert columns["metadata", "sizes"] == {mine: "[1, 2]"}
    assert columns["metadata", "password"] == {mine: "***"}
    assert ("metrics", "loss/train") not in columns


def test_pages_are_written_for_the_newest_or_for_all(used):
    """The overview knows which rows have a page; a page that is there counts too."""
    registry, _, model, other = used

    def paged():
        data = overview_data(registry.path / "reports" / "index.html")
        rows = data["tables"]["models"]["rows"]
        packs = dict(data["packs"])
        return dict(zip(*(unpacked(packs[rows[each]]) for each in ("id", "paged")), strict=True))

    for path in (registry.path / "reports").rglob("*.html"):
        path.unlink()
    write_site(registry._chain, 1)
    assert paged() == {other.id: 1, model.id: 0}
    registry.render(everything=True)
    assert paged() == {other.id: 1, model.id: 1}
    write_site(registry._chain, 0)
    assert paged() == {other.id: 1, model.id: 1}


def test_files_of_columns_are_those_of_the_page(used, tmp_path):
    """Files that an earlier overview needed are deleted after an hour; other files stay."""
    registry, *_ = used
    folder = registry.path / "reports" / "columns"
    registry.render()
    old, young, other = (f"columns-{'0' * 20}.js", f"columns-{'1' * 20}.js", "notes.txt")
    for name in (old, young, other):
        (folder / name).write_text("of somebody")
    for name in (old, other):
        os.utime(folder / name, (0, 0))
    registry.render()
    assert sorted(each.name for each in folder.iterdir()) == [young, other]


def test_written_comparisons_are_known_by_what_they_compare(used):
    """A page says what it compares; anything else in the folder does not count."""
    registry, task, model, other = used
    written = registry.compare(model, task, other)
    folder = registry.path / "reports" / "compare"
    (folder / "2.html").write_bytes(b"\xff\xfe<html>")
    (folder / "3.html").mkdir()
    assert values(registry).comparisons == ((written.name, (model.id, task.id, other.id)),)


def test_an_empty_registry_has_an_overview(tmp_path):
    with Registry(tmp_path / "empty") as registry:
        found = values(registry)
        assert {name: len(column) for name, column in found.models.rows.items()} == dict.fromkeys(
            found.models.rows, 0
        )
        assert len(found.tasks.rows["id"]) == 0
        assert registry.render().is_file()
