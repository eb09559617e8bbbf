"""Delete from a remote what nothing there refers to."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.store.rows.remote_rows import RemoteRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.remotes.remote_events import Note
    from localreg.store.events.change import Change


def noted(change: Change, remote: RemoteRow, notes: Sequence[Note]) -> None:
    """Take in that others began or ended to delete; in the transaction of the pull."""
