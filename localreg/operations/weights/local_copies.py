"""Giving out local files of a model's weights."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.local_files.handed_out import handed_out
from localreg.errors import (
    CorruptBlobError,
    NotAPackageError,
    NoWeightsError,
    StorageError,
    WeightsError,
)
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.locations import (
    check_handed_out,
    check_upstream,
    holder,
    local_file,
    unpacked,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows
from localreg.values import settings
from localreg.values.frozen import replace
from localreg.values.records import WeightsRecord
from localreg.values.urls import is_folder, local_path, local_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.fetching import Wish
    from localreg.progress import Progress


def weights_url(chain: Chain, found: Found) -> str | None:
    """Return where a model's weights come from, or None.

    Weights that only the registry holds have the ``file://`` URL of its own copy, which moves
    with the directory and is not stored.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    weights = current(found)
    if weights is None:
        return None
    if weights.url is None and weights.digest is not None:
        path = local_file(chain, found.registry, weights.digest, weights.size, weights.filename)
        return local_url(path)
    return weights.url


def current(found: Found) -> WeightsRecord | None:
    """Return the revision of a model's weights that is served, or None.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    with found.registry.store.read() as connection:
        weights = model_rows.current_weights(connection, found.id)
        if weights is None:
            require_model(connection, found.id)
        return weights


def local_copy(
    chain: Chain,
    found: Found,
    *,
    extract: bool | None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return a local file of a model's weights, or the folder that its archive unpacks to.

    Args:
        extract: unpack an archive; what is none is given as it is. None unpacks packages.
        force: fetch remote weights again.
        progress: told of the bytes that are fetched.

    Raises:
        NoWeightsError: it has no weights, or they are not where its URL points.
        CorruptBlobError: the registry's copy is damaged, and cannot be fetched again.
        DownloadError: they are remote, and cannot be fetched.
        DigestMismatchError: they are others than recorded.
        ArchiveError: the archive is broken, unsafe or beyond the limits.
        StorageError: the disk is full, or refused something.
        ModelNotFoundError: the model is gone.
    """
    registry, model_id = found.registry, found.id
    try:
        with registry.store.one_statement() as connection:
            weights, package = model_rows.weights_and_package(connection, model_id)
        if weights is None or (weights.url is None and weights.digest is None):
            with registry.store.read() as connection:
                require_model(connection, model_id)
            raise NoWeightsError(f"model {model_id} has no weights: no URL is recorded for it")
        if extract is None:
            extract = package
        held, path = _file(chain, registry, model_id, weights, force, progress)
        return _unpacked(chain, held, path) if extract else path
    except WeightsError as error:
        error.model = model_id
        raise


def _file(
    chain: Chain,
    registry: OpenRegistry,
    model_id: str,
    weights: WeightsRecord,
    force: bool,
    progress: Progress | None,
) -> tuple[str | None, Path]:
    """Return a local file, and its digest when that is known."""
    remote = weights.url is None or not weights.url.startswith("file://")
    thorough = os.environ.get(settings.VERIFY) == "always"
    if weights.digest is not None and (remote or weights.kept) and not force and not thorough:
        blobs = chain.first.blobs
        path = handed_out(blobs, weights.digest, weights.size, weights.filename)
        if path is not None:  # most calls end here
            return weights.digest, path
    if remote:
        home = holder(chain, weights.digest, weights.size)
        damaged = home is not None and not _is_sound(chain.first, home, weights)
        if weights.url is not None and (force or damaged or home is None):
            weights = _fetched(chain, registry, model_id, weights, force, damaged, progress)
    elif not weights.kept and not _is_cached(chain, weights):
        return _outside(chain.first, model_id, weights, progress)
    assert weights.digest is not None
    path = local_file(chain, registry, weights.digest, weights.size, weights.filename)
    if thorough:
        check_handed_out(chain, weights.digest, weights.size, path)
    return weights.digest, path


def _fetched(
    chain: Chain,
    registry: OpenRegistry,
    model_id: str,
    weights: WeightsRecord,
    force: bool,
    damaged: bool,
    progress: Progress | None,
) -> WeightsRecord:
    from localreg.operations.weights import fetching

    if registry != chain.first:
        return fetching.fetch_for_upstream(
            chain, registry, model_id, weights, force=force or damaged, progress=progress
        )
    return fetching.fetch_weights(
        chain, model_id, weights, force=force, again=damaged, progress=progress
    )


def _is_cached(chain: Chain, weights: WeightsRecord) -> bool:
    """Return whether what was uploaded is gone from there, and is still here."""
    path = local_path(weights.url or "")
    return (
        weights.uploaded
        and size_of(path or chain.first.root) != weights.size
        and holder(chain, weights.digest, weights.size) is not None
    )


def _is_sound(registry: OpenRegistry, home: OpenRegistry, weights: WeightsRecord) -> bool:
    """Return whether weights are what they were; their digest counts when that is asked for."""
    if os.environ.get(settings.VERIFY) != "always":
        return True
    if home == registry:
        return home.blobs.is_sound(weights.digest or "")
    try:
        check_upstream(registry, home, weights.digest or "")
    except (CorruptBlobError, StorageError):  # damaged, or not to be read
        return False
    return True


