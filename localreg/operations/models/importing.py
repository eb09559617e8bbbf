"""Importing models by the URL of their weights, and finding them by it."""

from __future__ import annotations

import time

from localreg import log
from localreg.errors import DigestMismatchError
from localreg.operations.finding.upstream import Found, ask, hidden
from localreg.operations.models.recording import Description, create, in_project_of
from localreg.operations.weights.origin import check_pin, origin_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows
from localreg.values.checks import check_flag
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Json, TaskRecord, WeightsRecord
from localreg.values.urls import WeightsURL, is_folder, parse_weights_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from localreg.operations.weights.sources import Held
    from localreg.progress import Progress

    Taking: TypeAlias = AbstractContextManager[tuple[Change, Held]]


class Imported(Frozen):
    """The result of an import.

    Attributes:
        registry: the registry that has the model: the first, or an upstream one.
        model: the model's id.
        known: True if the model was there before.
        url: where the weights come from, without secrets.
    """

    registry: OpenRegistry
    model: str
    known: bool
    url: str


def import_model(
    chain: Chain,
    url: object,
    description: Description,
    *,
    task: TaskRecord | None = None,
    copy: bool = False,
    expected: object = None,
    progress: Progress | None = None,
) -> Imported:
    """Return the model with weights from a URL; a new one is recorded.

    Args:
        url: a path or URL. It is only read if `copy` is True, or if it is inside the registry.
        description: ignored if the model is known.
        task: the current task, which gives a name, a comment and a project by default.
        copy: store the bytes in the registry: of a folder as a package, of a remote URL by a
            download. Other bytes than those of the known model make a new one.
        expected: the sha256 that the bytes must have.
        progress: called with the number of bytes that are stored.

    Raises:
        InvalidURLError: the URL cannot be used.
        DigestMismatchError: the bytes do not have the expected sha256; nothing was recorded.
        SourceNotFoundError: `copy` is True, and the file does not exist.
        DownloadError: `copy` is True, and the download failed.
    """
    parsed = parse_weights_url(url)
    pin = check_pin(parsed, expected)
    registry = chain.first
    # A path inside the registry is not recorded as the URL: the registry may move.
    inside = parsed.path is not None and registry.blobs.contains(parsed.path)
    kept = copy or inside
    package = kept and is_folder(parsed.path)
    origin = origin_of(parsed, kept=kept, pinned=pin, package=package)
    if inside:
        origin = replace(origin, url=None)

    def make(change: Change, held: Held | None) -> str:
        return create(change, _with_defaults(description, task), origin, held)

    def take() -> Taking:
        if parsed.path is not None:
            from localreg.operations.weights.ingest import taken_in
            from localreg.operations.weights.other_files import other_files
            from localreg.operations.weights.sources import Source
            from localreg.operations.weights.unpacking import taken_in_as_package

            unpacks = description.package and not inside and not is_folder(parsed.path)
            name = origin.filename
            source = Source(path=parsed.path, filename=name, wanted=pin, progress=progress)
            if others := other_files(source):
                log.warning("%s", others)
            return taken_in_as_package(chain, source) if unpacks else taken_in(chain, source)
        from localreg.operations.weights.fetching import Wish, fetched

        wish = Wish(
            url=parsed.text,
            filename=origin.filename,
            wanted=pin,
            package=description.package,
            progress=progress,
        )
        return fetched(chain, wish)

    return known_or_new(chain, parsed, pin, make, take if kept else None)


def known_or_new(
    chain: Chain,
    url: WeightsURL,
    pin: str | None,
    make: Callable[[Change, Held | None], str],
    take: Callable[[], Taking] | None,
) -> Imported:
    """Return the model with weights from a URL; a new one is made if there is none.

    If the bytes are stored they count: the model is only known if it has the same bytes. Those at
    a remote URL that are stored already are not downloaded again to see if they still are there.

    Args:
        url, pin: the checked URL, and the sha256 that the bytes must have, or None.
        make: records a new model within a transaction, with the bytes; returns its id.
        take: stores the bytes of the URL, as `taken_in`; None to read nothing.

    Raises:
        DigestMismatchError: the bytes do not have the sha256 that they must have.
    """
    shown = url.public or url.text
    known = _find_known(chain, url, pin)
    if take is None:
        if known is not None:
            _check_pinned(known, pin, shown)
            return known.imported(shown)
        with chain.first.store.write() as change:
            # Another process may have recorded it since.
            known = _known_in(chain.first, change.connection, url)
            if known is not None:
                _check_pinned(known, pin, shown)
                return known.imported(shown)
            return Imported(chain.first, make(change, None), known=False, url=shown)
    if known is not None and url.path is None and known.weights and known.weights.kept:
        _check_pinned(known, pin, shown)
    if known is not None and _has_bytes_now(chain, known, url, pin):
        return known.imported(shown)
    with take() as (change, held):
        ours = _known_in(chain.first, change.connection, url)
        if ours is not None and _becomes_kept(change, ours, held, package=is_folder(url.path)):
            return ours.imported(shown)
        if (
            ours is None
            and known is not None
            and _has_bytes(chain, known, held.archive or held.digest)
        ):
            return known.imported(shown)  # an upstream registry has the model
        return Imported(chain.first, make(change, held), known=False, url=shown)


class _Known(Frozen):
    """A model with weights from some URL."""

    registry: OpenRegistry
    model: str
    weights: WeightsRecord | None

    @property
    def digest(self) -> str | None:
        """The sha256 of the weights, or None if it is not known."""
        return None if self.weights is None else self.weights.pinned or self.served

    @property
    def served(self) -> str | None:
        """The sha256 of what is at the URL: of a package the archive's, if it came from one."""
        return None if self.weights is None else self.weights.archive or self.weights.digest

    def imported(self, url: str) -> Imported:
        """Return the result of an import that finds this model."""
        return Imported(self.registry, self.model, known=True, url=url)


