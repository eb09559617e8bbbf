"""Take in what a remote has: its events, and what was reported.

The rows after the last known commit are read first, without a lock. Then one transaction takes in
the events, folds what they concern, and moves the cursor: so a kill changes nothing, and the next
pull goes on. Many rows come in several such batches of whole commits.

Several processes of a registry may pull at the same time: who comes second finds the events here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from localreg.errors import EventConflictError, InvalidEventError, RemoteBusyError, RemoteError
from localreg.operations.carry.arrival import Arrived
from localreg.operations.remotes import (
    comparing,
    deletions,
    fetching_blobs,
    names,
    reports,
)
from localreg.operations.remotes.held import check_arrived
from localreg.operations.remotes.remote_events import Coming
from localreg.operations.remotes.spooling import spooled
from localreg.operations.trust import gates
from localreg.registry import Chain
from localreg.store.events.arriving import take_in
from localreg.store.rows import arrival_rows, remote_report_rows, remote_rows
from localreg.store.rows.checked_values import object_of
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen, replace
from localreg.values.remote_format import commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.event_log import Head
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Row
    from localreg.operations.remotes.reports import Join
    from localreg.progress import Progress
    from localreg.store.events.change import Change

_AT_ONCE = 10_000  # rows in memory, and of one transaction; a larger commit stays whole
_IDS_AT_ONCE = 10_000
_TRIES = 20


class Pulled(Frozen):
    """What a pull brought, or would bring.

    Attributes:
        remote: the name of the remote.
        arrived: what came, and what is different now.
        dry_run: True if nothing was changed.
    """

    remote: str
    arrived: Arrived
    dry_run: bool


NOTHING = Arrived(
    models=(), events=0, blobs=0, size=0, reports=0, differences=(), conflict=False, missing=(),
    dry_run=False,
)  # fmt: skip


def pull(
    chain: Chain,
    name: str | None = None,
    *,
    blobs: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Take in what a remote has and the first registry of a chain lacks.

    Args:
        name: of the remote; None for the one that gives the order, else the only one.
        blobs: download the bytes of all models, too. Else they come when they are needed.
        dry_run: change nothing.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        NotFoundError: there is no such remote.
        RemoteChangedError: it was replaced, or restored from an older copy; nothing was changed.
        RemoteError: it cannot be read.
    """
    chain.first.store.check_writable()
    remote = names.find(chain, name)
    store = names.connect(remote)
    arrived = bring(chain, remote, store, dry_run=dry_run)
    if blobs:
        came = fetching_blobs.fetch_all(chain, remote, store, dry_run=dry_run, progress=progress)
        arrived = replace(arrived, blobs=came.blobs, size=came.size, missing=came.missing)
    elif arrived.events and not dry_run:
        fetching_blobs.bring_lists(chain, remote, again=False)
    return Pulled(remote.name, arrived, dry_run)


def bring(
    chain: Chain,
    remote: RemoteRow,
    store: RemoteStore,
    *,
    dry_run: bool = False,
    whole: bool = False,
    then: Callable[[Change], None] | None = None,
    check: bool = True,
) -> Arrived:
    """Take in all rows of a remote up to its newest commit.

    Args:
        dry_run: change nothing.
        whole: take all events in one transaction, which holds the lock while it reads from the
            remote: for a registry that no other process uses yet.
        then: for a dry run; called in the transaction that is undone, with everything taken in.
        check: check the aliases that came, and what their gates ask for.

    Returns:
        What came, and what is different now.
    """
    known = gates.held(chain.first)
    for _ in range(_TRIES):
        remote = names.current(chain, remote)
        seen = head_of(remote)
        state = "other" if seen is None else store.compare(seen)
        if seen is not None and state == "same":
            further = _further(chain, remote)
            if further is not None:
                if store.compare(seen) == "same":
                    raise names.changed(remote, f"it lacks event {further[:8]}")
                continue
            taken = replace(NOTHING, dry_run=dry_run)
            if then is None:
                return taken
            return Pulling(chain, remote, store, seen, dry_run=dry_run).rehearse([], then)
        if state == "other":
            names.check_identity(remote, store)
        head = store.head()
        if state == "other":
            comparing.check_rows(chain.first, remote, store, head)
        pulling = Pulling(chain, remote, store, head, dry_run=dry_run)
        try:
            if dry_run:
                with spooled(chain.first, pulling.rows) as spool:
                    return pulling.rehearse(spool, then)
            arrived = pulling.take_whole() if whole else pulling.take_in_batches()
            return check_arrived(chain, remote, arrived, known) if check else arrived
        except ResetMeanwhileError:
            continue
        except _FurtherError as error:
            if store.compare(head) == "grown":
                continue
            raise names.changed(remote, f"it lacks event {error.event_id[:8]}") from None
    raise RemoteBusyError(
        f"other processes reset the remote {remote.name}, or merged, all the time; try again",
        remote=remote.url,
    )


