"""Fetching what a URL serves: one download, verified, recorded in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from localreg import log
from localreg.blobs.local_files.handed_out import local_file
from localreg.blobs.staging.staging import StagedBlob
from localreg.errors import DigestMismatchError, ReadOnlyRegistryError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.ingest import Held, inside_of, keep
from localreg.operations.weights.locations import holder, keeper, record_kept_upstream
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, model_rows
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Json, WeightsRecord
from localreg.values.urls import CLOUDS, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress
    from localreg.store.rows.blob_rows import Served

    Result = TypeVar("Result")

SCHEMES = ("http", "https", *CLOUDS)


class Wish(Frozen, kw_only=True):
    """What shall be fetched.

    Attributes:
        url: with its secrets.
        filename: the name it is handed out under.
        named: whether that name was asked for; else the server may know a better one.
        wanted: the sha256 that it must have; None for any.
        force: download it also when it is here.
        progress: called with the bytes done and, when that is known, how many there are.
    """

    url: str
    filename: str | None
    named: bool = False
    wanted: str | None = None
    force: bool = False
    progress: Progress | None = None


def fetch(chain: Chain, wish: Wish, act: Callable[[Change, Held], Result]) -> Result:
    """Hold what a URL serves, and call `act` in the transaction that records it.

    Many processes that want one URL at once download it once.

    Raises:
        DownloadError: the server does not give it, or the scheme is none that is fetched.
        DigestMismatchError: it gives other bytes than wanted; nothing was kept.
        LockTimeoutError: another process downloads it, and does not come further.
        ReadOnlyRegistryError: the registry is open for reading only.
        StorageError: the disk is full, or refused something.
    """
    registry = chain.first
    check_scheme(wish.url)
    if registry.store.readonly:
        raise ReadOnlyRegistryError(
            f"{public_url(wish.url)} is not here, and cannot be kept: {registry.store.refusal}; "
            "open it for writing once to fetch it",
            path=str(registry.root),
        )
    done = None if wish.force else _from_cache(chain, wish, act)
    if done is not None:
        return done[0]
    from localreg.blobs.transfer.downloading import download
    from localreg.blobs.transfer.url_lock import download_folder, sole_download

    with sole_download(registry.blobs, wish.url):
        done = None if wish.force else _from_cache(chain, wish, act)
        if done is not None:  # while this process waited
            return done[0]
        with download_folder(registry.blobs, wish.url) as part:
            found = download(
                wish.url,
                part,
                wanted=wish.wanted,
                progress=wish.progress,
                durable=registry.blobs.durable,
            )
            try:
                return _record(chain, wish, found, part, act)
            finally:
                part.unlink(missing_ok=True)


def find_served(chain: Chain, wish: Wish) -> Held | None:
    """Return what a URL served before, when it is what is wanted and is here or upstream.

    For a registry that cannot be written to, where nothing can be recorded: else `fetch` does both.
    """
    if wish.force or not chain.first.store.readonly:
        return None
    for _, known in read_each(chain, lambda connection: blob_rows.served(connection, wish.url)):
        if known is None or wish.wanted not in (None, known.digest):
            continue
        if holder(chain, known.digest, known.size) is not None:
            return Held(known.digest, known.size, wish.filename)
    return None


def check_scheme(url: str) -> None:
    """Check that a URL is of a kind that can be fetched.

    Raises:
        DownloadError: it is not.
    """
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        from localreg.errors import DownloadError

        raise DownloadError(
            f"{public_url(url)} cannot be fetched: localreg knows {', '.join(SCHEMES)}, not "
            f"{scheme}; download it by other means and add the file",
            url=public_url(url),
            status=None,
        )


def _record(
    chain: Chain,
    wish: Wish,
    found: Downloaded,
    part: object,
    act: Callable[[Change, Held], Result],
) -> Result:
    from pathlib import Path

    from localreg.filesystem.portable_files import make_readonly_at

    registry = chain.first
    path = Path(str(part))
    filename = wish.filename if wish.named else better_name(wish.filename, found.filename)
    with disk_errors("keeping weights", path):
        make_readonly_at(path, registry.blobs.group)
        staged = StagedBlob(found.digest, found.size, path)
        facts = inside_of(staged, filename)
        held = registry.blobs.has(found.digest, found.size)
        damaged = held and not registry.blobs.is_sound(found.digest)
        upstream = keeper(chain, found.digest, found.size)
        with registry.store.write() as change:
            kept = keep(
                registry, change, staged, filename, facts, upstream=upstream, replace=damaged
            )
            blob_rows.record_served(
                change.connection, wish.url, found.digest, found.etag, found.modified
            )
            return act(change, replace(kept, filename=filename))


def _from_cache(
    chain: Chain, wish: Wish, act: Callable[[Change, Held], Result]
) -> tuple[Result] | None:
    """Do the whole with what the URL served before, when it is what is wanted.

    That must be here, or upstream, where the URL may have been fetched as well.
    """
    looks = read_each(chain, lambda connection: blob_rows.served(connection, wish.url))
    for _, known in looks:
        if known is not None and wish.wanted in (None, known.digest):
            done = _with_served(chain, wish, known, act)
            if done is not None:
                return done
    return None


def _with_served(
    chain: Chain, wish: Wish, known: Served, act: Callable[[Change, Held], Result]
) -> tuple[Result] | None:
    registry = chain.first
    upstream = keeper(chain, known.digest, known.size)
    if upstream is None and not registry.blobs.has(known.digest, known.size):
        return None
    with registry.store.write() as change:
        if upstream is not None:
            record_kept_upstream(change, upstream, known.digest, known.size)
            blob_rows.record_served(
                change.connection, wish.url, known.digest, known.etag, known.modified
            )
        elif not registry.blobs.has(known.digest, known.size):  # pruned a moment ago
            return None
        else:
            local_file(registry.blobs, known.digest, known.size, wish.filename)
        return (act(change, Held(known.digest, known.size, wish.filename)),)


def better_name(own: str | None, told: str | None) -> str | None:
    """Return the name of a download: the URL's, or the server's where the URL's has no ending.

    >>> better_name("resolve", "model.safetensors"), better_name("m.pt", "x.bin")
    ('model.safetensors', 'm.pt')
    """
    return told if told and (own is None or "." not in own) else own


def fetch_weights(
    chain: Chain,
    model_id: str,
    weights: WeightsRecord,
    *,
    force: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> WeightsRecord:
    """Fetch the weights of a model from their URL, and return them as they are now recorded.

    What was recorded before is the truth: other bytes are an error, or with `force` a warning and
    an event; an error all the same when the model is published, or the digest pinned.

    Args:
        weights: the revision that is served.
        force: download them also when they are here, and accept other bytes.
        again: download them also when they are here.
        progress: told of the bytes.

    Raises:
        DownloadError, DigestMismatchError, LockTimeoutError, StorageError: as `fetch`.
        ModelNotFoundError: the model was removed meanwhile.
    """
    assert weights.url is not None
    with chain.first.store.read() as connection:
        row = model_rows.model_row(connection, model_id)
    fixed = row is not None and row.published
    wanted = weights.pinned or (weights.digest if fixed or not force else None)
    wish = Wish(
        url=weights.url,
        filename=weights.filename,
        wanted=wanted,
        force=force or again,
        progress=progress,
    )

    def record(change: Change, held: Held) -> WeightsRecord:
        return _record_weights(change, model_id, weights, held)

    why = "force_download=True accepts what the URL serves now"
    if fixed:
        why = "the model is published, so its weights are fixed"
    found = find_served(chain, wish)
    if found is not None:
        return replace(weights, digest=found.digest, size=found.size)
    try:
        return fetch(chain, wish, record)
    except DigestMismatchError as error:
        raise _other_bytes(error, model_id, weights, why) from None


def fetch_for_upstream(
    chain: Chain,
    home: OpenRegistry,
    model_id: str,
    weights: WeightsRecord,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> WeightsRecord:
    """Fetch the weights of an upstream model into the cache of the registry before it.

    Nothing is recorded of the model, which is not ours: what its registry tells stays the truth.

    Raises:
        DownloadError, DigestMismatchError, LockTimeoutError, StorageError: as `fetch`.
    """
    assert weights.url is not None
    wish = Wish(
        url=weights.url,
        filename=weights.filename,
        wanted=weights.pinned or weights.digest,
        force=force,
        progress=progress,
    )
    try:
        held = find_served(chain, wish) or fetch(chain, wish, lambda change, held: held)
    except DigestMismatchError as error:
        why = f"only its own registry, {home.root}, may accept what the URL serves now"
        raise _other_bytes(error, model_id, weights, why) from None
    filename = held.filename or weights.filename
    return replace(weights, digest=held.digest, size=held.size, filename=filename)


def _record_weights(
    change: Change, model_id: str, weights: WeightsRecord, held: Held
) -> WeightsRecord:
    from localreg.operations.finding.references import require_model

    require_model(change.connection, model_id)
    before = model_rows.current_weights(change.connection, model_id)
    if before is None or before.url != weights.url or before.revision != weights.revision:
        return replace(weights, digest=held.digest, size=held.size)  # changed meanwhile
    if before.digest == held.digest:
        return before
    payload: Json = {
        "revision": before.revision,
        "old": before.digest,
        "new": held.digest,
        "size": held.size,
        "filename": held.filename,
    }
    change.record(
        "weights.fetched" if before.digest is None else "model.weights", model_id, payload
    )
    if before.digest is not None:
        blob_rows.mark_unreferred(change.connection, [before.digest])
        log.warning(
            "%s serves other bytes than before: the weights of model %s are sha256 %s now, not %s",
            public_url(weights.url or ""), model_id, held.digest, before.digest,
        )  # fmt: skip
    return replace(before, digest=held.digest, size=held.size, filename=held.filename)


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
