"""Revisions of a model's weights: each update adds one, and an earlier one can be restored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from localreg import log
from localreg.errors import CorruptBlobError, InvalidValueError, NotFoundError, WeightsError
from localreg.operations.finding.references import require_draft, require_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models.edits import set_columns
from localreg.operations.models.outputs import enter, entry_of
from localreg.operations.weights.deleting import delete_unneeded
from localreg.operations.weights.ingest import as_file, taken_in
from localreg.operations.weights.local_copies import hashed_url, signed_source
from localreg.operations.weights.locations import holder, local_file
from localreg.operations.weights.origin import (
    Origin,
    framework_of_weights,
    origin_of,
    weights_record,
)
from localreg.operations.weights.other_files import other_files
from localreg.operations.weights.package_copies import package_folder
from localreg.operations.weights.sources import Held, Source
from localreg.operations.weights.trusted import Trust, trust_of
from localreg.operations.weights.uploading import (
    Doomed,
    announce_deletions,
    delete_uploads,
    uploaded_at_once,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, model_rows, task_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import new_id
from localreg.values.records import Json, WeightsRecord
from localreg.values.urls import local_url, parse_named_url

UNNAMED_OUTPUT = "Output Model"
SNAPSHOTS = 100  # lines about weights in a comment
_LISTED = 20  # revisions, in an error
_SNAPSHOT = re.compile("snapshot .* stored")


class Update(Frozen, kw_only=True):
    """The checked arguments of an update of weights.

    Attributes:
        task: id of the task that makes the weights; it may have been removed.
        entry: the model's name on the task; if None, that of the file without its ending.
        iteration: the iteration of the weights.
        comment: add a line about the weights to the model's comment.
        package: the weights are several files, or an archive of them.
        keep_last: how many revisions to keep; None for all.
        delete: delete the bytes of the others at once (`delete_replaced`); else gc does.
    """

    task: str
    entry: str | None
    iteration: int | None
    comment: bool
    package: bool
    keep_last: int | None
    delete: bool = False


class Added(Frozen):
    """A new revision of a model's weights.

    Attributes:
        weights: the revision.
        replaced: the uploads of revisions that were dropped.
        digests: blobs of revisions that were dropped, to be deleted if nothing needs them.
    """

    weights: WeightsRecord
    replaced: Doomed
    digests: tuple[str, ...]


class Revision(Frozen, kw_only=True):
    """One revision of a model's weights.

    Attributes:
        revision: its number within the model, from 1.
        current: True for the one that the model has now.
        filename: the file's name; None if it has none.
        digest: sha256 of the bytes; None as long as it is not known.
        size: the number of bytes, of a package those of its files; None as long as it is not
            known.
        url: where the bytes are; None if they are gone.
        at: when it was recorded.
    """

    revision: int
    current: bool
    filename: str | None
    digest: str | None
    size: int | None
    url: str | None
    at: datetime


def check_draft(registry: OpenRegistry, model_id: str) -> None:
    """Check that a model's weights may change, before any long work.

    Raises:
        PublishedError: the model is published.
    """
    with registry.store.read() as connection:
        require_draft(connection, model_id)


def point_to(chain: Chain, model_id: str, url: object, update: Update) -> None:
    """Record a URL as the new weights of a model; the URL is not read.

    Raises:
        InvalidURLError: the URL cannot be used.
        PublishedError: the model is published.
    """
    parsed = parse_named_url("register_uri", url)
    if parsed.path is not None and chain.first.blobs.contains(parsed.path):
        keep(chain, model_id, Source(path=parsed.path, filename=parsed.filename), update)
        return
    origin = origin_of(parsed, kept=False, pinned=parsed.pinned, package=False)
    with chain.first.store.write() as change:
        added = add_revision(change, model_id, origin, None, update)
    delete_replaced(chain.first, added)


def keep(chain: Chain, model_id: str, source: Source, update: Update) -> WeightsRecord:
    """Store the bytes of a source in the registry, as the new weights of a model.

    Raises:
        SourceNotFoundError: the source does not exist.
        PublishedError: the model is published.
    """
    check_draft(chain.first, model_id)
    origin = Origin(url=None, public=None, filename=source.filename, kept=True)
    others = other_files(source)  # while the file is there
    with taken_in(chain, source) as (change, held):
        added = add_revision(change, model_id, origin, held, update)
    if others:
        log.warning("%s", others)
    delete_replaced(chain.first, added)
    return added.weights


def upload(
    registry: OpenRegistry, model_id: str, source: Source, folder: str, update: Update
) -> str:
    """Upload the bytes of a source, as the new weights of a model; return their URL.

    Raises:
        SourceNotFoundError: the source does not exist.
        PublishedError: the model is published; nothing was uploaded.
    """
    registry.store.check_writable()  # before the upload, which cannot be undone
    check_draft(registry, model_id)
    with (
        _uploadable(registry, source) as (path, name, package),
        uploaded_at_once(registry, path, folder, name, source.progress) as (change, uploaded),
    ):
        origin = Origin(
            url=uploaded.url,
            public=parse_named_url("url", uploaded.url).public,
            filename=source.filename,
            uploaded=uploaded.made,
        )
        held = Held(uploaded.digest, uploaded.size)
        if package is not None:
            held = replace(package, archive=uploaded.digest, archive_size=uploaded.size)
        added = add_revision(change, model_id, origin, held, update)
    delete_replaced(registry, added)
    return uploaded.url


@contextmanager
def _uploadable(registry: OpenRegistry, source: Source) -> Iterator[tuple[Path, str, Held | None]]:
    """Yield a file to upload, the name of the object, and the package that it is a zip of."""
    if source.package:
        from localreg.operations.weights.archives_on_demand import zip_name, zipped

        with zipped(registry, source) as (path, package):
            yield path, zip_name(source.filename), package
    else:
        with as_file(registry, source) as path:
            yield path, source.filename or "weights", None


def add_revision(
    change: Change, model_id: str, origin: Origin, held: Held | None, update: Update
) -> Added:
    """Add a revision, within a transaction; call `delete_replaced` after it.

    Raises:
        PublishedError: the model is published.
    """
    connection = change.connection
    row = require_draft(connection, model_id)
    before = model_rows.current_weights(connection, model_id)
    number = 1 + model_rows.last_number(connection, model_id)
    revision_id = new_id()
    weights = weights_record(change, revision_id, origin, held, number, package=update.package)
    payload: Json = {
        "old": None if before is None else _named(before),
        "new": weights.payload(),
        "iteration": update.iteration,
        "task": update.task,
    }
    change.record("model.weights_added", model_id, payload, event_id=revision_id)
    name = origin.filename or origin.public or "weights"
    columns: dict[str, object] = {
        "framework": row.framework or framework_of_weights(change, origin, held),
        "comment": _with_snapshot(row.comment, name) if update.comment else row.comment,
    }
    if task_rows.task(connection, update.task) is not None:
        entry = update.entry or (entry_of(origin.filename) if origin.filename else UNNAMED_OUTPUT)
        enter(change, update.task, model_id, entry)
        columns["parent"] = _parent(change, update.task, row, entry)
    set_columns(change, row, **columns)
    dropped = _drop(change, model_id, update.keep_last)
    digests = [each.digest for each in dropped if each.digest]
    if update.delete:
        digests = blob_rows.give_up(change.connection, digests)  # gc goes on after a kill
    else:
        blob_rows.mark_unreferred(change.connection, digests)
    deleted = tuple(digests) if update.delete else ()
    return Added(weights, announce_deletions(change, dropped), deleted)


def delete_replaced(registry: OpenRegistry, added: Added) -> None:
    """Delete what a new revision replaces: uploads, and bytes; what fails is tried again by gc."""
    delete_uploads(registry, added.replaced)
    if added.digests:
        failed = delete_unneeded(registry, added.digests).failed
        for digest, why in failed.items():
            log.info("replaced weights %s… were not deleted: %s", digest[:12], why)


def _named(weights: WeightsRecord) -> Json:
    return {"revision": weights.id, "number": weights.revision}


def _with_snapshot(comment: str | None, name: str) -> str:
    """Return a comment that begins with a line about new weights.

    Of such lines the newest `SNAPSHOTS` stay: each update records the comment, so that ten thousand
    files with names of their own would make events of gigabytes. The revisions name them all.
    """
    line = f"snapshot {name} stored"
    before = comment.split("\n") if comment else []
    if before[:1] == [line]:
        return "\n".join(before)  # the same file, written again
    snapshots = [place for place, each in enumerate(before) if _SNAPSHOT.fullmatch(each)]
    old = {*snapshots[SNAPSHOTS - 1 :]}
    return "\n".join([line, *(each for place, each in enumerate(before) if place not in old)])


def _parent(change: Change, task_id: str, row: model_rows.ModelRow, entry: str) -> str | None:
    """Return the id of the task's input with the same name, else the parent that the model has."""
    found = task_rows.models(change.connection, task_id, "input").get(entry)
    return row.parent if found in (None, row.id) else found


