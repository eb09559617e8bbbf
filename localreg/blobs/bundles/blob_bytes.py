"""The bytes of a blob on their way into a bundle; a thread hashes what is being written."""

from __future__ import annotations

import _thread
import hashlib
import queue
from collections.abc import Iterator
from pathlib import Path

from localreg.blobs.blob_files import damaged
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

PIECE = 1_048_576
ALONE = 4_194_304  # bytes; less is hashed without a thread
_BUFFERS = 4


def sound_pieces(path: Path, digest: str, size: int) -> Iterator[memoryview]:
    """Yield the bytes of a blob, and raise at the end if they are not those of its digest.

    Be done with a piece before you ask for the next one: its memory is used again.

    Args:
        path: of the blob.
        digest, size: what its bytes must have.

    Raises:
        CorruptBlobError: it is missing or damaged.
    """
    found = hashlib.sha256()
    done = 0
    with disk_errors("reading weights", path):
        try:
            reader = open_found(path)
        except FileNotFoundError:
            raise damaged(digest, path, "is missing") from None
    with disk_errors("reading weights", path), reader:
        for piece in _hashed(reader, size, found):
            done += len(piece)
            if done > size:
                break
            yield piece
    if done != size or found.hexdigest() != digest:
        raise damaged(digest, path, f"has the digest {found.hexdigest()[:12]}…")


def _hashed(reader: FileIO, size: int, found: hashlib._Hash) -> Iterator[memoryview]:
    """Yield the bytes of a file; at the end their digest is known."""
    if size < ALONE:
        buffer = memoryview(bytearray(min(PIECE, size + 1)))
        while count := reader.readinto(buffer):
            found.update(buffer[:count])
            yield buffer[:count]
        return
    # No Thread: Ctrl-C in the middle of its methods, which are Python, may hang the process.
    waiting: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
    hashed: queue.SimpleQueue[None] = queue.SimpleQueue()

    def follow() -> None:
        while (piece := waiting.get()) is not None:
            found.update(piece)
            hashed.put(None)
        hashed.put(None)

    try:
        _thread.start_new_thread(follow, ())
    except RuntimeError:  # the process is ending
        while count := reader.readinto(buffer := memoryview(bytearray(PIECE))):
            found.update(buffer[:count])
            yield buffer[:count]
        return
    buffers = [memoryview(bytearray(PIECE)) for _ in range(_BUFFERS)]
    number = behind = 0
    try:
        while True:
            if behind == _BUFFERS:  # the memory of the oldest one can be used again
                hashed.get()
                behind -= 1
            buffer = buffers[number % _BUFFERS]
            count = reader.readinto(buffer)
            if not count:
                break
            waiting.put(buffer[:count])
            behind += 1
            number += 1
            yield buffer[:count]
    finally:
        waiting.put(None)
        for _ in range(behind + 1):
            hashed.get()
