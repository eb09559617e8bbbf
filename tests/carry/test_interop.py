"""Other tools take what `export` writes: skopeo, docker-registry, oras, modelpack-client, umoci."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter
from safetensors.numpy import save_file
from support.servers.container_registry import skopeo
from support.servers.object_servers import program
from support.trees import File, look, plant

from localreg.errors import BundleError

PACKAGE = {
    "config.json": File(b'{"layers": 2}\n'),
    "model.safetensors": File(b"w" * 70_000),
    "same.safetensors": File(b"w" * 70_000),
    "README.md": File("# Straße\n".encode()),
    "code/run.sh": File(b"#!/bin/sh\n", executable=True),
    "a name with 'signs' and ü.bin": File(b"odd"),
    "empty.txt": File(b""),
}
REFS = {
    "file": "vision/resnet:1",
    "safetensors": "vision/tensors:1",
    "gguf": "llm/tiny:1",
    "package": "vision/packed:2",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the folder of a bundle, and the files of each of its models by path."""
    from localreg import Registry

    place = tmp_path_factory.mktemp("models")
    (place / "resnet.bin").write_bytes(bytes(range(256)) * 4_000)
    save_file({"w": np.ones((4, 4), "f4")}, place / "tensors.safetensors")
    writer = GGUFWriter(place / "tiny.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.ones((4, 4), "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    plant(place / "packed", PACKAGE)
    with Registry(place / "registry", durability="fast") as registry:
        registry.add(place / "resnet.bin", "resnet", project="vision", tags=["a"])
        registry.add(place / "tensors.safetensors", "tensors", project="vision")
        registry.add(place / "tiny.gguf", "tiny", project="llm", comment="says little")
        registry.add(place / "packed", "packed", project="vision")
        plant(place / "packed", PACKAGE)
        registry.add(place / "packed", "packed", project="vision", metadata={"accuracy": 0.9})
        registry.export(path=place / "b.tar", everything=True)
    files = {
        "vision/resnet:1": {"resnet.bin": (place / "resnet.bin").read_bytes()},
        "vision/tensors:1": {"tensors.safetensors": (place / "tensors.safetensors").read_bytes()},
        "llm/tiny:1": {"tiny.gguf": (place / "tiny.gguf").read_bytes()},
        "vision/packed:2": {path: file.content for path, file in PACKAGE.items()},
    }
    return place, files


@pytest.fixture(params=REFS.values(), ids=REFS)
def copied(request, models, container_registry):
    """Copy a version from the bundle into the container registry; return what was copied.

    That is: its reference, its name there, its files by path, and the bytes of its manifest.
    """
    place, files = models
    ref = request.param
    source = f"oci-archive:{place}/b.tar:{ref}"
    container_registry.copy_in(source, ref)
    return ref, files[ref], skopeo("inspect", "--raw", source)


def found_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_registry_serves_the_manifest_of_the_bundle(copied, container_registry, models):
    ref, _, manifest = copied
    assert container_registry.manifest(*ref.split(":")) == manifest
    with tarfile.open(models[0] / "b.tar") as tar:
        member = tar.extractfile(f"blobs/sha256/{hashlib.sha256(manifest).hexdigest()}")
        assert member is not None
        assert member.read() == manifest


def test_oras_pulls_every_byte(copied, container_registry, tmp_path):
    ref, files, _ = copied
    container_registry.pull_with_oras(ref, tmp_path)
    assert found_in(tmp_path) == files


def test_modelpack_client_pulls_every_byte_and_mode(copied, container_registry, tmp_path):
    ref, files, manifest = copied
    pulled = container_registry.pull_with_modelpack(ref, tmp_path)
    assert found_in(tmp_path) == files
    assert pulled.manifest == json.loads(manifest)
    programs = {path for path in files if (tmp_path / path).stat().st_mode & 0o111}
    assert programs == {path for path in files if path.endswith(".sh")}


def test_the_configuration_says_what_the_model_is(models, container_registry, tmp_path):
    said = {}
    for ref in REFS.values():
        container_registry.copy_in(f"oci-archive:{models[0]}/b.tar:{ref}", ref)
        said[ref] = container_registry.pull_with_modelpack(ref, tmp_path / ref).config
    formats = {ref: each["config"].get("format") for ref, each in said.items()}
    assert formats == {
        "vision/resnet:1": None,
        "vision/tensors:1": "safetensors",
        "llm/tiny:1": "gguf",
        "vision/packed:2": None,
    }
    tiny = said["llm/tiny:1"]
    assert tiny["config"]["architecture"] == "llama"
    assert (tiny["descriptor"]["name"], tiny["descriptor"]["version"]) == ("llm/tiny", "1")
    assert tiny["descriptor"]["description"] == "says little"


def test_a_copy_by_skopeo_to_a_folder_is_refused_with_words_that_help(
    copied, container_registry, localreg_registry, tmp_path
):
    """A container registry does not give our record back, so it is not a bundle any more."""
    ref, _, _ = copied
    container_registry.copy_out(ref, f"oci:{tmp_path}/out:{ref}")
    with pytest.raises(BundleError, match="localreg did not write it") as error:
        localreg_registry.import_bundle(tmp_path / "out")
    assert "localreg add" in str(error.value)
    assert len(localreg_registry.models()) == 0


def test_an_image_holds_the_files_below_models(models, container_registry, tmp_path):
    from localreg import Registry

    place, files = models
    with Registry(place / "registry", durability="fast") as registry:
        registry.export("vision/packed:2", path=tmp_path / "b.tar", image=True)
    image = f"oci-archive:{tmp_path}/b.tar:vision/packed:2-image"
    found = json.loads(skopeo("inspect", "--override-arch=amd64", image))
    assert (found["Os"], len(found["Layers"])) == ("linux", 1)

    container_registry.copy_in(image, "images/packed:2", "--preserve-digests")
    assert container_registry.manifest("images/packed", "2") == skopeo("inspect", "--raw", image)
    container_registry.copy_out("images/packed:2", f"oci:{tmp_path}/oci:x")
    subprocess.run(
        [program("umoci"), "unpack", "--rootless", "--image", f"{tmp_path}/oci:x", tmp_path / "un"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert found_in(tmp_path / "un/rootfs/models") == files["vision/packed:2"]
    assert (tmp_path / "un/rootfs/models/code/run.sh").stat().st_mode & 0o111


def test_a_bundle_with_an_image_is_imported_like_one_without(models, tmp_path):
    from localreg import Registry

    with Registry(models[0] / "registry", durability="fast") as registry:
        registry.export("vision/packed:2", path=tmp_path / "b.tar", image=True)
    with Registry(tmp_path / "new", durability="fast") as registry:
        registry.import_bundle(tmp_path / "b.tar")
        copy = registry.model("vision/packed:2").get_local_copy()
        assert look(Path(copy)) == PACKAGE
        blobs = [path for path in (tmp_path / "new/blobs").rglob("*") if path.is_file()]
    assert len(blobs) == len({each.content for each in PACKAGE.values()}) + 1  # the manifest


def test_skopeo_copies_a_version_whose_name_it_would_refuse(localreg_registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = localreg_registry.add(tmp_path / "w.bin", "Straße __v2", project="模型")
    localreg_registry.export(model, path=tmp_path / "b.tar")
    name = f"Stra-e-v2:1-{model.id[:8]}"
    raw = skopeo("inspect", "--raw", f"oci-archive:{tmp_path}/b.tar:{name}")
    assert json.loads(raw)["annotations"]["vnd.localreg.model"] == model.id


def test_a_model_without_bytes_is_in_the_bundle_as_an_empty_layer(localreg_registry, tmp_path):
    from localreg import InputModel

    InputModel.import_model("s3://bucket/far.pt", name="far", project="vision")
    localreg_registry.export("vision/far", path=tmp_path / "b.tar")
    raw = skopeo("inspect", "--raw", f"oci-archive:{tmp_path}/b.tar:vision/far:1")
    (layer,) = json.loads(raw)["layers"]
    assert layer["mediaType"] == "application/vnd.oci.empty.v1+json"


def test_a_stream_is_the_same_bundle(models, tmp_path):
    from localreg import Registry

    stream = io.BytesIO()
    with Registry(models[0] / "registry", durability="fast") as registry:
        registry.export(path=stream, everything=True)
    assert stream.getvalue() == (models[0] / "b.tar").read_bytes()
