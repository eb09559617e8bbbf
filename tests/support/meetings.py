"""Registries that met: what happened in one came into the other."""

from __future__ import annotations

from localreg.store.events.refolding import refold_unit
from localreg.store.rows import origin_rows


def bring_events(source, target):
    """Bring the events that one registry lacks from another, as a merge does; without bytes."""
    with (
        source._chain.first.store.read() as there,
        target._chain.first.store.write() as change,
    ):
        here = change.connection
        known = {event_id for (event_id,) in here.execute("SELECT event_id FROM event")}
        rows = there.execute(
            "SELECT e.event_id, o.id, o.name, a.name, e.seq, e.lamport, e.stamp, e.at, e.kind, "
            "e.v, e.subject, e.field, e.payload FROM event e JOIN origin o ON o.pk = e.origin "
            "JOIN actor a ON a.pk = e.actor ORDER BY e.pk"
        ).fetchall()
        subjects = {}
        for event_id, origin, name, actor, seq, *rest in rows:
            if event_id in known:
                continue
            here.execute("INSERT OR IGNORE INTO actor (name) VALUES (?)", (actor,))
            (who,) = here.execute("SELECT pk FROM actor WHERE name = ?", (actor,)).fetchone()
            here.execute(
                "INSERT INTO event (event_id, origin, actor, seq, grp, arrived, lamport, stamp, "
                "at, kind, v, subject, field, payload) "
                "VALUES (?, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?, ?, ?, ?)",
                (event_id, origin_rows.key(here, origin, name), who, seq, *rest),
            )
            subjects[rest[5]] = None
        for subject in subjects:
            refold_unit(here, subject)


def name_origin(registry, name):
    """Give a copy of a registry an origin of its own, with a name."""
    with registry._chain.first.store.write() as change:
        origin_rows.mint(change.connection, name)
