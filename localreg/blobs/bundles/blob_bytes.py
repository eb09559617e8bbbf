"""The bytes of a blob on their way into a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from localreg.blobs.blob_files import damaged
from localreg.blobs.bundles.sources import PIECE
from localreg.filesystem.plain_files import open_found


def sound_pieces(path: Path, digest: str, size: int) -> Iterator[bytes]:
    """Yield the bytes of a blob, and raise at the end if they are not those of its digest.

    Args:
        path: of the blob.
        digest, size: what its bytes must have.

    Raises:
        CorruptBlobError: it is missing or damaged.
    """
    found = hashlib.sha256()
    done = 0
    try:
        reader = open_found(path)
    except FileNotFoundError:
        raise damaged(digest, path, "is missing") from None
    with reader:
        while piece := reader.read(PIECE):
            done += len(piece)
            if done > size:
                break
            found.update(piece)
            yield piece
    if done != size or found.hexdigest() != digest:
        raise damaged(digest, path, f"has the digest {found.hexdigest()[:12]}…")
