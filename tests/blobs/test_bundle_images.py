"""Plain images in bundles: a layer with the files of a model, for tools that know only images."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from support.bundles import Blobs
from support.servers.container_registry import skopeo
from support.servers.object_servers import program

from localreg.blobs.bundles.drafting import Draft
from localreg.blobs.bundles.image_layer import image_layer
from localreg.blobs.bundles.reading import open_bundle
from localreg.blobs.bundles.tar_entries import header
from localreg.blobs.bundles.writing import write_file, write_folder
from localreg.errors import CorruptBlobError, InvalidValueError
from localreg.values.bundle_format import ModelFacts, is_image, ref_name

MODEL = "0123456789abcdef0123456789abcdef"
FILES = {
    "model.safetensors": b"w" * 5_000,
    "run.sh": b"#!/bin/sh\n",
    "empty": b"",
    "a/b/c.bin": b"c" * 512,
    "a/ü name\twith 'signs'.bin": b"u",
    "d" * 200: b"long",
    "/".join(["deep" * 10] * 12): b"longer than a header",
    "a" * 90 + "/" + "b" * 90: b"divided",
}


@pytest.fixture
def blobs(tmp_path):
    (tmp_path / "blobs").mkdir()
    return Blobs(tmp_path / "blobs")


def bundle(blobs, files=FILES):
    draft = Draft(io.BytesIO())
    listed = blobs.package(files)
    facts = ModelFacts(name="vision/resnet", version="1", created=0)
    subject = draft.add_model(MODEL, "vision/resnet:1", facts, listed)
    draft.add_image(MODEL, "vision/resnet:1-image", listed, blobs.find)
    draft.add_record([], subject, MODEL)
    draft.add_record([])
    return draft.finished()


def found_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_tar_unpacks_the_layer(blobs, tmp_path):
    layer = image_layer(blobs.package(FILES), blobs.find)
    data = b"".join(layer.pieces(blobs.find))
    assert (len(data), hashlib.sha256(data).hexdigest()) == (layer.size, layer.digest)
    (tmp_path / "layer.tar").write_bytes(data)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "layer.tar", "-C", tmp_path / "out"], check=True)
    assert found_in(tmp_path / "out/models") == FILES
    assert (tmp_path / "out/models/run.sh").stat().st_mode & 0o777 == 0o755
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    assert [each.name for each in members if each.isdir()][:1] == ["models"]
    assert {each.mtime for each in members} == {0}
    assert {each.mode for each in members if each.isfile()} == {0o644, 0o755}


@pytest.mark.parametrize("size", [0, 8**11 - 1, 8**11, 10**12])
@pytest.mark.parametrize("name", ["short", "ü", "x" * 300, "y" * 80 + "/" + "é" * 60])
def test_headers_of_every_name_and_size_are_read_by_tarfile(name, size):
    made = header(name, size)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        found = tar.next()
    assert (found.name, found.size) == (name, size)


def test_the_order_of_the_files_does_not_matter(blobs):
    listed = blobs.package(FILES)
    assert image_layer(listed, blobs.find) == image_layer(listed[::-1], blobs.find)


def test_a_name_that_deletes_in_images_is_an_error(blobs):
    with pytest.raises(InvalidValueError, match=r"a/\.wh\.b cannot be in an image"):
        image_layer(blobs.package({"a/.wh.b": b""}), blobs.find)


def test_a_damaged_blob_does_not_become_a_layer(blobs):
    listed = blobs.package(FILES)
    blobs.find(listed[0].digest).write_bytes(b"v" * 5_000)
    with pytest.raises(CorruptBlobError):
        image_layer(listed, blobs.find)


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_reader_passes_over_images(blobs, tmp_path, write):
    write(bundle(blobs), blobs.find, tmp_path / "b.tar")
    with open_bundle(tmp_path / "b.tar", tmp_path / "spool") as read:
        taken = {each.digest for each in read.blobs(lambda digest, size: True)}
        images = [each for _, each in read.manifests() if is_image(each)]
    assert taken == {hashlib.sha256(data).hexdigest() for data in FILES.values()}
    assert len(images) == 2


def test_the_layer_of_an_image_that_is_a_model_too_is_read(blobs, tmp_path):
    layer = image_layer(blobs.package(FILES), blobs.find)
    draft = Draft(io.BytesIO())
    facts = ModelFacts(name="layer", version="1", created=0)
    same = blobs.package({"layer.tar": b"".join(layer.pieces(blobs.find))})
    subject = draft.add_model(MODEL, "layer:1", facts, same)
    draft.add_image(MODEL, "vision/resnet:1-image", blobs.package(FILES), blobs.find)
    draft.add_record([], subject, MODEL)
    draft.add_record([])
    write_file(draft.finished(), blobs.find, tmp_path / "b.tar")
    with open_bundle(tmp_path / "b.tar", tmp_path / "spool") as read:
        assert [each.digest for each in read.blobs(lambda digest, size: True)] == [layer.digest]


def test_skopeo_knows_the_images_and_umoci_unpacks_one(blobs, tmp_path):
    write_file(bundle(blobs), blobs.find, tmp_path / "b.tar")
    for ref, machine in (("1-image", "amd64"), ("1-image-arm64", "arm64")):
        found = json.loads(
            skopeo(
                "inspect", f"--override-arch={machine}",
                f"oci-archive:{tmp_path}/b.tar:vision/resnet:{ref}",
            )
        )  # fmt: skip
        assert (found["Architecture"], found["Os"], len(found["Layers"])) == (machine, "linux", 1)
    skopeo("copy", f"oci-archive:{tmp_path}/b.tar:vision/resnet:1-image", f"oci:{tmp_path}/oci:x")
    subprocess.run(
        [program("umoci"), "unpack", "--rootless", "--image", f"{tmp_path}/oci:x", tmp_path / "un"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert found_in(tmp_path / "un/rootfs/models") == FILES


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("vision/resnet:1", "vision/resnet:1"),
        ("UP/a.b+c@d--e_f:12", "UP/a.b+c@d--e_f:12"),
        ("__net v2:1", "net-v2:1-01234567"),
        ("模型/权重:3", "model:3-01234567"),
        ("a//b-/c:1", "a/b/c:1-01234567"),
    ],
)
def test_skopeo_takes_the_name_of_every_reference(blobs, tmp_path, ref, name):
    assert ref_name(ref, MODEL) == name
    draft = Draft(io.BytesIO())
    subject = draft.add_model(MODEL, name, ModelFacts(name="a"), blobs.package({"a": b"a"}))
    draft.add_record([], subject, MODEL)
    draft.add_record([])
    write_file(draft.finished(), blobs.find, tmp_path / "b.tar")
    raw = skopeo("inspect", "--raw", f"oci-archive:{tmp_path}/b.tar:{name}")
    assert hashlib.sha256(raw).hexdigest() == subject.digest


def test_models_of_one_reference_have_names_of_their_own():
    assert ref_name("a:4", MODEL, shared=True) == "a:4-01234567"
