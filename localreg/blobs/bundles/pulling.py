"""Read a model version out of a container registry, as the bundle that it would be.

What the registry says of it is written into a temporary folder, an OCI image layout with the record
of a bundle, and read as every bundle is. The files of the model are then downloaded one by one.

- Several pushes of one version may each have brought a record, from registries that went their own
  ways. Here they become one: the events of all of them count, as in a merge.
- A manifest without a record of ours, which another tool wrote, gets one that has no history: what
  it says becomes a new model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.archives.unpacking import limits_from_environment, unpack
from localreg.blobs.bundles.container_registry import (
    LARGEST_MANIFEST,
    SMALL,
    ContainerRegistry,
    FoundManifest,
    manifests_in,
)
from localreg.blobs.bundles.digests import SHA256, Rows
from localreg.blobs.bundles.folder_layout import FolderLayout
from localreg.blobs.bundles.reading import Bundle, BundleBlob
from localreg.blobs.bundles.rows import FILE, size_in, unpacked
from localreg.blobs.folders import Folders
from localreg.blobs.staging.hashing import file_digest
from localreg.blobs.staging.staging import StagedBlob, check_room
from localreg.errors import ArchiveError, BundleError, InvalidValueError, SignatureError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import make_readonly_at, replace_file
from localreg.values import bundle_format
from localreg.values.bundle_format import (
    BLOBS_NAME,
    EMPTY,
    EMPTY_JSON,
    INDEX_NAME,
    INDEX_TYPE,
    LAYOUT,
    LAYOUT_NAME,
    MANIFEST_TYPE,
    Descriptor,
    Manifest,
    broken,
    descriptor_of_manifest,
)
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import ID_LENGTH, is_id
from localreg.values.manifest import PackageFile, make_manifest
from localreg.values.oci import OciPlace, is_referrers_tag
from localreg.values.records import ModelRecord, Project, WeightsRecord
from localreg.values.signatures import LARGEST, MEDIA_TYPE, SignedFile, parse_bundle, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.progress import Progress
    from localreg.values.manifest import Manifest as TreeManifest
    from localreg.values.records import Json

_MOST_NAMED = 10
_MOST_SIGNED = 4 * LARGEST  # bytes of signatures that others have added and that are looked at
_LARGEST_SIGNING = 16_384  # bytes of the manifest of a signature
_UNPACK = "io.deis.oras.content.unpack"
_ENDINGS = {"": ".tar", "gzip": ".tar.gz", "bz2": ".tar.bz2", "xz": ".tar.xz"}


class Pulled(Frozen):
    """A model version in a container registry.

    Attributes:
        bundle: what it says, and its files.
        place: where it is, with tag and digest.
        model: the id of the model; None if it has no record, and becomes a new one.
        signatures: what its history may lack, since others have added it: signatures of its files,
            as events record them; each also for a package of the only file.
    """

    bundle: Bundle
    place: OciPlace
    model: str | None
    signatures: tuple[Json, ...]


@contextmanager
def open_pulled(registry: ContainerRegistry, place: OciPlace, folders: Folders) -> Iterator[Pulled]:
    """Open what is at a place as a bundle, and check all but the files of the model.

    Args:
        folders: of the registry that the bytes come into.

    Raises:
        SourceNotFoundError: nothing is there.
        InvalidValueError: no tag was given, and there are several.
        BundleError: it is not a model, or is broken.
        DigestMismatchError: the container registry serves other bytes.
        DownloadError: it does not give them.
    """
    with folders.temporary_folder("bundle") as folder:
        pulling = _Pulling(registry, place, folder)
        with disk_errors("reading the bundle", folder):
            pulling.write()
            layout = _Layout(folder, pulling.fetch)
            bundle = _Bundle(layout, registry, pulling.place.repository, folders)
            yield Pulled(bundle, pulling.place, pulling.model, tuple(pulling.unknown))


class _Pulling:
    """Writes into a folder what a container registry says of a model version."""

    def __init__(self, registry: ContainerRegistry, place: OciPlace, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._blobs = folder.joinpath(*BLOBS_NAME.rstrip("/").split("/"))
        self._listed: dict[str, Descriptor] = {}
        self.model: str | None = None
        self.unknown: list[Json] = []
        self._room = _MOST_SIGNED
        self.place = place if place.reference else replace(place, tag=self._only_tag(place))

    def write(self) -> None:
        """Write all but the parts of records, which are fetched when they are asked for."""
        found = self._model()
        self.place = replace(self.place, digest=found.digest)
        model = bundle_format.read_manifest([found.data], found.digest)
        _check_kind(model, found, str(self.place))
        self._blobs.mkdir(parents=True)
        (self._folder / LAYOUT_NAME).write_bytes(LAYOUT)
        (self._blobs / EMPTY.digest).write_bytes(EMPTY_JSON)
        subject = descriptor_of_manifest(model, found.digest, len(found.data), self._ref())
        records, signatures = self._referring(subject, model.model)
        if any(each.model is not None for each in records):
            self.model = model.model
            self._list(subject, found.data)
            self._write_records(subject, records)
            for each in signatures:
                sound = self._signed(each, model.files()) if each.model is None else []
                if each.model is not None or sound:  # its record names it, or it is of the files
                    self._add(each)
                    self.unknown += sound
        else:
            self._write_foreign(model, found, signatures)
        listed = (
            bundle_format.canonical_json(each.encoded()) for _, each in sorted(self._listed.items())
        )
        (self._folder / INDEX_NAME).write_bytes(b"".join(bundle_format.index_pieces(listed)))

    def fetch(self, digest: str, size: int) -> None:
        """Download a part of a record, or a configuration, if it is not here."""
        path = self._blobs / digest
        if path.exists():
            return
        repository = self.place.repository
        if size <= SMALL:
            path.write_bytes(self._registry.small_blob(repository, digest, size))
            return
        check_room(self._folder, size)
        url = self._registry.blob_url(repository, digest)
        self._registry.download_blob(url, path, digest, size=size, durable=False)

    def _ref(self) -> str:
        tag = "" if self.place.tag is None else f":{self.place.tag}"
        return f"{self.place.repository}{tag}"

    def _only_tag(self, place: OciPlace) -> str:
        tags = [
            each for each in self._registry.tags(place.repository) if not is_referrers_tag(each)
        ]
        if len(tags) == 1:
            return tags[0]
        named = ", ".join(sorted(tags)[:_MOST_NAMED]) + ("…" if len(tags) > _MOST_NAMED else "")
        raise InvalidValueError(
            f"{place} names no tag, and there are {len(tags):,}{': ' if tags else ''}{named}; "
            f"name one: {place}:TAG",
            argument="source",
        )

    def _model(self) -> FoundManifest:
        """Return the manifest of the model version; of a list, that of the only one in it."""
        found = self._registry.manifest(self.place)
        if found is None:
            raise self._registry.not_found(self.place)
        is_known = found.media_type in (MANIFEST_TYPE, INDEX_TYPE)
        says_so = not is_known and b'"manifests"' in found.data[:4_096]
        if found.media_type == INDEX_TYPE or says_so:
            listed = manifests_in(found.data, str(self.place))
            models = [each for each in listed if each.artifact_type == bundle_format.MODEL]
            if len(models) != 1:
                named = ", ".join(f"sha256:{each.digest}" for each in listed[:_MOST_NAMED])
                raise broken(
                    str(self.place),
                    f"it is a list of {len(listed):,} manifests, and {len(models):,} of them are "
                    "models",
                    f"name one by its digest: {named}" if listed else "name another one",
                )
            self.place = replace(self.place, digest=models[0].digest)
            found = self._registry.manifest(self.place)
            if found is None:
                raise self._registry.not_found(self.place)
        return found

    def _referring(
        self, subject: Descriptor, model: str | None
    ) -> tuple[list[Manifest], list[Manifest]]:
        """Return the records and the signatures of a model version."""
        records: list[Manifest] = []
        signatures: list[Manifest] = []
        kinds = {bundle_format.RECORD: records, MEDIA_TYPE: signatures}
        room = 2 * LARGEST_MANIFEST  # bytes of manifests that are in memory together
        # skopeo copies a list without what each manifest is.
        for each in self._registry.referrers(self.place.repository, subject.digest, kinds):
            there = self._registry.manifest(
                OciPlace(self.place.host, self.place.repository, digest=each.digest)
            )
            if there is None:  # it was deleted, or did not come along
                continue
            if each.artifact_type == MEDIA_TYPE:
                if len(there.data) > _LARGEST_SIGNING:  # strangers may add as many as they like
                    continue
            else:
                room -= len(there.data)
            if room < 0:
                raise broken(
                    str(self.place), "what refers to it is too much", "delete old records of it"
                )
            try:
                manifest = bundle_format.read_manifest([there.data], there.digest)
            except BundleError:
                if each.artifact_type == MEDIA_TYPE:  # it would never count
                    continue
                raise
            # Anybody may write the list.
            if manifest.subject is None or manifest.subject.digest != subject.digest:
                continue
            if manifest.model not in (None, model):
                continue
            is_large = any(layer.size > LARGEST for layer in manifest.layers)
            if manifest.artifact_type != MEDIA_TYPE or not is_large:
                kinds.get(manifest.artifact_type or "", []).append(manifest)
        return records, signatures

    def _write_records(self, subject: Descriptor, records: list[Manifest]) -> None:
        """Write one record of the model, and one of the bundle."""
        shared = [each for each in records if each.model is None]
        for each in shared:
            bundle_format.check_format(each.annotations)
        own: dict[str, list[Manifest]] = {}
        for each in records:
            if each.model is not None:
                own.setdefault(each.model, []).append(each)
        for model, found in own.items():
            best = max(found, key=_amount)  # history only grows
            layers = _once(found, without=(bundle_format.NOTES,))
            layers += best.of_type(bundle_format.NOTES)
            self._add(bundle_format.record_manifest(layers, subject, model))
        layers = _once(shared, without=(bundle_format.NOTES, bundle_format.ORIGINS))
        layers.append(self._part(bundle_format.ORIGINS, self._origins(shared)))
        notes = self._notes(shared)
        if notes["history"] and not any(each.of_type(bundle_format.EVENTS) for each in records):
            raise broken(
                str(self.place),
                "its record has no history that localreg reads",
                "update localreg, or export it again",
            )
        layers.append(self._part(bundle_format.NOTES, notes))
        self._add(bundle_format.record_manifest(layers))

    def _origins(self, shared: list[Manifest]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each in self._objects(shared, bundle_format.ORIGINS):
            found = each | found
        return found

    def _notes(self, shared: list[Manifest]) -> dict[str, Any]:
        found = self._objects(shared, bundle_format.NOTES)
        missing = [each for notes in found for each in notes.get("missing") or []]
        history = [each.get("history", True) for each in found]
        return {"v": 1, "history": any(history) or not history, "whole": False, "missing": missing}

    def _objects(self, manifests: list[Manifest], media_type: str) -> list[dict[str, Any]]:
        """Return the JSON objects in the layers of a media type."""
        found = []
        for manifest in manifests:
            for layer in manifest.of_type(media_type):
                part = f"layer sha256:{layer.digest[:12]}"
                if layer.size > LARGEST_MANIFEST:
                    raise broken(part, f"it has more than {LARGEST_MANIFEST:,} bytes")
                self.fetch(layer.digest, layer.size)
                value = bundle_format.read_json((self._blobs / layer.digest).read_bytes(), part)
                if type(value) is not dict:
                    raise broken(part, "it must be an object")
                found.append(value)
        return found

    def _write_foreign(
        self, model: Manifest, found: FoundManifest, signatures: list[Manifest]
    ) -> None:
        """Write a model and a record without history for what another tool has pushed."""
        files = self._files(model)
        known = model.model if model.model is not None and is_id(model.model) else None
        source = known or hashlib.sha256(f"oci\n{found.digest}".encode()).hexdigest()[:ID_LENGTH]
        name, comment = self._said(model)
        layers = [Descriptor(bundle_format.FILE, each.digest, each.size) for each in files]
        if len(files) == 1 and "/" not in files[0].path:
            digest, size, total = files[0].digest, files[0].size, None
            filename: str | None = files[0].path
        else:
            tree = _tree(files, str(self.place))
            layers.append(self._bytes(bundle_format.TREE, tree.encoded()))
            digest, size, total = layers[-1].digest, layers[-1].size, tree.total
            filename = name.rpartition("/")[2]
        weights = WeightsRecord(
            id=source,
            filename=filename,
            digest=digest,
            size=size,
            package=total is not None,
            tree=total is not None,
            total=total,
            kept=True,
        )
        project, _, last = name.rpartition("/")
        record = ModelRecord(
            id=source,
            name=last,
            project=Project(source, project) if project else None,
            version=1,
            comment=comment,
            package=total is not None,
            labels={},
            metadata={},
            weights=(weights,),
        )
        signed: list[Json] = []
        for each in signatures:
            if sound := self._signed(each, files):
                self._add(each)
                signed += [signature for signature in sound if signature["digest"] == digest]
        notes = {"v": 1, "model": record.payload(), "aliases": {}, "signatures": signed}
        layers.append(self._part(bundle_format.NOTES, notes))
        made = bundle_format.model_manifest(source, EMPTY, files)
        subject = self._add(made, self._ref())
        self._add(bundle_format.record_manifest(_each_once(layers), subject, source))
        shared = {"v": 1, "history": False, "whole": False, "missing": []}
        origins = self._part(bundle_format.ORIGINS, {})
        self._add(bundle_format.record_manifest([origins, self._part(bundle_format.NOTES, shared)]))

    def _files(self, model: Manifest) -> list[PackageFile]:
        """Return the files of a manifest of another tool; those in archives are here then."""
        plain = [each for each in model.layers if _archive_ending(each) is None]
        files = replace(model, layers=tuple(plain)).files()
        for each in model.layers:
            ending = _archive_ending(each)
            if ending is not None:
                files += self._unpacked(each, ending)
        if not files:
            raise broken(str(self.place), "it has no files", "name another one")
        return files

    def _unpacked(self, layer: Descriptor, ending: str) -> list[PackageFile]:
        """Download an archive, and put what is in it where other parts of the bundle are."""
        part = f"layer sha256:{layer.digest[:12]}"
        if not ending:
            raise broken(
                part,
                f"it is an archive that localreg does not read ({shown(layer.media_type)})",
                "pull it with the tool that made it, and add the files by `localreg add`",
            )
        archive, folder = self._folder / f"archive{ending}", self._folder / "unpacked"
        url = self._registry.blob_url(self.place.repository, layer.digest)
        self._registry.download_blob(url, archive, layer.digest, size=layer.size, durable=False)
        folder.mkdir()
        try:
            found = unpack(archive, archive.name, folder, limits_from_environment())
        except ArchiveError as error:
            raise broken(part, str(error).replace(str(archive), "the archive")) from error
        files = []
        for each in found.files:
            digest, size = file_digest(each.path), each.path.stat().st_size
            files.append(PackageFile(each.name, digest, size, each.executable))
            replace_file(each.path, self._blobs / digest)
        folder.rmdir()
        archive.unlink()
        return files

    def _said(self, model: Manifest) -> tuple[str, str | None]:
        """Return the name of a model, with its project, and its description."""
        name, comment = None, None
        if model.config.media_type == bundle_format.MODEL_CONFIG_TYPE:
            for config in self._objects(
                [replace(model, layers=(model.config,))], model.config.media_type
            ):
                said = config.get("descriptor")
                if type(said) is dict:
                    name, comment = said.get("name"), said.get("description")
        if type(name) is not str or not name.strip("/") or len(name) > 1_000:
            name = self.place.repository
        return name.strip("/"), comment if type(comment) is str else None

    def _signed(self, manifest: Manifest, files: list[PackageFile]) -> list[Json]:
        """Return what of a manifest is a signature of files, as events record it."""
        if not files or len(manifest.layers) != 1:  # each manifest has one signature
            return []
        listed = [SignedFile(each.path, each.digest) for each in files]
        found: list[Json] = []
        for layer in manifest.of_type(MEDIA_TYPE):
            # Whoever may write there may add any number of them.
            self._room -= layer.size
            if self._room < 0:
                break
            self.fetch(layer.digest, layer.size)
            with suppress(SignatureError):  # it would never count
                signed = parse_bundle((self._blobs / layer.digest).read_bytes())
                file = {"signature": layer.digest, "size": layer.size, "signer": signed.signer}
                if len(files) == 1 and not problems(signed, listed, package=False, ref=""):
                    found.append({"digest": files[0].digest} | file)
                if not problems(signed, listed, package=True, ref=""):
                    found.append(
                        {"digest": hashlib.sha256(_tree(files, "").encoded()).hexdigest()} | file
                    )
        return found

    def _part(self, media_type: str, value: object) -> Descriptor:
        return self._bytes(media_type, bundle_format.canonical_json(value))

    def _bytes(self, media_type: str, data: bytes) -> Descriptor:
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return Descriptor(media_type, digest, len(data))

    def _add(self, manifest: Manifest, ref: str | None = None) -> Descriptor:
        data = manifest.encoded()
        digest = hashlib.sha256(data).hexdigest()
        return self._list(descriptor_of_manifest(manifest, digest, len(data), ref), data)

    def _list(self, descriptor: Descriptor, data: bytes) -> Descriptor:
        (self._blobs / descriptor.digest).write_bytes(data)
        self._listed[descriptor.digest] = descriptor
        return descriptor


class _Layout(FolderLayout):
    """The folder, into which parts of records come when they are asked for."""

    def __init__(self, folder: Path, fetch: Callable[[str, int], None]) -> None:
        super().__init__(folder)
        self._fetch = fetch

    def take_head(self, rows: Rows) -> None:
        """Fetch all of the head."""
        for row in rows:
            self._fetch(row[:SHA256].hex(), size_in(row))
        super().take_head(rows)

    def has(self, digest: str) -> bool:
        """Return True if the bytes of a file are here, since they came in an archive."""
        return (self._blobs / digest).exists()

    def file(self, digest: str, size: int) -> Iterator[bytes]:
        """Yield the bytes of such a file."""
        return self._entry("file", digest, size)


class _Bundle(Bundle):
    """A bundle whose files are in a container registry."""

    def __init__(
        self, layout: _Layout, registry: ContainerRegistry, repository: str, folders: Folders
    ) -> None:
        super().__init__(layout)
        self._pulled = layout
        self._registry = registry
        self._repository = repository
        self._folders = folders

    def blobs(self, wanted: Callable[[str, int], bool]) -> Iterator[BundleBlob]:
        """Yield those files of models that are wanted."""
        for number, row in enumerate(self._head):
            digest, size, kind = unpacked(row)
            if kind & FILE and wanted(digest, size):
                yield BundleBlob(digest, size, self._layout.head(number, row), "")
        for row in self._files:
            digest, size, _ = unpacked(row)
            if not wanted(digest, size):
                continue
            if self._pulled.has(digest):
                yield BundleBlob(digest, size, self._pulled.file(digest, size), "")
            else:
                yield _PulledBlob(
                    digest, size, iter(()), "", self._registry, self._repository, self._folders
                )


class _PulledBlob(BundleBlob):
    """A file of a model in a container registry."""

    registry: ContainerRegistry
    repository: str
    folders: Folders

    def stage(
        self,
        target: Path,
        *,
        sync: bool,
        progress: Progress | None = None,
        group: int | None = None,
    ) -> StagedBlob:
        """Download it to a path; a part that an earlier process downloaded is continued."""
        from localreg.blobs.transfer.url_lock import download_folder, sole_download

        if self.size <= SMALL:
            data = self.registry.small_blob(self.repository, self.digest, self.size)
            target.write_bytes(data)
        else:
            url = self.registry.blob_url(self.repository, self.digest)
            with sole_download(self.folders, url), download_folder(self.folders, url) as part:
                self.registry.download_blob(
                    url, part, self.digest, size=self.size, durable=sync, progress=progress
                )
                replace_file(part, target)
        make_readonly_at(target, group)
        return StagedBlob(self.digest, self.size, target)


def _check_kind(manifest: Manifest, found: FoundManifest, place: str) -> None:
    """Raise BundleError for what is no model and no artifact with files."""
    if bundle_format.is_image(manifest) or found.media_type not in ("", MANIFEST_TYPE):
        raise broken(place, "it is a container image, not a model", "name a model")
    if manifest.artifact_type in (bundle_format.RECORD, MEDIA_TYPE):
        raise broken(place, "it is the record or a signature of a model", "name the model")


def _tree(files: list[PackageFile], place: str) -> TreeManifest:
    """Return the manifest of a package of files."""
    try:
        return make_manifest(files, [])
    except InvalidValueError as error:
        raise broken(place, str(error)) from error


def _archive_ending(layer: Descriptor) -> str | None:
    """Return the ending of an archive of files by its media type; None for a file.

    It is "" for an archive of a kind that is not known. It becomes part of a path, so nothing of
    the media type is in it.

    >>> from localreg.values.bundle_format import Descriptor
    >>> _archive_ending(Descriptor("application/vnd.cncf.model.weight.v1.tar+gzip", "ab", 1))
    '.tar.gz'
    >>> _archive_ending(Descriptor("application/vnd.cncf.model.weight.v1.raw", "ab", 1))
    >>> _archive_ending(Descriptor("application/vnd.cncf.model.weight.v1.tar+zstd", "ab", 1))
    ''
    """
    name, _, packed = layer.media_type.partition("+")
    is_file = layer.media_type == bundle_format.IMAGE_LAYER_TYPE
    if is_file and layer.annotations.get(_UNPACK) != "true":
        return None  # oras calls each file so; a folder that it packs has +gzip, or a mark
    if name.endswith(".tar"):
        return _ENDINGS.get(packed, "")
    return ".tar.gz" if name.endswith((".tar.gz", ".tgz")) else None


def _amount(record: Manifest) -> tuple[int, str]:
    """Return how much history a record has."""
    events = record.of_type(bundle_format.EVENTS)
    return sum(each.size for each in events), max((each.digest for each in events), default="")


def _once(records: list[Manifest], *, without: tuple[str, ...]) -> list[Descriptor]:
    """Return the layers of records, each once."""
    return _each_once(
        [
            layer
            for each in records
            for layer in each.layers
            if layer.media_type not in without and layer != EMPTY
        ]
    )


def _each_once(layers: list[Descriptor]) -> list[Descriptor]:
    found = {bundle_format.layer_order(each): each for each in layers}
    return [found[key] for key in sorted(found)]
