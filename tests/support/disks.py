"""The fixtures `small_disk` and `made_disk`: file systems that tests mount. Only root can."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a file system, in a folder for it or in a given one.

    Its arguments are those of mount(8), without the folder.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(*options, folder=folder):
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        if not any("remount" in str(option) for option in options):
            mounted.append(folder)
        return folder

    yield mount
    # Not by os.path.ismount, which sees no bind mount.
    busy = [each for each in reversed(mounted) if not unmounted(each)]
    assert not busy, f"still in use at the end: {busy}"


def unmounted(folder):
    """Unmount a folder; return False if something still used it. No mount remains either way."""
    if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
        return True
    subprocess.run(["umount", "--lazy", folder], check=True)  # the loop device goes with its user
    return False


@pytest.fixture
def made_disk(tmp_path, small_disk):
    """Return a function that makes a file system of a kind in a file, and mounts it."""

    def make(kind, megabytes):
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"mkfs.{kind} is missing")
        image = tmp_path / f"{kind}.img"
        with open(image, "wb") as file:
            file.truncate(megabytes * 1_000_000)
        subprocess.run([f"mkfs.{kind}", image], check=True, capture_output=True)
        return small_disk("-t", kind, "-o", "loop", image)

    return make
