"""Local copies of a registry that cannot be written to: made in the temporary folder of the user.

What such a registry handed out before, it goes on handing out. Only what it never gave under this
name, and archives that nobody unpacked yet, are made elsewhere:
``<temporary folder>/localreg-<user>/<registry id>/``, once, as long as that stays. TMPDIR says
where that is. Other users can neither look into it nor have made it beforehand.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from localreg.blobs.local_files.copying import copy_file, is_copy, replacing
from localreg.errors import StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.layout import FILES


def place_elsewhere(spare: str, *names: str) -> Path:
    """Return a folder for local copies that only this user can use; made when it is not there.

    Args:
        spare: what stands for the registry.
        names: of the folders below.

    Raises:
        StorageError: it cannot be made, or is not this user's alone.
    """
    folder = _base()
    with disk_errors("making a place for local copies", folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_private(folder)
        for name in (spare, *names):
            folder = folder / name
            folder.mkdir(exist_ok=True)
    return folder


def _base() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"localreg-{user}"


def _check_private(folder: Path) -> None:
    status = folder.lstat()
    mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not stat.S_ISDIR(status.st_mode) or not mine or (mine and status.st_mode & 0o022):
        raise StorageError(
            f"{folder} must be a folder that only you can write to; set TMPDIR to a folder of your "
            "own, so that local copies can be made there",
            path=str(folder),
        )


def is_elsewhere(path: Path, spare: str) -> bool:
    """Return whether a path is a local copy that was made elsewhere."""
    return path.is_relative_to(_base() / spare)


def copy_elsewhere(blob: Path, spare: str, digest: str, name: str) -> Path:
    """Return a read-only file with the bytes of a blob, under a name of its own.

    It is never a hard link: a user who writes to it all the same would change the blob, and the
    number of its links alone changes a registry that is only read.

    Raises:
        StorageError: it cannot be made.
    """
    target = place_elsewhere(spare, FILES, digest) / name
    with disk_errors("making a local copy", target):
        if not is_copy(target, blob):
            with replacing(target) as aside:
                copy_file(blob, aside, None, sync=False)
    return target
