"""The fixture `stick`: a USB stick's file system in a file, FAT and exFAT in turn. Only root can.

FAT is mounted by the kernel, and its tests are skipped where the kernel has none. exFAT is mounted
by FUSE, as every machine can. Neither has links, owners or case; FAT has one mode (read-only),
exFAT by FUSE has none.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.disks import unmounted
from support.skips import NO_VFAT

HANGS_AFTER = 240  # seconds; only a test that fails waits for so long
MAKE = {"vfat": ["mkfs.vfat", "-F", "32"], "exfat": ["mkfs.exfat"]}
MOUNT = {
    "vfat": ["mount", "-t", "vfat", "-o", "loop,utf8"],
    "exfat": ["mount", "-t", "exfat-fuse", "-o", "loop"],
}


class Stick:
    """A file system in a file. It is mounted while a function runs, and then unmounted.

    Attributes:
        kind: "vfat" or "exfat".
        image: the file; it takes no space for what was never written to.
        place: the folder where it is mounted, for the function.
    """

    def __init__(self, kind, folder, megabytes, children):
        self.kind, self.children = kind, children
        self.image, self.place = folder / f"{kind}.img", folder / "stick"
        self.place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(megabytes * 1_000_000)
        subprocess.run([*MAKE[kind], self.image], check=True, capture_output=True)

    def run(self, function, *arguments):
        """Return what a function of a test returned, run by `children` while this is mounted."""
        command = [*MOUNT[self.kind], self.image, self.place]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{self.kind} cannot be mounted here: {done.stderr.strip()}")
        try:
            return self.children.run(function, *arguments, timeout=HANGS_AFTER)
        finally:
            assert unmounted(self.place), "something still uses the stick"


@pytest.fixture
def new_stick(tmp_path, children):
    """Return a function that makes a stick of a kind, of so many megabytes."""

    def new_stick(kind, megabytes=100):
        if kind == "vfat" and "vfat" not in Path("/proc/filesystems").read_text().split():
            pytest.skip(NO_VFAT)
        if kind == "exfat" and shutil.which("mount.exfat-fuse") is None:
            pytest.skip("mount.exfat-fuse is missing; it comes with exfat-fuse")
        if shutil.which(MAKE[kind][0]) is None:
            pytest.skip(f"{MAKE[kind][0]} is missing; it comes with dosfstools and exfatprogs")
        return Stick(kind, tmp_path, megabytes, children)

    return new_stick


@pytest.fixture(params=["vfat", "exfat"])
def stick(request, new_stick):
    """A USB stick of 100 megabytes, with each of the two file systems in turn: `Stick`."""
    return new_stick(request.param)
