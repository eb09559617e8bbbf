"""Write a bundle of models: their weights, history and reports, and the tasks that made them.

First all that is said of them is put together in one read transaction, in a temporary file; then it
is written together with the blobs. Nothing is written to the registry.

What goes where: the events of a model, its reports and what it is now are in its own record; the
events of tasks, projects and aliases, and the reports of tasks, in the record of the bundle. Events
are in the order of the fold, so every registry that has the same events writes the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain as chain_of
from pathlib import Path

from localreg.errors import InvalidValueError, NotFoundError, PathExistsError
from localreg.operations.carry.baselines import Baseline, baseline_of
from localreg.operations.carry.selection import Selection
from localreg.operations.weights.locations import holder
from localreg.operations.weights.remote_bytes import should_have
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import (
    blob_rows,
    carried_blobs,
    claim_rows,
    logged_rows,
    model_rows,
    report_transfer,
    task_rows,
    tree_rows,
)
from localreg.values import bundle_format
from localreg.values.bundle_format import Descriptor, ModelFacts
from localreg.values.event_lines import event_line
from localreg.values.frozen import Frozen, replace, values
from localreg.values.manifest import PackageFile
from localreg.values.records import ModelRecord, Owner, WeightsRecord
from localreg.values.urls import local_path, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.blobs.bundles.drafting import Contents, Draft
    from localreg.progress import Progress
    from localreg.store.rows.logged_rows import Connection
    from localreg.values.records import Json, LoggedEvent

ENDING = ".tar"
_COMPRESSED = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z"})
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')


class ExportedModel(Frozen):
    """A model in a bundle: its id, its reference, and the bytes of its weights."""

    id: str
    ref: str
    size: int


class Missing(Frozen):
    """Bytes that do not travel.

    Attributes:
        ref: the model or task that has them.
        digest, size: None if they are not known.
        why: as text.
        lost: True if the registry must have them: they may be nowhere else.
    """

    ref: str
    digest: str | None
    size: int | None
    why: str
    lost: bool = False


class Exported(Frozen):
    """A bundle that was written, or would be.

    Attributes:
        paths: its files, or its folder; none if it went to a stream.
        models: what is in it.
        tasks, events, blobs: how many are in it.
        size: the number of bytes of the bundle.
        missing: bytes that its models need, and that are not in it.
        dry_run: True if nothing was written.
    """

    paths: tuple[str, ...]
    models: tuple[ExportedModel, ...]
    tasks: int
    events: int
    blobs: int
    size: int
    missing: tuple[Missing, ...]
    dry_run: bool

    @property
    def path(self) -> str | None:
        """The file, the first of the files, or the folder; None if it went to a stream."""
        return self.paths[0] if self.paths else None


class Drafted(Frozen):
    """A bundle before it is written.

    Attributes:
        contents: what it will hold.
        find: returns the path of the blob with a digest.
        result: returns what was written; it takes the paths, and ``dry_run``.
    """

    contents: Contents
    find: Callable[[str], Path]
    result: Callable[..., Exported]


def default_name(chosen: Selection) -> str:
    """Return the name of a bundle in the working directory: of one model ``resnet-1.tar``."""
    if len(chosen.found) != 1 or chosen.everything:
        return f"models{ENDING}"
    found = chosen.found[0]
    with found.registry.store.read() as connection:
        row = model_rows.model_row(connection, found.id)
    if row is None:
        return f"models{ENDING}"
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in row.name)
    return f"{name.lstrip('.') or 'model'}-{row.version}{ENDING}"


def export(
    chain: Chain,
    chosen: Selection,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    since: str | os.PathLike[str] | None = None,
    reports: bool = True,
    history: bool = True,
    image: bool = False,
    split: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a bundle of the chosen models.

    Args:
        target: a new file whose name ends with ".tar", a new folder, or a stream for bytes.
        since: a bundle, or the first digits of an event's id; what they show is left out.
        reports: with scalars, plots and log lines.
        history: with events; without them only what the models are now, for copies.
        image: add a plain image with the files below ``/models``.
        split: write several files of at most so many bytes.
        dry_run: write nothing.
        progress: called with the bytes written so far, and with all bytes.

    Raises:
        InvalidValueError: the target cannot be used.
        PathExistsError: something is there.
        CorruptBlobError: stored bytes are damaged; nothing was written.
    """
    path = None if dry_run else _check_target(target, split)
    with (
        drafted(chain, chosen, since=since, reports=reports, history=history, image=image) as draft,
        ExitStack() as stack,
    ):
        if path is not None and not chain.first.store.readonly:
            stack.enter_context(chain.first.blobs.writing_outside(path.parent))
        paths = [] if dry_run else _write(draft, target, path, split, progress)
        return draft.result(tuple(map(str, paths)), dry_run=dry_run)


