"""Send to a remote what it lacks: bytes first, then the events, in commits that stand or fall.

A commit says which number it has: one more than that of the newest commit up to which all events
are here. If somebody else wrote that one, or the answer was lost, what is there is pulled, and what
is lacking then is sent: an event that is there by its id is sent. So nothing is sent twice, and
nothing is left out, whatever is killed in between.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from localreg.errors import RemoteBusyError
from localreg.operations.carry.arrival import Arrived
from localreg.operations.carry.export import Missing
from localreg.operations.remotes import forcing, names, pulling
from localreg.operations.remotes.remote_events import row_of
from localreg.operations.remotes.retries import Retries
from localreg.operations.remotes.sending_blobs import Naming, Sending
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

_AT_ONCE = 10_000  # events of one commit: all are in memory
_CHARACTERS = 16_000_000  # of their payloads


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
        refused: what was not set again, since a gate is not passed, one sentence each.
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
    refused: tuple[str, ...]
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
    pushing = Pushing(chain, remote, store, sending, changed)
    if dry_run:
        pushing.rehearse(force=force)
    else:
        pushing.run(force=force)
    return pushing.result(dry_run=dry_run)


class _Going:
    """The events of the next commit: its rows, and what else must be known of them.

    Their payloads are texts here; as objects they would take four times the memory.

    Attributes:
        keys: of the events, in their order.
        own: those of the events made here.
        rows: without their places.
        named: the bytes that they need.
        is_full: True if further ones must wait for another commit.
    """

    def __init__(self) -> None:
        self.keys = array("q")
        self.own = array("q")
        self.rows: list[Row] = []
        self.named = Naming()
        self.is_full = False

    def added(self, waiting: Iterable[Waiting]) -> Iterator[Waiting]:
        """Add events until there are many characters; yield each."""
        characters = 0
        for each in waiting:
            self.keys.append(each.pk)
            if each.own:
                self.own.append(each.pk)
            self.rows.append(row_of(each))
            self.named.add(each)
            yield each
            characters += len(each.payload)
            if characters > _CHARACTERS:
                self.is_full = True
                return


class Pushing:
    """One push.

    Args:
        sending: sends the bytes that events name.
        changed: sends what was reported.
        at_once: how many events one commit has at most.
    """

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        sending: Sending,
        changed: Changed,
        *,
        at_once: int = _AT_ONCE,
    ) -> None:
        self._chain = chain
        self._at_once = at_once
        self._registry = chain.first
        self._remote = remote
        self._store = store
        self._sending = sending
        self._changed = changed
        self._pulled = pulling.NOTHING
        self._events = 0
        self._tried: _Going | None = None  # the events of a commit that may be there
        self._first_own: int | None = None  # the least key of the events made here that were sent
        self._plan = array("q")  # keys of events that it lacked, in the order of the fold
        self._owners = 0
        self._is_identified = False
        self._lost: dict[str, str] = {}  # by the id of the event
        self._forced = forcing.Forced([], [])

    def run(self, *, force: bool) -> None:
        """Send all that was here when it began; what came since goes along with it."""
        with self._registry.store.read() as connection:
            until = event_rows.newest_key(connection)
        retries = Retries(self._remote)
        while True:
            self._add(pulling.bring(self._chain, self._remote, self._store))
            self._count_tried()
            if force:
                until = self._force(until)
            if not self._commit(until, retries):  # a call, which lets go of its events
                return

    def _commit(self, until: int, retries: Retries) -> bool:
        """Try to write the next commit; return True if there may be more to send."""
        from localreg.blobs.remote_store.store import CommitConflict

        remote, going = self._waiting(until)
        if going.keys:
            self._check_identity()
        self._sending.send(going.named)
        rows = going.rows
        rows += self._changed.rows(going.keys)
        if not rows:
            return False
        self._check_identity()
        try:
            head = self._store.append(rows, remote.cursor + 1)
        except CommitConflict:
            self._tried = going
            self._plan = array("q")  # those of this commit come first again
            retries.wait()
            return True
        retries.restart()
        self._record(remote, going, head)
        return self._lacks(until)

    def _check_identity(self) -> None:
        """Check once that the remote is that one: its newest commit does not show a newer format.

        Raises:
            RemoteError: it has no `registry.json`, or that of another remote or format.
        """
        if not self._is_identified:
            names.check_identity(self._remote, self._store)
            self._is_identified = True

    def rehearse(self, *, force: bool) -> None:
        """Find out what would be sent; change nothing."""

        def look(change: Change) -> None:
            if force:
                self._forced = forcing.force(self._chain, change, self._remote)
            remote = remote_rows.by_key(change.connection, self._remote.pk)
            if remote is not None:
                until = event_rows.newest_key(change.connection)
                self._events = remote_rows.count_waiting(change.connection, remote)
                waiting = remote_rows.waiting(change.connection, remote, until)
                self._lost |= forcing.lost(change.connection, waiting)

        self._add(pulling.bring(self._chain, self._remote, self._store, dry_run=True, then=look))
        with self._registry.store.read() as connection:
            plan = array("q", remote_rows.waiting_keys(connection, self._remote))
        for start in range(0, len(plan), self._at_once):
            with self._registry.store.read() as connection:
                named = Naming()
                for each in remote_rows.waiting_among(
                    connection, self._remote, plan[start : start + self._at_once]
                ):
                    named.add(each)
            self._sending.send(named)
        self._changed.rows(plan)
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
            tuple(self._forced.done),
            tuple(self._forced.refused),
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
            forced = forcing.force(self._chain, change, names.current(self._chain, self._remote))
            self._forced.done.extend(forced.done)
            self._forced.refused[:] = forced.refused
            return event_rows.newest_key(change.connection) if forced.done else until

    def _count_tried(self) -> None:
        """Count the events of a commit whose answer was lost, if they are there."""
        tried, self._tried = self._tried, None
        if tried is None:
            return
        with self._registry.store.read() as connection:
            remote = names.current(self._chain, self._remote)
            among = remote_rows.waiting_among(connection, remote, tried.keys)
            waiting = {each.pk for each in among}
        self._events += sum(pk not in waiting for pk in tried.keys)
        own = [pk for pk in tried.own if pk not in waiting]
        if own:
            with self._registry.store.write() as change:
                self._note_own(change, remote, own)

    def _note_own(self, change: Change, remote: RemoteRow, went: Sequence[int]) -> None:
        """Note which events made here went: `force` may set them again later."""
        if went:
            first = self._first_own
            self._first_own = min(went) if first is None else min(first, *went)
        if self._first_own is not None:
            remote_rows.set_pushed(change.connection, remote.pk, self._first_own - 1)

    def _lacks(self, until: int) -> bool:
        """Return True if the remote lacks events with a key up to `until`."""
        if self._plan:
            return True
        with self._registry.store.read() as connection:
            remote = names.current(self._chain, self._remote)
            return any(pk <= until for pk in remote_rows.waiting_keys(connection, remote))

    def _waiting(self, until: int) -> tuple[RemoteRow, _Going]:
        """Return the remote, and the next events that it lacks, as both are known at one moment.

        There are none if it lacks no event with a key up to `until`.
        """
        with self._registry.store.read() as connection:
            remote = names.current(self._chain, self._remote)
            if remote.pk != self._remote.pk:
                raise RemoteBusyError(
                    f"another process reset the remote {remote.name} meanwhile; push again",
                    remote=remote.url,
                )
            going = _Going()
            while not going.keys:
                if not self._plan:
                    self._plan = array("q", remote_rows.waiting_keys(connection, remote))
                    if not self._plan or min(self._plan) > until:
                        return remote, going
                some = self._plan[: self._at_once]
                waiting = remote_rows.waiting_among(connection, remote, some)
                self._lost |= forcing.lost(connection, going.added(waiting))
                if not going.is_full:
                    del self._plan[: self._at_once]
            return remote, going

    def _record(self, remote: RemoteRow, going: _Going, head: Head) -> None:
        """Record that a commit is there."""
        keys = going.keys
        self._events += len(keys)
        commit_id = self._store.commit_id(head.version)
        with self._registry.store.write() as change:
            connection = change.connection
            now = remote_rows.by_key(connection, remote.pk)
            if now is None or now.table_id is None:  # another process reset it meanwhile
                return
            if now.mirror:
                remote_rows.mark_keys_mirrored(connection, now.pk, keys)
            else:
                places = [(place(head.version, n), pk) for n, pk in enumerate(keys)]
                remote_rows.set_places(connection, now.table_id, change.at, places)
                again = remote_rows.overtaken(connection, now, keys)
                if again:  # events came here since these were chosen, and stand after them now
                    came = take_in(change, [], {}, same_order=True, again=again)
                    lines = self._pulled.differences + came.lines
                    self._pulled = replace(self._pulled, differences=lines)
            if now.cursor < head.version:
                last = going.rows[-1][0], place(head.version, len(going.rows) - 1)
                seen = pulling.seen_text(head)
                remote_rows.advance(connection, now.pk, head.version, commit_id, seen, last)
            remote_rows.settle_sent(connection, now)
            self._note_own(change, now, going.own)
            if now.cursor <= head.version:  # else another process knows newer streams
                self._changed.sent(change)
        self._owners += self._changed.owners
