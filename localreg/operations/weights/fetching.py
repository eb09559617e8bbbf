"""Downloads: one for each URL, verified, and recorded in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from localreg import log
from localreg.blobs.archives.unpacking import is_archive
from localreg.blobs.local_files.local_file import local_file
from localreg.blobs.staging.staging import StagedBlob
from localreg.errors import DigestMismatchError, ReadOnlyRegistryError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.upstream import Found, read_each
from localreg.operations.weights.locations import holder
from localreg.operations.weights.sources import Held, KeptUpstream, keeper, record_kept_upstream
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, model_rows, tree_rows
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Json, WeightsRecord
from localreg.values.urls import CLOUDS, parse_named_url, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress
    from localreg.store.rows.blob_rows import Served

    Result = TypeVar("Result")

SCHEMES = ("http", "https", *CLOUDS)


class Wish(Frozen, kw_only=True):
    """What to download.

    Attributes:
        url: the full URL, with secrets.
        filename: the name of local copies.
        named: True if the user gave that name; otherwise the server may give a better one.
        wanted: the sha256 that the bytes must have, or None.
        force: download even if the bytes are here.
        package: an archive is unpacked, and its files are kept; any other file is kept as it is.
        progress: called with the bytes downloaded so far and, if it is known, with all bytes.
    """

    url: str
    filename: str | None
    named: bool = False
    wanted: str | None = None
    force: bool = False
    package: bool = False
    progress: Progress | None = None


@contextmanager
def fetched(chain: Chain, wish: Wish) -> Iterator[tuple[Change, Held]]:
    """Keep what a URL serves; yield its bytes within the transaction that records them.

    What the block records is in the same transaction: all of it is written, or nothing. Processes
    that want one URL at the same time download it once.

    Raises:
        DownloadError: the download failed, or localreg cannot download from such a URL.
        DigestMismatchError: the server gave other bytes than expected; nothing was kept.
        LockTimeoutError: another process is downloading the URL, and makes no progress.
    """
    registry = chain.first
    check_scheme(wish.url)
    if wish.package:
        with _fetched_package(chain, wish) as taken:
            yield taken
        return
    if registry.store.readonly:
        raise ReadOnlyRegistryError(
            f"{public_url(wish.url)} is not here, and cannot be kept: {registry.store.refusal}; "
            "open it for writing once to fetch it",
            path=str(registry.root),
        )
    with ExitStack() as stack:
        for locked in (False, True):
            if locked:
                from localreg.blobs.transfer.url_lock import sole_download

                came = partial(_came, registry, wish)
                stack.enter_context(sole_download(registry.blobs, wish.url, came=came))
            # The second time: another process may have downloaded it while this one waited.
            for known, upstream in () if wish.force else _served(chain, wish):
                with registry.store.write() as change:
                    held = _record_served(registry, change, wish, known, upstream)
                    if held is not None:
                        yield change, held
                        return
        part = _download(stack, registry, wish)
        with disk_errors("keeping weights", part.staged.path):
            damaged = registry.blobs.has(part.staged.digest, part.staged.size)
            damaged = damaged and not registry.blobs.is_sound(part.staged.digest)
            upstream = keeper(chain, part.staged.digest, part.staged.size)
            with registry.store.write() as change:
                yield change, _keep(registry, change, wish, part, upstream, damaged)


@contextmanager
def _fetched_package(chain: Chain, wish: Wish) -> Iterator[tuple[Change, Held]]:
    """Keep the files of the archive that a URL serves; yield as `fetched`, by which it is called.

    The archive need not be here if it is known what it unpacks to. It is kept as a cache of the
    URL.
    """
    from localreg.operations.weights.unpacking import (
        Archive,
        known_package_of,
        record_known,
        taken_in_archive,
    )

    registry = chain.first
    plain = replace(wish, package=False)
    for digest, size in () if wish.force else _archives_of(chain, wish):
        known = known_package_of(chain, digest)
        if known is not None:
            with registry.store.write() as change:
                package = record_known(change, registry, known, digest, size)
                if package is not None:
                    yield change, replace(package, filename=wish.filename)
                    return
    # In a transaction of its own: an archive that cannot be unpacked is not downloaded again.
    held = held_bytes(chain, plain)
    name = _archive_name(held, wish)
    if not is_archive(name):
        with fetched(chain, replace(plain, force=False, wanted=held.digest)) as (change, file):
            yield change, replace(file, filename=held.filename)
        return
    path = _sound_blob(chain, held)
    if path is None:
        held = held_bytes(chain, replace(plain, force=True))
        path = registry.blobs.blob(held.digest)
    archive = Archive(held.digest, held.size, path, name)
    with taken_in_archive(chain, archive) as (change, package):
        yield change, replace(package, filename=held.filename)


def _archive_name(held: Held, wish: Wish) -> str:
    """Return the name by which the format of an archive is known.

    An upload has the ending .zip in its URL, and not in the name of the package.
    """
    own = held.filename or ""
    return own if is_archive(own) else parse_named_url("url", wish.url).filename or own


def _archives_of(chain: Chain, wish: Wish) -> list[tuple[str, int | None]]:
    """Return digest and size of the archives that a URL may serve."""
    found = read_each(chain, lambda connection: blob_rows.served(connection, wish.url))
    served = [(each.digest, each.size) for _, each in found if each is not None]
    if wish.wanted is None:
        return [*served]
    # What it unpacks to may be known even if it was never downloaded to here.
    return [(wish.wanted, dict(served).get(wish.wanted))]


def _sound_blob(chain: Chain, held: Held) -> Path | None:
    """Return the path of bytes that are as they were hashed, or None."""
    holding = holder(chain, held.digest, held.size)
    if holding is None:
        return None
    with holding.store.read() as connection:
        row = blob_rows.blob(connection, held.digest)
    unchanged = row is not None and row.ctime == holding.blobs.ctime(held.digest)
    if unchanged or holding.blobs.is_sound(held.digest):
        return holding.blobs.blob(held.digest)
    return None


def held_bytes(chain: Chain, wish: Wish) -> Held:
    """Return the bytes that a URL serves, downloaded if no registry of the chain has them."""
    held = find_served(chain, wish)
    if held is None:
        with fetched(chain, wish) as (_, held):
            pass  # its URL is recorded, and nothing else
    return held


def find_served(chain: Chain, wish: Wish) -> Held | None:
    """Return what a URL served before, if a registry that cannot be written to finds it.

    A registry that can be written to uses `fetched`, which also records it.
    """
    if wish.force or not chain.first.store.readonly:
        return None
    for _, known in read_each(chain, lambda connection: blob_rows.served(connection, wish.url)):
        if known is None or wish.wanted not in (None, known.digest):
            continue
        package = _known_package(chain, known.digest) if wish.package else None
        if package is not None:
            return replace(package, filename=wish.filename, archive_size=known.size)
        if holder(chain, known.digest, known.size) is not None:
            return Held(known.digest, known.size, wish.filename)
    return None


def _known_package(chain: Chain, archive: str) -> Held | None:
    from localreg.operations.weights.unpacking import known_package_of

    known = known_package_of(chain, archive)
    if known is None:
        return None
    return Held(known.digest, known.size, total=known.manifest.total, archive=archive)


def check_scheme(url: str) -> None:
    """Raise DownloadError if localreg cannot download from URLs of this scheme."""
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        from localreg.errors import DownloadError

        raise DownloadError(
            f"{public_url(url)} cannot be fetched: localreg knows {', '.join(SCHEMES)}, not "
            f"{scheme}; download it by other means and add the file",
            url=public_url(url),
            status=None,
        )


class _Part(Frozen):
    """A finished download: its file, name, header facts and what the server said about it."""

    staged: StagedBlob
    filename: str | None
    facts: Json | None
    found: Downloaded


def _download(stack: ExitStack, registry: OpenRegistry, wish: Wish) -> _Part:
    """Download a URL to a temporary file, which is deleted when the stack is closed."""
    from localreg.blobs.transfer.downloading import download
    from localreg.blobs.transfer.url_lock import download_folder
    from localreg.filesystem.plain_files import discard
    from localreg.filesystem.portable_files import make_readonly_at
    from localreg.operations.weights.ingest import inside_of  # it reads headers of many formats

    path = stack.enter_context(download_folder(registry.blobs, wish.url))
    found = download(
        wish.url,
        path,
        wanted=wish.wanted,
        progress=wish.progress,
        durable=registry.blobs.durable,
    )
    stack.callback(discard, path)
    filename = wish.filename if wish.named else better_name(wish.filename, found.filename)
    with disk_errors("keeping weights", path):
        make_readonly_at(path, registry.blobs.group)
        staged = StagedBlob(found.digest, found.size, path)
        return _Part(staged, filename, inside_of(staged, filename), found)


def _keep(
    registry: OpenRegistry,
    change: Change,
    wish: Wish,
    part: _Part,
    upstream: KeptUpstream | None,
    damaged: bool,
) -> Held:
    """Keep a download and record what its URL serves, within a transaction."""
    from localreg.operations.weights.ingest import keep

    kept = keep(
        registry,
        change,
        part.staged,
        part.filename,
        part.facts,
        upstream=upstream,
        replace=damaged,
    )
    found = part.found
    blob_rows.record_served(change.connection, wish.url, found.digest, found.etag, found.modified)
    return replace(kept, filename=part.filename)


def _served(chain: Chain, wish: Wish) -> Iterator[tuple[Served, KeptUpstream | None]]:
    """Yield what the URL served before, if it is right and its bytes are here or upstream."""
    for _, known in read_each(chain, lambda connection: blob_rows.served(connection, wish.url)):
        if known is not None and wish.wanted in (None, known.digest):
            upstream = keeper(chain, known.digest, known.size)
            if upstream is not None or chain.first.blobs.has(known.digest, known.size):
                yield known, upstream


def _came(registry: OpenRegistry, wish: Wish) -> bool:
    """Return True if another process has brought what a URL serves."""
    if wish.force:
        return False
    with registry.store.one_statement() as connection:
        known = blob_rows.served(connection, wish.url)
    return (
        known is not None
        and wish.wanted in (None, known.digest)
        and registry.blobs.has(known.digest, known.size)
    )


def _record_served(
    registry: OpenRegistry,
    change: Change,
    wish: Wish,
    known: Served,
    upstream: KeptUpstream | None,
) -> Held | None:
    """Record bytes that the URL served before, in a transaction; None if they are missing."""
    if upstream is not None:
        record_kept_upstream(change, upstream, known.digest, known.size)
        blob_rows.record_served(
            change.connection, wish.url, known.digest, known.etag, known.modified
        )
    elif not registry.blobs.has(known.digest, known.size):
        return None
    else:
        local_file(registry.blobs, known.digest, known.size, wish.filename)
    return Held(known.digest, known.size, wish.filename)


def better_name(own: str | None, served: str | None) -> str | None:
    """Return the name of a download: the URL's, or the server's if the URL's has no suffix.

    >>> better_name("resolve", "model.safetensors"), better_name("m.pt", "x.bin")
    ('model.safetensors', 'm.pt')
    """
    return served if served and (own is None or "." not in own) else own


def fetch_weights(
    chain: Chain,
    model: Found,
    weights: WeightsRecord,
    *,
    force: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> WeightsRecord:
    """Download the weights of a model, and return them as they are recorded now.

    Bytes other than the recorded ones are an error; with `force` they are a warning and an event,
    unless the model is published or its checksum was given. Weights of an upstream model go into
    the first registry's cache, and nothing is recorded of the model.

    Args:
        weights: the current revision.
        force: download even if the bytes are here, and accept other bytes.
        again: download even if the bytes are here.
        progress: called with the bytes downloaded so far.
    """
    assert weights.url is not None
    if model.registry != chain.first:
        return _fetch_upstream_weights(chain, model, weights, force or again, progress)
    model_id = model.id
    with chain.first.store.read() as connection:
        row = model_rows.model_row(connection, model_id)
    fixed = row is not None and row.published
    package = weights.tree or (row is not None and row.package)
    if again and weights.tree:
        forget_damaged(chain.first, weights.digest or "")
    wish = Wish(
        url=weights.url,
        filename=weights.filename,
        wanted=weights.pinned or (_served_digest(weights) if fixed or not force else None),
        force=force or (again and not weights.tree),
        package=package,
        progress=progress,
    )

    why = "force_download=True accepts what the URL serves now"
    if fixed:
        why = "the model is published, so its weights are fixed"
    served = find_served(chain, wish)
    if served is not None:
        return _with_bytes(weights, served)
    try:
        with fetched(chain, wish) as (change, held):
            return _record_weights(change, model_id, weights, held)
    except DigestMismatchError as error:
        raise _other_bytes(error, model_id, weights, why) from None


def _fetch_upstream_weights(
    chain: Chain,
    model: Found,
    weights: WeightsRecord,
    force: bool,
    progress: Progress | None,
) -> WeightsRecord:
    assert weights.url is not None
    with model.registry.store.read() as connection:
        row = model_rows.model_row(connection, model.id)
    wish = Wish(
        url=weights.url,
        filename=weights.filename,
        wanted=weights.pinned or _served_digest(weights),
        force=force,
        package=weights.tree or (row is not None and row.package),
        progress=progress,
    )
    try:
        held = held_bytes(chain, wish)
    except DigestMismatchError as error:
        why = f"only its own registry, {model.registry.root}, may accept what the URL serves now"
        raise _other_bytes(error, model.id, weights, why) from None
    return replace(_with_bytes(weights, held), filename=held.filename or weights.filename)


def _served_digest(weights: WeightsRecord) -> str | None:
    """Return the sha256 of what the URL of weights served, or None: of a package its archive's."""
    return weights.archive if weights.tree else weights.digest


