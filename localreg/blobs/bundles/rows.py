"""Rows of what manifests name: 32 bytes of a digest, a size, and in which part of a tar it is."""

from __future__ import annotations

import struct

from localreg.blobs.bundles.digests import SHA256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.bundle_format import Descriptor

# A part of the head may be a file of a model, too; the layer of an image is neither.
HEAD, FILE, IMAGE = 1, 2, 0
_ROW = struct.Struct(f">{SHA256}sQB")
ROW_SIZE = _ROW.size


def named_row(descriptor: Descriptor, kind: int) -> bytes:
    """Return the row of a descriptor."""
    return _ROW.pack(bytes.fromhex(descriptor.digest), descriptor.size, kind)


def unpacked(row: bytes) -> tuple[str, int, int]:
    """Return the digest, the size and the kinds in a row."""
    digest, size, kind = _ROW.unpack(row)
    return digest.hex(), size, kind


def size_in(row: bytes) -> int:
    """Return the size in a row."""
    return unpacked(row)[1]
