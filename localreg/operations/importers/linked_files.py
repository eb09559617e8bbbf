"""The files below a folder of a store of models, in which a link may stand for a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.importers.source_files import MOST_FILES, damaged
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path

_LATEST = 253_402_300_799_000_000  # the end of the year 9999, in microseconds


class LinkedFile(Frozen):
    """A file below a folder.

    Attributes:
        name: its path in the folder, with slashes.
        path: where it is, or the link to it.
        target: the real path of the file that has its bytes; None if a link leads to nothing.
        at: when those bytes were written, microseconds; 0 if there are none.
        outside: True if it is a link out of the store; then nothing may be read there.
    """

    name: str
    path: Path
    target: Path | None
    at: int
    outside: bool = False


def linked_files(folder: Path, root: Path, left_out: tuple[str, ...] = ()) -> Iterator[LinkedFile]:
    """Yield the files below a folder, sorted within each folder; links to folders are not followed.

    Args:
        folder: where to look.
        root: the real path of the store.
        left_out: paths of folders below `folder` that are not looked into.

    Raises:
        SourceError: something is no file, such as a device or a link to a folder; or there are too
            many.
    """
    waiting, count = [""], 0
    while waiting:
        prefix = waiting.pop()
        place = folder / prefix
        with disk_errors("reading what is imported", place), os.scandir(place) as listing:
            found = sorted(listing, key=lambda each: each.name)
        count += len(found)
        if count > MOST_FILES:
            raise damaged(folder, f"has more than {MOST_FILES:,} files")
        for each in found:
            name = f"{prefix}{each.name}"
            if not each.is_dir(follow_symlinks=False):
                yield linked_file(name, Path(each.path), root)
            elif name not in left_out:
                waiting.append(f"{name}/")


def linked_file(name: str, path: Path, root: Path) -> LinkedFile:
    """Return the file at a path, or that a link there leads to.

    Raises:
        SourceError: it is no file.
    """
    target = Path(os.path.realpath(path))
    outside = not target.is_relative_to(root)
    try:
        status = path.lstat() if outside else path.stat()
    except OSError:  # nothing is there, or the link leads to nothing or to itself
        return LinkedFile(name, path, None, 0)
    if not (outside or stat.S_ISREG(status.st_mode)):
        raise damaged(path, "is no file, and no link to one")
    return LinkedFile(name, path, target, moment(status.st_mtime_ns), outside)


def check_inside(file: LinkedFile) -> LinkedFile:
    """Return a file.

    Raises:
        SourceError: it is a link out of the store.
    """
    if file.outside:
        raise damaged(file.path, f"is a link to {printable_path(str(file.target))}, outside of "
                      "what is imported")  # fmt: skip
    return file


def moment(nanoseconds: int) -> int:
    """Return the time of a file as microseconds that a registry can keep."""
    return min(max(nanoseconds // 1_000, 0), _LATEST)
