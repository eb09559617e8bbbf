"""Keep, find, check and delete blobs; the package docstring says how and why."""

from __future__ import annotations

import os

from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.folders import Folders
from localreg.blobs.local_files.local_file import delete_local_files, local_file
from localreg.errors import CorruptBlobError, StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import make_readonly_at, remove_file, replace_file
from localreg.values.layout import BLOBS, TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import StagedBlob


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

    def has(self, digest: str, size: int | None) -> bool:
        """Return True if the blob with a digest is here and has the right size."""
        return size_of(self.blob(digest)) == size

    def ctime(self, digest: str) -> int | None:
        """Return the change time of a blob's file in nanoseconds, or None if it is missing."""
        path = self.blob(digest)
        return path.lstat().st_ctime_ns if size_of(path) is not None else None

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

    def delete(self, digest: str) -> None:
        """Delete a blob, its local copies and its unpacked folder.

        Call it in a transaction in which nothing refers to the blob.
        """
        path = self.blob(digest)
        with disk_errors("deleting weights", path):
            tree = self.folder_path(TREES) / digest
            if tree.is_dir():
                from localreg.blobs.archives.unpacking import remove_tree

                remove_tree(tree)
            delete_local_files(self, digest)
            remove_file(path, missing_ok=True)
