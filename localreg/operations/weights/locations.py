"""Which registry of a chain has the bytes of weights.

Bytes that an upstream registry has are not kept a second time.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files import local_file as local_files
from localreg.errors import CorruptBlobError, ReadOnlyRegistryError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.known_digests import digest_at, known_digest, status_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from localreg.store.events.change import Change
    from localreg.values.records import Json


class KeptUpstream(Frozen):
    """Where bytes are kept: the directory of an upstream registry, and facts from their header."""

    root: str
    facts: Json | None


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


def keeper(chain: Chain, digest: str, size: int) -> KeptUpstream | None:
    """Return the upstream registry that keeps some bytes, or None if the first must keep them.

    The bytes must be unchanged since the upstream registry hashed them. Where their change time
    cannot show that, as in a copied directory, they are hashed again, once.
    """
    if not chain.others or chain.first.blobs.has(digest, size):
        return None
    for each in chain.others:
        try:
            with each.store.read() as connection:
                row = blob_rows.blob(connection, digest)
            if row is None or not each.blobs.has(digest, size):
                continue
            path = each.blobs.blob(digest)
            with disk_errors("hashing weights upstream", path):
                if not is_known_damaged(chain.first, each, digest) and (
                    each.blobs.ctime(digest) == row.ctime or digest_at(chain.first, path) == digest
                ):
                    return KeptUpstream(str(each.root), row.facts)
            log.warning("%s is damaged; the bytes are kept in this registry, too", path)
        except OSError as error:  # the next one may have them
            log.warning("the upstream registry %s is skipped: %s", each.root, error)
    return None


def is_known_damaged(registry: OpenRegistry, upstream: OpenRegistry, digest: str) -> bool:
    """Return True if `check_upstream` found bytes damaged and the file is unchanged since.

    Args:
        registry: the first registry, which remembers that; `upstream` hashed the bytes when
            they were right.
        upstream: the upstream registry that has the bytes.
    """
    found = known_digest(registry, status_of(upstream.blobs.blob(digest)))
    return found is not None and found != digest


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


def record_kept_upstream(
    change: Change, kept: KeptUpstream, digest: str, size: int, facts: Json | None = None
) -> None:
    """Record in a transaction that an upstream registry keeps some bytes."""
    known = kept.facts if facts is None else facts
    blob_rows.record_upstream(change.connection, digest, size, kept.root, known)


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


def digests_with_local_files(registry: OpenRegistry) -> list[str]:
    """Return the digests of all blobs that have local files, sorted."""
    folder = registry.blobs.folder_path(FILES)
    with disk_errors("looking for local copies", folder):
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if is_sha256(path.name))


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
