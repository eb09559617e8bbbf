"""Write what a bundle of one model version would hold into a container registry.

Blobs first, then the manifest of the version by its digest, then the manifests that refer to it,
and the tag last: who finds the tag finds all. What is there already is not sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from localreg.blobs.bundles.container_registry import (
    LARGEST_MANIFEST,
    ContainerRegistry,
)
from localreg.blobs.bundles.drafting import Contents
from localreg.errors import (
    BundleError,
    DigestMismatchError,
    DownloadError,
    InvalidValueError,
    PathExistsError,
)
from localreg.values import bundle_format
from localreg.values.bundle_format import (
    Descriptor,
    Manifest,
    descriptor_of_manifest,
)
from localreg.values.frozen import Frozen, replace
from localreg.values.oci import OciPlace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


# What the newest record has says all.
_ALWAYS_NEW = (bundle_format.ORIGINS, bundle_format.NOTES, bundle_format.EMPTY_TYPE)


class Pushed(Frozen):
    """What a push wrote.

    Attributes:
        place: with tag and digest.
        blobs, size: how many blobs were sent, and their bytes; the others were there.
    """

    place: OciPlace
    blobs: int
    size: int


def push(
    contents: Contents,
    find: Callable[[str], Path],
    registry: ContainerRegistry,
    place: OciPlace,
    *,
    origin: str,
    others: Iterable[str] = (),
    progress: Progress | None = None,
) -> Pushed:
    """Write a model version, with its record and its signatures.

    Args:
        contents: of a bundle of one model version.
        find: returns the path of the blob with a digest.
        place: with the tag.
        origin: of our registry.
        others: repositories of this registry that may have some of the blobs.
        progress: called with the number of bytes that are there, and with all.

    Raises:
        PathExistsError: the tag names something else.
        CorruptBlobError: a blob is damaged or missing.
        DownloadError, UploadError: the registry does not take it.
    """
    return _Push(contents, find, registry, place, origin, [*others], progress).run()


class _Push:
    def __init__(
        self,
        contents: Contents,
        find: Callable[[str], Path],
        registry: ContainerRegistry,
        place: OciPlace,
        origin: str,
        others: list[str],
        progress: Progress | None,
    ) -> None:
        self._contents = contents
        self._find = find
        self._registry = registry
        self._place = place
        self._origin = origin
        self._others = [each for each in others if each != place.repository]
        self._progress = progress
        self._total = sum(size for *_, size, _ in self._parts())
        self._done = self._sent = self._blobs = 0

    def run(self) -> Pushed:
        model: tuple[Descriptor, bytes] | None = None
        images: list[tuple[Descriptor, bytes]] = []
        referring: list[Manifest] = []
        for descriptor, data in self._contents.said():
            if len(data) > LARGEST_MANIFEST:
                raise InvalidValueError(
                    f"{descriptor.ref or 'the record of a model'} has a manifest of {len(data):,} "
                    f"bytes, and container registries take at most {LARGEST_MANIFEST:,}; export it "
                    "into a file",
                    argument="path",
                )
            if descriptor.artifact_type == bundle_format.MODEL:
                model = descriptor, data
                continue
            manifest = bundle_format.read_manifest([data], descriptor.digest)
            if bundle_format.is_image(manifest):
                images.append((descriptor, data))
            else:
                referring.append(manifest)
        assert model is not None, "a version has a manifest"
        subject, data = model
        self._check_tag(subject, data)
        for digest, size, pieces in self._parts():
            self._put(digest, size, pieces)
        repository = self._place.repository
        self._registry.put_manifest(repository, f"sha256:{subject.digest}", data)
        self._put_referring(subject, referring)
        for image, content in images:
            assert image.ref is not None
            assert subject.ref is not None
            tag = f"{self._place.tag}{image.ref.removeprefix(subject.ref)}"
            self._registry.put_manifest(repository, tag, content)
        assert self._place.tag is not None
        self._registry.put_manifest(repository, self._place.tag, data)
        return Pushed(replace(self._place, digest=subject.digest), self._blobs, self._sent)

    def _parts(self) -> Iterator[tuple[str, int, Callable[[], Iterator[bytes | memoryview]]]]:
        yield from self._contents.parts()
        for digest, size in self._contents.blobs():
            yield digest, size, partial(self._contents.pieces, digest, size, self._find)

    def _check_tag(self, subject: Descriptor, data: bytes) -> None:
        """Raise PathExistsError if the tag names something else than this model version."""
        there = self._registry.manifest(self._place)
        if there is None or there.digest == subject.digest:
            return
        if _model_of(there.data, there.digest) == _model_of(data, subject.digest):
            return  # it was changed since, for example its comment
        raise PathExistsError(
            f"{self._place} exists already, and is something else (sha256:{there.digest[:12]}…); "
            "choose another tag, or delete it there first",
            path=str(self._place),
        )

    def _put(
        self, digest: str, size: int, pieces: Callable[[], Iterator[bytes | memoryview]]
    ) -> None:
        repository = self._place.repository
        begun = self._done
        if not self._registry.has_blob(repository, digest, size):
            mounted = next(
                (each for each in self._others if self._registry.has_blob(each, digest, size)), None
            )
            if self._registry.put_blob(
                repository, digest, size, pieces, mounted=mounted, sent=self._went
            ):
                self._blobs += 1
                self._sent += size
        self._done = begun + size
        self._went(0)

    def _went(self, count: int) -> None:
        self._done = min(self._done + count, self._total)  # some may have been sent twice
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _put_referring(self, subject: Descriptor, manifests: list[Manifest]) -> None:
        """Write the records and signatures, and let them be found by the model version."""
        repository = self._place.repository
        added: dict[str, Descriptor] = {}
        records: list[Manifest] = []
        listed = True
        for each in manifests:
            made = each
            if each.artifact_type == bundle_format.RECORD:
                made = bundle_format.record_in_registry(each, subject, self._origin)
                records.append(made)
            data = made.encoded()
            digest = hashlib.sha256(data).hexdigest()
            added[digest] = descriptor_of_manifest(made, digest, len(data))
            listed &= self._registry.put_manifest(repository, f"sha256:{digest}", data)
        dropped = self._replaced(subject, added, records)
        self._registry.list_referrers(
            repository, subject.digest, added.values(), dropped, listed=listed
        )

    def _replaced(
        self, subject: Descriptor, added: Collection[str], records: list[Manifest]
    ) -> list[str]:
        """Return the digests of older records that say nothing but what the new ones say."""
        repository = self._place.repository
        kinds = [bundle_format.RECORD]
        old = [
            each.digest
            for each in self._registry.referrers(repository, subject.digest, kinds)
            if each.digest not in added and each.artifact_type == bundle_format.RECORD
        ]
        if not old:
            return []
        layers = {layer.digest: layer for each in records for layer in each.layers}
        events = {
            name
            for digest, _, pieces in self._contents.parts()
            if digest in layers and layers[digest].media_type == bundle_format.EVENTS
            for name in _event_ids(pieces())
        }
        found = []
        for digest in old:
            # What cannot be read stays, and who reads it decides.
            with suppress(BundleError, DownloadError, DigestMismatchError):
                place = OciPlace(self._place.host, repository, digest=digest)
                there = self._registry.manifest(place)
                if there is None:
                    continue
                record = bundle_format.read_manifest([there.data], digest)
                # Anybody may write the list.
                is_one = record.artifact_type == bundle_format.RECORD and (
                    record.subject is not None and record.subject.digest == subject.digest
                )
                if is_one and self._says_less(record, layers, events):
                    found.append(digest)
        return found

    def _says_less(self, old: Manifest, layers: Collection[str], events: Collection[str]) -> bool:
        """Return True if the new records say all that an old one says."""
        for layer in old.layers:
            if layer.digest in layers or layer.media_type in _ALWAYS_NEW:
                continue
            if layer.media_type == bundle_format.REPORTS:
                # What was reported to a model is no event: another registry may know more of it.
                if old.origin != self._origin:
                    return False
            elif layer.media_type != bundle_format.EVENTS or layer.size > LARGEST_MANIFEST:
                return False
            else:
                data = self._registry.small_blob(self._place.repository, layer.digest, layer.size)
                if not all(each in events for each in _event_ids([data])):
                    return False
        return True


def _event_ids(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the ids of the events in a layer of a record."""
    for found in bundle_format.read_lines(pieces, "events"):
        yield str(found.get("event_id")) if isinstance(found, dict) else ""


def _model_of(data: bytes, digest: str) -> str | None:
    """Return the id of the model that a manifest is of; None if it is of none."""
    try:
        return bundle_format.read_manifest([data], digest).model
    except BundleError:  # an index, or something else
        return None
