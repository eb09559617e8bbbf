"""Commits of notes only, which are written after all that is there was taken in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from localreg.operations.remotes import names, pulling
from localreg.operations.remotes.remote_events import note_row
from localreg.operations.remotes.retries import Retries
from localreg.registry import Chain
from localreg.store.rows import remote_deletion_rows
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.remote_format import GC_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Row


def commit(
    chain: Chain,
    remote: RemoteRow,
    store: RemoteStore,
    rows: Callable[[], Sequence[Row]],
) -> bool:
    """Write notes to a remote, after all that is there was taken in.

    Args:
        rows: returns them, for what is there then; none: then nothing is to be written any more.

    Returns:
        True if they are there now, written by this call; False if there was nothing to write.

    Raises:
        RemoteBusyError: others wrote to it all the time.
    """
    from localreg.blobs.remote_store.store import CommitConflict

    retries = Retries(remote)
    while True:
        pulling.bring(chain, remote, store)
        now = names.current(chain, remote)
        found = rows()
        if not found:
            return False
        try:
            store.append(found, now.cursor + 1)
        except CommitConflict:
            retries.wait()
        else:
            pulling.bring(chain, remote, store)
            return True


def end_deletion(chain: Chain, remote: RemoteRow, store: RemoteStore, begin: str) -> None:
    """Write that a deletion has ended, unless somebody did.

    Args:
        begin: the id of the note that it began.
    """

    def rows() -> list[Row]:
        with chain.first.store.read() as connection:
            running = remote_deletion_rows.running(connection, remote.pk)
        if all(each.begin != begin for each in running):
            return []
        return [note_row(chain.first, GC_END, begin, {"begin": begin})]

    commit(chain, remote, store, rows)