@contextmanager
def drafted(
    chain: Chain,
    chosen: Selection,
    *,
    since: str | os.PathLike[str] | None = None,
    reports: bool = True,
    history: bool = True,
    image: bool = False,
) -> Iterator[Drafted]:
    """Yield what a bundle of the chosen models will hold; nothing of it is written yet.

    Args:
        since, reports, history, image: as for `export`.
    """
    for registry in dict.fromkeys(each.registry for each in chosen.found):
        if not registry.store.readonly:
            registry.store.flush()  # what this process reported just now
    with ExitStack() as stack:
        from localreg.blobs.bundles.drafting import Draft

        draft = Draft(stack.enter_context(_spool(chain.first)))
        base = stack.enter_context(baseline_of(chain.first, since))
        exporting = _Exporting(chain, chosen, draft, base, reports=reports, history=history)
        exporting.run(image=image)
        contents = draft.finished()
        yield Drafted(contents, exporting.path_of, partial(exporting.result, contents))


def _check_target(target: object, split: int | None) -> Path | None:
    """Return the path to write to; None for a stream."""
    if not isinstance(target, (str, os.PathLike)):
        if split is not None:
            raise InvalidValueError("split needs a path, not a stream", argument="split")
        if not callable(getattr(target, "write", None)):
            raise InvalidValueError(
                f"path must be a path or a file that is open for writing, not "
                f"{type(target).__name__}",
                argument="path",
            )
        return None
    from localreg.filesystem.given_paths import absolute
    from localreg.values.checks import check_text

    text = check_text("path", os.fspath(target), nul=False, empty=False)
    path = absolute("path", Path(text))
    if split is not None and path.suffix != ENDING:
        raise InvalidValueError(f"split needs a path that ends with {ENDING}", argument="split")
    if path.suffix.lower() in _COMPRESSED:
        raise InvalidValueError(
            f"{path.name} cannot be a bundle, which is never compressed: name a file that ends "
            f"with {ENDING}, or a folder",
            argument="path",
        )
    if path.suffix == ENDING and os.path.lexists(path):
        raise PathExistsError(
            f"{path} exists already; choose another name, or delete it first", path=str(path)
        )
    return path


@contextmanager
def _spool(registry: OpenRegistry) -> Iterator[BinaryIO]:
    """Yield a temporary file: in the registry, or with the system's if it is read-only."""
    if registry.store.readonly:
        import tempfile

        with tempfile.TemporaryFile() as file:
            yield file
        return
    with registry.blobs.temporary("bundle") as path, open(path, "x+b") as file:
        yield file


def _write(
    draft: Drafted,
    target: object,
    path: Path | None,
    split: int | None,
    progress: Progress | None,
) -> list[Path]:
    from localreg.blobs.bundles import writing

    contents, find = draft.contents, draft.find
    if path is None:
        writing.write_stream(contents, find, target, progress=progress)  # type: ignore[arg-type]  # checked above
        return []
    if path.suffix == ENDING:
        return writing.write_file(contents, find, path, split=split, progress=progress)
    writing.write_folder(contents, find, path, progress=progress)
    return [path]


