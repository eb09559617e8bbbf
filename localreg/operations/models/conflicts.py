"""What registries that met do not agree about: two publications of a model, one number twice."""

from __future__ import annotations

from shlex import quote

from localreg.operations.finding.references import require_model
from localreg.registry import OpenRegistry
from localreg.store.events.refolding import publications
from localreg.store.rows import claim_rows, event_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.store.rows.claim_rows import Claimant
from localreg.store.rows.model_rows import Connection, ModelRow
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


class Conflicts(Frozen):
    """What registries do not agree about.

    Attributes:
        publications: those of a contested model; the weights of the first one are shown.
        claimants: the models that claim the version number of a model, if there are several.
    """

    publications: tuple[Publication, ...] = ()
    claimants: tuple[Claimant, ...] = ()


def conflicts(registry: OpenRegistry, model_id: str) -> Conflicts:
    """Return what registries do not agree about, of a model."""
    with registry.store.read() as connection:
        row = require_model(connection, model_id)
        project = row.project.name if row.project else ""
        claimants = claim_rows.claimants(connection, project, row.name, row.version)
        return Conflicts(
            _publications(connection, row) if row.contested else (),
            tuple(claimants) if len(claimants) > 1 else (),
        )


def _publications(connection: Connection, row: ModelRow) -> tuple[Publication, ...]:
    events = {each.event_id: each for each in event_rows.events(connection, row.id)}
    with taken_apart("event", row.id, "payload"):
        found = [events[event_id] for event_id in publications(connection, row.id)]
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


def contested_text(found: Conflicts) -> str:
    """Return what is wrong with a contested model, and what to do."""
    digests = {each.digest for each in found.publications}
    what = "with different weights" if len(digests) > 1 else "with another configuration or labels"
    return (
        f"It was published {len(found.publications)} times, {what}, in registries that did not "
        "know of each other. No local copy is given until it is published again; that fixes what "
        "is shown here, the content of the first"
    )


def ambiguous_text(ref: str, found: Conflicts) -> str:
    """Return what is wrong with a version number that several models claim, and what to do."""
    return (
        f"{len(found.claimants)} models have the number of {ref}, from registries that did not "
        "know of each other. Name one by its id, or settle it"
    )


def settling_command(ref: str, found: Conflicts) -> str:
    """Return the command after which one model less claims a number.

    The last model gets the next number; or the number of one that is gone is released.
    """
    here = [each.id for each in found.claimants if each.here]
    if len(here) > 1:
        return f"localreg mv {here[-1]} {quote(ref.rpartition(':')[0])}"
    gone = [each.id for each in found.claimants if not each.here]
    return f"localreg mv --release {quote(f'{ref}~{gone[-1][:8]}')}"


def publication_text(publication: Publication) -> str:
    """Return a publication as a line of text."""
    digest = publication.digest
    return f"{moment(publication.at)} UTC by {publication.actor} in {publication.origin}: " + (
        f"sha256 {digest}" if digest else "weights without a known sha256"
    )


def claimant_text(claimant: Claimant) -> str:
    """Return a model that claims a number as a line of text."""
    if claimant.at is None:
        return claimant.id
    digest = f", sha256 {claimant.digest[:12]}…" if claimant.digest else ""
    gone = "" if claimant.here else ", removed or moved"
    return f"{claimant.id}: {moment(claimant.at)} UTC in {claimant.origin}{digest}{gone}"
