"""The entries of a bundle in a tar, in the one order that they have there."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

from localreg.blobs.bundles import tar_entries
from localreg.blobs.bundles.digests import SHA256, Rows
from localreg.blobs.bundles.rows import size_in, unpacked
from localreg.blobs.bundles.sources import FileBytes, StreamBytes
from localreg.blobs.bundles.tar_entries import Entry
from localreg.blobs.headers.tar_members import BLOCK, is_tar_header, padded
from localreg.errors import BundleError
from localreg.values.bundle_format import (
    INDEX_NAME,
    LAYOUT_NAME,
    LONGEST_INDEX,
    Descriptor,
    broken,
    read_layout,
)

_LONGEST_LAYOUT = 4_096  # bytes
_REMEDY = "if it was packed by another program, unpack it to a folder, and give that"


class TarLayout:
    """Reads the entries of a tar forward; what is in the head can be read again.

    Args:
        source: its bytes.
    """

    def __init__(self, source: FileBytes | StreamBytes) -> None:
        self._source = source
        self._last = b""
        block = source.take(BLOCK)
        if not is_tar_header(block) and any(block):
            raise broken("tar", "it is not a tar", "if it is compressed, unpack it first")
        if tar_entries.name_in(block) != LAYOUT_NAME:
            raise broken("tar", f"its first entry must be {LAYOUT_NAME}", _REMEDY)
        first = tar_entries.entry_of(block, None)
        if first.size > _LONGEST_LAYOUT:
            raise broken(LAYOUT_NAME, f"it has more than {_LONGEST_LAYOUT:,} bytes")
        read_layout(source.take(first.size))
        source.skip(padded(first.size) - first.size)
        second = self._next()
        if second is None or second.name != INDEX_NAME:
            raise broken("tar", f"its second entry must be {INDEX_NAME}", _REMEDY)
        if second.size > LONGEST_INDEX:
            raise broken(INDEX_NAME, f"it has more than {LONGEST_INDEX:,} bytes")
        self._index = self._keep(second), second.size
        self._manifests = array("Q")
        self._head = array("Q")
        self._place = 0  # of the bytes of the file that is read

    def index(self) -> Iterator[bytes]:
        """Yield the bytes of index.json."""
        return self._source.at(*self._index)

    def take_manifest(self, number: int, descriptor: Descriptor) -> None:
        """Find a manifest; call it for each one in the order of the index."""
        self._manifests.append(
            self._keep(
                self._expected("manifest", bytes.fromhex(descriptor.digest), descriptor.size)
            )
        )

    def manifest(self, number: int, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of a manifest that was found."""
        if number >= len(self._manifests):
            raise broken(INDEX_NAME, "it names more manifests than before")
        return self._source.at(self._manifests[number], descriptor.size)

    def take_head(self, rows: Rows) -> None:
        """Find all of the head."""
        self._last = b""
        for row in rows:
            self._head.append(self._keep(self._expected("layer", row[:SHA256], size_in(row))))
        self._last = b""

    def head(self, number: int, row: bytes) -> Iterator[bytes]:
        """Yield the bytes of a part of the head."""
        return self._source.at(self._head[number], size_in(row))

    def files(
        self, rows: Rows, wanted: Callable[[str, int], bool]
    ) -> Iterator[tuple[bytes, Iterator[bytes]]]:
        """Yield the rows and bytes of those files that are wanted; check that all are there."""
        for row in rows:
            digest, size, _ = unpacked(row)
            self._expected("file", row[:SHA256], size)
            self._place = self._source.place
            after = self._place + padded(size)
            if wanted(digest, size):
                yield row, self._source.pieces(size)
            self._source.skip(after - self._source.place)
        self._end()

    def where(self, row: bytes) -> str:
        """Return in which parts the bytes of the file are that is read now, for errors."""
        return self._source.where(self._place, size_in(row))

    def _keep(self, entry: Entry) -> int:
        place = self._source.keep(entry.size)
        self._source.skip(padded(entry.size) - entry.size)
        return place

    def _expected(self, part: str, digest: bytes, size: int) -> Entry:
        """Read the next header, which must be that of a digest."""
        entry = self._next()
        found = None if entry is None else entry.digest
        name = f"{part} sha256:{digest.hex()[:12]}"
        if entry is None or (found is not None and found > digest):
            raise broken(name, "it is missing")
        if found != digest:
            raise self._unexpected(entry)
        if entry.size != size:
            raise broken(name, f"it has {entry.size:,} bytes, and a manifest says {size:,} bytes")
        self._last = digest
        return entry

    def _unexpected(self, entry: Entry) -> BundleError:
        if entry.digest is None or entry.digest == self._last:
            return broken(f"entry {entry.name}", "it stands there twice")
        if entry.digest < self._last:
            return broken(f"entry {entry.name}", "it is not in the order of a bundle", _REMEDY)
        return broken(f"entry {entry.name}", "no manifest names it")

    def _next(self) -> Entry | None:
        """Read the next header; None at the end of the tar."""
        block = self._source.take(BLOCK)
        if not any(block):
            return None
        extended = None
        if not tar_entries.is_plain_header(block):
            size = tar_entries.extended_size(block)
            extended = self._source.take(padded(size))[:size]
            block = self._source.take(BLOCK)
        return tar_entries.entry_of(block, extended)

    def _end(self) -> None:
        entry = self._next()
        if entry is not None:
            raise self._unexpected(entry)
        rest = tar_entries.end(self._source.place - BLOCK)[BLOCK:]
        if self._source.take(len(rest)) != rest or not self._source.at_end():
            raise broken("tar", "something follows its end")
        # Not after the caller has recorded what was read.
        self._source.check_unchanged()
