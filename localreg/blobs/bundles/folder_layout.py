"""The entries of a bundle in a folder; other files in it are not looked at."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from localreg.blobs.bundles.digests import SHA256, Rows
from localreg.blobs.bundles.rows import size_in, unpacked
from localreg.blobs.bundles.sources import PIECE
from localreg.filesystem.plain_files import changed, kind_of, open_found
from localreg.values.bundle_format import (
    BLOBS_NAME,
    INDEX_NAME,
    LAYOUT_NAME,
    LONGEST_INDEX,
    Descriptor,
    broken,
    read_layout,
)

_LONGEST_LAYOUT = 4_096  # bytes


class FolderLayout:
    """Reads the entries of a folder.

    Args:
        folder: an OCI image layout.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder.joinpath(*BLOBS_NAME.rstrip("/").split("/"))
        read_layout(b"".join(self._read(folder / LAYOUT_NAME, LAYOUT_NAME, None, _LONGEST_LAYOUT)))

    def index(self) -> Iterator[bytes]:
        """Yield the bytes of index.json."""
        return self._read(self._folder / INDEX_NAME, INDEX_NAME, None, LONGEST_INDEX)

    def take_manifest(self, number: int, descriptor: Descriptor) -> None:
        """Check that a manifest is there."""
        self._check("manifest", descriptor.digest, descriptor.size)

    def manifest(self, number: int, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of a manifest."""
        return self._entry("manifest", descriptor.digest, descriptor.size)

    def take_head(self, rows: Rows) -> None:
        """Check that all of the head is there."""
        for row in rows:
            self._check("layer", row[:SHA256].hex(), size_in(row))

    def head(self, number: int, row: bytes) -> Iterator[bytes]:
        """Yield the bytes of a part of the head."""
        return self._entry("layer", row[:SHA256].hex(), size_in(row))

    def files(
        self, rows: Rows, wanted: Callable[[str, int], bool]
    ) -> Iterator[tuple[bytes, Iterator[bytes]]]:
        """Yield the rows and bytes of those files that are wanted; check that all are there."""
        for row in rows:
            digest, size, _ = unpacked(row)
            self._check("file", digest, size)
        for row in rows:
            digest, size, _ = unpacked(row)
            if wanted(digest, size):
                yield row, self._entry("file", digest, size)

    def where(self, row: bytes) -> str:
        """Return where the bytes of a file are, for errors."""
        return f" ({self._blobs / row[:SHA256].hex()})"

    def _check(self, part: str, digest: str, size: int) -> None:
        name = f"{part} sha256:{digest[:12]}"
        found = _status(self._blobs / digest, name)
        if found.st_size != size:
            raise broken(
                name, f"it has {found.st_size:,} bytes, and a manifest says {size:,} bytes"
            )

    def _entry(self, part: str, digest: str, size: int) -> Iterator[bytes]:
        return self._read(self._blobs / digest, f"{part} sha256:{digest[:12]}", size, size)

    def _read(self, path: Path, part: str, size: int | None, most: int) -> Iterator[bytes]:
        if _status(path, part).st_size > most:
            raise broken(part, f"it has more than {most:,} bytes")
        done = 0
        with open_found(path) as reader:
            size = os.fstat(reader.fileno()).st_size if size is None else size
            while piece := reader.read(min(PIECE, size + 1 - done)):
                done += len(piece)
                if done > size:
                    break
                yield piece
        if done != size:
            raise changed(path, "source")


def _status(path: Path, part: str) -> os.stat_result:
    """Return the status of a plain file; a link is none."""
    try:
        found = path.lstat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise broken(part, "it is missing") from None
        raise
    if not stat.S_ISREG(found.st_mode):
        raise broken(part, f"it must be a plain file, not {kind_of(found.st_mode)}")
    return found
