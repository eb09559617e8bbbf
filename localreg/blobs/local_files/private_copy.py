"""Private copies: the user's own, where the user wants them, free to be written to."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.blobs.staging.staging import clone
from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.checks import check_text
from localreg.values.ids import new_id


def copy_out(source: Path, place: Path, *, replace: bool = False) -> Path:
    """Copy a file or a tree that the registry gave out to a new place, whole or not at all.

    A file system that can share bytes between files until one is written to does so.

    Args:
        source: a file or a folder.
        place: what becomes the copy; folders above it are made.
        replace: a file that is there already is replaced by a file; a folder never is.

    Raises:
        InvalidValueError: something is there already, and stays as it is.
        StorageError: the copy cannot be written.
    """
    with disk_errors("copying weights", place):
        _check_free(source, place, replace)
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(f".{place.name[:100]}.{new_id()[:8]}.part")
        try:
            _copy(source, aside)
            aside.replace(place)
        finally:
            if os.path.lexists(aside):
                _remove(aside)
    return place


def _check_free(source: Path, place: Path, replace: bool) -> None:
    if not os.path.lexists(place):
        return
    if not replace:
        raise InvalidValueError(
            f"{place} is there already; choose another place, or replace it", argument="output"
        )
    # What is in a folder may be the only copy of something; a file gives way to a file only.
    if source.is_dir() or (place.is_dir() and not place.is_symlink()):
        raise InvalidValueError(
            f"{place} is there already, and only a file is replaced by a file; delete it first, "
            "or choose another place",
            argument="output",
        )


def own_folder(folder: object) -> Path:
    """Return where a private copy goes: a folder that was told, or a new temporary one for None.

    Raises:
        InvalidValueError: it is no path.
        StorageError: none can be made.
    """
    if folder is not None:
        if not isinstance(folder, (str, os.PathLike)):
            raise InvalidValueError(
                f"target_folder must be a str or os.PathLike, not {type(folder).__name__}",
                argument="target_folder",
            )
        text = check_text("target_folder", os.fspath(folder), nul=False, empty=False)
        return Path(text).absolute()
    import tempfile

    with disk_errors("copying weights", Path(tempfile.gettempdir())):
        return Path(tempfile.mkdtemp(prefix="localreg-"))


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        _copy_file(source, target)
        return
    for folder, _, names in os.walk(source):
        into = target / Path(folder).relative_to(source)
        into.mkdir()
        for name in names:
            _copy_file(Path(folder) / name, into / name)


def _copy_file(source: Path, target: Path) -> None:
    import shutil

    if not clone(source, target):
        shutil.copyfile(source, target)  # without the mode: the copy may be written to


def _remove(path: Path) -> None:
    if path.is_dir():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink()
