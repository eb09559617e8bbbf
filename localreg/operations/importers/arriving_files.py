"""The bytes of a source on their way into the blob store: each file once."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from localreg.blobs.staging.hashing import file_digest
from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import FileStatus, open_plain
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.source_files import damaged
from localreg.operations.weights import known_digests
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.manifest import Manifest, PackageFile, make_manifest, parse_manifest
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import Mode
    from localreg.progress import Progress

Bytes = tuple[str, int]  # digest and size

_MOST_KNOWN = 10_000  # files that are kept in memory


class ArrivingFiles:
    """Brings files of a source as blobs.

    A file is read once. Its digest is remembered, so that the next import need not read it again
    while its size, times and inode stay.
    """

    def __init__(
        self,
        registry: OpenRegistry,
        blobs: ArrivingBlobs,
        *,
        link: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Begin.

        Args:
            link: make hard links instead of copies; the source's files become read-only.
            dry_run: only hash.
            progress: called with the bytes that came so far.
        """
        self._registry = registry
        self._blobs = blobs
        self._link = link
        self._dry_run = dry_run
        self._progress = progress
        self._known: dict[Path, Bytes] = {}
        self._brought: set[Path] = set()
        self._hashed: list[tuple[FileStatus, str]] = []
        # By digest, compressed: a source may have a million files.
        self._manifests: dict[str, bytes] = {}
        self._done = 0

    def digest(self, file: FoundFile) -> Bytes:
        """Return digest and size of a file, without bringing it.

        Raises:
            SourceError: it has another digest than the source says.
        """
        found = self._known.get(file.path)
        if found is None:
            found = self._read(file, self._hash)
        return self._checked(file, found)

    def file(self, file: FoundFile) -> Bytes:
        """Bring a file; return its digest and size.

        Raises:
            SourceError: it has another digest than the source says, or changed meanwhile.
            InvalidValueError: a hard link is wanted, and is not possible.
        """
        if file.path in self._brought:
            return self._checked(file, self._known[file.path])
        found = self._here(file) or self._read(file, self._hash if self._dry_run else self._bring)
        self._checked(file, found)
        if self._dry_run and self._blobs.lacks(*found):
            digest, size = found
            self._blobs.would_come[digest] = size
        self._brought.add(file.path)
        self._done += found[1]
        if self._progress is not None:
            self._progress(self._done, None)
        return found

    def bytes(self, data: bytes) -> Bytes:
        """Bring some bytes; return their digest and size."""
        digest, size = hashlib.sha256(data).hexdigest(), len(data)
        if self._blobs.lacks(digest, size):
            if self._dry_run:
                self._blobs.would_come[digest] = size
            else:
                self._blobs.add_bytes(data, digest)
        return digest, size

    def package(self, files: Sequence[FoundFile], *, reference: bool = False) -> Manifest:
        """Bring the files of a package, and its manifest; return the manifest.

        Args:
            files: their names are paths in the package.
            reference: only hash them.

        Raises:
            SourceError: a file has another digest than the source says, or a name that no package
                can have.
            InvalidValueError: as for `file`.
        """
        take = self.digest if reference else self.file
        found = [PackageFile(each.name, *take(each), each.executable) for each in files]
        try:
            manifest = make_manifest(found, [])
        except InvalidValueError as error:
            raise damaged(files[0].path.parent, f"cannot be a package: {error}") from error
        encoded = manifest.encoded()
        digest, _ = self.bytes(encoded)
        self._manifests[digest] = zlib.compress(encoded)
        return manifest

    def packages(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the manifests of the packages that came, by their digests."""
        for digest, compressed in self._manifests.items():
            yield digest, parse_manifest(zlib.decompress(compressed))

    def flush(self) -> None:
        """Keep what came."""
        if not self._dry_run:
            self._blobs.flush()
            self._remember()

    def _here(self, file: FoundFile) -> Bytes | None:
        """Return digest and size of a file whose bytes are here already; else None."""
        with disk_errors("reading what is imported", file.path):
            size = file.path.stat().st_size
        digest = file.digest or known_digests.known_digest(
            self._registry, known_digests.status_of(file.path)
        )
        if digest is None or self._blobs.lacks(digest, size):
            return None
        self._know(file.path, (digest, size))
        return digest, size

    def _read(self, file: FoundFile, take: Callable[[FoundFile], Bytes]) -> Bytes:
        """Read a file whole by a function, and remember its digest."""
        before = known_digests.status_of(file.path)
        is_settled = before is not None and known_digests.is_settled(before)
        found = take(file)
        self._know(file.path, found)
        if before is not None and is_settled and before == known_digests.status_of(file.path):
            self._hashed.append((before, found[0]))
            if len(self._hashed) >= _MOST_KNOWN:
                self._remember()
        return found

    def _hash(self, file: FoundFile) -> Bytes:
        status = known_digests.status_of(file.path)
        known = known_digests.known_digest(self._registry, status)
        if known is not None and status is not None:
            return known, status.size
        with disk_errors("reading what is imported", file.path), open_plain(file.path, "source"):
            return file_digest(file.path), file.path.stat().st_size

    def _bring(self, file: FoundFile) -> Bytes:
        # A link has one mode for all names, so what can be run is copied.
        mode: Mode = "link" if self._link and not file.executable else "copy"
        if mode == "link" and file.digest is None:
            # One link more changes a time of the file, by which the blob is known.
            found = self._hash(file)
            if not self._blobs.lacks(*found):
                return found
        try:
            return self._blobs.bring_file(
                file.path, mode, safe_filename(file.name.rpartition("/")[2]), self._report
            )
        except InvalidValueError as error:
            if error.argument == "mode":
                raise InvalidValueError(
                    f"{error}: leave out --link, or use --reference", argument="link"
                ) from error
            raise damaged(file.path, f"changed while it was read: {error}") from error

    def _report(self, done: int, _: int | None) -> None:
        if self._progress is not None:
            self._progress(self._done + done, None)

    @staticmethod
    def _checked(file: FoundFile, found: Bytes) -> Bytes:
        if file.digest not in (None, found[0]):
            raise damaged(file.path, f"should have the sha256 {file.digest}; it has {found[0]}")
        return found

    def _know(self, path: Path, found: Bytes) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._brought.clear()
        self._known[path] = found

    def _remember(self) -> None:
        """Remember digests, so that the next import need not read these files again."""
        if self._hashed and not self._dry_run:
            with self._registry.store.write_unsynced() as change:
                blob_rows.remember_files(change.connection, self._hashed)
        self._hashed = []
