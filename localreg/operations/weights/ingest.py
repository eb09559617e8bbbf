"""Keep bytes in the registry: copy and hash them first, then record them in one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg import log
from localreg.blobs.local_files.local_file import local_file
from localreg.blobs.staging import hashing, staging
from localreg.blobs.staging.staging import StagedBlob
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import unchanged
from localreg.filesystem.portable_files import remove_file
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.known_digests import digest_at, is_settled, remember, status_of
from localreg.operations.weights.packages import taken_in_package
from localreg.operations.weights.sources import (
    Held,
    KeptUpstream,
    Source,
    check_wanted,
    keeper,
    record_kept_upstream,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.filesystem.plain_files import FileStatus

    Result = TypeVar("Result")

MODES = ("copy", "move", "link", "reference")


@contextmanager
def taken_in(chain: Chain, source: Source) -> Iterator[tuple[Change, Held]]:
    """Keep the bytes of a source; yield them within the transaction that records them.

    What the block records is in the same transaction: all of it is written, or nothing. A file is
    not read if it is unchanged since it was hashed, and not copied if the registry or an upstream
    one has its bytes.

    Raises:
        SourceNotFoundError: there is no such file.
        InvalidValueError: it cannot be kept in this mode.
        DigestMismatchError: the bytes do not have the expected sha256.
    """
    if source.package:
        with taken_in_package(chain, source) as taken:
            yield taken
        return
    registry = chain.first
    registry.store.check_writable()  # before a byte is copied
    before = None if source.path is None else status_of(source.path)
    settled = before is not None and is_settled(before)
    known = None if before is None else _known(chain, source, before, settled)
    held = None
    if known is not None:
        with registry.store.write() as change:
            held = _record_known(registry, change, source.filename, *known)
            if held is not None:
                yield change, held
    if held is None:
        with _staged(registry, source) as blob:
            check_wanted(source, blob.digest)
            facts = inside_of(blob, source.filename)
            upstream = keeper(chain, blob.digest, blob.size)
            damaged = _is_damaged(registry, blob)
            with registry.store.write() as change:
                held = keep(
                    registry,
                    change,
                    blob,
                    source.filename,
                    facts,
                    upstream=upstream,
                    replace=damaged,
                )
                if before is not None and settled and before == status_of(source.path):
                    blob_rows.remember_file(change.connection, before, blob.digest)
                yield change, held
    if source.mode == "move" and source.path is not None:
        _delete_source(source.path, before)


def keep(
    registry: OpenRegistry,
    change: Change,
    blob: StagedBlob,
    filename: str | None,
    facts: Json | None,
    *,
    upstream: KeptUpstream | None,
    replace: bool,
) -> Held:
    """Move staged bytes into the blob store and record them, within a transaction.

    Args:
        upstream: the upstream registry that keeps them; then they are only recorded.
        replace: replace the blob that exists, because it is damaged.
    """
    if upstream is not None:
        record_kept_upstream(change, upstream, blob.digest, blob.size, facts)
        return Held(blob.digest, blob.size)
    ends = hashing.sample(blob.path)
    new = 0 if registry.blobs.has(blob.digest, blob.size) else blob.size
    ctime = registry.blobs.keep(blob, filename, replace=replace)
    blob_rows.record(change.connection, blob.digest, blob.size, ctime, ends, facts)
    return Held(blob.digest, blob.size, new=new)


def digest_of(registry: OpenRegistry, source: Source) -> Held:
    """Return the digest and size of a file outside the registry; see `known_digests`.

    Raises:
        SourceNotFoundError: there is no such file.
        InvalidValueError: it is a folder, a device or a pipe.
        DigestMismatchError: the bytes do not have the expected sha256.
    """
    assert source.path is not None
    with disk_errors("hashing weights", source.path):
        with unchanged(source.path, "weights_url") as reader:
            size = os.fstat(reader.fileno()).st_size
            found = digest_at(registry, source.path, source.progress)
        check_wanted(source, found)
    return Held(found, size)


@contextmanager
def as_file(registry: OpenRegistry, source: Source) -> Iterator[Path]:
    """Yield the path of a file with the bytes of a source, which is no package."""
    if source.path is not None:
        with disk_errors("keeping weights", source.path):
            staging.source_size(source.path)
        yield source.path
    else:
        registry.store.check_writable()  # the file is made in the registry
        with _staged(registry, source) as blob:
            yield blob.path


@contextmanager
def _staged(registry: OpenRegistry, source: Source) -> Iterator[StagedBlob]:
    with registry.blobs.temporary() as temporary:
        yield _stage(registry, source, temporary)


def _stage(registry: OpenRegistry, source: Source, temporary: Path) -> StagedBlob:
    blobs = registry.blobs
    if source.path is None:
        assert source.stream is not None
        return staging.stage_stream(
            source.stream,
            temporary,
            sync=blobs.durable,
            progress=source.progress,
            group=blobs.group,
        )
    with disk_errors("keeping weights", source.path):
        size = staging.source_size(source.path)
        if source.mode == "copy":
            staging.check_room(temporary.parent, size)
        return staging.stage_file(
            source.path,
            temporary,
            source.mode,
            sync=blobs.durable,
            progress=source.progress,
            group=blobs.group,
        )


def _known(
    chain: Chain, source: Source, status: FileStatus, settled: bool
) -> tuple[Held, KeptUpstream | None] | None:
    """Return the bytes of a file if the first registry has them, or an upstream one keeps them."""
    digest = _known_digest(chain, source, status, settled)
    if digest is None:
        return None
    with chain.first.store.read() as connection:
        here = _is_as_it_was(chain.first, connection, digest)
    upstream = None if here else keeper(chain, digest, status.size)
    if not here and upstream is None:
        return None
    check_wanted(source, digest)
    return Held(digest, status.size), upstream


def _known_digest(chain: Chain, source: Source, status: FileStatus, settled: bool) -> str | None:
    """Return the remembered digest of a file; hash it if it looks like bytes that exist already."""
    assert source.path is not None
    with chain.first.store.read() as connection:
        known = blob_rows.known_digest(connection, status)
    if known is not None or source.mode == "link":
        return known
    with disk_errors("keeping weights", source.path):
        ends = hashing.sample(source.path)
        looks = read_each(chain, lambda each: blob_rows.has_sample(each, status.size, ends))
        if not any(alike for _, alike in looks):
            return None
        digest = hashing.file_digest(source.path, source.progress)
        if status_of(source.path) != status:
            return None  # it is changing; the bytes that are copied count
        check_wanted(source, digest)  # before anything is written
        if settled:
            remember(chain.first, source.path, status, digest)
        return digest


def _record_known(
    registry: OpenRegistry,
    change: Change,
    filename: str | None,
    known: Held,
    upstream: KeptUpstream | None,
) -> Held | None:
    """Record bytes that exist already, in a transaction; None if they were deleted meanwhile."""
    if upstream is not None:
        record_kept_upstream(change, upstream, known.digest, known.size)
        return known
    row = blob_rows.blob(change.connection, known.digest)
    if row is None or not registry.blobs.has(known.digest, row.size):
        return None
    local_file(registry.blobs, known.digest, row.size, filename)
    blob_rows.mark_referred(change.connection, known.digest)
    return Held(known.digest, row.size)


def _is_as_it_was(registry: OpenRegistry, connection: blob_rows.Connection, digest: str) -> bool:
    """Return True if a blob exists and its file is unchanged since it was hashed."""
    row = blob_rows.blob(connection, digest)
    return (
        row is not None
        and registry.blobs.has(digest, row.size)
        and registry.blobs.ctime(digest) == row.ctime
    )


def _is_damaged(registry: OpenRegistry, blob: StagedBlob) -> bool:
    """Return True if the registry has a blob of this digest, and it is damaged."""
    if not registry.blobs.has(blob.digest, blob.size):
        return False
    with registry.store.read() as connection:
        if _is_as_it_was(registry, connection, blob.digest):
            return False
    return not registry.blobs.is_sound(blob.digest)


def inside_of(blob: StagedBlob, filename: str | None) -> Json:
    """Return facts from the header of staged weights."""
    from localreg.blobs.headers.contents import inside

    with disk_errors("keeping weights", blob.path):
        return inside(blob.path, filename)


def _delete_source(path: Path, before: FileStatus | None) -> None:
    found = status_of(path)
    if before is None or found is None or not before.same_content(found):
        log.warning("%s was kept, but is not deleted: it has changed since", path)
        return
    try:
        remove_file(path)
    except OSError as error:
        log.warning("%s was kept, but could not be deleted: %s", path, error.strerror or error)
