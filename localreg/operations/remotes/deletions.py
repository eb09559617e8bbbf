"""What others delete from a remote, and waiting for the end of it.

Who deletes says so first, in a commit of its own (`gc_begin`), and afterwards that it has ended
(`gc_end`). A push writes its commit after all that it has read, so it has read of a deletion that
began before. If it needs such bytes, it waits for the end, looks again, and sends them again.

Who deletes stops `TIME_TO_DELETE` after it began. Who waits goes on after `TIME_TO_WAIT`, since the
other one was killed, and writes the end for it. Each measures with its own clock, which also counts
while the machine sleeps. No time of another machine is compared with it. Who deletes also looks
before each step if somebody wrote the end for it: a machine that was suspended had no clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from localreg.errors import RemoteError
from localreg.registry import Chain
from localreg.store.rows import remote_deletion_rows
from localreg.store.rows.remote_deletion_rows import Deletion
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.remote_format import GC_BEGIN, GC_END
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.remotes.remote_events import Note
    from localreg.store.events.change import Change

TIME_TO_DELETE, TIME_TO_WAIT = 300.0, 600.0  # seconds
_FIRST_LOOK, _LONGEST_LOOK = 0.1, 5.0  # seconds between two looks


def noted(change: Change, remote: RemoteRow, notes: Sequence[Note]) -> None:
    """Take in that others began or ended to delete; in the transaction of the pull.

    Raises:
        RemoteError: a note is one that localreg does not write.
    """
    for note in notes:
        if note.kind == GC_BEGIN:
            digests = note.payload.get("digests")
            if type(digests) is not list or not all(
                type(each) is str and is_sha256(each) for each in digests
            ):
                raise RemoteError(
                    f"the remote {remote.name} ({remote.url}) has a note {note.event_id} that does "
                    "not say what is deleted; nothing of it was taken",
                    remote=remote.url,
                )
            remote_deletion_rows.record_begin(change.connection, remote.pk, note.event_id, digests)
        elif note.kind == GC_END:
            remote_deletion_rows.record_end(
                change.connection, remote.pk, str(note.payload.get("begin"))
            )


def elapsed() -> float:
    """Return seconds by a clock that is never set, and counts while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Waiting:
    """Waits for the ends of deletions at one remote.

    Args:
        pull: takes in what the remote has.
        end: writes to the remote that a deletion has ended; it takes the id of its first note.
        clock: returns seconds; `elapsed`.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        pull: Callable[[], object],
        end: Callable[[str], object],
        *,
        clock: Callable[[], float] = elapsed,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._chain = chain
        self._remote = remote
        self._pull = pull
        self._end = end
        self._clock = clock
        self._sleep = sleep
        self._newest = 0
        self._since: dict[str, float] = {}

    def forgotten(self) -> set[str]:
        """Return what was, or is, deleted since the last call: it may be gone."""
        with self._chain.first.store.read() as connection:
            found = remote_deletion_rows.after(connection, self._remote.pk, self._newest)
        self._newest = max((each.pk for each in found), default=self._newest)
        return {digest for each in found for digest in each.digests}

    def wait_for(self, needed: Collection[str]) -> None:
        """Wait until nothing is deleted that is needed."""
        pause = _FIRST_LOOK
        while running := self._running(needed):
            for each in running:
                begun = self._since.setdefault(each.begin, self._clock())
                if self._clock() - begun > TIME_TO_WAIT:
                    self._end(each.begin)
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
            self._pull()

    def _running(self, needed: Collection[str]) -> list[Deletion]:
        with self._chain.first.store.read() as connection:
            found = remote_deletion_rows.running(connection, self._remote.pk)
        return [each for each in found if not each.digests.isdisjoint(needed)]
