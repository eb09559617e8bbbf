"""Models that were published twice, with different content, in registries that met later."""

from __future__ import annotations

from localreg.errors import ContestedError
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found
from localreg.store.events import refolding
from localreg.store.rows import event_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.store.rows.model_rows import Connection
from localreg.values.frozen import Frozen
from localreg.values.records import StateChange
from localreg.values.units import moment


class Publication(Frozen):
    """One of the publications of a model that differ.

    Attributes:
        at: when, by the clock of the machine that published it, microseconds.
        actor: who published it, ``user@host``.
        origin: the name of the registry that it was published in.
        digest: the sha256 of the weights that it fixes; None without any that are known.
    """

    event_id: str
    at: int
    actor: str
    origin: str
    digest: str | None


def publications(connection: Connection, model_id: str) -> tuple[Publication, ...]:
    """Return the publications of a model that no later one replaces, in their order.

    Raises:
        DamagedRowError: an event is not what it should be.
    """
    with taken_apart("event", model_id, "payload"):
        ids = refolding.publications(connection, model_id)
        sound = (event_rows.by_id(connection, event_id) for event_id in ids)
        events = {each.event_id: each for each in sound if each is not None}
        found = [events[event_id] for event_id in ids]
        return tuple(
            Publication(
                each.event_id, each.change.at, each.actor, each.origin, _digest(each.change)
            )
            for each in found
        )


def _digest(change: StateChange) -> str | None:
    """Return the sha256 of the weights that a publication fixes."""
    payload = change.payload
    if change.kind == "model.created":  # as published
        weights = payload["weights"]
        payload = weights[0] if weights else {"digest": None}
    digest = payload["digest"]
    return digest if digest is None else str(digest)


def publication_text(publication: Publication) -> str:
    """Return a publication as a line of text."""
    digest = publication.digest
    return f"{moment(publication.at)} UTC by {publication.actor} in {publication.origin}: " + (
        f"sha256 {digest}" if digest else "weights without a known sha256"
    )


def contested_error(found: Found) -> ContestedError:
    """Return the error for a model whose publications differ; it names them."""
    with found.registry.store.read() as connection:
        row = require_model(connection, found.id)
        several = publications(connection, found.id)
    return ContestedError(
        f"model {row.ref} was published {len(several)} times with different content, in registries "
        f"that did not know of each other ({'; '.join(map(publication_text, several))}). Publish "
        f"it again to fix what `localreg show` shows: `localreg publish {found.id[:8]}`",
        model=found.id,
        publications=tuple(each.event_id for each in several),
    )
