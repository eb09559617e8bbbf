"""The files of a model: those of a package, or its one file (P28)."""

from __future__ import annotations

import hashlib
import io
import os

import pytest

from localreg import InputModel, Registry
from localreg.errors import EmptyModelError

HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
TENSORS = len(HEADER).to_bytes(8, "little") + HEADER + b"1234"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bert"
    (made / "empty").mkdir(parents=True)
    (made / "vocab").mkdir()
    (made / "vocab" / "words.txt").write_bytes(b"a b")
    (made / "model.safetensors").write_bytes(TENSORS)
    (made / "run.sh").write_bytes(b"#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    return made


def test_a_package_has_the_files_of_its_folder_by_path(localreg_registry, folder):
    model = localreg_registry.add(folder)
    assert [(each.path, each.size) for each in model.files] == [
        ("model.safetensors", len(TENSORS)),
        ("run.sh", 10),
        ("vocab/words.txt", 3),
    ]
    assert model.size == sum(each.size for each in model.files)
    for each in model.files:
        assert each.digest == hashlib.sha256((folder / each.path).read_bytes()).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="there is no right to execute")
def test_a_file_says_if_it_is_executable(localreg_registry, folder):
    model = localreg_registry.add(folder)
    assert [each.path for each in model.files if each.executable] == ["run.sh"]


def test_a_file_says_what_is_inside(localreg_registry, folder):
    tensors, script, _ = localreg_registry.add(folder).files
    assert tensors.facts["parameters"] == 1
    assert tensors.inside == ["safetensors: 1 parameter in 1 tensor, F32 1"]
    assert (script.facts, script.inside) == ({}, [])


def test_a_single_file_is_one_file(localreg_registry, folder):
    model = localreg_registry.add(folder / "model.safetensors")
    (file,) = model.files
    assert (file.path, file.size) == ("model.safetensors", len(TENSORS))
    assert (file.digest, file.executable) == (model.digest, False)
    assert file.facts["format"] == "safetensors"


def test_weights_that_were_not_read_have_no_files(localreg_registry):
    model = InputModel.import_model("https://example.org/a.onnx", name="a")
    assert model.files == ()


def test_an_empty_model_has_no_files_to_ask_for(localreg_registry):
    with pytest.raises(EmptyModelError):
        _ = InputModel.empty().files


def test_the_files_of_a_model_of_an_upstream_registry(tmp_path, folder):
    with Registry(tmp_path / "theirs", durability="fast") as theirs:
        theirs.add(folder, "bert")
        expected = theirs.model("bert").files
    with Registry(tmp_path / "ours", durability="fast", upstream=[tmp_path / "theirs"]) as ours:
        ours.add(io.BytesIO(b"own"), "own")
        assert ours.model("bert").files == expected
        assert ours.add(folder, "again").files == expected
