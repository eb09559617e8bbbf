"""The part of a download that is on disk, and the note with which another process continues it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from localreg.blobs.staging.hashing import BackgroundHash
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of
from localreg.filesystem.portable_files import remove_file, replace_file
from localreg.filesystem.syncing import EarlySync, sync
from localreg.filesystem.temporary_owners import unfinished
from localreg.values.frozen import Frozen, values

_LARGEST_NOTE = 65_536  # bytes


class Note(Frozen):
    """What a server said about the bytes it sends.

    Attributes:
        key: a digest of the URL.
        etag: a strong ETag.
        total: number of bytes of the whole.
    """

    key: str
    etag: str
    total: int


class Part:
    """The file of a download, hashed as it grows.

    Use it as a context manager. The note is written before the first byte, so a part without a note
    cannot be continued.

    Args:
        path: the file; bytes of an earlier download count if their note has the same key.
        key: a digest of the URL.
        durable: sync what is written to disk.
    """

    def __init__(self, path: Path, key: str, *, durable: bool) -> None:
        self.path = path
        self._key = key
        self._durable = durable
        self._note_path = path.with_name(f"{path.name}.json")
        self.note = self._read_note()
        self.size = 0
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._writer = open(os.open(path, flags, 0o666), "wb", buffering=0)  # noqa: SIM115
        self._descriptor = self._writer.fileno()
        self._early = EarlySync(self._descriptor)
        try:
            self._hash = BackgroundHash(path)
            if self.note is None:
                os.ftruncate(self._descriptor, 0)
            else:
                self.size = os.lseek(self._descriptor, 0, os.SEEK_END)
                self._hash.advance(self.size)
                if durable:
                    self._early.wrote(self.size)
        except BaseException:
            self._writer.close()
            raise

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self._hash.__exit__(None, None, None)
        self._writer.close()

    def _read_note(self) -> Note | None:
        try:
            found = json.loads(content_of(self._note_path, _LARGEST_NOTE) or b"")
            note = Note(str(found["key"]), str(found["etag"]), int(found["total"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None  # missing, cut short, or of a stranger
        can_be_sent = note.etag.isascii() and note.etag.isprintable()  # as a header
        return note if note.key == self._key and can_be_sent and note.total >= 0 else None

    def restart(self) -> None:
        """Delete the bytes and the note; start again from the beginning."""
        self._note_path.unlink(missing_ok=True)
        self.note = None
        if self.size:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._hash.__exit__(None, None, None)
            self._hash = BackgroundHash(self.path)
            self._early = EarlySync(self._descriptor)
            self.size = 0

    def begin(self, etag: str | None, total: int | None) -> None:
        """Write the note before the first byte, if the server's answer allows to continue later."""
        if etag is None or total is None:
            return
        self.note = Note(self._key, etag, total)
        with disk_errors("downloading weights", self._note_path):
            temporary = unfinished(self._note_path)
            temporary.write_text(json.dumps(values(self.note)), encoding="utf-8")
            replace_file(temporary, self._note_path)

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        with disk_errors("downloading weights", self.path):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self.size += len(data)
            self._hash.advance(self.size)
            if self._durable:
                self._early.wrote(len(data))  # the sync at the end has less to do

    def finish(self) -> str:
        """Return the digest of the whole file; sync it to disk first if it must be durable."""
        with disk_errors("downloading weights", self.path):
            if self._durable:
                sync(self._descriptor)
            digest = self._hash.finish()
            self._note_path.unlink(missing_ok=True)
            return digest

    def can_be_continued(self) -> bool:
        """Return True if another download can continue what is there."""
        return self.note is not None and 0 < self.size < self.note.total

    def discard(self) -> None:
        """Close and delete the file, and the note; Windows deletes nothing that is open."""
        self._close()
        with disk_errors("downloading weights", self.path):
            self._note_path.unlink(missing_ok=True)
            remove_file(self.path, missing_ok=True)
