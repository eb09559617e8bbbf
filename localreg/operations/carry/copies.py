"""Copies of models that arrive: new models, with new ids and numbers, without their history.

A copy is found again by what it is a copy of: its id is computed from that, from its project, and
from the origin of the registry that made it.
"""

from __future__ import annotations

import hashlib

from localreg.operations.finding.references import ensure_project
from localreg.store.events.change import Change
from localreg.store.events.shapes import checked_text
from localreg.store.rows import carried_blobs, logged_rows, model_rows
from localreg.store.rows.keys import next_number
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import ID_LENGTH
from localreg.values.records import LoggedEvent, ModelRecord, model_from_payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from localreg.values.records import Json


class Copying(Frozen):
    """How copies are made.

    Attributes:
        project: name of the project that they are made in; None for that of each model.
    """

    project: str | None


def copy_id(source: str, project: str, origin: str) -> str:
    """Return the id of a copy.

    Args:
        source: id of the model that it is a copy of.
        project: name of its project; "" for none.
        origin: of the registry that makes it.

    >>> copy_id("a" * 32, "vision", "b" * 32)
    'fb91dd4ee53c740eb22f8f6ef8889414'
    """
    text = "\n".join((source, origin, project))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def make_copy(change: Change, source: str, found: Json, copying: Copying) -> tuple[str, bool]:
    """Make a copy of a model, or find the one that was made before, within a transaction.

    Args:
        source: the model's id.
        found: what it was when it was exported, as `ModelRecord.payload`.

    Returns:
        The id of the copy, and True if it is new.

    Raises:
        InvalidEventError: it is not the description of a model.
    """
    # As the event that would create it: a stranger may have written it.
    checked_text(_event("model.created", source, found))
    record = model_from_payload(source, found)
    connection = change.connection
    name = copying.project or (record.project.name if record.project else "")
    known = [copy_id(source, name, origin) for origin in logged_rows.origins(connection)]
    for each in known:
        if logged_rows.has_unit(connection, each):
            return each, False
    project = ensure_project(change, name)
    made = copy_id(source, name, logged_rows.own_origin(connection))
    copy = ModelRecord(
        id=made,
        name=record.name,
        project=project,
        version=next_number(connection, name, record.name),
        comment=record.comment,
        framework=record.framework,
        package=record.package,
        published=record.published,
        archived=record.archived,
        task=record.task,
        parent=record.parent,
        created=change.at,
        birth=change.stamp(made),
        config=record.config,
        labels=record.labels,
        tags=record.tags,
        system_tags=record.system_tags,
        metadata=record.metadata,
        # Not "uploaded": this registry may not delete what another one uploaded.
        weights=tuple(
            replace(each, id=made, revision=1, uploaded=False, at=change.at)
            for each in record.weights
            if each.current
        ),
    )
    change.record("model.created", made, copy.payload() | {"copied_from": source})
    return made, True


def sign_copy(change: Change, model_id: str, source: str, signatures: Sequence[object]) -> int:
    """Record the signatures of a model for a copy of it that has the same weights.

    Args:
        model_id: of the copy; a removed one gets none.
        source: id of the model that it is a copy of.
        signatures: as `model.signed` records them.

    Returns:
        How many were recorded: not those that the copy has already.

    Raises:
        InvalidEventError: one is not a signature.
    """
    for each in signatures:
        checked_text(_event("model.signed", source, each))
    connection = change.connection
    weights = model_rows.current_weights(connection, model_id)
    served = None if weights is None else weights.digest
    has = {each.signature for each in carried_blobs.signatures_of(connection, model_id)}
    count = 0
    for found in signatures:
        assert isinstance(found, dict)  # it was checked above
        if found["digest"] == served and found["signature"] not in has:
            has.add(found["signature"])
            payload = {key: found[key] for key in ("digest", "signature", "size", "signer")}
            change.record("model.signed", model_id, payload)
            count += 1
    return count


def _event(kind: str, subject: str, payload: Any) -> LoggedEvent:  # noqa: ANN401  (JSON)
    """Return an event as a stranger may have written it, to be checked."""
    return LoggedEvent(
        event_id=subject, origin=subject, seq=1, lamport=1, stamp=0, at=0, actor="",
        kind=kind, v=1, subject=subject, field=None, payload=payload,
    )  # fmt: skip
