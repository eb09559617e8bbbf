"""Undo one change: record the change that takes it back, or say why that is not possible.

A change is undone by an event of its own, with the old and the new value exchanged, which names the
undone one as what it replaces. So it has effect wherever both events come, and an undo can be
undone, too. It is refused when somebody wrote the same value since: then it would take back that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from localreg.errors import (
    AmbiguousReferenceError,
    InvalidEventError,
    NotFoundError,
    UndoError,
)
from localreg.operations.finding.references import require_draft
from localreg.operations.models.history import describe
from localreg.operations.trust import gates
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.registers import ALIAS_KINDS, WAS, register_of
from localreg.store.events.shapes import checked_text
from localreg.store.rows import (
    addition_rows,
    blob_rows,
    event_rows,
    model_rows,
    task_rows,
    writer_rows,
)
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.records import Event, Json, LoggedEvent, StateChange

LEAST_DIGITS = 6
SHOWN_DIGITS = 8


class Undone(Frozen):
    """A change that was undone, or would be.

    Attributes:
        event_id: of the change.
        text: the change, as the history shows it.
        by: id of the event that undid it; None if that was only tried.
        inverse: what that event says.
        subject: id of the model, task or alias.
        of: what has that id, to be shown: "vision/resnet:2" or "task train"; of an alias the
            project and name that it belongs to.
        others: what the same call had changed before or after, as id and text; each of these is
            undone by itself.
    """

    event_id: str
    text: str
    by: str | None
    inverse: str
    subject: str
    of: str
    others: tuple[tuple[str, str], ...] = ()


class _Inverse(Frozen):
    """What takes a change back: the kind and the payload of an event on the same subject."""

    kind: str
    payload: Json


def undo(registry: OpenRegistry, event: object = None, *, dry_run: bool = False) -> Undone:
    """Undo a change.

    Args:
        event: the id of its event, or the first 6 or more digits; None for the last change that
            was made in this registry.
        dry_run: only look if it can be undone.

    Raises:
        NotFoundError: there is no such event.
        AmbiguousReferenceError: several events begin with these digits.
        UndoError: it cannot be undone, or was replaced since; nothing was changed.
        GateError: an alias would point to a model that does not pass its gate.
    """
    if dry_run:
        with registry.store.read() as connection:
            change = _found(connection, event)
            inverse = _inverse(registry, connection, change)
            return _undone(connection, change, inverse, None)
    registry.store.check_writable()
    _prepare(registry, event)
    with registry.store.write() as writing:
        connection = writing.connection
        change = _found(connection, event)
        inverse = _inverse(registry, connection, change)
        about = change.change
        if about.kind == "alias.protected":
            new, alias = inverse.payload["new"], str(about.field)
            was = change.event_id
            gates.record_gate(Chain(registry), writing, _line(about), alias, new, was=was)
        else:
            writing.record(inverse.kind, about.subject, inverse.payload, field=about.field)
        return _undone(connection, change, inverse, writing.last_event)


def _prepare(registry: OpenRegistry, event: object) -> None:
    """Bring what a check of a gate needs, before the transaction."""
    with registry.store.read() as connection:
        change = _found(connection, event).change
    if change.kind not in ALIAS_KINDS or change.v != 1 or change.payload["old"] is None:
        return
    chain, alias = Chain(registry), str(change.field)
    if change.kind == "alias.set":
        gates.prepare(chain, change.payload["old"], alias)
    else:
        gates.prepare_gate(chain, _line(change), alias, change.payload["old"])


def _line(change: StateChange) -> tuple[str, str]:
    return change.payload["project"], change.payload["name"]


def _found(connection: event_rows.Connection, event: object) -> Event:
    if event is None:
        last = event_rows.newest_here(connection)
        if last is None:
            if event_rows.newest_key(connection):
                raise NotFoundError(
                    "nothing was changed here yet, all came from other registries: `localreg undo "
                    "EVENT` takes back one of their changes, and `localreg history` lists them",
                    reference="",
                )
            raise NotFoundError("nothing was changed in this registry yet", reference="")
        return last
    digits = check_text("event", event, limit=64).strip().lower()
    hits = event_rows.by_digits(connection, digits) if len(digits) >= LEAST_DIGITS else []
    if not hits:
        raise NotFoundError(
            f"there is no event {shown(digits)}; `localreg history` shows the first digits of "
            f"each, of which {LEAST_DIGITS} or more name it",
            reference=digits,
        )
    if len(hits) > 1:
        found = ", ".join(each.event_id[: len(digits) + 4] for each in hits)
        raise AmbiguousReferenceError(
            f"several events begin with {digits}: {found}; give more digits",
            reference=digits,
            hits=tuple(each.event_id for each in hits),
        )
    return hits[0]


def _undone(
    connection: event_rows.Connection, event: Event, inverse: _Inverse, by: str | None
) -> Undone:
    change = event.change
    text = describe(
        StateChange(inverse.kind, 1, change.subject, change.field, inverse.payload, 0, 0)
    )
    others = [
        (each.event_id, describe(each.change))
        for each in event_rows.of_call(connection, event.seq)
        if each.event_id != event.event_id and event.arrived is None
    ]
    of = _shown_subject(connection, change)
    return Undone(event.event_id, describe(change), by, text, change.subject, of, tuple(others))


def _shown_subject(connection: event_rows.Connection, change: StateChange) -> str:
    if change.kind in ALIAS_KINDS:
        project, name = change.payload["project"], change.payload["name"]
        return f"{project}/{name}" if project else str(name)
    model = model_rows.model_row(connection, change.subject)
    if model is not None:
        return model.ref
    task = task_rows.task(connection, change.subject)
    return change.subject[:SHOWN_DIGITS] if task is None else f"task {task.name}"


def _inverse(registry: OpenRegistry, connection: event_rows.Connection, event: Event) -> _Inverse:
    """Return what undoes an event; raise if nothing does."""
    change = event.change
    why = _CANNOT.get(change.kind)
    if why is not None:
        raise _refused(event, why.format(id=change.subject[:SHOWN_DIGITS]))
    if event.outcome is not None:
        raise _refused(event, f"it has no effect here ({event.outcome})")
    rule = _RULES.get((change.kind, change.v))
    if rule is None:
        raise _refused(event, "this localreg does not know such a change")
    _check_subject(connection, event)
    try:
        inverse = rule(_Undoing(registry, connection, event))
        _check_inverse(change, inverse)
    except (KeyError, TypeError, InvalidEventError) as error:  # a stranger may have written it
        raise _refused(event, "what was there before cannot be read") from error
    return inverse


def _check_inverse(change: StateChange, inverse: _Inverse) -> None:
    """Raise InvalidEventError if what undoes an event is no sound event itself."""
    checked_text(
        LoggedEvent(
            event_id=change.event_id, origin=change.event_id, seq=1, lamport=1, stamp=0, at=0,
            actor="", kind=inverse.kind, v=1, subject=change.subject, field=change.field,
            payload=inverse.payload,
        )
    )  # fmt: skip


def _check_subject(connection: event_rows.Connection, event: Event) -> None:
    """Raise if what changed is not there now."""
    subject, topic = event.change.subject, event.change.kind.partition(".")[0]
    if topic == "model" and model_rows.model_row(connection, subject) is None:
        raise _refused(
            event, f"the model was removed; `localreg restore {subject[:SHOWN_DIGITS]}` first"
        )
    if topic == "task" and task_rows.task(connection, subject) is None:
        raise _refused(event, "the task was removed")


class _Undoing:
    """One event, and the registry in which it is undone."""

    def __init__(
        self, registry: OpenRegistry, connection: event_rows.Connection, event: Event
    ) -> None:
        self.registry = registry
        self.connection = connection
        self.event = event
        self.change = event.change
        self.payload = event.change.payload

    def refused(self, why: str) -> UndoError:
        """Return the error that says why the event cannot be undone."""
        return _refused(self.event, why)

    def check_not_replaced(self) -> None:
        """Raise if somebody wrote the same value since, and say what."""
        change = self.change
        register = register_of(change.kind, change.field, change.payload)
        assert register is not None
        first = None if change.kind in ALIAS_KINDS else change.subject
        now = writer_rows.writers(self.connection, change.subject, register, first)
        if self.event.event_id not in now:
            found = [event_rows.by_id(self.connection, each) for each in now]
            raise self.refused(
                "it was replaced since: " + "; ".join(_said(each) for each in found if each)
            )

    def write(self, kind: str, new: object, old: object, **more: object) -> _Inverse:
        """Return an event that sets a register to a value; the undone event is what it replaces."""
        self.check_not_replaced()
        payload = {**more, "old": old, "new": new, WAS: self.event.event_id}
        return _Inverse(kind, payload)


def _said(event: Event) -> str:
    when = datetime.fromtimestamp(event.change.at / 1_000_000, UTC)
    return (
        f"{describe(event.change)} by {event.actor} at {when:%Y-%m-%d %H:%M} UTC "
        f"({event.event_id[:SHOWN_DIGITS]})"
    )


def _refused(event: Event, why: str) -> UndoError:
    return UndoError(
        f"event {event.event_id[:SHOWN_DIGITS]} ({describe(event.change)}) cannot be undone: {why}",
        event=event.event_id,
    )


def _exchanged(undoing: _Undoing) -> _Inverse:
    """Undo a change whose event has the old and the new value."""
    change, payload = undoing.change, undoing.payload
    more = {key: payload[key] for key in payload if key in ("section", "role", "project", "name")}
    return undoing.write(change.kind, payload["old"], payload["new"], **more)


def _design(undoing: _Undoing) -> _Inverse:
    require_draft(undoing.connection, undoing.change.subject)
    return _exchanged(undoing)


def _alias(undoing: _Undoing) -> _Inverse:
    """Undo a setting of an alias, if the model before it passes the gate that there is now."""
    payload, passed = undoing.payload, {}
    if payload["old"] == payload["new"]:
        raise undoing.refused(
            "it only says which gate the model passed; point the alias elsewhere, or drop it"
        )
    undoing.check_not_replaced()
    if payload["old"] is not None:
        row = model_rows.model_row(undoing.connection, payload["old"])
        project = row.project.name if row is not None and row.project else ""
        if row is None or (project, row.name) != (payload["project"], payload["name"]):
            raise undoing.refused(
                f"the model {payload['old'][:SHOWN_DIGITS]}, to which the alias pointed, was "
                "removed or moved"
            )
        chain, alias = Chain(undoing.registry), str(undoing.change.field)
        passed = gates.passed_payload(gates.check_gate(chain, undoing.connection, row, alias))
    more = {key: payload[key] for key in ("project", "name")}
    return undoing.write(undoing.change.kind, payload["old"], payload["new"], **more, **passed)


def _gate(undoing: _Undoing) -> _Inverse:
    """Undo a change of a gate, if the model of the alias passes the gate before it."""
    undoing.check_not_replaced()
    conditions = undoing.payload["old"]
    if conditions is not None:
        gates.check_pointed_to(
            Chain(undoing.registry),
            undoing.connection,
            _line(undoing.change),
            str(undoing.change.field),
            conditions,
        )
    return _exchanged(undoing)


def _tag(undoing: _Undoing) -> _Inverse:
    """Undo an addition by dropping only that one, and a drop by an addition."""
    change, payload = undoing.change, undoing.payload
    owner, tag = change.kind.partition(".")[0], str(change.field)
    system = bool(payload.get("system"))
    live = addition_rows.additions(undoing.connection, owner, change.subject, tag, system=system)
    more: Json = {"system": system}
    if payload["new"]:
        if undoing.event.event_id not in live:
            raise undoing.refused("the tag was dropped since")
        adds = [undoing.event.event_id]
        return _Inverse(change.kind, {"old": True, "new": False, "adds": adds, **more})
    if live:
        raise undoing.refused("the tag was added again since")
    return _Inverse(change.kind, {"old": False, "new": True, **more})


def _weights(undoing: _Undoing) -> _Inverse:
    """Undo an update of weights, or a return to older ones: serve those from before."""
    change, payload = undoing.change, undoing.payload
    require_draft(undoing.connection, change.subject)
    before = payload["old"]
    if before is None:
        raise undoing.refused("the model had no weights before")
    if model_rows.revision(undoing.connection, change.subject, before["revision"]) is None:
        raise undoing.refused(f"weights {before['number']} were dropped since")
    new = payload["new"]
    now = (
        {"revision": undoing.event.event_id, "number": new["revision"]}
        if change.kind == "model.weights_added"
        else new
    )
    return undoing.write("model.weights_chosen", before, now)


def _configuration(undoing: _Undoing) -> _Inverse:
    """Undo a change of a named configuration; the text before is in the event before."""
    import hashlib

    payload = undoing.payload
    before = _value_before(undoing)
    text = payload["new"][0] if payload["new"] else None
    now = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    return undoing.write(undoing.change.kind, before, now)


def _artifact(undoing: _Undoing) -> _Inverse:
    """Undo a change of an artifact, if the bytes from before are still here."""
    before = _value_before(undoing)
    now = undoing.payload["new"]
    if isinstance(before, dict):
        digest, size = before["digest"], before["size"]
        row = blob_rows.blob(undoing.connection, digest)
        if row is None or not undoing.registry.blobs.has(digest, size):
            raise undoing.refused(f"the bytes of the artifact before it ({digest[:12]}…) are gone")
    return undoing.write(undoing.change.kind, before, None if now is None else now["digest"])


def _value_before(undoing: _Undoing) -> object:
    """Return the value that a register had before an event, as the event before it wrote it."""
    before = undoing.payload[WAS]
    if undoing.payload["old"] is None or before in (None, undoing.change.subject):
        return None
    written = event_rows.by_id(undoing.connection, before)
    if written is None:
        raise undoing.refused("the event before it is not in this registry")
    return written.change.payload["new"]


# What has no inverse, and what to do instead.
_CANNOT = {
    "project.created": "a project without models and tasks does not count",
    "model.created": "remove the model with `localreg rm {id}`",
    "model.removed": "bring the model back with `localreg restore {id}`",
    "model.restored": "remove the model again with `localreg rm {id}`",
    "model.published": "what is published stays; add a new version instead",
    "model.signed": "a signature stays; what counts is which keys are trusted: `localreg key rm` "
    "takes one out of trust",
    "model.renumbered": "a number that was given up is not taken back; move the model to another",
    "model.released": "a number that was given up is not taken back",
    "model.weights": "the URL serves other bytes, and this registry only recorded it",
    "model.weights_dropped": "the bytes may be gone; add the weights again",
    "model.weights_kept": "the bytes are here; `localreg gc` deletes what nothing needs",
    "model.weights_uploaded": "what was uploaded stays; delete the object where it is",
    "weights.fetched": "a download changes nothing; `localreg cache rm {id}` deletes the bytes",
    "task.created": "remove the task with `localreg task rm {id}`",
    "task.state": "a process that ended does not run again; `localreg task run {id}` starts one",
    "task.run": "it says how the task ran",
    "task.removed": "a removed task does not come back",
}
_RULES: dict[tuple[str, int], Callable[[_Undoing], _Inverse]] = {
    ("model.changed", 1): _exchanged,
    ("model.moved", 1): _exchanged,
    ("model.tag", 1): _tag,
    ("model.metadata", 1): _exchanged,
    ("model.design", 1): _design,
    ("model.weights_added", 1): _weights,
    ("model.weights_chosen", 1): _weights,
    ("alias.set", 1): _alias,
    ("alias.protected", 1): _gate,
    ("task.changed", 1): _exchanged,
    ("task.design", 1): _exchanged,
    ("task.model", 1): _exchanged,
    ("task.moved", 1): _exchanged,
    ("task.tag", 1): _tag,
    ("task.parameter", 1): _exchanged,
    ("task.configuration", 1): _configuration,
    ("task.artifact", 1): _artifact,
}
