"""Pack a folder into an archive; the same files give the same bytes at any time and place.

The archive is a zip with uncompressed members. Every tool reads it, and single files can be read
from it in place. Names are sorted, times are 1980, modes are fixed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from localreg.blobs.archives.unpacking import limits_from_environment
from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.plain_files import (
    FileStatus,
    changed,
    open_plain,
    plain_status,
    status_of,
    wait_for_tick,
)
from localreg.values import settings
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO
    from zipfile import ZipFile, ZipInfo

BUFFER = 262_144
REPORT_STEP = 4 * 1024 * 1024
FILE_MODE, FOLDER_MODE = 0o100644, 0o40755
_DRIVE = re.compile(r"[A-Za-z]:")
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip


class Entry(Frozen):
    """A file or empty folder that becomes one member of an archive.

    Attributes:
        name: relative, with slashes; the name of an empty folder ends with a slash.
        path: where it is.
        size: number of bytes.
        status: of a file, to see if it changes; None for a folder.
    """

    name: str
    path: Path
    size: int
    status: FileStatus | None = None


def tree(folder: Path) -> list[Entry]:
    """Return the files and empty folders in a folder, sorted by name.

    Symbolic links are followed: folders of the Hugging Face hub consist of them.

    Raises:
        SourceNotFoundError: the folder does not exist.
        InvalidValueError: it is empty, has a circle of links, or holds something that an archive
            cannot hold, or more files than a package can have.
    """
    if not folder.is_dir():
        raise SourceNotFoundError(
            f"there is no folder {folder}; check the path", reference=str(folder)
        )
    most = limits_from_environment().members
    found = list(islice(_walk(folder, "", ()), most + 1))
    if len(found) > most:  # unpacking would refuse it
        raise _cannot(
            folder, f"holds more than {most:,} files, which {settings.UNPACK_MEMBERS} allows"
        )
    if not found:
        raise _cannot(folder, "is empty")
    return sorted(found, key=lambda entry: entry.name.encode())


def listed(files: Sequence[Path]) -> list[Entry]:
    """Return single files under their names without folders, sorted by name.

    Raises:
        SourceNotFoundError: one of them does not exist.
        InvalidValueError: one is not a regular file, or two have the same name.
    """
    entries: dict[str, Entry] = {}
    for file in files:
        found = plain_status(file, "weights_filenames")
        _check_name(file.parent, file.name)
        if file.name in entries:
            raise InvalidValueError(
                f"{entries[file.name].path} and {file} would both be {file.name!r} in the package; "
                "give a folder in which they have different names",
                argument="weights_filenames",
            )
        entries[file.name] = Entry(file.name, file, found.st_size, status_of(found))
    return sorted(entries.values(), key=lambda entry: entry.name.encode())


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in above:
        raise _cannot(folder, "is a link to a folder that contains it, so it never ends")
    empty = True
    with os.scandir(folder) as listing:
        children = list(listing)
    for child in children:
        empty = False
        _check_name(folder, child.name, top=not prefix)
        path, name = folder / child.name, prefix + child.name
        try:
            found = path.stat()
        except FileNotFoundError:
            raise _cannot(path, "is a link to a file that does not exist") from None
        if stat.S_ISDIR(found.st_mode):
            yield from _walk(path, f"{name}/", (*above, place))
        elif stat.S_ISREG(found.st_mode):
            yield Entry(name, path, found.st_size, status_of(found))
        else:
            raise _cannot(path, "is a device, a pipe or a socket")
    if empty and prefix:
        yield Entry(prefix, folder, 0)


def _check_name(folder: Path, name: str, *, top: bool = True) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _cannot(
            folder, f'holds a name that is not UTF-8: "{printable_path(name)}"; rename it'
        ) from None
    if top and _DRIVE.match(name):  # unpacking would refuse it
        raise _cannot(folder, f"holds a name that is a drive on other systems: {name!r}")
    if "\\" in name or any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise _cannot(folder, f"holds a name that not every system accepts: {name!r}")


def _cannot(path: Path, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{printable_path(path)} {why}; it cannot be kept as a package", argument="weights_url"
    )


def pack(
    entries: list[Entry],
    look: Callable[[], list[Entry]],
    target: Path,
    *,
    advance: Callable[[int], None],
) -> None:
    """Write an archive of files, which must not change until it is whole.

    Args:
        entries: what the archive gets.
        look: looks at them again.
        target, advance: as for `write_zip`.

    Raises:
        InvalidValueError: a file changed meanwhile, came or went.
    """
    wait_for_tick([each.status for each in entries if each.status is not None])
    write_zip(entries, target, advance=advance)
    differing = set(entries) ^ set(look())
    if differing:
        raise changed(min(differing, key=lambda each: each.name).path, "weights_url")


def write_zip(entries: list[Entry], target: Path, *, advance: Callable[[int], None]) -> None:
    """Write an archive.

    Args:
        entries: sorted by name.
        target: an existing, empty file.
        advance: called with the number of bytes that are final; at the end with all.

    Raises:
        InvalidValueError: a file changed while it was read.
    """
    from zipfile import ZipFile

    reported = 0
    with open(target, "r+b", buffering=0) as file:
        with ZipFile(file, "w", allowZip64=True) as archive:
            buffer = memoryview(bytearray(BUFFER))
            for entry in entries:
                _write_entry(archive, entry, buffer)
                # The header of a member is written again once its checksum is known.
                if file.tell() - reported >= REPORT_STEP:
                    reported = file.tell()
                    advance(reported)
        advance(file.seek(0, os.SEEK_END))


def _write_entry(archive: ZipFile, entry: Entry, buffer: memoryview) -> None:
    if entry.name.endswith("/"):
        archive.writestr(_info(entry, FOLDER_MODE), b"")
        return
    with open_plain(entry.path, "weights_url") as reader:
        if entry.size <= BUFFER:
            count = _fill(reader, buffer)
            _check_size(entry, count, more=count == BUFFER and bool(reader.read(1)))
            archive.writestr(_info(entry, FILE_MODE), buffer[:count])
            return
        written = 0
        with archive.open(_info(entry, FILE_MODE), "w") as writer:
            while count := _fill(reader, buffer):
                writer.write(buffer[:count])
                written += count
                if written > entry.size:  # it may grow without end
                    break
    _check_size(entry, written, more=False)


def _fill(reader: BinaryIO, buffer: memoryview) -> int:
    """Fill the buffer from a file; return the number of bytes, fewer at the file's end."""
    done = 0
    while done < len(buffer) and (count := reader.readinto(buffer[done:])):  # type: ignore[attr-defined]  # raw, so it has it
        done += count
    return done


def _check_size(entry: Entry, found: int, *, more: bool) -> None:
    if found != entry.size or more:
        raise changed(entry.path, "weights_url")


def _info(entry: Entry, mode: int) -> ZipInfo:
    from zipfile import ZIP_STORED, ZipInfo

    info = ZipInfo(entry.name, EARLIEST)
    info.create_system = 3  # Unix, on every system
    info.external_attr = mode << 16 | (0x10 if entry.name.endswith("/") else 0)
    info.compress_type = ZIP_STORED
    info.file_size = entry.size
    return info
