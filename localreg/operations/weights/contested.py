"""Models that were published twice, with different content, in registries that met later."""

from __future__ import annotations

from localreg.errors import ContestedError
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found
from localreg.store.events.refolding import publications
from localreg.store.rows import event_rows
from localreg.values.units import moment


def contested_error(found: Found) -> ContestedError:
    """Return the error for a model whose publications differ; it names them."""
    with found.registry.store.read() as connection:
        row = require_model(connection, found.id)
        ids = publications(connection, found.id)
        events = {each.event_id: each for each in event_rows.events(connection, found.id)}
    lines = [
        f"{moment(each.change.at)} UTC by {each.actor} in {each.origin}: sha256 "
        f"{str(each.change.payload.get('digest'))[:12]}…"
        for each in (events[event_id] for event_id in ids)
    ]
    return ContestedError(
        f"model {row.ref} was published {len(ids)} times with different content, in registries "
        f"that did not know of each other ({'; '.join(lines)}). Publish it again to fix what "
        f"`localreg show` shows: `localreg publish {found.id[:8]}`",
        model=found.id,
        publications=tuple(ids),
    )
