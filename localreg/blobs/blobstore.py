"""Keeping, finding, handing out and deleting blobs; the package docstring says how and why."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files.handed_out import delete_handed_out, local_file
from localreg.errors import CorruptBlobError, InvalidValueError, NotARegistryError, StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.folder_sync import sync_folder
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.portable_files import make_readonly_at
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import StagedBlob

NEW_FOLDER = ".new-"  # begins the name of a folder that is not in its place yet
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore(Frozen):
    """The blobs of one registry.

    Attributes:
        root: the registry's directory.
        durable: whether bytes are synced to disk before a call returns.
        group: the group that shares the registry, by number; None where nobody does.
        cache_name: the name of the folder in the user's cache where local copies are made, because
            nothing can be written here; None where it can.
    """

    root: Path
    durable: bool
    group: int | None = None
    cache_name: str | None = None

    def path(self, digest: str) -> Path:
        """Return where the blob of a digest is, or would be.

        Raises:
            InvalidValueError: it is no sha256 in lower-case hex.
        """
        if not _DIGEST.fullmatch(digest):
            raise InvalidValueError(f"not a sha256 digest: {digest!r:.80}", argument="digest")
        return self.root / "blobs" / "sha256" / digest[:2] / digest[2:]

    @contextmanager
    def temporary(self, kind: str = "blob") -> Iterator[Path]:
        """Yield a new path in ``tmp/``; what is left there at the end is deleted.

        Raises:
            StorageError: the operating system refused something in the block.
        """
        with disk_errors("keeping weights", self.root):
            from localreg.filesystem.temporary_owners import owner_mark

            path = self.make_folder("tmp") / f"{kind}-{new_id()}{owner_mark()}"
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def keep(self, staged: StagedBlob, filename: str | None, *, replace: bool = False) -> int:
        """Put staged bytes in their place; call it in the transaction that records them.

        Args:
            filename: the name they are handed out under.
            replace: also when there are bytes of that size already: those were found damaged.

        Returns:
            The change time of the blob's file, nanoseconds.
        """
        with disk_errors("keeping weights", staged.path):
            folder = self.make_folder("blobs", "sha256", staged.digest[:2])
            target = self.path(staged.digest)
            new = not os.path.lexists(target)
            if replace or size_of(target) != staged.size:
                if os.path.lexists(target):  # damaged; what was handed out of it is damaged too
                    delete_handed_out(self, staged.digest)
                # A file that was linked is the user's own until here.
                make_readonly_at(staged.path, self.group)
                staged.path.rename(target)
                self.sync(folder)
            try:
                local_file(self, staged.digest, staged.size, filename)
            except BaseException:
                if new:  # no row will tell of it; where links do not exist the disk may be full
                    target.unlink(missing_ok=True)
                raise
            return target.lstat().st_ctime_ns

    def has(self, digest: str, size: int | None) -> bool:
        """Return whether the bytes of a digest are here, and as many as they should be."""
        return size_of(self.blob(digest)) == size

    def ctime(self, digest: str) -> int | None:
        """Return the change time of a blob's file in nanoseconds, or None when there is none."""
        path = self.blob(digest)
        return path.lstat().st_ctime_ns if size_of(path) is not None else None

    def check_digest(self, digest: str) -> None:
        """Hash a blob again.

        Raises:
            CorruptBlobError: its bytes are not those it is named after.
        """
        import hashlib

        path = self.blob(digest)
        with disk_errors("verifying weights", path), open(path, "rb") as reader:
            found = hashlib.file_digest(reader, "sha256").hexdigest()
        if found != digest:
            raise damaged(digest, path, f"has the digest {found[:12]}…")

    def is_sound(self, digest: str) -> bool:
        """Return whether the bytes of a digest that is held are right, by hashing them."""
        try:
            self.check_digest(digest)
        except (CorruptBlobError, StorageError):  # damaged, not there, or not to be read
            return False
        return True

    def delete(self, digest: str) -> None:
        """Delete a blob and all that was made of it.

        Call it in a transaction in which nothing refers to it.

        Raises:
            StorageError: a file could not be deleted.
        """
        path = self.blob(digest)
        with disk_errors("deleting weights", path):
            tree = self.folder_path("trees") / digest
            if tree.is_dir():
                from localreg.blobs.archives.unpacking import remove_tree

                remove_tree(tree)
            delete_handed_out(self, digest)
            path.unlink(missing_ok=True)

    def digest_of(self, path: Path) -> str | None:
        """Return the digest of what was handed out as `path`, a file or a whole tree, or None."""
        with suppress(ValueError):  # not below the registry
            parts = path.relative_to(self.root).parts
            kind = (parts[0], len(parts)) if parts else ("", 0)
            if kind in (("files", 3), ("trees", 2)) and _DIGEST.fullmatch(parts[1]):
                return parts[1]
        return None

    def contains(self, path: Path) -> bool:
        """Return whether a path is one that the registry made; users keep files beside these."""
        if self.cache_name is not None:
            from localreg.blobs.local_files.readonly_registry import is_elsewhere

            if is_elsewhere(path, self.cache_name):
                return True
        if not path.is_relative_to(self.root):
            return False
        return path.relative_to(self.root).parts[:1] in (("blobs",), ("files",), ("trees",))

    def blob(self, digest: str) -> Path:
        """Return the path of a blob, which need not be there; no folder above it is a link."""
        path = self.path(digest)
        return self.folder_path("blobs", "sha256", path.parent.name) / path.name

    def folder_path(self, *names: str) -> Path:
        """Return a folder of the registry, if it is there none that a link leads to.

        Raises:
            NotARegistryError: it, or one above it, is a link.
            StorageError: it cannot be looked at, as in a folder that this user may not enter.
        """
        folder = self.root
        for name in names:
            folder = folder / name
            with disk_errors("looking for weights", folder):
                if folder.is_symlink():
                    raise _not_a_folder(folder)
        return folder

    def make_folder(self, *names: str) -> Path:
        """Return a folder of the registry, made if it is not there."""
        folder = self.root
        for name in names:
            parent, folder = folder, folder / name
            try:
                self._make_folder(folder)
                self.sync(parent)
            except FileExistsError:
                if folder.is_symlink() or not folder.is_dir():
                    raise _not_a_folder(folder) from None
        return folder

    def _make_folder(self, folder: Path) -> None:
        if self.group is None:
            folder.mkdir()
            return
        if os.path.lexists(folder):
            raise FileExistsError(folder)
        from localreg.filesystem.temporary_owners import owner_mark

        # Another member who met it before the group may use it would be refused.
        aside = self.root / f"{NEW_FOLDER}{new_id()}{owner_mark()}"
        aside.mkdir()
        try:
            share_at(aside, self.group)
            aside.rename(folder)  # also onto another's new one, as long as that is empty
        except OSError as error:
            aside.rmdir()
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise FileExistsError(folder) from error
            raise

    def lock_file(self, name: str) -> Path:
        """Return the path of a lock; where a group shares it, each member can take it."""
        path = self.make_folder("locks") / name
        if self.group is not None and not os.path.lexists(path):
            with self.temporary("lock") as aside:
                aside.touch(0o660)
                share_at(aside, self.group)
                try:
                    os.link(aside, path)
                except FileExistsError:  # another process was first, and did the same
                    pass
                except OSError:  # no hard links here: it is too narrow for a moment
                    path.touch(0o660)
                    share_at(path, self.group)
        return path

    def sync(self, folder: Path) -> None:
        """Bring a folder's entries to disk, when the registry is durable."""
        if self.durable:
            sync_folder(folder)


def _not_a_folder(path: Path) -> NotARegistryError:
    return NotARegistryError(
        f"{path} must be a directory; links inside a registry are not followed", path=str(path)
    )
