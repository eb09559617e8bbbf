"""Upload the bytes that events and reports name, before the commit that names them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path

from localreg.blobs.trees.staging import SMALL
from localreg.errors import DigestMismatchError, SourceNotFoundError
from localreg.operations.carry.export import Missing, has_bytes
from localreg.operations.remotes import pulling
from localreg.operations.remotes.committing import end_deletion
from localreg.operations.remotes.deletions import Waiting, elapsed
from localreg.operations.weights.locations import holder
from localreg.registry import Chain
from localreg.store.rows import blob_rows, remote_gap_rows, remote_rows
from localreg.store.rows.blob_rows import Needed
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path
from localreg.values.remote_format import BLOBS, blob_path
from localreg.values.urls import local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress

SMALL_AT_ONCE, LARGE_AT_ONCE = 8, 2
_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_WITH_URLS = frozenset({"model.created", "model.weights_added"})
_RESTORED = "model.restored"  # names no bytes, and needs them again
_SIGNED = "model.signed"  # names the weights, too, but an event before it did


_REMEMBERED = 20_000  # digests of what is there, across commits


class Naming:
    """What bytes the events of a commit need.

    Attributes:
        digests: those that they bring up.
        restored: models that are there again.
        pointing: models that may have weights at URLs only.
    """

    def __init__(self) -> None:
        self.digests: set[str] = set()
        self.restored: list[str] = []
        self.pointing: set[str] = set()

    def add(self, waiting: remote_rows.Waiting) -> None:
        """Add an event."""
        event = waiting.event
        self.digests.update(_named_by(waiting))
        if event.kind in _WITH_URLS:
            self.pointing.add(event.subject)
        if event.kind == _RESTORED:
            self.restored.append(event.subject)


class _StoppedError(Exception):
    """Another upload failed, so that this one is of no use."""


class Sending:
    """The bytes of one push.

    What the remote lacked at an earlier push, and is here now, goes along.

    Args:
        dry_run: only look what is lacking there.
        progress: called with the bytes sent so far, and with all bytes.
        sleep: waits for some seconds.
        clock: returns seconds, also those that the machine slept.

    Attributes:
        blobs, size: how many were sent, or would be, and their bytes.
        missing: bytes that events name, and that are neither here nor there.
    """

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        *,
        dry_run: bool,
        progress: Progress | None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.blobs = 0
        self.size = 0
        self._chain = chain
        self._remote = remote
        self._store = store
        self._dry_run = dry_run
        self._progress = progress
        self._waiting = Waiting(
            chain,
            remote,
            partial(pulling.bring, chain, remote, store),
            partial(end_deletion, chain, remote, store),
            clock=clock,
            sleep=sleep,
        )
        self._is_first = True
        self._there: set[str] = set()
        self._absent: set[str] = set()  # neither here nor there
        self._missing: dict[str, Missing] = {}
        self._total = 0
        self._sent: dict[str, int] = {}  # of the files that are sent now
        self._sum = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Bytes that events or reports name, and that are neither here nor there."""
        return tuple(self._missing.values())

    def send(self, named: Naming) -> None:
        """Upload what some events name and the remote lacks.

        It is called before each try of a commit: what was sent, or seen there, is not looked for
        again, unless somebody began to delete it since, or there was very much of it.
        """
        if len(self._there) > _REMEMBERED:
            self._there.clear()
        with self._chain.first.store.read() as connection:
            digests = named.digests | blob_rows.digests_of_models(connection, named.restored)
            # Once a push: there may be very many.
            filled = remote_gap_rows.filled(connection, self._remote.pk) if self._is_first else ()
            needed = blob_rows.needed_among(connection, digests)
            late = blob_rows.needed_among(connection, set(filled) - digests)
            for ref, url in blob_rows.pointed_to(connection, named.pointing):
                path = printable_path(local_path(url) or "")
                why = f"they are only in {path}, and their sha256 is not recorded"
                self._missing[url] = Missing(ref, None, None, why)
        self.send_needed(needed)
        self.send_needed(late, said=True)
        self._is_first = False

    def send_needed(
        self, needed: Sequence[Needed], ref: str | None = None, *, said: bool = False
    ) -> None:
        """Upload bytes that the remote lacks.

        Args:
            ref: the model or task that needs them; None: it is looked up.
            said: an earlier push said that they are missing.
        """
        wanted = {each.digest: each for each in needed}
        there = self.settled(wanted.keys())
        known = there | self._absent
        unknown = [each for key, each in wanted.items() if key not in known]
        sizes = self._store.sizes_of([blob_path(each.digest) for each in unknown])
        lacking = []
        for each, size in zip(unknown, sizes, strict=True):
            if size == each.size:
                self._there.add(each.digest)
            else:
                lacking.append(each)
        places = {each.digest: self._place_of(each) for each in lacking}
        here = [each for each in lacking if places[each.digest] is not None]
        self._total += sum(each.size for each in here)
        absent = {each.digest: "not here" for each in lacking if places[each.digest] is None}
        for each, why in self._uploaded(here, places):
            if why is None:
                self._there.add(each.digest)
                self._missing.pop(each.digest, None)
                self.blobs += 1
                self.size += each.size
            else:
                absent[each.digest] = why
        self._absent.update(absent)
        self._record([key for key in wanted if key in self._there], absent)
        for digest, why in absent.items():
            if wanted[digest].alone and not said:
                size, name = wanted[digest].size, ref or self._ref(digest)
                self._missing[digest] = Missing(name, digest, size, f"its bytes are {why}", True)

    def settled(self, wanted: Collection[str]) -> set[str]:
        """Wait until nothing is deleted that is wanted; return what of it is there for certain."""
        if not self._dry_run:
            self._waiting.wait_for(wanted)
        self._there -= self._waiting.forgotten()
        return self._there.intersection(wanted)

    def seen(self, digests: Iterable[str]) -> None:
        """Note that something is there now."""
        self._there.update(digests)

    def _place_of(self, needed: Needed) -> Path | None:
        """Return a file with some bytes: of a registry of the chain, or of the user."""
        holding = holder(self._chain, needed.digest, needed.size)
        if holding is not None:
            return holding.blobs.blob(needed.digest)
        with self._chain.first.store.read() as connection:
            uses = blob_rows.uses_as_weights(connection, needed.digest)
        for each in uses:
            path = None if each.url is None else local_path(each.url)
            if path is not None and has_bytes(path, needed.digest, needed.size):
                return path
        return None

    def _ref(self, digest: str) -> str:
        with self._chain.first.store.read() as connection:
            uses = blob_rows.uses(connection, digest)
        return uses[0].ref if uses else f"{digest[:12]}…"

    def _record(self, there: list[str], absent: Iterable[str]) -> None:
        """Remember what the remote has and lacks."""
        if self._dry_run:
            return
        with self._chain.first.store.read() as connection:
            gaps = {*remote_gap_rows.gaps(connection, self._remote.pk)}
        filled, new = gaps.intersection(there), {*absent} - gaps
        if filled or new:
            with self._chain.first.store.write_unsynced() as change:
                remote_gap_rows.forget_gaps(change.connection, self._remote.pk, filled)
                remote_gap_rows.record_gaps(change.connection, self._remote.pk, new)

    def _uploaded(
        self, wanted: list[Needed], places: dict[str, Path | None]
    ) -> Iterator[tuple[Needed, str | None]]:
        """Upload files, several at once; yield each with why it was not sent."""
        if self._dry_run:
            yield from ((each, None) for each in wanted)
            return
        for large, at_once in ((False, SMALL_AT_ONCE), (True, LARGE_AT_ONCE)):
            some = iter([each for each in wanted if (each.size > SMALL) == large])
            with ThreadPoolExecutor(at_once, "localreg-remote") as pool:
                running = {
                    pool.submit(self._upload, each, places[each.digest]): each
                    for each in islice(some, 2 * at_once)
                }
                try:
                    while running:
                        done, _ = wait(running, return_when=FIRST_COMPLETED)
                        for future in done:
                            yield running.pop(future), future.result()
                            for more in islice(some, 1):
                                future = pool.submit(self._upload, more, places[more.digest])
                                running[future] = more
                except BaseException:
                    self._stopped.set()
                    pool.shutdown(wait=True, cancel_futures=True)
                    self._stopped.clear()
                    raise

    def _upload(self, needed: Needed, path: Path | None) -> str | None:
        """Upload a file; return why it was not sent. It runs in a thread of its own."""
        assert path is not None
        try:
            self._store.put(
                blob_path(needed.digest),
                path,
                digest=needed.digest,
                progress=lambda done, _: self._report(needed.digest, done),
            )
        except DigestMismatchError:
            return "damaged here; `localreg repair` looks for sound ones"
        except (SourceNotFoundError, FileNotFoundError):
            return "not here any more"
        with self._lock:
            self._sent.pop(needed.digest, None)
        return None

    def _report(self, digest: str, done: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError
        with self._lock:
            self._sum += done - self._sent.get(digest, 0)
            self._sent[digest] = done
            if self._progress is not None:
                self._progress(self._sum, self._total)


def _named_by(waiting: remote_rows.Waiting) -> list[str]:
    """Return the digests that an event brings up first."""
    event = waiting.event
    if event.kind == _SIGNED and event.v == 1:
        return [event.payload["signature"]]
    return _DIGEST.findall(waiting.payload)


class LookedFor(Frozen):
    """What a remote lacks of the bytes that models and tasks here need.

    Attributes:
        lacking: the digests of those that no URL would bring back.
        size: the bytes of these.
    """

    lacking: tuple[str, ...]
    size: int


def look_for_gaps(chain: Chain, remote: RemoteRow, store: RemoteStore) -> LookedFor:
    """Find out which bytes a remote lacks, by one list of all that it has, and remember them.

    The next push sends those that are here.
    """
    there = {key.removeprefix(f"{BLOBS}/").replace("/", ""): size for key, size, _ in
             store.keys(BLOBS)}  # fmt: skip
    with chain.first.store.read() as connection:
        known = {digest for digest, _ in blob_rows.referred_blobs(connection)}
        needed = blob_rows.needed_among(connection, known)
    lacking = [each for each in needed if there.get(each.digest) != each.size]
    with chain.first.store.write_unsynced() as change:
        gone = {*remote_gap_rows.gaps(change.connection, remote.pk)} & there.keys()
        remote_gap_rows.forget_gaps(change.connection, remote.pk, gone)
        remote_gap_rows.record_gaps(change.connection, remote.pk, [each.digest for each in lacking])
    alone = [each for each in lacking if each.alone]
    return LookedFor(tuple(each.digest for each in alone), sum(each.size for each in alone))
