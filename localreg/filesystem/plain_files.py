"""Plain files of the user: read whole or not at all, and replaced; nothing else is ever opened.

At a path that a user gives may be a pipe, a device or a socket, where reading hangs or never ends,
and where a write destroys something. So a file is opened without waiting, and its kind is checked
on the open descriptor, where no other program can exchange it.

A file that changes while it is read would give bytes that it never had. Its status is compared
before and after: the size, both times, and which file it is.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import namedtuple
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg import log
from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.portable_files import kept_name, remove_file, replace_file
from localreg.filesystem.temporary_owners import unfinished
from localreg.values.checks import TEXT_LIMIT
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

# The clock that Linux takes the times of files from: CLOCK_REALTIME_COARSE. It ticks every 1 to
# 10 milliseconds.
_FILE_CLOCK = 5
_TICK = 0.02  # seconds; longer than any tick
_SMALL = 1_048_576  # bytes
_PIECE = 65_536  # bytes; memory for more is new each time, which takes longer than to read it


if TYPE_CHECKING:
    from typing import NamedTuple

    class _Facts(NamedTuple):
        device: int
        inode: int
        size: int
        modified: int
        changed: int

else:  # the same without importing typing
    _Facts = namedtuple("_Facts", ("device", "inode", "size", "modified", "changed"))


class FileStatus(_Facts):
    """The facts by which a file counts as unchanged: which file it is, its size and times.

    A tuple, since thousands are made and compared for a package.
    """

    __slots__ = ()

    def same_content(self, other: FileStatus) -> bool:
        """Return True if nothing was written; a mode or a link may have changed."""
        return self[:4] == other[:4]


def status_of(found: os.stat_result) -> FileStatus:
    """Return the facts of a file by which it counts as unchanged."""
    return FileStatus(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


def kind_of(mode: int) -> str:
    """Return what a mode says is there, for a message: "a file", "a folder", "a pipe", …."""
    for kind, is_one in _KINDS.items():
        if is_one(mode):
            return kind
    return "no file"


_KINDS = {
    "a file": stat.S_ISREG,
    "a folder": stat.S_ISDIR,
    "a pipe": stat.S_ISFIFO,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    "a socket": stat.S_ISSOCK,
    "a link": stat.S_ISLNK,
}


def check_plain(found: os.stat_result, path: Path, argument: str) -> None:
    """Raise InvalidValueError if a status is not that of a plain file."""
    if not stat.S_ISREG(found.st_mode):
        raise InvalidValueError(
            f"{argument} must be a plain file, and {printable_path(path)} is "
            f"{kind_of(found.st_mode)}",
            argument=argument,
        )


def plain_status(path: Path, argument: str) -> os.stat_result:
    """Return the status of a plain file; a link counts as what it leads to.

    Raises:
        SourceNotFoundError: it does not exist.
        InvalidValueError: something else is there.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(
            f"there is no file {printable_path(path)}; check the path given as {argument}",
            reference=str(path),
        ) from error
    check_plain(found, path, argument)
    return found


def open_plain(path: Path, argument: str) -> FileIO:
    """Open a plain file for reading, without ever waiting for one.

    Args:
        path: of a file, or of a link to one.
        argument: the argument's name, for the error.

    Raises:
        SourceNotFoundError: it does not exist.
        InvalidValueError: something else is there.
        OSError: it cannot be opened.
    """
    plain_status(path, argument)
    return open_found(path)


def open_found(path: Path) -> FileIO:
    """Open a plain file that is known to be there, without ever waiting for one.

    Raises:
        OSError: it is gone, something else is in its place, or it cannot be opened.
    """
    _check_found(path.stat(), path)  # opening some devices already does something
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    reader = open(os.open(path, flags), "rb", buffering=0)  # noqa: SIM115  (the caller closes it)
    try:
        _check_found(os.fstat(reader.fileno()), path)
    except BaseException:
        reader.close()
        raise
    return reader


