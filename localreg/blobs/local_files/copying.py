"""Copies of blobs where hard links do not exist: they have the size and the mtime of the blob."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.filesystem.plain_files import discard
from localreg.filesystem.portable_files import make_readonly_at, replace_file
from localreg.filesystem.syncing import sync_file
from localreg.values.layout import unfinished_name

# Nanoseconds: Linux's own file systems, NTFS and CIFS, some by FUSE, exFAT, ext2, FAT.
_TIME_STEPS = (1, 100, 1_000, 10_000_000, 1_000_000_000, 2_000_000_000)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; a file that is made there then replaces `path`."""
    from localreg.filesystem.temporary_owners import owner_mark

    # It contains the whole name, so that a refused name fails before a byte is copied.
    temporary = path.with_name(unfinished_name(path.name, owner_mark()))
    try:
        yield temporary
        if os.path.lexists(temporary):
            replace_file(temporary, path)
    finally:
        discard(temporary)


def copy_file(blob: Path, target: Path, group: int | None, *, sync: bool) -> None:
    """Copy a blob and its mtime; a clone where the file system can share bytes."""
    import shutil

    from localreg.filesystem.clones import clone

    if not clone(blob, target):
        shutil.copyfile(blob, target, follow_symlinks=False)
    make_readonly_at(target, group)
    set_same_time(blob, target)
    if sync:  # later only its size and mtime show that it is complete
        sync_file(target)


def set_same_time(blob: Path, copy: Path) -> None:
    """Give a copy the mtime of its blob; a file of another origin has another mtime."""
    status = blob.lstat()
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))


def is_copy(path: Path, blob: Path) -> bool:
    """Return True if a file is a copy that `copy_file` made of this blob."""
    size = size_of(blob)
    if size is None or size_of(path) != size:
        return False
    return _is_time_of(path.lstat().st_mtime_ns, blob.lstat().st_mtime_ns)


def _is_time_of(copied: int, time: int) -> bool:
    """Return True if a time in nanoseconds is another one, rounded down by a file system.

    >>> _is_time_of(1_700_000_000_000_000_000, 1_700_000_001_123_456_789)  # FAT
    True
    >>> _is_time_of(1_700_000_001_000_000_000, 1_700_000_001_123_456_000)  # ext2
    True
    >>> _is_time_of(1_700_000_001_000_000_001, 1_700_000_001_123_456_000)
    False
    """
    return any(copied == time - time % step for step in _TIME_STEPS)
