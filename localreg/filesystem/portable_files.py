"""Files where there are fewer features: FAT and exFAT on USB sticks, some FUSE and CIFS, Windows.

They have no modes, or only two; no links; names without certain characters, and without case. The
bytes must be right; a mode is only a safeguard, and is skipped where it does not exist.

Windows neither deletes nor replaces a file that is read-only, or that a program has open. The first
is made writable. For the second `replace_file` waits a little: a browser reads a page, and a virus
scanner a new file, for a moment.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from functools import cache

from localreg.filesystem.disk_errors import IN_USE
from localreg.filesystem.group_modes import share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

# Errors for a change of mode: not allowed, or not possible here. FAT and exFAT just ignore it.
_NO_MODES = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP})
# ENOENT: exFAT by FUSE gives it for a name that it cannot store.
NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})  # of a folder; systems differ
REFUSED_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.ENOENT})
_REFUSED = r'[<>:"|?*\x00-\x1f]'
_DEVICE = r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[1-9¹²³]) *(?:\.|$)"
# Of a name that FAT, NTFS and Windows refuse, or do not keep as it is.
UNPORTABLE = rf"(?i){_REFUSED}|[. ]$|^{_DEVICE}"
_SHORT = 80  # bytes; eCryptfs and gocryptfs allow little more than a hundred
_REFUSALS = (5, IN_USE)  # 5: read-only, or being deleted
_PAUSES = (0.01, 0.05, 0.2, 0.5)  # seconds


def make_readonly(descriptor: int, path: Path, group: int | None = None) -> None:
    """Make an open file read-only; keep its other mode bits.

    Args:
        descriptor: of the open file.
        path: its path, for systems that change modes by it only.
        group: the group that must be able to read it.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        if not hasattr(os, "fchmod"):
            path.chmod(mode & 0o444)
            return
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
    with open(path, "rb") as reader:
        make_readonly(reader.fileno(), path, group)


def remove_file(path: Path, *, missing_ok: bool = False) -> None:
    """Delete a file, also if it is read-only; errors are those of `Path.unlink`.

    Other names of the same file (hard links) become writable where that is needed to delete one.
    """
    try:
        path.unlink(missing_ok=missing_ok)
    except PermissionError as error:
        if not _made_writable(path, error):
            raise
        path.unlink(missing_ok=missing_ok)


def replace_file(temporary: Path, path: Path) -> None:
    """Give a file a name that another one may have, which it replaces, also a read-only one.

    Raises:
        OSError: as `Path.replace`; on Windows also if a program has the other one open for long.
    """
    for pause in (*_PAUSES, None):
        try:
            temporary.replace(path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _REFUSALS or pause is None:
                raise
            if not _made_writable(path, error):
                time.sleep(pause)
        else:
            return


def _made_writable(path: Path, error: PermissionError) -> bool:
    """Make a file writable if it is read-only and this explains an error of Windows."""
    if getattr(error, "winerror", None) not in _REFUSALS or not os.path.lexists(path):
        return False
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode) or mode & 0o200:
        return False
    path.chmod(stat.S_IMODE(mode) | 0o200)
    return True


def make_executable(path: Path) -> None:
    """Let everybody who may read a file execute it, if the file system has modes."""
    mode = stat.S_IMODE(path.stat().st_mode)
    set_folder_mode(path, mode | (mode & 0o444) >> 2)


def set_folder_mode(folder: Path, mode: int) -> None:
    """Set the mode of a folder, if the file system has modes."""
    try:
        folder.chmod(mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


@cache
def keeps_names() -> bool:
    """Return True if the system makes files under the names that it is given, or refuses them.

    Windows removes dots and blanks at the end of a name, opens a device for CON or NUL.txt, and
    reads what follows a colon as the name of a stream. There one more dot names the same file.
    """
    return not os.path.lexists(f"{__file__}.")


def is_portable(name: str) -> bool:
    """Return True if FAT, NTFS and Windows accept a name and keep it as it is.

    >>> is_portable("net.pt"), is_portable("nul.txt"), is_portable("a."), is_portable("a:b")
    (True, False, False, False)
    """
    import re  # most programs ask for no name

    return re.search(UNPORTABLE, name) is None


def kept_name(name: str) -> str:
    """Return a file name if this system makes files under it or refuses it; else a portable one."""
    return name if keeps_names() or is_portable(name) else portable_name(name)


def portable_name(name: str) -> str:
    """Return a file name that FAT, NTFS, Windows and encrypting file systems accept.

    >>> portable_name("epoch=3:loss<0.1?.ckpt"), portable_name("NUL.txt"), portable_name("e. ")
    ('epoch=3_loss_0.1_.ckpt', '_NUL.txt', 'e')
    """
    import re

    portable = re.sub(_REFUSED, "_", name).rstrip(". ") or "_"
    if re.match(_DEVICE, portable, re.IGNORECASE):
        portable = f"_{portable}"
    if len(portable.encode()) <= _SHORT:
        return portable
    stem, dot, ending = portable.rpartition(".")
    kept = dot + ending if stem and len(ending.encode()) <= 20 else ""
    return portable.encode()[: _SHORT - len(kept.encode())].decode(errors="ignore") + kept
