"""Which registry of a chain has the bytes of weights, and local files of them, wherever they are.

Bytes that an upstream registry has are not kept a second time. It is read-only, and not even the
number of hard links to its files changes: under another name its bytes are cloned or copied. Those
that only a remote has are brought here.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files import local_file as local_files
from localreg.errors import CorruptBlobError, ReadOnlyRegistryError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import remove_file
from localreg.operations.weights.known_digests import digest_at, status_of
from localreg.operations.weights.sources import is_known_damaged
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.layout import FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from localreg.blobs.blobstore import BlobStore
    from localreg.progress import Progress


def holder(chain: Chain, digest: str | None, size: int | None) -> OpenRegistry | None:
    """Return the first registry of a chain that holds the bytes of a digest, or None.

    An upstream registry whose bytes are known to be damaged is the last choice.
    """
    if digest is None:
        return None
    if chain.first.blobs.has(digest, size):
        return chain.first
    found = list(upstream_holders(chain, digest, size))
    if len(found) > 1:
        found.sort(key=lambda each: is_known_damaged(chain.first, each, digest))
    return found[0] if found else None


def upstream_holders(chain: Chain, digest: str, size: int | None) -> Iterator[OpenRegistry]:
    """Yield the upstream registries that hold the bytes of a digest."""
    for each in chain.others:
        try:
            held = each.blobs.has(digest, size)
        except OSError:  # it cannot be read any more
            continue
        if held:
            yield each


def check_upstream(registry: OpenRegistry, upstream: OpenRegistry, digest: str) -> None:
    """Hash the bytes in an upstream registry; if they are damaged, remember it and raise.

    Args:
        registry: the first registry, which remembers damage.
        upstream: the upstream registry.
    """
    from localreg.blobs.staging.hashing import file_digest

    path = upstream.blobs.blob(digest)
    with disk_errors("verifying weights upstream", path):
        status, found = status_of(path), file_digest(path)
    if found == digest:
        return
    if status is not None:
        with suppress(ReadOnlyRegistryError, StorageFullError), registry.store.write() as change:
            blob_rows.remember_file(change.connection, status, found)
    raise CorruptBlobError(
        f"the weights {digest[:12]}… are damaged upstream: {path} has the sha256 {found}; "
        "`localreg repair` copies them to this registry if their source still exists, and so does "
        "adding the same file again",
        digest=digest,
        path=str(path),
    )


def is_upstream_only(chain: Chain, digest: str) -> bool:
    """Return True if an upstream registry has the bytes of a digest, and the first has not."""
    if chain.first.blobs.ctime(digest) is not None:
        return False
    for each in chain.others:
        try:
            with each.store.read() as connection:
                row = blob_rows.blob(connection, digest)
            if row is not None and each.blobs.has(digest, row.size):
                return True
        except OSError:  # it cannot be read any more
            continue
    return False


def local_file(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    size: int | None,
    filename: str | None,
    *,
    in_first: bool = False,
    only_here: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return a read-only file with the bytes of a digest, under their original name.

    Args:
        registry: the registry that has the model, for the error; the bytes may be in another.
        size: the number of bytes.
        filename: the original name.
        in_first: copy the bytes of an upstream registry even if that has such a file.
        only_here: ask no remote.
        progress: called with the bytes brought from a remote so far, and with all bytes.

    Raises:
        CorruptBlobError: no registry has the bytes, or their number is wrong, and no remote should
            have them.
        LocalregError: a remote should have them, and they did not come: as `remote_bytes.bring`.
    """
    try:
        return _local_file(
            chain,
            chain.first.blobs,
            registry,
            digest,
            size,
            filename,
            in_first,
            only_here,
            progress,
        )
    except StorageFullError:
        if in_first:
            raise
        spare = chain.first.blobs_of_full_disk
        return _local_file(
            chain, spare, registry, digest, size, filename, in_first, only_here, progress
        )


