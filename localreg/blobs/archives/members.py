"""Read zip and tar archives member by member; check each one before its bytes are read."""

from __future__ import annotations

import errno
import io
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from localreg.errors import ArchiveError, LocalregError, StorageFullError
from localreg.values import settings
from localreg.values.paths import is_package_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import lzma
    import tarfile
    import zipfile
    from typing import BinaryIO

BUFFER = 262_144
LONGEST_PART = 255  # bytes of a name that file systems accept
DEEPEST = 100  # nested folders
LONGEST_HEADERS = 4 * 1024 * 1024  # bytes for one member; tarfile reads them whole
LONGEST_DIRECTORY = 64 * 1024 * 1024  # bytes; zipfile reads it whole
LONGEST_PADDING = 16 * 1024 * 1024
XZ_MEMORY = 256 * 1024 * 1024
_ZIP_METHODS = frozenset({0, 8, 12})  # stored, deflated, bzip2: those with bounded memory
_DRIVE = re.compile(r"[A-Za-z]:")
_UNIX = 3  # the system in a zip that has modes
_EXECUTABLE = 0o100  # the right of the owner


class Member:
    """One file or folder of an archive.

    Attributes:
        name: relative and safe, with slashes between its parts.
        is_folder: True for a folder.
        executable: True for a file that its owner may run.
        pieces: yields the bytes of a file; call it once, before the next member.
    """

    __slots__ = ("executable", "is_folder", "name", "pieces")

    def __init__(
        self, name: str, is_folder: bool, executable: bool, pieces: Callable[[], Iterator[bytes]]
    ) -> None:
        self.name = name
        self.is_folder = is_folder
        self.executable = executable and not is_folder
        self.pieces = pieces


def members(archive: Path, filename: str, place: Path, most: int) -> Iterator[Member]:
    """Yield the members of an archive, each after it was checked.

    Args:
        archive: the file.
        filename: its original name; the ending gives the format.
        place: a folder on the disk that it will be unpacked to.
        most: the largest number of members; a zip that lists more is refused at once.

    Raises:
        ArchiveError: it is broken, or a member is not allowed.
        StorageFullError: a zip says that it does not fit on the disk.
    """
    with translated(archive):
        if filename.lower().endswith(".zip"):
            yield from _zip_members(archive, place, most)
        else:
            yield from _tar_members(archive, filename.lower())


@contextmanager
def translated(archive: Path) -> Iterator[None]:
    """Translate the libraries' errors about a broken archive into ArchiveError.

    Errors of the file system stay OSErrors.
    """
    import lzma
    import struct
    import tarfile
    import zipfile
    import zlib

    try:
        yield
    except LocalregError:
        raise
    except OSError as error:
        # gzip and bz2 raise OSErrors without a number for invalid data, and an invalid offset in a
        # header gives EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise broken(archive, str(error)) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        NotImplementedError,  # a compression that zipfile does not know
        RuntimeError,
        OverflowError,
        ValueError,
        IndexError,
        KeyError,
    ) as error:
        raise broken(archive, f"it is broken or cut short ({error})") from error


def broken(archive: Path, why: str) -> ArchiveError:
    """Return the error that says why an archive cannot be unpacked."""
    return ArchiveError(
        f"the archive {archive} cannot be unpacked: {why}; nothing was written",
        path=str(archive),
        member=None,
    )


def refused(archive: Path, member: str, why: str) -> ArchiveError:
    """Return the error for a member that is not allowed."""
    return ArchiveError(
        f"the archive {archive} cannot be unpacked: its member {member!r:.200} {why}; nothing was "
        "written",
        path=str(archive),
        member=member,
    )


def _safe_name(archive: Path, name: str) -> str:
    """Return the name of a member without "./" and a final slash; "" for the archive's root.

    Raises:
        ArchiveError: it leads outside, or not every file system accepts it.
    """
    if name.startswith("/") or _DRIVE.match(name):
        raise refused(archive, name, "has an absolute path")
    if "\\" in name or any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise refused(archive, name, "has a name that not every system accepts")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise refused(archive, name, "would be written outside")
    try:
        long = any(len(part.encode()) > LONGEST_PART for part in parts)
    except UnicodeEncodeError:
        raise refused(archive, name, "has a name that is not text") from None
    if long or len(parts) > DEEPEST:
        raise refused(archive, name, "has a name that is too long")
    safe = "/".join(parts)
    if safe and not is_package_path(safe):  # "./C:x"
        raise refused(archive, name, "has a name that not every system accepts")
    return safe


# zip ---------------------------------------------------------------------------------------