def _drop(change: Change, model_id: str, keep_last: int | None) -> tuple[WeightsRecord, ...]:
    """Drop the oldest revisions, so that `keep_last` are left with the new one; return them."""
    if keep_last is None:
        return ()
    dropped = model_rows.older_weights(change.connection, model_id, keep_last)
    for each in dropped:
        payload = {
            "revision": each.id,
            "number": each.revision,
            "digest": each.digest,
            "filename": each.filename,
        }
        change.record("model.weights_dropped", model_id, payload)
    return dropped


def restore_weights(registry: OpenRegistry, model_id: str, revision: object) -> None:
    """Make another revision of a model's weights the current one.

    Raises:
        NotFoundError: the model does not have this revision.
        PublishedError: the model is published.
    """
    if isinstance(revision, bool) or not isinstance(revision, int):
        raise InvalidValueError(
            f"revision must be an int, not {shown(revision)}", argument="revision"
        )
    with registry.store.write() as change:
        row = require_draft(change.connection, model_id)
        present = model_rows.weights(change.connection, model_id)
        wanted = next((each for each in present if each.revision == revision), None)
        if wanted is None:
            numbers = ", ".join(str(each.revision) for each in present[-_LISTED:]) or "none"
            older = "older ones, " if len(present) > _LISTED else ""
            raise NotFoundError(
                f"the weights of model {row.ref} have no revision {shown(revision)}; there are: "
                f"{older}{numbers}",
                reference=shown(revision),
            )
        if wanted.current:
            return
        current = next((each for each in present if each.current), None)
        payload: Json = {
            "old": None if current is None else _named(current),
            "new": _named(wanted),
        }
        change.record("model.weights_chosen", model_id, payload)


