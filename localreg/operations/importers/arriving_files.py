"""The bytes of a source on their way into the blob store: each file once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from localreg.errors import DigestMismatchError, InvalidValueError
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.source_files import damaged
from localreg.operations.weights import known_digests
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import OpenRegistry
from localreg.values.manifest import Manifest, PackageFile
from localreg.values.paths import are_package_paths
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress

Bytes = tuple[str, int]  # digest and size


class ArrivingFiles:
    """Brings files of a source as blobs.

    Attributes:
        packages: the manifests of the packages that came, by digest.
    """

    def __init__(
        self,
        registry: OpenRegistry,
        blobs: ArrivingBlobs,
        *,
        link: bool,
        dry_run: bool,
        progress: Progress | None,
    ) -> None:
        """Begin.

        Args:
            link: make hard links instead of copies; the source's files become read-only.
            dry_run: only hash.
            progress: called with the bytes that came so far.
        """
        self.packages: dict[str, Manifest] = {}
        self._registry = registry
        self._blobs = blobs
        self._link = link
        self._dry_run = dry_run
        self._progress = progress
        self._held: dict[Path, Bytes] = {}
        self._done = 0

    def digest(self, file: FoundFile) -> Bytes:
        """Return digest and size of a file, without bringing it.

        Raises:
            SourceError: it has another digest than the source says.
        """
        held = self._held.get(file.path)
        if held is not None:
            return held
        size = file.path.stat().st_size
        digest = known_digests.digest_at(self._registry, file.path)
        if file.digest is not None and file.digest != digest:
            raise damaged(file.path, f"should have the sha256 {file.digest}; it has {digest}")
        return digest, size

    def file(self, file: FoundFile) -> Bytes:
        """Bring a file; return its digest and size.

        Raises:
            SourceError: it has another digest than the source says, or changed meanwhile.
        """
        held = self._held.get(file.path)
        if held is not None:
            return held
        digest, size = self.digest(file)
        if self._blobs.lacks(digest, size):
            if self._dry_run:
                self._blobs.would_come[digest] = size
            else:
                try:
                    self._blobs.add_file(file.path, digest, size, safe_filename(file.name))
                except (DigestMismatchError, InvalidValueError) as error:
                    raise damaged(file.path, f"changed while it was read: {error}") from error
        self._held[file.path] = digest, size
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._done)
        return digest, size

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
        """
        names = [each.name for each in files]
        if not are_package_paths(names) or len({*names}) < len(names):
            raise damaged(files[0].path.parent, "has names that no package can have")
        take = self.digest if reference else self.file
        found = [PackageFile(each.name, *take(each), each.executable) for each in files]
        return self.manifest(Manifest(tuple(sorted(found, key=lambda each: each.path))))

    def manifest(self, manifest: Manifest) -> Manifest:
        """Bring a manifest whose files came; return it."""
        digest, _ = self.bytes(manifest.encoded())
        self.packages[digest] = manifest
        return manifest

    def flush(self) -> None:
        """Keep what came."""
        if not self._dry_run:
            self._blobs.flush()
