"""Packages that only a remote has: their manifests, then their files.

A pull brings events, which name only the manifest of a package. So the list of its files is known
when somebody wants it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from localreg.errors import CorruptBlobError, InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.locations import holder
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.manifest import parse_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress
    from localreg.values.manifest import Manifest


def bring_package(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    *,
    progress: Progress | None = None,
) -> bool:
    """Bring the files of a package into the first registry that a remote should have.

    Args:
        registry: the registry that has the model or task.
        digest: of the manifest.
        progress: called with the bytes brought so far, and with all bytes.

    Returns:
        True if all is here now; False if no remote should have it.

    Raises:
        LocalregError: as `remote_bytes.bring`.
    """
    from localreg.operations.weights.remote_bytes import Wanted, bring  # most have no remote

    manifest = bring_manifest(chain, registry, digest)
    if manifest is None:
        return False
    # Only its rows may be here, as in a registry that began with a checkpoint.
    wanted = [Wanted(digest, len(manifest.encoded()))]
    wanted += [Wanted(each.digest, each.size) for each in manifest.files]
    if not bring(chain, registry, digest, wanted, progress=progress):
        return False
    record_found(chain, {digest: manifest})
    return True


def record_found(chain: Chain, packages: Mapping[str, Manifest]) -> None:
    """Record what is known of packages now that their files are here.

    Args:
        packages: by their digests.
    """
    from localreg.operations.weights.packages import facts_of

    with chain.first.store.read() as connection:
        found = {
            digest: facts
            for digest, manifest in packages.items()
            if (row := blob_rows.blob(connection, digest)) is not None
            and row.facts != (facts := facts_of(connection, manifest))
        }
    if found:
        with chain.first.store.write_unsynced() as change:
            for digest, facts in found.items():
                blob_rows.record_facts(change.connection, digest, facts)


def sound_manifest(chain: Chain, digest: str) -> Manifest | None:
    """Return the files of a package as a registry of a chain has them recorded, or None.

    They have the sha256 of the package: who may write to an upstream registry could record others.
    """
    answers = read_each(chain, lambda connection: tree_rows.manifest(connection, digest))
    found = (known for _, known in answers if known is not None)
    return next((each for each in found if _digest(each) == digest), None)


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(manifest.encoded()).hexdigest()


def bring_manifest(chain: Chain, registry: OpenRegistry, digest: str) -> Manifest | None:
    """Return the files of a package; None if no registry knows them, and no remote should.

    Raises:
        CorruptBlobError: the remote has no manifest there.
        LocalregError: as `remote_bytes.bring`.
    """
    from localreg.operations.weights.remote_bytes import Wanted, bring

    for _, known in read_each(chain, lambda connection: tree_rows.manifest(connection, digest)):
        if known is not None:
            return known
    with registry.store.read() as connection:
        row = blob_rows.blob(connection, digest)
    if row is None or not bring(chain, registry, digest, [Wanted(digest, row.size)]):
        return None
    return record_manifest(chain, digest, row.size)


def record_manifest(chain: Chain, digest: str, size: int) -> Manifest:
    """Record the files of a package whose manifest is here, and return them.

    Raises:
        CorruptBlobError: the bytes are no manifest.
    """
    from localreg.operations.weights.packages import record_files_of

    holding = holder(chain, digest, size) or chain.first
    place = holding.blobs.blob(digest)
    with disk_errors("reading the list of a package's files", place):
        data = place.read_bytes()
    try:
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidValueError("it has other bytes", argument="manifest")
        manifest = parse_manifest(data)
    except InvalidValueError as error:
        raise CorruptBlobError(
            f"{place} should be the list of the files of the package {digest[:12]}…: {error}",
            digest=digest,
            path=str(place),
        ) from error
    with chain.first.store.write() as change:
        if blob_rows.blob(change.connection, digest) is None:  # only upstream has it
            blob_rows.record_elsewhere(change.connection, digest, size)
        record_files_of(change.connection, digest, manifest)
    return manifest
