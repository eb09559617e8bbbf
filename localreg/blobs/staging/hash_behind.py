"""Hashing a file while it is still being written, a little behind the writer."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

BUFFER = 262_144  # measured: 1 MiB falls out of the processor's cache
ALONE = 4 * 1024 * 1024  # less than this is hashed at the end, without a thread
AHEAD = 256 * 1024 * 1024  # the writer waits: what it wrote must still be in memory when it is read


class HashBehind:
    """The sha256 of a growing file.

    What is hashed is what the file system gives back, not what the writer meant to write. The
    thread that does it overlaps with the writer, and with syncing the file to disk.

    Use it as a context manager, which ends its thread whatever happens::

        with HashBehind(path) as digest:
            ...write some...
            digest.advance(written)
            return digest.finish()

    Args:
        path: the file; it exists already.
    """

    def __init__(self, path: Path) -> None:
        import hashlib

        self._path = path
        self._reader = open(path, "rb", buffering=0)  # noqa: SIM115  (closed by __exit__)
        self._digest = hashlib.sha256()
        self._buffer = memoryview(bytearray(BUFFER))
        self._thread: threading.Thread | None = None
        # Guards what follows.
        self._news = threading.Condition()
        self._hashed = 0
        self._written = 0
        self._over = False
        self._failure: OSError | None = None

    def __enter__(self) -> HashBehind:
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
        """Tell that the first `written` bytes stand in the file, and will not change any more.

        Raises:
            OSError: the file could not be read back.
        """
        with self._news:
            self._written = written
            if self._thread is None:
                if written - self._hashed < ALONE:
                    return
                thread = threading.Thread(target=self._follow, name="localreg-hash", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # a process that ends begins none: `finish` hashes it all
                    return
                self._thread = thread
            self._news.notify_all()
            while self._written - self._hashed > AHEAD and self._failure is None:
                self._news.wait()
        self._raise_failure()

    def finish(self) -> str:
        """Return the digest of all that `advance` told of, as 64 hex digits.

        Raises:
            OSError: the file could not be read back, or is shorter than that.
        """
        self._end(give_up=False)
        self._raise_failure()
        while self._hashed < self._written:
            self._hash_some(self._written)
        return self._digest.hexdigest()

    def _follow(self) -> None:
        while True:
            with self._news:
                while self._hashed >= self._written and not self._over:
                    self._news.wait()
                if self._hashed >= self._written or (self._over and self._failure):
                    return
                written = self._written
            try:
                # In steps, so that a writer that is too far ahead goes on soon.
                end = min(written, self._hashed + 16 * BUFFER)
                while self._hashed < end:
                    self._hash_some(end)
            except OSError as error:
                with self._news:
                    self._failure = error
                    self._news.notify_all()
                return
            with self._news:
                self._news.notify_all()

    def _hash_some(self, end: int) -> None:
        count = self._reader.readinto(self._buffer[: min(BUFFER, end - self._hashed)]) or 0
        if count == 0:
            raise OSError(errno.EIO, "became shorter while it was hashed", str(self._path))
        self._digest.update(self._buffer[:count])
        self._hashed += count

    def _end(self, *, give_up: bool) -> None:
        with self._news:
            self._over = True
            if give_up:
                self._written = min(self._written, self._hashed)
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
