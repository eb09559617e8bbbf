"""Local copies of a registry that cannot be written to: made in the user's temporary folder.

Local files and folders of packages that the registry has already are used, if they are whole.
Others are made once in ``<temporary folder>/localreg-<user>/<registry id>/``, for as long as that
folder exists. TMPDIR names the temporary folder. Other users cannot read the folder, and
cannot have made it before.
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
    """Return a folder for local copies that only this user can use; it is made if it is missing.

    Args:
        spare: the name of the folder for the registry.
        names: the names of the folders below it.

    Raises:
        StorageError: it cannot be made, or others can write to it.
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
    # Without owners of files the mode means nothing: on Windows the folder is in the user's own.
    private = not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & 0o022
    )
    if not stat.S_ISDIR(status.st_mode) or not private:
        raise StorageError(
            f"{folder} must be a folder that only you can write to; set TMPDIR to a folder of your "
            "own, so that local copies can be made there",
            path=str(folder),
        )


def folders_elsewhere() -> list[Path]:
    """Return this user's folders of local copies, one for each registry."""
    folder = _base()
    try:
        _check_private(folder)
        return sorted(each for each in folder.iterdir() if not each.is_symlink())
    except (FileNotFoundError, NotADirectoryError, StorageError):  # none, or not this user's
        return []


def is_elsewhere(path: Path, spare: str) -> bool:
    """Return True if a path is below the user's folder of local copies of a registry."""
    return path.is_relative_to(_base() / spare)


def copy_elsewhere(blob: Path, spare: str, digest: str, name: str) -> Path:
    """Return a read-only copy of a blob under a name.

    It is never a hard link: a user who writes to it would change the blob, and even its number of
    links must not change in a registry that is only read.
    """
    target = place_elsewhere(spare, FILES, digest) / name
    with disk_errors("making a local copy", target):
        if not is_copy(target, blob):
            with replacing(target) as temporary:
                copy_file(blob, temporary, None, sync=False)
    return target
