r"""Make a store of BentoML, and write what its own API says about it.

Run it by hand, in a scratch environment that has BentoML 1.4.40, with a home of its own::

    env -i HOME=/tmp/anna BENTOML_HOME=/data/of-bentoml BENTOML_DO_NOT_TRACK=True \
        python make_bentoml.py bentoml.zip bentoml.json
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import bentoml
from bentoml.models import ModelContext

DATA = Path(os.environ["BENTOML_HOME"])  # made here, and deleted at the end


def make():
    """Save models: of raw files, of a framework, and one whose texts look like numbers."""
    for accuracy in (0.91, 0.93):
        with bentoml.models.create(
            "churn",
            labels={"team": "growth", "commit": "7e12345"},
            metadata={"accuracy": accuracy, "classes": ["no", "yes"], "by": "Ännä", "best": True},
        ) as model:
            Path(model.path_of("net.bin")).write_bytes(b"\x00\x01" * int(accuracy * 100))
            Path(model.path_of("tokens")).mkdir()
            Path(model.path_of("tokens/words.txt")).write_text("a b c\n", encoding="utf-8")
    with bentoml.models.create(
        "cats:1e5",
        module="bentoml.sklearn",
        api_version="v1",
        labels={},
        metadata={"params": {"C": 1.5, "kernel": "rbf"}, "n": 3, "rate": 1e-05, "tries": "1e3"},
        signatures={"predict": {"batchable": True, "batch_dim": 0}, "transform": {}},
        context=ModelContext("scikit-learn", {"scikit-learn": "1.5.0"}),
        custom_objects={"note": "pickled"},
    ) as model:
        Path(model.path_of("saved_model.pkl")).write_bytes(b"no pickle, and never loaded")


def described():
    """Return what the API says, in its order."""
    found = []
    for model in bentoml.models.list():
        info = model.info
        place = Path(model.path)
        found.append(
            {
                "name": model.tag.name,
                "version": model.tag.version,
                "latest": bentoml.models.get(f"{model.tag.name}:latest").tag.version,
                "created": info.creation_time.isoformat(),
                "module": info.module,
                "api_version": info.api_version,
                "labels": dict(info.labels),
                "metadata": dict(info.metadata),
                "framework": info.context.framework_name,
                "framework_versions": dict(info.context.framework_versions),
                "bentoml_version": info.context.bentoml_version,
                "python_version": info.context.python_version,
                "signatures": info.to_dict()["signatures"],
                "files": {
                    each.relative_to(place).as_posix(): each.read_bytes().hex()
                    for each in sorted(place.rglob("*"))
                    if each.is_file()
                },
            }
        )
    return found


def main():
    """Make the store, the zip and the JSON."""
    packed, said = map(Path, sys.argv[1:])
    make()
    said.write_text(json.dumps(described(), indent=1, ensure_ascii=False), encoding="utf-8")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted((DATA / "models").rglob("*")):
            archive.write(each, each.relative_to(DATA))
    shutil.rmtree(DATA)


if __name__ == "__main__":
    main()
