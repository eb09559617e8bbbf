"""Give new numbers where two registries gave one number to two models."""

from __future__ import annotations

from localreg.store.events.change import Change
from localreg.store.events.refolding import refold_unit
from localreg.store.rows import claim_rows, model_rows, project_rows
from localreg.store.rows.keys import next_number
from localreg.values.records import Json, line_payload, reference


def renumber_all(change: Change) -> list[str]:
    """Let no number mean two models; return what was done, as text.

    Of the models that claim a number the first in the order of events keeps it, the others take
    the next free ones, removed ones too. Those that have another number by now give this one up.
    All registries that have the same events decide the same.
    """
    connection = change.connection
    done = []
    for project, name, number in claim_rows.named_twice(connection):
        for claimant in claim_rows.claimants(connection, project, name, number)[1:]:
            line = model_rows.line_of(connection, claimant.id)
            if line is None:
                continue
            there, own, version = line
            old = line_payload(there, own, version)
            here = (there.name if there else "", own, version) == (project, name, number)
            if not here:
                change.record(
                    "model.released", claimant.id, _named(connection, project, name, number)
                )
                continue
            new = line_payload(there, own, next_number(connection, project, name))
            change.record("model.renumbered", claimant.id, {"old": old, "new": new})
            if not claimant.here:
                refold_unit(connection, claimant.id)  # the number of a removed model
            ref = reference(there, own, version)
            done.append(f"{ref} is {reference(there, own, new['version'])} now ({claimant.id[:8]})")
    return done


def _named(connection: model_rows.Connection, project: str, name: str, number: int) -> Json:
    found = project_rows.by_name(connection, project) if project else None
    return line_payload(found, name, number)
