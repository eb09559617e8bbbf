"""Ids in little memory."""

from __future__ import annotations

from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZE = 16  # bytes of an id, which is twice as many digits
_AT_ONCE = 1_000


class PackedIds:
    """Ids in 16 bytes each: there may be a million, which take 90 MB as texts.

    >>> ids = PackedIds(["0123456789abcdef" * 2, "f" * 32])
    >>> len(ids), ids.between(1, 9)
    (2, ['ffffffffffffffffffffffffffffffff'])
    """

    __slots__ = ("_packed",)

    def __init__(self, ids: Iterable[str]) -> None:
        each, packed = iter(ids), bytearray()
        while some := "".join(islice(each, _AT_ONCE)):
            packed += bytes.fromhex(some)
        self._packed = bytes(packed)

    def __len__(self) -> int:
        return len(self._packed) // _SIZE

    def between(self, start: int, stop: int) -> list[str]:
        """Return the ids from one place up to another."""
        text = self._packed[start * _SIZE : stop * _SIZE].hex()
        return [text[at : at + 2 * _SIZE] for at in range(0, len(text), 2 * _SIZE)]
