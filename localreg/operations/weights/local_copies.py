"""Local files of a model's weights: first decide how to get one (`plan`), then do it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import size_of
from localreg.blobs.local_files.local_file import existing_local_file, file_in, may_have
from localreg.errors import (
    CorruptBlobError,
    DownloadError,
    InvalidValueError,
    LocalregError,
    MissingPackageError,
    NotAPackageError,
    NoWeightsError,
    StorageError,
    TrustError,
    WeightsError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import kind_of
from localreg.filesystem.portable_files import kept_name
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.known_digests import status_of
from localreg.operations.weights.locations import (
    check_local_copy,
    check_upstream,
    holder,
    local_file,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.database.sqlite_errors import translated
from localreg.store.rows import blob_rows, model_rows, tree_rows
from localreg.store.rows.checked_values import damaged_row
from localreg.values import settings
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
from localreg.values.paths import printable_path
from localreg.values.records import WeightsRecord
from localreg.values.urls import is_folder, local_path, local_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.trees.local_tree import Entry
    from localreg.filesystem.plain_files import FileStatus
    from localreg.operations.weights.fetching import Wish
    from localreg.operations.weights.trusted import Trust
    from localreg.progress import Progress
    from localreg.store.rows.model_rows import Served

# Why a remote does not give what it should have; then the URL is asked.
_UNAVAILABLE = (NoWeightsError, DownloadError, MissingPackageError)


def weights_url(chain: Chain, found: Found) -> str | None:
    """Return the URL of a model's weights, or None.

    Weights that only the registry has get the ``file://`` URL of a local copy: a file, or the
    folder of a package. It is not stored, because it changes when the directory is moved. Nothing
    is downloaded: those that only a remote has get the URL of the object there, which is the list
    of its files for a package.

    Raises:
        TrustError: it is the URL of a local path, and no trusted key signed the weights.
    """
    served = _served_now(found)
    weights = served.weights
    if weights is None or (weights.url is None and weights.digest is None):
        return None
    if weights.url is None or not _is_remote(weights):
        trust = _trust(chain, found, served, weights)
        if trust is not None and trust.enforced:
            weights = signed_source(chain, found, weights)
            return hashed_url(chain, trust, weights, _url_of(chain, found, weights))
    return _url_of(chain, found, weights)


def url_of_given(chain: Chain, found: Found) -> str | None:
    """Return the URL of weights that the caller gave just now, as `weights_url`.

    No signature is wanted of them: they are given back to who has them.
    """
    weights = _served_now(found).weights
    return None if weights is None else _url_of(chain, found, weights)


def _served_now(found: Found) -> Served:
    with found.registry.store.one_statement() as connection:
        served = model_rows.served(connection, found.id)
    if served.weights is None:
        with found.registry.store.read() as connection:
            require_model(connection, found.id)
    return served


def signed_source(chain: Chain, found: Found, weights: WeightsRecord) -> WeightsRecord:
    """Return weights with a URL that leads to what was signed, or with none.

    The registry has its own copy of what it keeps. What it does not keep is compared.

    Raises:
        TrustError: the URL is that of an archive of the files that were signed.
        DigestMismatchError: its file has other bytes now.
    """
    path = None if weights.url is None else local_path(weights.url)
    if path is None:
        return weights
    if weights.kept:
        return replace(weights, url=None)
    if weights.tree:
        raise _unsigned_archive(found)
    if size_of(path) is not None:
        outside = Outside(path, weights.filename, weights.digest)
        _check_outside(chain.first, outside, f"the weights of model {found.id} are", None)
    return weights


def hashed_url(chain: Chain, trust: Trust, weights: WeightsRecord, url: str | None) -> str | None:
    """Return a URL once the bytes at it were hashed, if they must be.

    What only a remote has is hashed when it comes, so that a folder that is one has no URL of it.
    """
    path = None if url is None else local_path(url)
    if path is None or weights.url is not None:
        return url
    stores = (chain.first.blobs_of_full_disk, *(each.blobs for each in chain.registries))
    if not any(each.contains(path) for each in stores):
        return None
    _hashed(chain, trust, weights, path)
    return url


def _url_of(chain: Chain, found: Found, weights: WeightsRecord) -> str | None:
    if weights.url is None and weights.digest is not None:
        try:
            return local_url(_copy_here(chain, found, weights, weights.digest))
        except CorruptBlobError:
            from localreg.operations.weights.remote_bytes import url_at_remote

            there = url_at_remote(chain, found.registry, weights.digest)
            if there is None:
                raise
            return there
    return weights.url


def _copy_here(chain: Chain, found: Found, weights: WeightsRecord, digest: str) -> Path:
    """Return a local copy of weights that a registry of the chain has."""
    if weights.tree:
        from localreg.operations.weights.package_copies import package_folder

        return package_folder(chain, found.registry, digest, verify=False, only_here=True)
    return local_file(chain, found.registry, digest, weights.size, weights.filename, only_here=True)


def current(found: Found) -> WeightsRecord | None:
    """Return the current revision of a model's weights, or None."""
    with found.registry.store.read() as connection:
        weights = model_rows.current_weights(connection, found.id)
        if weights is None:
            require_model(connection, found.id)
        return weights