def _check_pinned(known: _Known, pin: str | None, url: str) -> None:
    """Raise DigestMismatchError if the weights of a model have another sha256 than they must."""
    digest = known.digest
    if pin is not None and digest is not None and digest != pin:
        raise DigestMismatchError(
            f"{url} is known as model {known.model} with sha256 {digest}, and {pin} was expected",
            model=known.model,
            wanted=pin,
            found=digest,
        )


def _has_bytes(chain: Chain, known: _Known, digest: str | None) -> bool:
    """Return True if a registry keeps the weights of a model, and they have this sha256.

    Args:
        digest: of a package its archive's, if it came from one.
    """
    from localreg.operations.weights.locations import holder
    from localreg.operations.weights.packages import known_package

    weights = known.weights
    if weights is None or not weights.kept or weights.digest is None or known.served != digest:
        return False
    if weights.tree and weights.archive is not None:
        return known_package(chain, weights.digest) is not None
    return holder(chain, weights.digest, weights.size) is not None


def _has_bytes_now(chain: Chain, known: _Known, url: WeightsURL, pin: str | None) -> bool:
    """Return True if a registry keeps the weights of a model, and what is at the URL is the same.

    A file is not read for this: its sha256 is known while its status stays.
    """
    from localreg.operations.weights.known_digests import known_digest, status_of
    from localreg.operations.weights.package_copies import digest_at_local_copy

    digest = known.served
    if pin not in (None, digest):
        return False
    if url.path is not None:
        with chain.first.store.read() as connection:
            own = digest_at_local_copy(chain.first, connection, url.path)
        if own is None:
            digest = known_digest(chain.first, status_of(url.path))
    return _has_bytes(chain, known, digest)


def _becomes_kept(change: Change, known: _Known, held: Held, *, package: bool) -> bool:
    """Record that the registry keeps the weights of a model; False if it has other bytes.

    Args:
        package: the bytes are the archive of a folder, to which the model only points.
    """
    weights = known.weights
    found = held.archive or held.digest
    if weights is None or known.digest not in (None, found) or (package and not weights.kept):
        return False
    if not weights.kept:
        payload: Json = {
            "revision": weights.id,
            "number": weights.revision,
            "digest": held.digest,
            **held.facts(),
            "filename": held.filename or weights.filename,
        }
        change.record("model.weights_kept", known.model, payload)
    return True


def _with_defaults(description: Description, task: TaskRecord | None) -> Description:
    """Return a description with the name, comment and project that it gets by default."""
    if task is None:
        if description.name:
            return description
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return replace(description, name=f"Anonymous model {moment}")
    lines = [f"Imported by task id: {task.id}", description.comment]
    return replace(
        in_project_of(task, description),
        name=description.name or f"Imported by {task.name}",
        comment="\n".join(line for line in lines if line),
    )


def _find_known(chain: Chain, url: WeightsURL, pin: str | None) -> _Known | None:
    """Return the newest model with weights from a checked URL, or None.

    The first registry is asked before the upstream ones. A model of an upstream registry does not
    count if its weights do not have the sha256 that they must have.
    """

    def find(each: OpenRegistry) -> _Known | None:
        if url.path is None:  # nearly always a URL is new, which one statement shows
            with each.store.one_statement() as connection:
                if not model_rows.with_url(connection, url.text, archived=False):
                    return None
        with each.store.read() as connection:
            known = _known_in(each, connection, url)
        if known is None or each is chain.first:
            return known
        other = pin is not None and known.digest not in (None, pin)
        return None if other or hidden(chain, each, [known.model]) else known

    return next((found for _, found in ask(chain, find) if found is not None), None)


def _known_in(
    registry: OpenRegistry, connection: model_rows.Connection, url: WeightsURL
) -> _Known | None:
    """Do what `_find_known` does for one registry, within a transaction."""
    model_id = _newest(registry, connection, url)
    if model_id is None:
        return None
    return _Known(registry, model_id, model_rows.current_weights(connection, model_id))


def find_by_url(chain: Chain, url: object, *, archived: bool) -> Found | None:
    """Return the newest model of all registries with weights from a URL, or None.

    Args:
        archived: include archived models.

    Raises:
        InvalidURLError: the URL cannot be used.
    """
    parsed = parse_weights_url(url)

    def find(each: OpenRegistry) -> tuple[int, Found] | None:
        with each.store.read() as connection:
            model_id = _newest(each, connection, parsed, archived=check_flag("archived", archived))
            if model_id is None or hidden(chain, each, [model_id]):
                return None
            row = model_rows.model_row(connection, model_id)
            return (row.birth if row else 0, Found(each, model_id))

    hits = [hit for _, hit in ask(chain, find) if hit is not None]
    return max(hits, key=lambda hit: hit[0])[1] if hits else None


def _newest(
    registry: OpenRegistry,
    connection: model_rows.Connection,
    url: WeightsURL,
    *,
    archived: bool = False,
) -> str | None:
    """Return the id of the newest model with weights from a URL, or None."""
    found = model_rows.with_url(connection, url.text, archived=archived)
    if not found and url.path is not None:
        from localreg.operations.weights.package_copies import digest_at_local_copy

        # The path of a local copy means the weights that it has.
        digest = digest_at_local_copy(registry, connection, url.path)
        found = model_rows.with_digest(connection, digest, archived=archived) if digest else []
    return found[0] if found else None
