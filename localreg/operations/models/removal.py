"""Removing models, and restoring them."""

from __future__ import annotations

from localreg import log
from localreg.blobs.transfer import uploading
from localreg.errors import (
    ModelInUseError,
    ModelNotFoundError,
    WeightsError,
)
from localreg.operations.finding.references import require_model, resolve_removed
from localreg.operations.trust import gates
from localreg.operations.weights.deleting import delete_unneeded
from localreg.operations.weights.locations import holder
from localreg.operations.weights.uploading import announce_deletions, delete_uploads, object_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.events.refolding import refold_unit
from localreg.store.rows import (
    blob_rows,
    event_rows,
    forgotten_rows,
    model_rows,
    task_rows,
    tree_rows,
)
from localreg.values.frozen import Frozen, replace
from localreg.values.manifest import Manifest
from localreg.values.records import ModelRecord, WeightsRecord
from localreg.values.urls import local_path, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Removed(Frozen):
    """The result of a removal.

    Attributes:
        complete: False if bytes could not be deleted that should be; `gc` tries it again.
        lost: the number of bytes that were deleted and that `restore_model` cannot bring back.
    """

    complete: bool
    lost: int


class Restored(Frozen):
    """The result of a restore.

    Attributes:
        model: its id.
        missing: digests of weights whose bytes are gone: no registry, remote or URL has them.
        held: aliases that are held, since the model does not pass a gate that they got meanwhile; a
            line each.
    """

    model: str
    missing: tuple[str, ...]
    held: tuple[str, ...]


def remove_model(
    registry: OpenRegistry, model_id: str, *, delete_weights: bool, force: bool = False
) -> Removed:
    """Remove a model; its history stays, and `restore_model` restores it.

    Args:
        delete_weights: also delete its bytes in the registry, and the objects that the registry
            uploaded, unless another model needs them. Files that it only refers to stay.
        force: remove it also if tasks need it.

    Raises:
        ModelInUseError: a task needs it, and `force` is False; nothing was changed.
    """
    with registry.store.freeing_space():
        return _remove(registry, model_id, delete_weights=delete_weights, force=force)


def _remove(registry: OpenRegistry, model_id: str, *, delete_weights: bool, force: bool) -> Removed:
    with registry.store.write() as change:
        record = model_rows.record(change.connection, model_id)
        if record is None:
            require_model(change.connection, model_id)  # raises the right error
            raise AssertionError(model_id)
        if not force:
            _check_unused(change, record)
        again = _fetchable(change, record) if delete_weights else set()
        digests = _record_removal(change, record)
        if delete_weights:
            doomed = announce_deletions(change, record.weights)
            given_up = blob_rows.give_up(change.connection, digests)  # gc goes on after a kill
        else:
            blob_rows.mark_unreferred(change.connection, digests)
    if not delete_weights:
        return Removed(complete=True, lost=0)
    uploads = delete_uploads(registry, doomed)
    deleted = delete_unneeded(registry, given_up)
    for digest, why in deleted.failed.items():
        log.warning(
            "the model was removed, but its weights %s… were not deleted: %s", digest[:12], why
        )
    return Removed(
        complete=uploads and not deleted.failed,
        lost=sum(size for digest, size in deleted.sizes.items() if digest not in again),
    )


def remove_if(
    registry: OpenRegistry,
    model_id: str,
    why_needed: Callable[[Change, ModelRecord], str | None],
) -> str | None:
    """Remove a model unless something needs it; return why it stays, None if it is gone.

    Its bytes stay until `gc` deletes them.

    Args:
        why_needed: returns why it must stay, beside the uses of tasks; None if it may go.
    """
    with registry.store.write() as change:
        record = model_rows.record(change.connection, model_id)
        if record is None:  # removed meanwhile
            return None
        why = why_needed(change, record)
        if why is not None:
            return why
        try:
            _check_unused(change, record)
        except ModelInUseError as error:
            return str(error)
        blob_rows.mark_unreferred(change.connection, _record_removal(change, record))
    return None


def _record_removal(change: Change, record: ModelRecord) -> list[str]:
    """Record that a model is removed; return the digests of its weights.

    Its signatures wait for `gc` in any case: nothing makes them again.
    """
    _pull_from_outputs(change, record.id)
    signatures = blob_rows.signature_files(change.connection, record.id)
    change.record("model.removed", record.id, _without_private_urls(record).payload())
    blob_rows.mark_unreferred(change.connection, signatures)
    return sorted({each.digest for each in record.weights if each.digest})


def _fetchable(change: Change, record: ModelRecord) -> set[str]:
    """Return the digests of what can be had again, or can be computed, when it is deleted."""
    found: set[str] = set()
    for each in record.weights:
        if each.digest is None:
            continue
        if each.tree:  # its manifest is computed from its files, and so are its archives
            found.add(each.digest)
            found.update(tree_rows.archives_of(change.connection, each.digest))
        if _can_be_fetched(each):
            found.add(each.digest)
            found.update(tree_rows.digests(change.connection, each.digest) if each.tree else ())
    return found


def _can_be_fetched(weights: WeightsRecord) -> bool:
    """Return True if a server has the bytes that the registry did not put there."""
    return weights.url is not None and local_path(weights.url) is None and not weights.uploaded


