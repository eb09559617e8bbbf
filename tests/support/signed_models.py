"""Signatures and gates as their events record them: what is in a signature does not matter here."""

from __future__ import annotations

import hashlib
import json

from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain
from localreg.store.rows import model_rows
from localreg.values.ids import alias_id


def record_signature(place, model_id, data, *, digest=None, here=True, signer="ann"):
    """Record that a model has a signature, and return the sha256 of the signature.

    Args:
        place: the open registry.
        data: the bytes of the signature.
        digest: of the weights that it is of; those that are served by default.
        here: False to record it without its bytes.
        signer: what it says that it names.
    """
    signature = hashlib.sha256(data).hexdigest()
    with ArrivingBlobs(Chain(place)) as blobs:
        if here and blobs.lacks(signature, len(data)):
            blobs.add_bytes(data, signature)
            blobs.flush()
        with place.store.write() as change:
            blobs.record(change)
            record = model_rows.record(change.connection, model_id)
            payload = {
                "digest": digest or record.current_weights.digest,
                "signature": signature,
                "size": len(data),
                "signer": signer,
            }
            change.record("model.signed", model_id, payload)
    return signature


def record_gate(place, line, alias, conditions):
    """Record that an alias has a gate, and return the id of the event.

    Args:
        place: the open registry.
        line: project and name.
        conditions: texts; None for no gate.
    """
    project, name = line
    subject = alias_id(project, name, alias)
    with place.store.write() as change:
        old = change.connection.execute(
            "SELECT g.conditions FROM gate g JOIN project p ON p.pk = g.project "
            "WHERE p.name = ? AND g.name = ? AND g.alias = ?",
            (project, name, alias),
        ).fetchone()
        payload = {
            "project": project,
            "name": name,
            "old": old and json.loads(old[0]),
            "new": conditions,
        }
        change.record("alias.protected", subject, payload, field=alias)
        return change.last_event