def _check_found(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind_of(found.st_mode)}, not a file", str(path))


@contextmanager
def unchanged(path: Path, argument: str, *, linked: bool = False) -> Iterator[FileIO]:
    """Open a plain file for reading; raise at the end of the block if it has changed meanwhile.

    Args:
        path, argument: as for `open_plain`.
        linked: True if the block may give the file another name and mode, which changes one of
            its times.

    Raises:
        InvalidValueError: it changed while it was read, or something else than a file is there.
    """
    with open_plain(path, argument) as reader:
        before = status_of(os.fstat(reader.fileno()))
        content = None
        if _age(before) <= 0:
            if 0 < before.size <= _SMALL:  # to read it twice more is faster than to wait
                content = reader.read(_SMALL)
                reader.seek(0)
            else:
                wait_for_tick([before])
                before = status_of(os.fstat(reader.fileno()))
        try:
            yield reader
        except OSError as error:
            if _is_changed(before, path, reader, linked):
                raise changed(path, argument) from error
            raise
        if _is_changed(before, path, reader, linked) or not _holds(reader, content):
            raise changed(path, argument)


def _is_changed(before: FileStatus, path: Path, reader: FileIO, linked: bool) -> bool:
    try:
        # Of the path too: a server of files is asked again about it.
        after = [status_of(os.fstat(reader.fileno())), status_of(path.stat())]
    except OSError:
        return True
    if linked:
        return not all(before.same_content(each) for each in after)
    return any(before != each for each in after)


def _holds(reader: FileIO, content: bytes | None) -> bool:
    """Return True if an open file still has the content that it had; None for any."""
    if content is None:
        return True
    reader.seek(0)
    place = 0
    while piece := reader.read(_PIECE):
        if not content.startswith(piece, place):
            return False
        place += len(piece)
    return place == len(content)


def changed(path: Path, argument: str) -> InvalidValueError:
    """Return the error for a file or folder that changed while it was read."""
    return InvalidValueError(
        f"{printable_path(path)} changed while it was read; nothing was kept: try again when it "
        "is complete",
        argument=argument,
    )


def wait_for_tick(found: Iterable[FileStatus]) -> None:
    """Wait until another write to any of these files would give it another time.

    The times of files come from a clock that ticks some hundred times a second. Only a file that
    was written since its last tick needs this.
    """
    moment = _file_time()
    young = [each for each in found if each.changed >= moment or each.modified >= moment]
    end = time.monotonic() + _TICK
    while any(-_TICK * 1e9 < _age(each) <= 0 for each in young) and time.monotonic() < end:
        time.sleep(0.000_5)


def _age(status: FileStatus) -> int:
    """Return the nanoseconds since a file changed, by the clock that gives files their times."""
    return _file_time() - max(status.modified, status.changed)


def _file_time() -> int:
    """Return the time by the clock that gives files their times, in nanoseconds.

    Elsewhere than on Linux that clock is unknown, and may be late by a tick.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):  # of Linux, which has the other one too
        return time.clock_gettime_ns(_FILE_CLOCK)
    return time.time_ns() - int(_TICK * 1e9)


def read_plain(path: Path, argument: str, limit: int = TEXT_LIMIT) -> bytes:
    """Return the content of a plain file that is small enough to be read at once.

    Args:
        path, argument: as for `open_plain`.
        limit: the most bytes; by default as many as a text may have characters.

    Raises:
        InvalidValueError: it is larger, changed while it was read, or is not a plain file.
        SourceNotFoundError: it does not exist.
        OSError: it cannot be read.
    """
    with unchanged(path, argument) as reader:
        pieces: list[bytes] = []
        size = os.fstat(reader.fileno()).st_size or limit  # files in /proc seem empty
        rest = min(size, limit) + 1  # one that grows is read no further
        while rest > 0 and (piece := reader.read(min(rest, 1_048_576))):
            pieces.append(piece)
            rest -= len(piece)
    if limit < sum(map(len, pieces)):
        raise InvalidValueError(
            f"{argument} must have at most {limit:,} bytes, and {printable_path(path)} has more",
            argument=argument,
        )
    return b"".join(pieces)


def content_of(path: Path, limit: int | None = None) -> bytes | None:
    """Return the bytes of a plain file; None if there is none, or something else, such as a link.

    For a file that localreg made: in a registry of a stranger anything may be in its place.

    Args:
        limit: read no more bytes; a file that has more is not one that localreg made.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"):  # not every system has each
        flags |= getattr(os, name, 0)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with open(os.open(path, flags), "rb") as reader:
            found = os.fstat(reader.fileno())
            if not stat.S_ISREG(found.st_mode) or (limit is not None and found.st_size > limit):
                return None
            return reader.read(-1 if limit is None else limit)
    except FileNotFoundError:
        return None


