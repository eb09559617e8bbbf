"""Stage bytes for the store: a file by copy, clone or hard link, or a stream, hashed on the way.

The copy is hashed, as read back from disk, not the source. So the name of a blob is always the
digest of its bytes. A file that changes while it is read is an error in every mode.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from localreg.blobs.staging.hashing import BUFFER, BackgroundHash
from localreg.errors import InvalidValueError, StorageFullError
from localreg.filesystem import syncing
from localreg.filesystem.clones import CANNOT, clone_open
from localreg.filesystem.disk_errors import ADVICE
from localreg.filesystem.plain_files import changed, plain_status, status_of, unchanged
from localreg.filesystem.portable_files import make_readonly, make_readonly_at
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import BinaryIO, Literal

    from localreg.progress import Progress

    Mode = Literal["copy", "move", "link"]
else:
    Mode = object

COPY_STEP = 1024 * 1024  # bytes that the kernel copies at once
SYNC_STEP = 128 * 1024 * 1024  # bytes; a larger file is synced by itself, while it is hashed
FAT_LIMIT = 2**32 - 1  # bytes; the largest file on FAT


class StagedBlob(Frozen):
    """Bytes in a temporary file, ready to become a blob.

    Attributes:
        digest: their sha256.
        size: number of bytes.
        path: the temporary file, read-only; already synced to disk if the registry is durable.
    """

    digest: str
    size: int
    path: Path


def source_size(source: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        SourceNotFoundError: it does not exist.
        InvalidValueError: it is a folder, a device or a pipe.
    """
    return plain_status(source, "weights_url").st_size


def check_room(folder: Path, size: int) -> None:
    """Raise StorageFullError if the disk does not have room for `size` more bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StorageFullError(
            f"the disk is full: {size:,} bytes do not fit into {folder}, where {free:,} are free; "
            f"nothing was kept; {ADVICE}",
            path=str(folder),
        )


def stage_file(
    source: Path,
    target: Path,
    mode: Mode,
    *,
    sync: bool,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Copy, clone or link a file to a temporary path, and hash the result.

    Args:
        source: an existing regular file.
        target: the new path, on the registry's file system.
        mode: "copy" clones where the file system can; "link" clones or makes a hard link; "move"
            makes a hard link where possible, and the caller deletes the source afterwards.
        sync: sync the bytes to disk.
        progress: called with the number of bytes done, and the total.
        group: the group that must be able to read it; None without one.

    Raises:
        InvalidValueError: mode "link" is not possible, or the file changed while it was read.
    """
    # A moved file must have no other name by which it could be written to afterwards.
    linkable = mode == "link" or (
        mode == "move" and source.lstat().st_nlink == 1 and not source.is_symlink()
    )
    with unchanged(source, "weights_url", linked=linkable) as reader:
        if clone_open(reader, target):
            make_readonly_at(target, group)
            return _hash_in_place(target, sync, progress, source)
        if linkable and _hard_link(source, target, mode):
            return _hash_in_place(target, sync, progress, source)
        size = os.fstat(reader.fileno()).st_size
        return _write_and_hash(
            target,
            partial(_copy, reader),
            sync=sync,
            size=size,
            progress=progress,
            group=group,
        )


