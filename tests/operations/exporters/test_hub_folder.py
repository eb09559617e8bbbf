"""A folder for the Hugging Face Hub: the files as they are, a card that it reads, nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub._commit_api import CommitOperationAdd
from support.mlflow_folders import digests

from localreg import OutputModel, Task


def names(folder):
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_a_single_file_keeps_its_name_and_gets_a_card(made, tmp_path):
    made.export("vision/resnet:1", path=tmp_path / "out", format="hf")
    assert names(tmp_path / "out") == {"w.pt", "README.md"}
    assert (tmp_path / "out" / "w.pt").read_bytes() == b"first weights"
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.tags == ["a"]
    assert "# vision/resnet:1" in card.text


def test_the_configuration_is_a_file_if_it_is_json(made, tmp_path):
    model = OutputModel(Task.create("p", "t"), name="m")
    Path("w.pt").write_bytes(b"w")
    model.update_weights("w.pt", auto_delete_file=False, async_enable=False)
    model.config_text = '{"layers": 3, "api_key": "hunter2"}'
    done = made.export(model.id, path=tmp_path / "out", format="hf")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {
        "layers": 3, "api_key": "***",
    }  # fmt: skip
    assert done.changed == {"values, whose secrets are hidden": 1}


def test_folders_with_the_names_of_what_is_added_stay(made, tmp_path):
    for name in ("README.md", "Config.json"):
        (tmp_path / "odd" / name).mkdir(parents=True)
        (tmp_path / "odd" / name / "part").write_text(name)
    made.add(tmp_path / "odd", name="odd", config_dict={"layers": 3})
    made.export("odd", path=tmp_path / "out", format="hf")
    assert names(tmp_path / "out") == {"README.md/part", "Config.json/part"}


def test_the_readme_of_a_package_stays_and_its_head_is_completed(made, tmp_path):
    made.export("bert", path=tmp_path / "out", format="hf")
    wanted = digests(Path("net"))
    found = digests(tmp_path / "out")
    assert wanted.pop("README.md") != found.pop("README.md")
    assert found == wanted  # its own config.json, too
    text = (tmp_path / "out" / "README.md").read_text()
    assert text.endswith("---\n# Mine\n")
    assert metadata_load(tmp_path / "out" / "README.md")["license"] == "mit"


def test_a_readme_with_all_fields_is_the_same_bytes(made, tmp_path, write_file):
    text = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\nMine: https://x.org/?v=1\r\n"
    Path("net/README.md").write_bytes(text.encode())
    made.add("net", "whole", metadata={"license": "mit"})
    made.export("whole", path=tmp_path / "out", format="hf")
    assert digests(tmp_path / "out") == digests(Path("net"))


def test_several_models_are_folders_and_versions_have_their_numbers(made, tmp_path):
    done = made.export(everything=True, path=tmp_path / "out", format="hf")
    assert names(tmp_path / "out") == {
        "vision/resnet-1/w.pt", "vision/resnet-1/README.md",
        "vision/resnet-2/w2.pt", "vision/resnet-2/README.md", "vision/resnet-2/config.json",
        "bert/README.md", "bert/config.json", "bert/part/model.safetensors",
        "vision/far/README.md",
    }  # fmt: skip
    assert [each.ref for each in done.missing] == ["vision/far:1"]
    assert done.tasks == 0


@pytest.mark.parametrize("name", ["../x", "CON", "a/b", ".git", "A"])
def test_hostile_names_of_models_stay_inside_of_the_folder(registry, tmp_path, write_file, name):
    for project in (name, "p", "P"):
        registry.add(write_file("w.pt", project.encode()), name, project)
        registry.add(write_file("w.pt", project.encode() + b"2"), name.lower() + "2", project)
    (tmp_path / "up").mkdir()
    before = set(tmp_path.iterdir())
    registry.export(everything=True, path=tmp_path / "up" / "out", format="hf")
    assert set(tmp_path.iterdir()) == before
    assert [*(tmp_path / "up").iterdir()] == [tmp_path / "up" / "out"]
    assert len([*(tmp_path / "up" / "out").glob("*/*/w.pt")]) == 6
    assert not (tmp_path / "up" / "out" / ".git").exists()


def test_the_hub_client_can_plan_the_upload(made, tmp_path):
    """Each file becomes an operation with its path and sha256, as `upload_folder` sends it."""
    made.export("bert", path=tmp_path / "out", format="hf")
    operations = [
        CommitOperationAdd(path_in_repo=each, path_or_fileobj=tmp_path / "out" / each)
        for each in sorted(names(tmp_path / "out"))
    ]
    assert {each.path_in_repo: each.upload_info.sha256.hex() for each in operations} == digests(
        tmp_path / "out"
    )
