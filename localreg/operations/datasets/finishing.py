"""Upload and finalize: the files of a data set become the package that its model has."""

from __future__ import annotations

from localreg.errors import ConflictError
from localreg.operations.datasets import changes, looking
from localreg.operations.finding.upstream import Found
from localreg.operations.models.designs import set_model_design
from localreg.operations.models.edits import describe
from localreg.operations.models.revisions import Update, add_revision, delete_replaced
from localreg.operations.weights.origin import Origin
from localreg.operations.weights.packages import keep_files, record_package, staged_manifest
from localreg.operations.weights.uploading import own_folder, upload_now
from localreg.registry import Chain
from localreg.store.events.change import Change
from localreg.store.rows import dataset_rows, model_rows
from localreg.values import dataset_names, datasets
from localreg.values.datasets import DatasetFile
from localreg.values.manifest import PackageFile, make_manifest
from localreg.values.urls import safe_filename


def is_dirty(found: Found) -> bool:
    """Return True if files were changed since the last upload."""
    with found.registry.store.read() as connection:
        changed = dataset_rows.counters(connection, found.id)
        return changed is not None and changed.changes != changed.stored


def upload(chain: Chain, dataset_id: str, destination: str | None = None) -> None:
    """Make a package of the files of a data set, as the weights of its model.

    Args:
        destination: also upload it there, as one zip; None keeps it in the registry only.

    Raises:
        ConflictError: the data set is finalized.
        UploadError: the zip did not reach the destination; the registry keeps the files.
    """
    changes.begin(chain, dataset_id)
    while not _stored(chain, dataset_id):
        pass  # another process changed files meanwhile
    if destination is None:
        return
    with chain.first.store.read() as connection:
        row = looking.require(connection, dataset_id)
        weights = model_rows.current_weights(connection, dataset_id)
    if weights is not None and weights.tree and not weights.uploaded:
        folder = own_folder(destination, row.project, row.name, row.id)
        upload_now(chain, dataset_id, weights, folder)


def _stored(chain: Chain, dataset_id: str) -> bool:
    """Store what there is; return False if that was changed meanwhile."""
    registry = chain.first
    with registry.store.read() as connection:
        row = looking.require_open(connection, dataset_id)
        before = dataset_rows.counters(connection, dataset_id)
        files = dataset_rows.files(connection, dataset_id)
    assert before is not None
    own = [
        PackageFile(each.path, each.digest or "", each.size or 0, each.executable)
        for each in files
        if each.link is None
    ]
    if not own:
        with registry.store.write() as change:
            if dataset_rows.counters(change.connection, dataset_id) != before:
                return False
            _record(change, dataset_id, files, before.changes)
        return True
    name = safe_filename(row.name) or "dataset"
    origin = Origin(url=None, public=None, filename=name, kept=True, package=True)
    update = Update(task="", entry=None, iteration=None, comment=False, package=True, keep_last=1)
    with staged_manifest(chain, make_manifest(own, [])) as staged, registry.store.write() as change:
        if dataset_rows.counters(change.connection, dataset_id) != before:
            return False
        kept = keep_files(registry, change, staged)
        if kept is None:
            return False
        try:
            held = record_package(change, staged, kept)
            current = model_rows.current_weights(change.connection, dataset_id)
            added = None
            if current is None or current.digest != held.digest:
                added = add_revision(change, dataset_id, origin, held, update)
            _record(change, dataset_id, files, before.changes)
        except BaseException:
            registry.blobs.give_back(kept)
            raise
    if added is not None:
        delete_replaced(registry, added)
    return True


def _record(change: Change, dataset_id: str, files: list[DatasetFile], changed: int) -> None:
    _, labels = model_rows.design(change.connection, dataset_id)
    set_model_design(change, dataset_id, (datasets.links_text(files), labels))
    dataset_rows.mark_stored(change.connection, dataset_id, changed)


def finalize(chain: Chain, dataset_id: str, *, upload_first: bool = False) -> None:
    """End the changes of a data set; its package is then what it consists of.

    Args:
        upload_first: store what was changed since the last upload.

    Raises:
        ConflictError: files were changed since the last upload; or it is finalized already.
    """
    registry = chain.first
    changes.begin(chain, dataset_id)
    while True:
        with registry.store.read() as connection:
            looking.require_open(connection, dataset_id)
            changed = dataset_rows.counters(connection, dataset_id)
        if changed is not None and changed.changes != changed.stored:
            if not upload_first:
                raise pending()
            upload(chain, dataset_id)
        elif changed is not None and not _is_stored(chain, dataset_id):
            # Files of its parents, of which none was changed: they need a package, too.
            upload(chain, dataset_id)
        with registry.store.write() as change:
            looking.require_open(change.connection, dataset_id)
            now = dataset_rows.counters(change.connection, dataset_id)
            if now is not None and now.changes != now.stored:
                continue  # another process changed files meanwhile
            describe(change, dataset_id, dataset_names.STATE, dataset_names.FINAL)
            dataset_rows.end(change.connection, dataset_id)
            return


def _is_stored(chain: Chain, dataset_id: str) -> bool:
    """Return True if the model has the files, or there are none."""
    with chain.first.store.read() as connection:
        if model_rows.current_weights(connection, dataset_id) is not None:
            return True
        if model_rows.design(connection, dataset_id)[0]:
            return True
        return not dataset_rows.files(connection, dataset_id)


def pending() -> ConflictError:
    """Return the error for a data set that cannot be finalized yet."""
    return ConflictError(
        "files of the data set were changed since the last upload; call upload() first, or "
        "finalize(auto_upload=True)"
    )
