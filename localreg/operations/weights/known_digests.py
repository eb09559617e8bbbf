"""The digests of files outside: hashed once, and remembered as long as their status is the same."""

from __future__ import annotations

import os
import time
from pathlib import Path

from localreg.blobs.staging import hashing
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.store.rows.blob_rows import FileStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress

UNTRUSTED_SECONDS = 2.0  # a file this young may change again without a change of its times


def digest_at(registry: OpenRegistry, path: Path, progress: Progress | None = None) -> str:
    """Return the sha256 of a file outside, hashed unless it is known from before.

    Raises:
        OSError: it cannot be read.
    """
    status = status_of(path)
    known = known_digest(registry, status)
    if known is not None or status is None:
        return known or hashing.file_digest(path, progress)
    found = hashing.file_digest(path, progress)
    if not registry.store.readonly:
        remember(registry, path, status, found)
    return found


def known_digest(registry: OpenRegistry, status: FileStatus | None) -> str | None:
    """Return the digest of a file whose status is the one of when it was hashed, or None."""
    if status is None:
        return None
    with registry.store.read() as connection:
        return blob_rows.known_digest(connection, status)


def remember(registry: OpenRegistry, path: Path, before: FileStatus, digest: str) -> None:
    """Note the digest of a file that did not change since it was looked at, and is not young."""
    if is_settled(before) and before == status_of(path):
        with registry.store.write() as change:
            blob_rows.remember_file(change.connection, before, digest)


def status_of(path: Path | None) -> FileStatus | None:
    """Return the status of a plain file; None for what is none."""
    import stat

    try:
        found = os.stat(path or "")  # noqa: PTH116  (a link counts as what it leads to)
    except (OSError, ValueError):
        return None  # staging says what is wrong
    if not stat.S_ISREG(found.st_mode):
        return None
    return FileStatus(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


def is_settled(status: FileStatus) -> bool:
    """Return whether a file is so old that a change of it would change its times."""
    age = time.time() - max(status.modified, status.changed) / 1e9
    return age > UNTRUSTED_SECONDS