def _outside(
    registry: OpenRegistry, model_id: str, weights: WeightsRecord, progress: Progress | None
) -> tuple[str | None, Path]:
    """Return the very file that a ``file://`` URL names, checked where a digest is recorded."""
    path = local_path(weights.url or "")
    assert path is not None
    what = f"the weights of model {model_id} are" if model_id else "it is"
    if not os.path.exists(path):  # noqa: PTH110  (Path.exists raises for a name that is too long)
        raise NoWeightsError(
            f"{what} not there any more: {path}; bring the file back, or import its new place"
        )
    wanted = weights.pinned or weights.digest
    if wanted is None or is_folder(path):
        return None, path
    from localreg.operations.weights.ingest import Source, digest_of

    source = Source(path=path, filename=weights.filename, wanted=wanted, progress=progress)
    return digest_of(registry, source).digest, path


def _unpacked(chain: Chain, digest: str | None, path: Path) -> Path:
    from localreg.blobs.archives.unpacking import is_archive

    if not is_archive(path.name) or is_folder(path):
        return path
    if digest is None:
        from localreg.operations.weights.ingest import Source, digest_of

        digest = digest_of(chain.first, Source(path=path, filename=path.name)).digest
    return unpacked(chain, digest, path, path.name)


def check_wish(url: object, *, name: object, expected: object, force: bool) -> Wish:
    """Return what shall be fetched, checked.

    Raises:
        InvalidURLError: the URL cannot be used.
        InvalidValueError: the name or the digest cannot.
    """
    from localreg.operations.weights.fetching import Wish
    from localreg.operations.weights.origin import check_filename, check_pin
    from localreg.values.urls import parse_weights_url

    parsed = parse_weights_url(url)
    return Wish(
        url=parsed.text,
        filename=parsed.filename if name is None else check_filename(name),
        wanted=check_pin(parsed, expected),
        force=force,
    )


def copy_of_url(chain: Chain, wish: Wish, *, extract: bool) -> Path:
    """Return a local file of what a URL serves, or the folder that its archive unpacks to.

    Raises:
        WeightsError: as `local_copy`.
        StorageError: the disk is full, or refused something.
    """
    if wish.url.startswith("file://"):
        weights = WeightsRecord(url=wish.url, filename=wish.filename, pinned=wish.wanted)
        digest, path = _outside(chain.first, "", weights, None)
        return _unpacked(chain, digest, path) if extract else path
    from localreg.operations.weights.fetching import held_bytes
    from localreg.progress import shown_progress

    with shown_progress(f"Fetching {wish.filename or 'a file'}") as progress:
        held = held_bytes(chain, replace(wish, progress=progress))
    path = local_file(chain, chain.first, held.digest, held.size, held.filename)
    return _unpacked(chain, held.digest, path) if extract else path


def check_package(found: Found) -> None:
    """Check that a model is a package of files.

    Raises:
        NotAPackageError: it is a single file.
        ModelNotFoundError: the model is gone.
    """
    with found.registry.store.read() as connection:
        row = require_model(connection, found.id)
    if not row.package:
        raise NotAPackageError(
            f"model {found.id} is not a package; get_weights() gives its file", model=found.id
        )


def private_copy(
    chain: Chain, found: Found, path: Path, folder: str | os.PathLike[str] | None
) -> Path:
    """Return a copy of a local path of a model's weights that the caller may write to.

    Args:
        path: what `local_copy` returned.
        folder: where it goes, under its original name; a new temporary folder when None.

    Raises:
        InvalidValueError: something of that name is there already.
        StorageError: it cannot be written.
    """
    from localreg.blobs.local_files.private_copy import copy_out, own_folder

    return copy_out(path, own_folder(folder) / own_name(chain, found, path))


def copy_to(path: Path, place: Path, *, replace: bool) -> Path:
    """Copy a local path of weights to a place of the user, whole or not at all.

    Args:
        replace: replace a file that exists; a folder is never replaced.
    """
    from localreg.blobs.local_files.private_copy import copy_out

    return copy_out(path, place, replace=replace)


def own_name(chain: Chain, found: Found, path: Path) -> str:
    """Return what a copy of a local path is called: an unpacked tree by its archive."""
    own = any(each.blobs.contains(path) for each in chain.registries)
    if not is_folder(path) or not own:
        return path.name
    weights = current(found)
    name = safe_filename(weights.filename) if weights and weights.filename else None
    return tree_name(name or "package")


def tree_name(filename: str) -> str:
    """Return what a folder that was unpacked from an archive of this name is called.

    >>> tree_name("bert.tar.gz"), tree_name("v1.5.zip")
    ('bert', 'v1.5')
    """
    lower = filename.lower()
    for ending in (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".zip"):
        if lower.endswith(ending) and len(filename) > len(ending):
            return filename[: -len(ending)]
    return f"{filename}.d"
