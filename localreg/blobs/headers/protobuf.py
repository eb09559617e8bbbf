"""Walk through the fields of a protobuf message in a file, without its description.

A field of bytes is only passed over, so that a model of gigabytes is walked in milliseconds.
Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

from localreg.blobs.headers.byte_reader import ByteReader
from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.values.frozen import Frozen

MOST_FIELDS = 1_500_000
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
_WIDTHS = {FIXED_64: 8, FIXED_32: 4}
_LONGEST_TEXT = 4_096


class Field(Frozen):
    """A field of a message.

    Attributes:
        number: which field it is.
        kind: VARINT, FIXED_64, BYTES or FIXED_32.
        value: the number of a VARINT; else 0.
        start, end: where the bytes of any other field are.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int

    @property
    def signed(self) -> int:
        """The number as an int64."""
        return self.value - 2**64 if self.value >= 2**63 else self.value


class Walker:
    """Walks through messages of one file, with a bound on the number of fields.

    Args:
        reader: of the file.
        most: number of fields.
    """

    def __init__(self, reader: ByteReader, most: int = MOST_FIELDS) -> None:
        self.reader = reader
        self._most = self._left = most

    def fields(self, message: Field | None = None) -> Iterator[Field]:
        """Yield the fields of a message, by default of the whole file.

        Raises:
            HeaderError: this is no message.
            TooLongError: all messages have more fields than are walked through.
        """
        reader = self.reader
        at, end = (0, reader.size) if message is None else (message.start, message.end)
        if message is not None and message.kind != BYTES:
            raise HeaderError("it has a number in place of a message")
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise TooLongError(f"it has more than {self._most:,} fields")
            tag, at = reader.varint(at, end)
            number, kind = tag >> 3, tag & 7
            if number == 0:
                raise HeaderError("it has a field without a number")
            if kind == VARINT:
                value, at = reader.varint(at, end)
                yield Field(number, kind, value, 0, 0)
                continue
            if kind == BYTES:
                length, at = reader.varint(at, end)
            elif kind in _WIDTHS:
                length = _WIDTHS[kind]
            else:
                raise HeaderError(f"it has a field of the unknown kind {kind}")
            if at + length > end:
                raise HeaderError("it has a field that is cut short")
            yield Field(number, kind, 0, at, at + length)
            at += length

    def numbers(self, field: Field) -> Iterator[int]:
        """Yield the numbers of a field that may have several in its bytes."""
        if field.kind == VARINT:
            yield field.signed
        elif field.kind == BYTES:
            at = field.start
            while at < field.end:
                self._left -= 1
                if self._left < 0:
                    raise TooLongError(f"it has more than {self._most:,} fields")
                value, at = self.reader.varint(at, field.end)
                yield value - 2**64 if value >= 2**63 else value

    def text(self, field: Field) -> str:
        """Return the text of a field; its first 4,096 bytes."""
        if field.kind != BYTES:
            raise HeaderError("it has a number in place of a text")
        length = min(field.end - field.start, _LONGEST_TEXT)
        return self.reader.take(field.start, length).decode("utf-8", "replace")
