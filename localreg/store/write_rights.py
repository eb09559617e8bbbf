"""Whether a file or folder may be written to, and if not, why."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def may_write(place: Path) -> bool:
    """Return whether this process may write to a place."""
    # With the rights that count when a file is opened, where these can be asked about.
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def why_not(place: Path) -> str:
    """Return why a place may not be written to, as the end of a sentence."""
    if hasattr(os, "statvfs"):
        with suppress(OSError):
            if os.statvfs(place).f_flag & os.ST_RDONLY:
                return f"{place} lies on a read-only file system"
    status = place.stat()
    mode = stat.S_IMODE(status.st_mode)
    return (
        f"you may not write to {place} (mode {mode:04o}, user {status.st_uid}, group "
        f"{status.st_gid})"
    )


def refused(path: Path) -> str | None:
    """Return why nothing can be written to a database as it lies there; None when it could.

    Beside it may be a log of SQLite's that somebody made who kept it to themselves.
    """
    beside = (path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))
    for place in (path.parent, path, *beside):
        if os.path.lexists(place) and not may_write(place):
            return why_not(place)
    return None