class _Exporting:
    """Puts a bundle together."""

    def __init__(
        self,
        chain: Chain,
        chosen: Selection,
        draft: Draft,
        base: Baseline,
        *,
        reports: bool,
        history: bool,
    ) -> None:
        self._chain = chain
        self._chosen = chosen
        self._draft = draft
        self._base = base
        self._reports = reports
        self._history = history
        self._models: list[ExportedModel] = []
        self._tasks: dict[str, OpenRegistry] = {}
        self._projects: dict[str, OpenRegistry] = {}
        self._events = 0
        self._missing: list[Missing] = []
        self._said: list[bytes] = []  # the same without paths of this machine, as JSON
        self._layers: list[Descriptor] = []  # of the record of the bundle
        # Where blobs are: the registry that holds each, or the file of a user. Paths take more.
        self._places: dict[str, OpenRegistry | Path] = {}
        self._origins: set[str] = set()  # of the events in the bundle
        # Whose events are in the bundle or left out, if any can be left out.
        self._sent_units: dict[str, Connection] = {}
        self._named: set[str] = set()  # digests that the events in the bundle name

    def run(self, *, image: bool) -> None:
        """Add everything to the draft."""
        registries = dict.fromkeys(each.registry for each in self._chosen.found)
        if self._chosen.everything:
            registries.setdefault(self._chain.first)
        with ExitStack() as stack:
            connections = {each: stack.enter_context(each.store.read()) for each in registries}
            for found in self._chosen.found:
                self._add_model(found.registry, connections[found.registry], found.id, image=image)
            for registry, connection in connections.items():
                self._add_shared(registry, connection)
            origins = {
                origin: name
                for connection in connections.values()
                for origin, name in logged_rows.origins(connection).items()
                if origin in self._origins
            }
            self._add_needs()
        self._layers.append(
            self._draft.add_layer(bundle_format.ORIGINS, [bundle_format.canonical_json(origins)])
        )
        notes = bundle_format.notes_pieces(
            sorted(self._said), history=self._history, whole=self._chosen.everything
        )
        self._layers.append(self._draft.add_layer(bundle_format.NOTES, notes))
        self._said.clear()
        for digest in self._places:
            if self._base.has(digest, self._named):
                self._draft.omit(digest)
        self._draft.add_record(_each_once(self._layers))

    def path_of(self, digest: str) -> Path:
        """Return where a blob is."""
        place = self._places[digest]
        return place if isinstance(place, Path) else place.blobs.blob(digest)

    def result(self, contents: Contents, paths: tuple[str, ...], *, dry_run: bool) -> Exported:
        """Return what was written."""
        return Exported(
            paths,
            tuple(self._models),
            len(self._tasks) if self._history else 0,
            self._events,
            sum(1 for _ in contents.blobs()),
            contents.tar_size,
            tuple(self._missing),
            dry_run,
        )

    def _add_model(
        self, registry: OpenRegistry, connection: Connection, model_id: str, *, image: bool
    ) -> None:
        record = model_rows.record(connection, model_id)
        if record is None:  # removed since it was chosen
            return
        layers: list[Descriptor] = []
        if self._history:
            layers += self._events_layer(connection, [model_id])
            for task_id in logged_rows.makers(connection, model_id):
                self._tasks.setdefault(task_id, registry)
            if record.project is not None:
                self._projects.setdefault(record.project.name, registry)
        served = record.current_weights
        files: list[PackageFile] = []
        for weights in record.weights:
            own, added = self._weights(registry, connection, record, weights)
            layers += added
            if weights is served:
                files = own
            else:
                layers += [self._draft.add_file(each.digest, each.size) for each in own]
        owner = Owner("model", model_id)
        layers += self._needed(registry, connection, owner, record.ref)
        layers += self._reports_layer(connection, owner)
        layers.append(
            self._draft.add_layer(
                bundle_format.NOTES,
                [bundle_format.canonical_json(_snapshot(connection, record))],
            )
        )
        facts = _facts(connection, record)
        name = _name(connection, record)
        subject = self._draft.add_model(model_id, name, facts, files)
        layers += self._signatures(registry, connection, record, subject)
        self._draft.add_record(_each_once(layers), subject, model_id)
        if image and files:
            self._draft.add_image(model_id, f"{name}-image", files, self.path_of)
        self._models.append(ExportedModel(model_id, record.ref, served.bytes or 0))

    def _signatures(
        self,
        registry: OpenRegistry,
        connection: Connection,
        record: ModelRecord,
        subject: Descriptor,
    ) -> list[Descriptor]:
        """Add the signatures of a model; return layers for those of weights it does not serve."""
        layers: list[Descriptor] = []
        for each in carried_blobs.signatures_of(connection, record.id):
            if not self._take(registry, each.signature, each.size, None):
                why = "a signature is not here"
                self._lack(record.ref, each.signature, each.size, why, lost=True)
            elif each.digest == record.current_weights.digest:
                self._draft.add_signature(each.signature, each.size, subject, record.id)
            else:
                layers.append(self._draft.add_file(each.signature, each.size))
        return layers

    def _weights(
        self,
        registry: OpenRegistry,
        connection: Connection,
        record: ModelRecord,
        weights: WeightsRecord,
    ) -> tuple[list[PackageFile], list[Descriptor]]:
        """Return the files of a revision, if all of them are here, and further layers for it."""
        if weights.digest is None:
            if weights.url is not None:
                self._lack(record.ref, None, None, *pointed_to(weights), lost=False)
            return [], []
        if not weights.tree:
            name = weights.filename or record.name
            if not self._take(registry, weights.digest, weights.size or 0, file_at(weights)):
                why = pointed_to(weights)
                self._lack(record.ref, weights.digest, weights.size, *why, lost=weights.kept)
                return [], []
            return [PackageFile(_safe_name(name), weights.digest, weights.size or 0)], []
        return self._package(
            registry, connection, record.ref, weights.digest, weights.total, kept=weights.kept
        )

    def _package(
        self,
        registry: OpenRegistry,
        connection: Connection,
        ref: str,
        digest: str,
        total: int | None,
        *,
        kept: bool,
    ) -> tuple[list[PackageFile], list[Descriptor]]:
        """Return the files of a package, and the layers for its manifest and for a part of it."""
        manifest = tree_rows.manifest(connection, digest)
        if manifest is None:
            self._lack(ref, digest, total, "the list of its files is not here", lost=kept)
            return [], []
        tree = self._draft.add_layer(bundle_format.TREE, [manifest.encoded()])
        here = [
            each for each in manifest.files if self._take(registry, each.digest, each.size, None)
        ]
        if len(here) == len(manifest.files):
            return [*manifest.files], [tree]
        for each in manifest.files:
            if each.digest not in self._places:
                why = f"{each.path} of the package is not here"
                self._lack(ref, each.digest, each.size, why, lost=kept)
        return [], [tree, *(self._draft.add_file(each.digest, each.size) for each in here)]

    def _take(self, registry: OpenRegistry, digest: str, size: int, elsewhere: Path | None) -> bool:
        """Return True if the bytes of a digest can go into the bundle.

        Args:
            elsewhere: a file of the user that may have them.
        """
        if digest in self._places:
            return True
        place: OpenRegistry | Path | None = holder(
            Chain(registry, self._chain.others), digest, size
        )
        if place is None and elsewhere is not None and has_bytes(elsewhere, digest, size):
            place = elsewhere
        if place is None:
            return False
        self._places[digest] = place
        return True

    def _lack(
        self,
        ref: str,
        digest: str | None,
        size: int | None,
        why: str,
        said: str | None = None,
        *,
        lost: bool,
    ) -> None:
        """Note bytes that do not travel; arguments as the attributes of `Missing`.

        Args:
            said: what the bundle says of it, if that must differ from `why`.
        """
        if lost and digest is not None and not self._is_gone(digest):
            lost = False
            why = "only a remote has its bytes: `localreg pull --blobs` brings them"
            said = "only a remote of the other machine had its bytes"
        missing = Missing(ref, digest, size, why, lost)
        self._missing.append(missing)
        self._said.append(bundle_format.canonical_json(values(missing) | {"why": said or why}))

    def _is_gone(self, digest: str) -> bool:
        """Return True if no remote should have bytes that are not here."""
        places = should_have(self._chain, self._chain.first, digest)
        return all(place.lacks for place in places)

    def _needed(
        self, registry: OpenRegistry, connection: Connection, owner: Owner, ref: str
    ) -> list[Descriptor]:
        """Return layers for the pictures and files in reports, and for artifacts."""
        wanted = carried_blobs.blobs_of(connection, owner)
        if not self._reports:
            kept = {each.digest for each in task_rows.artifacts(connection, owner.id).values()}
            wanted = [each for each in wanted if each.digest in kept]
        layers: list[Descriptor] = []
        for each in wanted:
            self._named.add(each.digest)  # no event names a picture
            if each.package is not None:
                files, added = self._package(
                    registry, connection, ref, each.digest, each.size, kept=True
                )
                layers += added
                layers += [self._draft.add_file(file.digest, file.size) for file in files]
            elif self._take(registry, each.digest, each.size, None):
                layers.append(self._draft.add_file(each.digest, each.size))
            else:
                name = each.filename or "a picture of a report"
                self._lack(ref, each.digest, each.size, f"{name} is not here", lost=True)
        return layers

    def _reports_layer(self, connection: Connection, owner: Owner) -> list[Descriptor]:
        """Return the layer of what was reported to a model or task; none if it is there already."""
        if not self._reports or not report_transfer.has_reports(connection, owner):
            return []
        if self._base.digests:  # the same reports are the same bytes
            digest = hashlib.sha256()
            for piece in report_transfer.read(connection, owner):
                digest.update(piece)
            if self._base.has(digest.hexdigest(), ()):
                return []
        pieces = report_transfer.read(connection, owner)
        return [self._draft.add_layer(bundle_format.REPORTS, pieces, owner)]

    def _events_layer(self, connection: Connection, units: Iterable[str]) -> list[Descriptor]:
        """Return a layer of the events of units that the other side lacks; none without any."""
        lines = self._lines(connection, units)
        first = next(lines, None)
        if first is None:
            return []
        return [self._draft.add_layer(bundle_format.EVENTS, chain_of([first], lines))]

    def _lines(self, connection: Connection, units: Iterable[str]) -> Iterator[bytes]:
        for unit in units:
            base = self._base
            if base.after or base.events:
                self._sent_units[unit] = connection
            for event in logged_rows.of_unit(connection, unit, base.after):
                if base.holds(event.event_id) and not base.lacks_place(event):
                    continue
                line = self._line(event)
                if base.digests is None:
                    self._named.update(_named_by(event, line))
                yield line
            if base.after:
                placed = logged_rows.placed_since(connection, unit, base.after, base.since)
                yield from map(self._line, placed)

    def _line(self, event: LoggedEvent) -> bytes:
        self._origins.add(event.origin)
        self._events += 1
        return event_line(event)

    def _add_needs(self) -> None:
        """Add a layer of the ids of the events that the bundle leaves out; none without any."""
        base = self._base
        if not (base.after or base.events):
            return
        needs = (
            bytes.fromhex(event_id)
            for unit in sorted(self._sent_units)
            for event_id in logged_rows.ids_of(self._sent_units[unit], unit, base.after or None)
            if base.after or base.holds(event_id)
        )
        first = next(needs, None)
        if first is not None:
            pieces = chain_of([first], needs)
            self._layers.append(self._draft.add_layer(bundle_format.NEEDS, pieces))

    def _add_shared(self, registry: OpenRegistry, connection: Connection) -> None:
        """Add the events of everything that is no chosen model, and what tasks have."""
        if not self._history:
            return
        whole = self._chosen.everything and registry is self._chain.first
        tasks = [task for task, where in self._tasks.items() if where is registry]
        if whole:
            tasks = task_rows.ids(connection)
            self._tasks |= dict.fromkeys(tasks, registry)
        for task_id in sorted(tasks):
            self._add_task(registry, connection, task_id)
        units = self._units(registry, connection, tasks, whole=whole)
        self._layers += self._events_layer(connection, units)

    def _units(
        self, registry: OpenRegistry, connection: Connection, tasks: list[str], *, whole: bool
    ) -> list[str]:
        """Return the ids of the units whose events go into the record of the bundle, sorted."""
        if whole:
            models = {each.id for each in self._models}
            return sorted(each for each in logged_rows.subjects(connection) if each not in models)
        names = {name for name, where in self._projects.items() if where is registry}
        for task_id in tasks:
            task = task_rows.task(connection, task_id)
            if task is not None and task.project is not None:
                names.add(task.project.name)
        projects = {unit for name in names for unit in logged_rows.project_units(connection, name)}
        return sorted({*tasks, *projects})

    def _add_task(self, registry: OpenRegistry, connection: Connection, task_id: str) -> None:
        owner = Owner("task", task_id)
        task = task_rows.task(connection, task_id)
        ref = f"task {task_id[:8]}" if task is None else f"task {task.name}"
        layers = self._needed(registry, connection, owner, ref)
        layers += self._reports_layer(connection, owner)
        self._layers += layers


