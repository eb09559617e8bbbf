"""Revisions of a model's weights: each update adds one, and one can go back to an earlier one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from localreg import log
from localreg.errors import InvalidURLError, InvalidValueError, NotFoundError
from localreg.operations.finding.references import require_draft, require_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models.edits import set_columns
from localreg.operations.models.outputs import enter, entry_of
from localreg.operations.weights.ingest import Held, Source, as_file, taken_in
from localreg.operations.weights.locations import holder, local_file
from localreg.operations.weights.origin import Origin, origin_of, weights_record
from localreg.operations.weights.uploading import delete_uploaded, uploaded_at_once
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, event_rows, model_rows, task_rows
from localreg.values.checks import shown
from localreg.values.frameworks import infer_framework
from localreg.values.frozen import Frozen
from localreg.values.records import Json, WeightsRecord
from localreg.values.urls import is_folder, local_url, parse_named_url

UNNAMED_OUTPUT = "Output Model"


class Update(Frozen, kw_only=True):
    """What is told of new weights, checked.

    Attributes:
        task: id of the task that makes them; it need not exist any more.
        entry: the name that the model has on the task; by the file's name when None.
        iteration: the iteration they are of.
        comment: whether the model's comment tells of them.
        package: whether they are an archive of several files.
        keep_last: how many revisions stay; None for all.
    """

    task: str
    entry: str | None
    iteration: int | None
    comment: bool
    package: bool
    keep_last: int | None


class Added(Frozen):
    """What an update came to.

    Attributes:
        weights: the new revision.
        dropped: revisions that went for it.
    """

    weights: WeightsRecord
    dropped: tuple[WeightsRecord, ...]


class Revision(Frozen, kw_only=True):
    """One revision of a model's weights.

    Attributes:
        revision: its number within the model, from 1.
        current: whether it is the one that the model serves.
        filename: the file's name, None when it has none.
        digest: sha256 of the bytes, None while the registry does not know it.
        size: bytes, None while the registry does not know them.
        url: where the bytes are; None when they are gone.
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
    """Check that a model's weights may change, before much is done for it.

    Raises:
        PublishedError: it is published.
        ModelNotFoundError: it is gone.
    """
    with registry.store.read() as connection:
        require_draft(connection, model_id)


def point_to(chain: Chain, model_id: str, url: object, update: Update) -> None:
    """Make what a URL serves the weights of a model, without reading it.

    Raises:
        InvalidURLError: it is none.
        PublishedError, ModelNotFoundError: the model cannot be changed.
    """
    parsed = parse_named_url("register_uri", url)
    if parsed.path is not None and chain.first.blobs.contains(parsed.path):
        keep(chain, model_id, Source(path=parsed.path, filename=parsed.filename), update)
        return
    origin = origin_of(parsed, kept=False, pinned=parsed.pinned, package=False)
    with chain.first.store.write() as change:
        added = add(change, model_id, origin, None, update)
    delete_dropped(chain.first, added.dropped)


def keep(chain: Chain, model_id: str, source: Source, update: Update) -> Added:
    """Keep the bytes of a source in the registry, as the weights of a model from here on.

    Raises:
        SourceNotFoundError, InvalidValueError, StorageError: as `taken_in`.
        PublishedError, ModelNotFoundError: the model cannot be changed.
    """
    check_draft(chain.first, model_id)
    origin = Origin(url=None, public=None, filename=source.filename, kept=True)
    with taken_in(chain, source) as (change, held):
        added = add(change, model_id, origin, held, update)
    delete_dropped(chain.first, added.dropped)
    return added


def upload(
    registry: OpenRegistry, model_id: str, source: Source, folder: str, update: Update
) -> str:
    """Upload the bytes of a source, as the weights of a model from here on; return their URL.

    Raises:
        SourceNotFoundError, InvalidValueError, StorageError: as `keep`.
        PublishedError, ModelNotFoundError: the model cannot be changed; nothing was uploaded.
    """
    registry.store.check_writable()  # what was uploaded could not be taken back
    check_draft(registry, model_id)

    name = source.filename or "weights"
    with (
        as_file(registry, source) as path,
        uploaded_at_once(registry, path, folder, name, source.progress) as (change, uploaded),
    ):
        origin = Origin(
            url=uploaded.url,
            public=parse_named_url("url", uploaded.url).public,
            filename=source.filename,
            uploaded=True,
        )
        held = Held(uploaded.digest, uploaded.size)
        added = add(change, model_id, origin, held, update)
    delete_dropped(registry, added.dropped)
    return uploaded.url


def add(change: Change, model_id: str, origin: Origin, held: Held | None, update: Update) -> Added:
    """Record a new revision of a model's weights, and what comes with it, in a transaction."""
    connection = change.connection
    row = require_draft(connection, model_id)
    before = model_rows.weights(connection, model_id)
    number = 1 + max((each.revision for each in before), default=0)
    weights = weights_record(change, model_id, origin, held, number)
    payload: Json = {
        "old": _served(before, row.package),
        "new": weights.payload(),
        "package": update.package,
        "iteration": update.iteration,
        "task": update.task,
    }
    change.record("model.weights_added", model_id, payload)
    name = origin.filename or origin.public or "weights"
    columns: dict[str, object] = {
        "package": update.package,
        "framework": row.framework or infer_framework(origin.url or origin.filename or ""),
        "comment": _with_snapshot(row.comment, name) if update.comment else row.comment,
    }
    if task_rows.task(connection, update.task) is not None:
        entry = update.entry or (entry_of(origin.filename) if origin.filename else UNNAMED_OUTPUT)
        enter(change, update.task, model_id, entry)
        columns["parent"] = _parent(change, update.task, row, entry)
    set_columns(change, row, **columns)
    return Added(weights, _drop(change, model_id, before, update.keep_last))


