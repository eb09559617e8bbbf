"""Manifests, configurations and the index of bundles: other tools read them, and so do we."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.errors import BundleError
from localreg.values.bundle_format import (
    EMPTY,
    EMPTY_JSON,
    EMPTY_TYPE,
    EVENTS,
    FILE,
    MANIFEST_TYPE,
    MODEL,
    NOTES,
    RECORD,
    Descriptor,
    ModelFacts,
    canonical_json,
    descriptor_of_manifest,
    index_pieces,
    kind_of,
    line_of,
    model_config,
    model_manifest,
    notes_pieces,
    omitted_digests,
    owned,
    read_index,
    read_lines,
    read_manifest,
    read_notes,
    record_manifest,
)
from localreg.values.manifest import PackageFile
from localreg.values.paths import is_package_path
from localreg.values.records import Owner

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
PATHS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(is_package_path)
FILES = st.builds(PackageFile, PATHS, DIGESTS, st.integers(0, 2**63 - 1), st.booleans())
SUBJECT = Descriptor(MANIFEST_TYPE, "a" * 64, 7, MODEL)
ID = "0123456789abcdef" * 2
# The properties that ModelPack allows, and no other.
DESCRIPTOR = {
    "createdAt", "authors", "family", "name", "docURL", "sourceURL", "datasetsURL", "version",
    "revision", "vendor", "licenses", "title", "description",
}  # fmt: skip
CONFIG = {
    "architecture", "format", "paramSize", "precision", "quantization", "transformerConfig",
    "capabilities",
}  # fmt: skip


@given(st.lists(FILES, max_size=5), st.integers(1, 300))
def test_a_manifest_comes_back_however_its_bytes_are_cut(files, size):
    config = Descriptor("application/json", "b" * 64, 9)
    manifest = model_manifest(ID, config, files)
    data = manifest.encoded()
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert read_manifest(pieces, "0" * 64) == manifest
    assert manifest.files() == files
    assert manifest.model == ID
    assert canonical_json(json.loads(data)) == data


def test_a_manifest_is_that_of_model_pack():
    files = [
        PackageFile("model.safetensors", "c" * 64, 12),
        PackageFile("a/run.sh", "d" * 64, 3, True),
    ]
    manifest = json.loads(model_manifest(ID, EMPTY, files).encoded())
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    weight, code = manifest["layers"]
    assert weight["mediaType"] == "application/vnd.cncf.model.weight.v1.raw"
    assert code["mediaType"] == "application/vnd.cncf.model.code.v1.raw"
    assert (weight["digest"], weight["size"]) == (f"sha256:{'c' * 64}", 12)
    assert weight["annotations"]["org.cncf.model.filepath"] == "model.safetensors"
    assert weight["annotations"]["org.opencontainers.image.title"] == "model.safetensors"
    assert json.loads(weight["annotations"]["org.cncf.model.file.metadata+json"]) == {
        "name": "model.safetensors", "mode": 420, "uid": 0, "gid": 0, "size": 12,
        "mtime": "1970-01-01T00:00:00Z", "typeflag": 48,
    }  # fmt: skip
    assert json.loads(code["annotations"]["org.cncf.model.file.metadata+json"])["mode"] == 493


def test_the_only_file_of_a_model_is_its_weights():
    manifest = model_manifest(ID, EMPTY, [PackageFile("labels.txt", "c" * 64, 12)])
    assert manifest.layers[0].media_type == "application/vnd.cncf.model.weight.v1.raw"


def test_a_model_without_bytes_has_an_empty_layer():
    manifest = model_manifest(ID, EMPTY, [])
    assert [each.media_type for each in manifest.layers] == [EMPTY_TYPE]
    assert manifest.files() == []
    config = json.loads(model_config(ModelFacts(name="net"), []))
    assert config["modelfs"]["diffIds"] == [f"sha256:{EMPTY.digest}"]
    assert hashlib.sha256(EMPTY_JSON).hexdigest() == EMPTY.digest


@given(
    st.builds(
        ModelFacts,
        name=TEXTS.filter(bool), version=st.none() | TEXTS,
        created=st.none() | st.integers(-(2**50), 2**50), title=st.none() | TEXTS,
        description=st.none() | TEXTS, family=st.none() | TEXTS, revision=st.none() | TEXTS,
        source=st.none() | TEXTS, licenses=st.lists(TEXTS, max_size=3).map(tuple),
        architecture=st.none() | TEXTS, format=st.none() | TEXTS, parameters=st.none() | TEXTS,
        precision=st.none() | TEXTS, quantization=st.none() | TEXTS,
    ),
    st.lists(FILES, max_size=3),
)  # fmt: skip
def test_a_configuration_has_only_what_model_pack_allows(facts, files):
    data = model_config(facts, files)
    config = json.loads(data)
    assert config.keys() == {"descriptor", "config", "modelfs"}
    assert config["descriptor"].keys() <= DESCRIPTOR
    assert config["config"].keys() <= CONFIG
    assert None not in [*config["descriptor"].values(), *config["config"].values()]
    assert config["modelfs"].keys() == {"type", "diffIds"}
    assert config["modelfs"]["type"] == "layers"
    assert len(config["modelfs"]["diffIds"]) == max(1, len(files))
    if facts.created is not None:
        moment = config["descriptor"]["createdAt"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert data == model_config(facts, files)


def test_a_record_does_not_depend_on_the_order_of_its_layers():
    layers = [
        Descriptor(EVENTS, "c" * 64, 1),
        Descriptor(FILE, "b" * 64, 1),
        Descriptor(NOTES, "a" * 64, 2),
    ]
    reports = [owned(layers[2], Owner("task", each * 32)) for each in "de"]
    first = record_manifest([*layers, *reports], SUBJECT, ID)
    second = record_manifest([*reversed(reports), *reversed(layers)], SUBJECT, ID)
    assert first.encoded() == second.encoded()
    found = read_manifest([first.encoded()], "0" * 64)
    assert (found.artifact_type, found.subject, found.model) == (RECORD, SUBJECT, ID)
    owners = {each.owner for each in found.of_type(NOTES)}
    assert owners == {None, Owner("task", "d" * 32), Owner("task", "e" * 32)}
    assert json.loads(first.encoded())["config"]["mediaType"] == EMPTY_TYPE


@pytest.mark.parametrize("owner", ["", "task", "task/", "task/x", f"user/{ID}", f"task/{ID}0"])
def test_a_strange_owner_is_refused(owner):
    """P25."""
    layer = Descriptor(NOTES, "a" * 64, 2, None, {"vnd.localreg.owner": owner})
    with pytest.raises(BundleError, match="its owner is"):
        layer.owner  # noqa: B018  (reading it checks it)


@given(st.sets(DIGESTS, max_size=8), st.integers(1, 200))
def test_the_index_names_manifests_however_its_bytes_are_cut(digests, size):
    manifest = model_manifest(ID, EMPTY, [])
    listed = [
        descriptor_of_manifest(manifest, digest, number, f"vision/é:{number}" if number else None)
        for number, digest in enumerate(sorted(digests))
    ]
    data = b"".join(index_pieces(canonical_json(each.encoded()) for each in listed))
    assert canonical_json(json.loads(data)) == data
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert list(read_index(pieces)) == listed
    assert [each.ref for each in read_index(pieces)][1:] == [
        f"vision/é:{number}" for number in range(1, len(digests))
    ]


def test_a_number_may_be_cut():
    manifest = model_manifest(ID, EMPTY, [])
    data = manifest.encoded()[:-1] + b',"more":123456,"most":-1.5e10}'
    assert read_manifest([bytes([each]) for each in data], "0" * 64) == manifest


def test_the_order_of_properties_does_not_matter():
    """Other programs write JSON in other orders, and with blanks."""
    manifest = model_manifest(ID, EMPTY, [PackageFile("a", "b" * 64, 1)])
    found = json.loads(manifest.encoded())
    text = json.dumps(dict(reversed(found.items())), indent=3).encode()
    assert read_manifest([text], "0" * 64) == manifest
    index = json.loads(b"".join(index_pieces([canonical_json(SUBJECT.encoded())])))
    text = json.dumps(dict(reversed(index.items())), indent=3).encode()
    assert list(read_index([text])) == [SUBJECT]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("model.safetensors", "weight"), ("pytorch_model.bin", "weight"), ("net.pt", "weight"),
     ("a/b.gguf", "weight"), ("weights", "weight"), ("x.onnx", "weight"), ("a.npz", "weight"),
     (".json/weights", "weight"), ("config.json", "weight.config"), ("p.yaml", "weight.config"),
     ("a/TOKENIZER.JSON", "weight.config"), ("tokenizer.model", "weight.config"),
     ("merges.txt", "weight.config"), ("README.md", "doc"), ("readme", "doc"), ("LICENSE", "doc"),
     ("LICENSE.txt", "doc"), ("a/plot.png", "doc"), ("run.py", "code"), ("Dockerfile", "code"),
     ("requirements.txt", "code"), ("train.csv", "dataset"), ("train.jsonl", "dataset"),
     ("a.parquet", "dataset")],
)  # fmt: skip
def test_what_a_file_is_follows_from_its_name(path, kind):
    assert kind_of(path) == kind


@given(st.lists(st.none() | st.integers() | TEXTS | st.lists(TEXTS)), st.integers(1, 40))
def test_lines_come_back_however_their_bytes_are_cut(found, size):
    data = b"".join(map(line_of, found))
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert list(read_lines(pieces, "notes")) == found


@given(st.sets(st.binary(min_size=32, max_size=32)), st.integers(1, 100))
def test_omitted_digests_come_back_however_they_are_cut(digests, size):
    data = b"".join(sorted(digests))
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert list(omitted_digests(pieces)) == sorted(digests)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_an_error_or_a_manifest(data):
    """P18."""
    for read in (lambda: read_manifest([data], "0" * 64), lambda: list(read_index([data]))):
        with pytest.raises(BundleError):
            read()


def test_nothing_is_written_that_is_not_json():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))


def test_notes_are_the_canonical_json_of_what_is_read_from_them():
    missing = [{"ref": "net:1", "digest": None}, {"ref": "é:2", "digest": "0" * 64}]
    for found in ([], missing):
        data = b"".join(notes_pieces(map(canonical_json, found), history=True, whole=False))
        notes = {"v": 1, "history": True, "whole": False, "missing": found}
        assert data == canonical_json(notes)
        parts = [data[at : at + 3] for at in range(0, len(data), 3)]
        assert list(read_notes(parts, "notes")) == [
            ("history", True),
            *(("missing", each) for each in found),
            ("v", 1),
            ("whole", False),
        ]


def test_notes_of_a_million_models_are_read_and_more_files_than_that_are_refused():
    """As one value of JSON they would have too many parts."""
    lines = [
        canonical_json({"ref": "net:1", "digest": None, "size": None, "why": "gone"})
    ] * 260_000
    pieces = list(notes_pieces(lines, history=True, whole=True))
    assert sum(name == "missing" for name, _ in read_notes(pieces, "notes")) == 260_000
    with pytest.raises(BundleError, match="more than 1,000 files"):
        list(read_notes(pieces, "notes", most=1_000))
