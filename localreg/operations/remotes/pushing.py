"""Send to a remote what it lacks: bytes first, then the events, in commits that stand or fall.

A commit says which number it has: one more than that of the newest commit up to which all events
are here. If somebody else wrote that one, or the answer was lost, what is there is pulled, and what
is lacking then is sent: an event that is there by its id is sent. So nothing is sent twice, and
nothing is left out, whatever is killed in between.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from localreg.errors import RemoteBusyError
from localreg.operations.carry.arrival import Arrived
from localreg.operations.carry.export import Missing
from localreg.operations.remotes import forcing, names, pulling
from localreg.operations.remotes.remote_events import row_of
from localreg.operations.remotes.sending_blobs import Sending
from localreg.operations.remotes.sending_reports import Changed
from localreg.registry import Chain
from localreg.store.events.arriving import take_in
from localreg.store.rows import event_rows, remote_rows
from localreg.store.rows.remote_rows import RemoteRow, Waiting
from localreg.values.frozen import Frozen, replace
from localreg.values.remote_format import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.event_log import Head
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Row
    from localreg.progress import Progress
    from localreg.store.events.change import Change

_AT_ONCE = 50_000  # events of one commit
_CHARACTERS = 64_000_000  # of their payloads
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 2.0  # seconds between two tries
_PATIENCE = 300.0  # seconds without a commit of our own


class Pushed(Frozen):
    """What a push sent, or would send.

    Attributes:
        remote: the name of the remote.
        pulled: what came from there before.
        events: how many events were sent.
        blobs, size: how many blobs, and their bytes.
        reports: to how many models and tasks what was reported was sent.
        lost: changes made here that are sent and have lost for good, one sentence each.
        forced: what was set again by `force`, one sentence each.
        missing: bytes that the remote lacks, and that are not here.
        dry_run: True if nothing was changed.
    """

    remote: str
    pulled: Arrived
    events: int
    blobs: int
    size: int
    reports: int
    lost: tuple[str, ...]
    forced: tuple[str, ...]
    missing: tuple[Missing, ...]
    dry_run: bool


def push(
    chain: Chain,
    name: str | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Send what a remote lacks, after what it has was taken in.

    Args:
        name: of the remote; None for the one that gives the order, else the only one.
        force: where a change that was made here has lost, set its value again.
        dry_run: change nothing, here and there.
        progress: called with the bytes sent so far, and with all bytes.

    Raises:
        NotFoundError: there is no such remote.
        RemoteChangedError: it was replaced, or restored from an older copy; nothing was changed.
        RemoteBusyError: others wrote to it all the time.
        RemoteError: it cannot be read or written.
    """
    registry = chain.first
    registry.store.check_writable()
    registry.store.flush()  # what this process reported just now
    remote = names.find(chain, name)
    store = names.connect(remote)
    sending = Sending(chain, remote, store, dry_run=dry_run, progress=progress)
    changed = Changed(chain, remote, store, sending, dry_run=dry_run)
    pushing = _Pushing(chain, remote, store, sending, changed)
    if dry_run:
        pushing.rehearse(force=force)
    else:
        pushing.run(force=force)
    return pushing.result(dry_run=dry_run)


class _Waits:
    """The waits between tries: longer each time, and never the same as those of others."""

    def __init__(self, remote: RemoteRow) -> None:
        self._remote = remote
        self._random = random.Random()  # not that of the program, which it may have seeded
        self.restart()

    def restart(self) -> None:
        """Begin with the shortest wait, after a success."""
        self._seconds = _FIRST_WAIT
        self._end = time.monotonic() + _PATIENCE

    def wait(self) -> None:
        """Wait until the next try.

        Raises:
            RemoteBusyError: there was none that succeeded for too long.
        """
        if time.monotonic() > self._end:
            raise RemoteBusyError(
                f"others wrote to the remote {self._remote.name} ({self._remote.url}) before each "
                f"try of {_PATIENCE:.0f} s. What is here waits; push again later",
                remote=self._remote.url,
            )
        time.sleep(self._seconds * self._random.uniform(0.5, 1.0))
        self._seconds = min(2 * self._seconds, _LONGEST_WAIT)