def _served(revisions: tuple[WeightsRecord, ...], package: bool) -> Json | None:
    served = next((each for each in revisions if each.current), None)
    return None if served is None else {"revision": served.revision, "package": package}


def _with_snapshot(comment: str | None, name: str) -> str:
    line = f"snapshot {name} stored"
    if comment == line or (comment or "").startswith(f"{line}\n"):
        return comment or line  # once is enough for a file that is written again and again
    return f"{line}\n{comment}" if comment else line


def _parent(change: Change, task_id: str, row: model_rows.ModelRow, entry: str) -> str | None:
    """Return the id of the task's input of the same name, unless it is the model itself."""
    found = task_rows.models(change.connection, task_id, "input").get(entry)
    return row.parent if found in (None, row.id) else found


def _drop(
    change: Change, model_id: str, before: tuple[WeightsRecord, ...], keep_last: int | None
) -> tuple[WeightsRecord, ...]:
    """Drop the oldest revisions but for so many, the new one among them; return them."""
    goes = before[: max(0, len(before) + 1 - keep_last)] if keep_last is not None else ()
    for each in goes:
        payload = {"revision": each.revision, "digest": each.digest, "filename": each.filename}
        change.record("model.weights_dropped", model_id, payload)
    blob_rows.mark_unreferred(change.connection, [each.digest for each in goes if each.digest])
    return goes


def delete_dropped(registry: OpenRegistry, dropped: tuple[WeightsRecord, ...]) -> None:
    """Delete what was uploaded of revisions that are gone; what the registry keeps is gc's."""
    for each in dropped:
        delete_uploaded(registry, each)


def restore_weights(registry: OpenRegistry, model_id: str, revision: object) -> None:
    """Make an earlier revision of a model's weights the one it serves.

    Raises:
        NotFoundError: the model has no such revision.
        InvalidValueError: it is no number.
        PublishedError, ModelNotFoundError: the model cannot be changed.
    """
    if isinstance(revision, bool) or not isinstance(revision, int):
        raise InvalidValueError(
            f"revision must be an int, not {shown(revision)}", argument="revision"
        )
    with registry.store.write() as change:
        row = require_draft(change.connection, model_id)
        there = model_rows.weights(change.connection, model_id)
        wanted = next((each for each in there if each.revision == revision), None)
        if wanted is None:
            numbers = ", ".join(str(each.revision) for each in there) or "none"
            raise NotFoundError(
                f"model {row.ref} has no revision {shown(revision)} of its weights; there are: "
                f"{numbers}",
                reference=shown(revision),
            )
        if wanted.current:
            return
        package = event_rows.package_before(change.connection, model_id, wanted.revision)
        payload: Json = {
            "old": _served(there, row.package),
            "new": {"revision": wanted.revision, "package": package},
        }
        change.record("model.weights_chosen", model_id, payload)
        set_columns(change, row, package=package)


def revisions(chain: Chain, found: Found) -> list[Revision]:
    """Return every revision of a model's weights, oldest first.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        there = model_rows.weights(connection, found.id)
    return [
        Revision(
            revision=each.revision,
            current=each.current,
            filename=each.filename,
            digest=each.digest,
            size=each.size,
            url=each.url or _own_url(chain, found.registry, each),
            at=datetime.fromtimestamp(each.at / 1_000_000, UTC),
        )
        for each in there
    ]


def _own_url(chain: Chain, registry: OpenRegistry, weights: WeightsRecord) -> str | None:
    digest, size = weights.digest, weights.size
    if digest is None or holder(chain, digest, size) is None:
        return None
    return local_url(local_file(chain, registry, digest, size, weights.filename))


def local_source(argument: str, given: object) -> Path:
    """Return the path of a local file or folder.

    Raises:
        InvalidURLError: it is no local path.
    """
    parsed = parse_named_url(argument, given)
    if parsed.path is None:
        raise InvalidURLError(
            f"{argument} must be a local path, and {parsed.public} is none; register_uri records "
            "where weights are already",
            argument=argument,
        )
    return parsed.path


def plan_deletion(chain: Chain, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return what there is to delete of files and folders now: a folder after what is in it.

    Links are deleted, and what they lead to stays.

    Raises:
        InvalidValueError: something is the registry's own.
    """
    planned: list[Path] = []
    for path in paths:
        own = any(each.blobs.contains(path) for each in chain.registries)
        if own or any(each.root.is_relative_to(path) for each in chain.registries):
            raise InvalidValueError(
                f"auto_delete_file would delete {path}, which is the registry's own; leave it "
                "False, and give copies where files shall go",
                argument="auto_delete_file",
            )
        if is_folder(path) and not path.is_symlink():
            for folder, folders, files in os.walk(path, topdown=False):
                links = [each for each in folders if (Path(folder) / each).is_symlink()]
                planned += [Path(folder) / each for each in (*files, *links)]
                planned.append(Path(folder))
        else:
            planned.append(path)
    return tuple(planned)


def delete_planned(planned: tuple[Path, ...]) -> None:
    """Delete files whose bytes are kept; what hinders that is told in the log.

    A folder into which something came meanwhile stays, with that.
    """
    for path in planned:
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        except OSError as error:
            log.warning("%s was kept, and could not be deleted: %s", path, error.strerror or error)
