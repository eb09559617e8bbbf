"""Hash bytes beside their writing."""

from __future__ import annotations

import _thread
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib

ALONE = 4_194_304  # bytes; less is hashed without a thread
_MOST = 16  # pieces that wait


@contextmanager
def side_hash(found: hashlib._Hash, size: int) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that takes pieces; at the end of the block all of them are hashed.

    Args:
        found: the digest. Do not use it within the block.
        size: the number of bytes that will come.
    """
    if size < ALONE:
        yield found.update
        return
    # No Thread: Ctrl-C in the middle of its methods, which are Python, may hang the process.
    waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    hashed: queue.SimpleQueue[None] = queue.SimpleQueue()

    def follow() -> None:
        while (piece := waiting.get()) is not None:
            found.update(piece)
            hashed.put(None)
        hashed.put(None)

    try:
        _thread.start_new_thread(follow, ())
        started = True
    except RuntimeError:  # the process is ending
        started = False
    if not started:
        yield found.update
        return
    behind = 0

    def take(piece: bytes) -> None:
        nonlocal behind
        if behind == _MOST:
            behind -= 1  # first: after Ctrl-C in between, the end waits for too little
            hashed.get()
        waiting.put(piece)
        behind += 1

    try:
        yield take
    finally:
        waiting.put(None)
        for _ in range(behind + 1):
            hashed.get()
