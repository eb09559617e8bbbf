"""The stores of MLflow in stores/, unpacked for a test."""

from __future__ import annotations

import json
import tarfile

from support.foreign_stores import STORES


def unpacked(name, into):
    """Unpack a store into a folder, which is not the one in which MLflow wrote it.

    Args:
        name: "files" or "sqlite", and the version of MLflow: "files-3".
    """
    with tarfile.open(STORES / f"mlflow-{name}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return into / name


def said_of(folder):
    """Return what MLflow's client said of a store."""
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))
