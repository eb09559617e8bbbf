"""Make ollama.zip and ollama.json: a store as Ollama keeps it.

Ollama itself did not make it: it does not run here. The layout follows its source (the packages
`manifest` and `types/model` of https://github.com/ollama/ollama, of 2026), and the models are real
files that gguf 0.19 wrote. ollama.json says what `ollama list` and `ollama show` are documented to
say of such a store.

Run by hand: .venv/bin/python tests/support/stores/make_ollama.py
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).parent
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.ollama.image."
HOST = "registry.ollama.ai"


def gguf_file(name, numbers, file_type=gguf.LlamaFileType.MOSTLY_F16):
    """Return a GGUF file with one tensor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_name(name)
        writer.add_file_type(file_type)
        writer.add_context_length(2_048)
        writer.add_tensor("token_embd.weight", np.asarray(numbers, np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


TINY, OTHER = gguf_file("Tiny", range(32)), gguf_file("Other", range(64))
ADAPTER, PROJECTOR = gguf_file("Adapter", range(8)), gguf_file("Projector", range(16))
FACTS = {
    "model_format": "gguf", "model_family": "llama", "model_families": ["llama"],
    "model_type": "32", "file_type": "F16", "architecture": "amd64", "os": "linux",
}  # fmt: skip

# By the name of a model: its tags, configuration, and layers with the model that each is from.
MODELS = {
    f"{HOST}/library/tiny": (
        ("latest", "1b"),
        FACTS,
        [
            ("model", TINY, None),
            ("template", b"{{ .Prompt }}", None),
            ("system", b"You are tiny.", None),
            ("license", b"MIT License\n", None),
            ("license", b"Acceptable use\n", None),
            ("params", b'{"stop":["<end>"],"temperature":0.5}', None),
        ],
    ),
    f"{HOST}/me/tiny-chat": (
        ("latest",),
        FACTS | {"capabilities": ["completion", "vision"], "context_length": 2_048},
        [
            ("model", TINY, "tiny:latest"),
            ("adapter", ADAPTER, None),
            ("projector", PROJECTOR, None),
            ("messages", b'[{"role":"user","content":"hi"}]', None),
        ],
    ),
    "hf.co/acme/Tiny-GGUF": (("Q4_K_M",), FACTS, [("model", OTHER, "/data/other.gguf")]),
    f"{HOST}/library/cloud": (
        ("latest",),
        {"remote_host": "https://ollama.com:443", "remote_model": "large"},
        [],
    ),
}


def digest_of(data):
    """Return the digest of bytes as Ollama writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def files(models=None):
    """Return the files of a store by their paths."""
    found = {}
    for name, (tags, config, layers) in (MODELS if models is None else models).items():
        listed = []
        for kind, data, origin in layers:
            layer = {"mediaType": f"{LAYER}{kind}", "digest": digest_of(data), "size": len(data)}
            listed.append(layer | ({"from": origin} if origin else {}))
            found[f"blobs/{digest_of(data).replace(':', '-')}"] = data
        digests = [each["digest"] for each in listed]
        config_text = json.dumps(
            config | {"rootfs": {"type": "layers", "diff_ids": digests}}
        ).encode()
        found[f"blobs/{digest_of(config_text).replace(':', '-')}"] = config_text
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER,
            "config": {
                "mediaType": CONFIG,
                "digest": digest_of(config_text),
                "size": len(config_text),
            },
            "layers": listed,
        }
        for tag in tags:
            found[f"manifests/{name}/{tag}"] = json.dumps(manifest).encode()
    return found


def described():
    """Return what `ollama list` and `ollama show` would say."""
    found = files()
    models = {}
    for name, (tags, config, layers) in MODELS.items():
        manifest = found[f"manifests/{name}/{tags[0]}"]
        models[name] = {
            "id": hashlib.sha256(manifest).hexdigest(),
            "tags": sorted(tags),
            "config": config,
            "layers": [
                {"kind": kind, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                for kind, data, _ in layers
            ],
        }
    return models


def main():
    """Make both files."""
    (HERE / "ollama.json").write_text(json.dumps(described(), indent=1) + "\n", encoding="utf-8")
    with zipfile.ZipFile(HERE / "ollama.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files().items()):
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 2, 3, 4, 6)), data)


if __name__ == "__main__":
    main()
