"""Private copies: where the user wants them, and writable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from localreg.blobs.staging.staging import copy_open
from localreg.errors import InvalidValueError, PathExistsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import output_path
from localreg.filesystem.plain_files import check_kept, replacing_plain, unchanged
from localreg.filesystem.portable_files import make_executable, replace_file
from localreg.filesystem.temporary_owners import unfinished
from localreg.values.paths import printable_path


def copy_out(source: Path, place: Path, *, replace: bool = False, executable: bool = False) -> Path:
    """Copy a local file or folder to a new path, completely or not at all.

    Files are cloned if the file system can do that. Those in a folder stay executable.

    Args:
        source: a file or a folder.
        place: the path of the copy; folders above it are made.
        replace: replace a plain file that exists by a file; nothing else is ever replaced.
        executable: make the copy of a file executable.

    Raises:
        PathExistsError: something exists at `place` already; nothing was changed.
        InvalidValueError: what exists there is not a plain file, this system does not keep the
            name, or the source changed while it was copied; nothing was changed.
    """
    with disk_errors("copying weights", place):
        check_kept(place, "output")
        _check_free(source, place, replace)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not source.is_dir():
            with replacing_plain(place, "output") as temporary:
                _copy_file(source, temporary, executable=executable)
            return place
        temporary = unfinished(place)
        try:
            _copy_folder(source, temporary)
            replace_file(temporary, place)
        finally:
            if os.path.lexists(temporary):
                _remove(temporary)
    return place


def replace_folder(source: Path, place: Path) -> Path:
    """Copy a folder to the place of another one, which is deleted when the copy is complete.

    After an error the other one is there, unchanged.

    Raises:
        InvalidValueError: the source changed while it was copied.
    """
    with disk_errors("copying weights", place):
        new, old = unfinished(place), unfinished(place)
        try:
            _copy_folder(source, new)
            try:
                place.rename(old)
                new.rename(place)
            finally:
                if os.path.lexists(old) and not os.path.lexists(place):
                    old.rename(place)
        finally:
            if os.path.lexists(new):
                _remove(new)
        _remove(old)
    return place


def _check_free(source: Path, place: Path, replace: bool) -> None:
    if not os.path.lexists(place):
        return
    if not replace:
        raise PathExistsError(
            f"{place} exists already; choose another place, or replace it", path=str(place)
        )
    # A folder may contain the only copy of something.
    if source.is_dir() or place.is_dir():
        raise PathExistsError(
            f"{place} exists already, and only a file is replaced by a file; delete it first, or "
            "choose another place",
            path=str(place),
        )


def own_folder(folder: object) -> Path:
    """Return the folder for a private copy: the given one, or a new temporary one for None."""
    if folder is not None:
        return output_path("target_folder", folder)
    import tempfile

    with disk_errors("copying weights", Path(tempfile.gettempdir())):
        return Path(tempfile.mkdtemp(prefix="localreg-"))


def _copy_folder(source: Path, target: Path, above: tuple[tuple[int, int], ...] = ()) -> None:
    """Copy a folder; a link in it is followed, so that the copy needs nothing else."""
    found = source.stat()
    place = (found.st_dev, found.st_ino)
    if place in above:
        raise InvalidValueError(
            f"{printable_path(source)} is a link to a folder that contains it, so it never ends",
            argument="output",
        )
    target.mkdir()
    for child in sorted(source.iterdir()):
        if child.is_dir():
            _copy_folder(child, target / child.name, (*above, place))
        else:
            executable = bool(child.stat().st_mode & stat.S_IXUSR)
            _copy_file(child, target / child.name, executable=executable)


def _copy_file(source: Path, target: Path, *, executable: bool) -> None:
    with unchanged(source, "output") as reader:
        copy_open(reader, target)  # without the mode: the copy is writable
    if executable:
        make_executable(target)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)
