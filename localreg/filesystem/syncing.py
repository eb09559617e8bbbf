"""Sync files and folders to disk; and the errors of file systems without locks.

fsync of macOS leaves bytes in the cache of the disk, where a power cut loses them. F_FULLFSYNC does
not. Windows syncs only what is open for writing, and no folder can be opened there.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from functools import cache

from localreg.filesystem.c_library import c_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from ctypes import _NamedFuncPointer
    from pathlib import Path

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_SYNC_OF_ALL = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL})  # forbidden in a sandbox
_FEW = 8  # folders, whose syncs cost less than one of everything
_EARLY_STEP = 32 * 1024 * 1024  # bytes
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
# Not possible on this file system, for example in a network share.
_NO_FULL_SYNC = frozenset({errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS})


def full_sync() -> int | None:
    """Return the number of the command F_FULLFSYNC; None where fsync does as much, or is all."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    return getattr(fcntl, "F_FULLFSYNC", None)


def sync(descriptor: int) -> None:
    """Sync an open file or folder to disk."""
    command = full_sync()
    if command is not None:
        import fcntl

        try:
            fcntl.fcntl(descriptor, command)
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
        else:
            return
    os.fsync(descriptor)


class EarlySync:
    """Lets the system write a growing file to disk while more of it is made; it does not wait.

    The bytes are safe only after a sync. It then has less to do.

    Args:
        descriptor: of the file, which is written from its start.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = self._written = 0

    def wrote(self, count: int) -> None:
        """Note that so many more bytes were written."""
        self._written += count
        if self._written - self._begun >= _EARLY_STEP:
            self.wrote_all()

    def wrote_all(self) -> None:
        """Let the system begin with all that was noted, also if it is little."""
        ready = self._written - self._begun
        begin = _begin_sync() if ready else None  # not before: it imports ctypes
        if begin is not None:
            begin(self._descriptor, self._begun, ready, _WRITE)  # an error is no harm
            self._begun = self._written


@cache
def _begin_sync() -> _NamedFuncPointer | None:
    begin = c_function("sync_file_range")  # of Linux
    if begin is not None:
        import ctypes

        begin.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return begin


def sync_file(path: Path) -> None:
    """Sync a file that is written and closed."""
    try:
        with open(path, "rb") as reader:
            sync(reader.fileno())
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
    else:
        return
    # This system syncs only what is open for writing.
    mode = path.stat().st_mode
    path.chmod(mode | 0o200)
    try:
        with open(path, "r+b") as writer:
            sync(writer.fileno())
    finally:
        path.chmod(mode)


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries to disk, if the system and the file system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except PermissionError:
        if hasattr(os, "O_DIRECTORY"):
            raise
        return  # no folder can be opened on this system
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_of_all() -> _NamedFuncPointer | None:
    """Return the call that syncs a whole file system; None where it hides errors, or is missing.

    Linux reports errors of writing by it since 5.8.
    """
    numbers = os.uname().release.split(".") if hasattr(os, "uname") else []
    release = tuple(int(each) for each in numbers[:2] if each.isdecimal())
    return c_function("syncfs") if release >= (5, 8) else None


def sync_tree(folder: Path, opened: int | None = None) -> None:
    """Sync a folder with all files below it: by one call where the system has one.

    Args:
        opened: the folder, opened by `open_for_sync` before the first file was written. Then no
            error of a write is missed.
    """
    if _sync_all(folder, opened):
        return
    from pathlib import Path

    for place, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(place) / name)
        sync_folder(Path(place))


def sync_folders(folders: Collection[str], opened: int | None) -> None:
    """Sync the entries of folders of one file system: of many by one call, where there is one.

    Each sync of a folder waits for the disk; 200 of them take seconds.

    Args:
        opened: a folder of that file system, opened by `open_for_sync` before the entries were
            made.
    """
    if len(folders) > _FEW and _sync_all(next(iter(folders)), opened):
        return
    from pathlib import Path

    for folder in folders:
        sync_folder(Path(folder))


def _sync_all(folder: str | Path, opened: int | None) -> bool:
    """Sync the file system of a folder; return False if the system has no call for it."""
    syncfs = sync_of_all()
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY) if opened is None else opened
    try:
        if syncfs(descriptor) == 0:
            return True
        import ctypes

        number = ctypes.get_errno()
        if number not in _NO_SYNC_OF_ALL:  # the next sync would not report it again
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        if opened is None:
            os.close(descriptor)
    return False


@contextmanager
def open_for_sync(folder: Path) -> Iterator[int | None]:
    """Open a folder in which files will be written, for `sync_tree`; None if it does not need that.

    The call that syncs everything reports errors only to who opened the folder before them.
    """
    if sync_of_all() is None:
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
