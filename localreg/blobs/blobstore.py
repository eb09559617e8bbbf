"""Keep, find, check and delete blobs; the package docstring says how and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from localreg.blobs.blob_files import damaged, regular_file, size_of
from localreg.blobs.folders import Folders
from localreg.blobs.local_files.local_file import delete_local_files, local_file
from localreg.blobs.trees.local_tree import put_aside
from localreg.errors import CorruptBlobError, StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import discard
from localreg.filesystem.portable_files import make_readonly_at, remove_file, replace_file
from localreg.filesystem.syncing import open_for_sync, sync_folders
from localreg.values.frozen import Frozen
from localreg.values.layout import BLOBS, FILES, TEMPORARY, TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import StagedBlob
    from localreg.blobs.trees.staging import StagedFile


class Kept(Frozen):
    """What `BlobStore.keep_many` did.

    Attributes:
        ctimes: the change times of the blobs' files in nanoseconds, in the order of the files.
        new: the digests of the blobs that were not there before.
    """

    ctimes: list[int]
    new: list[str]


class BlobStore(Folders):
    """The blobs of one registry."""

    def keep(self, staged: StagedBlob, filename: str | None, *, replace: bool = False) -> int:
        """Move staged bytes to their place; call it in the transaction that records them.

        Args:
            staged: the bytes, in the registry's ``tmp/``.
            filename: the name of their local copy.
            replace: also replace a blob of the same size, because it is damaged.

        Returns:
            The change time of the blob's file in nanoseconds.
        """
        with disk_errors("keeping weights", staged.path):
            folder = self.make_folder(*BLOBS, staged.digest[:2])
            target = self.path(staged.digest)
            new = not os.path.lexists(target)
            if replace or size_of(target) != staged.size:
                if os.path.lexists(target):  # damaged, so its local copies are damaged too
                    delete_local_files(self, staged.digest)
                # Not before: in mode "link" this file is the user's own until now.
                make_readonly_at(staged.path, self.group)
                replace_file(staged.path, target)
                self.sync(folder)
            try:
                local_file(self, staged.digest, staged.size, filename)
            except BaseException:
                if new:  # no row will refer to it; without links the disk may be full now
                    remove_file(target, missing_ok=True)
                raise
            return target.lstat().st_ctime_ns

    def keep_many(
        self, staged: Sequence[StagedFile], damaged: Container[str], recorded: Container[str]
    ) -> Kept:
        """Move the files of a package to their places; call it in the transaction that records it.

        They get no local files. After an error none of them is kept.

        Args:
            staged: files of different digests that were written to ``tmp/``.
            damaged: digests of blobs to replace though their sizes are right.
            recorded: the digests of blobs that have a row. What is in the place of another one was
                left by a process that was killed, and is replaced.
        """
        kept = Kept([], [])
        with disk_errors("keeping weights", self.folder_path(TEMPORARY)), ExitStack() as during:
            try:
                self._make_blob_folders({each.digest[:2] for each in staged})
                folder_of = self.blob_folders()
                opened = during.enter_context(open_for_sync(self.folder_path(*BLOBS)))
                touched = set()
                for each in staged:
                    assert each.path is not None
                    digest = each.digest
                    folder = folder_of(digest)
                    place = f"{folder}{os.sep}{digest[2:]}"
                    found = _status(place) if digest in recorded else None
                    if found is None or digest in damaged or not _is_file(found, each.size):
                        if found is not None:  # damaged, so its local copies are damaged too
                            delete_local_files(self, digest)
                        if each.shared:  # until now it is the user's own file
                            make_readonly_at(Path(each.path), self.group)
                        if found is None:
                            kept.new.append(digest)
                        _replace(each.path, place)
                        touched.add(folder)
                        found = os.lstat(place)
                    kept.ctimes.append(found.st_ctime_ns)
                if self.durable:
                    sync_folders(sorted(touched), opened)
            except BaseException:
                self.give_back(kept)
                raise
        return kept

    def give_back(self, kept: Kept) -> None:
        """Delete the blobs that `keep_many` made, because no row will refer to them.

        Call it in the same transaction.
        """
        for digest in kept.new:
            discard(self.path(digest))

    def _make_blob_folders(self, heads: set[str]) -> None:
        """Make the folders of the blobs whose digests begin like this, where they are missing."""
        above = self.make_folder(*BLOBS)
        there = {each.name for each in _entries(above)}
        missing = heads - there
        for head in missing:
            with suppress(FileExistsError):
                self._make_one(above / head)
        if missing:
            self.sync(above)

    def states(self, digests: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return the sizes and change times (nanoseconds) of those of these blobs that are here."""
        read = self.state_reader()
        found = {digest: read(digest) for digest in digests}
        return {digest: state for digest, state in found.items() if state is not None}

    def state_reader(self) -> Callable[[str], tuple[int, int] | None]:
        """Return a function of a digest that returns the size and change time of a blob, or None.

        It checks each folder of blobs once.
        """
        status = self.status_reader()

        def state(digest: str) -> tuple[int, int] | None:
            found = status(digest)
            return None if found is None else (found.st_size, found.st_ctime_ns)

        return state

    def status_reader(self) -> Callable[[str], os.stat_result | None]:
        """Return a function of a digest that returns the status of a blob's file, or None.

        It checks each folder of blobs once.
        """
        folder_of = self.blob_folders()

        def status(digest: str) -> os.stat_result | None:
            path = f"{folder_of(digest)}{os.sep}{digest[2:]}"
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError:
                size_of(Path(path))  # translates the error
                raise
            return found if stat.S_ISREG(found.st_mode) else None

        return status

    def has(self, digest: str, size: int | None) -> bool:
        """Return True if the blob with a digest is here and has the right size."""
        return size_of(self.blob(digest)) == size

    def sizes(self) -> dict[str, int]:
        """Return the digest and the size of each blob that is here; faster than one by one."""
        found: dict[str, int] = {}
        top = self.folder_path(*BLOBS)
        with disk_errors("looking for weights", top):
            for folder in _entries(top):
                if not folder.is_dir(follow_symlinks=False):
                    continue
                for each in _entries(folder.path):
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        if each.is_file(follow_symlinks=False):
                            status = each.stat(follow_symlinks=False)
                            found[folder.name + each.name] = status.st_size
        return found

    def ctime(self, digest: str) -> int | None:
        """Return the change time of a blob's file in nanoseconds, or None if it is missing."""
        status = regular_file(self.blob(digest))
        return None if status is None else status.st_ctime_ns

    def check_digest(self, digest: str) -> None:
        """Hash a blob again.

        Raises:
            CorruptBlobError: its bytes have another digest.
        """
        import hashlib

        path = self.blob(digest)
        if size_of(path) is None:
            raise damaged(digest, path, "is missing")
        with disk_errors("verifying weights", path), open(path, "rb") as reader:
            found = hashlib.file_digest(reader, "sha256").hexdigest()
        if found != digest:
            raise damaged(digest, path, f"has the digest {found[:12]}…")

    def is_sound(self, digest: str) -> bool:
        """Return True if a blob can be read and has the right bytes, by hashing it."""
        try:
            self.check_digest(digest)
        except (CorruptBlobError, StorageError):  # damaged, missing or unreadable
            return False
        return True

    def delete(self, digests: Iterable[str], aside: list[Path]) -> dict[str, int]:
        """Delete blobs and their local copies; return the sizes of those that were here.

        Call it in a transaction in which nothing refers to the blobs.

        Args:
            aside: gets the folders of packages, under the name of an unfinished one. Delete them
                after the transaction: that may take long.
        """
        sizes: dict[str, int] = {}
        state = self.state_reader()
        trees, files = self.folder_path(TREES), self.folder_path(FILES)
        for digest in digests:
            path = self.path(digest)
            with disk_errors("deleting weights", path):
                found = state(digest)  # it checks the folders above
                tree = trees / digest
                if os.path.lexists(tree):
                    aside.append(put_aside(tree))
                if os.path.lexists(files / digest):
                    delete_local_files(self, digest)
                remove_file(path, missing_ok=True)
            if found is not None:
                sizes[digest] = found[0]
        return sizes


def _is_file(found: os.stat_result, size: int) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):  # none yet, or deleted meanwhile
        return []


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _replace(temporary: str, path: str) -> None:
    try:
        os.replace(temporary, path)  # noqa: PTH105  (text is enough, for thousands of files)
    except PermissionError:  # on Windows, where the other file is read-only or open
        replace_file(Path(temporary), Path(path))
