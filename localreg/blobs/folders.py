"""The folders of a registry's blobs: the path of each blob, temporary files, locks.

A folder is made when it is first needed. A symbolic link in the place of a folder is an error.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import not_a_folder, size_of
from localreg.errors import InvalidValueError, NotARegistryError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.plain_files import discard
from localreg.filesystem.syncing import sync_folder
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.layout import BLOBS, FILES, LOCKS, OUTSIDE_NOTE, TEMPORARY, TREES

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Folders(Frozen):
    """The folders of one registry.

    Attributes:
        root: the registry's directory.
        durable: True if bytes are synced to disk before a call returns.
        group: number of the group that shares the registry; None if it is not shared.
        cache_name: name of the folder in the user's cache where local copies are made when the
            registry cannot be written to; None when it can.
    """

    root: Path
    durable: bool
    group: int | None = None
    cache_name: str | None = None

    def path(self, digest: str) -> Path:
        """Return the path of the blob with a digest, which need not exist.

        Raises:
            InvalidValueError: it is not a sha256 in lower-case hex.
        """
        return self.root.joinpath(*BLOBS, *_parts_of(digest))

    def blob(self, digest: str) -> Path:
        """Return the path of a blob, which need not exist, after checking the folders above it."""
        path = self.path(digest)
        return self.folder_path(*BLOBS, path.parent.name) / path.name

    def blob_folders(self) -> Callable[[str], str]:
        """Return a function of a digest that returns the folder of its blob, as text.

        It checks each folder once: those above all of them, too.
        """
        top = ""
        checked: dict[str, str] = {}

        def folder_of(digest: str) -> str:
            nonlocal top
            found = checked.get(digest[:2])
            if found is None:
                top = top or str(self.folder_path(*BLOBS))
                found = f"{top}{os.sep}{_parts_of(digest)[0]}"
                if os.path.islink(found):  # noqa: PTH114  (there may be 256, for a few files)
                    raise not_a_folder(Path(found))
                checked[digest[:2]] = found
            return found

        return folder_of

    def digest_of(self, path: Path) -> str | None:
        """Return the digest of the weights whose local file or folder is `path`."""
        parts = self._parts(path)
        kind = (parts[0], len(parts)) if parts else ("", 0)
        if kind in ((FILES, 3), (TREES, 2)) and _DIGEST.fullmatch(parts[1]):
            return parts[1]
        return None

    def in_package(self, path: Path) -> tuple[str, str] | None:
        """Return a package's digest, and a path in it, if `path` is below its folder; or None."""
        parts = self._parts(path)
        if len(parts) > 2 and parts[0] == TREES and _DIGEST.fullmatch(parts[1]):
            return parts[1], "/".join(parts[2:])
        return None

    def _parts(self, path: Path) -> tuple[str, ...]:
        """Return the parts of a path below the registry; none for any other path."""
        return path.relative_to(self.root).parts if path.is_relative_to(self.root) else ()

    def contains(self, path: Path) -> bool:
        """Return True if the registry made a path; users may keep files of their own beside it."""
        if self.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import is_elsewhere

            if is_elsewhere(path, self.cache_name):
                return True
        return self._parts(path)[:1] in ((BLOBS[0],), (FILES,), (TREES,))

    def folder_path(self, *names: str) -> Path:
        """Return the path of a folder in the registry, which need not exist.

        Raises:
            NotARegistryError: it, or a folder above it, is a symbolic link.
        """
        folder = self.root
        for name in names:
            folder = folder / name
            with disk_errors("looking for weights", folder):
                if folder.is_symlink():
                    raise not_a_folder(folder)
        return folder

    def make_folder(self, *names: str) -> Path:
        """Return the path of a folder in the registry; make it if it does not exist."""
        folder = self.root
        for name in names:
            parent, folder = folder, folder / name
            try:
                self._make_one(folder)
                self.sync(parent)
            except FileExistsError:
                if folder.is_symlink() or not folder.is_dir():
                    raise not_a_folder(folder) from None
        return folder

    def _make_one(self, folder: Path) -> None:
        if self.group is None:
            folder.mkdir()
            return
        if os.path.lexists(folder):
            raise FileExistsError(folder)
        from localreg.filesystem.temporary_owners import unfinished

        # Under a temporary name: another member must not see it before the group may use it.
        temporary = unfinished(self.root / folder.name)
        temporary.mkdir()
        try:
            share_at(temporary, self.group)
            temporary.rename(folder)  # this also replaces an empty folder of another process
        except OSError as error:
            temporary.rmdir()
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise FileExistsError(folder) from error
            raise

    @contextmanager
    def temporary(self, kind: str = "blob") -> Iterator[Path]:
        """Yield a new path in ``tmp/``, and delete what is there at the end."""
        with disk_errors("keeping weights", self.root):
            from localreg.filesystem.temporary_owners import owner_mark

            path = self.make_folder(TEMPORARY) / f"{kind}-{new_id()}{owner_mark()}"
            try:
                yield path
            finally:
                discard(path)

    @contextmanager
    def temporary_folder(self, kind: str = "tree") -> Iterator[Path]:
        """Yield a new folder in ``tmp/``, and delete it with what is in it at the end."""
        with disk_errors("keeping weights", self.root):
            from localreg.blobs.archives.unpacking import remove_tree
            from localreg.filesystem.temporary_owners import owner_mark

            folder = self.make_folder(TEMPORARY) / f"{kind}-{new_id()}{owner_mark()}"
            folder.mkdir()
            try:
                share_at(folder, self.group)
                yield folder
            finally:
                try:
                    remove_tree(folder)
                except OSError as error:
                    log.warning(
                        "%s is left over: it could not be deleted: %s", folder, error.strerror
                    )

    @contextmanager
    def writing_outside(self, folder: Path) -> Iterator[None]:
        """Note that this process writes into a folder of the user: gc finds what a kill leaves.

        The note is a file in ``tmp/``, and not a row: it waits for no lock, and needs no free page.
        Where nothing can be written to the registry there is none.
        """
        from localreg.filesystem.temporary_owners import owner_mark

        note = None
        if self.cache_name is None:
            with suppress(OSError, NotARegistryError):
                there = self.make_folder(TEMPORARY) / f"{OUTSIDE_NOTE}-{new_id()}{owner_mark()}"
                note = there
                there.write_bytes(os.fsencode(os.path.realpath(folder)))
        try:
            yield
        finally:
            if note is not None:
                with suppress(OSError):  # gc deletes it when this process has ended
                    note.unlink(missing_ok=True)

    def lock_file(self, name: str) -> Path:
        """Return the path of a lock file; in a shared registry every member can lock it."""
        path = self.make_folder(LOCKS) / name
        if os.path.lexists(path):
            if size_of(path) is None:
                raise NotARegistryError(
                    f"{path} must be a plain file; delete it, and localreg makes a new one",
                    path=str(path),
                )
        elif self.group is not None:
            with self.temporary("lock") as temporary:
                temporary.touch(0o660)
                share_at(temporary, self.group)
                try:
                    os.link(temporary, path)
                except FileExistsError:  # another process was first, and did the same
                    pass
                except OSError:  # no hard links: other members are refused for a moment
                    path.touch(0o660)
                    share_at(path, self.group)
        return path

    def sync(self, folder: Path) -> None:
        """Sync a folder's entries to disk if the registry is durable."""
        if self.durable:
            sync_folder(folder)


def _parts_of(digest: str) -> tuple[str, str]:
    """Return the name of a blob's folder, and its name in it.

    Raises:
        InvalidValueError: this is not a sha256 in lower-case hex.
    """
    if not _DIGEST.fullmatch(digest):
        raise InvalidValueError(f"not a sha256 digest: {digest!r:.80}", argument="digest")
    return digest[:2], digest[2:]
