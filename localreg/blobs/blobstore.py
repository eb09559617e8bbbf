"""Keeping, finding, handing out and deleting blobs; the package docstring says how and why."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.disk_errors import disk_errors
from localreg.blobs.odd_filesystems import (
    REFUSED_NAME,
    make_readonly_at,
    portable_name,
    sync_folder,
)
from localreg.errors import CorruptBlobError, InvalidValueError, NotARegistryError, StorageError
from localreg.frozen import Frozen
from localreg.group_modes import share_at
from localreg.ids import new_id
from localreg.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging import StagedBlob

UNNAMED = "weights"
NEW_FOLDER = ".new-"  # begins the name of a folder that is not in its place yet
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore(Frozen):
    """The blobs of one registry.

    Attributes:
        root: the registry's directory.
        durable: whether bytes are synced to disk before a call returns.
        group: the group that shares the registry, by number; None where nobody does.
        spare: what to call the place that local copies are made in when nothing can be written
            here; None where it can.
    """

    root: Path
    durable: bool
    group: int | None = None
    spare: str | None = None

    def path(self, digest: str) -> Path:
        """Return where the blob of a digest is, or would be.

        Raises:
            InvalidValueError: it is no sha256 in lower-case hex.
        """
        if not _DIGEST.fullmatch(digest):
            raise InvalidValueError(f"not a sha256 digest: {digest!r:.80}", argument="digest")
        return self.root / "blobs" / "sha256" / digest[:2] / digest[2:]

    @contextmanager
    def aside(self, kind: str = "blob") -> Iterator[Path]:
        """Yield a new path in ``tmp/``; what is left there at the end is deleted.

        Raises:
            StorageError: the operating system refused something in the block.
        """
        with disk_errors("keeping weights", self.root):
            from localreg.blobs.owners import owner_mark

            path = self.folder("tmp") / f"{kind}-{new_id()}{owner_mark()}"
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
            folder = self.folder("blobs", "sha256", staged.digest[:2])
            target = self.path(staged.digest)
            new = not os.path.lexists(target)
            if replace or size_of(target) != staged.size:
                if os.path.lexists(target):  # damaged; what was handed out of it is damaged too
                    self._delete_links(staged.digest)
                # A file that was linked is the user's own until here.
                make_readonly_at(staged.path, self.group)
                staged.path.rename(target)
                self.sync(folder)
            try:
                self.local_file(staged.digest, staged.size, filename)
            except BaseException:
                if new:  # no row will tell of it; where links do not exist the disk may be full
                    target.unlink(missing_ok=True)
                raise
            return target.lstat().st_ctime_ns

    def held(self, digest: str, size: int | None) -> bool:
        """Return whether the bytes of a digest are here, and as many as they should be."""
        return size_of(self.blob(digest)) == size

    def witness(self, digest: str) -> int | None:
        """Return the change time of a blob's file in nanoseconds, or None when there is none."""
        path = self.blob(digest)
        return path.lstat().st_ctime_ns if size_of(path) is not None else None

    def local_file(self, digest: str, size: int | None, filename: str | None) -> Path:
        """Return a read-only file with these bytes under their original name.

        Args:
            digest: sha256 of the bytes.
            size: how many they are.
            filename: the original name.

        Raises:
            CorruptBlobError: the bytes are missing, or are not as many as they were.
            StorageError: the link cannot be made.
        """
        name = _own_name(filename)
        if self._is_linked(digest, size, name):
            return Path(f"{self.root}/files/{digest}/{name}")
        blob = self.blob(digest)
        link = self.real("files", digest) / name
        with disk_errors("handing out weights", link):
            if size_of(blob) != size:
                raise _corrupt(digest, blob, _wrong_size(size_of(blob), size))
            if self.spare is not None:
                from localreg.blobs.elsewhere import copy_elsewhere

                return copy_elsewhere(blob, self.spare, digest, name)
            self.folder("files", digest)
            try:
                return self._hand_out(digest, link)
            except OSError as error:
                portable = portable_name(name)
                if error.errno not in REFUSED_NAME or portable == name:
                    raise
            if not self._is_linked(digest, size, portable):
                self._hand_out(digest, link.with_name(portable))
            return link.with_name(portable)

    def _hand_out(self, digest: str, link: Path) -> Path:
        from localreg.blobs.owners import owner_mark

        blob = self.blob(digest)
        # With its name in it: one that is refused here is so before a byte is copied.
        aside = link.with_name(f".{new_id()}-{link.name}{owner_mark()}")
        try:
            if not _link(blob, aside):
                if self._adopt(digest, link):
                    return link
                copy_file(blob, aside, self.group, sync=self.durable)
            aside.replace(link)
        finally:
            aside.unlink(missing_ok=True)
        self.sync(link.parent)
        return link

    def _adopt(self, digest: str, link: Path) -> bool:
        """Return whether a copy is whole that came here with another time of writing.

        A registry that was copied is like that. Reading is cheaper than writing it again.
        """
        blob = self.blob(digest)
        if size_of(link) != size_of(blob):
            return False
        from localreg.blobs.staging import file_digest

        if file_digest(link) != digest:
            return False
        try:
            make_readonly_at(link, self.group)
            _same_time(blob, link)
        except PermissionError:  # somebody else's file: it gives way to one of our own
            return False
        return True

    def own_copies(self, digest: str) -> int:
        """Return how many bytes the files have that were handed out and are no links."""
        folder = self.real("files", digest)
        if not folder.is_dir():
            return 0
        found = (path.lstat() for path in folder.iterdir())
        return sum(each.st_size for each in found if each.st_nlink == 1)

    def handed_out(self, digest: str, size: int | None, filename: str | None) -> Path | None:
        """Return the file that was handed out under a name before, if it still is whole."""
        name = _own_name(filename)
        linked = self._is_linked(digest, size, name)
        return Path(f"{self.root}/files/{digest}/{name}") if linked else None

    def copy_from(self, blob: Path, digest: str, size: int | None, filename: str | None) -> Path:
        """Return a read-only file, below ``files/``, with the bytes of another registry's blob.

        It is a clone where the file system can, else a copy: a hard link would change the other's
        file, if only the number of its links.

        Args:
            blob: that of the other registry, whole.
            digest, size, filename: as for `local_file`.

        Raises:
            StorageError: the file cannot be made.
        """
        copy = self.real("files", digest) / _own_name(filename)
        with disk_errors("handing out weights", copy):
            if _is_copy(copy, blob, size):
                return copy
            if self.spare is not None:
                from localreg.blobs.elsewhere import copy_elsewhere

                return copy_elsewhere(blob, self.spare, digest, copy.name)
            from localreg.blobs.owners import owner_mark

            folder = self.folder("files", digest)
            aside = folder / f".{new_id()}-{copy.name}{owner_mark()}"
            try:
                copy_file(blob, aside, self.group, sync=self.durable)
                aside.replace(copy)
            finally:
                aside.unlink(missing_ok=True)
            self.sync(folder)
        return copy

    def _is_linked(self, digest: str, size: int | None, name: str) -> bool:
        """Return whether a file was handed out before, and still is the whole blob.

        On text, which is quicker than paths: most calls end here.
        """
        root, head = str(self.root), digest[:2]
        folders = (
            f"{root}/blobs", f"{root}/blobs/sha256", f"{root}/blobs/sha256/{head}",
            f"{root}/files", f"{root}/files/{digest}",
        )  # fmt: skip
        try:
            for folder in folders:
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    return False
            first = os.lstat(f"{folders[4]}/{name}")
            second = os.lstat(f"{folders[2]}/{digest[2:]}")
        except OSError:
            return False
        if not stat.S_ISREG(first.st_mode) or not first.st_size == second.st_size == size:
            return False
        # Where hard links do not exist it is a copy, and has the blob's own time of writing.
        return first.st_ino == second.st_ino or first.st_mtime_ns == second.st_mtime_ns

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
            raise _corrupt(digest, path, f"has the digest {found[:12]}…")

    def check_handed_out(self, digest: str, path: Path) -> None:
        """Hash a blob, and what was handed out of it; a copy that changed is made again.

        Raises:
            CorruptBlobError: the blob's bytes are not those it is named after.
            StorageError: something cannot be read, or the copy cannot be written.
        """
        from localreg.blobs.staging import file_digest

        self.check_digest(digest)
        with disk_errors("handing out weights", path):
            is_link = path.lstat().st_ino == self.blob(digest).lstat().st_ino
            if not is_link and file_digest(path) != digest:
                self._hand_out(digest, path)

    def sound(self, digest: str) -> bool:
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
            tree = self.real("trees") / digest
            if tree.is_dir():
                from localreg.blobs.unpacking import remove_tree

                remove_tree(tree)
            self._delete_links(digest)
            path.unlink(missing_ok=True)

    def _delete_links(self, digest: str) -> None:
        links = self.real("files", digest)
        if links.is_dir():
            for link in links.iterdir():
                link.unlink()
            links.rmdir()

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
        if self.spare is not None:
            from localreg.blobs.elsewhere import is_elsewhere

            if is_elsewhere(path, self.spare):
                return True
        if not path.is_relative_to(self.root):
            return False
        return path.relative_to(self.root).parts[:1] in (("blobs",), ("files",), ("trees",))

    def blob(self, digest: str) -> Path:
        """Return the path of a blob, which need not be there; no folder above it is a link."""
        path = self.path(digest)
        return self.real("blobs", "sha256", path.parent.name) / path.name

    def real(self, *names: str) -> Path:
        """Return a folder of the registry, if it is there none that a link leads to."""
        folder = self.root
        for name in names:
            folder = folder / name
            if folder.is_symlink():
                raise _not_a_folder(folder)
        return folder

    def folder(self, *names: str) -> Path:
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
        from localreg.blobs.owners import owner_mark

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
        path = self.folder("locks") / name
        if self.group is not None and not os.path.lexists(path):
            with self.aside("lock") as aside:
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