class _Limited(io.BufferedReader):
    """A file that refuses to read more at once than the longest allowed list of members."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LONGEST_DIRECTORY:
            raise ValueError("its list of members is too long")
        return super().read(size)


def _zip_members(archive: Path, place: Path, most: int) -> Iterator[Member]:
    from zipfile import ZipFile

    with _Limited(io.FileIO(archive)) as reader, ZipFile(reader) as file:
        infos = file.infolist()
        if len(infos) > most:
            raise broken(
                archive,
                f"it has {len(infos):,} members, more than {most:,}; if you trust it, set "
                f"{settings.UNPACK_MEMBERS} to allow more",
            )
        _check_room(archive, place, sum(info.file_size for info in infos))
        for info in infos:
            # The raw name: zipfile cuts `filename` at a NUL.
            name = _safe_name(archive, info.orig_filename)
            if not name and not info.orig_filename.endswith("/"):
                raise refused(archive, info.orig_filename, "has no name")
            _check_zip_member(archive, info)
            if name:
                yield Member(
                    name,
                    info.is_dir(),
                    info.create_system == _UNIX and bool(info.external_attr >> 16 & _EXECUTABLE),
                    partial(_zip_pieces, file, info, archive),
                )


def _check_zip_member(archive: Path, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused(archive, info.filename, "is a link or a device")
    if kind and (kind == stat.S_IFDIR) != info.is_dir():
        raise refused(archive, info.filename, "claims to be both a file and a folder")
    if info.is_dir() and info.file_size:
        raise refused(archive, info.filename, "is a folder with bytes in it")
    if info.flag_bits & 0x1:
        raise refused(archive, info.filename, "is encrypted")
    if info.compress_type not in _ZIP_METHODS:
        raise refused(archive, info.filename, "is compressed by a method that is not supported")


def _zip_pieces(file: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    done = 0
    with translated(archive), file.open(info) as reader:
        while data := reader.read(BUFFER):
            done += len(data)
            yield data
        if done != info.file_size:
            raise refused(archive, info.filename, "is not as long as the archive says")


def _check_room(archive: Path, place: Path, size: int) -> None:
    free = shutil.disk_usage(place).free
    if size > free:
        raise StorageFullError(
            f"the disk is full: the archive {archive} unpacks to {size:,} bytes, and {free:,} are "
            f"free in {place}; nothing was written",
            path=str(place),
        )


# tar ---------------------------------------------------------------------------------------


class _Forward:
    """The file that tarfile reads: it only goes forward, and limits the length of headers.

    Attributes:
        header_left: bytes that may still be read as headers of the next member; None while a
            member's contents are read.
    """

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._place = 0
        self.header_left: int | None = LONGEST_HEADERS

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        if self.header_left is not None:
            self.header_left -= size
            if self.header_left < 0:
                raise ValueError("its headers are too long")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        if size <= 0:
            return b""
        data = self._inner.read(size)
        while len(data) < size and (more := self._inner.read(size - len(data))):
            data += more
        self._place += len(data)
        return data

    def seek(self, place: int) -> None:
        while self._place < place and self._read(min(BUFFER, place - self._place)):
            pass
        if self._place > place:
            raise ValueError("its members overlap")

    def drain(self) -> None:
        """Read what follows the end, so that a checksum there is checked."""
        for _ in range(LONGEST_PADDING // BUFFER):
            if not self._read(BUFFER):
                return
        raise ValueError("it has too much data after its end")


def _tar_members(archive: Path, filename: str) -> Iterator[Member]:
    import tarfile

    ends: list[bool] = []

    class Noting(tarfile.TarInfo):
        """Notes the block of zeros that ends an archive; an archive without it was cut short."""

        @classmethod
        def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Noting:
            try:
                return super().fromtarfile(tarfile_)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # exists, but not in the type stubs
                ends.append(True)
                raise

    with _opened(archive, filename) as inner:
        forward = _Forward(inner)
        with tarfile.TarFile(
            fileobj=forward,  # type: ignore[arg-type]  # it has the methods that reading uses
            tarinfo=Noting,
            errorlevel=2,
        ) as file:
            while (info := file.next()) is not None:
                forward.header_left = None
                file.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
                name = _safe_name(archive, info.name)
                _check_tar_member(archive, info)
                if not name and not info.isdir():
                    raise refused(archive, info.name, "has no name")
                if name:
                    yield Member(
                        name,
                        info.isdir(),
                        bool(info.mode & _EXECUTABLE),
                        partial(_tar_pieces, file, info, archive),
                    )
                forward.header_left = LONGEST_HEADERS
        if not ends:
            raise broken(archive, "it is cut short: its end is missing")
        forward.drain()


@contextmanager
def _opened(archive: Path, filename: str) -> Iterator[BinaryIO]:
    import bz2
    import gzip

    reader: object
    if filename.endswith((".gz", ".tgz")):
        reader = gzip.open(archive)  # noqa: SIM115  (closed below)
    elif filename.endswith(".bz2"):
        reader = bz2.open(archive)  # noqa: SIM115
    elif filename.endswith(".xz"):
        reader = _XZ(archive)
    else:
        reader = open(archive, "rb")  # noqa: SIM115  (closed below)
    try:
        yield reader  # type: ignore[misc]  # each of them has `read`
    finally:
        reader.close()


class _XZ:
    """Reads an xz file with bounded memory, which `lzma.open` cannot do."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115  (closed by close)
        self._decompressor = self._new()

    def _new(self) -> lzma.LZMADecompressor:
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def read(self, size: int) -> bytes:
        while True:
            rest = b""
            if self._decompressor.eof:
                # Streams may follow each other, with zeros in between.
                rest = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(65_536)
                rest = rest.lstrip(b"\0")
                if not rest and not self._file.peek(1):
                    return b""
                if not rest:
                    continue
                self._decompressor = self._new()
            elif self._decompressor.needs_input:
                rest = self._file.read(65_536)
                if not rest:
                    raise EOFError("cut short")
            data = self._decompressor.decompress(rest, size)
            if data:
                return data

    def close(self) -> None:
        self._file.close()


def _check_tar_member(archive: Path, info: tarfile.TarInfo) -> None:
    if info.issym() or info.islnk():
        raise refused(archive, info.name, f"is a link to {info.linkname!r:.100}")
    if info.issparse():
        raise refused(archive, info.name, "is a sparse file")
    if not (info.isreg() or info.isdir()):
        raise refused(archive, info.name, "is a device, a pipe, or of an unknown kind")
    if info.size < 0 or (info.isdir() and info.size):
        raise refused(archive, info.name, "has an impossible size")


def _tar_pieces(file: tarfile.TarFile, info: tarfile.TarInfo, archive: Path) -> Iterator[bytes]:
    with translated(archive):
        reader = file.extractfile(info)
        assert reader is not None
        while data := reader.read(BUFFER):  # it raises if the data is shorter than the header says
            yield data