def revisions(chain: Chain, found: Found) -> list[Revision]:
    """Return every revision of a model's weights, oldest first.

    The URL of a local path is None if only signed weights are given out, and no trusted key signed
    the revision.
    """
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        present = model_rows.weights(connection, found.id)
    trust = trust_of(chain)
    return [
        Revision(
            revision=each.revision,
            current=each.current,
            filename=each.filename,
            digest=each.digest,
            size=each.bytes,
            url=_url(chain, found, each, trust),
            at=datetime.fromtimestamp(each.at / 1_000_000, UTC),
        )
        for each in present
    ]


def _url(chain: Chain, found: Found, weights: WeightsRecord, trust: Trust | None) -> str | None:
    if trust is not None and (weights.url is None or weights.url.startswith("file://")):
        try:
            trust.check(chain, found, weights)
            if trust.enforced:
                weights = signed_source(chain, found, weights)
                own = weights.url or _own_url(chain, found.registry, weights)
                return hashed_url(chain, trust, weights, own)
        except WeightsError:
            return None
    return weights.url or _own_url(chain, found.registry, weights)


def _own_url(chain: Chain, registry: OpenRegistry, weights: WeightsRecord) -> str | None:
    digest, size = weights.digest, weights.size
    if digest is None or holder(chain, digest, size) is None:
        return None
    if weights.tree:
        try:
            return local_url(package_folder(chain, registry, digest, verify=False, only_here=True))
        except CorruptBlobError:  # bytes of a file are missing
            return None
    return local_url(local_file(chain, registry, digest, size, weights.filename))
