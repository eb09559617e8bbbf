"""Where bytes are: in a registry itself, or left in one upstream that has them.

Bytes that one upstream has are not kept a second time. It is only read, so nothing in it changes,
not even the number of links to a file: under another name its bytes are cloned, or copied.
"""

from __future__ import annotations

from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import size_of
from localreg.blobs.local_files import handed_out as handing_out
from localreg.errors import CorruptBlobError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.known_digests import digest_at, known_digest, status_of
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from localreg.store.events.change import Change
    from localreg.values.records import Json


class Left(Frozen):
    """Bytes that one upstream keeps for a registry: its directory, and what is inside them."""

    place: str
    facts: Json | None


def holder(registry: OpenRegistry, digest: str | None, size: int | None) -> OpenRegistry | None:
    """Return the first registry that holds the bytes of a digest, here or upstream, or None.

    Of several upstream, one whose bytes were found damaged comes last.
    """
    base = registry.base
    if digest is None:
        return None
    if base.blobs.has(digest, size):
        return base
    found = list(upstream_holders(base, digest, size))
    if len(found) > 1:
        found.sort(key=lambda each: is_known_damaged(base, each, digest))
    return found[0] if found else None


def upstream_holders(
    registry: OpenRegistry, digest: str, size: int | None
) -> Iterator[OpenRegistry]:
    """Yield the upstream registries that hold the bytes of a digest."""
    for each in registry.upstream:
        try:
            held = each.blobs.has(digest, size)
        except OSError:  # it cannot be read any more, so it holds nothing
            continue
        if held:
            yield each


def keeper(registry: OpenRegistry, digest: str, size: int) -> Left | None:
    """Return the one upstream that bytes can be left to, None when they are to be kept here.

    It must have them as they were when it hashed them; where it cannot tell, as in a copy of a
    directory, they are hashed again, once.
    """
    if not registry.upstream or registry.blobs.has(digest, size):
        return None
    for each in registry.upstream:
        try:
            with each.store.read() as connection:
                row = blob_rows.blob(connection, digest)
            if row is None or not each.blobs.has(digest, size):
                continue
            path = each.blobs.blob(digest)
            with disk_errors("hashing weights upstream", path):
                if not is_known_damaged(registry, each, digest) and (
                    each.blobs.ctime(digest) == row.ctime or digest_at(registry, path) == digest
                ):
                    return Left(str(each.root), row.facts)
            log.warning("%s is damaged; its bytes are kept here, too", path)
        except OSError as error:  # the next one may have them
            log.warning("the upstream registry %s is passed over: %s", each.root, error)
    return None


def is_known_damaged(registry: OpenRegistry, home: OpenRegistry, digest: str) -> bool:
    """Return whether `check_upstream` found bytes upstream damaged, and nobody touched them since.

    Their own registry need not know: it hashed them when they were right.
    """
    found = known_digest(registry, status_of(home.blobs.blob(digest)))
    return found is not None and found != digest


def check_upstream(registry: OpenRegistry, home: OpenRegistry, digest: str) -> None:
    """Hash the bytes that another registry holds, and remember it when they are damaged.

    Raises:
        CorruptBlobError: they are.
        StorageError: they cannot be read.
    """
    from localreg.blobs.staging.hashing import file_digest

    path = home.blobs.blob(digest)
    with disk_errors("verifying weights upstream", path):
        status, found = status_of(path), file_digest(path)
    if found == digest:
        return
    if status is not None and not registry.store.readonly:
        with registry.store.write() as change:
            blob_rows.remember_file(change.connection, status, found)
    raise CorruptBlobError(
        f"the weights {digest[:12]}… are damaged upstream: {path} has the sha256 {found}; "
        "`localreg repair` brings them here where their source is left, and so does adding the "
        "same file again",
        digest=digest,
        path=str(path),
    )


def leave(change: Change, left: Left, digest: str, size: int, facts: Json | None = None) -> None:
    """Record, within a transaction, that bytes are left to one upstream."""
    told = left.facts if facts is None else facts
    blob_rows.record_upstream(change.connection, digest, size, left.place, told)


def is_left(registry: OpenRegistry, digest: str) -> bool:
    """Return whether the bytes of a digest are not here, and one upstream has them, whole."""
    if registry.blobs.ctime(digest) is not None:
        return False
    for each in registry.upstream:
        try:
            with each.store.read() as connection:
                row = blob_rows.blob(connection, digest)
            if row is not None and each.blobs.has(digest, row.size):
                return True
        except OSError:  # it cannot be read any more
            continue
    return False


