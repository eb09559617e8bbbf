"""What file systems need that lack something: FAT and exFAT of USB sticks, some FUSE and CIFS.

They have no modes, or two; no links; names without certain characters and without case. The bytes
are what counts: what is only a safeguard is left out there.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from localreg.filesystem.group_modes import share

# What is said to a mode: not by this user, or not here. FAT and exFAT just ignore it.
_NO_MODES = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})
# ENOENT: exFAT by FUSE calls a name so that it cannot hold.
REFUSED_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ENOENT})
_REFUSED = re.compile(r'[<>:"|?*]')
_SHORT = 80  # bytes; eCryptfs and gocryptfs allow little more than a hundred


def make_readonly(descriptor: int, group: int | None = None) -> None:
    """Take the right to write from a file; what the umask left of the others stays.

    Args:
        group: the group that shall be able to read it.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        os.fchmod(descriptor, mode & 0o444)
        if os.fstat(descriptor).st_mode & 0o222:
            # On FAT every file may be run, and a mode that denies it is ignored.
            os.fchmod(descriptor, mode & 0o555)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
    share(descriptor, group)


def make_readonly_at(path: Path, group: int | None = None) -> None:
    """Take the right to write from the file at a path, as `make_readonly`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        make_readonly(descriptor, group)
    finally:
        os.close(descriptor)


def set_folder_mode(folder: Path, mode: int) -> None:
    """Give a folder a mode, where there are modes."""
    try:
        folder.chmod(mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def portable_name(name: str) -> str:
    """Return a file's name as FAT, NTFS and encrypting file systems take it.

    >>> portable_name("epoch=3:loss<0.1?.ckpt")
    'epoch=3_loss_0.1_.ckpt'
    """
    portable = _REFUSED.sub("_", name).rstrip(". ") or "_"
    if len(portable.encode()) <= _SHORT:
        return portable
    stem, dot, ending = portable.rpartition(".")
    kept = dot + ending if stem and len(ending.encode()) <= 20 else ""
    return portable.encode()[: _SHORT - len(kept.encode())].decode(errors="ignore") + kept
