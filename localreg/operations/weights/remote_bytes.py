"""Bytes that no registry of a chain has, and that a remote should have: bring them here.

Sources are asked in this order: this registry, its upstream registries, its remotes, the URL. A
remote is asked before the URL since its objects are named by their digest and never change, while a
URL may serve other bytes by now. It is asked only for what belongs to models and tasks whose events
it has: nothing is slower for a model that was never pushed. One that is known to lack the bytes is
asked last.

What comes is verified and kept as a download is. A download that was cut is continued, and several
processes that want the same bytes download them once.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from localreg.blobs.staging import staging
from localreg.blobs.staging.staging import StagedBlob
from localreg.blobs.trees.staging import SMALL
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidURLError,
    LocalregError,
    MissingPackageError,
    NoWeightsError,
    ReadOnlyRegistryError,
    RegistryReplacedError,
    RemoteError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.operations.weights.packages import held
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import remote_gap_rows
from localreg.store.rows.remote_gap_rows import Supplier
from localreg.values.frozen import Frozen
from localreg.values.remote_format import blob_path
from localreg.values.urls import local_url, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress

    Result = TypeVar("Result")

SMALL_AT_ONCE = 8  # small files of one package; each is one request
LARGE_AT_ONCE = 2  # each is several requests at once, of 8 MiB
_LARGEST_ANSWER = 2 * SMALL
LACKS = "it does not have them"
_ADVICE = "delete that object, and push again where the bytes are"


class Wanted(Frozen):
    """Bytes that are wanted here.

    Attributes:
        digest, size: of the bytes.
        filename: the name of local copies; None for a file of a package.
    """

    digest: str
    size: int
    filename: str | None = None


def bring(
    chain: Chain,
    registry: OpenRegistry,
    owned: str,
    wanted: Sequence[Wanted],
    *,
    progress: Progress | None = None,
) -> bool:
    """Bring bytes into the first registry that a remote should have.

    Args:
        registry: the registry that has the model or task.
        owned: a digest by which the model or task is found: of the bytes, or of their package.
        wanted: what is wanted; what a registry of the chain has is passed over, if it is not known
            to be damaged.
        progress: called with the bytes brought so far, and with all bytes.

    Returns:
        True if all of it is here now; False if no remote should have it: then nothing was done.

    Raises:
        NoWeightsError: no remote has the bytes.
        DownloadError: a remote that may have them does not answer, or serves other bytes.
        MissingPackageError: remotes need a package that is not installed.
        ReadOnlyRegistryError: they cannot be kept here.
        LockTimeoutError: another process is downloading them, and makes no progress.
    """
    places = _suppliers(chain, registry, owned)
    if not places:
        return False
    lacking = {each.digest: each for each in wanted}
    for found in held(chain, {each.digest: each.size for each in wanted}):
        for digest in found:
            del lacking[digest]
    if not lacking:
        return True
    first = chain.first
    if first.store.readonly:
        raise ReadOnlyRegistryError(
            f"the weights {owned[:12]}… are not here, and what the remote {places[0][1].name} has "
            f"cannot be kept: {first.store.refusal}; open it for writing once to fetch them",
            path=str(first.root),
        )
    bringing = _Bringing(chain, sum(each.size for each in lacking.values()), progress)
    with disk_errors("keeping weights", first.root):
        staging.check_room(first.root, bringing.total)
    gaps = [_gaps(owner, place) for owner, place in places]  # before anything is asked
    for last in (False, True):
        for (owner, place), gone in zip(places, gaps, strict=True):
            asked = [each for each in lacking.values() if (each.digest in gone) == last]
            for digest in bringing.ask(owner, place, asked) if asked else ():
                del lacking[digest]
            if not lacking:
                return True
    raise bringing.failure([*lacking.values()])


def bring_from(
    chain: Chain, place: Supplier, wanted: Sequence[Wanted], *, progress: Progress | None = None
) -> dict[str, str]:
    """Bring bytes that are not here from one remote of the first registry.

    Returns:
        Why some did not come, by their digests.
    """
    if not wanted:
        return {}
    bringing = _Bringing(chain, sum(each.size for each in wanted), progress)
    bringing.ask(chain.first, place, [*wanted])
    return bringing.reasons()


def should_have(chain: Chain, registry: OpenRegistry, digest: str) -> list[Supplier]:
    """Return the remotes that should have some bytes, in the order in which they are asked."""
    return [place for _, place in _suppliers(chain, registry, digest)]


def url_at_remote(chain: Chain, registry: OpenRegistry, digest: str) -> str | None:
    """Return the URL of some bytes at the remote that is asked first; None without one."""
    for place in should_have(chain, registry, digest)[:1]:
        top = place.url if "://" in place.url else local_url(Path(place.url))
        return f"{top.rstrip('/')}/{blob_path(digest)}"
    return None


def _suppliers(
    chain: Chain, registry: OpenRegistry, digest: str
) -> list[tuple[OpenRegistry, Supplier]]:
    found: dict[str, tuple[OpenRegistry, Supplier]] = {}
    for each in dict.fromkeys((registry, *chain.registries)):
        # An upstream registry may be unmounted; what is here does not depend on it.
        with suppress(RegistryReplacedError), each.store.one_statement() as connection:
            if not remote_gap_rows.has_remotes(connection):
                continue
            for place in remote_gap_rows.suppliers(connection, digest):
                found.setdefault(place.url, (each, place))
    return [*found.values()]


def _gaps(owner: OpenRegistry, place: Supplier) -> set[str]:
    with owner.store.read() as connection:
        return {*remote_gap_rows.gaps(connection, place.pk)}


class _StoppedError(Exception):
    """Another download failed, or was interrupted, so that this one is of no use."""


class _Bringing:
    """Bytes on their way from remotes, and why some did not come."""

    def __init__(self, chain: Chain, total: int, progress: Progress | None) -> None:
        self.total = total
        self._registry = chain.first
        self._chain = chain
        self._progress = progress
        self._done: dict[str, int] = {}
        self._sum = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._asked: list[tuple[Supplier, dict[str, str]]] = []  # why what did not come
        self._unavailable: MissingPackageError | None = None

    def ask(self, owner: OpenRegistry, place: Supplier, wanted: list[Wanted]) -> list[str]:
        """Bring what a remote has; return the digests of what came.

        Args:
            owner: the registry that has the remote.
        """
        reasons: dict[str, str] = {}
        self._asked.append((place, reasons))
        came: list[str] = []
        try:
            from localreg.blobs.remote_store.store import open_remote

            store = open_remote(place.url)
            for each, why in self._answers(store, wanted):
                if why is None:
                    came.append(each.digest)
                else:
                    reasons[each.digest] = why
        except (MissingPackageError, RemoteError, InvalidURLError, DownloadError) as error:
            # The others would fail as well.
            if isinstance(error, MissingPackageError):
                self._unavailable = error
            known = {*reasons, *came}
            why = str(error).removeprefix(f"{public_url(place.url)}: ")  # the place is named before
            reasons.update((each.digest, why) for each in wanted if each.digest not in known)
        self._record(owner, place, came, [key for key, why in reasons.items() if why == LACKS])
        return came

    def reasons(self) -> dict[str, str]:
        """Return why bytes did not come, by their digests."""
        return {digest: why for _, reasons in self._asked for digest, why in reasons.items()}

    def failure(self, lacking: list[Wanted]) -> LocalregError:
        """Return the error that says where what did not come was looked for."""
        digest = lacking[0].digest
        what = f"the weights {digest[:12]}… are not here"
        if len(lacking) > 1:
            what = f"the weights {digest[:12]}… and {len(lacking) - 1:,} more files are not here"
        where = []
        lost = True
        for place, reasons in self._asked:
            if digest in reasons:
                lost = lost and reasons[digest] == LACKS
                where.append(
                    f"the remote {place.name} ({public_url(place.url)}): {reasons[digest]}"
                )
        if not lost and self._unavailable is not None and len(where) == 1:
            return MissingPackageError(
                f"{what}, and the remote {self._asked[0][0].name} should have them: "
                f"{self._unavailable}",
                package=self._unavailable.package,
            )
        said = f"{what}; looked for in {'; '.join(where)}"
        if lost:
            return NoWeightsError(
                f"{said}. `localreg push` where they were made sends them, if they still are "
                "there; or add the same file here"
            )
        return DownloadError(
            f"{said}. Try again when it can be reached, or `localreg remote check` says more",
            url=public_url(self._asked[0][0].url),
            status=None,
        )

    def _record(
        self, owner: OpenRegistry, place: Supplier, came: list[str], lacked: list[str]
    ) -> None:
        """Remember what a remote of the first registry has and lacks."""
        if owner != self._registry or not (lacked or (came and _gaps(owner, place))):
            return
        with owner.store.write_unsynced() as change:
            remote_gap_rows.record_gaps(change.connection, place.pk, lacked)
            remote_gap_rows.forget_gaps(change.connection, place.pk, came)

    def _answers(
        self, store: RemoteStore, wanted: list[Wanted]
    ) -> Iterator[tuple[Wanted, str | None]]:
        """Yield what is wanted, each with why it did not come; None for what is here now."""
        if len(wanted) == 1:
            yield wanted[0], self._one(store, wanted[0])
            return
        small = [each for each in wanted if each.size <= SMALL]
        failure: RemoteError | None = None
        with ArrivingBlobs(self._chain) as arriving:
            try:
                get = partial(_answer, store)
                for each, data in self._each(get, small, SMALL_AT_ONCE):
                    yield each, self._kept(arriving, each, data)
            except RemoteError as error:
                failure = error  # what came until then is kept
            arriving.flush()
        if failure is not None:
            raise failure
        large = [each for each in wanted if each.size > SMALL]
        yield from self._each(partial(self._one, store), large, LARGE_AT_ONCE)

    def _kept(self, arriving: ArrivingBlobs, wanted: Wanted, data: bytes | None) -> str | None:
        """Stage the bytes of a small file, if they are right; return why not."""
        if data is None:
            return LACKS
        found = hashlib.sha256(data).hexdigest()
        if found != wanted.digest:
            return _other_bytes(found)
        if arriving.lacks(wanted.digest, wanted.size):
            stage = partial(staging.stage_stream, io.BytesIO(data))
            arriving.add(stage, wanted.digest, wanted.size, wanted.filename)
        self._report(wanted.digest, wanted.size)
        return None

    def _each(
        self, work: Callable[[Wanted], Result], wanted: list[Wanted], at_once: int
    ) -> Iterator[tuple[Wanted, Result]]:
        """Yield what `work` returns for each, several at once; after an error the others stop."""
        waiting = iter(wanted)
        try:
            # Not at the top: a page that is written while Python exits cannot import it.
            from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

            pool = ThreadPoolExecutor(at_once, "localreg-remote")
            running = {pool.submit(work, each): each for each in islice(waiting, 2 * at_once)}
        except RuntimeError:  # Python exits, and begins no threads
            for each in wanted:
                yield each, work(each)
            return
        with pool:
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        each = running.pop(future)
                        running.update(
                            {pool.submit(work, more): more for more in islice(waiting, 1)}
                        )
                        yield each, future.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                self._stopped.clear()
                raise

    def _one(self, store: RemoteStore, wanted: Wanted) -> str | None:
        """Download bytes and keep them, unless another process does; return why they did not come.

        It may run in a thread of its own.
        """
        from localreg.blobs.transfer.url_lock import download_folder, sole_download

        blobs = self._registry.blobs
        key = f"sha256:{wanted.digest}"
        with sole_download(blobs, key), ArrivingBlobs(self._chain) as arriving:
            if any(held(self._chain, {wanted.digest: wanted.size})):  # another process was faster
                self._report(wanted.digest, wanted.size)
                return None
            arriving.lacks(wanted.digest, wanted.size)  # if damaged ones are here they are replaced
            there = store.size_of(blob_path(wanted.digest))
            if there is None:
                return LACKS
            if there != wanted.size:
                return f"it has {there:,} bytes there, not {wanted.size:,}; {_ADVICE}"
            with download_folder(blobs, key) as path:
                try:
                    found = store.download(
                        blob_path(wanted.digest),
                        path,
                        wanted=wanted.digest,
                        progress=lambda done, _: self._report(wanted.digest, done),
                        durable=blobs.durable,
                    )
                except DigestMismatchError as error:
                    return _other_bytes(error.found)
                arriving.move_in(StagedBlob(found.digest, found.size, path), wanted.filename)
            arriving.flush()
        return None

    def _report(self, digest: str, done: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError
        with self._lock:
            self._sum += done - self._done.get(digest, 0)
            self._done[digest] = done
            if self._progress is not None:
                self._progress(self._sum, self.total)


def _answer(store: RemoteStore, wanted: Wanted) -> bytes | None:
    return store.get_bytes(blob_path(wanted.digest), _LARGEST_ANSWER)


def _other_bytes(found: str) -> str:
    return f"it has other bytes there, with the sha256 {found[:12]}…; {_ADVICE}"
