"""Sorted lists of digests with a little data for each: 100 bytes of memory for an entry."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from localreg.errors import BundleError

SHA256 = 32  # bytes
MOST = 4_000_000  # rows; they take 400 MB
_STEP = 65_536


class DigestList:
    """Rows of bytes that begin with a digest; equal rows are kept once, however many are added.

    Args:
        most: the most rows that differ; what a stranger wrote must not take all memory.
    """

    def __init__(self, most: int = MOST) -> None:
        self._rows: list[bytes] = []
        self._most = most
        self._compact = _STEP  # rows

    def add(self, row: bytes) -> None:
        """Add a row: 32 bytes of a digest, and what belongs to it.

        Raises:
            BundleError: there are too many.
        """
        self._rows.append(row)
        if len(self._rows) >= self._compact:
            self._sort()
            self._compact = len(self._rows) + max(_STEP, len(self._rows) // 2)

    def sorted(self) -> list[bytes]:
        """Return all rows, sorted.

        Raises:
            BundleError: there are too many.
        """
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
        if kept > self._most:
            raise too_many(self._most)


def too_many(most: int) -> BundleError:
    """Return the error for a bundle of too many files."""
    return BundleError(
        f"a bundle has at most {most:,} files, those of its records included, and this one would "
        "have more; export fewer models at a time",
        part="manifests",
    )


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
