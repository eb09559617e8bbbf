"""File modes in a registry that a group shares: whatever the umask, its members can use it all.

A new file or folder has the mode that the umask of its process leaves. Where a group shares the
registry, the group gets in addition what the owner has; others get no more than the umask says, and
never the right to write. The group itself comes from the folder above, which has the setgid bit.

A name that others use at once (a folder, a lock) must have its mode from the beginning: another
member who meets it a moment too early is refused. So those are made under a name of their own, and
renamed.
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
        name: what it is called here.
        number: its gid.
    """

    name: str
    number: int


def share(descriptor: int, group: int | None) -> None:
    """Let a group use a new file or folder as its owner can; None for no group.

    Raises:
        OSError: the file system refused it otherwise than for want of rights.
    """
    if group is None:
        return
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    wanted = wanted_mode(mode, folder=stat.S_ISDIR(status.st_mode))
    # PermissionError: the file system has no modes (a copy of the registry on a USB stick), or the
    # owner has left the group. `localreg doctor` tells.
    with suppress(PermissionError):
        if status.st_gid != group:
            os.fchown(descriptor, -1, group)
        if wanted != mode or status.st_gid != group:  # a change of the group may clear bits
            os.fchmod(descriptor, wanted)


def share_at(path: str | os.PathLike[str], group: int | None) -> None:
    """Let a group use the new file or folder at a path, as `share`; links are not followed."""
    if group is None:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        share(descriptor, group)
    finally:
        os.close(descriptor)


def wanted_mode(mode: int, *, folder: bool) -> int:
    """Return the mode that a file or folder has in a shared registry, from what the umask left.

    >>> oct(wanted_mode(0o600, folder=False)), oct(wanted_mode(0o444, folder=False))
    ('0o660', '0o444')
    >>> oct(wanted_mode(0o700, folder=True)), oct(wanted_mode(0o777, folder=True))
    ('0o2770', '0o2775')
    """
    usable = FOLDER_BITS if folder else (mode & 0o700) >> 3
    return (mode | usable) & ~0o002
