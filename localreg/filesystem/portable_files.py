"""Files on file systems with fewer features: FAT and exFAT on USB sticks, some FUSE and CIFS.

They have no modes, or only two; no links; names without certain characters, and without case. The
bytes must be right; a mode is only a safeguard, and is skipped where it does not exist.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from localreg.filesystem.group_modes import share

# Errors for a change of mode: not allowed, or not possible here. FAT and exFAT just ignore it.
_NO_MODES = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})
# ENOENT: exFAT by FUSE gives it for a name that it cannot store.
REFUSED_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ENOENT})
_REFUSED = re.compile(r'[<>:"|?*]')
_SHORT = 80  # bytes; eCryptfs and gocryptfs allow little more than a hundred


def make_readonly(descriptor: int, group: int | None = None) -> None:
    """Make an open file read-only; keep its other mode bits.

    Args:
        descriptor: of the open file.
        group: the group that must be able to read it.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        os.fchmod(descriptor, mode & 0o444)
        if os.fstat(descriptor).st_mode & 0o222:
            # On FAT every file is executable, and a mode without that is ignored.
            os.fchmod(descriptor, mode & 0o555)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
    share(descriptor, group)


def make_readonly_at(path: Path, group: int | None = None) -> None:
    """Make the file at a path read-only, as `make_readonly`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        make_readonly(descriptor, group)
    finally:
        os.close(descriptor)


def set_folder_mode(folder: Path, mode: int) -> None:
    """Set the mode of a folder, if the file system has modes."""
    try:
        folder.chmod(mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def portable_name(name: str) -> str:
    """Return a file name that FAT, NTFS and encrypting file systems accept.

    >>> portable_name("epoch=3:loss<0.1?.ckpt")
    'epoch=3_loss_0.1_.ckpt'
    """
    portable = _REFUSED.sub("_", name).rstrip(". ") or "_"
    if len(portable.encode()) <= _SHORT:
        return portable
    stem, dot, ending = portable.rpartition(".")
    kept = dot + ending if stem and len(ending.encode()) <= 20 else ""
    return portable.encode()[: _SHORT - len(kept.encode())].decode(errors="ignore") + kept
