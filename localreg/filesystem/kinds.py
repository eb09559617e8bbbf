"""The kind of file system of a path; SQLite's WAL needs one that other machines do not share."""

from __future__ import annotations

import os

MOUNTS = "/proc/self/mountinfo"
_NETWORK = frozenset(
    "9p acfs afs beegfs ceph cifs coda cvmfs davfs gfs gfs2 glusterfs gpfs lustre "
    "ncpfs nfs nfs4 ocfs2 orangefs panfs pvfs2 smb2 smb3 smbfs virtiofs".split()
)
# A FUSE file system may be on any machine; these are known to be on this one.
_LOCAL_FUSE = frozenset(
    "fuse.bindfs fuse.fuse-overlayfs fuse.ntfs fuse.ntfs-3g fuse.exfat fuse.ext4 fuse.gocryptfs "
    "fuse.encfs".split()
)
# Without inodes of their own: a file gets another number at each mount, or whenever it is opened.
_NO_INODES = frozenset("vfat msdos exfat fuse fuseblk".split())


def is_network(path: str | os.PathLike[str], mounts: str | os.PathLike[str] = MOUNTS) -> bool:
    """Return True if `path` is on a file system that other machines may share.

    Args:
        path: an existing directory.
        mounts: the table of mounts, in the format of Linux' mountinfo(5). Without one (macOS,
            Windows) the result is False.
    """
    kind = filesystem_type(path, mounts)
    return kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def keeps_inodes(path: str | os.PathLike[str], mounts: str | os.PathLike[str] = MOUNTS) -> bool:
    """Return True if a file keeps its inode number as long as it exists.

    Args:
        path, mounts: as for `is_network`. Without a table of mounts the result is True.
    """
    kind = filesystem_type(path, mounts)
    return kind not in _NO_INODES and not kind.startswith("fuse.")


def filesystem_type(path: str | os.PathLike[str], mounts: str | os.PathLike[str] = MOUNTS) -> str:
    """Return the type of the file system of `path`, for example "ext4"; "" if unknown."""
    try:
        # Bytes, since names may hold line separators of Unicode, and may not be UTF-8.
        with open(mounts, "rb") as file:
            lines = os.fsdecode(file.read()).split("\n")
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
