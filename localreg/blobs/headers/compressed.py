"""Read compressed data with bounds: gzip, zlib, bz2, xz and lzma, as joblib writes them."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib

from localreg.blobs.headers.header_errors import HeaderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

_CHUNK = 64 * 1024
_MOST_MEMORY = 256 * 1024 * 1024  # bytes that xz may need
_OLD_JOBLIB = b"ZF"  # joblib before 0.10: the mark, the length in 19 bytes as text, then zlib
_OLD_PREFIX = len(_OLD_JOBLIB) + 19
_STARTS = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_MARKS = tuple(_STARTS)  # asked for each file of a package
UNREADABLE = frozenset({"lz4", "zstd"})


def compression_of(start: bytes) -> str | None:
    """Return how a file is compressed, by its first bytes; None if it is not.

    What starts as zlib's data may be anything else.
    """
    if start.startswith(_OLD_JOBLIB + b"0x"):
        return "zlib of old joblib"
    if len(start) > 2 and start[0] == 0x78 and int.from_bytes(start[:2], "big") % 31 == 0:
        return "zlib"
    if not start.startswith(_MARKS):
        return None
    return next(name for mark, name in _STARTS.items() if start.startswith(mark))


class Budget:
    """How many bytes may be read of compressed data, in all; and how many come out.

    Args:
        size: for each of both.
    """

    def __init__(self, size: int) -> None:
        self._most = size
        self._left_in = self._left_out = size

    def take(self, read: int, unpacked: int) -> None:
        """Count bytes.

        Raises:
            SpentError: there were too many.
        """
        self._left_in -= read
        self._left_out -= unpacked
        if self._left_in < 0 or self._left_out < 0:
            raise SpentError(f"only {self._most // 2**20} MiB of compressed data are looked at")


class SpentError(HeaderError):
    """A budget is spent; the text says which."""


class Unpacked:
    """Reads what was compressed, from the start to the end."""

    def __init__(self, file: IO[bytes], compression: str, budget: Budget) -> None:
        self._file = file
        self._compression = compression
        self._budget = budget
        self._waiting = b""
        self._buffer = b""
        file.seek(_OLD_PREFIX if compression == "zlib of old joblib" else 0)
        self._unpacker = self._new()

    def _new(self) -> zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor:
        if self._compression == "bz2":
            return bz2.BZ2Decompressor()
        if self._compression in ("xz", "lzma"):
            return lzma.LZMADecompressor(memlimit=_MOST_MEMORY)
        return zlib.decompressobj(wbits=47)  # zlib or gzip, as the data say

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer only at the end.

        Raises:
            HeaderError: the data are damaged, or cut short.
            SpentError: more was read than may be.
        """
        parts, missing = [], size
        while missing:
            if not self._buffer and not self._fill():
                break
            part, self._buffer = self._buffer[:missing], self._buffer[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        """Unpack some more; return False at the end."""
        while not self._buffer:
            if self._unpacker.eof:
                self._waiting = self._unpacker.unused_data or self._file.read(_CHUNK)
                if not self._waiting.strip(b"\0"):
                    return False
                self._unpacker = self._new()
            needs = getattr(self._unpacker, "needs_input", not self._waiting)
            if needs and not self._waiting:
                self._waiting = self._file.read(_CHUNK)
                if not self._waiting:
                    raise HeaderError("its compressed data are cut short")
            given = len(self._waiting)
            try:
                self._buffer = self._unpacker.decompress(self._waiting, _CHUNK)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise HeaderError("its compressed data are damaged") from error
            self._waiting = getattr(self._unpacker, "unconsumed_tail", b"")
            self._budget.take(given - len(self._waiting), len(self._buffer))
        return True


class Section(io.RawIOBase):
    """A part of an open file, as a file of its own; others may read the file in between."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place in the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer
        """Fill a buffer; return the number of bytes."""
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