def _with_bytes(weights: WeightsRecord, held: Held) -> WeightsRecord:
    return replace(
        weights,
        digest=held.digest,
        size=held.size,
        tree=held.tree,
        total=held.total,
        archive=held.archive,
        archive_size=held.archive_size,
    )


def forget_damaged(registry: OpenRegistry, package: str) -> None:
    """Hash the files of a package; of damaged ones, record that they are, so they are replaced."""
    with registry.store.read() as connection:
        manifest = tree_rows.manifest(connection, package)
    files = {} if manifest is None else {each.digest: each.size for each in manifest.files}
    damaged = [
        digest
        for digest in (package, *files)
        if registry.blobs.ctime(digest) is not None and not registry.blobs.is_sound(digest)
    ]
    if damaged:
        with registry.store.write() as change:
            blob_rows.record_verified(change.connection, dict.fromkeys(damaged))


def _record_weights(
    change: Change, model_id: str, weights: WeightsRecord, held: Held
) -> WeightsRecord:
    from localreg.operations.finding.references import require_model

    require_model(change.connection, model_id)
    before = model_rows.current_weights(change.connection, model_id)
    if before is None or before.url != weights.url or before.id != weights.id:
        return _with_bytes(weights, held)  # changed meanwhile
    if (before.digest, before.tree, before.archive) == (held.digest, held.tree, held.archive):
        return before
    payload: Json = {
        "revision": before.id,
        "number": before.revision,
        "old": before.digest,
        "new": held.digest,
        **held.facts(),
    }
    change.record(
        "weights.fetched" if before.digest is None else "model.weights", model_id, payload
    )
    found = replace(_with_bytes(before, held), filename=held.filename)
    if before.digest is not None:
        blob_rows.mark_unreferred(change.connection, [before.digest])
        log.warning(
            "%s serves other bytes than before: the weights of model %s are sha256 %s now, not %s",
            public_url(weights.url or ""), model_id, _served_digest(found), _served_digest(before),
        )  # fmt: skip
    return found


def _other_bytes(
    error: DigestMismatchError, model_id: str, weights: WeightsRecord, why: str
) -> DigestMismatchError:
    if weights.pinned:
        why = "its checksum was given when it was imported"
    return DigestMismatchError(
        f"{public_url(weights.url or '')} serves other bytes than recorded for model {model_id}: "
        f"sha256 {error.found}, not {error.wanted}; {why}",
        model=model_id,
        wanted=error.wanted,
        found=error.found,
    )
