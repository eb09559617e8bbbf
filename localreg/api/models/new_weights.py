"""`OutputModel.update_weights` and `update_weights_package`: from arguments to a revision."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localreg import operations
from localreg.errors import InvalidValueError
from localreg.operations.finding.upstream import Found
from localreg.operations.models.revisions import Update
from localreg.operations.weights.origin import check_filename
from localreg.operations.weights.sources import Source
from localreg.progress import shown_progress
from localreg.registry import Chain
from localreg.values.checks import check_flag, is_empty
from localreg.values.frozen import Frozen, replace
from localreg.values.urls import is_folder, safe_filename

UNNAMED_PACKAGE = "model_package"


class NewWeights(Frozen, kw_only=True):
    """The checked arguments of an update of weights.

    Attributes:
        filename: the name of local copies; None for the name of the file.
        destination: the URL to upload to; None for the registry.
        own_destination: the destination that was set on the model, or None.
        delete: delete the files afterwards.
        background: upload in the background.
        update: the arguments for the new revision.
    """

    filename: str | None
    destination: str | None
    own_destination: str | None
    delete: bool
    background: bool
    update: Update


def check_new_weights(
    *,
    task: str,
    entry: str | None,
    own: str | None,
    destination: str | None,
    target_filename: object = None,
    delete: object = False,
    iteration: object = None,
    comment: object = True,
    package: object = False,
    background: object = True,
    keep_last: object = None,
) -> NewWeights:
    """Check the arguments of an update of weights.

    Args:
        task: the id of the task that makes them; `entry` is the name of the model on it.
        own, destination: URLs that were checked before.
    """
    name = None if is_empty(target_filename) else target_filename
    return NewWeights(
        filename=None if name is None else check_filename(name, "target_filename"),
        destination=destination,
        own_destination=own,
        delete=check_flag("delete", delete),
        background=check_flag("background", background),
        update=Update(
            task=task,
            entry=entry,
            iteration=None if iteration is None else _check_iteration(iteration),
            comment=check_flag("comment", comment),
            package=check_flag("package", package),
            keep_last=operations.finding.queries.check_limit("keep_last", keep_last),
        ),
    )


def _check_iteration(iteration: object) -> int:
    from localreg.plots.options import check_iteration

    return check_iteration(iteration)


def update(chain: Chain, model_id: str, new: NewWeights, file: object, url: object) -> str:
    """Do the work of `OutputModel.update_weights`, and return the URL of the weights."""
    if _given(file) == _given(url):
        raise InvalidValueError(
            "give either weights_filename, a local file, or register_uri, the URL of existing "
            "weights; not both",
            argument="weights_filename",
        )
    if _given(url):
        operations.models.revisions.point_to(chain, model_id, url, new.update)
        return _url(chain, model_id)
    named = new.filename is not None
    path = operations.weights.source_files.check_local_path("weights_filename", file, named=named)
    if is_folder(path):
        return _store(chain, model_id, _package(new), _folder_source(path, new), (path,))
    name = _with_ending(new.filename, path.name)
    return _store(chain, model_id, new, Source(path=path, filename=name), (path,))


def update_package(
    chain: Chain, model_id: str, new: NewWeights, files: object, folder: object
) -> str:
    """Do the work of `OutputModel.update_weights_package`, and return the URL of the weights."""
    listed = _listed(files)
    if bool(listed) == _given(folder):
        raise InvalidValueError(
            "give either weights_filenames, a list of files, or weights_path, a folder; not both",
            argument="weights_filenames",
        )
    if listed:
        source = Source(path=None, files=listed, filename=_package_name(new, UNNAMED_PACKAGE))
        return _store(chain, model_id, new, source, listed)
    named = new.filename is not None
    path = operations.weights.source_files.check_local_path("weights_path", folder, named=named)
    if not is_folder(path):
        raise InvalidValueError(
            f"weights_path must be a folder, and {path} is not; give files as weights_filenames",
            argument="weights_path",
        )
    return _store(chain, model_id, new, _folder_source(path, new), (path,))


def _given(value: object) -> bool:
    return value is not None and not is_empty(value)


def _listed(files: object) -> tuple[Path, ...]:
    if files is None:
        return ()
    if isinstance(files, (str, bytes)) or not isinstance(files, Iterable):
        raise InvalidValueError(
            f"weights_filenames must be a list of paths, not {type(files).__name__}",
            argument="weights_filenames",
        )
    return tuple(
        operations.weights.source_files.check_local_path("weights_filenames", each)
        for each in files
    )


def _folder_source(folder: Path, new: NewWeights) -> Source:
    return Source(path=folder, filename=_package_name(new, folder.name))


def _package_name(new: NewWeights, own: str) -> str:
    return new.filename or safe_filename(own) or UNNAMED_PACKAGE


def _package(new: NewWeights) -> NewWeights:
    return replace(new, update=replace(new.update, package=True))


def _with_ending(wanted: str | None, own: str) -> str:
    """Return the wanted name, with the suffix of the file if it has none.

    >>> _with_ending("best", "step-100.pt"), _with_ending("a.ckpt", "b.pt"), _with_ending(None, "c")
    ('best.pt', 'a.ckpt', 'c')
    """
    name = own if wanted is None else wanted
    if wanted is not None and "." not in wanted and "." in own:
        name = f"{wanted}.{own.rpartition('.')[2]}"
    return safe_filename(name) or "weights"


def _store(
    chain: Chain, model_id: str, new: NewWeights, source: Source, given: tuple[Path, ...]
) -> str:
    registry = chain.first
    operations.models.revisions.check_draft(registry, model_id)
    planned = operations.weights.source_files.plan_deletion(chain, given) if new.delete else ()
    if new.destination is None and new.delete and not source.package:
        source, planned = replace(source, mode="move"), ()  # saves a copy where it can
    with shown_progress("Keeping weights") as progress:
        source = replace(source, progress=progress)
        if new.destination is None:
            operations.models.revisions.keep(chain, model_id, source, new.update)
            url = _url(chain, model_id)
        elif new.background:
            url = _upload_in_background(chain, model_id, new, source)
        else:
            folder = operations.weights.uploading.folder_of(
                registry, new.destination, new.update.task
            )
            url = operations.models.revisions.upload(registry, model_id, source, folder, new.update)
    operations.weights.source_files.delete_planned(planned)
    return url


def _url(chain: Chain, model_id: str) -> str:
    found = Found(chain.first, model_id)
    return operations.weights.local_copies.url_of_given(chain, found) or ""


def _upload_in_background(chain: Chain, model_id: str, new: NewWeights, source: Source) -> str:
    from localreg.api import ambient

    assert new.destination is not None
    folder = operations.weights.uploading.folder_of(chain.first, new.destination, new.update.task)
    weights = operations.models.revisions.keep(chain, model_id, source, new.update)
    return ambient.uploads().start(chain, model_id, weights, folder)
