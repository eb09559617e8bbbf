"""The container registry that tests start keeps what skopeo brings, and gives it to others."""

from __future__ import annotations

import hashlib
import json

from support.servers.container_registry import MANIFEST, skopeo

TITLE = "org.opencontainers.image.title"


def layout(folder, name):
    """Write an OCI layout by hand, of one model with one file; return its manifest's bytes."""
    (folder / "blobs/sha256").mkdir(parents=True)

    def blob(kind, data, **more):
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data), **more}

    weights = blob(
        "application/vnd.cncf.model.weight.v1.raw", b"weights", annotations={TITLE: "w/a.bin"}
    )
    config = {
        "descriptor": {"name": "a"},
        "config": {},
        "modelfs": {"type": "layers", "diffIds": [weights["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.cncf.model.manifest.v1+json",
        "config": blob("application/vnd.cncf.model.config.v1+json", json.dumps(config).encode()),
        "layers": [weights],
    }
    written = json.dumps(manifest, indent=1).encode()
    named = blob(MANIFEST, written, annotations={"org.opencontainers.image.ref.name": name})
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return written


def test_a_layout_written_by_hand_goes_in_and_out_unchanged(container_registry, tmp_path):
    manifest = layout(tmp_path / "in", "some/model:1")
    container_registry.copy_in(f"oci:{tmp_path}/in:some/model:1", "by-hand:1")
    assert container_registry.manifest("by-hand", "1") == manifest
    container_registry.copy_out("by-hand:1", f"oci:{tmp_path}/out:x:1")
    assert skopeo("inspect", "--raw", f"oci:{tmp_path}/out:x:1") == manifest


def test_oras_and_modelpack_client_pull_its_file(container_registry, tmp_path):
    layout(tmp_path / "in", "some/model:1")
    container_registry.copy_in(f"oci:{tmp_path}/in:some/model:1", "pulled:1")
    container_registry.pull_with_oras("pulled:1", tmp_path / "oras")
    container_registry.pull_with_modelpack("pulled:1", tmp_path / "modelpack")
    assert (tmp_path / "oras/w/a.bin").read_bytes() == b"weights"
    assert (tmp_path / "modelpack/w/a.bin").read_bytes() == b"weights"
