"""Keeping, finding, handing out and deleting blobs; the package docstring says how and why."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.disk_errors import disk_errors
from localreg.errors import (
    CorruptBlobError,
    InvalidValueError,
    NotARegistryError,
    SourceNotFoundError,
)
from localreg.frozen import Frozen
from localreg.ids import new_id

BUFFER = 262_144  # measured: 1 MiB falls out of the processor's cache between hash and write
UNNAMED = "weights"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class StagedBlob(Frozen):
    """Bytes that were written aside: their digest, their size, and where they wait."""

    digest: str
    size: int
    path: Path


class BlobStore(Frozen):
    """The blobs of one registry.

    Attributes:
        root: the registry's directory.
        durable: whether bytes are synced to disk before a call returns.
    """

    root: Path
    durable: bool

    def path(self, digest: str) -> Path:
        """Return where the blob of a digest is, or would be.

        Raises:
            InvalidValueError: it is no sha256 in lower-case hex.
        """
        if not _DIGEST.fullmatch(digest):
            raise InvalidValueError(f"not a sha256 digest: {digest!r:.80}", argument="digest")
        return self.root / "blobs" / "sha256" / digest[:2] / digest[2:]

    @contextmanager
    def staged(self, source: Path) -> Iterator[StagedBlob]:
        """Copy a file aside, and yield what came of it; what is not kept is deleted at the end.

        Raises:
            SourceNotFoundError: there is no such file.
            InvalidValueError: it is a directory, a device or a pipe.
            StorageError: it cannot be read or copied.
        """
        with disk_errors("keeping weights", source):
            _check_source(source)
            aside = self._folder("tmp") / f"blob-{new_id()}"
            try:
                yield self._copy(source, aside)
            finally:
                aside.unlink(missing_ok=True)

    def _copy(self, source: Path, aside: Path) -> StagedBlob:
        import hashlib

        digest, size = hashlib.sha256(), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        buffer = memoryview(bytearray(BUFFER))
        with (
            open(source, "rb", buffering=0) as reader,
            open(os.open(aside, flags, 0o666), "wb", buffering=0) as writer,
        ):
            while count := reader.readinto(buffer):
                digest.update(buffer[:count])
                _write_all(writer.fileno(), buffer[:count])
                size += count
            # The mode it was made with is 0666 less the umask: keep that, without writing.
            os.fchmod(writer.fileno(), stat.S_IMODE(os.fstat(writer.fileno()).st_mode) & 0o444)
            if self.durable:
                os.fsync(writer.fileno())
        return StagedBlob(digest.hexdigest(), size, aside)

    def keep(self, staged: StagedBlob) -> None:
        """Put staged bytes in their place; call it in the transaction that records them."""
        with disk_errors("keeping weights", staged.path):
            folder = self._folder("blobs", "sha256", staged.digest[:2])
            target = self.path(staged.digest)
            if _size(target) == staged.size:
                return
            staged.path.rename(target)
            self._sync(folder)

    def held(self, digest: str, size: int | None) -> bool:
        """Return whether the bytes of a digest are here, and as many as they should be."""
        return _size(self._blob(digest)) == size

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
        blob = self._blob(digest)
        link = self._real("files", digest) / (filename or UNNAMED)
        if _same_file(link, blob, size):
            return link
        with disk_errors("handing out weights", link):
            if _size(blob) != size:
                raise _corrupt(digest, blob, f"holds {_size(blob)} bytes of {size}")
            folder = self._folder("files", digest)
            aside = folder / f".{new_id()}"
            _link_or_copy(blob, aside)
            aside.replace(link)
            self._sync(folder)
        return link

    def check_digest(self, digest: str) -> None:
        """Hash a blob again.

        Raises:
            CorruptBlobError: its bytes are not those it is named after.
        """
        import hashlib

        path = self._blob(digest)
        with disk_errors("verifying weights", path), open(path, "rb") as reader:
            found = hashlib.file_digest(reader, "sha256").hexdigest()
        if found != digest:
            raise _corrupt(digest, path, f"has the digest {found[:12]}…")

    def delete(self, digest: str) -> None:
        """Delete a blob and its links; call it in a transaction in which nothing refers to it.

        Raises:
            StorageError: a file could not be deleted.
        """
        path = self._blob(digest)
        with disk_errors("deleting weights", path):
            links = self._real("files", digest)
            if links.is_dir():
                for link in links.iterdir():
                    link.unlink()
                links.rmdir()
            path.unlink(missing_ok=True)

    def digest_of(self, path: Path) -> str | None:
        """Return the digest of a file that `local_file` handed out, or None."""
        with suppress(ValueError):  # not below the registry
            parts = path.relative_to(self.root).parts
            if len(parts) == 3 and parts[0] == "files" and _DIGEST.fullmatch(parts[1]):
                return parts[1]
        return None

    def _blob(self, digest: str) -> Path:
        path = self.path(digest)
        return self._real("blobs", "sha256", path.parent.name) / path.name

    def _real(self, *names: str) -> Path:
        """Return a folder of the registry, if it is there none that a link leads to."""
        folder = self.root
        for name in names:
            folder = folder / name
            if folder.is_symlink():
                raise _not_a_folder(folder)
        return folder

    def _folder(self, *names: str) -> Path:
        """Return a folder of the registry, made if it is not there."""
        folder = self.root
        for name in names:
            parent, folder = folder, folder / name
            try:
                folder.mkdir()
                self._sync(parent)
            except FileExistsError:
                if folder.is_symlink() or not folder.is_dir():
                    raise _not_a_folder(folder) from None
        return folder

    def _sync(self, folder: Path) -> None:
        if not self.durable:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_a_folder(path: Path) -> NotARegistryError:
    return NotARegistryError(
        f"{path} must be a directory; links inside a registry are not followed", path=str(path)
    )


def _check_source(source: Path) -> None:
    try:
        mode = source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(
            f"there is no file {source}; check the path", reference=str(source)
        ) from error
    if stat.S_ISDIR(mode):
        raise InvalidValueError(
            f"{source} is a directory; only single files can be kept", argument="weights_url"
        )
    if not stat.S_ISREG(mode):
        raise InvalidValueError(
            f"{source} is a device or a pipe; only files can be kept", argument="weights_url"
        )


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _size(path: Path) -> int | None:
    """Return the size of a regular file, or None when there is none; links do not count."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _same_file(link: Path, blob: Path, size: int | None) -> bool:
    """Return whether a link handed out before still is the whole blob."""
    try:
        first, second = link.lstat(), blob.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    whole = stat.S_ISREG(first.st_mode) and first.st_size == second.st_size == size
    # Where hard links do not exist the link is a copy, on an inode of its own.
    return whole and (first.st_ino == second.st_ino or second.st_nlink == 1)


def _link_or_copy(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target, follow_symlinks=False)
    except OSError:  # no hard links here, or too many of this file
        import shutil

        shutil.copyfile(blob, target, follow_symlinks=False)
        shutil.copymode(blob, target, follow_symlinks=False)


def _corrupt(digest: str, path: Path, found: str) -> CorruptBlobError:
    return CorruptBlobError(
        f"the weights {digest[:12]}… are damaged: {path} {found}; bring the file back from a "
        "backup, or remove every model that has them with --delete-weights and add them again",
        digest=digest,
        path=str(path),
    )