def _named_by(event: LoggedEvent, line: bytes) -> list[str]:
    """Return the digests that an event, and its line in a bundle, bring up first."""
    if event.kind == "model.signed" and event.v == 1:
        return [event.payload["signature"]]  # an event before it named the weights
    return [each.decode() for each in _DIGEST.findall(line)]


def _each_once(layers: list[Descriptor]) -> list[Descriptor]:
    """Return layers without those that are there twice."""
    found = {(each.media_type, each.digest, *each.annotations.values()): each for each in layers}
    return [found[key] for key in sorted(found)]


def _snapshot(connection: Connection, record: ModelRecord) -> Json:
    """Return what a model is now, for copies of it, and which aliases it has."""
    served = tuple(replace(each, url=_public(each.url)) for each in record.weights if each.current)
    public = replace(record, weights=served)
    signatures = [values(each) for each in carried_blobs.signatures_of(connection, record.id)]
    return {
        "v": 1,
        "model": public.payload(),
        "signatures": signatures,
        "aliases": logged_rows.aliases(connection, record.id),
    }


def _name(connection: Connection, record: ModelRecord) -> str:
    """Return the name of a version for other tools; two versions never have the same."""
    shared = False
    if record.version is not None:
        project = "" if record.project is None else record.project.name
        claimants = claim_rows.claimants(connection, project, record.name, record.version)
        shared = len(claimants) > 1
    return bundle_format.ref_name(record.ref, record.id, shared=shared)


