"""Delete from a remote what nothing there refers to.

It is said first what is deleted, by a commit that is written after all that is there was read
(`deletions`). So whoever needs such bytes later has read of it, and sends them again. What is not
in that commit is never deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from localreg.errors import InvalidValueError, RemoteError
from localreg.operations.remotes import names, pulling
from localreg.operations.remotes.committing import commit, end_deletion
from localreg.operations.remotes.deletions import TIME_TO_DELETE, elapsed
from localreg.operations.remotes.fetching_blobs import bring_lists
from localreg.operations.remotes.live import Live, find_later, find_live
from localreg.operations.remotes.remote_events import note_row
from localreg.operations.upkeep.gc import Garbage
from localreg.registry import Chain
from localreg.store.rows import remote_deletion_rows
from localreg.store.rows.remote_deletion_rows import Deletion
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id, now
from localreg.values.remote_format import BLOBS, GC_BEGIN, REPORTS
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Row
    from localreg.progress import Progress

GRACE_SECONDS = 7 * 86_400.0
AT_ONCE = 5_000  # digests of one deletion
_STEP = 500  # objects; then the time is looked at
_CLOCK = "clock"  # folder of an object that shows what time it is there
_LAST_SECOND = 253_402_300_799.0  # of the year 9999


class Collected(Frozen):
    """What was deleted from a remote, or would be.

    Attributes:
        remote: its name.
        garbage: what was deleted, or in a dry run would be.
        freed: size of that in bytes.
        failed: what could not be deleted, and why.
        dry_run: True if nothing was deleted.
        waiting: bytes of what nothing refers to, but that came within the grace period.
        next_due: when the first of that can be deleted; None if nothing waits.
    """

    remote: str
    garbage: tuple[Garbage, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool
    waiting: int = 0
    next_due: datetime | None = None


class _Object(Frozen):
    """An object of a remote that is named by a digest."""

    key: str
    kind: str
    digest: str
    size: int
    modified: float


def collect(
    chain: Chain,
    name: str | None = None,
    *,
    grace_seconds: object = GRACE_SECONDS,
    dry_run: bool = True,
    progress: Progress | None = None,
    clock: Callable[[], float] = elapsed,
) -> Collected:
    """Delete from a remote what nothing refers to, or only say what that is.

    What is there is pulled first. Bytes that came within the grace period stay, and so do those of
    models and tasks that were removed, or lost revisions or artifacts, within it.

    Args:
        name: of the remote; None for the one that gives the order, else the only one.
        grace_seconds: 0 or more.
        dry_run: delete nothing.
        progress: called with the number of objects deleted so far, and of all.
        clock: returns seconds; that of the machine, which also counts while it sleeps.

    Raises:
        NotFoundError: there is no such remote.
        RemoteError: it cannot be read or written.
    """
    if (
        isinstance(grace_seconds, bool)
        or not isinstance(grace_seconds, (int, float))
        or not 0 <= grace_seconds < float("inf")
    ):
        raise InvalidValueError(
            f"grace_seconds must be a number, 0 or more, not {shown(grace_seconds)}",
            argument="grace_seconds",
        )
    chain.first.store.check_writable()
    remote = names.find(chain, name)
    store = names.connect(remote)
    pulling.bring(chain, remote, store)
    collecting = Collecting(chain, remote, store, float(grace_seconds), clock)
    return collecting.run(dry_run=dry_run, progress=progress)


class Collecting:
    """One collection, from a remote that was pulled; arguments as for `collect`."""

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        grace: float,
        clock: Callable[[], float],
    ) -> None:
        self._chain = chain
        self._remote = remote
        self._store = store
        self._grace = grace
        self._clock = clock
        self._failed: list[str] = []
        self._live: Live

    def run(self, *, dry_run: bool, progress: Progress | None) -> Collected:
        """Find what nothing refers to, and delete it."""
        bring_lists(self._chain, self._remote, again=True)
        moment = self._moment()
        since = now() - int(self._grace * 1_000_000)
        self._live = live = find_live(self._chain, self._remote, self._store, since)
        garbage = [each for each in self._objects() if not _is_live(each, live)]
        due = [each for each in garbage if each.modified + self._grace <= moment]
        waiting = [each for each in garbage if each.modified + self._grace > moment]
        if live.unknown:
            self._failed.append(
                f"no weights are deleted, since the files of the package {live.unknown[0][:12]}… "
                "are not known: its list is neither here nor there. `localreg push` where it is, "
                "or remove its model"
            )
            due = [each for each in due if each.kind != "weights"]
        gone = due if dry_run else [*self._deleted(due, progress)]
        return Collected(
            remote=self._remote.name,
            garbage=tuple(
                Garbage(each.kind, each.key, each.size, "nothing refers to it") for each in gone
            ),
            freed=sum(each.size for each in gone),
            failed=tuple(self._failed),
            dry_run=dry_run,
            waiting=sum(each.size for each in waiting),
            next_due=_next_due([each.modified + self._grace for each in waiting]),
        )

    def _objects(self) -> Iterator[_Object]:
        for folder, kind in ((BLOBS, "weights"), (REPORTS, "reports")):
            for key, size, modified in self._store.keys(folder):
                digest = key.removeprefix(f"{folder}/").replace("/", "")
                if is_sha256(digest):
                    yield _Object(key, kind, digest, size, modified)

    def _moment(self) -> float:
        """Return the time by the clock that gives objects theirs, in seconds since 1970."""
        key = f"{_CLOCK}/{new_id()}"
        self._store.put_bytes(key, b"")
        try:
            found = [at for name, _, at in self._store.keys(_CLOCK) if name == key]
        finally:
            with suppress(RemoteError):  # it does no harm
                self._store.delete([key])
        return found[0] if found else 0.0

    def _deleted(self, due: Sequence[_Object], progress: Progress | None) -> Iterator[_Object]:
        """Delete objects; yield those that are gone."""
        done = 0
        for start in range(0, len(due), AT_ONCE):
            some = due[start : start + AT_ONCE]
            begun = self._clock()  # before others can read of it
            deletion = self._begun(some)
            if deletion is None:
                continue
            chosen = [each for each in some if each.digest in deletion.digests]
            try:
                for first in range(0, len(chosen), _STEP):
                    late = self._clock() - begun > TIME_TO_DELETE
                    if late or not self._is_running(deletion):
                        break
                    step = chosen[first : first + _STEP]
                    self._store.delete([each.key for each in step])
                    yield from step
                    done += len(step)
                    if progress is not None:
                        progress(done, len(due))
            except RemoteError as error:
                # The end is not said: a request whose answer was lost may still be carried out.
                self._failed.append(
                    f"not all was deleted: {error}. A push that needs some of it waits for up to "
                    "ten minutes"
                )
                return
            end_deletion(self._chain, self._remote, self._store, deletion.begin)

    def _is_running(self, deletion: Deletion) -> bool:
        """Return False if another machine went on already: this one may have stood still.

        The clock of a virtual machine does not count while it is suspended.
        """
        pulling.bring(self._chain, self._remote, self._store)
        with self._chain.first.store.read() as connection:
            running = remote_deletion_rows.running(connection, self._remote.pk)
        return any(each.begin == deletion.begin for each in running)

    def _begun(self, objects: Sequence[_Object]) -> Deletion | None:
        """Write what is deleted next, after a last look at what is of use; None: nothing."""
        tried: set[str] = set()

        def running() -> Deletion | None:
            with self._chain.first.store.read() as connection:
                found = remote_deletion_rows.running(connection, self._remote.pk)
            return next((each for each in found if each.begin in tried), None)

        def rows() -> list[Row]:
            if running() is not None:  # its answer was lost
                return []
            live = find_later(self._chain, self._remote, self._store, self._live)
            digests = sorted({each.digest for each in objects if not _is_live(each, live)})
            if not digests or (live.unknown and any(e.kind == "weights" for e in objects)):
                return []
            # The remote itself is no model or task, so the note has a subject of its own.
            row = note_row(self._chain.first, GC_BEGIN, new_id(), {"digests": digests})
            tried.add(str(row[0]))
            return [row]

        commit(self._chain, self._remote, self._store, rows)
        return running()


def _is_live(each: _Object, live: Live) -> bool:
    return each.digest in (live.blobs if each.kind == "weights" else live.streams)


def _next_due(moments: list[float]) -> datetime | None:
    return datetime.fromtimestamp(min(*moments, _LAST_SECOND), UTC) if moments else None
