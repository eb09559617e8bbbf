"""Sorted lists of digests with a little data for each: 100 bytes of memory for two entries."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from localreg.errors import BundleError

SHA256 = 32  # bytes
MOST = 4_000_000  # rows; they take 200 MB
_STEP = 65_536


class Rows:
    """Sorted rows of one length, that are one piece of memory: there may be millions.

    Args:
        packed: the rows, one after the other.
        width: the bytes of each.
    """

    __slots__ = ("_packed", "_width")

    def __init__(self, packed: bytes, width: int) -> None:
        self._packed = packed
        self._width = width

    @classmethod
    def of(cls, rows: Iterable[bytes]) -> Rows:
        """Return rows that are sorted already."""
        packed, row = bytearray(), b"\0"
        for row in rows:
            packed += row
        return cls(bytes(packed), len(row))

    def __len__(self) -> int:
        return len(self._packed) // self._width

    def __getitem__(self, place: int) -> bytes:
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self._packed[place * self._width : (place + 1) * self._width]

    def __iter__(self) -> Iterator[bytes]:
        return _split(self._packed, self._width)


class DigestList:
    """Rows of bytes that begin with a digest; equal rows are kept once, however many are added.

    Args:
        most: the most rows that differ; what a stranger wrote must not take all memory.
    """

    def __init__(self, most: int = MOST) -> None:
        # By the first byte: each of them is sorted alone, so few rows are objects at once.
        self._buckets = [bytearray() for _ in range(256)]
        self._width = 1
        self._count = 0
        self._most = most
        self._compact = _STEP  # rows

    def add(self, row: bytes) -> None:
        """Add a row: 32 bytes of a digest, and what belongs to it; all have one length.

        Raises:
            BundleError: there are too many.
        """
        self._width = len(row)
        self._buckets[row[0]] += row
        self._count += 1
        if self._count >= self._compact:
            self._sort()
            self._compact = self._count + max(_STEP, self._count // 2)

    def sorted(self) -> Rows:
        """Return all rows, sorted.

        Raises:
            BundleError: there are too many.
        """
        self._sort()
        return Rows(b"".join(self._buckets), self._width)

    def _sort(self) -> None:
        self._count = 0
        for bucket in self._buckets:
            rows = sorted(_split(bytes(bucket), self._width))
            bucket.clear()
            last = None
            for row in rows:
                if row != last:
                    bucket += row
                    last = row
            self._count += len(bucket) // self._width
        if self._count > self._most:
            raise too_many(self._most)


def _split(packed: bytes, width: int) -> Iterator[bytes]:
    return (row for (row,) in struct.iter_unpack(f"{width}s", packed))


def too_many(most: int) -> BundleError:
    """Return the error for a bundle of too many files."""
    return BundleError(
        f"a bundle has at most {most:,} files, those of its records included, and this one would "
        "have more; export fewer models at a time, or make a backup of the whole registry",
        part="manifests",
    )


def find(rows: Rows, digest: bytes) -> int | None:
    """Return the place of the first row with a digest in sorted rows; None if there is none."""
    place = bisect_left(rows, digest)
    return place if place < len(rows) and rows[place].startswith(digest) else None


def grouped(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the rows of each digest, in the order of sorted rows."""
    group: list[bytes] = []
    for row in rows:
        if group and row[:SHA256] != group[0][:SHA256]:
            yield group
            group = []
        group.append(row)
    if group:
        yield group
