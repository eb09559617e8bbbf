"""On what kind of file system a registry lies: SQLite's WAL needs memory shared by all readers."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    "9p acfs afs beegfs ceph cifs coda cvmfs davfs gfs gfs2 glusterfs gpfs lustre "
    "ncpfs nfs nfs4 ocfs2 orangefs panfs pvfs2 smb2 smb3 smbfs virtiofs".split()
)
# A FUSE file system may lie anywhere; these are known to lie on this machine.
_LOCAL_FUSE = frozenset(
    "fuse.bindfs fuse.fuse-overlayfs fuse.ntfs fuse.ntfs-3g fuse.exfat fuse.ext4 fuse.gocryptfs "
    "fuse.encfs".split()
)


def is_network(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether `path` lies on a file system that other machines share.

    Args:
        path: an existing directory.
        mounts: the table of mounts, in the format of Linux' mountinfo(5). Where there is none
            (macOS, Windows) the answer is False.
    """
    kind = filesystem_type(path, mounts)
    return kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def filesystem_type(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the name of the file system that `path` lies on, or "" when nothing tells."""
    try:
        # Bytes: names may hold what text would take for the end of a line, or no UTF-8.
        lines = os.fsdecode(mounts.read_bytes()).split("\n")
    except OSError:
        return ""
    target = os.path.realpath(path)
    longest, kind = -1, ""
    for line in filter(None, lines):
        fields = line.split(" ")
        point = _unescape(fields[4])
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:  # a later mount covers an earlier one
            longest, kind = len(point), fields[fields.index("-") + 1]
    return kind


def _unescape(point: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        point = point.replace(code, character)
    return point