def _further(chain: Chain, remote: RemoteRow) -> str | None:
    """Return the id of an event with a place after the newest commit of a remote; None without one.

    A merge or a bundle may have brought it: from a registry that knew the remote before it was
    restored, or that saw a further commit meanwhile.
    """
    with chain.first.store.read() as connection:
        now = remote_rows.by_key(connection, remote.pk)
        if now is None or now.mirror or now.cursor != remote.cursor:
            return None
        further = remote_rows.ids_at(connection, comparing.last_of(now.cursor))
    return further[0][0] if further else None


def head_of(remote: RemoteRow) -> Head | None:
    """Return the newest commit of a remote that was seen; None if that is not known."""
    if remote.seen is None:
        return None
    from localreg.blobs.remote_store.event_log import Head

    return Head(remote.cursor, object_of(remote.seen, "remote", remote.pk, "seen").get("mark"))


def seen_text(head: Head) -> str:
    """Return what a commit looked like, as it is kept."""
    return json.dumps({"mark": head.mark})


class _FurtherError(Exception):
    """An event has a place after the commit up to which this pull reads."""

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        super().__init__(event_id)


class ResetMeanwhileError(Exception):
    """Another process of this registry reset the remote meanwhile."""


class UndoneError(Exception):
    """Ends a transaction that changes nothing."""


class _Table:
    """The rows of some commits; each iteration reads them from the remote."""

    def __init__(self, store: RemoteStore, after: int, until: int) -> None:
        self._store = store
        self._after = after
        self._until = until

    def __iter__(self) -> Iterator[list[Row]]:
        return self._store.rows(self._after, self._until)


