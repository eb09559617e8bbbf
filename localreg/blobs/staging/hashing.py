"""Hash files: whole ones, their ends, and one that is still being written."""

from __future__ import annotations

import _thread
import errno
import os
from pathlib import Path

from localreg.filesystem.plain_files import open_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from localreg.progress import Progress

BUFFER = 262_144  # measured: 1 MiB does not fit the processor's cache
ALONE = 4 * 1024 * 1024  # bytes; less is hashed at the end, without a thread
SAMPLE = 65_536  # bytes at each end of a file
STEP = 1024 * 1024
AHEAD = (
    256 * 1024 * 1024
)  # bytes; a writer further ahead waits, so that its bytes are read from memory


class BackgroundHash:
    """The sha256 of a growing file, computed by a thread in the background.

    It hashes what the file system gives back, not what was passed to write. The thread runs while
    the file is written and synced to disk.

    Use it as a context manager, which always ends its thread::

        with BackgroundHash(path) as digest:
            ...write some...
            digest.advance(written)
            return digest.finish()

    Args:
        path: an existing file.
    """

    def __init__(self, path: Path) -> None:
        import hashlib
        import queue

        self._path = path
        self._reader = open_found(path)
        self._digest = hashlib.sha256()
        self._buffer = memoryview(bytearray(BUFFER))
        # No Condition and no Thread: they are written in Python, and Ctrl-C in the middle of their
        # methods leaves a lock held for ever, or makes `join` return too early.
        self._wanted: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._steps: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._written = 0
        # The thread changes these as long as it runs.
        self._running = False
        self._hashed = 0
        self._failure: OSError | None = None
        self._given_up = False

    def __enter__(self) -> BackgroundHash:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._given_up = True
        self._end()
        self._reader.close()

    def advance(self, written: int) -> None:
        """Let the first `written` bytes be hashed: they are in the file and no longer change."""
        self._written = written
        if not self._running:
            if written - self._hashed < ALONE:
                return
            self._running = True
            try:
                _thread.start_new_thread(self._follow, ())
            except RuntimeError:  # the process is ending: `finish` hashes everything
                self._running = False
                return
        self._wanted.put(written)
        while written - self._hashed > AHEAD and self._failure is None:
            self._steps.get()
        self._raise_failure()

    def finish(self) -> str:
        """Return the digest of all bytes given to `advance`, as 64 hex digits."""
        self._end()
        self._raise_failure()
        while self._hashed < self._written:
            self._hash_some(self._written)
        return self._digest.hexdigest()

    def _follow(self) -> None:
        try:
            while (wanted := self._wanted.get()) is not None:
                while self._hashed < wanted and not self._given_up:
                    # In steps, so that a waiting writer can soon go on.
                    end = min(wanted, self._hashed + 16 * BUFFER)
                    while self._hashed < end:
                        self._hash_some(end)
                    self._steps.put(None)
        except OSError as error:
            self._failure = error
        finally:
            self._running = False
            self._steps.put(None)

    def _hash_some(self, end: int) -> None:
        count = self._reader.readinto(self._buffer[: min(BUFFER, end - self._hashed)]) or 0
        if count == 0:
            raise OSError(errno.EIO, "became shorter while it was hashed", str(self._path))
        self._digest.update(self._buffer[:count])
        self._hashed += count

    def _end(self) -> None:
        """Wait for the thread, if there is one, until it has hashed what is wanted."""
        self._wanted.put(None)
        while self._running:
            self._steps.get()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def sample(path: Path) -> str:
    """Return a digest of both ends of a file; it differs for most files that differ."""
    import hashlib

    with open_found(path) as reader:
        size = os.fstat(reader.fileno()).st_size
        digest = hashlib.sha256(reader.read(SAMPLE))
        reader.seek(max(0, size - SAMPLE))
        digest.update(reader.read(SAMPLE))
    return digest.hexdigest()[:16]


def file_digest(path: Path, progress: Progress | None = None) -> str:
    """Return the sha256 of a file; OSError if it cannot be read or becomes shorter."""
    with BackgroundHash(path) as digest:
        size = path.stat().st_size
        for done in range(0, size + STEP, STEP):
            digest.advance(min(done, size))
            if progress is not None:
                progress(min(done, size), size)
        return digest.finish()