def local_file(
    registry: OpenRegistry,
    digest: str,
    size: int | None,
    filename: str | None,
    *,
    here: bool = False,
) -> Path:
    """Return a read-only file with the bytes of a digest under their original name.

    Args:
        registry: that of what has these bytes; they may be upstream of it, or before it.
        size: how many they are.
        filename: the original name.
        here: never hand out a file of one upstream, but a copy.

    Raises:
        CorruptBlobError: they are nowhere, or are not as many as they were.
        StorageError: the file cannot be made.
    """
    base = registry.base
    home = holder(base, digest, size) if base.upstream else base
    if home is None or home is base:
        try:
            return handing_out.local_file(base.blobs, digest, size, filename)
        except CorruptBlobError as error:
            left = None if base.blobs.has(digest, size) else last_copy(base, digest, size)
            if left is not None:
                return handing_out.copy_from(base.blobs, left, digest, size, filename)
            gone = _gone(registry, digest, error.path)
            if gone is None:
                raise
            raise gone from error
    found = None if here else handing_out.handed_out(home.blobs, digest, size, filename)
    if found is not None:
        return found
    return handing_out.copy_from(base.blobs, home.blobs.blob(digest), digest, size, filename)


def handed_out(registry: OpenRegistry) -> list[str]:
    """Return the digests of all that local copies were handed out of, in order."""
    folder = registry.blobs.folder_path(FILES)
    with disk_errors("looking for local copies", folder):
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if is_sha256(path.name))


def copies(registry: OpenRegistry, digest: str) -> list[Path]:
    """Return every file that was handed out of bytes, wherever these are."""
    folder = registry.blobs.folder_path(FILES, digest)
    with disk_errors("looking for local copies", folder):
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def last_copy(registry: OpenRegistry, digest: str, size: int | None) -> Path | None:
    """Return a file that was handed out of bytes that are nowhere any more, if it is whole.

    It is hashed, and not again while nobody touches it. Where one that was handed out is not whole,
    none is returned: which of them is, a repair tells.

    Raises:
        StorageError: one cannot be read.
    """
    found = copies(registry, digest)
    with disk_errors("looking for a local copy", registry.root):
        whole = [
            path for path in found if size_of(path) == size and digest_at(registry, path) == digest
        ]
    return whole[0] if whole and whole == found else None


def check_handed_out(registry: OpenRegistry, digest: str, size: int | None, path: Path) -> None:
    """Hash bytes where they are, and what was handed out; a copy that changed is made again.

    Raises:
        CorruptBlobError: they are not those that they are named after.
        StorageError: something cannot be read, or the copy cannot be written.
    """
    from localreg.blobs.staging.hashing import file_digest

    base = registry.base
    home = holder(base, digest, size) or base
    if home is base:
        handing_out.check_handed_out(base.blobs, digest, path)
        return
    check_upstream(base, home, digest)
    with disk_errors("handing out weights", path):
        if base.blobs.contains(path) and file_digest(path) != digest:
            path.unlink()
            handing_out.copy_from(base.blobs, home.blobs.blob(digest), digest, size, path.name)


def _gone(registry: OpenRegistry, digest: str, path: str) -> CorruptBlobError | None:
    """Return the error that tells which registry should have bytes; None when it is the first.

    Args:
        registry: that of what has these bytes.
        path: where they would be in the first.
    """
    if registry.front is not None:
        where = f"they are of the upstream registry {registry.root}, which " + _why_not(
            registry, digest
        )
    else:
        with registry.store.read() as connection:
            row = blob_rows.blob(connection, digest)
        if row is None or row.upstream is None:
            return None
        where = where_left(registry, row.upstream, digest)
    return CorruptBlobError(
        f"the weights {digest[:12]}… are not here: {where}; make it available again "
        "(LOCALREG_UPSTREAM), or add the same file again",
        digest=digest,
        path=path,
    )


def where_left(registry: OpenRegistry, place: str, digest: str) -> str:
    """Return a sentence on the upstream registry that bytes were left to and are missing from."""
    why = next((each.why for each in registry.absent if str(each.root) == place), None)
    there = next((each for each in registry.upstream if str(each.root) == place), None)
    if why is not None:
        state = f"could not be opened ({why})"
    elif there is not None:
        state = _why_not(there, digest)
    else:
        state = "is not upstream of this one now"
    return f"their bytes are kept by the upstream registry {place}, which {state}"


def _why_not(home: OpenRegistry, digest: str) -> str:
    """Return why one upstream, which was opened, does not give bytes."""
    try:
        home.blobs.ctime(digest)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "does not have them any more"


def unpacked(registry: OpenRegistry, digest: str, archive: Path, filename: str) -> Path:
    """Return the folder that an archive unpacks to: one that is there, here or upstream, or new.

    Raises:
        ArchiveError: it is broken, unsafe or beyond the limits; nothing was made.
        StorageError: the disk is full, or refused something.
    """
    from localreg.blobs.local_files import unpacked_trees

    base = registry.base
    for each in base.chain if base.upstream else ():
        try:
            known = unpacked_trees.tree(each.blobs, digest)
        except OSError:  # it cannot be read any more
            continue
        if known is not None:
            return known
    return unpacked_trees.unpacked(base.blobs, digest, archive, filename)
