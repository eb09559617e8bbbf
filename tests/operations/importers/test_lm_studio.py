"""Folders as LM Studio keeps models, made of real GGUF and safetensors files."""

from __future__ import annotations

import os
import shutil

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of
from support.stores.make_huggingface import LORA_CARD, safetensors
from support.stores.make_ollama import gguf_file

from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import lm_studio

Q4, Q8, PROJECTOR = (gguf_file("Tiny", range(size)) for size in (32, 64, 16))
PARTS = [gguf_file("Big", range(8 * number)) for number in (1, 2, 3)]


@pytest.fixture
def store(tmp_path):
    """Return the folder of models."""
    root = tmp_path / "lmstudio/models"
    files = {
        "acme/Tiny-GGUF/Tiny-Q4_K_M.gguf": Q4,
        "acme/Tiny-GGUF/Tiny-Q8_0.gguf": Q8,
        "acme/Eyes-GGUF/Eyes-f16.gguf": Q4,
        "acme/Eyes-GGUF/mmproj-Eyes-f16.gguf": PROJECTOR,
        "acme/Big-GGUF/Big-Q2_K-00001-of-00003.gguf": PARTS[0],
        "acme/Big-GGUF/Big-Q2_K-00002-of-00003.gguf": PARTS[1],
        "acme/Big-GGUF/Big-Q2_K-00003-of-00003.gguf": PARTS[2],
        "mlx/Tiny-4bit/config.json": b'{"model_type": "llama"}',
        "mlx/Tiny-4bit/model.safetensors": safetensors(1.0),
        "mlx/Tiny-4bit/README.md": LORA_CARD.encode(),
        "mlx/notes/todo.txt": b"nothing",
        ".DS_Store": b"x",
        "acme/.DS_Store": b"x",
        "acme/Tiny-GGUF/.DS_Store": b"x",
    }
    for number, (name, data) in enumerate(files.items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
        os.utime(root / name, (1_700_000_000 + number, 1_700_000_000 + number))
    return root


def values_of(model):
    """Return the metadata of a model."""
    return {key: each["value"] for key, each in model.get_all_metadata_casted().items()}


def test_each_form_of_a_model_is_a_version_with_its_quantization_as_alias(registry, store):
    done = brought(registry, store, "lmstudio")
    assert sorted(each.ref for each in registry.query_models().records()) == [
        "acme/Big-GGUF:1", "acme/Eyes-GGUF:1", "acme/Tiny-GGUF:1", "acme/Tiny-GGUF:2",
        "mlx/Tiny-4bit:1",
    ]  # fmt: skip
    assert done.left == {"folders without models": 1}
    small, large = (registry.model(f"acme/Tiny-GGUF@{each}") for each in ("Q4_K_M", "Q8_0"))
    assert (small.version, large.version) == (1, 2)
    assert files_of(small) == {"Tiny-Q4_K_M.gguf": Q4}
    assert files_of(large) == {"Tiny-Q8_0.gguf": Q8}
    assert values_of(small) == {
        "file": "Tiny-Q4_K_M.gguf", "quantization": "Q4_K_M", "repo_id": "acme/Tiny-GGUF",
    }  # fmt: skip
    assert small.framework == "GGUF"


def test_projectors_and_parts_are_one_package_with_their_model(registry, store):
    brought(registry, store, "lmstudio")
    assert files_of(registry.model("acme/Eyes-GGUF@F16")) == {
        "Eyes-f16.gguf": Q4, "mmproj-Eyes-f16.gguf": PROJECTOR,
    }  # fmt: skip
    assert [*files_of(registry.model("acme/Big-GGUF@Q2_K")).values()] == PARTS


def test_a_folder_without_gguf_files_is_one_version_with_its_card(registry, store):
    brought(registry, store, "lmstudio")
    model = registry.model("mlx/Tiny-4bit:1")
    assert sorted(files_of(model)) == ["README.md", "config.json", "model.safetensors"]
    assert values_of(model) == {
        "base_model": "acme/tiny", "base_model_relation": "adapter", "license": "mit",
        "repo_id": "mlx/Tiny-4bit",
    }  # fmt: skip


def test_twice_is_once_and_what_is_new_comes(registry, store):
    brought(registry, store, "lmstudio")
    before = counts(registry)
    assert not brought(registry, store.parent, "lmstudio").arrived.events
    assert counts(registry) == before
    shutil.copy(store / "acme/Tiny-GGUF/Tiny-Q8_0.gguf", store / "acme/Tiny-GGUF/Tiny-Q6_K.gguf")
    (store / "acme/Tiny-GGUF/Tiny-Q4_K_M.gguf").write_bytes(PROJECTOR)
    done = brought(registry, store, "lmstudio")
    assert done.arrived.models == ("acme/Tiny-GGUF:3",)
    assert files_of(registry.model("acme/Tiny-GGUF@Q4_K_M")) == {"Tiny-Q4_K_M.gguf": PROJECTOR}


def test_forms_of_one_quantization_have_their_names_as_aliases(registry, store):
    folder = store / "acme/Tiny-GGUF"
    shutil.copy(folder / "Tiny-Q8_0.gguf", folder / "Other-Q8_0.gguf")
    brought(registry, store, "lmstudio")
    names = {
        alias for each in (1, 2, 3) for alias in registry.model(f"acme/Tiny-GGUF:{each}").aliases
    }
    assert names == {"Q4_K_M", "Tiny-Q8_0", "Other-Q8_0"}


def test_what_is_not_whole_or_elsewhere_is_counted_and_not_read(registry, store, tmp_path):
    folder = store / "acme/Tiny-GGUF"
    secret = tmp_path / "secret.gguf"
    secret.write_bytes(Q4)
    (folder / "link-Q5_0.gguf").symlink_to(secret)
    (folder / "up-Q5_1.gguf").symlink_to("../../../../secret.gguf")
    (folder / "gone.gguf").symlink_to("nothing.gguf")
    (folder / "loop.gguf").symlink_to("loop.gguf")
    (folder / "downloading_x.gguf.part").write_bytes(b"x")
    (folder / "a\nb.gguf").write_bytes(Q4)
    (tmp_path / "away/repo").mkdir(parents=True)
    shutil.copy(secret, tmp_path / "away/repo/x.gguf")
    (store / "linked").symlink_to(tmp_path / "away")
    (store / "acme/linked").symlink_to(tmp_path / "away/repo")
    secret.chmod(0)
    done = brought(registry, store, "lmstudio")
    assert done.left == {
        "folders without models": 1,
        "folders that are links": 2,
        "files that are links to other places": 2,
        "links to files that are gone": 2,
        "downloads that were not finished": 1,
        "files whose names no package can have": 1,
    }
    assert len(registry.query_models()) == 5


def test_a_link_inside_of_the_folder_is_followed(registry, store):
    folder = store / "acme/Tiny-GGUF"
    (folder / "same-Q8_0.gguf").symlink_to("Tiny-Q8_0.gguf")
    brought(registry, store, "lmstudio")
    assert files_of(registry.model("acme/Tiny-GGUF@same-Q8_0")) == {"same-Q8_0.gguf": Q8}


@pytest.mark.parametrize("target", [".", "..", "../../.."])
def test_links_to_folders_are_errors_or_counted(registry, store, target):
    (store / "acme/Tiny-GGUF/up").symlink_to(target)
    if target == "../../..":
        done = brought(registry, store, "lmstudio")
        assert done.left["files that are links to other places"] == 1
        return
    with pytest.raises(SourceError, match="is no file"):
        brought(registry, store, "lmstudio")


def test_a_pipe_is_an_error(registry, store):
    os.mkfifo(store / "acme/Tiny-GGUF/pipe.gguf")
    with pytest.raises(SourceError, match="is no file"):
        brought(registry, store, "lmstudio")


def test_the_folder_is_found_out(registry, store, tmp_path):
    for place in (store, store.parent):
        code, _, err = run_cli("import", place, "--dry-run")
        assert (code, "a folder of models of LM Studio" in err) == (0, True), err
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValueError, match="must be a folder with models"):
        brought(registry, tmp_path / "empty", "lmstudio")


def test_other_folders_of_folders_with_weights_are_not_taken_for_one(tmp_path, store):
    checkpoint = tmp_path / "checkpoints/run/checkpoint-500"
    checkpoint.mkdir(parents=True)
    (checkpoint / "config.json").write_bytes(b"{}")
    (checkpoint / "model.safetensors").write_bytes(b"")
    assert not lm_studio.is_one(tmp_path / "checkpoints")
    (tmp_path / "checkpoints").rename(tmp_path / "lm-studio")
    assert lm_studio.is_one(tmp_path / "lm-studio")
