"""What was reported, to a remote and from it: streams by their digest, named by notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from localreg.registry import Chain
from localreg.store.rows.remote_rows import RemoteRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Note, Row
    from localreg.store.events.change import Change

    Join = Callable[[Change], int]


@contextmanager
def taken(
    chain: Chain, remote: RemoteRow, store: RemoteStore, notes: Sequence[Note]
) -> Iterator[Join]:
    """Download what notes name, outside of a transaction.

    Yields:
        What joins it with what is here, in a write transaction; it returns how many points, values,
        plots and log lines came.
    """
    yield lambda change: 0


class Changed:
    """What was reported here, and is not at a remote.

    Attributes:
        owners: how many models and tasks it was reported to.
    """

    def __init__(
        self, chain: Chain, remote: RemoteRow, store: RemoteStore, *, dry_run: bool
    ) -> None:
        self.owners = 0

    def rows(self) -> list[Row]:
        """Upload what is not there; return the notes that name it, for the next commit."""
        return []

    def sent(self, change: Change) -> None:
        """Record that a commit with the last `rows` is there."""
