"""Giving out local files of a model's weights."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.errors import CorruptBlobError, NotAPackageError, NoWeightsError
from localreg.operations.lookup import require_model
from localreg.records import WeightsRecord
from localreg.registry import OpenRegistry
from localreg.store import model_rows
from localreg.urls import local_path, local_url, public_url


def weights_url(registry: OpenRegistry, model_id: str) -> str | None:
    """Return where a model's weights come from, or None.

    Weights that only the registry holds have the ``file://`` URL of its own copy, which moves
    with the directory and is not stored.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    weights = current(registry, model_id)
    if weights is None:
        return None
    if weights.url is None and weights.digest is not None:
        return local_url(registry.blobs.local_file(weights.digest, weights.size, weights.filename))
    return weights.url


def current(registry: OpenRegistry, model_id: str) -> WeightsRecord | None:
    """Return the revision of a model's weights that is served, or None.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    with registry.store.read() as connection:
        require_model(connection, model_id)
        return model_rows.current_weights(connection, model_id)


def local_file(registry: OpenRegistry, model_id: str) -> Path:
    """Return a local file of a model's weights: the registry's copy, or the file it points to.

    Raises:
        NoWeightsError: it has no weights, or they are not where its URL points.
        CorruptBlobError: the registry's copy is damaged.
        NotImplementedError: they are remote, which this version does not fetch.
        ModelNotFoundError: the model is gone.
    """
    weights = current(registry, model_id)
    if weights is None or (weights.url is None and weights.digest is None):
        raise NoWeightsError(
            f"model {model_id} has no weights: no URL is recorded for it", model=model_id
        )
    if weights.digest is not None:
        return _held_file(registry, model_id, weights, weights.digest)
    path = local_path(weights.url or "")
    if path is None:
        raise NotImplementedError(
            f"the weights of model {model_id} are remote ({public_url(weights.url or '')}); "
            "this version of localreg does not download"
        )
    if not os.path.exists(path):  # noqa: PTH110  (Path.exists raises for a name that is too long)
        raise NoWeightsError(
            f"the weights of model {model_id} are not there any more: {path}; bring the file "
            "back, or import its new place",
            model=model_id,
        )
    return path


def _held_file(registry: OpenRegistry, model_id: str, weights: WeightsRecord, digest: str) -> Path:
    try:
        path = registry.blobs.local_file(digest, weights.size, weights.filename)
        if os.environ.get("LOCALREG_VERIFY") == "always":
            registry.blobs.check_digest(digest)
    except CorruptBlobError as error:
        error.model = model_id
        raise
    return path


def check_package(registry: OpenRegistry, model_id: str) -> None:
    """Check that a model is a package of files.

    Raises:
        NotAPackageError: it is a single file.
        ModelNotFoundError: the model is gone.
    """
    with registry.store.read() as connection:
        row = require_model(connection, model_id)
    if not row.package:
        raise NotAPackageError(
            f"model {model_id} is not a package; get_weights() gives its file", model=model_id
        )
