"""Translate errors of the operating system into StorageError."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

from localreg.errors import LocalregError, StorageError, StorageFullError
from localreg.filesystem.access_rights import barrier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TOO_LONG = frozenset({errno.ENAMETOOLONG, errno.ENOENT})  # Windows says that it does not exist
_MOST_CHARACTERS = 259
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


PROBE_BYTES = 65_536
LITTLE_BYTES = 1_048_576
IN_USE = 32  # the number of Windows' error for a file that a program has open
ADVICE = "free some space and try again (`localreg gc --delete` deletes what nothing needs)"


def has_little_room(folder: str | os.PathLike[str]) -> bool:
    """Return True if a disk may be full: `is_full` finds out."""
    try:
        found = os.statvfs(folder)
    except (AttributeError, OSError):  # Windows; a folder that is missing
        return False
    return found.f_bavail * found.f_frsize < LITTLE_BYTES


def is_full(folder: str | os.PathLike[str]) -> bool:
    """Return True if a small file cannot be written in a folder for lack of space.

    Only a try shows that: no number of the file system includes quotas.
    """
    try:
        import tempfile  # it fails, too, when there are too many open files

        with tempfile.TemporaryFile(dir=folder) as file:  # without a name, where that is possible
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in FULL
    return False


@contextmanager
def disk_errors(doing: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise errors of the operating system as StorageError.

    Args:
        doing: what failed, for example "keeping weights".
        path: where; a path in the error itself comes first.

    Raises:
        StorageFullError: the disk is full, or a quota is used up.
    """
    try:
        yield
    except LocalregError:
        raise
    except OSError as error:
        where = str(error.filename or path)
        reason = reason_of(error, path)
        if error.errno in FULL:
            raise StorageFullError(
                f"{doing} failed at {where}: the disk is full ({reason}), and nothing was kept; "
                f"{ADVICE}",
                path=where,
            ) from error
        raise StorageError(f"{doing} failed at {where}: {reason}", path=where) from error


def reason_of(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return why the operating system refused something, as the end of a sentence.

    Args:
        error: what it raised.
        path: where; a path in the error itself comes first.
    """
    from pathlib import Path

    place = Path(error.filename or path).absolute()
    reason = error.strerror or str(error)
    if error.errno == errno.EFBIG:
        reason += (
            "; the file system, or a limit of this process, allows no file that large (FAT "
            "allows at most 4 GiB), and nothing was kept: use another one"
        )
    if getattr(error, "winerror", None) == IN_USE:
        reason += "; another program, or this one, has it open: close it and try again"
    elif error.errno == errno.EACCES:
        reason = barrier(place) or reason
    if error.errno in _TOO_LONG and len(str(place)) > _MOST_CHARACTERS:
        reason += (
            f"; the path has {len(str(place))} characters, and Windows allows {_MOST_CHARACTERS} "
            "unless long paths are switched on (LongPathsEnabled): choose a folder with a shorter "
            "path"
        )
    return reason