def read_text(path: Path, argument: str, limit: int = TEXT_LIMIT) -> str:
    """Return the text of a plain file in UTF-8, with line breaks as Python reads them.

    Raises:
        InvalidValueError: it is not text in UTF-8; and as `read_plain`.
    """
    data = read_plain(path, argument, limit)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidValueError(
            f"{argument}: {printable_path(path)} is not text in UTF-8: {error}",
            argument=argument,
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_kept(place: Path, argument: str) -> None:
    """Raise InvalidValueError if this system would make another file than the one at a path."""
    if kept_name(place.name) != place.name:
        raise InvalidValueError(
            f"{argument} must be a name that this system keeps: {place.name!r} is that of a "
            'device, holds one of < > : " | ? *, or ends in a dot or blank; a name like it is '
            f"{kept_name(place.name)!r}",
            argument=argument,
        )


def check_replaceable(place: Path, argument: str) -> Path:
    """Return the path of the plain file to write, which need not exist; a link is followed.

    Raises:
        InvalidValueError: something that is not a plain file is there, or a link to nothing; or
            this system does not keep the name.
    """
    check_kept(place, argument)
    try:
        found = place.lstat()
    except FileNotFoundError:
        return place
    shown = printable_path(place)
    if stat.S_ISLNK(found.st_mode):
        try:
            target = Path(os.path.realpath(place, strict=True))
            found = target.stat()
        except OSError as error:
            raise InvalidValueError(
                f"{argument} must be a plain file or a new path, and {shown} is a link to "
                f"{printable_path(os.readlink(place))}, which leads to no file "  # noqa: PTH115
                f"({error.strerror}); choose another path",
                argument=argument,
            ) from None
        place, shown = target, f"{shown} is a link to {printable_path(target)}, which"
    if not stat.S_ISREG(found.st_mode):
        raise InvalidValueError(
            f"{argument} must be a plain file or a new path, and {shown} is "
            f"{kind_of(found.st_mode)}; choose another path",
            argument=argument,
        )
    return place


@contextmanager
def replacing_plain(place: Path, argument: str) -> Iterator[Path]:
    """Yield a new path beside a plain file; what is written there replaces the file at the end.

    Args:
        place: the file, which need not exist; its folder does. Of a link, the file that it leads
            to is replaced, and the link stays.
        argument: the argument's name, for the error.

    Raises:
        InvalidValueError: something that is not a plain file is there.
    """
    target = check_replaceable(place, argument)
    temporary = unfinished(target)
    try:
        yield temporary
        replace_file(temporary, check_replaceable(target, argument))
    finally:
        discard(temporary)


def discard(path: Path) -> None:
    """Delete a temporary file if it exists; what fails is logged, and is no error.

    What it was for is done already, or has failed with an error of its own.
    """
    try:
        remove_file(path, missing_ok=True)
    except OSError as error:
        log.warning("%s is left over: it could not be deleted: %s", path, error.strerror or error)
