"""Out and in again: what comes back is what went out."""

from __future__ import annotations

import math

import pytest
from support.command_line import run_cli
from support.contents import rows
from support.found_sources import brought, net
from support.mlflow_folders import digests

from localreg import Registry


@pytest.fixture
def back(made, tmp_path):
    """Return a function that exports everything, and imports it into a new registry."""

    def through(name):
        made.export(everything=True, path=tmp_path / "out", format=name)
        with Registry(tmp_path / "back"):
            pass
        code, _, err = run_cli("-R", tmp_path / "back", "import", tmp_path / "out")
        assert code == 0, err
        return Registry(tmp_path / "back")

    return through


def numbers(owner):
    """Return steps, values and times of the scalars of a task."""
    values = owner.get_reported_scalars(max_samples=0)
    times = owner.get_reported_scalars(max_samples=0, x_axis="timestamp")
    return {
        (title, name): [
            *zip(points["x"], map(str, points["y"]), times[title][name]["x"], strict=True)
        ]
        for title, series in values.items()
        for name, points in series.items()
    }


def test_runs_come_back_from_mlflow(made, back):
    with back("mlflow") as found:
        tasks = {(each.get_project_name(), each.name): each for each in found.tasks()}
        for task in made.tasks():
            again = tasks[task.get_project_name(), task.name]
            assert again.status == task.status
            assert numbers(again) == numbers(task)
            assert {*again.get_tags()} == {*task.get_tags()}
            assert (again.comment or "") == (task.comment or "")
            assert again.get_reported_single_values() == task.get_reported_single_values()
            wanted = {key: value[:6_000] for key, value in task.get_parameters().items()}
            got = again.get_parameters()
            assert {key: got[key] for key in wanted} == wanted
        child = tasks["vision", "train"]
        assert child.parent == tasks["vision", "sweep"].id
        assert math.isnan(child.get_reported_scalars(max_samples=0)["loss"]["train"]["y"][1])


def test_user_properties_come_back_from_mlflow(made, back):
    given = {
        "properties/team": "growth", "properties/fold": 3, "properties/empty": "",
        "properties/mlflow.own": "x", "properties/night": "late",
    }  # fmt: skip
    [task] = [each for each in made.tasks() if each.name == "train"]
    task.set_parameters(given)
    with back("mlflow") as found:
        [again] = [each for each in found.tasks() if each.name == "train"]
        got = again.get_parameters(cast=True)
        assert {key: got[key] for key in given} == given
        assert {*again.get_tags()} == {"night", "good"}


def test_models_come_back_from_mlflow(made, back):
    with back("mlflow") as found:
        models = {each.ref: each for each in found.models(archived=True)}
        for model in made.models(archived=True):
            again = models[model.ref]
            assert {*again.tags} == {*model.tags}
            assert again.aliases == model.aliases
            assert again.archived == model.archived
            for key, entry in model.get_all_metadata().items():
                assert again.get_all_metadata()[key]["value"] == entry["value"]
            if model.digest is not None:
                wanted = digests_of(model)
                assert {*digests_of(again).values()} == {*wanted.values()}


def test_registries_meet_that_imported_a_model_before_and_after_it_was_renamed(registry, tmp_path):
    above = net(key="above", name="above", project="p")
    brought(registry, models=[above, net(key="net", project="p", parent="above")])
    registry.export(everything=True, path=tmp_path / "before", format="mlflow")
    for name in ("above", "net"):
        code, _, err = run_cli("mv", f"p/{name}:1", f"q/new-{name}")
        assert code == 0, err
    registry.export(everything=True, path=tmp_path / "after", format="mlflow")
    with Registry(tmp_path / "one") as one, Registry(tmp_path / "two") as two:
        one.import_from(tmp_path / "before")
        two.import_from(tmp_path / "after")
        one.merge(tmp_path / "two")
        found = "SELECT c.name, p.name FROM model c JOIN model p ON p.id = c.parent"
        assert {*rows(one, found)} == {("net", "above"), ("new-net", "new-above")}


def digests_of(model):
    from pathlib import Path

    return digests(Path(model.get_local_copy(raise_on_error=True)))


def test_a_package_comes_back_from_a_folder_for_the_hub(made, tmp_path):
    made.export("bert", path=tmp_path / "bert", format="hf")
    with Registry(tmp_path / "back"):
        pass
    code, _, err = run_cli(
        "-R", tmp_path / "back", "import", tmp_path / "bert", "--from", "huggingface"
    )
    assert code == 0, err
    with Registry(tmp_path / "back") as found:
        [model] = found.models()
        assert model.name == "bert"
        assert model.get_all_metadata()["license"]["value"] == "mit"
        again, wanted = digests_of(model), digests_of(made.model("bert"))
        assert again.pop("README.md") != wanted.pop("README.md")  # its head is completed
        assert again == wanted
