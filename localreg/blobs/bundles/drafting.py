"""Gather what a bundle says, before a byte of it is written: its index comes first in the tar."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain as chain_of
from pathlib import Path

from localreg.blobs.bundles.blob_bytes import sound_pieces
from localreg.blobs.bundles.digests import MOST, SHA256, DigestList, Rows, find, grouped, too_many
from localreg.blobs.bundles.image_layer import ImageLayer, image_layer
from localreg.blobs.bundles.tar_entries import end, entry_size
from localreg.errors import InvalidValueError
from localreg.values import bundle_format
from localreg.values.bundle_format import (
    EMPTY,
    LONGEST_MANIFEST,
    MOST_LAYERS,
    MOST_MANIFESTS,
    Descriptor,
    Manifest,
    ModelFacts,
)
from localreg.values.frozen import Frozen
from localreg.values.manifest import PackageFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.values.records import Owner

_PLACE = struct.Struct(">QQ")  # where it begins in the spool, and its size
_SIZE = struct.Struct(">Q")
_BUFFER = 262_144
ARCHITECTURES = ("amd64", "arm64")  # of images; what runs them looks whether it is theirs


class Draft:
    """A bundle that is being put together; memory does not grow with what records hold.

    Add models and records in any order. The bundle depends on what was added, not on the order.

    Args:
        spool: a new temporary file, open for reading and writing; the caller closes it.
        together: the most files and reports in one record of the bundle; others get records of
            their own, so that no manifest is too large.
    """

    def __init__(self, spool: BinaryIO, together: int = 50_000) -> None:
        self._together = together
        self._spool = spool
        self._end = 0
        self._manifests = DigestList()  # the descriptor follows the manifest in the spool
        self._head = DigestList()
        self._files = DigestList()
        self._omitted = DigestList()
        self._images: dict[str, ImageLayer] = {}  # by digest
        self._has_record = False

    def add_layer(
        self, media_type: str, pieces: Iterable[bytes], owner: Owner | None = None
    ) -> Descriptor:
        """Keep the bytes of a layer of a record, and return its descriptor.

        Args:
            media_type: one of those of `bundle_format`, such as `EVENTS`.
            pieces: its bytes.
            owner: of reports, the model or task that they belong to.
        """
        digest = hashlib.sha256()
        size = 0
        for piece in pieces:
            digest.update(piece)
            self._spool.write(piece)
            size += len(piece)
        self._head.add(digest.digest() + _PLACE.pack(self._end, size))
        self._end += size
        layer = Descriptor(media_type, digest.hexdigest(), size)
        return layer if owner is None else bundle_format.owned(layer, owner)

    def add_file(self, digest: str, size: int, media_type: str = bundle_format.FILE) -> Descriptor:
        """Return the descriptor of a blob for a record, and take the blob into the bundle."""
        self._files.add(bytes.fromhex(digest) + _SIZE.pack(size))
        return Descriptor(media_type, digest, size)

    def add_model(
        self, model: str, ref: str, facts: ModelFacts, files: Sequence[PackageFile]
    ) -> Descriptor:
        """Add the manifest and the configuration of a model version; return the descriptor.

        Args:
            model: its id.
            ref: by which other tools find it: ``vision/resnet:1``.
            facts: what its configuration says.
            files: its weights; they are taken into the bundle. None if it has no bytes.
        """
        config = self.add_layer(
            bundle_format.MODEL_CONFIG_TYPE, [bundle_format.model_config(facts, files)]
        )
        for each in files:
            self._files.add(bytes.fromhex(each.digest) + _SIZE.pack(each.size))
        manifest = bundle_format.model_manifest(model, config, ())
        # One after the other: a package may have 100,000 files.
        layers = bundle_format.file_layers(files) if files else manifest.layers
        return self._add(manifest, layers, ref)

    def add_image(
        self, model: str, ref: str, files: Sequence[PackageFile], find: Callable[[str], Path]
    ) -> None:
        """Add plain images with the files of a model version, one for each of `ARCHITECTURES`.

        Their layer is a second copy of the files. They are read here to find its digest.

        Args:
            model: its id.
            ref: of the image for the first of these machines, such as ``vision/resnet:1-image``;
                that for another one ends with the machine's name.
            files: as for `add_model`.
            find: returns the path of the blob with a digest.

        Raises:
            InvalidValueError: the name of a file has a meaning of its own in images.
            CorruptBlobError: a blob is damaged or missing.
        """
        made = image_layer(files, find)
        self._images[made.digest] = made
        layer = self.add_file(made.digest, made.size, bundle_format.IMAGE_LAYER_TYPE)
        for architecture in ARCHITECTURES:
            config = self.add_layer(
                bundle_format.IMAGE_CONFIG_TYPE,
                [bundle_format.image_config(made.digest, architecture)],
            )
            name = ref if architecture == ARCHITECTURES[0] else f"{ref}-{architecture}"
            self._add(bundle_format.image_manifest(model, config, layer), (layer,), name)

    def add_record(
        self, layers: Iterable[Descriptor], subject: Descriptor | None = None,
        model: str | None = None,
    ) -> Descriptor:  # fmt: skip
        """Add a record: that of a model version, or the one of the bundle.

        Args:
            layers: returned by `add_layer` and `add_file`.
            subject: returned by `add_model`; None for the record of the bundle, which is added
                last.
            model: the id of the model; None for the record of the bundle.
        """
        whole = list(layers)
        if subject is None:
            if self._has_record:
                raise ValueError("a bundle has one record of its own")
            self._has_record = True
            omitted = self._omitted_files()
            if omitted:
                whole.append(self.add_layer(bundle_format.OMITTED, omitted))
        more: list[Descriptor] = []
        if subject is None and len(whole) > self._together:
            whole, more = _parted(whole)
        manifest = bundle_format.record_manifest(whole, subject, model)
        added = self._add(manifest, manifest.layers, None)
        for place in range(0, len(more), self._together):
            manifest = bundle_format.record_manifest(more[place : place + self._together], added)
            self._add(manifest, manifest.layers, None)
        return added

    def add_signature(self, digest: str, size: int, subject: Descriptor, model: str) -> None:
        """Add the manifest of a signature, and take the file that holds it into the bundle.

        Args:
            digest, size: of the file.
            subject: returned by `add_model`.
            model: the id of the model.
        """
        self._files.add(bytes.fromhex(digest) + _SIZE.pack(size))
        manifest = bundle_format.signature_manifest(digest, size, subject, model)
        self._add(manifest, manifest.layers, None)

    def omit(self, digest: str) -> None:
        """Do not take a file into the bundle although models name it: the receiver has it.

        Call it before the record of the bundle is added.
        """
        self._omitted.add(bytes.fromhex(digest))

    def _omitted_files(self) -> Rows:
        """Return those of the omitted digests that are in no other way in the bundle."""
        head, files = self._head.sorted(), self._files.sorted()
        return Rows.of(
            each
            for each in self._omitted.sorted()
            if find(files, each) is not None
            and find(head, each) is None
            and each.hex() != EMPTY.digest
        )

    def _add(self, manifest: Manifest, layers: Iterable[Descriptor], ref: str | None) -> Descriptor:
        digest = hashlib.sha256()
        size = count = 0
        for piece in bundle_format.manifest_pieces(manifest, layers):
            digest.update(piece)
            self._spool.write(piece)
            size += len(piece)
            count += 1  # there are fewer layers than pieces
        if count > MOST_LAYERS or size > LONGEST_MANIFEST:
            raise InvalidValueError(
                f"a manifest has at most {MOST_LAYERS:,} files and {LONGEST_MANIFEST:,} bytes; "
                f"that of {ref or 'a record'} would have about {count:,} files and {size:,} bytes: "
                "export fewer models at a time",
                argument="models",
            )
        found = bundle_format.descriptor_of_manifest(manifest, digest.hexdigest(), size, ref)
        listed = bundle_format.canonical_json(found.encoded())
        self._spool.write(listed)
        self._manifests.add(
            digest.digest() + _PLACE.pack(self._end, size) + _SIZE.pack(len(listed))
        )
        self._end += size + len(listed)
        return found

    def finished(self) -> Contents:
        """Return what the bundle will hold."""
        if not self._has_record:
            raise ValueError("a bundle has a record of its own; add it")
        # The configuration of records.
        self.add_layer(bundle_format.EMPTY_TYPE, [bundle_format.EMPTY_JSON])
        head = _first_of_each(self._head)
        omitted = self._omitted_files()
        files = Rows.of(
            row
            for row in self._files.sorted()
            if find(omitted, row[:SHA256]) is None and find(head, row[:SHA256]) is None
        )
        manifests = _first_of_each(self._manifests)
        if len(manifests) > MOST_MANIFESTS or len(head) + len(files) > MOST:
            raise too_many(MOST)
        return Contents(self._spool, manifests, head, files, self._images)


def _first_of_each(listed: DigestList) -> Rows:
    """Return the first row of each digest."""
    return Rows.of(group[0] for group in grouped(listed.sorted()))


def _parted(layers: list[Descriptor]) -> tuple[list[Descriptor], list[Descriptor]]:
    """Return the layers that say what a bundle is, and those that there may be many of, sorted."""
    few: list[Descriptor] = []
    many: list[Descriptor] = []
    for each in layers:
        is_one_of_many = each.media_type in (bundle_format.FILE, bundle_format.REPORTS)
        (many if is_one_of_many or each.media_type == bundle_format.TREE else few).append(each)
    return few, sorted(many, key=bundle_format.layer_order)


class Contents(Frozen):
    """The entries of a bundle in their order; rows as `Draft` makes them."""

    spool: BinaryIO
    manifests: Rows
    head: Rows
    files: Rows
    images: Mapping[str, ImageLayer]

    def index(self) -> Iterator[bytes]:
        """Yield the bytes of index.json."""
        return bundle_format.index_pieces(map(self._listed, self.manifests))

    def spooled(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        """Yield digest, size and bytes of each manifest, and then of the rest of the head."""
        for row in chain_of(self.manifests, self.head):
            place, size = _PLACE.unpack_from(row, SHA256)
            yield row[:SHA256].hex(), size, self._pieces(place, size)

    def said(self) -> Iterator[tuple[Descriptor, bytes]]:
        """Yield each manifest, with the descriptor that the index has of it."""
        for row in self.manifests:
            place, size = _PLACE.unpack_from(row, SHA256)
            listed = bundle_format.read_json(self._listed(row), bundle_format.INDEX_NAME)
            descriptor = bundle_format.read_descriptor(listed, bundle_format.INDEX_NAME)
            yield descriptor, b"".join(self._pieces(place, size))

    def parts(self) -> Iterator[tuple[str, int, Callable[[], Iterator[bytes]]]]:
        """Yield digest and size of the rest of the head, and what begins to read each part."""
        for row in self.head:
            place, size = _PLACE.unpack_from(row, SHA256)
            yield row[:SHA256].hex(), size, partial(self._pieces, place, size)

    def blobs(self) -> Iterator[tuple[str, int]]:
        """Yield digest and size of each file of a model."""
        for row in self.files:
            yield row[:SHA256].hex(), _SIZE.unpack_from(row, SHA256)[0]

    def pieces(
        self, digest: str, size: int, find: Callable[[str], Path]
    ) -> Iterator[bytes | memoryview]:
        """Yield the bytes of one of `blobs`; be done with a piece before the next one.

        Args:
            find: returns the path of the blob with a digest.

        Raises:
            CorruptBlobError: it is damaged or missing.
        """
        image = self.images.get(digest)
        return sound_pieces(find(digest), digest, size) if image is None else image.pieces(find)

    @property
    def blob_bytes(self) -> int:
        """The number of bytes of all files of models."""
        return sum(size for _, size in self.blobs())

    @property
    def tar_size(self) -> int:
        """The number of bytes of the bundle as a tar."""
        size = entry_size(len(bundle_format.LAYOUT)) + entry_size(sum(map(len, self.index())))
        for row in chain_of(self.manifests, self.head):
            size += entry_size(_PLACE.unpack_from(row, SHA256)[1])
        size += sum(entry_size(each) for _, each in self.blobs())
        return size + len(end(size))

    def _listed(self, row: bytes) -> bytes:
        place, size = _PLACE.unpack_from(row, SHA256)
        return b"".join(self._pieces(place + size, _SIZE.unpack_from(row, SHA256 + 16)[0]))

    def _pieces(self, place: int, size: int) -> Iterator[bytes]:
        self.spool.seek(place)
        while size > 0 and (piece := self.spool.read(min(size, _BUFFER))):
            size -= len(piece)
            yield piece
