"""Unpack untrusted archives: all files of the archive into one folder, or nothing.

- Members are unpacked one by one, and only regular files are made. ``extractall`` and its
  relatives are not used: each of them has had a way to write outside its folder.
- The files are named by numbers, so no name in an archive ever becomes a path, and any file system
  can hold them: of names that differ only by case, too. After an error they are deleted.
- Bytes, members and the ratio to the archive's size are counted during unpacking, because headers
  may be wrong.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from localreg.blobs.archives.members import Member, broken, members, refused
from localreg.errors import ArchiveError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import (
    NOT_EMPTY,
    make_readonly,
    remove_file,
    set_folder_mode,
)
from localreg.values import settings
from localreg.values.frozen import Frozen

BUFFER = 262_144
_RACES = 100  # with another process that deletes the same folder, or makes files in it
_ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


class Limits(Frozen, kw_only=True):
    """What an archive may unpack to.

    Attributes:
        bytes: total number of bytes.
        members: number of files and folders.
        ratio: bytes for each byte of the archive.
        free: number of bytes up to which the ratio is not checked.
    """

    bytes: int = 2**40
    members: int = 100_000
    ratio: int = 200
    free: int = 100_000_000


def limits_from_environment() -> Limits:
    """Return the limits set by ``LOCALREG_UNPACK_BYTES``, ``_MEMBERS`` and ``_RATIO``.

    Raises:
        InvalidValueError: one of them is not a whole number above 0.
    """
    usual = Limits()
    return Limits(
        bytes=settings.whole_number(settings.UNPACK_BYTES, usual.bytes),
        members=settings.whole_number(settings.UNPACK_MEMBERS, usual.members),
        ratio=settings.whole_number(settings.UNPACK_RATIO, usual.ratio),
    )


def is_archive(filename: str) -> bool:
    """Return True if a file name has the ending of an archive that can be unpacked.

    >>> is_archive("model.tar.gz"), is_archive("MODEL.ZIP"), is_archive("model.pt")
    (True, True, False)
    """
    return filename.lower().endswith(_ENDINGS)


class UnpackedFile(Frozen):
    """A file of an archive: its name there, where its bytes are now, and if it is executable."""

    name: str
    path: Path
    executable: bool


class Unpacked(Frozen):
    """What an archive held: its files, and the names of its empty folders."""

    files: list[UnpackedFile]
    folders: list[str]


def unpack(
    archive: Path, filename: str, folder: Path, limits: Limits, group: int | None = None
) -> Unpacked:
    """Unpack an archive into an empty folder, as read-only files that are named by numbers.

    Args:
        archive: the file.
        filename: its original name; the ending gives the format.
        folder: the folder; after an error it is empty again.
        limits: what it may unpack to.
        group: the group that shares the registry, which must be able to read the files.

    Raises:
        ArchiveError: it is broken, unsafe, or exceeds the limits.
        StorageFullError: it does not fit on the disk.
    """
    with disk_errors("unpacking weights", folder):
        unpacking = _Unpacking(archive, folder, limits, group)
        try:
            return unpacking.run(filename)
        except BaseException:
            unpacking.clear()
            raise


class _Unpacking:
    """One unpacking: the names and the number of bytes written so far."""

    def __init__(self, archive: Path, folder: Path, limits: Limits, group: int | None) -> None:
        self._archive = archive
        self._place = folder
        self._limits = limits
        self._group = group
        size = archive.stat().st_size
        self._most = min(limits.bytes, max(limits.free, size * limits.ratio))
        self._bytes = 0
        self._folders = {""}
        self._full: set[str] = {""}  # folders with something in them
        self._files: dict[str, UnpackedFile] = {}

    def run(self, filename: str) -> Unpacked:
        for number, member in enumerate(
            members(self._archive, filename, self._place, self._limits.members), 1
        ):
            if number > self._limits.members:
                raise self._beyond(f"{self._limits.members:,} members", settings.UNPACK_MEMBERS)
            if member.is_folder:
                self._note_folders(member.name, member)
            else:
                self._write(member)
        return Unpacked([*self._files.values()], sorted(self._folders - self._full))

    def clear(self) -> None:
        """Delete what was unpacked so far."""
        for each in self._files.values():
            remove_file(each.path, missing_ok=True)

    def _write(self, member: Member) -> None:
        above, _, _ = member.name.rpartition("/")
        self._note_folders(above, member)
        self._full.add(above)
        if member.name in self._files or member.name in self._folders:
            raise refused(self._archive, member.name, "is in it twice")
        place = self._place / str(len(self._files))
        with open(place, "xb", buffering=0) as writer:
            self._files[member.name] = UnpackedFile(member.name, place, member.executable)
            for data in member.pieces():
                self._bytes += len(data)
                if self._bytes > self._most:
                    raise self._beyond(
                        f"{self._most:,} bytes", f"{settings.UNPACK_BYTES} or _RATIO"
                    )
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(writer.fileno(), rest) :]
            make_readonly(writer.fileno(), place, self._group)

    def _note_folders(self, name: str, member: Member) -> None:
        if name in self._folders:
            return
        above, _, _ = name.rpartition("/")
        self._note_folders(above, member)
        if name in self._files:
            raise refused(self._archive, member.name, "is both a file and a folder")
        if len(self._folders) + len(self._files) > 2 * self._limits.members:
            raise self._beyond(f"{self._limits.members:,} members", settings.UNPACK_MEMBERS)
        self._folders.add(name)
        self._full.add(above)

    def _beyond(self, what: str, variable: str) -> ArchiveError:
        return broken(
            self._archive,
            f"it unpacks to more than {what}; if you trust it, set {variable} to allow more",
        )


def remove_tree(folder: Path) -> None:
    """Delete a folder and everything in it, also if it is read-only; links are not followed.

    Another process may delete it at the same time, or add files to it.
    """
    for _ in range(_RACES):
        try:
            _remove_tree(folder)
        except FileNotFoundError:  # a part of it was deleted meanwhile; the rest is left
            continue
        except OSError as error:
            if error.errno not in NOT_EMPTY:
                raise
            continue
        return
    _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
        return
    if not folder.is_dir():
        return
    for place, _, _ in os.walk(folder):
        # In a shared registry, other members' folders cannot be changed, but allow deletion.
        set_folder_mode(Path(place), stat.S_IMODE(Path(place).stat().st_mode) | 0o700)
    try:
        shutil.rmtree(folder)
    except PermissionError:  # perhaps files that are read-only, on Windows
        for place, _, names in os.walk(folder):
            for name in names:
                remove_file(Path(place) / name)
        shutil.rmtree(folder)
