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
        target: the file that has its bytes; None if a link leads to nothing.
        at: when those bytes were written, microseconds; of a link to nothing, when it was made.
    """

    name: str
    path: Path
    target: Path | None
    at: int


def linked_files(folder: Path, root: Path, left_out: tuple[str, ...] = ()) -> Iterator[LinkedFile]:
    """Yield the files below a folder, sorted within each folder; folders are no links.

    Args:
        folder: where to look.
        root: a real path, which no link may leave.
        left_out: paths of folders below `folder` that are not looked into.

    Raises:
        SourceError: a link leads out of the root, or to a folder; something is no file, such as a
            device; or there are too many.
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
                if each.is_dir(follow_symlinks=False):
                    if name not in left_out:
                        waiting.append(f"{name}/")
                    continue
                path = Path(each.path)
                target = target_of(path, root)
                status = (target or path).lstat()
                yield LinkedFile(name, path, target, moment(status.st_mtime_ns))


def target_of(path: Path, root: Path) -> Path | None:
    """Return the file at a path, or that a link there leads to; None if there is none.

    Args:
        root: a real path, which no link may leave.

    Raises:
        SourceError: it leads out of the root, or to something else than a file.
    """
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise damaged(path, f"is a link to {printable_path(target)}, outside of what is imported")
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing is there, or the link leads to itself
        return None
    if not stat.S_ISREG(mode):
        raise damaged(path, "is no file, and no link to one")
    return target


def moment(nanoseconds: int) -> int:
    """Return the time of a file as microseconds that a registry can keep."""
    return min(max(nanoseconds // 1_000, 0), _LATEST)
