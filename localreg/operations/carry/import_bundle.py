"""Take in a bundle: bytes first, while they stream; then what it says, in one transaction."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from localreg.blobs.headers.tar_members import BLOCK, is_tar_header
from localreg.errors import BundleError, InvalidEventError, InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.arrival import Arrived, arrive
from localreg.operations.carry.copies import Copying
from localreg.operations.carry.export import Missing
from localreg.operations.finding.references import check_project_name
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import logged_rows, model_rows
from localreg.values import bundle_format
from localreg.values.bundle_format import LAYOUT_NAME, Descriptor, Manifest, broken
from localreg.values.checks import check_text
from localreg.values.event_lines import read_events
from localreg.values.ids import is_id
from localreg.values.layout import DATABASE, HIDDEN
from localreg.values.manifest import parse_manifest
from localreg.values.records import Owner
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, BinaryIO

    from localreg.blobs.bundles.reading import Bundle
    from localreg.progress import Progress
    from localreg.store.events.change import Change
    from localreg.store.rows.logged_rows import Connection
    from localreg.values.manifest import Manifest as TreeManifest
    from localreg.values.records import LoggedEvent

_NONE = type(None)
_TAR = re.compile(r"\.tar(\.\d+)?$")
_AT_ONCE = 10_000  # ids of events that are looked up together
_LARGEST = 134_217_728  # bytes of what is read at once: notes of a model, files of a package


def import_bundle(
    chain: Chain,
    source: str | os.PathLike[str] | BinaryIO,
    *,
    project: object = None,
    renumber: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Arrived:
    """Take in what a bundle holds and the first registry of a chain lacks.

    Args:
        source: a file, the first of several, a folder, or a stream that gives bytes.
        project: name of a project in which copies are made instead; None for none.
        renumber: where two models have one number, give new ones to the later.
        aliases: set the aliases that the models had, where they are as they were before.
        dry_run: change nothing; a stream is read up to the files of models.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        BundleError: it is not a sound bundle; nothing was recorded, and no bytes were kept.
        SourceNotFoundError: there is no such file.
    """
    registry = chain.first
    registry.store.check_writable()
    place = _check_source(source)
    into = check_project_name(project)
    from localreg.blobs.bundles.reading import open_bundle

    with registry.blobs.temporary("bundle") as spool, open_bundle(place, spool) as bundle:
        return take_bundle(
            chain,
            bundle,
            str(place) if isinstance(place, Path) else "a stream",
            project=into,
            renumber=renumber,
            aliases=aliases,
            dry_run=dry_run,
            progress=progress,
        )


def take_bundle(
    chain: Chain,
    bundle: Bundle,
    source: str,
    *,
    project: str | None,
    renumber: bool,
    aliases: bool,
    dry_run: bool,
    progress: Progress | None,
    then: Callable[[Change], None] | None = None,
) -> Arrived:
    """Take in what an open bundle holds and the first registry of a chain lacks.

    Args:
        source: where it comes from, for the history.
        project: name of the project in which copies are made; checked.
        renumber, aliases, dry_run, progress: as for `import_bundle`.
        then: as for `arrive`.
    """
    incoming = Bundled(bundle, source)
    copies = project is not None or not incoming.history
    incoming.check_needs(chain.first)
    with ArrivingBlobs(chain) as blobs:
        unwanted = set() if copies else incoming.of_removed(chain.first)
        _bring(bundle, incoming, blobs, unwanted, dry_run=dry_run, progress=progress)
        try:
            return arrive(
                chain,
                incoming,
                blobs,
                copied=Copying(project) if copies else None,
                renumber=renumber,
                aliases=aliases,
                dry_run=dry_run,
                then=then,
            )
        except InvalidEventError as error:
            raise broken(f"event {error.event_id}", str(error)) from error


def may_be_bundle(path: Path) -> bool:
    """Return True if a path that exists looks like a bundle, or like a registry by mistake.

    Then `import_bundle` says best what is wrong with it.
    """
    if path.is_dir():
        return any(
            os.path.lexists(path / each) for each in (LAYOUT_NAME, DATABASE, f"{HIDDEN}/{DATABASE}")
        )
    if not path.is_file() or _TAR.search(path.name):
        return True
    with disk_errors("reading what is imported", path), open(path, "rb", buffering=0) as reader:
        return is_tar_header(reader.read(BLOCK))


def _check_source(source: object) -> Path | BinaryIO:
    """Return a path or a stream that may be a bundle."""
    if not isinstance(source, (str, os.PathLike)):
        if not callable(getattr(source, "read", None)):
            raise InvalidValueError(
                f"source must be a path or a file that is open for reading, not "
                f"{type(source).__name__}",
                argument="source",
            )
        return source  # type: ignore[return-value]  # it can be read
    from localreg.filesystem.given_paths import absolute

    path = absolute("source", Path(check_text("source", os.fspath(source), nul=False, empty=False)))
    for place in (path, path / HIDDEN):
        if os.path.lexists(place / DATABASE):
            raise InvalidValueError(
                f"{place} is a registry, not a bundle; `localreg merge {place}` takes in what it "
                "has",
                argument="source",
            )
    if path.is_dir() and not os.path.lexists(path / LAYOUT_NAME):
        raise InvalidValueError(
            f"{path} is no bundle: it has no file {LAYOUT_NAME}; name the file or folder that "
            "`localreg export` wrote",
            argument="source",
        )
    return path


def _bring(
    bundle: Bundle,
    incoming: Bundled,
    blobs: ArrivingBlobs,
    unwanted: set[str],
    *,
    dry_run: bool,
    progress: Progress | None,
) -> None:
    """Take the bytes that are lacking; in a dry run only note them."""

    def is_wanted(digest: str, size: int) -> bool:
        return digest not in unwanted and blobs.lacks(digest, size)

    for layer in incoming.trees:
        if is_wanted(layer.digest, layer.size):
            if dry_run:
                blobs.would_come[layer.digest] = layer.size
            else:
                blobs.add_bytes(incoming.small(layer), layer.digest)
    if dry_run:
        files = {digest: size for digest, size in bundle.files() if is_wanted(digest, size)}
        blobs.would_come |= files
        incoming.note_missing(is_wanted, files)
        return
    total, done = sum(size for _, size in bundle.files()), 0

    def went(count: int, _: int | None) -> None:
        if progress is not None:
            progress(done + count, total)

    for blob in bundle.blobs(is_wanted):
        blobs.add(blob.stage, blob.digest, blob.size, incoming.names.get(blob.digest), went)
        done += blob.size
        if progress is not None:
            progress(done, total)
    blobs.flush()
    incoming.note_missing(is_wanted, blobs.came)


_LAYER = struct.Struct(">32sQ")  # digest and size of a layer
_OWNED = struct.Struct(">32sQ5s16s")  # the same, and the kind and id of its owner
_NO_OWNER = bytes(5)
_ID = 16  # bytes


class Bundled:
    """What a bundle says.

    It may be of 1,000,000 models: what is held of each is a few bytes, and not its manifests.
    """

    def __init__(self, bundle: Bundle, source: str) -> None:
        self._bundle = bundle
        self.source = source
        self.sizes: dict[str, int] = {}  # of files
        self.names: dict[str, str] = {}  # of files, the last part of their paths
        self.trees: list[Descriptor] = []
        self._events = bytearray()  # layers
        self._reports = bytearray()  # layers with owners
        self._models = bytearray()  # ids
        for _, manifest in bundle.manifests():
            if manifest.artifact_type == bundle_format.MODEL:
                for file in manifest.files():
                    self.sizes[file.digest] = file.size
                    self.names.setdefault(file.digest, file.path.rpartition("/")[2])
            elif manifest.artifact_type == bundle_format.RECORD:
                self._note(manifest)
            elif manifest.artifact_type == bundle_format.SIGNATURE:
                self.sizes |= {each.digest: each.size for each in manifest.layers}
        self.history, self.whole = True, False
        self._missing: list[Missing] = []
        self._read_notes(bundle.record.of_type(bundle_format.NOTES))
        self._origins = self._json(bundle.record, bundle_format.ORIGINS) or {}
        if any(type(name) is not str for name in self._origins.values()):
            raise broken("origins", "each must have a name")

    def origins(self) -> dict[str, str]:
        """Return the names of the origins of the events."""
        return self._origins

    def events(self) -> Iterator[LoggedEvent]:
        """Yield the events."""
        for digest, size in _LAYER.iter_unpack(self._events):
            yield from self._events_of(Descriptor(bundle_format.EVENTS, digest.hex(), size))

    def packages(self) -> Iterator[tuple[str, TreeManifest]]:
        """Yield the packages: the digest of the manifest, and the manifest."""
        for layer in self.trees:
            with _named(f"package sha256:{layer.digest[:12]}"):
                manifest = parse_manifest(self.small(layer))
            yield layer.digest, manifest

    def reports(self) -> Iterator[tuple[Owner, Iterator[bytes], int | None]]:
        """Yield what was reported to each model and task: owner, stream, and its size."""
        for digest, size, kind, owner in _OWNED.iter_unpack(self._reports):
            layer = Descriptor(bundle_format.REPORTS, digest.hex(), size)
            if kind == _NO_OWNER:
                raise broken(f"layer sha256:{layer.digest[:12]}", "it says no model or task")
            found = Owner(kind.rstrip(b"\0").decode(), owner.hex())
            yield found, self._bundle.read(layer), size

    def models(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the id of each model, and what it was when it was exported."""
        for _, manifest in self._bundle.manifests():
            if not _is_of_model(manifest):
                continue
            notes = manifest.of_type(bundle_format.NOTES)
            if len(notes) != 1:
                raise broken(self._record_of(manifest), "it must say once what the model is")
            found = self._read_json(notes[0])
            kinds = {"model": dict, "aliases": dict, "signatures": list}
            if any(type(found.get(name)) is not kind for name, kind in kinds.items()):
                raise broken(self._record_of(manifest), "it does not say what the model is")
            yield str(manifest.model), found

    def check_needs(self, registry: OpenRegistry) -> None:
        """Raise BundleError if the registry lacks events that the bundle leaves out."""
        for layer in self._bundle.record.of_type(bundle_format.NEEDS):
            needed = bundle_format.needed_events(self._bundle.read(layer))
            lacking = 0
            with registry.store.read() as connection:
                while some := list(islice(needed, _AT_ONCE)):
                    lacking += len(set(some) - logged_rows.known(connection, some))
            if lacking:
                raise BundleError(
                    f"the bundle leaves out {lacking:,} events that this registry lacks: it holds "
                    "only what is new since another bundle or event; import that one first, or "
                    "export again without --since",
                    part="needed events",
                )

    def of_removed(self, registry: OpenRegistry) -> set[str]:
        """Return the files of models that were removed here, and stay so: nothing else has them."""
        with registry.store.read() as connection:
            removed: set[str] = set()
            for start in range(0, len(self._models), _ID * _AT_ONCE):
                some = bytes(self._models[start : start + _ID * _AT_ONCE])
                ids = [some[at : at + _ID].hex() for at in range(0, len(some), _ID)]
                removed.update(model_rows.removed(connection, ids))
            if removed:
                removed -= self._with_new_events(connection, removed)
        if not removed:
            return set()
        theirs: set[str] = set()
        others: set[str] = set()
        for _, manifest in self._bundle.manifests():
            files = theirs if manifest.model in removed else others
            files.update(layer.digest for layer in manifest.layers)
        return theirs - others

    def _with_new_events(self, connection: Connection, models: set[str]) -> set[str]:
        """Return those of some models of which an event comes that is not here."""
        found: set[str] = set()
        for _, manifest in self._bundle.manifests():
            model = manifest.model
            if model not in models or manifest.artifact_type != bundle_format.RECORD:
                continue
            for layer in manifest.of_type(bundle_format.EVENTS):
                events = self._events_of(layer)
                while some := [each.event_id for each in islice(events, _AT_ONCE)]:
                    if not logged_rows.knows_all(connection, set(some)):
                        found.add(model)
        return found

    def note_missing(self, is_wanted: Callable[[str, int], bool], came: Collection[str]) -> None:
        """Note files that the bundle leaves out, and that are not here, though they should be.

        Call it once, when all bytes came: it lets go of what is known of files.
        """
        self._missing = [
            each
            for each in self._missing
            if each.digest is None or each.size is None or is_wanted(each.digest, each.size)
        ]
        for digest, size in self.sizes.items():
            if digest not in came and is_wanted(digest, size):
                ref = self.names.get(digest) or f"{digest[:12]}…"
                why = "the bundle leaves its bytes out (--since), and they are not here"
                self._missing.append(Missing(ref, digest, size, why))
        self.sizes.clear()  # of 200,000 files they take 60 MB, which the events can use
        self.names.clear()

    def missing(self) -> tuple[Missing, ...]:
        """Return the bytes that the bundle should have, and has not."""
        return tuple(self._missing)

    def _note(self, manifest: Manifest) -> None:
        for layer in manifest.layers:
            if layer.media_type == bundle_format.EVENTS:
                self._events += _LAYER.pack(bytes.fromhex(layer.digest), layer.size)
            elif layer.media_type == bundle_format.REPORTS:
                self._reports += _owned(layer)
            elif layer.media_type == bundle_format.TREE:
                self.trees.append(layer)
            elif layer.media_type == bundle_format.FILE:
                self.sizes[layer.digest] = layer.size
        if manifest.model is not None and is_id(manifest.model) and _is_of_model(manifest):
            self._models += bytes.fromhex(manifest.model)

    def _read_notes(self, layers: list[Descriptor]) -> None:
        """Read what the bundle says of itself, if it does so once."""
        if len(layers) != 1:
            return
        part = f"layer sha256:{layers[0].digest[:12]}"
        for name, value in bundle_format.read_notes(self._bundle.read(layers[0]), part):
            if name == "missing":
                self._missing.append(_missing_of(value))
            elif name == "history":
                self.history = value is True
            elif name == "whole":
                self.whole = value is True

    def _events_of(self, layer: Descriptor) -> Iterator[LoggedEvent]:
        """Yield the events of a layer."""
        return read_events(self._bundle.read(layer), f"layer sha256:{layer.digest[:12]}")

    def _record_of(self, manifest: Manifest) -> str:
        """Return which record one is, for errors: by the name of its model in the bundle."""
        subject = manifest.subject.digest if manifest.subject is not None else None
        refs = [each.ref for each in self._bundle.index() if each.digest == subject]
        return f"record of {(refs and refs[0]) or manifest.model}"

    def _json(self, manifest: Manifest, media_type: str) -> dict[str, Any] | None:
        layers = manifest.of_type(media_type)
        return self._read_json(layers[0]) if len(layers) == 1 else None

    def small(self, layer: Descriptor) -> bytes:
        """Return the bytes of a layer that is read as a whole."""
        if layer.size > _LARGEST:
            part = f"layer sha256:{layer.digest[:12]}"
            raise broken(part, f"it has more than {_LARGEST:,} bytes")
        return b"".join(self._bundle.read(layer))

    def _read_json(self, layer: Descriptor) -> dict[str, Any]:
        part = f"layer sha256:{layer.digest[:12]}"
        found = bundle_format.read_json(self.small(layer), part)
        if type(found) is not dict:
            raise broken(part, "it must be an object")
        return found