def stage_stream(
    stream: BinaryIO,
    target: Path,
    *,
    sync: bool,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Write a stream to a temporary path and hash it; arguments as for `stage_file`."""

    def copy(writer: BinaryIO, report: Callable[[int], None]) -> None:
        done = 0
        while data := stream.read(BUFFER):
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise InvalidValueError(
                    f"the stream gives {type(data).__name__}, not bytes; open it in binary mode",
                    argument="source",
                )
            _write_all(writer.fileno(), memoryview(data))
            done += len(data)
            report(done)

    return _write_and_hash(target, copy, sync=sync, size=None, progress=progress, group=group)


def stage_written(
    write: Callable[[Path, Callable[[int], None]], None],
    target: Path,
    *,
    sync: bool,
    size: int | None,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Let `write` fill a temporary file, and hash it meanwhile.

    Args:
        write: gets the path, and a function to call with the number of bytes that are final.
        target, sync, size, progress, group: as for `stage_file`.
    """

    def fill(writer: BinaryIO, report: Callable[[int], None]) -> None:
        write(target, report)

    return _write_and_hash(target, fill, sync=sync, size=size, progress=progress, group=group)


def _write_and_hash(
    target: Path,
    write: Callable[[BinaryIO, Callable[[int], None]], None],
    *,
    sync: bool,
    size: int | None,
    progress: Progress | None,
    group: int | None,
) -> StagedBlob:
    done = 0
    with (
        open(target, "xb", buffering=0) as writer,
        BackgroundHash(target) as digest,
    ):
        early = syncing.EarlySync(writer.fileno())

        def report(written: int) -> None:
            nonlocal done
            if sync:
                early.wrote(written - done)  # the sync at the end has less to do
            done = written
            digest.advance(written)
            if progress is not None:
                progress(written, size)

        if size is not None and size > FAT_LIMIT:
            check_size_allowed(target, writer, size)
        write(writer, report)
        # Before it is synced, so that this is on disk too.
        make_readonly(writer.fileno(), target, group)
        if sync:
            syncing.sync(writer.fileno())
        sha256 = digest.finish()
    return StagedBlob(sha256, done, target)


def check_size_allowed(path: Path, writer: BinaryIO, size: int) -> None:
    """Raise EFBIG now, not after 4 GiB are copied, if the file system cannot hold such a file.

    Linux refuses to seek beyond the largest file. Nothing is written for this check.
    """
    try:
        os.lseek(writer.fileno(), size, os.SEEK_SET)
    except OSError as error:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path)) from error
    os.lseek(writer.fileno(), 0, os.SEEK_SET)


def _copy(reader: BinaryIO, writer: BinaryIO, report: Callable[[int], None]) -> None:
    size = os.fstat(reader.fileno()).st_size
    done = 0
    for count in _pieces(reader, writer):
        done += count
        if done > size > 0:  # it grows, perhaps without end; files in /proc seem empty
            raise OSError(errno.EIO, "became longer while it was copied")
        report(done)


def _pieces(reader: BinaryIO, writer: BinaryIO) -> Iterator[int]:
    """Copy the rest of a file, and yield the sizes of the pieces."""
    source, target = reader.fileno(), writer.fileno()
    try:
        while count := os.copy_file_range(source, target, COPY_STEP):
            yield count
    except (OSError, AttributeError) as error:  # AttributeError: not Linux
        if isinstance(error, OSError) and error.errno not in CANNOT:
            raise
    # Also after copy_file_range reported the end: files in /proc seem empty to it.
    buffer = memoryview(bytearray(BUFFER))
    while count := reader.readinto(buffer):  # type: ignore[attr-defined]  # raw, so it has it
        _write_all(target, buffer[:count])
        yield count


def copy_open(reader: FileIO, target: Path) -> None:
    """Clone or copy an open file to a new path, without its mode."""
    if not clone_open(reader, target):
        with open(target, "xb", buffering=0) as writer:
            for _ in _pieces(reader, writer):
                pass


def _hard_link(source: Path, target: Path, mode: Mode) -> bool:
    try:
        if hasattr(os, "geteuid") and os.geteuid() not in (0, source.stat().st_uid):
            raise PermissionError(errno.EPERM, "another user's file cannot be made read-only")
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        if mode == "link":
            raise InvalidValueError(
                f"{source} can be neither cloned nor hard-linked into the registry "
                f"({error.strerror}); copy it instead",
                argument="mode",
            ) from error
        return False
    return True


def _hash_in_place(path: Path, sync: bool, progress: Progress | None, source: Path) -> StagedBlob:
    if sync:  # before a look at its times: on Windows it must be writable for a moment
        syncing.sync_file(path)
    with open(path, "rb", buffering=0) as reader, BackgroundHash(path) as digest:
        before = status_of(os.fstat(reader.fileno()))
        for done in range(0, before.size + COPY_STEP, COPY_STEP):
            digest.advance(min(done, before.size))
            if progress is not None:
                progress(min(done, before.size), before.size)
        sha256 = digest.finish()
        after = status_of(os.fstat(reader.fileno()))
    if before != after:
        raise changed(source, "weights_url")
    return StagedBlob(sha256, before.size, path)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
