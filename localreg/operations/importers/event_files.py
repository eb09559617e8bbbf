"""Event files of TensorBoard: records in order, each a message.

A record has its length, the checksum of the length, the bytes, and their checksum. A checksum is
the CRC-32C (Castagnoli), rotated and shifted so that it is none of itself.

A writer that was killed leaves an unfinished record at the end, or zeros where the system was
stopped: the whole records before that place count. Any other damage is an error.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.importers.source_files import damaged, is_rest_zeros

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
RECORD_LIMIT = 64_000_000
_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE = _table()


def checksum_of(data: bytes) -> int:
    """Return the checksum of some bytes as event files have it.

    >>> hex(checksum_of(b"123456789"))
    '0xc78ab0e5'
    """
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 255] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


class EventFile:
    """A file of events.

    Attributes:
        path: the file.
        is_cut: True if the last record is unfinished; known once all were read.
        too_large: how many records were passed over, since they are larger than `RECORD_LIMIT`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_cut = False
        self.too_large = 0
        self._size = path.stat().st_size  # what is written later is not read

    def records(self, *, check: bool = True) -> Iterator[bytes]:
        """Yield the bytes of the records.

        Args:
            check: False to check only the lengths.

        Raises:
            SourceError: a part of the file is damaged.
        """
        place, self.too_large, self.is_cut = 0, 0, False
        with (
            disk_errors("reading what is imported", self.path),
            open_plain(self.path, "source") as raw,
        ):
            reader = io.BufferedReader(raw, 1 << 18)
            while place < self._size:
                head = reader.read(_HEAD.size)
                if place + _HEAD.size > self._size or len(head) < _HEAD.size:
                    self.is_cut = True
                    return
                length, checksum = _HEAD.unpack(head)
                end = place + _HEAD.size + length + _TAIL.size
                if checksum_of(head[:8]) != checksum:
                    if not any(head) and is_rest_zeros(reader):
                        self.is_cut = True
                        return
                    raise damaged(self.path, f"is damaged at byte {place:,}")
                if end > self._size:
                    self.is_cut = True
                    return
                if length > RECORD_LIMIT:
                    self.too_large += 1
                    reader.seek(end)
                else:
                    data = reader.read(length)
                    tail = reader.read(_TAIL.size)
                    if len(tail) < _TAIL.size:
                        self.is_cut = True
                        return
                    if check and checksum_of(data) != _TAIL.unpack(tail)[0]:
                        raise damaged(self.path, f"is damaged at byte {place:,}")
                    yield data
                place = end
