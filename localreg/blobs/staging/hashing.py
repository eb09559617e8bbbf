"""Hash files: whole ones, their ends, and one that is still being written."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from localreg.filesystem.plain_files import open_plain

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

        self._path = path
        self._reader = open_plain(path, "weights_url")
        self._digest = hashlib.sha256()
        self._buffer = memoryview(bytearray(BUFFER))
        self._thread: threading.Thread | None = None
        # It guards the attributes below.
        self._changed = threading.Condition()
        self._hashed = 0
        self._written = 0
        self._over = False
        self._failure: OSError | None = None

    def __enter__(self) -> BackgroundHash:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(give_up=True)
        self._reader.close()

    def advance(self, written: int) -> None:
        """Let the first `written` bytes be hashed: they are in the file and no longer change."""
        with self._changed:
            self._written = written
            if self._thread is None:
                if written - self._hashed < ALONE:
                    return
                thread = threading.Thread(target=self._follow, name="localreg-hash", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the process is ending: `finish` hashes everything
                    return
                self._thread = thread
            self._changed.notify_all()
            while self._written - self._hashed > AHEAD and self._failure is None:
                self._changed.wait()
        self._raise_failure()

    def finish(self) -> str:
        """Return the digest of all bytes given to `advance`, as 64 hex digits."""
        self._end(give_up=False)
        self._raise_failure()
        while self._hashed < self._written:
            self._hash_some(self._written)
        return self._digest.hexdigest()

    def _follow(self) -> None:
        while True:
            with self._changed:
                while self._hashed >= self._written and not self._over:
                    self._changed.wait()
                if self._hashed >= self._written or (self._over and self._failure):
                    return
                written = self._written
            try:
                # In steps, so that a waiting writer can soon go on.
                end = min(written, self._hashed + 16 * BUFFER)
                while self._hashed < end:
                    self._hash_some(end)
            except OSError as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._changed.notify_all()

    def _hash_some(self, end: int) -> None:
        count = self._reader.readinto(self._buffer[: min(BUFFER, end - self._hashed)]) or 0
        if count == 0:
            raise OSError(errno.EIO, "became shorter while it was hashed", str(self._path))
        self._digest.update(self._buffer[:count])
        self._hashed += count

    def _end(self, *, give_up: bool) -> None:
        with self._changed:
            self._over = True
            if give_up:
                self._written = min(self._written, self._hashed)
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def sample(path: Path) -> str:
    """Return a digest of both ends of a file; it differs for most files that differ."""
    import hashlib

    with open_plain(path, "weights_url") as reader:
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
