"""Read a bundle in one pass: from a file, parts of one, a stream, or a folder.

Nothing is trusted. Names, sizes, counts and the order of entries are checked as they come; an entry
that no manifest names is an error, and so is one that is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain as chain_of
from pathlib import Path

from localreg.blobs.bundles.digests import SHA256, DigestList, Rows, find, grouped
from localreg.blobs.bundles.folder_layout import FolderLayout
from localreg.blobs.bundles.parts import found_parts
from localreg.blobs.bundles.rows import FILE, HEAD, IMAGE, ROW_SIZE, named_row, size_in, unpacked
from localreg.blobs.bundles.side_hash import side_hash
from localreg.blobs.bundles.sources import FileBytes, StreamBytes
from localreg.blobs.bundles.tar_layout import TarLayout
from localreg.blobs.staging import staging
from localreg.blobs.staging.staging import StagedBlob
from localreg.errors import BundleError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import discard
from localreg.filesystem.portable_files import make_readonly
from localreg.filesystem.syncing import EarlySync
from localreg.filesystem.syncing import sync as sync_descriptor
from localreg.values import bundle_format
from localreg.values.bundle_format import (
    EMPTY_TYPE,
    INDEX_NAME,
    Descriptor,
    Manifest,
    broken,
)
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import BinaryIO, Protocol

    from localreg.progress import Progress

    class Layout(Protocol):
        """Where the entries of a bundle are; rows are those of `rows`."""

        def index(self) -> Iterator[bytes]:
            """Yield the bytes of index.json."""

        def take_manifest(self, number: int, descriptor: Descriptor) -> None:
            """Find a manifest; call it for each one in the order of the index."""

        def manifest(self, number: int, descriptor: Descriptor) -> Iterator[bytes]:
            """Yield the bytes of a manifest that was found."""

        def take_head(self, rows: Rows) -> None:
            """Find all of the head."""

        def head(self, number: int, row: bytes) -> Iterator[bytes]:
            """Yield the bytes of a part of the head."""

        def files(
            self, rows: Rows, wanted: Callable[[str, int], bool]
        ) -> Iterator[tuple[bytes, Iterator[bytes]]]:
            """Yield the rows and bytes of those files that are wanted; check that all are there."""

        def where(self, row: bytes) -> str:
            """Return in which files the bytes of a row are, for errors."""


ALONE = 33_554_432  # bytes; a file up to this is hashed piece by piece, and not read again
SMALL = 1_048_576  # bytes; a manifest up to this is read once, a file is synced with others


class BundleBlob(Frozen):
    """A file of a model in a bundle; stage it before the next one is asked for.

    Attributes:
        digest: the sha256 of its bytes.
        size: number of bytes.
        pieces: its bytes; they can be read once.
        where: in which file of the bundle they are, for errors; "" if there is only one.
    """

    digest: str
    size: int
    pieces: Iterator[bytes]
    where: str

    def stage(
        self,
        target: Path,
        *,
        sync: bool,
        progress: Progress | None = None,
        group: int | None = None,
    ) -> StagedBlob:
        """Write its bytes to a temporary path, and check their digest.

        Args:
            target: a new path on the registry's file system; after an error something may be there.
            sync: sync the bytes to disk.
            progress: called with the number of bytes done, and the total.
            group: the group that must be able to read it; None without one.

        Raises:
            BundleError: the bytes in the bundle have another digest, or are cut short.
            OSError: they cannot be written.
        """
        if self.size <= ALONE:
            staged = self._write_and_hash(target, sync=sync, group=group)
        else:
            staged = staging.stage_written(
                self._write, target, sync=sync, size=self.size, progress=progress, group=group
            )
        if staged.digest != self.digest:
            raise _other_bytes("file", self.digest, staged.digest, self.where)
        return staged

    def _write_and_hash(self, target: Path, *, sync: bool, group: int | None) -> StagedBlob:
        found = hashlib.sha256()
        done = 0
        with open(target, "xb", buffering=0) as writer:
            early = EarlySync(writer.fileno())
            with side_hash(found, self.size) as hash_piece:
                for piece in self.pieces:
                    hash_piece(piece)
                    _write_all(writer, piece)
                    done += len(piece)
                    early.wrote(len(piece))
            make_readonly(writer.fileno(), target, group)
            if sync:
                sync_descriptor(writer.fileno())
            elif done >= SMALL:  # it is synced together with others
                early.wrote_all()
        return StagedBlob(found.hexdigest(), done, target)

    def _write(self, path: Path, report: Callable[[int], None]) -> None:
        done = 0
        with open(path, "r+b", buffering=0) as writer:
            early = EarlySync(writer.fileno())
            for piece in self.pieces:
                _write_all(writer, piece)
                done += len(piece)
                early.wrote(len(piece))
                report(done)
            early.wrote_all()


def _write_all(writer: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[writer.write(rest) :]


class Bundle:
    """An open bundle: what it says, and then the files of its models.

    `open_bundle` makes it. All of its methods raise BundleError if the bundle is broken.

    Attributes:
        record: the manifest of the record of the bundle as a whole.
        omitted: the number of files that manifests name and the bundle does not have.
    """

    record: Manifest
    omitted: int

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        named = DigestList()
        record: Manifest | None = None
        for number, descriptor in enumerate(self.index()):
            layout.take_manifest(number, descriptor)
            manifest = self._manifest(number, descriptor)
            if manifest.artifact_type == bundle_format.RECORD and manifest.subject is None:
                if record is not None:
                    raise broken(INDEX_NAME, "it names two records of the bundle")
                record = manifest
            _note(named, manifest)
        if record is None:
            raise broken(INDEX_NAME, "it names no record of the bundle")
        self.record = record
        self._head, files = _divided(named.sorted())
        layout.take_head(self._head)
        for number in range(len(self._head)):
            for _ in self._read_head(number):
                pass
        omitted = self._read_omitted(record, len(files))
        self.omitted = len(omitted)
        self._files = Rows.of(row for row in files if find(omitted, row[:SHA256]) is None)
        self._images = {unpacked(row)[0] for row in self._files if unpacked(row)[2] == IMAGE}
        if len(self._files) + len(omitted) != len(files):
            raise broken("layer of omitted files", "it has files that no manifest names")

    def index(self) -> Iterator[Descriptor]:
        """Yield the descriptors of all manifests, by digest; one at a time."""
        return bundle_format.read_index(self._layout.index())

    def manifests(self) -> Iterator[tuple[Descriptor, Manifest]]:
        """Yield all manifests with their descriptors, by digest; one is in memory at a time."""
        for number, descriptor in enumerate(self.index()):
            yield descriptor, self._manifest(number, descriptor)

    def read(self, layer: Descriptor) -> Iterator[bytes]:
        """Yield the bytes of a configuration, or of a layer of a record that is not a `FILE`.

        Their digest was checked when the bundle was opened, and is checked again at the end.
        """
        number = find(self._head, bytes.fromhex(layer.digest))
        if number is None or size_in(self._head[number]) != layer.size:
            raise broken(f"layer sha256:{layer.digest[:12]}", "it is not a layer of a record")
        return self._read_head(number)

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield digest and size of the files of models that are in the bundle."""
        for row in chain_of(self._head, self._files):
            digest, size, kind = unpacked(row)
            if kind & FILE:
                yield digest, size

    def blobs(self, wanted: Callable[[str, int], bool]) -> Iterator[BundleBlob]:
        """Yield those files of models that are wanted; call it once.

        Those that are not wanted are passed over, and their bytes are not checked; so are the
        layers of plain images.

        Args:
            wanted: returns True for the digest and size of a file to take.
        """
        for number, row in enumerate(self._head):
            digest, size, kind = unpacked(row)
            if kind & FILE and wanted(digest, size):
                yield BundleBlob(digest, size, self._layout.head(number, row), "")

        def taken(digest: str, size: int) -> bool:
            return digest not in self._images and wanted(digest, size)

        for row, pieces in self._layout.files(self._files, taken):
            digest, size, _ = unpacked(row)
            yield BundleBlob(digest, size, pieces, self._layout.where(row))

    def _manifest(self, number: int, descriptor: Descriptor) -> Manifest:
        pieces: Iterable[bytes]
        if descriptor.size <= SMALL:
            data = b"".join(self._layout.manifest(number, descriptor))
            found = hashlib.sha256(data)
            pieces = [data]
        else:  # it is read twice, so that a changed byte is not called wrong JSON
            found = hashlib.sha256()
            for piece in self._layout.manifest(number, descriptor):
                found.update(piece)
            pieces = self._layout.manifest(number, descriptor)
        if found.hexdigest() != descriptor.digest:
            raise _other_bytes("manifest", descriptor.digest, found.hexdigest(), "")
        return bundle_format.read_manifest(pieces, descriptor.digest)

    def _read_head(self, number: int) -> Iterator[bytes]:
        row = self._head[number]
        found = hashlib.sha256()
        for piece in self._layout.head(number, row):
            found.update(piece)
            yield piece
        digest = row[:SHA256].hex()
        if found.hexdigest() != digest:
            raise _other_bytes("layer", digest, found.hexdigest(), "")

    def _read_omitted(self, record: Manifest, most: int) -> Rows:
        layers = record.of_type(bundle_format.OMITTED)
        if not layers:
            return Rows.of(())
        if len(layers) > 1 or layers[0].size > most * SHA256:
            raise broken("layer of omitted files", "it has files that no manifest names")
        return Rows.of(bundle_format.omitted_digests(self.read(layers[0])))


