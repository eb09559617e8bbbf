"""Check the aliases that came from a remote without passing the gates here."""

from __future__ import annotations

from localreg.operations.carry.arrival import Arrived
from localreg.operations.trust import gates
from localreg.registry import Chain
from localreg.store.rows import arrival_rows
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


def check_arrived(
    chain: Chain, remote: RemoteRow, arrived: Arrived, known: Collection[gates.HeldKey]
) -> Arrived:
    """Check what is held after events came; add what is said of it to what arrived.

    Signatures may be in the remote only. They are fetched, so this is not done in the transaction
    that took the events in. After a kill between the two an alias stays held.

    Args:
        known: what was held before: nothing is said of that.
    """
    if not gates.held(chain.first):
        return arrived
    gates.bring_signatures_of_held(chain)
    with chain.first.store.write() as change:
        lines = tuple(gates.check_held(chain, change, known))
        if lines:
            source = f"{remote.name} ({remote.url})"
            arrival_rows.record(change.connection, change.at, source, 0, lines)
    differences = arrived.differences + lines
    return replace(arrived, differences=differences, conflict=arrived.conflict or bool(lines))
