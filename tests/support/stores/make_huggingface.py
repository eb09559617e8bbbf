"""Make huggingface.tar.gz and huggingface.json: a cache of the Hugging Face Hub.

The library itself lays it out: it downloads from a hub on this machine (`servers/fake_hub.py`),
since there is no network here. huggingface.json is what `scan_cache_dir` says of the cache.

Run by hand with Python 3.11, huggingface_hub 2.4.0 and numpy 2:
HOME=/data/home PYTHONPATH=tests python tests/support/stores/make_huggingface.py
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ONE, TWO, OTHER, LORA, OLD = ("1" * 40, "2" * 40, "3" * 40, "4" * 40, "5" * 40)

CARD = """\
---
language:
- en
- de
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags:
- tiny
- text
datasets: [acme/words]
metrics:
- accuracy
model-index:
- name: tiny
  results: []
---
# Tiny

A model of {number} numbers.
"""
LORA_CARD = """\
---
license: mit
base_model: acme/tiny
base_model_relation: adapter
---
# An adapter
"""


def safetensors(*numbers):
    """Return a file in the format of safetensors with one vector."""
    head = json.dumps(
        {"w": {"dtype": "F32", "shape": [len(numbers)], "data_offsets": [0, 4 * len(numbers)]}}
    ).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + struct.pack(f"<{len(numbers)}f", *numbers)


CONFIG = b'{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}'


def bert(*numbers):
    """Return the files of a revision."""
    return {
        "README.md": CARD.format(number=len(numbers)).encode(),
        "config.json": CONFIG,
        "model.safetensors": safetensors(*numbers),
        "onnx/note.txt": b"nothing yet",
    }


REPOSITORIES = {
    "acme/tiny": (
        {ONE: bert(1.0, 2.0), TWO: bert(1.0, 2.0, 3.0), OTHER: bert(9.0)},
        {"main": TWO, "v1.0": ONE, "feature/x": ONE, "refs/pr/1": OTHER},
    ),
    "acme/tiny-lora": (
        {LORA: {"README.md": LORA_CARD.encode(), "adapter_config.json": b"{}",
                "adapter_model.safetensors": safetensors(0.5)}},
        {"main": LORA},
    ),
    "old": (
        {OLD: {"pytorch_model.bin": b"not a pickle", "config.json": b"{}", "vocab.txt": b"a\nb\n"}},
        {"main": OLD},
    ),
    "acme/words": ({ONE: {"data.csv": b"a,b\n"}}, {"main": ONE}),
}  # fmt: skip


def made(cache):
    """Download into a cache; the order is that of the versions."""
    from huggingface_hub import hf_hub_download, snapshot_download

    for revision in ("v1.0", "feature/x", "refs/pr/1", "main"):
        snapshot_download("acme/tiny", revision=revision, cache_dir=cache)
    snapshot_download("acme/tiny-lora", cache_dir=cache)
    for name in ("config.json", "pytorch_model.bin"):
        hf_hub_download("old", name, cache_dir=cache)
    hf_hub_download("acme/words", "data.csv", repo_type="dataset", cache_dir=cache)


def described(cache):
    """Return what the library says of a cache."""
    from huggingface_hub import scan_cache_dir

    found = scan_cache_dir(cache)
    assert not found.warnings, found.warnings
    repos = {}
    for repo in found.repos:
        revisions = {}
        for revision in repo.revisions:
            files = {}
            for file in revision.files:
                name = file.file_path.relative_to(revision.snapshot_path).as_posix()
                data = file.file_path.read_bytes()
                files[name] = {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": file.size_on_disk,
                    "blob": file.blob_path.name,
                }
            revisions[revision.commit_hash] = {
                "refs": sorted(revision.refs),
                "files": dict(sorted(files.items())),
            }
        repos[f"{repo.repo_type}/{repo.repo_id}"] = dict(sorted(revisions.items()))
    return dict(sorted(repos.items()))


def main():
    """Make both files."""
    sys.path.insert(0, str(HERE.parents[1]))
    from support.servers.fake_hub import FakeHub, serving

    folder = Path(tempfile.mkdtemp())
    try:
        with serving(FakeHub(REPOSITORIES)) as hub:
            os.environ |= {
                "HF_ENDPOINT": hub.url,
                "HF_HOME": str(folder / "home"),
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_XET": "1",
            }
            made(folder / "hub")
        (HERE / "huggingface.json").write_text(
            json.dumps(described(folder / "hub"), indent=1) + "\n", encoding="utf-8"
        )
        with tarfile.open(HERE / "huggingface.tar.gz", "w:gz") as tar:
            tar.add(folder / "hub", "hub", filter=_without_owner)
    finally:
        shutil.rmtree(folder)


def _without_owner(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if ".locks" in entry.name else entry


if __name__ == "__main__":
    main()
