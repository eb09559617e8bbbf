"""What registries that met do not agree about: two publications of a model, one number twice."""

from __future__ import annotations

from shlex import quote

from localreg.operations.finding.references import require_model
from localreg.operations.weights.contested import Publication, publications
from localreg.registry import OpenRegistry
from localreg.store.rows import claim_rows
from localreg.store.rows.claim_rows import Claimant
from localreg.values.frozen import Frozen
from localreg.values.units import moment


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
            publications(connection, model_id) if row.contested else (),
            tuple(claimants) if len(claimants) > 1 else (),
        )


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


def claimant_text(claimant: Claimant) -> str:
    """Return a model that claims a number as a line of text."""
    if claimant.at is None:
        return claimant.id
    digest = f", sha256 {claimant.digest[:12]}…" if claimant.digest else ""
    gone = "" if claimant.here else ", removed or moved"
    return f"{claimant.id}: {moment(claimant.at)} UTC in {claimant.origin}{digest}{gone}"
