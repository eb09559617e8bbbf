"""Objects in a directory that several machines share.

An object is written under a temporary name, synced, and then linked to its own: so it is never seen
half written, and a link fails where another one has the name. No lock is needed.

Everybody who may use the directory must be able to use what is new in it, with any umask: if the
directory has the setgid bit, its group gets the owner's rights, as in a shared registry.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.remote_store.objects import Found, UnsureError
from localreg.blobs.transfer.partial import Part
from localreg.blobs.transfer.transferred import Downloaded, check_sent, check_wanted
from localreg.errors import DownloadError, RemoteError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import share, share_at
from localreg.filesystem.plain_files import open_found, unchanged
from localreg.filesystem.portable_files import make_readonly, remove_file, replace_file
from localreg.filesystem.syncing import EarlySync, sync, sync_folder
from localreg.values.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import TypeVar

    from localreg.progress import Progress

    Result = TypeVar("Result")

STEP = 1024 * 1024
_NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EINVAL}
)
_FREE = "; free some space there, and do it again"
_RIGHTS = "; without the right to write there, `localreg clone` and `localreg pull` can be used"
_ADVICE = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}
_WRITING = ("written", "made", "deleted")
_TRIES = 20
TEMPORARY = "."  # how the names of temporary files begin
_OURS = re.compile(r"\.[0-9a-f]{32}").fullmatch  # those of Syncthing, git and others are not


class FolderObjects:
    """As `Objects`, in a directory."""

    def __init__(self, root: Path, shown: str) -> None:
        self.root = root
        self.shown = shown

    def look(self, keys: Sequence[str]) -> list[Found | None]:
        """Return facts about objects; None for each that does not exist."""
        with self._translated("looked at"):
            for folder in {self.path_of(key).parent for key in keys}:
                # NFS remembers for a minute that a file is not there, unless its folder is opened.
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.close(os.open(folder, os.O_RDONLY))
            found = [self._seen(self.path_of(key)) for key in keys]
        if None in found:
            self._check_root()
        return found

    def create(self, key: str, data: bytes) -> Found | None:
        """Write a new object; None if another one has its key."""
        with self._translated("written"), self._temporary(key) as (temporary, descriptor):
            _write(descriptor, data)
            return self._seen(self.path_of(key)) if self._link(temporary, descriptor, key) else None

    def put(self, key: str, path: Path, digest: str | None, progress: Progress | None) -> None:
        """Write a file as an object."""
        with unchanged(path, "weights_filename") as reader:
            size = os.fstat(reader.fileno()).st_size
            with self._translated("written"), self._temporary(key) as (temporary, descriptor):
                found, early, done = hashlib.sha256(), EarlySync(descriptor), 0
                while data := reader.read(STEP):
                    found.update(data)
                    _write(descriptor, data)
                    early.wrote(len(data))
                    done += len(data)
                    if progress is not None:
                        progress(done, size)
                check_sent(path, found.hexdigest(), digest)
                if not self._link(temporary, descriptor, key):  # what is there is not whole
                    replace_file(temporary, self.path_of(key))
                    sync_folder(temporary.parent)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, also if it is there."""
        with self._translated("written"), self._temporary(key) as (temporary, descriptor):
            _write(descriptor, data)
            share(descriptor, self._group())
            sync(descriptor)
            replace_file(temporary, self.path_of(key))
            sync_folder(temporary.parent)

    def get(self, key: str, limit: int) -> tuple[bytes, Found] | None:
        """Return an object, None if it does not exist."""
        with self._translated("read"):
            try:
                with open_found(self.path_of(key)) as reader:
                    status = os.fstat(reader.fileno())
                    data = reader.read(min(limit, status.st_size) + 1)
            except FileNotFoundError:
                return None
        if len(data) > limit:
            raise self.failed(f"{key} is larger than {limit:,} bytes")
        return data, Found(status.st_size, _mark(status))

    def get_many(self, keys: Sequence[str], limit: int) -> list[bytes | None]:
        """Return the bytes of objects; None for each that does not exist."""
        found = [self.get(key, limit) for key in keys]
        if None in found:
            self._check_root()
        return [None if each is None else each[0] for each in found]

    def fetch(self, files: Sequence[tuple[str, Path]]) -> list[str]:
        """Link to objects, or copy them, and return the keys that do not exist."""
        missing = []
        with self._translated("read"):
            for key, path in files:
                source = self.path_of(key)
                if not source.is_file():  # a pipe would never end
                    missing.append(key)
                    continue
                try:
                    path.symlink_to(source)
                except (OSError, NotImplementedError):  # not on this system
                    shutil.copyfile(source, path)
        return missing

    def names(self, folder: str, start: str) -> list[str]:
        """Return the names of the objects in a folder, those from `start` on in their order."""
        with self._translated("listed"):
            try:
                found = os.listdir(self.path_of(folder))
            except FileNotFoundError:
                return []
        return sorted(name for name in found if name >= start and not name.startswith(TEMPORARY))

    def download(
        self,
        key: str,
        path: Path,
        wanted: str | None,
        progress: Callable[[int, int | None], None] | None,
        durable: bool,
    ) -> Downloaded:
        """Copy an object to a file, verified; a copy that was cut is continued."""
        source = self.path_of(key)
        name = hashlib.sha256(os.fsencode(source)).hexdigest()
        with disk_errors("downloading", path), Part(path, name, durable=durable) as part:
            try:
                with self._opened(source) as reader:
                    status = os.fstat(reader.fileno())
                    mark, total = _mark(status), status.st_size
                    if part.note is None or (part.note.etag, part.note.total) != (mark, total):
                        part.restart()
                        part.begin(mark, total)
                    reader.seek(part.size)
                    while data := self._read(reader, source):
                        part.write(data)
                        if progress is not None:
                            progress(part.size, total)
                digest = part.finish()
                check_wanted(source.as_uri(), digest, wanted)
                return Downloaded(digest, part.size, None, None, None)
            except BaseException:
                if not part.can_be_continued():
                    part.discard()
                raise

    def keys(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield key, size and time of the objects in a folder, and below it."""
        top = self.path_of(prefix)
        with self._translated("listed"):
            for folder, folders, names in os.walk(top, onerror=_raise):
                folders[:] = sorted(each for each in folders if not each.startswith(TEMPORARY))
                below = os.path.relpath(folder, self.root).replace(os.sep, "/")
                for name in sorted(names):
                    if name.startswith(TEMPORARY):
                        continue
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        status = os.lstat(os.path.join(folder, name))
                        yield f"{below}/{name}", status.st_size, status.st_mtime

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are no error."""
        with self._translated("deleted"):
            for key in keys:
                remove_file(self.path_of(key), missing_ok=True)

    def now(self) -> float:
        """Return the time by the clock of the file system."""
        with self._translated("written"), self._temporary("now") as (_, descriptor):
            return os.fstat(descriptor).st_mtime

    def clear(self, before: float) -> None:
        """Delete temporary files and folders that were made before a time."""
        with self._translated("deleted"):
            for folder, folders, names in os.walk(self.root, onerror=_raise):
                found = [name for name in (*names, *folders) if _OURS(name)]
                for name in found:
                    place = Path(folder, name)
                    with suppress(FileNotFoundError):  # its writer has renamed or deleted it
                        if place.lstat().st_mtime < before:
                            place.rmdir() if name in folders else remove_file(place)
                folders[:] = [name for name in folders if not name.startswith(TEMPORARY)]

    def prepare(self, folders: Sequence[str]) -> None:
        """Make the directory itself, and folders in it."""
        with self._translated("made"):
            for place in (self.root, self.root.parent):
                if place.exists() and not place.is_dir():
                    raise self.failed(f"{place} is not a directory")
            if not self.root.parent.is_dir():
                raise self.failed(
                    f"{self.root.parent} does not exist: make it, or mount what belongs there"
                )
            self._make_folder(self.root)
            for folder in folders:
                place = self.path_of(folder)
                self._in_folder(place, place.stat)

    def path_of(self, key: str) -> Path:
        """Return the path of an object."""
        parts = key.split("/")
        if any(part in ("", "..") or part.startswith(TEMPORARY) for part in parts):
            raise self.failed(f"{key!r:.80} cannot be the key of an object")
        return self.root.joinpath(*parts)

    def failed(self, what: str) -> RemoteError:
        """Return the error that says what is wrong with the place."""
        return RemoteError(f"{self.shown}: {what}", remote=self.shown)

    def _check_root(self) -> None:
        """Raise RemoteError if the directory itself does not exist: its disk may not be mounted."""
        if not self.root.exists():
            raise RemoteError(
                f"there is no remote at {self.shown}: this directory does not exist. Nothing was "
                "changed here; mount its disk or share, or bring it back. If it was deleted for "
                "good, see `localreg guide remotes`",
                remote=self.shown,
            )

    def _opened(self, source: Path) -> FileIO:
        try:
            return open_found(source)
        except OSError as error:
            raise self._unreadable(source, error) from None

    def _read(self, reader: FileIO, source: Path) -> bytes:
        try:
            return reader.read(STEP)
        except OSError as error:
            raise self._unreadable(source, error) from None

    def _unreadable(self, source: Path, error: OSError) -> DownloadError:
        return DownloadError(
            f"{source} cannot be read: {error.strerror}", url=self.shown, status=None
        )

    def _seen(self, path: Path) -> Found | None:
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        return Found(status.st_size, _mark(status))

    def _group(self) -> int | None:
        status = self.root.stat()
        return status.st_gid if status.st_mode & stat.S_ISGID else None

    @contextmanager
    def _temporary(self, key: str) -> Iterator[tuple[Path, int]]:
        folder = self.path_of(key).parent
        temporary = folder / f"{TEMPORARY}{new_id()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(temporary, flags, 0o666)
        except FileNotFoundError:
            descriptor = self._in_folder(folder, lambda: os.open(temporary, flags, 0o666))
        try:
            yield temporary, descriptor
        finally:
            os.close(descriptor)
            remove_file(temporary, missing_ok=True)

    def _link(self, temporary: Path, descriptor: int, key: str) -> bool:
        """Give a file that is written its name, and sync both; False if another one has it."""
        path = self.path_of(key)
        make_readonly(descriptor, temporary, self._group())
        sync(descriptor)
        try:
            os.link(temporary, path)
        except OSError as error:
            # A network file system may repeat a request whose answer was lost.
            if os.fstat(descriptor).st_nlink != 2:
                if isinstance(error, FileExistsError):
                    return False
                if error.errno in _NO_LINKS:
                    raise self.failed(
                        "this file system has no hard links, so two machines that write at once "
                        f"could not be kept apart ({error.strerror})"
                    ) from None
                raise
        try:
            sync_folder(path.parent)
        except OSError as error:
            raise UnsureError(
                f"{self.shown}: {key} was written, but may not be on the disk: {error.strerror}",
                remote=self.shown,
            ) from None
        return True

    def _in_folder(self, folder: Path, use: Callable[[], Result]) -> Result:
        """Make a folder, and return what `use` returns, which needs it.

        Who makes the same folders may replace one of them as long as it is empty: then again.
        """
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                self._make_folders(folder)
                return use()
        self._make_folders(folder)
        return use()

    def _make_folders(self, folder: Path) -> None:
        if folder != self.root and not folder.is_dir():
            self._make_folders(folder.parent)
            self._make_folder(folder)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder that the group can use before others see it."""
        if folder.is_dir():
            return
        parent = folder.parent
        group = parent.stat().st_gid if parent.stat().st_mode & stat.S_ISGID else None
        temporary = parent / f"{TEMPORARY}{new_id()}"
        temporary.mkdir()
        share_at(temporary, group)
        try:
            temporary.rename(folder)
        except OSError:
            with suppress(OSError):  # somebody else's is of use, too
                temporary.rmdir()
            if not folder.is_dir():
                raise
        sync_folder(parent)

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RemoteError:
            raise
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "") if doing in _WRITING else ""
            raise self.failed(
                f"{self._what(error)} cannot be {doing}: {error.strerror}{advice}"
            ) from None

    def _what(self, error: OSError) -> str:
        """Return what an error is about: of a temporary file its folder."""
        path = Path(error.filename or self.root)
        if path.name.startswith(TEMPORARY):
            path = path.parent
        if path == self.root:
            return "it"
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