def _local_file(
    chain: Chain,
    blobs: BlobStore,
    registry: OpenRegistry,
    digest: str,
    size: int | None,
    filename: str | None,
    in_first: bool,
    only_here: bool,
    progress: Progress | None,
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
            if size is not None and not only_here:
                from localreg.operations.weights.remote_bytes import Wanted, bring

                wanted = [Wanted(digest, size, filename)]
                if bring(chain, registry, digest, wanted, progress=progress):
                    return local_files.local_file(blobs, digest, size, filename)
            missing = missing_in_registry(chain, registry, digest, error.path)
            if missing is None:
                raise
            raise missing from error
    found = (
        None if in_first else local_files.existing_local_file(holding.blobs, digest, size, filename)
    )
    if found is not None:
        return Path(found)
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


def local_files_of(registry: OpenRegistry, digest: str) -> list[Path]:
    """Return the local files of a blob, wherever the blob is."""
    folder = registry.blobs.folder_path(FILES, digest)
    with disk_errors("looking for local copies", folder), suppress(FileNotFoundError):
        if folder.is_dir():
            return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []  # perhaps deleted meanwhile


def whole_local_file(registry: OpenRegistry, digest: str, size: int | None) -> Path | None:
    """Return a local file of a blob that no registry has any more, if it is whole, or None.

    It is hashed once, and again only after a change. If one of several local files is damaged,
    None is returned: a repair finds out which of them is whole.
    """
    found = local_files_of(registry, digest)
    with disk_errors("looking for a local copy", registry.root):
        whole = [
            path for path in found if size_of(path) == size and digest_at(registry, path) == digest
        ]
    return whole[0] if whole and whole == found else None


def missing_in_registry(
    chain: Chain, registry: OpenRegistry, digest: str, path: str
) -> CorruptBlobError | None:
    """Return the error that names the registry that should have some bytes.

    None if that is the first registry.

    Args:
        registry: the registry that has the model.
        path: where the bytes would be in the first registry.
    """
    if registry != chain.first:
        why = _why_not(registry, digest)
        where = f"they belong to the upstream registry {registry.root}, which {why}"
    else:
        with registry.store.read() as connection:
            row = blob_rows.blob(connection, digest)
        if row is None or row.upstream is None:
            gone = registry.why_gone(digest)
            if gone is None:
                return None
            return CorruptBlobError(
                f"the weights {digest[:12]}… are gone: {gone}", digest=digest, path=path
            )
        where = upstream_state(chain, row.upstream, digest)
    return CorruptBlobError(
        f"the weights {digest[:12]}… are missing: {where}; make it available again "
        "(LOCALREG_UPSTREAM), or add the same file again",
        digest=digest,
        path=path,
    )


def missing(
    chain: Chain, registry: OpenRegistry, digest: str, size: int, *, changed: bool
) -> CorruptBlobError:
    """Return the error for bytes that no registry of a chain has.

    Args:
        registry: the registry that has the model.
        changed: True if the first registry has as many bytes, and they are damaged.
    """
    path = chain.first.blobs.blob(digest)
    found = "has changed bytes" if changed else local_files.wrong_size(size_of(path), size)
    return missing_in_registry(chain, registry, digest, str(path)) or damaged(digest, path, found)


def upstream_state(chain: Chain, root: str, digest: str) -> str:
    """Return a sentence about the upstream registry that should keep some bytes, and why it fails.

    Args:
        root: the directory of the upstream registry, as recorded.
    """
    reason = next((each.reason for each in chain.absent if str(each.root) == root), None)
    there = next((each for each in chain.others if str(each.root) == root), None)
    if reason is not None:
        state = f"could not be opened ({reason})"
    elif there is not None:
        state = _why_not(there, digest)
    else:
        state = "is not upstream of this one now"
    return f"their bytes are kept by the upstream registry {root}, which {state}"


def _why_not(upstream: OpenRegistry, digest: str) -> str:
    """Return why an open upstream registry does not give some bytes."""
    try:
        upstream.blobs.ctime(digest)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "does not have them any more"
