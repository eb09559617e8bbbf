"""Download the bytes of all models from a remote."""

from __future__ import annotations

from localreg.operations.carry.export import Missing
from localreg.registry import Chain
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress


class Fetched(Frozen):
    """Bytes that came, or would come: how many blobs, their size, and which did not."""

    blobs: int
    size: int
    missing: tuple[Missing, ...]


def fetch_all(
    chain: Chain,
    remote: RemoteRow,
    store: RemoteStore,
    *,
    dry_run: bool,
    progress: Progress | None,
) -> Fetched:
    """Download the bytes that models here need, that are not here, and that a remote has."""
    return Fetched(0, 0, ())
