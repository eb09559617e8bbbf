"""Registries that met: what happened in one came into the other."""

from __future__ import annotations

from localreg.store.events.arriving import take_in
from localreg.store.rows import logged_rows, origin_rows


def bring_events(source, target):
    """Bring the events that one registry lacks from another, as a merge does; without bytes."""
    with (
        source._chain.first.store.read() as there,
        target._chain.first.store.write() as change,
    ):
        take_in(change, logged_rows.all_events(there), logged_rows.origins(there))


def name_origin(registry, name):
    """Give a copy of a registry an origin of its own, with a name."""
    with registry._chain.first.store.write() as change:
        origin_rows.mint(change.connection, name)
