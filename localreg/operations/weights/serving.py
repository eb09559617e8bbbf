"""Local files of bytes, wherever they are.

An upstream registry is read-only, and not even the number of hard links to its files changes: under
another name its bytes are cloned or copied.
"""

from __future__ import annotations

from pathlib import Path

from localreg.blobs.local_files import local_file as local_files
from localreg.errors import CorruptBlobError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import remove_file
from localreg.operations.weights.locations import (
    check_upstream,
    holder,
    missing_in_registry,
    whole_local_file,
)
from localreg.registry import Chain, OpenRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.blobstore import BlobStore


def local_file(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    size: int | None,
    filename: str | None,
    *,
    in_first: bool = False,
) -> Path:
    """Return a read-only file with the bytes of a digest, under their original name.

    Args:
        registry: the registry that has the model, for the error; the bytes may be in another.
        size: the number of bytes.
        filename: the original name.
        in_first: copy the bytes of an upstream registry even if that has such a file.

    Raises:
        CorruptBlobError: no registry has the bytes, or their number is wrong.
    """
    try:
        return _local_file(chain, chain.first.blobs, registry, digest, size, filename, in_first)
    except StorageFullError:
        if in_first:
            raise
        spare = chain.first.blobs_of_full_disk
        return _local_file(chain, spare, registry, digest, size, filename, in_first)


def _local_file(
    chain: Chain,
    blobs: BlobStore,
    registry: OpenRegistry,
    digest: str,
    size: int | None,
    filename: str | None,
    in_first: bool,
) -> Path:
    first = chain.first
    holding = holder(chain, digest, size) if chain.others else first
    if holding is None or holding is first:
        try:
            return local_files.local_file(blobs, digest, size, filename)
        except CorruptBlobError as error:
            copy = None if first.blobs.has(digest, size) else whole_local_file(first, digest, size)
            if copy is not None:
                return local_files.copy_from(blobs, copy, digest, size, filename)
            missing = missing_in_registry(chain, registry, digest, error.path)
            if missing is None:
                raise
            raise missing from error
    found = (
        None if in_first else local_files.existing_local_file(holding.blobs, digest, size, filename)
    )
    if found is not None:
        return found
    return local_files.copy_from(blobs, holding.blobs.blob(digest), digest, size, filename)


def check_local_copy(chain: Chain, digest: str, size: int | None, path: Path) -> None:
    """Hash the bytes and a local copy of them; a copy that changed is made again.

    Raises:
        CorruptBlobError: the bytes do not have this digest.
    """
    from localreg.blobs.staging.hashing import file_digest

    first = chain.first
    holding = holder(chain, digest, size) or first
    if holding is first:
        first.blobs.check_digest(digest)
        local_files.check_local_file(first.blobs, digest, path)
        return
    check_upstream(first, holding, digest)
    with disk_errors("making a local copy", path):
        if first.blobs.contains(path) and file_digest(path) != digest:
            remove_file(path)
            blob = holding.blobs.blob(digest)
            local_files.copy_from(first.blobs, blob, digest, size, path.name)