class _Pushing:
    """One push."""

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        sending: Sending,
        changed: Changed,
    ) -> None:
        self._chain = chain
        self._registry = chain.first
        self._remote = remote
        self._store = store
        self._sending = sending
        self._changed = changed
        self._pulled = pulling.NOTHING
        self._events = 0
        self._owners = 0
        self._lost: dict[str, str] = {}  # by the id of the event
        self._forced: list[str] = []

    def run(self, *, force: bool) -> None:
        """Send all that was here when it began; what came since goes along with it."""
        from localreg.blobs.remote_store.store import CommitConflict

        with self._registry.store.read() as connection:
            until = event_rows.newest_key(connection)
        waits = _Waits(self._remote)
        while True:
            self._add(pulling.bring(self._chain, self._remote, self._store))
            if force:
                until = self._force(until)
            remote, waiting = self._waiting()
            if not any(each.pk <= until for each in waiting):
                waiting = []
            self._sending.send([each.event for each in waiting])
            notes = self._changed.rows()
            rows = [*map(row_of, waiting), *notes]
            if not rows:
                return
            try:
                head = self._store.append(rows, remote.cursor + 1)
            except CommitConflict:
                waits.wait()
                continue
            waits.restart()
            self._record(remote, waiting, rows, head)

    def rehearse(self, *, force: bool) -> None:
        """Find out what would be sent; change nothing."""
        found: list[Waiting] = []

        def look(change: Change) -> None:
            if force:
                self._forced += forcing.force(change, self._remote)
            remote = remote_rows.by_key(change.connection, self._remote.pk)
            if remote is not None:
                until = event_rows.newest_key(change.connection)
                found.extend(remote_rows.waiting(change.connection, remote, until))
                self._lost |= forcing.lost(change.connection, found)

        self._add(pulling.bring(self._chain, self._remote, self._store, dry_run=True, then=look))
        self._sending.send([each.event for each in found])
        self._changed.rows()
        self._events = len(found)
        self._owners = self._changed.owners

    def result(self, *, dry_run: bool) -> Pushed:
        """Return what was done."""
        return Pushed(
            self._remote.name,
            replace(self._pulled, dry_run=dry_run),
            self._events,
            self._sending.blobs,
            self._sending.size,
            self._owners,
            tuple(self._lost.values()),
            tuple(self._forced),
            self._sending.missing,
            dry_run,
        )

    def _add(self, arrived: Arrived) -> None:
        so_far = self._pulled
        self._pulled = replace(
            arrived,
            models=so_far.models + arrived.models,
            events=so_far.events + arrived.events,
            reports=so_far.reports + arrived.reports,
            differences=so_far.differences + arrived.differences,
            conflict=so_far.conflict or arrived.conflict,
            tasks=so_far.tasks + arrived.tasks,
        )

    def _force(self, until: int) -> int:
        """Set again what has lost; return the key of the last event that is to be sent."""
        with self._registry.store.write() as change:
            forced = forcing.force(change, names.current(self._chain, self._remote))
            self._forced += forced
            return event_rows.newest_key(change.connection) if forced else until

    def _waiting(self) -> tuple[RemoteRow, list[Waiting]]:
        """Return the remote, and what it lacks, as both are known at one moment."""
        with self._registry.store.read() as connection:
            remote = names.current(self._chain, self._remote)
            until = event_rows.newest_key(connection)
            found: list[Waiting] = []
            characters = 0
            for each in remote_rows.waiting(connection, remote, until, _AT_ONCE):
                found.append(each)
                characters += len(each.payload)
                if characters > _CHARACTERS:
                    break
            self._lost |= forcing.lost(connection, found)
            return remote, found

    def _record(
        self, remote: RemoteRow, waiting: Sequence[Waiting], rows: Sequence[Row], head: Head
    ) -> None:
        """Record that a commit is there."""
        self._events += len(waiting)
        commit_id = self._store.commit_id(head.version)
        with self._registry.store.write() as change:
            connection = change.connection
            now = remote_rows.by_key(connection, remote.pk)
            if now is None or now.table_id is None:  # another process reset it meanwhile
                return
            keys = [each.pk for each in waiting]
            if now.mirror:
                remote_rows.mark_keys_mirrored(connection, now.pk, keys)
            else:
                places = [(place(head.version, n), pk) for n, pk in enumerate(keys)]
                remote_rows.set_places(connection, now.table_id, change.at, places)
                again = remote_rows.overtaken(connection, keys)
                if again:  # events came here since these were chosen, and stand after them now
                    came = take_in(change, [], {}, same_order=True, again=again)
                    lines = self._pulled.differences + came.lines
                    self._pulled = replace(self._pulled, differences=lines)
            if now.cursor < head.version:
                last = rows[-1][0], place(head.version, len(rows) - 1)
                seen = pulling.seen_text(head)
                remote_rows.advance(connection, now.pk, head.version, commit_id, seen, last)
            remote_rows.settle_sent(connection, now)
            self._changed.sent(change)
        self._owners += self._changed.owners