def _trust_mode(chain: Chain, found: Found, own: str | None) -> str | None:
    """Return the setting trust.mode that decides; `own` is that of the model's registry."""
    first = (chain.trust_from or chain.registries)[0]
    return own if first is found.registry else chain.own_trust_mode()


def _may_check(chain: Chain, mode: str | None) -> bool:
    """Return True if weights may have to be checked before they are given out."""
    others = (chain.trust_from or chain.registries)[1:]
    return mode is not None or any(each.store.trust_mode is not None for each in others)


def _trust(
    chain: Chain, found: Found, served: Served, weights: WeightsRecord | None
) -> Trust | None:
    """Return what is to be checked of a model, once that was done; None for nothing.

    Args:
        weights: what is given out; None if it is not known yet, and is checked later.
    """
    mode = _trust_mode(chain, found, served.trust)
    if not _may_check(chain, mode):
        return None  # nearly always
    from localreg.operations.weights.trusted import trust_by

    trust = trust_by(chain, mode)
    if trust is not None and weights is not None:
        trust.check(chain, found, weights)
    return trust


class Ready(Frozen):
    """A local copy that exists and is whole."""

    path: Path
    digest: str


class Serve(Frozen):
    """Weights that a registry of the chain must have: their local file is made next."""

    weights: WeightsRecord


class Bring(Frozen):
    """Weights that a remote should have, and no registry of the chain has: they come from there.

    Attributes:
        damaged: True if the bytes are here but damaged.
    """

    weights: WeightsRecord
    damaged: bool


class Fetch(Frozen):
    """Weights that must be downloaded first.

    Attributes:
        again: True if the bytes are here but damaged: download them nevertheless.
    """

    weights: WeightsRecord
    again: bool


class Outside(Frozen):
    """A file that a ``file://`` URL names; `wanted` is the sha256 that it must have, if any."""

    path: Path
    filename: str | None
    wanted: str | None


