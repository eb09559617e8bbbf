"""The log of a run of Weights & Biases, ``run-ID.wandb``: records in order, each a message.

The file begins with 7 bytes: ``:W&B``, a magic number and a version. Then come blocks of 32 kB, as
in the logs of LevelDB. A block has pieces of records: a checksum, a length, a kind, and the bytes.
The checksum is the CRC-32 of zlib over kind and bytes. A record of one piece has the kind "full"; a
longer one has a first piece, middle ones and a last one. What is too short for another piece at the
end of a block is filled with zeros.

A run that was killed leaves an unfinished record at the end, or zeros where the system was stopped:
the whole records before that place count. Any other damage is an error.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.importers.source_files import damaged, is_rest_zeros
from localreg.values.frozen import Frozen
from localreg.values.protobuf_wire import Message, WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

ENDING = ".wandb"
_BLOCK = 32_768
_HEAD = struct.Struct("<IHB")
_BEGIN = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEEDS = tuple(zlib.crc32(bytes([kind])) for kind in range(_LAST + 1))
_RECORD_LIMIT = 64_000_000


class LogEnd(Frozen):
    """Where the whole records of a log end.

    Attributes:
        place: the byte after the last one.
        is_cut: True if more bytes follow, of a record that was not written to its end.
    """

    place: int
    is_cut: bool


class WandbLog:
    """The log of a run, or of a part of it.

    Attributes:
        path: the file.
        end: set once `records` has yielded all; a second reading ends there, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end: LogEnd | None = None

    def records(self) -> Iterator[Message]:
        """Yield the records.

        Raises:
            SourceError: it is no such log, or a part of it is damaged.
        """
        for place, data in self._whole_records():
            try:
                yield Message(data)
            except WireError as error:
                raise damaged(self.path, f"has a record at byte {place:,} that {error}") from error

    def _whole_records(self) -> Iterator[tuple[int, bytes]]:
        """Yield the place and the bytes of each record."""
        with (
            disk_errors("reading what is imported", self.path),
            open_plain(self.path, "source") as raw,
        ):
            reader = io.BufferedReader(raw, 1 << 18)
            size = self.path.stat().st_size if self.end is None else self.end.place
            if reader.read(len(_BEGIN)) != _BEGIN:
                if size >= len(_BEGIN):
                    raise damaged(self.path, "does not begin as a log of Weights & Biases")
                self.end = LogEnd(size, is_cut=True)
                return
            whole = len(_BEGIN)
            began, length = whole, 0
            parts: list[bytes] = []
            for place, kind, data in self._pieces(reader, size):
                if (kind in (_FULL, _FIRST)) == bool(parts):
                    raise damaged(self.path, f"has a piece at byte {place:,} out of order")
                if not parts:
                    began = place
                parts.append(data)
                length += len(data)
                if length > _RECORD_LIMIT:
                    raise damaged(
                        self.path,
                        f"has a record at byte {began:,} of more than {_RECORD_LIMIT:,} bytes",
                    )
                if kind in (_FULL, _LAST):
                    whole = place + _HEAD.size + len(data)
                    yield began, b"".join(parts)
                    parts, length = [], 0
        if self.end is None:
            self.end = LogEnd(whole, is_cut=whole < size)

    def _pieces(self, reader: BinaryIO, size: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield place, kind and bytes of each whole piece."""
        place = len(_BEGIN)
        while True:
            left = _BLOCK - place % _BLOCK
            if left < _HEAD.size:
                reader.read(left)
                place += left
                left = _BLOCK
            head = reader.read(_HEAD.size)
            if len(head) < _HEAD.size or place + _HEAD.size > size:
                return
            checksum, length, kind = _HEAD.unpack(head)
            end = place + _HEAD.size + length
            is_sound = _FULL <= kind <= _LAST and _HEAD.size + length <= left
            if is_sound and end > size:
                return  # it was not written to its end
            data = reader.read(length) if is_sound else b""
            if not is_sound or zlib.crc32(data, _SEEDS[kind]) != checksum:
                if not any(head) and is_rest_zeros(reader):
                    return
                raise damaged(self.path, f"is damaged at byte {place:,}")
            yield place, kind, data
            place = end
