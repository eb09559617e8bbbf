"""Keep a remote quick: join its small files, delete old ones, and make a checkpoint for clones.

Others may push, pull and compact meanwhile. A kill leaves what is not needed: new files that no
commit names, which a later compaction deletes, and a clone in ``tmp`` of this registry.
"""

from __future__ import annotations

from contextlib import suppress

from localreg.errors import RemoteBusyError
from localreg.operations.remotes import checkpoints, cloning, names
from localreg.registry import Chain
from localreg.values.frozen import Frozen
from localreg.values.layout import DATABASE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.maintenance import Compacted
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress

_TRIES = 5
KEPT = 3  # checkpoints: somebody may be reading an older one


class Compaction(Frozen, kw_only=True):
    """What a compaction did.

    Attributes:
        remote, url: the remote's name here, and where it is, without secrets.
        files, into: how many files of events were joined, and how many they are now.
        deleted, freed: how many files, not needed for a week, were deleted; their bytes.
        events: how many events the remote has.
        checkpoint: the key of the newest checkpoint; None if there are no events.
        size: its bytes.
        made: True if it was made now; False if it was there.
        skipped: why earlier checkpoints could not be used, a sentence for each.
    """

    remote: str
    url: str
    files: int
    into: int
    deleted: int
    freed: int
    events: int
    checkpoint: str | None
    size: int
    made: bool
    skipped: tuple[str, ...]


def compact(
    chain: Chain, name: str | None = None, *, progress: Progress | None = None
) -> Compaction:
    """Join the small files of a remote, delete those not needed for a week, make a checkpoint.

    The registry itself does not change.

    Args:
        name: of the remote; None for the one that gives the order, else the only one.
        progress: called with the bytes of the checkpoint that are sent, and with all.

    Raises:
        NotFoundError: there is no such remote.
        RemoteChangedError: it is another one than it was.
        RemoteError: it cannot be read or written; what was done so far is of use.
        RemoteBusyError: others wrote to it all the time.
    """
    chain.first.store.check_writable()  # the clone is made there
    remote = names.find(chain, name)
    store = names.open_store(remote.url)
    names.check_identity(remote, store)
    identity = store.identity()
    assert identity is not None
    joined = _join(store)
    vacuumed = store.vacuum()
    with chain.first.blobs.temporary_folder("checkpoint") as folder:
        cloned = cloning.clone(remote.url, folder / "clone", durability="fast")
        made = checkpoints.put(
            store, identity, folder / "clone" / DATABASE, folder, used=cloned.checkpoint,
            progress=progress,
        )  # fmt: skip
    there = checkpoints.checkpoints(store)
    head = store.head().version  # later than the list
    fitting = [each for each in there if not checkpoints.is_beyond(each, head)]
    newest = made or (fitting[0] if fitting else None)
    store.delete([each.key for each in there if each not in fitting[:KEPT] and each != newest])
    return Compaction(
        remote=remote.name,
        url=remote.url,
        files=joined.files,
        into=joined.into,
        deleted=vacuumed.files,
        freed=vacuumed.size,
        events=cloned.arrived.events,
        checkpoint=None if newest is None else newest.key,
        size=0 if newest is None else newest.size,
        made=made is not None,
        skipped=cloned.skipped,
    )


def _join(store: RemoteStore) -> Compacted:
    """Join small files; if another compaction joined them first, see what is left."""
    for _ in range(_TRIES - 1):
        with suppress(RemoteBusyError):
            return store.compact()
    return store.compact()
