"""Find pickles wherever they may be in a file: in archives, in compressed data, one in another.

What is not looked at is said: then the result is "unscanned", with the reason.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import partial

from localreg.blobs.headers.compressed import (
    UNREADABLE,
    Budget,
    Section,
    SpentError,
    Unpacked,
    compression_of,
)
from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.blobs.headers.numpy_header import MAGIC, read_array_header
from localreg.blobs.headers.pickle_operations import may_name_code, names_code
from localreg.blobs.headers.pickle_scan import (
    LEGACY_TORCH,
    MOST_BYTES,
    Pickle,
    Scanner,
    is_pickle,
    verdict,
)
from localreg.blobs.headers.tar_members import (
    BLOCK,
    is_extended,
    is_sparse,
    is_tar_header,
    member_size,
    padded,
    pax_size,
)
from localreg.blobs.headers.zip_members import MOST_MEMBERS, broken_archive, opened_zip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

MOST_UNPACKED = 64 * 1024 * 1024  # bytes of compressed data that are looked at
MOST_NESTING = 4  # archives in archives
ZIP = b"PK\3\4"
PICKLE_ENDINGS = (".pkl", ".pickle", ".joblib")
_LONGEST_PAX = 65_536
_TOO_MANY_BYTES = f"it has more than {MOST_BYTES // 2**20} MiB"


class PickleSearch:
    """Collects the pickles of a file, which must stay open until `verdict` was called.

    Attributes:
        members: number of the members of all archives.
        pickles: how many were found.
        levels: what the file is, from outside: "gzip", "tar", "zip", "pickle".
        legacy: True if one is of PyTorch's first format.
    """

    def __init__(self) -> None:
        self.members = 0
        self.pickles = 0
        self.levels: list[str] = []
        self.legacy = False
        self._found: list[Pickle] = []
        self._left = MOST_BYTES
        self._budget = Budget(MOST_UNPACKED)
        self._why: str | None = None

    def verdict(self, scanner: tuple[Scanner, str] | None) -> dict[str, object]:
        """Return the number of pickles and the verdict on them; {} if there are none."""
        if not self.pickles and self._why is None:
            return {}
        return {"pickles": self.pickles} | verdict(self._found, scanner, self._why)

    def look(self, file: IO[bytes], size: int, name: str) -> None:
        """Look for pickles in a file.

        Args:
            file: seekable.
            size: number of its bytes.
            name: its name in lower case, or "".

        Raises:
            HeaderError: it is a broken archive, or has too many members.
        """
        try:
            self._look(file, size, name, 0)
        except SpentError as error:
            self._give_up(str(error))

    def look_in_zip(self, archive: zipfile.ZipFile, *, only_marked: bool = False) -> None:
        """Look for pickles in the members of an open archive; see `look`.

        Args:
            only_marked: leave out members that are no pickles by their first bytes or their name.
        """
        try:
            self._zip(archive, 0, only_marked)
        except SpentError as error:
            self._give_up(str(error))

    def add(self, opening: Callable[[], IO[bytes]], size: int, *, legacy: bool = False) -> None:
        """Add a pickle, unless all have too many bytes then."""
        self.pickles += 1
        self.legacy |= legacy
        self._left -= size
        if self._left < 0:
            self._give_up(_TOO_MANY_BYTES)
        else:
            self._found.append(Pickle(opening, legacy))

    def _give_up(self, why: str) -> None:
        """Note why something is not looked at; the first reason counts."""
        self._why = self._why or why

    def _too_large(self, start: bytes) -> None:
        self.pickles += is_pickle(start)
        self._give_up(_TOO_MANY_BYTES)

    def _count(self) -> None:
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise TooLongError(f"it has more than {MOST_MEMBERS:,} members")

    def _level(self, name: str, nesting: int) -> None:
        if len(self.levels) == nesting:
            self.levels.append(name)

    def _look(self, file: IO[bytes], size: int, name: str, nesting: int) -> None:
        file.seek(0)
        start = file.read(BLOCK)
        compression = compression_of(start)
        if nesting > MOST_NESTING:
            self._give_up(f"it has more than {MOST_NESTING} archives in each other")
        elif start.startswith(ZIP):
            self._level("zip", nesting)
            with opened_zip(Section(file, 0, size), size) as archive:
                self._zip(archive, nesting)
        elif is_tar_header(start):
            self._level("tar", nesting)
            self._tar(_Members(file, size), nesting)
        elif compression in UNREADABLE:
            if name.endswith((*PICKLE_ENDINGS, f".{compression}")):
                self._level(str(compression), nesting)
                self._give_up(f"{compression} is not read")
        elif compression is not None:
            self._compressed(file, compression, name, nesting)
        else:
            self._plain(file, size, start, nesting)

    def _nested(self, file: IO[bytes], size: int, name: str, nesting: int) -> None:
        """Look at a file in an archive; what is wrong with it is no fault of the archive."""
        try:
            self._look(file, size, name, nesting + 1)
        except SpentError:
            raise
        except TooLongError as error:
            self._give_up(str(error))
        except HeaderError:
            self._give_up("a file in it is damaged")

    def _plain(self, file: IO[bytes], size: int, start: bytes, nesting: int) -> None:
        """Look at a file that is no archive: is it a pickle?"""
        whole = Section(file, 0, size)
        if start.startswith(MAGIC):
            file.seek(0)
            header = read_array_header(file, size)
            if header.dtype == "object":
                rest = Section(file, header.start, size - header.start)
                self.add(partial(_again, rest), size)
        elif is_pickle(start):
            self._level("pickle", nesting)
            self.add(partial(_again, whole), size, legacy=start.startswith(LEGACY_TORCH))
        elif may_name_code(start) and _names_code(file, size):
            self._level("pickle", nesting)
            self.add(partial(_again, whole), size)

    def _zip(self, archive: zipfile.ZipFile, nesting: int, only_marked: bool = False) -> None:
        for member in archive.infolist():
            self._count()
            if not member.is_dir():
                self._member_of_zip(archive, member, nesting, only_marked)

    def _member_of_zip(
        self,
        archive: zipfile.ZipFile,
        member: zipfile.ZipInfo,
        nesting: int,
        only_marked: bool,
    ) -> None:
        name = member.filename.lower()
        if member.flag_bits & 1:
            self._give_up("it has encrypted members")
            return
        with broken_archive(), archive.open(member) as opened:
            start = opened.read(BLOCK)
            marked = is_pickle(start) or name.endswith(PICKLE_ENDINGS)
            if not (marked if only_marked else marked or _may_have_pickles(start)):
                return
            if member.file_size > MOST_BYTES:
                self._too_large(start)
                return
            self._budget.take(member.compress_size, member.file_size)
            data = start + opened.read(MOST_BYTES)
        if marked:
            legacy = start.startswith(LEGACY_TORCH)
            self.add(partial(io.BytesIO, data), len(data), legacy=legacy)
        else:
            self._nested(io.BytesIO(data), len(data), name, nesting)

    def _tar(self, members: _Members, nesting: int) -> None:
        told: int | None = None
        while (header := members.header()).strip(b"\0"):
            length = member_size(header) if is_tar_header(header) else None
            if length is None:
                raise HeaderError("it is a broken archive")
            if is_sparse(header):
                self._give_up("it has sparse members")
                return
            self._count()
            if told is not None and not is_extended(header):
                length, told = told, None
            start = members.read(min(BLOCK, length))
            if is_extended(header):
                start += members.read(max(0, min(length, _LONGEST_PAX) - len(start)))
                told = pax_size(start)
            elif _may_have_pickles(start):
                part = members.part(start, length)
                if part is None:
                    self._too_large(start)
                else:
                    self._nested(part, length, "", nesting)
            members.end(length)

    def _compressed(self, file: IO[bytes], compression: str, name: str, nesting: int) -> None:
        """Look into compressed data.

        Many texts start like zlib's data: data that cannot be unpacked are a fault only if the
        name is that of a pickle.
        """
        unpacked = Unpacked(file, compression, self._budget)
        try:
            start = unpacked.read(BLOCK)
        except SpentError:
            raise
        except HeaderError:
            if name.endswith(PICKLE_ENDINGS):
                self._level(compression, nesting)
                raise
            return
        if is_tar_header(start):
            self._level(compression, nesting)
            self._level("tar", nesting + 1)
            self._tar(_UnpackedMembers(unpacked, start), nesting + 1)
        elif _may_have_pickles(start):
            data = start + unpacked.read(MOST_BYTES + 1 - len(start))
            self._level(compression, nesting)
            if len(data) > MOST_BYTES:
                self._too_large(start)
            else:
                self._nested(io.BytesIO(data), len(data), "", nesting)


class _Members:
    """Reads a tar that is not compressed."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self._next = self._start = self._at = 0

    def header(self) -> bytes:
        """Return the next header; nothing at the end."""
        self._at = self._next
        header = self.read(min(BLOCK, max(0, self._size - self._next)))
        self._start = self._at
        return header

    def read(self, size: int) -> bytes:
        """Return the next bytes of the member.

        Raises:
            HeaderError: there are fewer.
        """
        self._file.seek(self._at)
        data = self._file.read(size)
        self._at += len(data)
        return _whole(data, size)

    def part(self, start: bytes, length: int) -> IO[bytes] | None:
        """Return a member as a file; None if it is too large. Its first bytes were read already."""
        return io.BufferedReader(Section(self._file, self._start, length))

    def end(self, length: int) -> None:
        """Go to the end of a member."""
        if self._start + length > self._size:
            raise HeaderError("it is cut short")
        self._next = self._start + padded(length)


