"""Download from a remote the bytes that all models and tasks need."""

from __future__ import annotations

from collections.abc import Iterator

from localreg.operations.carry.export import Missing
from localreg.operations.weights.packages import held
from localreg.operations.weights.remote_bytes import LACKS, Wanted, bring_from
from localreg.operations.weights.remote_packages import record_found, record_manifest
from localreg.registry import Chain
from localreg.store.rows import blob_rows, remote_gap_rows, tree_rows
from localreg.store.rows.blob_rows import Needed
from localreg.store.rows.remote_gap_rows import Supplier
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen
from localreg.values.remote_format import blob_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress


_NOT_THERE = "the remote does not have its bytes"


class Fetched(Frozen):
    """Bytes that came, or would come: how many blobs, their size, and which did not."""

    blobs: int
    size: int
    missing: tuple[Missing, ...]


def fetch_all(
    chain: Chain,
    remote: RemoteRow,
    store: RemoteStore,
    *,
    dry_run: bool,
    progress: Progress | None,
) -> Fetched:
    """Download the bytes that models here need, that are not here, and that a remote has.

    A package comes with the list of its files. In a dry run the files of packages whose lists are
    not here are not known.
    """
    if not dry_run:
        bring_lists(chain, remote, again=True)
    lacking = not_here(chain)
    if dry_run:
        sizes = store.sizes_of([blob_path(each.digest) for each in lacking])
        reasons = {
            each.digest: _NOT_THERE
            for each, size in zip(lacking, sizes, strict=True)
            if size != each.size
        }
    else:
        reasons = bring_from(
            chain, _supplier(remote), [*_wanted(chain, lacking)], progress=progress
        )
        reasons = {key: _NOT_THERE if why == LACKS else why for key, why in reasons.items()}
    came = [each for each in lacking if each.digest not in reasons]
    if not dry_run:
        _record_found(chain, {each.digest for each in came})
    missing = [
        Missing(_ref(chain, each.digest), each.digest, each.size, reasons[each.digest], True)
        for each in lacking
        if each.digest in reasons and each.alone
    ]
    return Fetched(len(came), sum(each.size for each in came), tuple(missing))


def not_here(chain: Chain) -> list[Needed]:
    """Return the bytes that models and tasks here need, and that no registry of the chain has."""
    with chain.first.store.read() as connection:
        referred = dict(blob_rows.referred_blobs(connection))
        needed = {each.digest: each for each in blob_rows.needed_among(connection, referred)}
    for found in held(chain, {each.digest: each.size for each in needed.values()}):
        for digest in found:
            del needed[digest]
    return [*needed.values()]


def bring_lists(chain: Chain, remote: RemoteRow, *, again: bool) -> None:
    """Bring the lists of the files of packages that are not known here, as far as they are there.

    Args:
        again: also look for those that the remote lacked before.
    """
    with chain.first.store.read() as connection:
        unlisted = blob_rows.unlisted_packages(connection)
        if unlisted and not again:
            gaps = {*remote_gap_rows.gaps(connection, remote.pk)}
            unlisted = [each for each in unlisted if each[0] not in gaps]
    wanted = [Wanted(digest, size) for digest, size in unlisted]
    reasons = bring_from(chain, _supplier(remote), wanted)
    for digest, size in unlisted:
        if digest not in reasons:
            record_manifest(chain, digest, size)


def _supplier(remote: RemoteRow) -> Supplier:
    return Supplier(remote.pk, remote.name, remote.url, False)


def _record_found(chain: Chain, came: set[str]) -> None:
    """Record what is known of the packages whose files came."""
    found = {}
    with chain.first.store.read() as connection:
        for digest in blob_rows.packages(connection) if came else ():
            manifest = tree_rows.manifest(connection, digest)
            if manifest is not None and not came.isdisjoint(f.digest for f in manifest.files):
                found[digest] = manifest
    record_found(chain, found)


def _wanted(chain: Chain, lacking: list[Needed]) -> Iterator[Wanted]:
    """Yield what is wanted, with the names of weights: they help to find out what is inside."""
    for each in lacking:
        with chain.first.store.read() as connection:
            uses = blob_rows.uses_as_weights(connection, each.digest)
        yield Wanted(each.digest, each.size, uses[0].filename if uses else None)


def _ref(chain: Chain, digest: str) -> str:
    with chain.first.store.read() as connection:
        uses = blob_rows.uses(connection, digest)
    return uses[0].ref if uses else f"{digest[:12]}…"
