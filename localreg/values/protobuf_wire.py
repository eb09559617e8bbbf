"""Messages in the wire format of protocol buffers, read without a schema: fields by their numbers.

Other programs keep records as such messages. The few fields that are needed have numbers that
never change; any other field is passed over.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_MOST = 2**64
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_WIDTHS = {_EIGHT: 8, _FOUR: 4}


class WireError(ValueError):
    """Bytes are no message; the text says what is wrong, such as "ends in a number"."""


class Message:
    """A message. A field that it lacks has the value that protocol buffers give it: 0, "", nothing.

    >>> message = Message(bytes([8, 3, 18, 2, 104, 105]))
    >>> message.number(1), message.text(2), message.text(3), message.has(3)
    (3, 'hi', '', False)
    """

    __slots__ = ("_fields",)

    def __init__(self, data: bytes) -> None:
        """Read a message; those inside it are read when they are asked for.

        Raises:
            WireError: the bytes are no message.
        """
        self._fields: dict[int, list[int | bytes]] = {}
        fields = self._fields
        place, size = 0, len(data)
        while place < size:
            key = data[place]
            place += 1
            if key > 127:
                key, place = _varint(data, place - 1)
            kind = key & 7
            value: int | bytes
            if kind == _VARINT:
                value, place = _varint(data, place)
            else:
                if kind == _BYTES:
                    width, place = _varint(data, place)
                elif kind in _WIDTHS:
                    width = _WIDTHS[kind]
                else:  # groups are not used any more; they could nest
                    raise WireError(f"has a field of the unknown kind {kind}")
                end = place + width
                if end > size:
                    raise WireError("ends in a field")
                value, place = data[place:end], end
            number = key >> 3
            if not number:
                raise WireError("has a field without a number")
            if number in fields:
                fields[number].append(value)
            else:
                fields[number] = [value]

    def has(self, number: int) -> bool:
        """Return True if a field is there."""
        return number in self._fields

    def number(self, field: int) -> int:
        """Return a whole number, signed."""
        value = self._last(field)
        if not isinstance(value, int):
            raise WireError(f"has no whole number as field {field}")
        return value - _MOST if value >= _MOST // 2 else value

    def double(self, field: int) -> float:
        """Return a number of 8 bytes."""
        return self._float(field, _DOUBLE)

    def single(self, field: int) -> float:
        """Return a number of 4 bytes."""
        return self._float(field, _FLOAT)

    def doubles(self, field: int) -> list[float]:
        """Return numbers of 8 bytes, which are together in one field or one by one."""
        packed = b"".join(self._all(field))
        if len(packed) % 8:
            raise WireError(f"has no numbers of 8 bytes as field {field}")
        return [each for (each,) in _DOUBLE.iter_unpack(packed)]

    def singles(self, field: int) -> list[float]:
        """Return numbers of 4 bytes, which are together in one field or one by one."""
        packed = b"".join(self._all(field))
        if len(packed) % 4:
            raise WireError(f"has no numbers of 4 bytes as field {field}")
        return [each for (each,) in _FLOAT.iter_unpack(packed)]

    def numbers(self, field: int) -> list[int]:
        """Return whole numbers, signed, which are together in one field or one by one."""
        found: list[int] = []
        for value in self._fields.get(field, ()):
            if isinstance(value, int):
                found.append(value)
                continue
            place = 0
            while place < len(value):
                each, place = _varint(value, place)
                found.append(each)
        return [each - _MOST if each >= _MOST // 2 else each for each in found]

    def data(self, field: int) -> bytes:
        """Return bytes."""
        value = self._last(field, b"")
        if not isinstance(value, bytes):
            raise WireError(f"has no bytes as field {field}")
        return value

    def each_data(self, field: int) -> list[bytes]:
        """Return the bytes of each value of a repeated field."""
        return self._all(field)

    def text(self, field: int) -> str:
        """Return a text."""
        return _text(self.data(field))

    def texts(self, field: int) -> list[str]:
        """Return the texts of a repeated field."""
        return [_text(each) for each in self._all(field)]

    def message(self, field: int) -> Message:
        """Return a message inside this one; an empty one if it is not there."""
        # A field that comes several times is the sum of its values.
        return Message(b"".join(self._all(field)))

    def messages(self, field: int) -> Iterator[Message]:
        """Yield the messages of a repeated field."""
        for each in self._all(field):
            yield Message(each)

    def _last(self, field: int, absent: int | bytes = 0) -> int | bytes:
        values = self._fields.get(field)
        return values[-1] if values else absent

    def _all(self, field: int) -> list[bytes]:
        values = self._fields.get(field, [])
        found = [each for each in values if isinstance(each, bytes)]
        if len(found) < len(values):
            raise WireError(f"has no bytes as field {field}")
        return found

    def _float(self, field: int, form: struct.Struct) -> float:
        value = self._last(field, bytes(form.size))
        if not isinstance(value, bytes) or len(value) != form.size:
            raise WireError(f"has no number of {form.size} bytes as field {field}")
        found: float = form.unpack(value)[0]
        return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of up to 64 bits, and the place after it."""
    found = shift = 0
    try:
        while True:
            byte = data[place]
            place += 1
            found |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 63:
                raise WireError("has a number that is too long")
    except IndexError:
        raise WireError("ends in a number") from None
    return found & (_MOST - 1), place


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError("has a text that is not UTF-8") from None