@contextmanager
def open_bundle(source: Path | BinaryIO, spool: Path | None = None) -> Iterator[Bundle]:
    """Open a bundle, and check all but the files of its models.

    Args:
        source: a file, the first part of one, a folder, or a stream that gives bytes.
        spool: for a stream, a new path of a temporary file. All but the files of models is kept
            there until the end of the block.

    Raises:
        NewerBundleError: a later version of localreg wrote it.
        BundleError: it is broken, cut short, or not a bundle.
        SourceNotFoundError: nothing is at the path.
        InvalidValueError: something else is at the path; or the file changed while it was read.
    """
    if not isinstance(source, Path):
        assert spool is not None, "a stream cannot be read twice"
        with disk_errors("reading the bundle", spool):
            try:
                with open(spool, "x+b") as kept:
                    yield Bundle(TarLayout(StreamBytes(source, kept)))
            finally:
                discard(spool)
    elif source.is_dir():
        with disk_errors("reading the bundle", source):
            yield Bundle(FolderLayout(source))
    else:
        with (
            disk_errors("reading the bundle", source),
            FileBytes(found_parts(source), "source") as read,
        ):
            yield Bundle(TarLayout(read))


def _note(named: DigestList, manifest: Manifest) -> None:
    """Note what a manifest names: in the head, or among the files of models."""
    is_record = manifest.artifact_type == bundle_format.RECORD
    kind = IMAGE if bundle_format.is_image(manifest) else FILE
    named.add(named_row(manifest.config, HEAD))
    for layer in manifest.layers:
        in_head = layer.media_type == EMPTY_TYPE or (
            is_record and layer.media_type != bundle_format.FILE
        )
        named.add(named_row(layer, HEAD if in_head else kind))


def _divided(rows: Rows) -> tuple[Rows, Rows]:
    """Return the rows of the head, and those of files that are not in it."""
    head, files = bytearray(), bytearray()
    for group in grouped(rows):
        digest, size, kind = unpacked(group[0])
        for each in group[1:]:
            other = unpacked(each)
            if other[1] != size:
                raise broken(
                    f"file sha256:{digest[:12]}",
                    f"manifests give it two sizes, {size:,} and {other[1]:,} bytes",
                )
            kind |= other[2]
        part = head if kind & HEAD else files
        part += group[0][:-1] + bytes([kind])
    return Rows(bytes(head), ROW_SIZE), Rows(bytes(files), ROW_SIZE)


def _other_bytes(part: str, wanted: str, found: str, where: str) -> BundleError:
    return broken(
        f"{part} sha256:{wanted[:12]}",
        f"its bytes have the digest {found[:12]}…{where}: they are damaged, or of another bundle",
    )
