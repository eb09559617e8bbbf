"""What may be at a path instead of a plain file: made in a test's folder, and looked at again."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

KINDS = ("pipe", "null device", "zero device", "socket", "folder")


def make_odd(kind: str, folder: Path) -> Path:
    """Make a thing of a kind in a folder, and return its path; skip where only root can.

    The devices are nodes of the test's own. A write to them is lost, and a read from the second
    never ends.
    """
    path = folder / kind.replace(" ", "-")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        bound = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        try:
            os.chdir(folder)  # the path of a socket is short
            bound.bind(path.name)
        finally:
            os.chdir(here)
            bound.close()
    else:
        try:
            minor = 3 if kind == "null device" else 5
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        except PermissionError:
            pytest.skip("only root can make devices")
    return path


def seen(path: Path) -> tuple[object, ...]:
    """Return what is at a path: the same node, of the same kind, with what it holds."""
    found = path.lstat()
    content = sorted(os.listdir(path)) if stat.S_ISDIR(found.st_mode) else None
    written = (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
    target = os.readlink(path) if path.is_symlink() else None  # noqa: PTH115
    return found.st_ino, found.st_mode, found.st_rdev, content, written, target