class _UnpackedMembers(_Members):
    """Reads a tar that is compressed; its first header was read already."""

    def __init__(self, unpacked: Unpacked, header: bytes) -> None:
        self._unpacked = unpacked
        self._first: bytes | None = header
        self._read = 0

    def header(self) -> bytes:
        header = self._unpacked.read(BLOCK) if self._first is None else self._first
        self._first, self._read = None, 0
        return header

    def read(self, size: int) -> bytes:
        data = self._unpacked.read(size)
        self._read += len(data)
        return _whole(data, size)

    def part(self, start: bytes, length: int) -> IO[bytes] | None:
        if length > MOST_BYTES:
            return None
        return io.BytesIO(start + self.read(length - len(start)))

    def end(self, length: int) -> None:
        while self._read < length:
            self.read(min(2**20, length - self._read))
        self._unpacked.read(padded(length) - length)


def _may_have_pickles(start: bytes) -> bool:
    return (
        start.startswith((ZIP, MAGIC))
        or is_pickle(start)
        or may_name_code(start)
        or compression_of(start) is not None
        or is_tar_header(start)
    )


def _names_code(file: IO[bytes], size: int) -> bool:
    """Return True if a file is a pickle that names code, or may be one, for all that was read."""
    return names_code(io.BufferedReader(Section(file, 0, size)), MOST_BYTES) is not False


def _again(file: Section) -> IO[bytes]:
    """Return a file from its start, in memory; it has `MOST_BYTES` at most."""
    file.seek(0)
    return io.BytesIO(file.readall())


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise HeaderError("it is cut short")
    return data
