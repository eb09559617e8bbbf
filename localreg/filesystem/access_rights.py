"""Check what this user may do with a file or folder, and explain why not."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def may_write(place: str | os.PathLike[str]) -> bool:
    """Return True if this user may write to a file or folder."""
    return _may(place, os.W_OK)


def why_not_written(place: str | os.PathLike[str]) -> str:
    """Return why a file or folder cannot be written to, as the end of a sentence."""
    if hasattr(os, "statvfs"):
        with suppress(OSError):
            if os.statvfs(place).f_flag & os.ST_RDONLY:
                return f"{place} is on a read-only file system"
    return f"you may not write to {place} ({_owner(os.stat(place))})"


def barrier(path: str | os.PathLike[str]) -> str | None:
    """Return which folder on a path this user may not enter, and who may, as the end of a sentence.

    Return None if this user may enter each folder that exists.
    """
    from pathlib import Path  # only for errors

    place = Path(path).absolute()
    for folder in (*reversed(place.parents), place):
        if not os.path.isdir(folder):
            return None
        if not _may(folder, os.X_OK):
            status = folder.stat()
            who = "only its owner may"
            if status.st_mode & stat.S_IXGRP:
                who = f"members of the group {_group_name(status.st_gid)} may"
            return f"you may not enter {folder} ({_owner(status)}): {who}"
    return None


def _may(place: str | os.PathLike[str], what: int) -> bool:
    # With the effective ids, which count when a file is opened, where the system can check them.
    return os.access(place, what, effective_ids=os.access in os.supports_effective_ids)


def _owner(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}, user {status.st_uid}, group {status.st_gid}"


def _group_name(number: int) -> str:
    try:
        import grp

        return grp.getgrgid(number).gr_name
    except (ImportError, KeyError):  # Windows; a group of another machine
        return str(number)