class Pulling:
    """One pull, up to a commit.

    Args:
        remote: where it comes from; nothing after its cursor was taken in.
        store: what is there.
        head: its newest commit.
        dry_run: for the result.
        table_id: the id of its table, if that may be another one now.
    """

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        head: Head,
        *,
        dry_run: bool,
        table_id: str | None = None,
    ) -> None:
        self._chain = chain
        self._commit_id: str | None = None  # of the head, once it is needed
        self._registry = chain.first
        self._remote = remote
        self._store = store
        self._head = head
        self._taken = replace(NOTHING, dry_run=dry_run)
        self._table_id = remote.table_id if table_id is None else table_id
        self._twice: set[str] = set()  # events that stand in the table again, further down
        self.rows = _Table(store, min(remote.cursor, head.version), head.version)

    def rehearse(self, rows: Iterable[list[Row]], then: Callable[[Change], None] | None) -> Arrived:
        """Take in rows in a transaction that is undone; `then` is called at its end."""
        known = gates.held(self._registry)

        def undo(change: Change, coming: Coming) -> None:
            lines = tuple(gates.check_held(self._chain, change, known, dry_run=True))
            self._taken = replace(
                self._taken,
                differences=self._taken.differences + lines,
                conflict=self._taken.conflict or bool(lines),
            )
            if then is not None:
                then(change)
            raise UndoneError

        with suppress(UndoneError):
            self._attempt(rows, undo, is_last=True)
        return self._taken

    def take_whole(self) -> Arrived:
        """Take in all events while they are read; then what was reported."""
        coming = self._attempt(self.rows, None, is_last=True)
        self._commit_id = self._store.commit_id(self._head.version)
        with (
            reports.taken(self._chain, self._remote, self._store, coming.notes) as join,
            self._registry.store.write() as change,
        ):
            self._finish(change, coming, join=join, head=self._head)
        return self._taken

    def take_in_batches(self) -> Arrived:
        """Take in the rows, some commits at a time, each time with what was reported."""
        for batch, is_last in batches(self.rows):
            head = self._head if is_last else None
            if is_last:
                self._commit_id = self._store.commit_id(self._head.version)
            notes = Coming(self._remote, [batch]).notes_alone()
            with reports.taken(self._chain, self._remote, self._store, notes) as join:
                self._attempt([batch], partial(self._finish, join=join, head=head), is_last=is_last)
            self._remote = names.current(self._chain, self._remote)
        return self._taken

    def take_again(self, *, dry_run: bool) -> Arrived:
        """Forget how far the remote is known here, and take in all its rows.

        If no other remote gives the order, all places are forgotten, too: this one gives them.
        """
        old, table_id = self._remote, self._table_id

        def begin(change: Change) -> list[str]:
            connection = change.connection
            known = remote_rows.remotes(connection)
            if old.pk not in {each.pk for each in known}:
                raise ResetMeanwhileError
            mirror = any(not each.mirror for each in known if each.pk != old.pk)
            again = [] if mirror else remote_rows.clear_places(connection)
            known_streams = remote_report_rows.known(connection, old.pk, {e.digest for e in there})
            remote_rows.delete(connection, old.pk)
            self._remote = remote_rows.insert(
                connection, old.name, old.url, table_id, mirror=mirror
            )
            for owner, digest, stamp in known_streams:  # they are here, so they do not come
                remote_report_rows.record(connection, self._remote.pk, owner, digest, stamp)
            return again

        with spooled(self._registry, _Table(self._store, -1, self._head.version)) as spool:
            self._commit_id = self._store.commit_id(self._head.version)
            notes = [] if dry_run else Coming(old, spool).notes_alone()
            there = reports.newest(old, notes)
            with reports.taken(self._chain, old, self._store, notes) as join:

                def end(change: Change, coming: Coming) -> None:
                    if dry_run:
                        raise UndoneError
                    self._finish(change, coming, join=join, head=self._head)

                with suppress(UndoneError):
                    self._attempt(spool, end, is_last=True, begin=begin)
        return self._taken

    def _attempt(
        self,
        rows: Iterable[list[Row]],
        end: Callable[[Change, Coming], None] | None,
        *,
        is_last: bool,
        begin: Callable[[Change], Sequence[str]] | None = None,
    ) -> Coming:
        """Take in rows in one transaction.

        Args:
            rows: they may be read several times.
            end: called at the end of the transaction.
            is_last: True if these are the last rows up to the commit.
            begin: called first; returns the subjects that are folded again in any case.
        """
        while True:
            try:
                with self._registry.store.write() as change:
                    again = () if begin is None else begin(change)
                    coming = Coming(self._remote, rows, self._twice)
                    self._take(change, coming, again, is_last=is_last)
                    if end is not None:
                        end(change, coming)
                return coming
            except InvalidEventError as error:
                raise RemoteError(
                    f"the remote {self._remote.name} ({self._remote.url}) has an event that cannot "
                    f"be one, so nothing of its commit was taken: {error}",
                    remote=self._remote.url,
                ) from error
            except EventConflictError as error:
                if not self._stands_twice(error.event_id):
                    raise
                self._twice.add(error.event_id)

    def _stands_twice(self, event_id: str) -> bool:
        """Return True if an event that is in conflict stands in the table once more.

        Then its first place counts.

        Raises:
            RemoteChangedError: it has another place there than here.
        """
        with self._registry.store.read() as connection:
            place = remote_rows.place_of(connection, event_id)
        if place is None or self._remote.mirror or event_id in self._twice:
            return False  # it has other content
        if any(row[2] == event_id for row in self._store.at([place])):
            return True
        raise names.changed(self._remote, f"event {event_id[:8]} has another place in its order")

    def _take(self, change: Change, coming: Coming, again: Sequence[str], *, is_last: bool) -> None:
        connection = change.connection
        now = remote_rows.by_key(connection, self._remote.pk)
        if now is None or now.table_id != self._remote.table_id:
            raise ResetMeanwhileError
        # A merge or a bundle may have brought places from a registry that knew this remote before
        # it was restored: then they are not among those that come. Another process of this registry
        # may have taken in more meanwhile.
        start = comparing.last_of(max(self._remote.cursor, now.cursor))
        if not now.mirror:
            coming.expected = dict(remote_rows.ids_at(connection, start))
        came = take_in(change, coming.events(), coming.names, same_order=True, again=again)
        end = comparing.last_of(self._head.version) if coming.last is None else coming.last[1]
        for event_id, at in coming.expected.items():
            if at <= end:
                raise names.changed(self._remote, f"it lacks event {event_id[:8]}")
            if is_last:
                raise _FurtherError(event_id)
        for n in range(0, len(coming.ids), _IDS_AT_ONCE):
            remote_rows.mark_mirrored(connection, now.pk, coming.ids[n : n + _IDS_AT_ONCE])
        taken = self._taken
        self._taken = replace(
            taken,
            models=taken.models + came.models,
            events=taken.events + came.events,
            differences=taken.differences + came.lines,
            conflict=taken.conflict or came.conflict,
            tasks=taken.tasks + came.tasks,
        )
        if came.events or came.lines:
            source = f"{self._remote.name} ({self._remote.url})"
            arrival_rows.record(connection, change.at, source, came.events, came.lines)

    def _finish(self, change: Change, coming: Coming, *, join: Join, head: Head | None) -> None:
        """Take in what was reported, and move the cursor.

        Args:
            head: the newest commit, if all up to there is here now.
        """
        connection = change.connection
        now = remote_rows.by_key(connection, self._remote.pk)
        if now is None:
            raise ResetMeanwhileError
        last = coming.last
        cursor = head.version if head is not None else commit_of(last[1])[0] if last else -1
        if now.cursor > max(cursor, self._remote.cursor):
            return  # another process of this registry went further, and knows newer streams
        points = join(change, self._remote)
        deletions.noted(change, self._remote, coming.notes)
        self._taken = replace(self._taken, reports=self._taken.reports + points)
        is_newer = last is not None and last[1] > (-1 if now.last_place is None else now.last_place)
        seen = None if head is None else seen_text(head)
        remote_rows.advance(
            connection, now.pk, cursor, self._commit_id, seen, last if is_newer else None
        )
        remote_rows.settle_sent(connection, now)


def batches(rows: Iterable[list[Row]], at_once: int = _AT_ONCE) -> Iterator[tuple[list[Row], bool]]:
    """Yield rows some commits at a time, and True with the last of them; at least once."""
    batch: list[Row] = []
    for some in rows:
        batch += some
        if len(batch) >= at_once:
            newest = batch[-1][0]
            cut = next(n for n, row in enumerate(batch) if row[0] == newest)
            if cut:
                yield batch[:cut], False
                batch = batch[cut:]
    yield batch, True