def _public(url: str | None) -> str | None:
    return None if url is None or local_path(url) is not None else public_url(url)


def pointed_to(weights: WeightsRecord) -> tuple[str, str]:
    """Return why the bytes of a revision are not here: for this machine, and for others."""
    if weights.url is None:
        return "its bytes are not here", "its bytes were not there"
    path = local_path(weights.url)
    if path is None:
        why = f"its bytes are only at {public_url(weights.url)}"
        return why, why
    unknown = ", and their sha256 is not recorded" if weights.digest is None else ""
    return (
        f"its bytes are only in {path}{unknown}",
        f"its bytes were only in a file of another machine{unknown}",
    )


def file_at(weights: WeightsRecord) -> Path | None:
    """Return the path of the file that a revision points to; None without one."""
    return None if weights.url is None else local_path(weights.url)


def has_bytes(path: Path, digest: str, size: int) -> bool:
    """Return True if a file of the user can be read and has the right bytes."""
    from localreg.blobs.staging.hashing import file_digest

    with suppress(OSError, InvalidValueError, NotFoundError):  # then it has not
        return path.stat().st_size == size and file_digest(path) == digest
    return False


def _safe_name(name: str) -> str:
    """Return a file name that a path in a package can be."""
    from localreg.values.paths import is_package_path

    found = name.replace("/", "_").replace("\\", "_")
    return found if is_package_path(found) else "weights"


def _facts(connection: Connection, record: ModelRecord) -> ModelFacts:
    """Return what the configuration of a model's manifest says."""
    digest = record.current_weights.digest
    inside = (blob_rows.facts(connection, digest) if digest else None) or {}

    def said(name: str) -> str | None:
        value = inside.get(name)
        return str(value) if isinstance(value, (str, int)) and value != "" else None

    line = record.name if record.project is None else f"{record.project.name}/{record.name}"
    kind = said("format")
    return ModelFacts(
        name=line,
        version=str(record.version),
        created=record.created,
        title=record.name,
        description=record.comment,
        architecture=said("architecture"),
        format=kind if kind in ("gguf", "safetensors") else None,
        parameters=said("parameters"),
        quantization=said("quantization"),
    )
