"""Writing bytes aside while they are hashed: files by copy, clone or hard link, and streams.

What is hashed is the copy. It becomes the blob under the digest that was read back from it, so a
source that changes meanwhile gives some bytes under their right name, never wrong ones.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from localreg.blobs.staging.hash_behind import BUFFER, HashBehind
from localreg.errors import InvalidValueError, SourceNotFoundError, StorageFullError
from localreg.filesystem.portable_files import make_readonly, make_readonly_at
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Literal

    from localreg.progress import Progress

    Mode = Literal["copy", "move", "link"]
else:
    Mode = object

STEP = 1024 * 1024  # bytes that the kernel copies at once
SYNC_STEP = 128 * 1024 * 1024  # a large file goes to disk while it is hashed, not afterwards
SAMPLE = 65_536
FAT_LIMIT = 2**32 - 1  # bytes of a file
_FICLONE = 0x4004_9409
# Not here, not between these two file systems, not of this kind of file, not by this user.
_CANNOT = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM,
     errno.EBADF, errno.ETXTBSY, errno.EMLINK, errno.EACCES, errno.EISDIR}
)  # fmt: skip


class StagedBlob(Frozen):
    """Bytes that wait aside.

    Attributes:
        digest: their sha256.
        size: how many they are.
        path: where they wait, read-only; on the disk already when the registry is durable.
    """

    digest: str
    size: int
    path: Path


def source_size(source: Path) -> int:
    """Return how many bytes a file has.

    Raises:
        SourceNotFoundError: there is no such file.
        InvalidValueError: it is a folder, a device or a pipe.
    """
    try:
        status = source.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(
            f"there is no file {source}; check the path", reference=str(source)
        ) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
        raise InvalidValueError(
            f"{source} is {kind}; only plain files can be kept so", argument="weights_url"
        )
    return status.st_size


def check_room(folder: Path, size: int) -> None:
    """Check that the disk has room for so many more bytes.

    Raises:
        StorageFullError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StorageFullError(
            f"{size:,} bytes do not fit into {folder}, where {free:,} are free; nothing was kept",
            path=str(folder),
        )


def stage_file(
    source: Path,
    aside: Path,
    mode: Mode,
    *,
    sync: bool,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Bring a file aside and hash what came of it.

    Args:
        source: an existing plain file.
        aside: the new path, on the registry's file system.
        mode: "copy" clones where the file system can, "link" clones or makes a hard link, and
            "move" makes a hard link where it can: the caller deletes the source afterwards.
        sync: whether what is copied shall be on disk.
        progress: called with the bytes done, and how many there are.
        group: the group that shall be able to read it; None for no one in particular.

    Raises:
        InvalidValueError: a hard link was wanted and cannot be made, or the file changed
            while it was hashed.
        OSError: it cannot be read or copied.
    """
    if clone(source, aside):
        make_readonly_at(aside, group)
        return _hash_in_place(aside, sync, progress, source)
    if mode != "copy" and _alone(source, mode) and _hard_link(source, aside, mode):
        return _hash_in_place(aside, sync, progress, source)
    with open(source, "rb", buffering=0) as reader:
        size = os.fstat(reader.fileno()).st_size
        return _write_and_hash(
            aside,
            lambda writer, told: _copy(reader, writer, told, sync=sync),
            sync=sync,
            size=size,
            progress=progress,
            group=group,
        )


def stage_stream(
    stream: BinaryIO,
    aside: Path,
    *,
    sync: bool,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Write what a stream gives aside and hash it; otherwise as `stage_file`."""

    def copy(writer: BinaryIO, told: Callable[[int], None]) -> None:
        done = 0
        while data := stream.read(BUFFER):
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise InvalidValueError(
                    f"the stream gives {type(data).__name__}; open it in binary mode",
                    argument="source",
                )
            _write_all(writer.fileno(), memoryview(data))
            done += len(data)
            told(done)

    return _write_and_hash(aside, copy, sync=sync, size=None, progress=progress, group=group)


def stage_written(
    write: Callable[[Path, Callable[[int], None]], None],
    aside: Path,
    *,
    sync: bool,
    size: int | None,
    progress: Progress | None,
    group: int | None = None,
) -> StagedBlob:
    """Let `write` fill a file aside, which tells how far it is final, and hash it meanwhile."""

    def fill(writer: BinaryIO, told: Callable[[int], None]) -> None:
        write(aside, told)

    return _write_and_hash(aside, fill, sync=sync, size=size, progress=progress, group=group)


def _write_and_hash(
    aside: Path,
    write: Callable[[BinaryIO, Callable[[int], None]], None],
    *,
    sync: bool,
    size: int | None,
    progress: Progress | None,
    group: int | None,
) -> StagedBlob:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    done = 0
    with (
        open(os.open(aside, flags, 0o666), "wb", buffering=0) as writer,
        HashBehind(aside) as behind,
    ):

        def told(written: int) -> None:
            nonlocal done
            done = written
            behind.advance(written)
            if progress is not None:
                progress(written, size)

        if size is not None and size > FAT_LIMIT:
            _check_size_allowed(aside, writer, size)
        write(writer, told)
        make_readonly(writer.fileno(), group)  # before it is synced, so that this is on disk too
        if sync:
            os.fsync(writer.fileno())
        digest = behind.finish()
    return StagedBlob(digest, done, aside)


def _check_size_allowed(path: Path, writer: BinaryIO, size: int) -> None:
    """Raise EFBIG now where a file cannot be so large, and not after 4 GiB were copied.

    Linux refuses a place beyond what the file system can hold. Nothing is written to ask.
    """
    try:
        os.lseek(writer.fileno(), size, os.SEEK_SET)
    except OSError as error:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path)) from error
    os.lseek(writer.fileno(), 0, os.SEEK_SET)


