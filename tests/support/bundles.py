"""Bundles for tests, sound and broken ones, made without a registry."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from localreg.blobs.bundles.drafting import Contents, Draft
from localreg.blobs.bundles.writing import write_stream
from localreg.values.bundle_format import EVENTS, ModelFacts, line_of
from localreg.values.manifest import PackageFile

PACKAGE = {"model.safetensors": b"w" * 5_000, "config.json": b"{}", "code/__init__.py": b""}


class Blobs:
    """A folder of files that are named by their digests.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, data: bytes) -> tuple[str, int]:
        """Keep some bytes; return their digest and size."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        return digest, len(data)

    def find(self, digest: str) -> Path:
        """Return the path of the file with a digest."""
        return self.folder / digest

    def package(self, files: dict[str, bytes]) -> list[PackageFile]:
        """Keep the files of a package."""
        return [
            PackageFile(path, *self.add(data), path == "run.sh") for path, data in files.items()
        ]


def draft_of(
    blobs: Blobs, models: list[dict[str, bytes]], omit: tuple[bytes, ...] = ()
) -> Contents:
    """Return the contents of a bundle of some models, by path in their packages."""
    draft = Draft(io.BytesIO())
    for number, files in enumerate(models):
        model = f"{number:032x}"
        facts = ModelFacts(name="vision/resnet", version=str(number), created=number)
        subject = draft.add_model(model, f"vision/resnet:{number}", facts, blobs.package(files))
        layers = [
            draft.add_layer(EVENTS, [line_of({"model": model})]),
            draft.add_file(*blobs.add(b"artifact %d" % number)),
        ]
        draft.add_record(layers, subject, model)
    for each in omit:
        draft.omit(hashlib.sha256(each).hexdigest())
    draft.add_record([draft.add_layer(EVENTS, [line_of({"alias": "prod"})])])
    return draft.finished()


def bytes_of(blobs: Blobs, contents: Contents) -> bytes:
    """Return a bundle as a tar."""
    stream = io.BytesIO()
    write_stream(contents, blobs.find, stream)
    return stream.getvalue()
