"""The sha256 of files outside the registry, remembered while size, times and inode stay."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from localreg.blobs.staging import hashing
from localreg.errors import ReadOnlyRegistryError, StorageFullError
from localreg.filesystem import plain_files
from localreg.filesystem.plain_files import FileStatus
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress

UNTRUSTED_SECONDS = 2.0  # a younger file could change again without new times


def digest_at(registry: OpenRegistry, path: Path, progress: Progress | None = None) -> str:
    """Return the sha256 of a file; it is hashed unless its sha256 is remembered."""
    status = status_of(path)
    known = known_digest(registry, status)
    if known is not None or status is None:
        return known or hashing.file_digest(path, progress)
    settled = is_settled(status)
    found = hashing.file_digest(path, progress)
    if not settled:
        return found
    with suppress(ReadOnlyRegistryError, StorageFullError):  # it will be hashed again
        remember(registry, path, status, found)
    return found


def known_digest(registry: OpenRegistry, status: FileStatus | None) -> str | None:
    """Return the remembered sha256 of the file that has this status, or None."""
    if status is None:
        return None
    with registry.store.read() as connection:
        return blob_rows.known_digest(connection, status)


def remember(registry: OpenRegistry, path: Path, before: FileStatus, digest: str) -> None:
    """Remember the sha256 of a file, if it has not changed since `before`.

    Args:
        before: a status that was settled (`is_settled`) when it was read.
    """
    if before == status_of(path):
        with registry.store.write() as change:
            blob_rows.remember_file(change.connection, before, digest)


def status_of(path: Path | None) -> FileStatus | None:
    """Return the status of a regular file, or None for anything else."""
    import stat

    try:
        found = os.stat(path or "")  # noqa: PTH116  (a link counts as what it leads to)
    except (OSError, ValueError):
        return None  # staging says what is wrong
    if not stat.S_ISREG(found.st_mode):
        return None
    return plain_files.status_of(found)


def is_settled(status: FileStatus) -> bool:
    """Return True if a file is so old that any later change would change its times.

    Ask before the file is read: one that was young then may have changed within the same tick.
    """
    age = time.time() - max(status.modified, status.changed) / 1e9
    return age > UNTRUSTED_SECONDS
