"""Packages whose files stayed in a folder outside of the registry, which knows their sha256."""

from __future__ import annotations

import hashlib
from pathlib import Path

from localreg.blobs.trees.listing import folder_entries
from localreg.errors import DigestMismatchError, InvalidValueError
from localreg.operations.weights.known_digests import digest_at
from localreg.registry import OpenRegistry
from localreg.values.manifest import PackageFile, make_manifest
from localreg.values.paths import printable_path


def check_folder(registry: OpenRegistry, folder: Path, digest: str, model: str) -> None:
    """Raise unless a folder has exactly the files of a package.

    A file is hashed again only if its size, times or inode changed.

    Args:
        digest: of the package.
        model: id of the model.

    Raises:
        DigestMismatchError: it has other files.
    """
    try:
        entries = folder_entries(folder).entries
        files = [
            PackageFile(each.name, digest_at(registry, Path(each.path)), each.size, each.executable)
            for each in entries
            if each.status is not None
        ]
        folders = [each.name for each in entries if each.status is None]
        found = hashlib.sha256(make_manifest(files, folders).encoded()).hexdigest()
    except InvalidValueError as error:
        raise _changed(folder, digest, "", model) from error
    if found != digest:
        raise _changed(folder, digest, found, model)


def _changed(folder: Path, digest: str, found: str, model: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{printable_path(folder)} has other files than those that were recorded, whose sha256 is "
        f"{digest[:12]}…; bring them back, or import what is there now",
        model=model,
        wanted=digest,
        found=found,
    )
