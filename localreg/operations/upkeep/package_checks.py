"""Checks of packages beside those of their blobs: the list of the files, and the local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from localreg.blobs.archives.unpacking import remove_tree
from localreg.blobs.trees import local_tree
from localreg.errors import CorruptBlobError, DamagedRowError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.package_copies import differences
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import tree_rows
from localreg.values.layout import TREES
from localreg.values.manifest import PackageFile


def list_difference(registry: OpenRegistry, digest: str) -> str | None:
    """Return what is wrong with the recorded files of a package; None if they are its manifest's.

    The manifest is not read: what is recorded must have its sha256.
    """
    try:
        with registry.store.read() as connection:
            found = tree_rows.manifest(connection, digest)
    except DamagedRowError as error:
        return str(error)
    if found is None:
        return "the files of this package are not recorded"
    if hashlib.sha256(found.encoded()).hexdigest() != digest:
        return "the recorded files of this package are not those of its manifest"
    return None


def folder_differences(
    chain: Chain, registry: OpenRegistry, digest: str, *, full: bool
) -> list[str]:
    """Return how the local folder of a package differs from it, a sentence each; [] without one.

    Args:
        registry: the registry with the folder.
        full: hash the files that are not links to blobs; those are checked with their blobs.
    """
    folder = registry.blobs.folder_path(TREES) / digest
    with disk_errors("verifying a local copy", folder):
        while True:
            with local_tree.kept_open(folder) as seen:
                found = [] if seen is None else _differences(chain, registry, digest, folder, full)
                # Another process may have moved it away meanwhile, and made it again.
                if not found or local_tree.seen_at(folder) == seen:
                    return found


def _differences(
    chain: Chain, registry: OpenRegistry, digest: str, folder: Path, full: bool
) -> list[str]:
    try:
        found = differences(chain, registry, digest, folder)
    except CorruptBlobError:  # no registry has its list; gc deletes it
        return []
    except FileNotFoundError:
        return ["it is missing"]
    if found or not full:
        return found
    with registry.store.read() as connection:
        manifest = tree_rows.manifest(connection, digest)
    files = () if manifest is None else manifest.files
    return local_tree.changed_bytes(folder, _copies(registry, folder, files))


def _copies(
    registry: OpenRegistry, folder: Path, files: Iterable[PackageFile]
) -> Iterator[PackageFile]:
    """Yield the files of a folder that are not links to their blobs."""
    for file in files:
        blob = local_tree.seen_at(registry.blobs.path(file.digest))
        if blob is None or local_tree.seen_at(folder / file.path) != blob:
            yield file


def remove_folder(registry: OpenRegistry, digest: str) -> Path | None:
    """Delete the folder of a package; return where it was moved to, if it has files of a user."""
    place = registry.blobs.folder_path(TREES) / digest
    if local_tree.seen_at(place) is None:
        return None
    with registry.store.read() as connection:
        entries = tree_rows.entries(connection, digest)
    if entries and local_tree.added(place, entries):
        return local_tree.quarantine(registry.blobs, digest, place)
    remove_tree(local_tree.put_aside(place))
    return None
