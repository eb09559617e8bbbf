"""Write the files of a package as one zip: the same package gives the same bytes everywhere.

Members are stored, sorted by name, with the time 1980 and fixed modes. The format is written here
and not by `zipfile`, which wrote large files in other ways in some releases of Python.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from localreg.blobs.blob_files import damaged
from localreg.filesystem.plain_files import changed, open_plain
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.values.manifest import Manifest, PackageFile

BUFFER = 262_144
REPORT_STEP = 4 * 1024 * 1024
_FILE, _PROGRAM, _FOLDER = 0o100644 << 16, 0o100755 << 16, 0o40755 << 16 | 0x10
_DATE = 1 << 5 | 1  # 1980-01-01, the earliest in a zip; the time is 0
_UTF8 = 0x800
_UNIX = 3  # on every system
_OLD, _NEW = 20, 45  # versions that a reader must know; 45 for sizes in 64 bits
_MOST = 2**32 - 1  # in 32 bits it says that the value is in 64 bits, somewhere else
_MOST_MEMBERS = 2**16 - 1
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s2B5H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


class ZipEntry(Frozen):
    """A file or empty folder of a package.

    Attributes:
        name: its path in the package.
        path: where its bytes are; None for an empty folder.
        size: number of bytes.
        executable: True if its owner may run it.
        digest: the sha256 that its bytes must have; None if any will do.
    """

    name: str
    path: Path | None
    size: int = 0
    executable: bool = False
    digest: str | None = None


class _Member(Frozen):
    """An entry of the zip, its name there, and where its header begins."""

    entry: ZipEntry
    name: bytes
    place: int

    @property
    def size(self) -> int:
        return self.entry.size

    @property
    def flags(self) -> int:
        return 0 if self.name.isascii() else _UTF8

    @property
    def attributes(self) -> int:
        if self.entry.path is None:
            return _FOLDER
        return _PROGRAM if self.entry.executable else _FILE

    def header(self, crc: int) -> bytes:
        """Return what stands before the bytes of the member."""
        large = self.size >= _MOST
        size = _MOST if large else self.size
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.size) if large else b""
        version = _NEW if large else _OLD
        return (
            _LOCAL.pack(
                b"PK\3\4", version, self.flags, 0, 0, _DATE, crc, size, size, len(self.name),
                len(extra),
            )
            + self.name
            + extra
        )  # fmt: skip

    def listed(self, crc: int) -> bytes:
        """Return the entry of the member in the list at the end."""
        large = [self.size] * 2 if self.size >= _MOST else []
        place = self.place
        if place >= _MOST:
            large.append(place)
            place = _MOST
        size = min(self.size, _MOST)
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        version = _NEW if large else _OLD
        return (
            _CENTRAL.pack(
                b"PK\1\2", version, _UNIX, version, self.flags, 0, 0, _DATE, crc, size, size,
                len(self.name), len(extra), 0, 0, 0, self.attributes, place,
            )
            + self.name
            + extra
        )  # fmt: skip


def entries_of(manifest: Manifest, find: Callable[[PackageFile], Path]) -> list[ZipEntry]:
    """Return the entries of a package that is kept.

    Args:
        find: returns where the bytes of a file are.
    """
    entries = [
        ZipEntry(each.path, find(each), each.size, each.executable, each.digest)
        for each in manifest.files
    ]
    return entries + [ZipEntry(each, None) for each in manifest.folders]


def zip_size(manifest: Manifest) -> int:
    """Return the number of bytes of the zip of a package."""
    return size_of_zip(entries_of(manifest, lambda file: Path(file.path)))


def size_of_zip(entries: Iterable[ZipEntry]) -> int:
    """Return the number of bytes of a zip."""
    size = listed = 0
    members = list(_members(entries))
    for each in members:
        size = each.place + len(each.header(0)) + each.size
        listed += len(each.listed(0))
    return size + listed + len(_end(len(members), size, listed))


def write_zip(
    entries: Iterable[ZipEntry], target: Path, *, advance: Callable[[int], None]
) -> dict[str, str]:
    """Write a zip, and return the sha256 of its files by name.

    Args:
        entries: in any order.
        target: an existing, empty file.
        advance: called with the number of bytes that are final; at the end with all.

    Raises:
        CorruptBlobError: the bytes of a file are not those that it must have.
        InvalidValueError: a file of the user is longer or shorter than it was.
    """
    crcs = []
    digests: dict[str, str] = {}
    members = list(_members(entries))
    with open(target, "r+b", buffering=BUFFER) as writer:
        reported = 0
        buffer = memoryview(bytearray(BUFFER))
        for member in members:
            crc, digest = _write_member(writer, member, buffer)
            crcs.append(crc)
            if member.entry.path is not None:
                digests[member.entry.name] = digest
            if writer.tell() - reported >= REPORT_STEP:
                writer.flush()
                reported = writer.tell()
                advance(reported)
        start = writer.tell()
        for member, crc in zip(members, crcs, strict=True):
            writer.write(member.listed(crc))
        writer.write(_end(len(members), start, writer.tell() - start))
        writer.flush()
        advance(writer.tell())
    return digests


def _members(entries: Iterable[ZipEntry]) -> Iterator[_Member]:
    named = [(f"{each.name}{'' if each.path else '/'}".encode(), each) for each in entries]
    place = 0
    for name, entry in sorted(named, key=lambda each: each[0]):
        member = _Member(entry, name, place)
        yield member
        place += len(member.header(0)) + member.size


def _write_member(writer: BinaryIO, member: _Member, buffer: memoryview) -> tuple[int, str]:
    """Write the header and the bytes of a member; return its checksum and sha256."""
    path, wanted = member.entry.path, member.entry.digest
    if path is None:
        writer.write(member.header(0))
        return 0, ""
    small = member.size < len(buffer)
    crc = done = 0
    sha256 = hashlib.sha256()
    with open_plain(path, "weights_url") as reader:
        if not small:
            writer.write(member.header(0))
        # It may have grown, perhaps without end.
        while done <= member.size and (count := reader.readinto(buffer[done if small else 0 :])):
            piece = buffer[done : done + count] if small else buffer[:count]
            crc = zlib.crc32(piece, crc)
            sha256.update(piece)
            done += count
            if not small:
                writer.write(piece)
    digest = sha256.hexdigest()
    if wanted is None and done != member.size:
        raise changed(path, "weights_url")
    if wanted is not None and (done != member.size or digest != wanted):
        raise damaged(wanted, path, f"has the digest {digest[:12]}…")
    if small:
        writer.write(member.header(crc) + buffer[:done])
    else:
        after = writer.tell()
        writer.seek(member.place)
        writer.write(member.header(crc))
        writer.seek(after)
    return crc, digest


def _end(count: int, start: int, size: int) -> bytes:
    """Return what stands after the list of members.

    Args:
        count: the number of members.
        start, size: where the list begins, and its number of bytes.
    """
    more = b""
    if count > _MOST_MEMBERS or start >= _MOST or size >= _MOST:
        more = _END_64.pack(
            b"PK\6\6", _END_64.size - 12, _NEW, _NEW, 0, 0, count, count, size, start
        ) + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    few = min(count, _MOST_MEMBERS)
    return more + _END.pack(b"PK\5\6", 0, 0, few, few, min(size, _MOST), min(start, _MOST), 0)