def _copy(reader: BinaryIO, writer: BinaryIO, told: Callable[[int], None], *, sync: bool) -> None:
    done = synced = 0
    for count in _pieces(reader, writer):
        done += count
        told(done)
        if sync and done - synced >= SYNC_STEP:
            os.fsync(writer.fileno())
            synced = done


def _pieces(reader: BinaryIO, writer: BinaryIO) -> Iterator[int]:
    """Copy what is left of a file, and yield the sizes of the pieces."""
    source, target = reader.fileno(), writer.fileno()
    try:
        while count := os.copy_file_range(source, target, STEP):
            yield count
    except (OSError, AttributeError) as error:  # AttributeError: no Linux
        if isinstance(error, OSError) and error.errno not in _CANNOT:
            raise
    # Also after the kernel saw the end: files of /proc have no length that it knows of.
    buffer = memoryview(bytearray(BUFFER))
    while count := reader.readinto(buffer):  # type: ignore[attr-defined]  # raw, so it has it
        _write_all(target, buffer[:count])
        yield count


def clone(source: Path, aside: Path) -> bool:
    """Make a copy that shares the bytes on disk until one is written to, where that exists."""
    try:
        from fcntl import ioctl
    except ImportError:  # Windows
        return False
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with open(source, "rb") as reader, open(os.open(aside, flags, 0o666), "wb") as writer:
        try:
            ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as error:
            aside.unlink()
            if error.errno not in _CANNOT:
                raise
            return False
    return True


def _hard_link(source: Path, aside: Path, mode: Mode) -> bool:
    try:
        if hasattr(os, "geteuid") and os.geteuid() not in (0, source.stat().st_uid):
            raise PermissionError(errno.EPERM, "another user's file cannot be made read-only")
        os.link(os.path.realpath(source), aside)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        if mode == "link":
            raise InvalidValueError(
                f"{source} can be neither cloned nor hard-linked into the registry "
                f"({error.strerror}); copy it instead",
                argument="mode",
            ) from error
        return False
    return True


def _alone(source: Path, mode: Mode) -> bool:
    """Return whether nobody could write to a file that is moved, by another name of it."""
    return mode == "link" or (source.lstat().st_nlink == 1 and not source.is_symlink())


def _hash_in_place(path: Path, sync: bool, progress: Progress | None, source: Path) -> StagedBlob:
    with open(path, "rb", buffering=0) as reader, HashBehind(path) as behind:
        before = os.fstat(reader.fileno())
        for done in range(0, before.st_size + STEP, STEP):
            behind.advance(min(done, before.st_size))
            if progress is not None:
                progress(min(done, before.st_size), before.st_size)
        if sync:
            os.fsync(reader.fileno())
        digest = behind.finish()
        after = os.fstat(reader.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InvalidValueError(
            f"{source} changed while it was hashed; keep it when it is finished",
            argument="weights_url",
        )
    return StagedBlob(digest, before.st_size, path)


def sample(path: Path) -> str:
    """Return a digest of the ends of a file, which tells most files apart that differ.

    Raises:
        OSError: it cannot be read.
    """
    import hashlib

    with open(path, "rb", buffering=0) as reader:
        size = os.fstat(reader.fileno()).st_size
        digest = hashlib.sha256(reader.read(SAMPLE))
        reader.seek(max(0, size - SAMPLE))
        digest.update(reader.read(SAMPLE))
    return digest.hexdigest()[:16]


def file_digest(path: Path, progress: Progress | None = None) -> str:
    """Return the sha256 of a file.

    Raises:
        OSError: it cannot be read, or becomes shorter meanwhile.
    """
    with HashBehind(path) as behind:
        size = path.stat().st_size
        for done in range(0, size + STEP, STEP):
            behind.advance(min(done, size))
            if progress is not None:
                progress(min(done, size), size)
        return behind.finish()


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
