"""Reads numbers and ranges of a file at any place, in blocks, and never past its end."""

from __future__ import annotations

from localreg.blobs.headers.header_errors import HeaderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Literal

_BLOCK = 64 * 1024


class ByteReader:
    """Reads from an open file; it keeps one block in memory.

    Args:
        file: open for reading, and seekable.
        size: number of bytes of the file.
        order: of the bytes of numbers.
    """

    def __init__(
        self, file: IO[bytes], size: int, order: Literal["little", "big"] = "little"
    ) -> None:
        self.size = size
        self.order: Literal["little", "big"] = order
        self._file = file
        self._base = 0
        self._block = b""

    def take(self, at: int, count: int) -> bytes:
        """Return so many bytes from a place on.

        Raises:
            HeaderError: the file ends before.
        """
        block, start = self._around(at, count)
        return block[start : start + count]

    def number(self, at: int, count: int) -> int:
        """Return the number in so many bytes from a place on, without sign."""
        return int.from_bytes(self.take(at, count), self.order)

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return a protobuf number that must end before a place, and the place behind it."""
        block, start = self._around(at, min(10, end - at))
        if at < end and block[start] < 128:
            return block[start], at + 1
        value = 0
        for index in range(min(10, end - at)):
            byte = block[start + index]
            value |= (byte & 127) << (7 * index)
            if byte < 128:
                return value & (2**64 - 1), at + index + 1
        raise HeaderError("it has a number without an end")

    def after_texts(self, at: int, count: int) -> int:
        """Return the place behind so many texts, each after its length in eight bytes."""
        while count:
            block, start = self._around(at, 8)
            while count and start + 8 <= len(block):
                step = 8 + int.from_bytes(block[start : start + 8], self.order)
                start += step
                at += step
                count -= 1
        if at > self.size:
            raise HeaderError("it is cut short")
        return at

    def _around(self, at: int, count: int) -> tuple[bytes, int]:
        """Return a block that holds so many bytes from a place on, and where they begin in it."""
        if not 0 <= at <= at + count <= self.size:
            raise HeaderError("it is cut short")
        if not self._base <= at <= at + count <= self._base + len(self._block):
            self._file.seek(at)
            self._base, self._block = at, self._file.read(max(count, _BLOCK))
            if len(self._block) < count:
                raise HeaderError("it is cut short")
        return self._block, at - self._base
