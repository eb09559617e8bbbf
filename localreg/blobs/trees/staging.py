"""Stage the files of a package: copy them into one folder in ``tmp/``, and hash them on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from localreg.blobs.headers.contents import START, inside, may_have_facts
from localreg.blobs.staging import hashing, staging
from localreg.blobs.trees.listing import Entry
from localreg.errors import SourceNotFoundError
from localreg.filesystem import syncing
from localreg.filesystem.plain_files import FileStatus, changed, status_of
from localreg.filesystem.portable_files import make_readonly
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import Mode
    from localreg.values.records import Json

SMALL = 1_048_576  # bytes; up to this a file is read at once
_ARGUMENT = "weights_url"
_READONLY = 0o444
_READ, _WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY"):  # not every system has each
    _READ |= getattr(os, _name, 0)
    _WRITE |= getattr(os, _name, 0)
_READ |= getattr(os, "O_NONBLOCK", 0)


class StagedFile(Frozen):
    """A file of a package that was read.

    Attributes:
        digest: the sha256 of its bytes.
        size: number of bytes.
        path: the temporary file with its bytes; None if nothing was written, because the registry
            has them.
        sample: a digest of its first and last bytes; None for a small file.
        facts: what its headers say; None if nothing was written.
        shared: True if the temporary file is another name of the user's own file.
    """

    digest: str
    size: int
    path: str | None
    sample: str | None = None
    facts: Json | None = None
    shared: bool = False


def stage_files(
    entries: Sequence[Entry],
    folder: Path,
    mode: Mode,
    *,
    durable: bool,
    group: int | None,
    held: Callable[[str, int], bool],
    report: Callable[[int], None],
) -> list[StagedFile]:
    """Copy, clone or link the files of a package into a folder, and hash them.

    Args:
        entries: files, as they were listed; the result has the same order.
        folder: an empty folder on the registry's file system.
        mode: as for `stage_file`. Executable files are never linked, since links have one mode;
            nor are files in mode "move" that a link leads to.
        durable: the caller syncs the folder by one call. Where the system has none, each file is
            synced now; a large one always.
        group: the group that must be able to read them; None without one.
        held: returns True for the digest and size of bytes that need not be written, because the
            registry has them. It is asked about small files only.
        report: called with the number of bytes that were read.

    Raises:
        InvalidValueError: a file changed since it was listed, or mode "link" is not possible.
    """
    return _Staging(folder, mode, durable, group, held, report).run(entries)


class _Staging:
    def __init__(
        self,
        folder: Path,
        mode: Mode,
        durable: bool,
        group: int | None,
        held: Callable[[str, int], bool],
        report: Callable[[int], None],
    ) -> None:
        self._folder = folder
        self._prefix = f"{folder}{os.sep}"
        self._mode = mode
        self._durable = durable
        self._one_by_one = durable and syncing.sync_of_all() is None
        self._group = group
        self._held = held
        self._report = report
        self._has_modes: bool | None = None  # unknown until the first file is made

    def run(self, entries: Sequence[Entry]) -> list[StagedFile]:
        # One after the other: threads gain nothing, since most of the time is spent in the system.
        return [
            self._small(entry, entry.status, number)
            if self._mode == "copy" and entry.status is not None and entry.status.size <= SMALL
            else self._large(entry, number)
            for number, entry in enumerate(entries)
        ]

    def _small(self, entry: Entry, status: FileStatus, number: int) -> StagedFile:
        data = read_listed(entry, status)
        digest = hashlib.sha256(data).hexdigest()
        size = status.size
        path: str | None = None
        facts: Json = {}
        if not self._held(digest, size):
            path = f"{self._prefix}{number}"
            self._write(path, data)
            if may_have_facts(data[:START], entry.name):
                facts = inside(Path(path), entry.name.rpartition("/")[2])
        self._report(size)
        return StagedFile(digest, size, path, None, facts, False)

    def _write(self, path: str, data: bytes) -> None:
        # Made read-only at once: to change the mode afterwards is one more call for each file.
        descriptor = os.open(path, _WRITE, _READONLY)
        try:
            done = os.write(descriptor, data)
            while done < len(data):
                done += os.write(descriptor, data[done:])
            if self._has_modes is None:
                self._has_modes = os.fstat(descriptor).st_mode & 0o222 == 0
            if self._group is not None or not self._has_modes:
                make_readonly(descriptor, Path(path), self._group)
            if self._one_by_one:
                syncing.sync(descriptor)
        finally:
            os.close(descriptor)

    def _large(self, entry: Entry, number: int) -> StagedFile:
        path = Path(f"{self._prefix}{number}")
        copied = entry.executable or (self._mode == "move" and entry.linked)
        done = 0

        def progress(now: int, total: int | None) -> None:
            nonlocal done
            self._report(now - done)
            done = now

        try:
            blob = staging.stage_file(
                Path(entry.path),
                path,
                "copy" if copied else self._mode,
                sync=self._durable and (self._one_by_one or entry.size > staging.SYNC_STEP),
                progress=progress,
                group=self._group,
            )
        except (FileNotFoundError, SourceNotFoundError):
            if os.path.exists(entry.path):  # noqa: PTH110  (text is enough)
                raise
            raise changed(Path(entry.path), _ARGUMENT) from None
        if blob.size != entry.size:
            raise changed(Path(entry.path), _ARGUMENT)
        found = path.lstat()
        with open(path, "rb", buffering=0) as reader:
            start = reader.read(START)
        name = entry.name.rpartition("/")[2]
        return StagedFile(
            blob.digest,
            blob.size,
            str(path),
            hashing.sample(path) if blob.size > SMALL else None,
            inside(path, name) if may_have_facts(start, name) else {},
            shared=entry.status is not None
            and (found.st_dev, found.st_ino) == (entry.status.device, entry.status.inode),
        )


def read_listed(entry: Entry, status: FileStatus) -> bytes:
    """Return the bytes of a small file that is as it was listed.

    Raises:
        InvalidValueError: it is not.
    """
    try:
        descriptor = os.open(entry.path, _READ)
    except FileNotFoundError:
        raise changed(Path(entry.path), _ARGUMENT) from None
    try:
        data = os.read(descriptor, status.size + 1)  # one byte more, to see if it grew
        while 0 < len(data) < status.size and (more := os.read(descriptor, status.size)):
            data += more
        if len(data) != status.size or status_of(os.fstat(descriptor)) != status:
            raise changed(Path(entry.path), _ARGUMENT)
    finally:
        os.close(descriptor)
    return data