def _own_name(filename: str | None) -> str:
    """Return the name of a file to hand out, never one that leads to another folder.

    It is checked when it is recorded; the record may be of a database that somebody else wrote.
    """
    if filename and "/" not in filename and "\\" not in filename and filename.strip("."):
        return filename
    return safe_filename(filename or "") or UNNAMED


def size_of(path: Path) -> int | None:
    """Return the size of a regular file, or None when there is none; links do not count."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def link_or_copy(blob: Path, target: Path) -> None:
    """Put a blob's bytes under another name, as read-only as it is."""
    if not _link(blob, target):
        copy_file(blob, target, None, sync=False)


def _link(blob: Path, target: Path) -> bool:
    try:
        os.link(blob, target, follow_symlinks=False)
    except OSError:  # no hard links here, too many of this file, or it is another user's
        return False
    return True


def copy_file(blob: Path, target: Path, group: int | None, *, sync: bool) -> None:
    """Copy a blob, which shares its bytes where that can be; with its own time of writing."""
    import shutil

    from localreg.blobs.staging import clone

    if not clone(blob, target):
        shutil.copyfile(blob, target, follow_symlinks=False)
    make_readonly_at(target, group)
    _same_time(blob, target)
    if sync:  # its size and time alone will say that it is whole
        with open(target, "rb") as file:
            os.fsync(file.fileno())


def _same_time(blob: Path, copy: Path) -> None:
    """Give a copy its blob's time of writing: a file that somebody else puts there has another."""
    status = blob.lstat()
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _is_copy(path: Path, blob: Path, size: int | None) -> bool:
    """Return whether a file is what `copy_file` made of a blob."""
    return size_of(path) == size and path.lstat().st_mtime_ns == blob.lstat().st_mtime_ns


def _wrong_size(found: int | None, wanted: int | None) -> str:
    return "is gone" if found is None else f"holds {found:,} bytes of {wanted or 0:,}"


def _corrupt(digest: str, path: Path, found: str) -> CorruptBlobError:
    return CorruptBlobError(
        f"the weights {digest[:12]}… are damaged: {path} {found}; `localreg repair` fetches them "
        "again where their source is left, and adding the same file again mends them",
        digest=digest,
        path=str(path),
    )
