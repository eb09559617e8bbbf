"""A store as Ollama keeps it, brought here, and such stores as strangers may make."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers
from support.stores.make_ollama import DOCKER, HOST, LAYER, OTHER, TINY, digest_of, files

from localreg import Registry
from localreg.errors import InvalidValueError, SourceError

TINY_NAME, CHAT = f"{HOST}/library/tiny", f"{HOST}/me/tiny-chat"
NAMES = {
    "model": "model.gguf",
    "adapter": "adapter.gguf",
    "projector": "projector.gguf",
    "template": "template.txt",
    "system": "system.txt",
    "params": "params.json",
    "messages": "messages.json",
    "license": "LICENSE",
}


@pytest.fixture
def store(tmp_path):
    """Return the folder of a store."""
    return unpacked("ollama", tmp_path)


def manifest_of(store, name=TINY_NAME, tag="latest"):
    """Return the file of a manifest."""
    return store / "manifests" / name / tag


def change(file, made):
    """Change the JSON of a file by a function."""
    known = json.loads(file.read_text(encoding="utf-8"))
    made(known)
    file.write_text(json.dumps(known), encoding="utf-8")


def write(store, found):
    """Write files of a store by their paths."""
    for path, data in found.items():
        (store / path).parent.mkdir(parents=True, exist_ok=True)
        (store / path).write_bytes(data)


def test_every_manifest_comes_as_ollama_shows_it(registry, store):
    done = brought(registry, store, "ollama")
    for name, said in said_of("ollama").items():
        _, namespace, short = name.split("/")
        project = None if namespace == "library" else namespace
        (model,) = registry.query_models(project_name=project, model_name=short)
        assert sorted(registry.model(model.id).aliases) == said["tags"]
        values = {key: each["value"] for key, each in model.get_all_metadata_casted().items()}
        assert values.pop("manifest") == said["id"]
        assert values.pop("repository") == name
        config = said["config"]
        known = {
            "format": config.get("model_format"),
            "family": config.get("model_family"),
            "families": config.get("model_families"),
            "parameter_size": config.get("model_type"),
            "quantization": config.get("file_type"),
            "capabilities": config.get("capabilities"),
            "context_length": config.get("context_length"),
            "remote_host": config.get("remote_host"),
            "remote_model": config.get("remote_model"),
        }
        assert values == {key: value for key, value in known.items() if value is not None}
        sums = sorted(layer["sha256"] for layer in said["layers"])
        if not sums:
            assert model.digest is None
            continue
        came = files_of(model)
        assert sorted(hashlib.sha256(data).hexdigest() for data in came.values()) == sums
        if len(sums) > 1:
            assert {each.replace("LICENSE-2", "LICENSE") for each in came} == {
                NAMES[layer["kind"]] for layer in said["layers"]
            }
        assert model.framework == "GGUF"
    assert not done.left
    assert not done.arrived.missing


def test_a_model_made_from_another_has_it_as_its_parent(registry, store):
    brought(registry, store, "ollama")
    parents = {each.ref: each.parent for each in registry.query_models().records()}
    assert parents == {
        "tiny:1": None,
        "me/tiny-chat:1": registry.model("tiny:1").id,
        "acme/Tiny-GGUF:1": None,
        "cloud:1": None,
    }


def test_no_path_of_the_machine_comes(registry, store):
    brought(registry, store, "ollama")
    assert not any("/data/other.gguf" in line for line in registry.db.conn.iterdump())


def test_what_is_in_the_weights_is_known(registry, store):
    brought(registry, store, "ollama")
    _, out, _ = run_cli("show", "acme/Tiny-GGUF@Q4_K_M")
    assert "inside     gguf: 64 parameters in 1 tensor, F16 64" in out
    assert "context length: 2,048" in out


def test_twice_is_once(registry, store):
    brought(registry, store, "ollama")
    before = counts(registry)
    assert not brought(registry, store, "ollama").arrived.events
    assert counts(registry) == before


def test_a_tag_that_was_pulled_again_is_the_next_version(registry, store):
    brought(registry, store, "ollama")
    changed = files({TINY_NAME: (("latest",), {"model_format": "gguf"}, [("model", OTHER, None)])})
    write(store, changed)
    done = brought(registry, store, "ollama")
    assert done.arrived.models == ("tiny:2",)
    assert [*registry.model("tiny:2").aliases] == ["latest"]
    assert [*registry.model("tiny:1").aliases] == ["1b"]


@pytest.mark.parametrize("data", [OTHER, TINY])
@pytest.mark.parametrize(("when", "number"), [(1_600_000_000, 1), (1_900_000_000, 2)])
def test_older_manifests_are_lower_versions(registry, store, data, when, number):
    write(store, files({TINY_NAME: (("other",), {}, [("model", data, None)])}))
    os.utime(manifest_of(store, tag="other"), (when, when))
    for tag in ("latest", "1b"):
        os.utime(manifest_of(store, tag=tag), (1_700_000_000, 1_700_000_000))
    brought(registry, store, "ollama")
    assert registry.model("tiny@other").version == number


def test_manifests_of_newer_versions_are_links_to_blobs(registry, store):
    place = manifest_of(store)
    data = place.read_bytes()
    newer = store / "manifests-v2" / TINY_NAME / "latest"
    newer.parent.mkdir(parents=True)
    blob = f"sha256-{hashlib.sha256(data).hexdigest()}"
    (store / "blobs" / blob).write_bytes(data)
    newer.symlink_to(f"../../../../blobs/{blob}")
    write(store, files({TINY_NAME: (("latest",), {}, [("model", OTHER, None)])}))  # a stale one
    brought(registry, store, "ollama")
    assert sorted(registry.model("tiny:1").aliases) == ["1b", "latest"]
    (store / "blobs" / blob).write_bytes(data + b" ")
    with pytest.raises(SourceError, match="should have the sha256"):
        brought(registry, store, "ollama")


def test_of_several_forms_of_a_model_the_one_that_ollama_prefers_comes(registry, store):
    inner = manifest_of(store, "hf.co/acme/Tiny-GGUF", "Q4_K_M").read_bytes()
    digest = digest_of(inner)
    write(store, {f"blobs/{digest.replace(':', '-')}": inner})
    listed = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.ollama.manifest.list.v2+json",
        "manifests": [
            {"mediaType": DOCKER, "digest": digest_of(b"gone"), "runner": "mlx"},
            {"mediaType": DOCKER, "digest": digest, "runner": "ollama"},
        ],
    }
    write(store, {f"manifests/{HOST}/library/both/latest": json.dumps(listed).encode()})
    done = brought(registry, store, "ollama")
    assert files_of(registry.model("both:1")) == {"model.gguf": OTHER}
    assert done.left == {"forms of models for other runners": 1}


def test_older_stores_have_colons_in_the_names_of_blobs(registry, store):
    for each in (store / "blobs").iterdir():
        each.rename(each.with_name(each.name.replace("-", ":")))
    assert not brought(registry, store, "ollama").arrived.missing


def test_layers_of_unknown_kinds_are_counted(registry, store):
    place = manifest_of(store, CHAT)
    layer = {"digest": digest_of(TINY), "size": len(TINY)}
    change(
        place,
        lambda known: known["layers"].extend(
            [
                layer | {"mediaType": f"{LAYER}dream"},
                layer | {"mediaType": f"{LAYER}tensor", "name": "../../x"},
                layer | {"mediaType": f"{LAYER}tensor", "name": "w.weight"},
            ]
        ),
    )
    done = brought(registry, store, "ollama")
    assert done.left == {
        "layers of the kind dream": 1,
        "layers whose names no package can have": 1,
    }
    assert files_of(registry.model("me/tiny-chat:1"))["tensors/w.weight"] == TINY


def test_downloads_that_were_not_finished_are_listed(registry, store):
    blob = store / "blobs" / digest_of(OTHER).replace(":", "-")
    blob.rename(f"{blob}-partial")
    (store / "blobs" / f"{blob.name}-partial-0").write_bytes(b"{}")
    done = brought(registry, store, "ollama")
    assert done.left == {"parts of downloads that were not finished": 2}
    (missing,) = done.arrived.missing
    assert (missing.ref, missing.size) == ("acme/Tiny-GGUF:1", len(OTHER))
    assert missing.why == "the bytes of model.gguf are not in the store"
    blob.with_name(f"{blob.name}-partial").rename(blob)
    assert not brought(registry, store, "ollama").arrived.missing
    assert files_of(registry.model("acme/Tiny-GGUF:1")) == {"model.gguf": OTHER}


def test_registries_that_imported_the_same_store_meet(registry, store, tmp_path):
    with Registry(tmp_path / "other") as other:
        brought(other, store, "ollama")
    write(store, files({TINY_NAME: (("2b",), {}, [("model", OTHER, None)])}))
    brought(registry, store, "ollama")
    before = counts(registry)["model"]
    registry.merge(tmp_path / "other")
    assert counts(registry)["model"] == before == 5


def test_references_leave_a_single_file_where_it_is(registry, store):
    brought(registry, store, "ollama", reference=True)
    model = registry.model("acme/Tiny-GGUF:1")
    assert model.url == (store / "blobs" / digest_of(OTHER).replace(":", "-")).as_uri()
    assert [*files_of(model).values()] == [OTHER]


def test_the_folder_around_a_store_is_found_out(registry, store, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shutil.move(store, home / "models")
    brought(registry, home, "ollama")
    assert len(registry.query_models()) == 4
    with pytest.raises(InvalidValueError, match="must be a folder with manifests and blobs"):
        brought(registry, tmp_path, "ollama")


# --- what strangers send


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../x", "../../../../etc/passwd", "sha256:" + "0" * 63, "md5:" + "0" * 32, 7, None,
     "sha256-/etc/passwd", "sha256:" + "0" * 64 + "\n"],
)  # fmt: skip
@pytest.mark.parametrize("part", ["layers", "config"])
def test_digests_that_are_none_are_errors(registry, store, digest, part):
    if part == "config" and digest is None:
        return
    change(
        manifest_of(store),
        lambda known: (known["layers"][0] if part == "layers" else known["config"]).update(
            digest=digest
        ),
    )
    with pytest.raises(SourceError, match="has a digest that is no sha256"):
        brought(registry, store, "ollama")
    assert not registry.query_models()


@pytest.mark.parametrize("size", [-1, 1.5, True, None, "7", 10**30])
def test_sizes_that_are_none_are_errors(registry, store, size):
    change(manifest_of(store), lambda known: known["layers"][0].update(size=size))
    with pytest.raises(SourceError, match="has a layer without a size"):
        brought(registry, store, "ollama")


def test_a_size_that_lies_is_an_error(registry, store):
    change(manifest_of(store), lambda known: known["layers"][0].update(size=10**12))
    with pytest.raises(SourceError, match=r"has 288 bytes; .* says 1,000,000,000,000"):
        brought(registry, store, "ollama")


def test_damage_names_the_blob(registry, store):
    blob = store / "blobs" / digest_of(TINY).replace(":", "-")
    blob.write_bytes(TINY[:-1] + b"\1")
    before = counts(registry)
    with pytest.raises(SourceError, match=blob.name):
        brought(registry, store, "ollama")
    assert counts(registry) == before


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd"])
@pytest.mark.parametrize("part", ["blob", "manifest", "blobs", "manifests"])
def test_links_out_of_the_store_are_errors(registry, store, tmp_path, target, part):
    place = {
        "blob": store / "blobs" / digest_of(TINY).replace(":", "-"),
        "manifest": manifest_of(store),
        "blobs": store / "blobs",
        "manifests": store / "manifests",
    }[part]
    if place.is_dir():
        shutil.move(place, tmp_path / "away")
        place.symlink_to(tmp_path / "away")
    else:
        place.unlink()
        place.symlink_to(target)
    with pytest.raises(SourceError, match="outside"):
        brought(registry, store, "ollama")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"7", b"{", b'{"layers": {}}', b'{"layers": [7]}', b"[" * 100_000,
     b'{"config": []}', b"\xff\xfe",
     b'{"mediaType": "application/vnd.ollama.manifest.list.v2+json"}'],
)  # fmt: skip
def test_manifests_that_are_none_are_errors(registry, store, text):
    manifest_of(store).write_bytes(text)
    with pytest.raises(SourceError, match="latest"):
        brought(registry, store, "ollama")
    assert not registry.query_models()


def test_files_that_are_no_manifests_are_counted(registry, store):
    (store / "manifests/.DS_Store").write_bytes(b"x")
    (manifest_of(store).parent / "a\nb").write_bytes(b"x")
    (manifest_of(store).parent / "-x").write_bytes(b"x")
    done = brought(registry, store, "ollama")
    assert done.left == {"files that are no manifests": 3}


def test_a_configuration_of_a_stranger_is_an_error_or_metadata(registry, store):
    config = json.loads(manifest_of(store, CHAT).read_text(encoding="utf-8"))["config"]
    blob = store / "blobs" / config["digest"].replace(":", "-")
    blob.write_bytes(b"{}")
    with pytest.raises(SourceError, match="another sha256"):
        brought(registry, store, "ollama")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40 * TIMES))
def test_no_damage_of_a_manifest_or_configuration_is_more_than_an_error(registry, store, seed):
    made = random_numbers(seed)
    config = json.loads(manifest_of(store).read_text(encoding="utf-8"))["config"]["digest"]
    blob = store / "blobs" / config.replace(":", "-")
    survives(registry, store, "ollama", made, made.choice([manifest_of(store), blob]))