def local_copy(
    chain: Chain,
    found: Found,
    *,
    extract: bool | None,
    force: bool = False,
    file: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return a local file of a model's weights, or the folder of a package.

    Args:
        extract: unpack an archive; any other file is returned itself. None unpacks packages. With
            False, a package is an archive.
        force: download remote weights again.
        file: return only this file of a package, or of what an archive unpacks to.
        progress: called with the bytes downloaded so far.

    Raises:
        NoWeightsError: the model has no weights, or the file of its URL does not exist.
        ContestedError: two publications of the model differ.
        TrustError: no trusted key signed the weights; then nothing is given out.
        CorruptBlobError: the registry's copy is damaged, and cannot be downloaded again.
        DownloadError: the weights cannot be downloaded.
        DigestMismatchError: the bytes differ from the recorded ones.
        ArchiveError: the archive is broken, unsafe or beyond the limits.
        NotAPackageError: the weights are a single file, and `file` is another name.
        NotFoundError: the package has no such file; of a folder of it an InvalidValueError.
    """
    try:
        with found.registry.store.one_statement() as connection:
            served = model_rows.served(connection, found.id)
            weights = served.weights
            listed = weights is not None and weights.tree and weights.digest
            entries = tree_rows.entries(connection, listed) if listed else None
        if served.contested:
            from localreg.operations.weights.contested import contested_error

            raise contested_error(found)
        if weights is None or (weights.url is None and weights.digest is None):
            with found.registry.store.read() as connection:
                require_model(connection, found.id)
            raise NoWeightsError(f"model {found.id} has no weights: no URL is recorded for it")
        trust = _trust(chain, found, served, None if weights.digest is None else weights)
        verify = verifies_always()
        if weights.tree:
            if entries and extract is not False and file is None and not force and not verify:
                ready = _ready_package(chain.first, weights, entries)
                if ready is not None:  # most calls for a package end here
                    return _hashed(chain, trust, weights, ready)
            wanted = _Part(file, extract is False and file is None, trust)
            return _package(chain, found, weights, wanted, force, verify, progress)
        unpacks = extract or (extract is None and served.package) or file is not None
        digest: str | None
        before = None
        way = plan(chain, found, weights, force=force, verify=verify)
        failure = None
        if isinstance(way, Bring):
            way, failure = _brought(chain, found, way, progress)
        match way:
            case Ready(path, digest):
                pass
            case Serve(weights):
                digest, path = _served(chain, found, weights, verify)
            case Fetch(weights, again):
                from localreg.operations.weights.fetching import fetch_weights

                try:
                    weights = fetch_weights(
                        chain, found, weights, force=force, again=again, progress=progress
                    )
                except DownloadError as error:
                    if failure is None:
                        raise
                    raise _with_reason(error, failure) from None
                if trust is not None:  # the bytes may be others now, or are known only now
                    trust.check(chain, found, weights)
                if weights.tree:
                    part = _Part(file, not unpacks, trust)
                    return _part_of(chain, found, weights, part, verify, progress)
                digest, path = _served(chain, found, weights, verify)
            case Outside() as outside:
                what = f"the weights of model {found.id} are"
                before = status_of(outside.path) if unpacks else None
                digest, path = _check_outside(chain.first, outside, what, progress)
                if trust is not None and (digest is None or digest != weights.digest):
                    trust.check(chain, found, replace(weights, digest=digest))
        if digest is not None and trust is not None:
            _hashed(chain, trust, replace(weights, digest=digest), path)
        if not unpacks:
            return path
        # What an upstream registry says of an archive is not signed.
        alone = trust is not None and trust.hashes(chain)
        path = unpacked(chain.alone(chain.first) if alone else chain, digest, path, before)
        return path if file is None else _file_in(path, file, found)
    except WeightsError as error:
        error.model = found.id
        raise


def ready_copy(chain: Chain, found: Found, *, extract: bool | None) -> str | None:
    """Return the local file or folder of a model's weights if there is only to find it.

    It returns what `local_copy` would, for most calls, and makes no records and paths for it. None
    says that `local_copy` must look.
    """
    with found.registry.store.one_statement() as connection:
        file = model_rows.served_file(connection, found.id)
        entries = tree_rows.entries(connection, file.digest) if file and file.tree else []
    if (
        file is None
        or file.contested
        or (extract is False if file.tree else extract or (extract is None and file.package))
        or not (file.kept or file.url is None or not file.url.startswith("file://"))
        or verifies_always()
        or _may_check(chain, _trust_mode(chain, found, file.trust))
    ):
        return None
    first, others = chain.first, chain.others
    first.store.check_file()
    if file.tree:
        from localreg.operations.weights.package_copies import existing_folder

        folder = existing_folder(first, file.digest, entries)
        return None if folder is None else str(folder)
    if len(others) != 1 or may_have(first.directory, file.digest):
        return file_in(first.directory, file.digest, file.size, file.filename)
    try:
        others[0].store.check_file()
        return file_in(others[0].directory, file.digest, file.size, file.filename)
    except OSError:  # it cannot be read any more, and may not be needed
        return None


class _Part(Frozen):
    """What is wanted of a package: one file, if it is named, else an archive or the folder.

    Attributes:
        trust: what is checked of it; None for nothing.
    """

    file: str | None
    archive: bool
    trust: Trust | None

    @property
    def signed(self) -> bool:
        """True if only files that are signed are given out, and no archive that has them."""
        return self.trust is not None and self.trust.enforced


def _ready_package(
    first: OpenRegistry, weights: WeightsRecord, entries: list[Entry]
) -> Path | None:
    """Return the folder of a package if it exists and is whole, or None."""
    if weights.digest is None or not (weights.kept or _is_remote(weights)):
        return None
    from localreg.operations.weights.package_copies import existing_folder

    first.store.check_file()
    return existing_folder(first, weights.digest, entries)


def _is_remote(weights: WeightsRecord) -> bool:
    return weights.url is None or not weights.url.startswith("file://")


def _package(
    chain: Chain,
    found: Found,
    weights: WeightsRecord,
    part: _Part,
    force: bool,
    verify: bool,
    progress: Progress | None,
) -> Path:
    """Return a local copy of a package, whose files are kept each by itself.

    If bytes are missing or damaged, and the package came from a URL, it is downloaded again.
    """
    outside = None if weights.kept or weights.url is None else local_path(weights.url)
    if outside is not None and not _has_own_package(chain, found, weights, outside):
        what = f"the weights of model {found.id} are"
        pinned = weights.pinned or weights.archive
        before = status_of(outside)
        digest, path = _check_outside(
            chain.first, Outside(outside, weights.filename, pinned), what, progress
        )
        if weights.tree and weights.digest is not None and is_folder(path):
            from localreg.operations.weights.outside_folders import check_folder

            check_folder(chain.first, path, weights.digest, found.id)
        if part.archive:
            if part.signed:
                raise _unsigned_archive(found)
            return path
        path = unpacked(chain, digest, path, before)
        if part.signed and path.name != weights.digest:
            raise TrustError(
                f"model {found.id} is signed, and {printable_path(outside)} does not unpack to "
                "what was signed; upload it again",
                model=found.id,
            )
        return path if part.file is None else _file_in(path, part.file, found)
    from localreg.operations.weights.fetching import fetch_weights, forget_damaged

    fetched = weights.url is not None and _is_remote(weights)
    failure: LocalregError | None = None
    if not (force and fetched):
        try:
            return _part_of(chain, found, weights, part, verify, progress)
        except CorruptBlobError as error:
            in_remote = _is_in_remote(chain, found, weights)
            if not fetched and not in_remote:
                raise
            failure = error
        except _UNAVAILABLE as error:
            if not fetched:
                raise
            failure, in_remote = error, False
        log.info("%s", failure)
        if in_remote:
            forget_damaged(chain.first, weights.digest or "")
            try:
                return _part_of(chain, found, weights, part, verify, progress)
            except (CorruptBlobError, *_UNAVAILABLE) as error:
                if not fetched:
                    raise
                log.info("%s", error)
    try:
        weights = fetch_weights(chain, found, weights, force=force, again=True, progress=progress)
    except DownloadError as error:
        if failure is None or isinstance(failure, CorruptBlobError):
            raise
        raise _with_reason(error, failure) from None
    if part.trust is not None:  # the bytes may be others now
        part.trust.check(chain, found, weights)
    return _part_of(chain, found, weights, part, verify, progress)


def _unsigned_archive(found: Found) -> TrustError:
    return TrustError(
        f"model {found.id} is signed, but not the archive that its files come in, and what else "
        "may be in it; ask for the folder",
        model=found.id,
    )


def _part_of(
    chain: Chain,
    found: Found,
    weights: WeightsRecord,
    part: _Part,
    verify: bool,
    progress: Progress | None,
) -> Path:
    """Return what is wanted of a package that a registry of the chain has."""
    from localreg.operations.weights.package_copies import package_file, package_folder

    digest = weights.digest
    if digest is None:
        with translated(found.registry.store.place):
            raise damaged_row("weights", found.id, "blob", "leads to no blob")
    if part.file is not None:
        path = package_file(
            chain, found.registry, digest, part.file, verify=verify, progress=progress
        )
        return _hashed(chain, part.trust, weights, path, part.file)
    if part.archive:
        from localreg.operations.weights.archives_on_demand import archive_of

        return archive_of(
            chain,
            found.registry,
            digest,
            weights.filename,
            archive=None if part.signed else weights.archive,
            progress=progress,
        )
    path = package_folder(chain, found.registry, digest, verify=verify, progress=progress)
    return _hashed(chain, part.trust, weights, path)


def _hashed(
    chain: Chain,
    trust: Trust | None,
    weights: WeightsRecord,
    path: Path,
    file: str | None = None,
) -> Path:
    """Return a path once its bytes were hashed, if they must be; see `trusted.check_given`."""
    if trust is not None:
        from localreg.operations.weights.trusted import check_given

        check_given(chain, trust, weights, path, file)
    return path


def _file_in(folder: Path, file: str, found: Found) -> Path:
    """Return a file in the folder that an archive was unpacked to, or that a URL names.

    Weights that are a single file have that one file.
    """
    from localreg.operations.weights.package_copies import in_package, no_file

    if not is_folder(folder):
        if in_package(file) == folder.name:
            return folder
        raise NotAPackageError(
            f"model {found.id} is a single file, {printable_path(folder.name)}, and has no "
            f"{printable_path(file)}; ask for that file, or for the model",
            model=found.id,
        )

    path = folder / in_package(file)
    if size_of(path) is None:
        raise no_file(file, [each.relative_to(folder).as_posix() for each in folder.rglob("*")
                             if each.is_file()], [])  # fmt: skip
    return path


def plan(
    chain: Chain, found: Found, weights: WeightsRecord, *, force: bool, verify: bool
) -> Ready | Serve | Bring | Fetch | Outside:
    """Return how to get a local copy of weights. This only looks; it makes and downloads nothing.

    A remote is asked before the URL: what it has cannot change.

    Args:
        found: the model.
        force: download remote weights again.
        verify: hash the bytes; if they are damaged, download them again where that is possible.
    """
    remote = _is_remote(weights)
    if weights.digest is not None and (remote or weights.kept) and not force and not verify:
        ready = existing_local_file(
            chain.first.blobs, weights.digest, weights.size, weights.filename
        )
        if ready is not None:
            return Ready(Path(ready), weights.digest)
    if not remote:
        path = local_path(weights.url or "")
        assert path is not None
        if not weights.kept and not _is_cached(chain, found, weights, path):
            return Outside(path, weights.filename, weights.pinned or weights.digest)
    holding = holder(chain, weights.digest, weights.size)
    damaged = verify and holding is not None and not _is_sound(chain.first, holding, weights)
    fetchable = remote and weights.url is not None
    if fetchable and force:
        return Fetch(weights, damaged)
    if holding is not None and not damaged:
        return Serve(weights)
    if _is_in_remote(chain, found, weights):
        return Bring(weights, damaged)
    return Fetch(weights, damaged) if fetchable else Serve(weights)


def _is_in_remote(chain: Chain, found: Found, weights: WeightsRecord) -> bool:
    """Return True if a remote should have the bytes of weights."""
    if weights.digest is None:
        return False
    from localreg.operations.weights.remote_bytes import should_have

    return bool(should_have(chain, found.registry, weights.digest))


def _brought(
    chain: Chain, found: Found, way: Bring, progress: Progress | None
) -> tuple[Serve | Fetch, LocalregError | None]:
    """Bring weights from a remote; return what to do next, and why they did not come."""
    from localreg.operations.weights.fetching import forget_damaged
    from localreg.operations.weights.remote_bytes import Wanted, bring

    weights = way.weights
    assert weights.digest is not None
    if way.damaged:
        forget_damaged(chain.first, weights.digest)
    wanted = Wanted(weights.digest, weights.size or 0, weights.filename)
    try:
        bring(chain, found.registry, weights.digest, [wanted], progress=progress)
    except _UNAVAILABLE as error:
        if weights.url is None or not _is_remote(weights):
            raise
        return Fetch(weights, way.damaged), error
    return Serve(weights), None


def _with_reason(error: DownloadError, before: LocalregError) -> DownloadError:
    """Return the error for weights that neither a remote nor their URL gives."""
    return DownloadError(f"{error}; before that: {before}", url=error.url, status=error.status)


def _is_sound(first: OpenRegistry, holding: OpenRegistry, weights: WeightsRecord) -> bool:
    """Return True if the bytes in a registry have their sha256, by hashing them."""
    if holding == first:
        return holding.blobs.is_sound(weights.digest or "")
    try:
        check_upstream(first, holding, weights.digest or "")
    except (CorruptBlobError, StorageError):  # damaged, or unreadable
        return False
    return True


def _is_cached(chain: Chain, found: Found, weights: WeightsRecord, path: Path) -> bool:
    """Return True if uploaded weights are missing at their destination, and to be had otherwise."""
    if not weights.uploaded or size_of(path) == weights.size:
        return False
    held = holder(chain, weights.digest, weights.size) is not None
    return held or _is_in_remote(chain, found, weights)


def _has_own_package(chain: Chain, found: Found, weights: WeightsRecord, path: Path) -> bool:
    """Return True if an uploaded package is missing at its destination, as in `_is_cached`."""
    from localreg.operations.weights.packages import known_package

    if not weights.uploaded or size_of(path) == weights.archive_size:
        return False
    held = known_package(chain, weights.digest or "") is not None
    return held or _is_in_remote(chain, found, weights)


def verifies_always() -> bool:
    """Return True if the environment wants the sha256 checked at every local copy."""
    wanted = os.environ.get(settings.VERIFY, "")
    if wanted not in ("", "always"):
        raise InvalidValueError(
            f"{settings.VERIFY} must be always, or not set, not {shown(wanted)}",
            argument=settings.VERIFY,
        )
    return wanted == "always"


def _served(chain: Chain, found: Found, weights: WeightsRecord, verify: bool) -> tuple[str, Path]:
    """Return the digest and a local file of weights that a registry of the chain has."""
    if weights.digest is None:
        with translated(found.registry.store.place):
            raise damaged_row("weights", found.id, "blob", "leads to no blob")
    path = local_file(chain, found.registry, weights.digest, weights.size, weights.filename)
    if verify:
        check_local_copy(chain, weights.digest, weights.size, path)
    return weights.digest, path


def _check_outside(
    first: OpenRegistry, outside: Outside, what: str, progress: Progress | None
) -> tuple[str | None, Path]:
    """Return the digest, if it is known, and the path of a file outside, once it was checked.

    A folder is returned if no sha256 is recorded: a model may point to one.

    Args:
        what: the beginning of the error message if the file does not exist.
    """
    path = outside.path
    found = _what_is_at(path)
    if found != "a file" and not (found == "a folder" and outside.wanted is None):
        raise NoWeightsError(
            f"{what} not there any more: {printable_path(path)}{found and f' is {found} now'}; "
            "bring the file back, or import its new place"
        )
    if outside.wanted is None:
        return None, path
    from localreg.operations.weights.ingest import digest_of
    from localreg.operations.weights.sources import Source

    source = Source(path=path, filename=outside.filename, wanted=outside.wanted, progress=progress)
    return digest_of(first, source).digest, path


def _what_is_at(path: Path) -> str:
    """Return what is at a path, such as "a pipe"; "" for nothing."""
    try:
        return kind_of(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return ""
        return f"a path that cannot be followed ({error.strerror})"


def unpacked(
    chain: Chain, digest: str | None, path: Path, before: FileStatus | None = None
) -> Path:
    """Return the folder that an archive unpacks to; any other file is returned itself.

    Args:
        before: the status of a file outside before it was hashed; it must still have it.
    """
    from localreg.blobs.archives.unpacking import is_archive

    if not is_archive(path.name) or is_folder(path):
        return path
    from localreg.operations.weights.unpacking import Archive, unpacked_folder

    if digest is None:
        from localreg.operations.weights.ingest import digest_of
        from localreg.operations.weights.sources import Source

        digest = digest_of(chain.first, Source(path=path, filename=path.name)).digest
    with disk_errors("unpacking weights", path):
        archive = Archive(digest, path.stat().st_size, path, path.name, before)
    return unpacked_folder(chain, archive, verify=verifies_always())


def check_wish(argument: str, url: object, *, name: object, expected: object, force: bool) -> Wish:
    """Return what to download, once the arguments are checked.

    Args:
        argument: the name of the argument `url`, for the error.
    """
    from localreg.operations.weights.fetching import Wish
    from localreg.operations.weights.origin import check_filename, check_pin
    from localreg.values.urls import parse_named_url

    parsed = parse_named_url(argument, url)
    return Wish(
        url=parsed.text,
        filename=parsed.filename if name is None else check_filename(name),
        wanted=check_pin(parsed, expected),
        force=force,
    )


def copy_of_url(chain: Chain, wish: Wish, *, extract: bool) -> str:
    """Return a local file of what a URL serves, or the folder that its archive unpacks to.

    As text, since most calls only find a file, and a `Path` would take a tenth of their time.
    """
    path = local_path(wish.url)
    if path is not None:
        outside = Outside(path, wish.filename, wish.wanted)
        before = status_of(path)
        digest, path = _check_outside(chain.first, outside, "it is", None)
        return str(unpacked(chain, digest, path, before) if extract else path)
    ready = None if wish.force else _ready_copy_of_url(chain, wish)
    if ready is not None:
        digest, file = ready
        return str(unpacked(chain, digest, Path(file))) if extract and _unpacks(file) else file
    from localreg.operations.weights.fetching import held_bytes
    from localreg.progress import shown_progress

    with shown_progress(f"Fetching {wish.filename or 'a file'}") as progress:
        held = held_bytes(chain, replace(wish, progress=progress))
    path = local_file(chain, chain.first, held.digest, held.size, held.filename)
    return str(unpacked(chain, held.digest, path) if extract else path)


def _unpacks(file: str) -> bool:
    from localreg.blobs.archives.unpacking import is_archive

    return is_archive(file)


def _ready_copy_of_url(chain: Chain, wish: Wish) -> tuple[str, str] | None:
    """Return digest and local file of what a URL served before, if nothing is to be recorded."""
    with chain.first.store.one_statement() as connection:
        known = blob_rows.served(connection, wish.url)
    if known is None or wish.wanted not in (None, known.digest):
        return None
    chain.first.store.check_file()
    file = file_in(chain.first.directory, known.digest, known.size, wish.filename)
    return None if file is None else (known.digest, file)


def check_package(found: Found) -> None:
    """Raise NotAPackageError if a model's weights are a single file."""
    with found.registry.store.read() as connection:
        row = require_model(connection, found.id)
    if not row.package:
        raise NotAPackageError(
            f"model {found.id} is not a package; get_weights() gives its file", model=found.id
        )


def private_copy(
    chain: Chain,
    found: Found,
    path: Path,
    folder: str | os.PathLike[str] | None,
    file: str | None = None,
) -> Path:
    """Return a copy of a local path of a model's weights that the caller may write to.

    Files that are executable in a package are so in the copy.

    Args:
        path: what `local_copy` returned.
        folder: where to copy it, under its original name; None for a new temporary folder.
        file: what `local_copy` was given.

    Raises:
        InvalidValueError: the folder has something of that name already.
    """
    from localreg.blobs.local_files.private_copy import copy_out, own_folder

    into = own_folder(folder)
    with chain.first.blobs.writing_outside(into):
        place = into / own_name(chain, found, path)
        return copy_out(path, place, executable=is_executable(chain, found, file))


def copy_to(
    chain: Chain, path: Path, place: Path, *, replace: bool, executable: bool = False
) -> Path:
    """Copy a local path of weights to a path that the user chose, completely or not at all.

    Args:
        replace: replace a file that exists; a folder is never replaced.
        executable: make the copy of a file executable; see `is_executable`.
    """
    from localreg.blobs.local_files.private_copy import copy_out

    with chain.first.blobs.writing_outside(place.parent):
        return copy_out(path, place, replace=replace, executable=executable)


def check_outside(chain: Chain, argument: str, place: Path) -> None:
    """Check that a path that is written to is not inside a registry, and has none in it.

    Raises:
        InvalidValueError: it is, or has.
    """
    real = place.resolve()
    for each in chain.registries:
        root = each.root.resolve()
        if real.is_relative_to(root) or root.is_relative_to(real):
            where = "inside" if real.is_relative_to(root) else "around"
            raise InvalidValueError(
                f"{argument} {printable_path(place)} is {where} the registry {each.root}; choose "
                "another place",
                argument=argument,
            )


def is_executable(chain: Chain, found: Found, file: str | None) -> bool:
    """Return True if one file of a model's package is executable; its local file never is."""
    weights = None if file is None else current(found)
    if file is None or weights is None or weights.digest is None or not weights.tree:
        return False
    from localreg.operations.weights.package_copies import file_of

    return file_of(chain, found.registry, weights.digest, file).executable


def own_name(chain: Chain, found: Found, path: Path) -> str:
    """Return the name for a private copy; a package has that of its folder, or of its archive."""
    own = any(each.blobs.contains(path) for each in chain.registries)
    if not is_folder(path) or not own:
        return kept_name(path.name)
    from localreg.blobs.archives.unpacking import is_archive

    weights = current(found)
    name = safe_filename(weights.filename) if weights and weights.filename else None
    if name is not None and weights is not None and weights.tree and not is_archive(name):
        return kept_name(name)
    return kept_name(tree_name(name or "package"))


def tree_name(filename: str) -> str:
    """Return the name for the folder that an archive of this name unpacks to.

    >>> tree_name("bert.tar.gz"), tree_name("v1.5.zip")
    ('bert', 'v1.5')
    """
    lower = filename.lower()
    for ending in (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".zip"):
        if lower.endswith(ending) and len(filename) > len(ending):
            return filename[: -len(ending)]
    return f"{filename}.d"
