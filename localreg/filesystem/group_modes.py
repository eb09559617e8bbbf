"""File modes in a shared registry: every member of its group can use everything, with any umask.

A new file or folder gets its mode from the umask of its process. In a shared registry the group
gets the owner's rights in addition. Others get only what the umask allows, and never the right to
write. The group itself comes from the parent folder, which has the setgid bit.

Other members may use a new folder or lock at once, so it must have its mode before it is visible:
it is made under a temporary name and then renamed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from localreg.values.frozen import Frozen

FOLDER_BITS = stat.S_ISGID | 0o070


class Group(Frozen):
    """A group of users.

    Attributes:
        name: its name on this machine.
        number: its gid.
    """

    name: str
    number: int


def share(descriptor: int, group: int | None) -> None:
    """Give a group the owner's rights to a new file or folder; None for no group.

    Missing rights are no error; another refusal of the file system is an OSError.
    """
    if group is None:
        return
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    wanted = wanted_mode(mode, folder=stat.S_ISDIR(status.st_mode))
    # PermissionError: the file system has no modes (a registry on a USB stick), or the owner has
    # left the group. `localreg doctor` reports it.
    with suppress(PermissionError):
        if status.st_gid != group:
            os.fchown(descriptor, -1, group)
        if wanted != mode or status.st_gid != group:  # a change of the group may clear bits
            os.fchmod(descriptor, wanted)


def share_at(path: str | os.PathLike[str], group: int | None) -> None:
    """Give a group rights to the new file or folder at a path, as `share`; follow no link."""
    if group is None:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        share(descriptor, group)
    finally:
        os.close(descriptor)


def wanted_mode(mode: int, *, folder: bool) -> int:
    """Return the mode of a file or folder in a shared registry, from its mode after the umask.

    >>> oct(wanted_mode(0o600, folder=False)), oct(wanted_mode(0o444, folder=False))
    ('0o660', '0o444')
    >>> oct(wanted_mode(0o700, folder=True)), oct(wanted_mode(0o777, folder=True))
    ('0o2770', '0o2775')
    """
    usable = FOLDER_BITS if folder else (mode & 0o700) >> 3
    return (mode | usable) & ~0o002
