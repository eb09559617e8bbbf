"""Clones: copies of files that share their bytes on disk (reflinks), where that is possible."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from localreg.filesystem.c_library import c_function
from localreg.filesystem.syncing import full_sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

_FICLONE = 0x4004_9409  # of Linux
_HERE = -2  # AT_FDCWD of macOS
# Not possible on this file system, between these two, for this kind of file, or for this user.
CANNOT = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM,
     errno.EBADF, errno.ETXTBSY, errno.EMLINK, errno.EACCES, errno.EISDIR, errno.ENOTSUP}
)  # fmt: skip


def clone(source: Path, target: Path) -> bool:
    """Make a copy that shares its bytes on disk; return False if not possible."""
    with open(source, "rb", buffering=0) as reader:
        return clone_open(reader, target)


def clone_open(reader: FileIO, target: Path) -> bool:
    """Make a copy of an open file that shares its bytes; return False if not possible.

    The copy is a new file that its owner may write to.
    """
    if full_sync() is not None:  # a system like macOS, where FICLONE means something else
        return _clone_by_name(reader, target)
    return _clone_by_ioctl(reader, target)


def _clone_by_ioctl(reader: FileIO, target: Path) -> bool:
    try:
        from fcntl import ioctl
    except ImportError:  # Windows
        return False
    with open(target, "xb") as writer:
        try:
            ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as error:
            target.unlink()
            if error.errno not in CANNOT:
                raise
            return False
    return True


def _clone_by_name(reader: FileIO, target: Path) -> bool:
    """Make a clone as macOS does it: with the mode of the source."""
    import ctypes

    make = c_function("fclonefileat")
    if make is None:
        return False
    if make(reader.fileno(), _HERE, os.fsencode(target), 0) == 0:
        target.chmod(target.stat().st_mode & 0o777 | 0o600)
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(target))
