"""Upload the bytes that events name, before the events."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.operations.carry.export import Missing
from localreg.registry import Chain
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.records import LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress


class Sending:
    """The bytes of one push.

    Args:
        dry_run: only look what is lacking there.
        progress: called with the bytes sent so far, and with all bytes.

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
    ) -> None:
        self.blobs = 0
        self.size = 0
        self.missing: tuple[Missing, ...] = ()

    def send(self, events: Sequence[LoggedEvent]) -> None:
        """Upload what some events name and the remote lacks.

        It is called before each try of a commit: what was sent, or seen there, is not looked for
        again, unless somebody began to delete it since.
        """