def _owned(layer: Descriptor) -> bytes:
    """Return the row of a layer of reports."""
    digest, owner = bytes.fromhex(layer.digest), layer.owner
    if owner is None:
        return _OWNED.pack(digest, layer.size, _NO_OWNER, b"")
    return _OWNED.pack(digest, layer.size, owner.kind.encode(), bytes.fromhex(owner.id))


def _is_of_model(manifest: Manifest) -> bool:
    """Return True for the record of a model version."""
    return (
        manifest.artifact_type == bundle_format.RECORD
        and manifest.subject is not None
        and manifest.model is not None
    )


def _missing_of(noted: object) -> Missing:
    """Return what the bundle says of bytes that it should have, and has not."""
    rules = {"ref": (str,), "digest": (str, _NONE), "size": (int, _NONE), "why": (str,),
             "lost": (bool,)}  # fmt: skip
    if (
        type(noted) is not dict
        or noted.keys() != rules.keys()
        or not all(type(noted[name]) in kinds for name, kinds in rules.items())
        or not (noted["digest"] is None or is_sha256(noted["digest"]))
    ):
        raise broken("record of the bundle", "it does not say which bytes are missing")
    return Missing(**noted)


@contextmanager
def _named(part: str) -> Iterator[None]:
    """A block whose InvalidValueError says which part of the bundle is wrong."""
    try:
        yield
    except InvalidValueError as error:
        raise broken(part, str(error)) from error
