"""Sorted lists of digests with a little data for each: 100 bytes of memory for an entry."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

SHA256 = 32  # bytes


class DigestList:
    """Rows of bytes that begin with a digest; equal rows are kept once, however many are added."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._compact = 65_536  # rows

    def add(self, row: bytes) -> None:
        """Add a row: 32 bytes of a digest, and what belongs to it."""
        self._rows.append(row)
        if len(self._rows) >= self._compact:
            self._sort()
            self._compact = max(self._compact, 2 * len(self._rows))

    def sorted(self) -> list[bytes]:
        """Return all rows, sorted."""
        self._sort()
        return self._rows

    def _sort(self) -> None:
        self._rows.sort()
        last = None
        kept = 0
        for row in self._rows:
            if row != last:
                self._rows[kept] = last = row
                kept += 1
        del self._rows[kept:]


def find(rows: list[bytes], digest: bytes) -> int | None:
    """Return the place of the first row with a digest in sorted rows; None if there is none."""
    place = bisect_left(rows, digest)
    return place if place < len(rows) and rows[place].startswith(digest) else None


def grouped(rows: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the rows of each digest, in the order of sorted rows."""
    group: list[bytes] = []
    for row in rows:
        if group and row[:SHA256] != group[0][:SHA256]:
            yield group
            group = []
        group.append(row)
    if group:
        yield group