def _check_unused(change: Change, record: ModelRecord) -> None:
    for task_id, task_name, role, entry in task_rows.uses(change.connection, record.id):
        if role == "input":
            raise ModelInUseError(
                f"model {record.ref} ({record.id}) is the input {entry!r} of task {task_name!r} "
                f"({task_id}); to remove it nevertheless use force=True (--force)",
                model=record.id,
            )
    maker = task_rows.task(change.connection, record.task) if record.task else None
    if maker is not None and maker.published:
        raise ModelInUseError(
            f"model {record.ref} ({record.id}) was made by the published task {maker.name!r} "
            f"({maker.id}); to remove it nevertheless use force=True (--force)",
            model=record.id,
        )


def _pull_from_outputs(change: Change, model_id: str) -> None:
    for task_id, _, role, entry in task_rows.uses(change.connection, model_id):
        task = task_rows.task(change.connection, task_id)
        # The outputs of a published task are published with it.
        if role == "output" and task is not None and not task.published:
            payload = {"role": role, "old": model_id, "new": None}
            change.record("task.model", task_id, payload, field=entry)


def _without_private_urls(record: ModelRecord) -> ModelRecord:
    def public(url: str | None) -> str | None:
        return None if url is None or url.startswith("file://") else public_url(url)

    return replace(
        record, weights=tuple(replace(each, url=public(each.url)) for each in record.weights)
    )


def forget_model(registry: OpenRegistry, model_id: str, *, force: bool = False) -> None:
    """Remove a model from this registry only: registries that merge with it keep the model.

    Its history stays, `gc` deletes bytes that nothing else needs, and `restore_model` brings it
    back.

    Args:
        force: remove it also if tasks need it.

    Raises:
        ModelInUseError: a task needs it, and `force` is False; nothing was changed.
    """
    with registry.store.write() as change:
        connection = change.connection
        require_model(connection, model_id)
        record = model_rows.record(connection, model_id)
        if record is not None and not force:
            _check_unused(change, record)
        digests = sorted({each.digest for each in record.weights if each.digest} if record else ())
        digests += blob_rows.signature_files(connection, model_id)
        forgotten_rows.forget(connection, model_id)
        refold_unit(connection, model_id)
        blob_rows.mark_unreferred(connection, digests)


def restore_model(chain: Chain, reference: object) -> Restored:
    """Restore a removed model: its record, and the aliases that no other version has now.

    Args:
        reference: its id, the first digits of its id, or ``project/name[:version]``.

    Raises:
        AmbiguousReferenceError: the reference means several removed models.
    """
    model_id = resolve_removed(chain.first, reference)
    with chain.first.store.write() as change:
        known = gates.held_in(change.connection)
        gone = event_rows.last_on(change.connection, model_id, "model.removed")
        here = model_rows.model_row(change.connection, model_id) is not None
        if forgotten_rows.remember(change.connection, model_id):
            refold_unit(change.connection, model_id)
            here = model_rows.model_row(change.connection, model_id) is not None
            gone = None if here else gone
        elif gone is None or here:
            raise ModelNotFoundError(
                f"there is no removed model {model_id!r}; it may have been restored already",
                reference=model_id,
            )
        if gone is not None:
            line = {key: gone.payload[key] for key in ("project", "name", "version")}
            change.record("model.restored", model_id, line)
        for each in model_rows.weights(change.connection, model_id):
            if each.digest is not None:
                blob_rows.mark_referred(change.connection, each.digest)
        signatures = blob_rows.signature_files(change.connection, model_id)
        blob_rows.mark_many_referred(change.connection, signatures)
        held = gates.check_held(chain, change, known)
    with chain.first.store.read() as connection:
        weights = model_rows.weights(connection, model_id)
        packages = {
            each.digest: tree_rows.manifest(connection, each.digest)
            for each in weights
            if each.tree and each.digest
        }
    missing = [
        each.digest
        for each in weights
        if each.digest
        and _is_gone(chain, each, packages.get(each.digest))
        and not _is_at_remote(chain, each.digest)
    ]
    return Restored(model_id, tuple(missing), tuple(held))


def _is_gone(chain: Chain, weights: WeightsRecord, manifest: Manifest | None) -> bool:
    """Return True if no registry has the bytes, or those of a file of the package."""
    if weights_are_there(chain, weights, manifest):
        return False
    if not weights.uploaded or weights.url is None:
        return True
    try:
        return not uploading.is_there(weights.url, object_of(weights)[1])
    except WeightsError as error:
        log.warning("could not check if %s still exists: %s", public_url(weights.url), error)
        return False


def _is_at_remote(chain: Chain, digest: str) -> bool:
    """Return True if a remote should have some bytes, and is not known to lack them."""
    from localreg.operations.weights.remote_bytes import should_have

    return any(not each.lacks for each in should_have(chain, chain.first, digest))


def weights_are_there(chain: Chain, weights: WeightsRecord, manifest: Manifest | None) -> bool:
    """Return True if a registry has the bytes, of a package those of all its files.

    Args:
        manifest: the files of the package; None if they are not known.
    """
    if holder(chain, weights.digest, weights.size) is None:
        return False
    if not weights.tree:
        return True
    if manifest is None:
        return False
    here = chain.first.blobs.states({each.digest for each in manifest.files})
    return all(
        (each.digest in here and here[each.digest][0] == each.size)
        or holder(chain, each.digest, each.size) is not None
        for each in manifest.files
    )
