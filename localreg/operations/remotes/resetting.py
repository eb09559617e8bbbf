"""Take a remote as it is now: after it was restored, replaced or moved."""

from __future__ import annotations

from localreg.errors import RemoteBusyError, RemoteError
from localreg.operations.carry.arrival import Arrived
from localreg.operations.remotes import names
from localreg.operations.remotes.held import check_arrived
from localreg.operations.remotes.pulling import Pulling, ResetMeanwhileError
from localreg.operations.trust import gates
from localreg.registry import Chain

_TRIES = 5


def reset(chain: Chain, name: str, *, dry_run: bool = False) -> Arrived:
    """Forget how far a remote is known here, and take in what is there now.

    The places that it gave to events are forgotten. If no other remote gives the order, it does
    from now on, whatever gave it before. The next push sends what it lacks.

    Args:
        dry_run: change nothing.

    Returns:
        What came, and what is different since events have another order.

    Raises:
        NotFoundError: there is no such remote.
        RemoteError: it cannot be read, or is not there at all; nothing was changed.
    """
    chain.first.store.check_writable()
    for _ in range(_TRIES):
        remote = names.find(chain, name)
        store = names.connect(remote)
        identity = store.identity()
        if identity is None:
            store.check_place()
            raise RemoteError(
                f"there is no remote at {remote.url}: it has no registry.json. Nothing was "
                f"changed; bring it back, or `localreg remote rm {remote.name}`",
                remote=remote.url,
            )
        names.check_format(identity, remote.url)
        pulling = Pulling(
            chain, remote, store, store.head(), dry_run=dry_run, table_id=identity.table_id
        )
        try:
            known = gates.held(chain.first)
            arrived = pulling.take_again(dry_run=dry_run)
            return arrived if dry_run else check_arrived(chain, remote, arrived, known)
        except ResetMeanwhileError:
            continue
    raise RemoteBusyError(
        f"other processes reset the remote {remote.name} all the time; try again",
        remote=remote.url,
    )
