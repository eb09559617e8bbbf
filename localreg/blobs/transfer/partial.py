"""The part of a download that is on disk, and the note that lets another process go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from localreg.blobs.staging.hashing import BackgroundHash
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.frozen import Frozen, values

SYNC_STEP = 128 * 1024 * 1024


class Note(Frozen):
    """What a server said of what it sends.

    Attributes:
        key: stands for the URL.
        etag: a strong one.
        total: bytes in all.
    """

    key: str
    etag: str
    total: int


class Part:
    """A file that is being downloaded to, hashed as it grows.

    Use it as a context manager. The note is there before the first byte, so whatever is cut short
    can be taken up again, or is seen not to be.

    Args:
        path: the file; what is there already counts when its note fits `key`.
        key: stands for the URL.
        durable: whether what is written shall be on disk at the end.
    """

    def __init__(self, path: Path, key: str, *, durable: bool) -> None:
        self.path = path
        self._key = key
        self._durable = durable
        self._note_path = path.with_name(f"{path.name}.json")
        self.note = self._read_note()
        self.size = 0
        self._synced = 0
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = os.open(path, flags, 0o666)
        try:
            self._behind = BackgroundHash(path)
            if self.note is None:
                os.ftruncate(self._descriptor, 0)
            else:
                self.size = os.lseek(self._descriptor, 0, os.SEEK_END)
                self._behind.advance(self.size)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._behind.__exit__(None, None, None)
        os.close(self._descriptor)

    def _read_note(self) -> Note | None:
        try:
            told = json.loads(self._note_path.read_text(encoding="utf-8"))
            note = Note(str(told["key"]), str(told["etag"]), int(told["total"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # none, or cut short
            return None
        return note if note.key == self._key else None

    def restart(self) -> None:
        """Forget what is there."""
        self._note_path.unlink(missing_ok=True)
        self.note = None
        if self.size:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._behind.__exit__(None, None, None)
            self._behind = BackgroundHash(self.path)
            self.size = self._synced = 0

    def begin(self, etag: str | None, total: int | None) -> None:
        """Note what comes, before its first byte, where that lets it be taken up again."""
        if etag is None or total is None:
            return
        self.note = Note(self._key, etag, total)
        with disk_errors("downloading weights", self._note_path):
            aside = self._note_path.with_name(f"{self._note_path.name}.new")
            aside.write_text(json.dumps(values(self.note)), encoding="utf-8")
            aside.replace(self._note_path)

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        with disk_errors("downloading weights", self.path):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self.size += len(data)
            self._behind.advance(self.size)
            if self._durable and self.size - self._synced >= SYNC_STEP:
                os.fsync(self._descriptor)
                self._synced = self.size

    def finish(self) -> str:
        """Return the digest of the whole, which is on disk then when it shall be."""
        with disk_errors("downloading weights", self.path):
            if self._durable:
                os.fsync(self._descriptor)
            digest = self._behind.finish()
            self._note_path.unlink(missing_ok=True)
            return digest

    def can_be_continued(self) -> bool:
        """Return True if another download can continue what is there."""
        return self.note is not None and 0 < self.size < self.note.total

    def discard(self) -> None:
        """Delete file and note."""
        with disk_errors("downloading weights", self.path):
            self._note_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
